"""Values in the forms of other people's tools and documents, and what looks like them and is none."""

import pytest

from spanscope.redaction import Redactor

redact = Redactor().redact

SECRETS = [
    ("curl -k https://search \\\n  -H 'Accept: */*' \\\n  -u elastic:{}", "q7VtkXPz3CriaR"),
    ("curl --user ada:'{}' https://api", "q7VtkXPz3CriaR"),
    ('curl -u ":{}" https://api', "d9LkV78zLx!t"),
    ("mysqldump -u root -p{} shop", "q7VtkXPz3C"),
    ("sshpass -p '{}' ssh ada@host", "q7VtkXPz3C"),
    ("docker login -u ada -p {} registry", "q7VtkXPz3C"),
    ("requests.get(url, auth=('ada', '{}'))", "q7VtkXPz3C"),
    ("apiVersion: v1\nkind: Secret\ntype: Opaque\ndata:\n  # base64\n  extra: {}\n", "cXVlZW46aG9uZXliZWU="),
    ("data:\n  extra: |\n    {}\nkind: 'Secret'\n", "cXVlZW46aG9uZXliZWU="),
    ("jdbc:oracle:thin:{}@//db:1521/x", "scott/q7VtkXPz"),
    ("ENV APP_SECRET {}", "q7VtkXPz3CriaR"),
    ("ansible_become_pass: {}", "q7VtkXPz3C"),
    ('mail_pw = "{}"', "q7VtkXPz3C"),
    ('passphrase = "{}"', "correct horse battery staple"),
    ("BUNDLE_GEMS__CONTRIBSYS__COM={}", "0123abcd:4567cdef"),
    ("BUNDLE_GEMS__CONTRIBSYS__COM: {}", "cafebabe:deadbeef"),
    ("DB_PASSWORD={}", "*xcfqIbAIJHMmR"),
]

HARMLESS = [
    *(
        'curl -u "${USER}:${PASS}" https://api',
        "curl -u <user:password> https://api",
        "curl --user 'a:$PASSWORD' x",
    ),
    *(
        "if password != confirm_password:",
        "tiktoken==0.2.0",
        "libsecret-1-0:amd64 (0.20.5-3)",
        "password: !vault |",
    ),
    *("`REQUEST_TOKEN`: The token to authenticate with", "self.token += nextchar", "$password = $input;"),
    *(
        "h = {'Authorization': 'Bearer ' + token}",
        'userpass = b":".join((name, secret))',
        "## Basic Overlap Scenarios",
    ),
    *(
        "you can pass `access_key_id` and `secret_access_key`",
        "id-token: write",
        "PublicKeyToken=b77a5c561934e089",
    ),
    *("['UserRecognizer', 'UsBankRecognizer']", "export API_KEY=your-api-key", "token\n\n=head1 VERSION"),
    "kind: ExternalSecret\nspec:\n  data:\n    - secretKey: api-key\n",
    "kind: Secret\ndata:\n  htpasswd: {{ htpasswd }}\n",
    "0123abcd4567cdef0123abcd4567cdef  /bin/apt-key\n89abcdef0123abcd4567cdef0123abcd  /bin/apt-mark",
]

PERSONAL = [
    ("IBAN", "my iban is gb29nwbk60161331926819", "my iban is [IBAN]"),
    ("CARD", "4242.4242.4242.4242", "[CARD]"),
    ("CARD", "card 3056 9309 0259 04 exp 12/27", "card [CARD] exp 12/27"),
    ("PHONE", "They are not answering at 78 651 450", "They are not answering at [PHONE]"),
    ("PHONE", "416 60 039 office\n71-33-52-22 mobile", "[PHONE] office\n[PHONE] mobile"),
    ("PHONE", "Tel. 49458", "Tel. [PHONE]"),
    ("PHONE", '{"mobile": "311299", "id": 3}', '{"mobile": "[PHONE]", "id": 3}'),
    ("PHONE", "You can reach us on 71 24 53 or by mail.", "You can reach us on [PHONE] or by mail."),
    ("PHONE", "| Bob | 00 973 3600 5550 |", "| Bob | [PHONE] |"),
    ("PHONE", "Info:\\nPhone:\\n75 565 925\\n", "Info:\\nPhone:\\n[PHONE]\\n"),
    ("SSN", '"ssn": "47239550460"', '"ssn": "[SSN]"'),
    ("ID", "NPWP: 01.105.197.6-424.000", "NPWP: [ID]"),
    ("PLATE", "license plate 鄂M-95896", "license plate [PLATE]"),
    ("COORDINATES", '{"lat": 20.095976, "lng": 167.068676}', '{"lat": [COORDINATES], "lng": [COORDINATES]}'),
    ("IP", "[::ffff:203.0.113.9]:80", "[[IP]]:80"),
    ("ADDRESS", "Etzlergasse 2/2\n72869 Sternberg", "[ADDRESS]"),
    ("ADDRESS", "34, rue Maillot\n64574 Faure-sur-Daniel", "[ADDRESS]"),
    ("ADDRESS", "Piazza Costantino, 28, 21061, Maccagno (VA)", "[ADDRESS]"),
]
HARMLESS += [
    *(
        "During 1971, Acme invested",
        "Brigade 7 and String 5",
        "Copyright (c) 2005-2023, call us",
        "x = 8.6270183987866146 + 15.3",
    ),
    *("Foundation Grant No. 0757627", "phone book 2019-2024"),
    *("a ratio of -111.00883922013399", "第3章 路由表", "문서 3"),
    *(
        "phone 30 000 users",
        "mobile: 120000 ms",
        "fax 2019-20",
        "a3 00 12 34 56 78 90 12 ff",
        "at 12:00 45 678 900",
    ),
]


@pytest.mark.parametrize(("kind", "text", "redacted"), PERSONAL)
def test_personal_data_is_found_as_others_write_it(kind, text, redacted):
    assert redact(text) == redacted


@pytest.mark.parametrize(("form", "secret"), SECRETS)
def test_secrets_are_found_in_commands_and_files(form, secret):
    assert secret not in redact(form.replace("{}", secret))


@pytest.mark.parametrize("text", HARMLESS)
def test_names_variables_and_sentences_about_secrets_stay(text):
    assert redact(text) == text

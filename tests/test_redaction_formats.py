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


@pytest.mark.parametrize(("form", "secret"), SECRETS)
def test_secrets_are_found_in_commands_and_files(form, secret):
    assert secret not in redact(form.replace("{}", secret))


@pytest.mark.parametrize("text", HARMLESS)
def test_names_variables_and_sentences_about_secrets_stay(text):
    assert redact(text) == text

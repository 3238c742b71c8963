"""What the rules know: values as issuers write them, and look-alikes that must stay."""

import random

import pytest

from spanscope.redaction import Redactor
from spanscope.redaction.catalogue import RULES
from spanscope.redaction.guesses import looks_random

redact = Redactor().redact

FOUND = {
    "EMAIL": ["ada%40example.com", "ada [at] example [dot] com", "почта@пример.рф", "o'brien+x@sub.example.museum"],
    "PHONE": [
        *("+44 (0)20 7946 0958", "+49 30 901820", "+33 (0)6 12 34 56 78", "06.12.34.56.78", "(02) 9876 5432"),
        *("+81 3-1234-5678", "+55 11 91234-5678", "001-245-332-9382x1234", "800-555-0199 ext. 12", "1-800-FLOWERS"),
        *("+1 (555) 867-5309 x22", "+972-50-123-4567", "0151 23456789", "98765 43210"),
    ],
    "CARD": ["3530 1113 3330 0000", "2131 0000 0000 0008"[:18].strip() and "5018 0000 0009", "6011-1111-1111-1117"],
    "IBAN": ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "NO93 8601 1117 947", "FR14 2004 1010 0505 0001 3M02 606"],
    "SSN": ["078-05-1120", "219 09 9999"],
    "ID": [
        *("529.982.247-25", "12345678Z", "X1234567L", "1 85 05 78 006 084 91", "AB 12 34 56 C", "131052-308T", "811218-9876"),
        *("070761-4285", "RSSMRA85T10A562S", "ABCPE1234F", "756.9217.0769.85", "11010519491231002X", "S1234567D", "A123456789"),
    ],
    "IP": ["203.0.113.77", "2001:db8:85a3::8a2e:370:7334", "192.168.17.34", "::ffff:203.0.113.9"],
    "MAC": ["00:1A:2b:3C:4d:5E", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"],
    "ADDRESS": [
        *("221B Baker Street, London NW1 6XE", "1600 Pennsylvania Avenue NW, Washington, DC 20500", "Schillerstraße 12, 80336 München"),
        *("12 rue de la Paix, 75002 Paris", "Calle de Alcalá 45, 28014 Madrid", "Via Garibaldi 7, 20121 Milano", "Kerkstraat 12, 1017 GC Amsterdam"),
        *("P.O. Box 1234, Springfield, IL 62701", "北京市海淀区中关村大街1号", "東京都千代田区丸の内1-9-1"),
    ],
    "WALLET": [
        *("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"),
        *("0x52908400098527886E0F7030069857D2E4169EE7",),
    ],
    "COORDINATES": ["48.858370, 2.294481", "40°26'46\"N 79°58'56\"W"],
    "SECRET": [
        *("glpat-Ab1Cd2Ef3Gh4Ij5Kl6Mn", "AIzaSyA1234567890abcdefghijklmnopqrstuv", "dapi0123456789abcdef0123456789abcdef"),
        *("SG.abcdefghijklmnopqrstuv.ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq", "sntryu_" + "ab12" * 16, "pul-" + "0f" * 20),
        *("MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.abcdefghijklmnopqrstuvwxyz012345", "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"),
        *("0123456789abcdef0123456789abcdef-us12", "abc8Q~defghijklmnopqrstuvwxyz0123456789", "npm_abcdefghijklmnopqrstuvwxyz0123456789"),
    ],
}  # fmt: skip

IN_CONTEXT = [
    ("born on 3 March 1985", "born on [DOB]"),
    ("am 03.04.1985 geboren", "am [DOB] geboren"),
    ('{"dateOfBirth": "1985-03-04"}', '{"dateOfBirth": "[DOB]"}'),
    ("Date de naissance : 04/03/1985", "Date de naissance : [DOB]"),
    ("passport no. C01X00T47", "passport no. [PASSPORT]"),
    ("userPassport: 123456789", "userPassport: [PASSPORT]"),
    ("license plate 7ABC123", "license plate [PLATE]"),
    ("my driver's license number is 2270-66-1551", "my driver's license number is [LICENSE]"),
    ("PESEL 44051401359", "PESEL [ID]"),
    ("account number 000123456789", "account number [ACCOUNT]"),
    ("stop messages to 5551234567", "stop messages to [PHONE]"),
    ("Call 555 1234 567 today", "Call [PHONE] today"),
    ("we meet at my address: 14 Elm Grove", "we meet at my address: [ADDRESS]"),
    ('File "/home/ada/x.py", line 3', 'File "/home/[USER]/x.py", line 3'),
    (r"C:\Users\ada\x.db", r"C:\Users\[USER]\x.db"),
    (r"\nada@example.com", r"\n[EMAIL]"),
    ("pos 52.5200, 13.4050", "pos [COORDINATES]"),
]

NAMED = [
    "{name}={value}",
    "{name} = '{value}'",
    '"{name}": "{value}"',
    r"\"{name}\": \"{value}\"",
    "{name}: {value}",
    "{name}: |\n  {value}",
    "<{name}>{value}</{name}>",
    'string {name} = "{value}";',
    'var {name} string = "{value}"',
    "{name} := `{value}`",
    "{name},{value},",
    "'{name}' => '{value}'",
    "export {name}={value}",
    '<add key="{name}" value="{value}" />',
    "?{name}={value}&x=1",
    "--{name}={value}",
]

STAYS = [
    "version 2.14.3.1 of the driver",
    "acme==1.2.3.4 and acme-10.20.30.40.tar.gz",
    "listen on 127.0.0.1:8080 and 0.0.0.0, gateway 192.168.1.1",
    "12:30:45 and std::vector",
    "ISBN 978-0-306-40615-7, EAN 4006381333931",
    "order number 5551234567",
    "tracking 1Z999AA10123456784",
    "scores: 0.123456, 0.654321, 0.111111",
    "sha512-" + "Ab1" * 28 + "==",
    "password=os.environ['PASSWORD'], api_key=settings.api_key, token=token",
    "password: ${DB_PASSWORD}, secret={{ vault.secret }}, key=<your-key>",
    "primary_key=customer_id_20240101, sort_key: 2024-01-01T00:00:00",
    "max_tokens=4096, stop_token: 3, tokenizer=cl100k_base",
    "In 1998 the passport office moved to 12 floors",
    "she was born in a small village",
    "the registration desk opens at 9",
    "https://example.com/a?page=2&sort=name",
    "git@github.com:acme/app.git",
    "lodash@4.17.21 and icon@2x.png",
    "/home/user/app and /Users/Shared",
    "GET /users/42 and POST /home/feed",
    "the key is patience; a token of thanks; the secret of bread",
    "10 Things I Hate About You, 12 Angry Men",
]


@pytest.mark.parametrize(
    ("kind", "value"), [(kind, value) for kind, values in FOUND.items() for value in values]
)
def test_a_value_is_taken_out_whole(kind, value):
    assert redact(f"see {value} there") == f"see [{kind}] there"


@pytest.mark.parametrize(("text", "expected"), IN_CONTEXT)
def test_the_words_beside_it_make_it_personal(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize(
    "name", ["datadog_api_key", "AdobeToken", "client_secret", "TWITCH_TOKEN", "snykKey"]
)
@pytest.mark.parametrize("syntax", NAMED)
def test_a_value_under_a_secret_name_goes_however_it_is_written(name, syntax):
    rng = random.Random(syntax + name)
    value = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=32)) + "7x"
    assert value[:8] not in redact(syntax.format(name=name, value=value))


@pytest.mark.parametrize("text", STAYS)
def test_a_look_alike_stays(text):
    assert redact(text) == text


def test_words_dates_and_paths_do_not_look_random():
    for word in ("gpt-4o-mini-2024-07-18", "understanding", "customer_id_20240101", "src/app/main"):
        assert not looks_random(word)
    assert looks_random("q7Zp0sK2mV9xB4nT")


def test_each_rule_says_when_it_is_worth_trying():
    """A rule without any gate would run on every text."""
    assert [
        rule.name for rule in RULES if not (rule.triggers or rule.labels or rule.sieve or rule.digits)
    ] == []

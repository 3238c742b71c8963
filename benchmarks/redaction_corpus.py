"""A labelled corpus: texts as they pass through LLM applications, with values planted at known places.

Chat, JSON arguments, tracebacks, logs, Markdown, code and several languages; and texts with nothing to hide
in them, half of which hold what looks like it: order numbers, UUIDs, versions, timestamps, ISBNs, hashes.
The same seed gives the same corpus.
"""

import string
from dataclasses import dataclass
from random import Random

from redaction_values import ALNUM, HEX, VALUES, digits, luhn, some

SECRETS = frozenset({"KEY", "OPAQUE", "PASSWORD"})


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text, and the values in it: type and what was planted.  `near` are look-alikes that must stay."""

    text: str
    planted: tuple[tuple[str, str], ...] = ()
    near: tuple[str, ...] = ()


TEMPLATES = (
    # chat
    "Hi, I can't log in. My address is {EMAIL} and my number is {PHONE}.",
    "Please call me back at {PHONE} after 5 pm, or write to {EMAIL}.",
    "user: my card {CARD} was charged twice\nassistant: I am sorry to hear that.",
    "Can you move 200 EUR to {IBAN} by Friday?",
    "My social security number is {SSN}, what else do you need?",
    "His SSN is {SSN}.",
    "I was born on {DOB} in a small village.",
    "The patient's date of birth: {DOB}. No allergies.",
    "Ship it to {ADDRESS} please.",
    "We have moved. Our new address is {ADDRESS}.",
    "My passport number is {PASSPORT}, it expires next year.",
    "The car with license plate {PLATE} was parked outside.",
    "my driver's license number is {LICENSE}",
    "send 0.2 BTC to wallet {WALLET} now",
    "I am at {COORDINATES}, come and get me",
    "the wifi password is {PASSWORD}",
    "here is my api key: {KEY} - does it work?",
    "I used {KEY} and it said 401",
    "token {OPAQUE} has been revoked",
    # JSON and tool arguments
    '{{"name": "create_contact", "arguments": {{"email": "{EMAIL}", "phone": "{PHONE}"}}}}',
    '{{"role": "user", "content": "pay with {CARD}, billing {ADDRESS}"}}',
    '{{\\"to\\": \\"{EMAIL}\\", \\"note\\": \\"call {PHONE}\\"}}',
    '{{"client_ip": "{IP}", "mac": "{MAC}", "ok": true}}',
    '{{"api_key": "{OPAQUE}", "model": "gpt-4o", "max_tokens": 256}}',
    '{{"dob": "{DOB}", "national_id": "{ID}", "passport": "{PASSPORT}"}}',
    '{{"location": "{COORDINATES}", "wallet": "{WALLET}"}}',
    '[{{"iban": "{IBAN}"}}, {{"ssn": "{SSN}"}}]',
    '{{"headers": {{"Authorization": "Bearer {OPAQUE}"}}, "url": "https://api.acme.io/v1"}}',
    # tracebacks and errors
    'Traceback (most recent call last):\n  File "/home/{USER}/app/main.py", line 42, in run\n    raise ValueError(msg)\nValueError: no account for {EMAIL}',
    "openai.AuthenticationError: Error code: 401 - Incorrect API key provided: {KEY}. You can find your key in the dashboard.",
    "psycopg.OperationalError: connection to postgresql://app:{PASSWORD}@db.internal:5432/prod failed",
    "requests.exceptions.HTTPError: 403 for url: https://api.acme.io/items?page=2&api_key={OPAQUE}",
    "KeyError: 'C:\\\\Users\\\\{USER}\\\\AppData\\\\Local\\\\cache.db'",
    # logs
    "2024-03-01 10:22:31,123 INFO login ok user={EMAIL} ip={IP} took=31ms",
    '{IP} - - [01/Mar/2024:10:22:31 +0000] "GET /index.html HTTP/1.1" 200 512',
    "Mar  1 10:22:31 host dhcpd: DHCPACK on {IP} to {MAC} via eth0",
    'level=warn msg="retry" password={PASSWORD} attempt=3',
    "DEBUG export OPENAI_API_KEY={KEY}",
    "sms gateway: delivered to {PHONE} in 2 s",
    "ERROR payment declined card={CARD} amount=12.50",
    # Markdown, CSV
    "| name | e-mail | phone |\n|---|---|---|\n| Ann | {EMAIL} | {PHONE} |",
    "## Contact\n\n- **Mail:** {EMAIL}\n- **Tel:** {PHONE}\n- **Address:** {ADDRESS}\n",
    "id,email,ip\n17,{EMAIL},{IP}\n",
    # code and configuration
    'client = OpenAI(api_key="{KEY}")',
    "DB_PASSWORD={PASSWORD}\nDEBUG=true\n",
    "aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key = {OPAQUE}\n",
    'const token = "{KEY}";\nfetch(url, {{ headers: {{ "X-Api-Key": "{OPAQUE}" }} }});',
    "curl -u admin:{PASSWORD} https://intranet.acme.io/status",
    'resource "x" "y" {{\n  client_secret = "{OPAQUE}"\n}}',
    "git clone https://oauth2:{KEY}@gitlab.com/acme/app.git",
    "spring.datasource.password: {PASSWORD}",
    '<add key="ApiToken" value="{OPAQUE}" />',
    # other languages
    "Meine Telefonnummer ist {PHONE}, meine E-Mail {EMAIL}.",
    "Ich wohne in der {ADDRESS} und bin am {DOB} geboren.",
    "Mon numéro est le {PHONE}, né le {DOB}.",
    "Mi correo es {EMAIL} y mi DNI es {ID}.",
    "Il mio IBAN è {IBAN}, grazie.",
    "Meu CPF é {ID}, telefone {PHONE}.",
    "我的邮箱是{EMAIL}，电话{PHONE}。",
    "連絡先: {EMAIL} / 電話 {PHONE}",
    "Мой телефон {PHONE}, почта {EMAIL}",
    "Numer konta: {IBAN}, dowód {PASSPORT}",
    "ID of the applicant: {ID}",
)

HARMLESS = (
    "The quick brown fox jumps over the lazy dog and does not look back.",
    "Please summarise the attached report in three sentences.",
    "A secret of good bread is time; the key is patience, and a token of thanks goes a long way.",
    "The session timed out because the auth middleware was not configured for this env.",
    "def add(a: int, b: int) -> int:\n    return a + b\n",
    "password = os.environ['DB_PASSWORD']",
    "api_key=settings.api_key, token=token, secret=None",
    "Reset your password in the account settings; the password must have twelve characters.",
    "In 1969 two people walked on the moon; in 1972 the last ones left it.",
    "Set temperature=0.2, top_p=0.95, max_tokens=1024 and stop=['\\n'].",
    "Das Treffen ist am Montag um 10 Uhr in Raum 12.",
    "La réunion aura lieu mardi à 14 h dans la salle 3.",
    "SELECT id, name FROM users WHERE status = 'active' ORDER BY id LIMIT 50;",
    "| step | loss |\n|---|---|\n| 100 | 0.421 |\n| 200 | 0.317 |",
    "Basic understanding of bearer certificates is needed for this course.",
    "The API returned 404 for /v1/items/17; retry after 30 seconds.",
    "import numpy as np\nx = np.linspace(0, 1, 100)\n",
    "Chapter 4 describes how the passport office moved to a new street in 1998.",
    "Her birthday party starts at 8; bring 12 balloons.",
    "The best way to drive to the park is along the river.",
    "ERROR [main] o.a.k.c.NetworkClient - [Producer clientId=producer-1] Connection to node -1 could not be established.",
    "Call the function with 3 arguments; it returns 2 values.",
    "token_count: 512, total_tokens: 1024, cached_tokens: 0",
    "The address of the variable is 0x7ffee4c0a8b0.",
)

NEAR = (
    "Your order {order} has shipped.", "Invoice {order} is due.", "request_id={uuid} status=200", "trace {uuid} took 12 ms",
    "Released version {version} of the driver.", "upgrade from v{version} to the latest", "pip install acme=={version}", "at {timestamp} the job began",
    "{iso} INFO server started", "ISBN {isbn}, second edition", "commit {sha1} fixes the bug", "sha256:{sha256}", "image@sha256:{sha256}", "md5 {md5} ok",
    "embedding [{vector}]", "scores: {vector}", "epoch={timestamp}", "part no. {part}", "SKU {part} is out of stock", "tracking number {tracking}",
    "GET /items/{number} HTTP/1.1", "The total is ${money}.", "revenue was {big} USD", "bbox: [{ints}]", "port 8080, pid {number}", "span_id={span}",
    '{{"id": "{uuid}", "object": "chat.completion", "created": {timestamp}}}', '{{"etag": "{md5}", "size": {number}}}', "chatcmpl-{base}", "call_{base}",
    "arXiv:{arxiv}", "doi:10.1000/{number}", "build {version}-rc1", "{range} pages", "from {iso} to {iso}", "EAN {ean}", "line {number}, column 12", "color #{hex6}", "model claude-sonnet-4-20250514 and gpt-4o-mini-2024-07-18",
    '"integrity": "sha512-{integrity}"',
)  # fmt: skip


def look_alikes(random: Random) -> dict[str, str]:
    ean = digits(random, "%###########")
    return {
        "order": random.choice((digits(random, "###-#######-#######"), "#" + digits(random, "%#########"), "ORD-" + digits(random, "######"), digits(random, "%#######"))),
        "uuid": "-".join(some(random, HEX, count) for count in (8, 4, 4, 4, 12)),
        "version": ".".join(str(random.randint(0, 30)) for _ in range(random.choice((3, 4)))),
        "timestamp": random.choice((digits(random, "17########"), digits(random, "17###########"), digits(random, "17########.######"))),
        "iso": f"202{random.randint(0, 5)}-0{random.randint(1, 9)}-1{random.randint(0, 9)}T0{random.randint(0, 9)}:{random.randint(10, 59)}:{random.randint(10, 59)}.{some(random, string.digits, 3)}Z",
        "isbn": random.choice(("978-3-16-148410-0", digits(random, "978-#-##-######-#"), digits(random, "#-###-#####-#"))),
        "sha1": some(random, HEX, 40), "sha256": some(random, HEX, 64), "md5": some(random, HEX, 32), "span": some(random, HEX, 16),
        "vector": ", ".join(f"{random.uniform(-1, 1):.6f}" for _ in range(random.randint(6, 40))),
        "part": digits(random, "##-####-###") + random.choice("AB"), "tracking": "1Z" + some(random, ALNUM.upper(), 16),
        "number": str(random.randint(1, 99999)), "money": f"{random.randint(1, 99)},{random.randint(100, 999)}.{random.randint(10, 99)}",
        "big": f"{random.randint(1, 99)},{random.randint(100, 999)},{random.randint(100, 999)}", "ints": ", ".join(str(random.randint(0, 4000)) for _ in range(4)),
        "base": some(random, ALNUM, 24), "arxiv": digits(random, "24##.#####"), "range": f"{random.randint(1, 99)}-{random.randint(100, 999)}",
        "ean": luhn(ean), "hex6": some(random, HEX, 6), "integrity": some(random, ALNUM + "+/", 86) + "==",
    }  # fmt: skip


def build(seed: int = 1, rounds: int = 20) -> list[Labelled]:
    """`rounds` texts of each template, as many without anything in them and with look-alikes."""
    random = Random(seed)
    corpus = []
    for _ in range(rounds):
        for pattern in TEMPLATES:
            template = pattern
            planted: list[tuple[str, str]] = []
            for kind, make in VALUES.items():
                while f"{{{kind}}}" in template:
                    value = make(random)
                    if "\n" in value and '"' in template:
                        continue
                    planted.append((kind, value))
                    template = template.replace(f"{{{kind}}}", value, 1)
            corpus.append(Labelled(template.replace("{{", "{").replace("}}", "}"), tuple(planted)))
        for text in HARMLESS:
            corpus.append(Labelled(text))
        for template in NEAR:
            values = look_alikes(random)
            used = tuple(value for name, value in values.items() if f"{{{name}}}" in template)
            corpus.append(Labelled(template.format_map(values), near=used))
    random.shuffle(corpus)
    return corpus


def documents(seed: int = 1, count: int = 40, chars: int = 4_000) -> list[str]:
    """Long texts of many lines, one in ten of which holds something, one in ten what looks like it."""
    random = Random(seed)
    corpus = build(seed, 4)
    planted = [one.text for one in corpus if one.planted]
    near = [one.text for one in corpus if one.near]
    texts = []
    for _ in range(count):
        lines: list[str] = []
        while sum(map(len, lines)) < chars:
            kind = random.random()
            lines.append(random.choice(planted if kind < 0.1 else near if kind < 0.2 else HARMLESS))
        texts.append("\n".join(lines))
    return texts

"""Values to plant in texts: personal data and secrets with the shapes and check digits that issuers document.

Made by a seeded generator, one function a type, each giving the value as it is written.  Nothing here
shares code with the rules that are to find them.
"""

import hashlib
import string
from collections.abc import Callable, Sequence
from random import Random

UPPER, LOWER, DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
ALNUM, HEX = UPPER + LOWER + DIGITS, "0123456789abcdef"
URL_SAFE = ALNUM + "-_"


def some(random: Random, alphabet: str, count: int) -> str:
    return "".join(random.choices(alphabet, k=count))


def digits(random: Random, mask: str) -> str:
    """`###-###` with a digit for each `#`, and `%` for one that is not zero."""
    return "".join(
        random.choice(DIGITS) if sign == "#" else random.choice("123456789") if sign == "%" else sign
        for sign in mask
    )


def luhn(body: str) -> str:
    total = sum(
        int(char) if place % 2 else sum(divmod(2 * int(char), 10))
        for place, char in enumerate(reversed(body))
    )
    return body + str(-total % 10)


FIRST = "maria james wei fatima olga lars giulia jürgen aisha kenji lucas zoë priya ivan chloé mateus sofía henrik".split()
LAST = "garcia smith zhang müller ivanova jensen rossi okafor sato silva dubois kowalski nguyen o'brien haddad kumar".split()
WORDS = "acme globex initech umbrella stark wayne wonka soylent hooli vandelay tyrell cyberdyne".split()
TLDS = "com org net io co.uk de fr com.br co.jp edu gov.au info dev museum".split()


def email(random: Random) -> str:
    first, last = random.choice(FIRST), random.choice(LAST)
    local = random.choice(
        (
            f"{first}.{last}",
            f"{first[0]}{last}",
            f"{first}_{last}{random.randint(1, 99)}",
            f"{first}+news",
            f"{last}-{first}",
            first,
        )
    )
    ascii_only = local.encode("ascii", "ignore").decode() or "info"
    return f"{random.choice((ascii_only, ascii_only.upper(), ascii_only))}@{random.choice(('', 'mail.'))}{random.choice(WORDS)}.{random.choice(TLDS)}"


# As national numbering plans and telephone books write them.
PHONES = (
    "+1-%##-%##-####|+1 (%##) %##-####|(%##) %##-####|%##-%##-####|%##.%##.####|1-%##-%##-####|+1%##%######|001-%##-%##-####x###|%##-%##-#### ext. ###"
    "|+44 20 #### ####|+44 (0)20 #### ####|020 7### ####|07### ######|+447#########|(0161) ### ####|01632 ######|+44-161-###-####"
    "|+49 30 ########|+49 (0)89 #######|030/#######|0171-#######|+49151########|(089) ###-####|+33 1 ## ## ## ##|01 ## ## ## ##|+33 (0)6 ## ## ## ##|06.##.##.##.##"
    "|+34 6## ### ###|+34 91 ### ## ##|+39 06 ########|+39 3## ### ####|+31 6 ########|06-########|020-#######|+32 2 ### ## ##|+41 44 ### ## ##|044 ### ## ##|+43 1 #######"
    "|+46 70-### ## ##|070-### ## ##|+47 ### ## ###|+45 ## ## ## ##|+358 40 #######|+48 6## ### ###|+420 6## ### ###|+36 1 ### ####|+351 91# ### ###|+30 21# ### ####|+353 1 ### ####"
    "|+7 (9##) ###-##-##|8 (9##) ###-##-##|+380 50 ### ## ##|+90 5## ### ## ##|+972-50-###-####|+971 50 ### ####|+966 5# ### ####|+91 98### #####|98### #####|+91-98########|+86 13# #### ####|13# #### ####"
    "|+81 3-####-####|03-####-####|090-####-####|+82 10-####-####|010-####-####|+852 #### ####|+65 9### ####|+60 12-### ####|+62 812-####-####|+66 8# ### ####|+63 917 ### ####|+84 90 ### ## ##"
    "|+61 4## ### ###|04## ### ###|(02) 9### ####|+61 2 9### ####|+64 21 ### ####|+27 82 ### ####|082 ### ####|+234 803 ### ####|+254 7## ######|+20 10 ########|+55 11 9####-####|(11) 9####-####|+52 55 #### ####|+54 9 11 ####-####|+57 3## #######|+56 9 #### ####"
).split("|")  # fmt: skip


def phone(random: Random) -> str:
    return digits(random, random.choice(PHONES))


CARDS = (("4", 16), ("4", 13), ("51", 16), ("55", 16), ("2221", 16), ("2720", 16), ("34", 15), ("37", 15), ("6011", 16), ("65", 16), ("3530", 16), ("2131", 15), ("36", 14), ("305", 14), ("6212", 16), ("5018", 12), ("6304", 16), ("5641", 18))  # fmt: skip


def card(random: Random) -> str:
    start, length = random.choice(CARDS)
    number = luhn(start + some(random, DIGITS, length - 1 - len(start)))
    if length == 15 and random.random() < 0.5:
        return f"{number[:4]} {number[4:10]} {number[10:]}"
    if length == 16 and random.random() < 0.6:
        gap = random.choice(" -")
        return gap.join(number[at : at + 4] for at in range(0, 16, 4))
    return number


IBANS = {"DE": "#" * 18, "FR": "#" * 10 + "X" * 11 + "##", "GB": "A" * 4 + "#" * 14, "NL": "A" * 4 + "#" * 10, "ES": "#" * 20, "IT": "A" + "#" * 10 + "X" * 12, "BE": "#" * 12, "CH": "#" * 5 + "X" * 12, "PL": "#" * 24, "NO": "#" * 11, "MT": "A" * 4 + "#" * 5 + "X" * 18, "AE": "#" * 19, "TR": "#" * 22, "SE": "#" * 20}  # fmt: skip


def iban(random: Random) -> str:
    country = random.choice(sorted(IBANS))
    body = "".join(
        random.choice(DIGITS if sign == "#" else UPPER if sign == "A" else UPPER + DIGITS)
        for sign in IBANS[country]
    )
    check = 98 - int("".join(str(int(char, 36)) for char in f"{body}{country}00")) % 97
    compact = f"{country}{check:02}{body}"
    return (
        compact
        if random.random() < 0.5
        else " ".join(compact[at : at + 4] for at in range(0, len(compact), 4))
    )


def ssn(random: Random) -> str:
    area = random.choice([number for number in range(1, 900) if number != 666])
    gap = random.choice("---- ")
    return f"{area:03}{gap}{random.randint(1, 99):02}{gap}{random.randint(1, 9999):04}"


def _weighted(body: str, weights: Sequence[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(body, weights, strict=False))


def national_id(random: Random) -> str:
    """Numbers of a dozen countries, each with its check digits."""
    day, month, year = random.randint(1, 28), random.randint(1, 12), random.randint(40, 99)
    match random.choice(
        "cpf dni nie nir nino hetu personnummer cpr pan codice ahv rrn ric pesel nric".split()
    ):
        case "cpf":
            body = some(random, DIGITS, 9)
            for _ in range(2):
                rest = sum(int(digit) * (len(body) + 1 - place) for place, digit in enumerate(body)) * 10 % 11
                body += str(rest % 10)
            return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"
        case "dni":
            number = random.randint(10**7, 10**8 - 1)
            return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"
        case "nie":
            number = random.randint(0, 10**7 - 1)
            return f"X{number:07}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"
        case "nir":
            body = f"{random.choice('12')}{year:02}{month:02}{random.randint(1, 95):02}{random.randint(1, 990):03}{random.randint(1, 999):03}"
            check = f"{97 - int(body) % 97:02}"
            return f"{body[0]} {body[1:3]} {body[3:5]} {body[5:7]} {body[7:10]} {body[10:]} {check}"
        case "nino":
            return f"{random.choice('ABCEHJ')}{random.choice('ABCEHJ')} {random.randint(10, 99)} {random.randint(10, 99)} {random.randint(10, 99)} {random.choice('ABCD')}"
        case "hetu":
            number = f"{day:02}{month:02}{year:02}{random.randint(2, 899):03}"
            return f"{number[:6]}-{number[6:]}{'0123456789ABCDEFHJKLMNPRSTUVWXY'[int(number) % 31]}"
        case "personnummer":
            whole = luhn(f"{year:02}{month:02}{day:02}{random.randint(1, 999):03}")
            return f"{whole[:6]}-{whole[6:]}"
        case "cpr":
            return f"{day:02}{month:02}{year:02}-{random.randint(1, 3999):04}"
        case "pan":
            return f"{some(random, UPPER, 3)}P{random.choice(UPPER)}{random.randint(1, 9999):04}{random.choice(UPPER)}"
        case "codice":
            from stdnum.it import codicefiscale

            body = f"{some(random, 'BCDFGLMNPRSTV', 6)}{year:02}{random.choice('ABCDEHLMPRST')}{day:02}{random.choice('ABCDEFGHL')}{random.randint(1, 999):03}"
            return body + codicefiscale.calc_check_digit(body)
        case "ahv":
            body = "756" + some(random, DIGITS, 9)
            whole = body + str(-_weighted(body, (1, 3) * 6) % 10)
            return f"{whole[:3]}.{whole[3:7]}.{whole[7:11]}.{whole[11:]}"
        case "rrn":
            body = f"{year:02}{month:02}{day:02}{random.choice('12')}{random.randint(0, 89):02}{some(random, DIGITS, 3)}"
            return f"{body[:6]}-{body[6:]}{(11 - _weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10}"
        case "ric":
            body = f"110101{1900 + year}{month:02}{day:02}{random.randint(1, 999):03}"
            return (
                body
                + "10X98765432"[_weighted(body, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11]
            )
        case "pesel":
            body = f"{year:02}{month:02}{day:02}{some(random, DIGITS, 4)}"
            return "PESEL: " + body + str(-_weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)
        case _:
            body = some(random, DIGITS, 7)
            return f"S{body}{'JZIHGFEDCBA'[_weighted(body, (2, 7, 6, 5, 4, 3, 2)) % 11]}"


def ip(random: Random) -> str:
    if random.random() < 0.25:
        groups = [f"{random.randint(1, 65535):x}" for _ in range(8)]
        return ":".join(groups) if random.random() < 0.5 else f"2001:db8:{groups[0]}::{groups[1]}"
    return ".".join(str(random.randint(21, 223)) for _ in range(4))


def mac(random: Random) -> str:
    pairs = [some(random, HEX, 2) for _ in range(6)]
    match random.choice("cdu."):
        case "c":
            return ":".join(pairs)
        case "d":
            return "-".join(pairs).upper()
        case ".":
            return f"{pairs[0]}{pairs[1]}.{pairs[2]}{pairs[3]}.{pairs[4]}{pairs[5]}"
        case _:
            return ":".join(pairs).upper()


MONTHS = "January February March April May June July August September October November December".split()


def birth_date(random: Random) -> str:
    day, month, year = random.randint(1, 28), random.randint(1, 12), random.randint(1940, 2009)
    return random.choice(
        (f"{year}-{month:02}-{day:02}", f"{month}/{day}/{year}", f"{day:02}.{month:02}.{year}", f"{day} {MONTHS[month - 1]} {year}", f"{MONTHS[month - 1]} {day}, {year}", f"{day}-{MONTHS[month - 1][:3]}-{year}", f"{day:02}/{month:02}/{year % 100:02}")
    )  # fmt: skip


STREETS = "Maple Oak Cedar Washington Park Highland Willow Sunset Church Victoria Lincoln Mill".split()
KINDS = "Street St Avenue Ave Road Rd Boulevard Blvd Lane Drive Dr. Court Way Terrace Place".split()
CITIES = "Springfield Portland Franklin Georgetown Arlington Salem Madison Clinton".split()
STATES = "CA NY TX WA OR IL MA CO FL OH".split()


def address(random: Random) -> str:
    number = random.randint(1, 9999)
    match random.choice("us us us2 uk de fr es it nl".split()):
        case "us":
            return f"{number} {random.choice(STREETS)} {random.choice(KINDS)}, {random.choice(CITIES)}, {random.choice(STATES)} {random.randint(10000, 99950)}"
        case "us2":
            return f"{number} {random.choice(STREETS)} {random.choice(KINDS)} Apt. {random.randint(1, 99)}"
        case "uk":
            return f"{number % 200 + 1} {random.choice(STREETS)} {random.choice(('Road', 'Street', 'Lane', 'Close'))}, London {random.choice(('SW1A', 'E14', 'N1', 'W1T'))} {random.randint(1, 9)}{some(random, 'ABDEFGHJLNPQRSTUWXYZ', 2)}"
        case "de":
            return f"{random.choice(('Hauptstraße', 'Bahnhofstr.', 'Gartenweg', 'Schillerplatz', 'Lindenallee'))} {number % 200 + 1}, {random.randint(10115, 99998)} {random.choice(('Berlin', 'München', 'Köln', 'Hamburg'))}"
        case "fr":
            return f"{number % 200 + 1} {random.choice(('rue de la Paix', 'avenue Victor Hugo', 'boulevard Voltaire', 'place Bellecour'))}, {random.randint(10, 95)}{random.randint(0, 999):03} {random.choice(('Paris', 'Lyon', 'Lille'))}"
        case "es":
            return f"{random.choice(('Calle Mayor', 'Avenida de América', 'Plaza España', 'Paseo de Gracia'))} {number % 200 + 1}, {random.randint(10000, 52999)} {random.choice(('Madrid', 'Sevilla', 'Bilbao'))}"
        case "it":
            return f"{random.choice(('Via Roma', 'Via Garibaldi', 'Piazza Navona', 'Corso Italia'))} {number % 200 + 1}, {random.randint(10000, 98000)} {random.choice(('Milano', 'Torino', 'Napoli'))}"
        case _:
            return f"{random.choice(('Kerkstraat', 'Prinsengracht', 'Stationsplein', 'Dorpsweg'))} {number % 200 + 1}, {random.randint(1000, 9999)} {some(random, 'ABCDEGHJKL', 2)} {random.choice(('Amsterdam', 'Utrecht'))}"


BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def wallet(random: Random) -> str:
    match random.choice("btc bech eth trx".split()):
        case "eth":
            return "0x" + some(random, "0123456789abcdefABCDEF", 40)
        case "bech":
            return "bc1q" + some(random, "qpzry9x8gf2tvdw0s3jn54khce6mua7l", 38)
        case kind:
            raw = (b"\x00" if kind == "btc" else b"\x41") + random.randbytes(20)
            raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
            number, text = int.from_bytes(raw), ""
            while number:
                number, rest = divmod(number, 58)
                text = BASE58[rest] + text
            return "1" + text if kind == "btc" else text


def coordinates(random: Random) -> str:
    latitude, longitude = random.uniform(-85, 85), random.uniform(-179, 179)
    while abs(latitude) < 6:
        latitude = random.uniform(-85, 85)
    if random.random() < 0.2:
        return f"{int(abs(latitude))}°{random.randint(0, 59)}'{random.randint(0, 59)}\"N {int(abs(longitude))}°{random.randint(0, 59)}'{random.randint(0, 59)}\"E"
    return f"{latitude:.{random.randint(4, 6)}f}, {longitude:.{random.randint(4, 6)}f}"


def user(random: Random) -> str:
    return random.choice(FIRST).encode("ascii", "ignore").decode() + random.choice(
        ("", str(random.randint(1, 99)), f".{random.choice(LAST)[:4]}")
    )


def passport(random: Random) -> str:
    return random.choice((digits(random, "%########"), some(random, UPPER, 2) + digits(random, "#######"), "C" + some(random, "0123456789CFGHJK", 7) + random.choice(DIGITS), some(random, UPPER, 1) + digits(random, "########")))  # fmt: skip


def plate(random: Random) -> str:
    return random.choice((f"{some(random, 'ABCDEF', 2)}{random.randint(50, 73)} {some(random, 'ABCDEF', 3)}", f"B-{some(random, UPPER, 2)} {random.randint(100, 9999)}", f"{random.randint(1, 9)}{some(random, UPPER, 3)}{random.randint(100, 999)}", f"{some(random, UPPER, 2)}-{random.randint(100, 999)}-{some(random, UPPER, 2)}"))  # fmt: skip


def licence(random: Random) -> str:
    return random.choice((some(random, UPPER, 1) + digits(random, "#######"), digits(random, "#########"), digits(random, "####-##-####"), some(random, UPPER, 1) + digits(random, "###-####-####")))  # fmt: skip


# Shapes of keys as their issuers document them: a prefix, an alphabet, a length.
KEYS: tuple[tuple[str, str, int], ...] = (
    ("sk-proj-", URL_SAFE, 120), ("sk-", ALNUM, 48), ("sk-ant-api03-", URL_SAFE, 95), ("sk-or-v1-", HEX, 64), ("AIza", URL_SAFE, 35), ("ya29.", URL_SAFE, 80), ("GOCSPX-", URL_SAFE, 28),
    ("AKIA", UPPER + "234567", 16), ("ASIA", UPPER + "234567", 16), ("ghp_", ALNUM, 36), ("gho_", ALNUM, 36), ("ghs_", ALNUM, 36), ("github_pat_", ALNUM + "_", 82), ("glpat-", URL_SAFE, 20), ("glrt-", URL_SAFE, 20),
    ("xoxb-", DIGITS, 12), ("xoxp-", DIGITS + "-", 40), ("xapp-1-", UPPER + DIGITS, 40), ("sk_live_", ALNUM, 24), ("rk_test_", ALNUM, 24), ("whsec_", ALNUM, 32), ("hf_", UPPER + LOWER, 34), ("gsk_", ALNUM, 52),
    ("lsv2_pt_", HEX, 32), ("pk-lf-", HEX, 32), ("sk-lf-", HEX, 32), ("xai-", ALNUM, 80), ("pplx-", ALNUM, 48), ("r8_", ALNUM, 37), ("nvapi-", URL_SAFE, 64), ("tvly-", ALNUM, 32), ("pcsk_", ALNUM, 70),
    ("npm_", ALNUM, 36), ("pypi-AgEIcHlwaS5vcmc", URL_SAFE, 80), ("rubygems_", HEX, 48), ("dop_v1_", HEX, 64), ("dapi", HEX, 32), ("shpat_", HEX, 32), ("sq0atp-", URL_SAFE, 22), ("EAACEdEose0cBA", ALNUM, 120),
    ("SK", HEX, 32), ("key-", HEX, 32), ("xkeysib-", HEX, 64), ("lin_api_", ALNUM, 40), ("ntn_", ALNUM, 46), ("figd_", URL_SAFE, 40), ("dckr_pat_", URL_SAFE, 27), ("hvs.", URL_SAFE, 95), ("PMAK-", HEX, 59), ("glsa_", ALNUM, 32),
    ("NRAK-", UPPER + DIGITS, 27), ("sntryu_", HEX, 64), ("LTAI", ALNUM, 20), ("pul-", HEX, 40), ("sbp_", HEX, 40), ("phc_", ALNUM, 43), ("ATATT3", URL_SAFE, 180), ("pscale_tkn_", URL_SAFE, 43), ("tfp_", URL_SAFE, 59), ("fio-u-", URL_SAFE, 64),
)  # fmt: skip


def vendor_key(random: Random) -> str:
    match random.randint(0, 12):
        case 0:
            return f"SG.{some(random, URL_SAFE, 22)}.{some(random, URL_SAFE, 43)}"
        case 1:
            return f"eyJhbGciOiJIUzI1NiJ9.eyJ{some(random, URL_SAFE, 60)}.{some(random, URL_SAFE, 43)}"
        case 2:
            body = "\n".join(some(random, ALNUM + "+/", 64) for _ in range(random.randint(2, 12)))
            kind = random.choice(("RSA ", "EC ", "OPENSSH ", ""))
            return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"
        case _:
            prefix, alphabet, length = random.choice(KEYS)
            return prefix + some(random, alphabet, length)


def opaque(random: Random) -> str:
    """A secret without a prefix, known by its name alone."""
    return random.choice(
        (some(random, ALNUM, random.randint(16, 44)), some(random, HEX, random.choice((32, 40, 64))), some(random, ALNUM + "+/", 40), some(random, ALNUM, 9) + random.choice("!$#*") + some(random, ALNUM, 6))
    )  # fmt: skip


def password(random: Random) -> str:
    return random.choice((some(random, LOWER, 6) + digits(random, "###"), some(random, ALNUM, 12) + "!", f"{random.choice(FIRST).title()}{random.randint(1950, 2024)}$", some(random, ALNUM + "#!*-", 14)))  # fmt: skip


VALUES: dict[str, Callable[[Random], str]] = {
    "EMAIL": email, "PHONE": phone, "CARD": card, "IBAN": iban, "SSN": ssn, "ID": national_id, "IP": ip, "MAC": mac,
    "DOB": birth_date, "ADDRESS": address, "WALLET": wallet, "COORDINATES": coordinates, "USER": user, "PASSPORT": passport,
    "PLATE": plate, "LICENSE": licence, "KEY": vendor_key, "OPAQUE": opaque, "PASSWORD": password,
}  # fmt: skip

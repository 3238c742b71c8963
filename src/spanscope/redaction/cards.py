"""Payment cards and bank accounts: numbers with an issuer, a length and a check digit.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule, from_words

_GAP = r"[ \u00a0\u2007\u2009\u202f\-\u2010-\u2013]"
_CANDIDATE = re.compile(
    rf"(?<![0-9])[0-9]{{4}}(?:\.[0-9]{{4}}){{3}}(?![0-9])"
    rf"|(?<![0-9])(?<![0-9]\.)[0-9]{{3,19}}+(?:{_GAP}{{1,2}}[0-9]{{3,8}}+){{0,7}}+(?:{_GAP}{{1,2}}[0-9]{{1,2}}(?![0-9]))?+(?![0-9])"
)
_DIGITS = re.compile(r"[0-9]+")
_AROUND = re.compile(r"[0-9a-fA-F-]*")
_OTHER = re.compile(r"(?:\b(?:ean|gtin|isbn|upc|imei|barcode|epoch|timestamp)\b[^0-9a-z]{0,6}|\+)\Z")
# Which lengths go with which first digits: Visa, Amex, Diners, Discover, Mastercard, JCB, UnionPay, Maestro, Mir, RuPay, Troy.
_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|3[47]\d{13}|3(?:0[0-59]|[689]\d)\d{11,16}|6(?:011|4[4-9]\d|5\d\d)\d{12,15}"
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}|35\d{14,17}|62\d{14,17}|(?:5018|5019|5020|5038|5893|5[678]\d\d|6304|6390|67\d\d|0604)\d{8,15}"
    r"|(?:2131|1800)\d{11}|220[0-4]\d{12,15}|(?:81|82|508|353|356)\d{13}|9792\d{12}"
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def passes_luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    total = sum(map(int, digits[-1::-2])) + sum([_DOUBLED[int(digit)] for digit in digits[-2::-2]])
    return total % 10 == 0


def is_card_number(digits: str) -> bool:
    """Whether these digits, without gaps, have an issuer's prefix and length and pass Luhn's check."""
    return _ISSUERS.fullmatch(digits) is not None and passes_luhn(digits) and len(set(digits)) > 1


def _cards(page: Page, start: int, end: int) -> Iterable[Place]:
    for first, last, digits in page.runs(start, end):
        if digits >= 12:
            for match in _CANDIDATE.finditer(page.text, first, last):
                if match.end() - match.start() >= 12:
                    yield from _cards_in(page, match)


def _cards_in(page: Page, match: re.Match[str]) -> Iterable[Place]:
    """The card numbers among groups of digits; `12 4242 4242 4242 4242` keeps its 12."""
    groups = [found.span() for found in _DIGITS.finditer(page.text, *match.span())]
    index = 0
    while index < len(groups):
        digits, after = "", None
        if len(groups) > index + 1 and groups[index][1] - groups[index][0] in (3, 5, 7, 8, 9, 10, 11):
            index += 1  # cards are written in groups of four, of six, or in one
            continue
        for last in range(index, len(groups)):
            digits += page.text[groups[last][0] : groups[last][1]]
            if len(digits) > 19:
                break
            if len(digits) >= 12 and is_card_number(digits):
                after = last
        if after is not None:
            place = groups[index][0], groups[after][1]
            if not _OTHER.search(page.folded, max(0, place[0] - 16), place[0]) and not _is_part_of_hash(
                page.text, *place
            ):
                yield place
            index = after
        index += 1


def _is_part_of_hash(text: str, start: int, end: int) -> bool:
    first = start
    while first > start - 64 and first > 0 and text[first - 1] in "0123456789abcdefABCDEF-":
        first -= 1
    around = _AROUND.match(text, first, end + 64)
    whole = "" if around is None else around[0]
    return len(whole) - (end - start) >= 4 and len(whole) >= 20 and not whole.replace("-", "").isdigit()


# --- IBAN ------------------------------------------------------------------------------------------------
# Registered lengths (SWIFT IBAN registry).
_LENGTHS: Final = {
    **dict.fromkeys(("AD", "AE", "DK", "FI", "FK", "FO", "GL", "NL", "SD"), 18),
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29, "BY": 28,
    "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FR": 27, "GB": 22,
    "GE": 22, "GI": 23, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27,
    "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24,
    "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29,
    "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23,
    "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
_IBAN = re.compile(r"[A-Z](?<![A-Za-z0-9].)[A-Z][0-9]{2}(?:[ \u00a0.\-]?[A-Za-z0-9]){11,30}+")


_WORD = re.compile(r"[A-Z0-9]+(?![A-Za-z0-9])")
_SAID = re.compile(
    r"iban[^\w\n]{0,4}(?:(?:is|number|no|code|nr)[^\w\n]{1,4}){0,2}"
    r"([A-Z]{2}[0-9]{2}(?:[A-Z0-9]{10,30}+|(?:[ -][A-Z0-9]{4}){2,7}(?:[ -][A-Z0-9]{1,3})?)(?![A-Z0-9]))",
    re.IGNORECASE,
)


def _ibans(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    for match in _IBAN.finditer(text, start, end):
        word = _WORD.match(match[0])
        if (
            word is not None
            and 14 <= len(word[0]) <= 34
            and sum(map(str.isdigit, word[0])) >= 10
            and _mod_97(word[0]) == 1
        ):
            yield match.start(), match.start() + len(word[0])  # of whatever country and length
            continue
        length = _LENGTHS.get(match[0][:2])
        if length is None:
            continue
        stop, signs = match.start(), 0
        while signs < length and stop < match.end():
            signs += text[stop].isalnum()
            stop += 1
        if signs < length or (stop < len(text) and text[stop].isalnum()):
            continue
        compact = "".join(filter(str.isalnum, text[match.start() : stop])).upper()
        if _mod_97(compact) == 1 or "iban" in page.folded[max(0, match.start() - 40) : match.start()]:
            yield match.start(), stop


def _mod_97(iban: str) -> int:
    return int("".join([str(int(char, 36)) for char in iban[4:] + iban[:4]])) % 97


RULES: Final = (
    Rule("card", "CARD", _cards, digits=12),
    Rule("iban by name", "IBAN", from_words(("iban",), _SAID, 1), triggers=("iban",), numbered=True),
    Rule(
        "iban",
        "IBAN",
        _ibans,
        sieve=("[A-Z]{2}[0-9]{2}", r"[A-Z]{2}[0-9]{2}(?:(?:[ .-]|\xc2\xa0)?[A-Za-z0-9]){11}"),
        numbered=True,
    ),
)

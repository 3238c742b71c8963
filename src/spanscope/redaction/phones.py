"""Telephone numbers: international ones by country code and length, national ones by grouping or context.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.context import PHONE_SIEVE, is_about_a_phone
from spanscope.redaction.page import Page
from spanscope.redaction.relaxed import BEGINNING, relaxed
from spanscope.redaction.rules import Labels, Place, Rule
from spanscope.redaction.words import phrases

# ITU E.164 country codes in use, by their number of digits.
_CODES: Final = frozenset(
    [
        "1",
        "7",
        "20",
        "27",
        "30",
        "31",
        "32",
        "33",
        "34",
        "36",
        "39",
        "40",
        "41",
        "43",
        "44",
        "45",
        "46",
        "47",
        "48",
        "49",
        "51",
        "52",
        "53",
        "54",
        "55",
        "56",
        "57",
        "58",
        "60",
        "61",
        "62",
        "63",
        "64",
        "65",
        "66",
        "81",
        "82",
        "84",
        "86",
        "90",
        "91",
        "92",
        "93",
        "94",
        "95",
        "98",
        "211",
        "212",
        "213",
        "216",
        "218",
        "220",
        "221",
        "222",
        "223",
        "224",
        "225",
        "226",
        "227",
        "228",
        "229",
        "230",
        "231",
        "232",
        "233",
        "234",
        "235",
        "236",
        "237",
        "238",
        "239",
        "240",
        "241",
        "242",
        "243",
        "244",
        "245",
        "246",
        "247",
        "248",
        "249",
        "250",
        "251",
        "252",
        "253",
        "254",
        "255",
        "256",
        "257",
        "258",
        "260",
        "261",
        "262",
        "263",
        "264",
        "265",
        "266",
        "267",
        "268",
        "269",
        "290",
        "291",
        "297",
        "298",
        "299",
        "350",
        "351",
        "352",
        "353",
        "354",
        "355",
        "356",
        "357",
        "358",
        "359",
        "370",
        "371",
        "372",
        "373",
        "374",
        "375",
        "376",
        "377",
        "378",
        "379",
        "380",
        "381",
        "382",
        "383",
        "385",
        "386",
        "387",
        "389",
        "420",
        "421",
        "423",
        "500",
        "501",
        "502",
        "503",
        "504",
        "505",
        "506",
        "507",
        "508",
        "509",
        "590",
        "591",
        "592",
        "593",
        "594",
        "595",
        "596",
        "597",
        "598",
        "599",
        "670",
        "672",
        "673",
        "674",
        "675",
        "676",
        "677",
        "678",
        "679",
        "680",
        "681",
        "682",
        "683",
        "685",
        "686",
        "687",
        "688",
        "689",
        "690",
        "691",
        "692",
        "800",
        "808",
        "850",
        "852",
        "853",
        "855",
        "856",
        "870",
        "878",
        "880",
        "881",
        "882",
        "883",
        "886",
        "888",
        "960",
        "961",
        "962",
        "963",
        "964",
        "965",
        "966",
        "967",
        "968",
        "970",
        "971",
        "972",
        "973",
        "974",
        "975",
        "976",
        "977",
        "979",
        "992",
        "993",
        "994",
        "995",
        "996",
        "998",
    ]
)

_GAP = r"[ \u00a0\u2007\u2009\u202f\-\u2010-\u2013]"
_ANY_GAP = r"[ \u00a0\u2007\u2009\u202f.\-\u2010-\u2013/()]{0,3}"
_EXTENSION = r"(?:[ ,;]{0,2}(?:x|ext\.?|extension|Durchwahl|[#])[ .:]{0,2}[0-9]{1,6}(?![0-9]))?"
# Neither in the middle of a number, a date or a time, nor a later part of a name with dashes or a path.
_EDGE = r"(?:(?<![\w+$#])(?<!\w[.\-/])(?<![0-9][,:])|(?<=\\[nrt]))"
_INTERNATIONAL = re.compile(
    rf"(?:(?<![\w+])(?<!\w-)(?<![0-9][.,])|(?<=\\[nrt]))(?:\+|\(\+|00(?=[1-9][0-9]{{0,2}}[ .\-(0-9])|(?<![0-9:.,])(?<![0-9] )00[ ](?=(?:[1-9][0-9]{{0,3}}[ ])(?:[0-9]{{1,4}}[ ]){{0,4}}[0-9]{{3}})|011{_GAP}?(?=[1-9]))[ (]{{0,2}}([1-9](?:{_ANY_GAP}[0-9]){{6,16}}){_EXTENSION}(?![0-9A-Za-z_])",
    re.ASCII,
)
_GROUPED = re.compile(
    rf"""{_EDGE}(?:
      (?:1{_GAP}|1\.|001{_GAP})?(?:\([2-9][0-9]{{2}}\)[ .-]?|[2-9][0-9]{{2}}{_GAP}|[0-9]{{3}}{_GAP}(?=[0-9]{{3}}-))[0-9]{{3}}[ .\-]?[0-9]{{4}}   # North America
    | (?:1\.)?[2-9][0-9]{{2}}\.[0-9]{{3}}\.[0-9]{{4}}
    | \(0?[0-9]{{1,5}}\){_GAP}{{0,2}}[0-9]{{2,5}}(?:[ .-]?[0-9]{{2,5}}){{1,3}}   # an area code in brackets
    | 1[3-9][0-9]{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}                            # China, mobile
    | [6-9][0-9]{{4}}{_GAP}[0-9]{{5}}                                        # India, mobile
    | (?:1[38]00|800|888|877|866|900){_GAP}[0-9]{{3}}{_GAP}[0-9]{{3,4}}
    ){_EXTENSION}(?![\w-]|[.,:/][0-9])""",
    re.VERBOSE | re.ASCII,
)
_NATIONAL = re.compile(
    rf"{_EDGE}\(?0[1-9][0-9]{{0,4}}\)?(?:[ \u00a0\-./]{{1,3}}[0-9]{{2,8}}){{1,5}}+{_EXTENSION}(?![\w-]|[.,:/][0-9])",
    re.ASCII,
)
_SAID = re.compile(
    rf"(?:(?<![\w+$.])(?<![0-9][,:])|(?<=\\[nrt]))\+?\(?[0-9](?:{_ANY_GAP}[0-9]){{6,14}}{_EXTENSION}(?![\w]|[.,:/][0-9])",
    re.ASCII,
)
_LETTERS = re.compile(
    r"(?<![\w-])1?-?8(?:00|88|77|66|55)-(?=[A-Z0-9-]*[A-Z])[A-Z0-9]{3}-?[A-Z0-9]{4}(?![\w-])"
)
_STARTS_AS_DATE = re.compile(
    r"\(?(?:(?:[0-2]?[0-9]|3[01])([./-])(?:[0-2]?[0-9]|3[01])\1(?:(?:19|20)[0-9]{2}|[0-9]{2})"
    r"|(?:19|20)[0-9]{2}([./-])[01]?[0-9]\2[0-3]?[0-9])(?![0-9]|[./-][0-9])"
)
_NO_PHONE = re.compile(
    rf"{_STARTS_AS_DATE.pattern}|(?:19|20)[0-9]{{2}}\s?[-–]\s?(?:19|20)[0-9]{{2}}(?![0-9])|[0-9]+\.[0-9]+\Z"
)
_NOT_DIGITS = re.compile(r"[^0-9]+")


def _digits(text: str) -> str:
    return _NOT_DIGITS.sub("", text)


def _international(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    for first, last, digits in page.runs(start, end):
        if digits < 7:
            continue
        before = max(0, first - 3)
        if "+" not in text[before:last] and "00" not in text[first:last] and "011" not in text[first:last]:
            continue
        for match in _INTERNATIONAL.finditer(text, before, min(len(text), last + 20)):
            number = _digits(match[1])
            if 8 <= len(number) <= 17 and any(number[:width] in _CODES for width in (1, 2, 3)):
                yield match.span()


def _national(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    for first, last, digits in page.runs(start, end):
        if digits < 7:
            continue
        before, after = max(0, first - 1), min(len(text), last + 20)
        for match in _GROUPED.finditer(text, before, after):
            yield match.span()
        if "0" in text[first:last]:
            for match in _NATIONAL.finditer(text, before, after):
                if 9 <= len(_digits(match[0])) <= 12 and not _STARTS_AS_DATE.match(match[0]):
                    yield match.span()


def _said(page: Page, start: int, end: int) -> Iterable[Place]:
    """Any number of the right length, where the word before it is one of telephones."""
    text = page.text
    for first, last, digits in page.runs(start, end):
        if digits < 7 or not (is_about_a_phone(page, first) or _KIND.match(text, last)):
            continue
        at = max(0, first - 2)
        for match in _SAID.finditer(text, at, min(len(text), last + 20)):
            if match.start() < last and not (_NO_PHONE.match(match[0]) or _HAS_DATE.search(match[0])):
                yield match.span()


_HAS_DATE = re.compile(r"(?<![0-9])(?:19|20)[0-9]{2}-[01][0-9]-[0-3][0-9](?![0-9])")
_KIND = re.compile(
    r"(?<=[ -])\(?(?:office|mobile|cell|home|fax|phone|landline)\b(?! (?:number )?(?:page|screen|dir|app))",
    re.IGNORECASE,
)


# Numbers of five and six digits, as islands and towns have them: only right behind the word.
_SHORT_LABELS: Final = phrases(
    """phone, phones, telephone, tel, fax, mobile, cell, cellphone, whatsapp, telefon, téléphone, teléfono, telefono, telefone, telefax,
    portable, móvil, celular, handy, puhelin, call me at, call me on, call us at, call us on, call him at, call her at, reach me at,
    reach me on, reach us at, reach us on, reach him at, reach her at"""
)
_SHORT = re.compile(
    r"(?:\.| ?(?:number|no\.?|nr\.?|#))?[\"']?\s?(?:is|:|=|-|\|)?\s?[\"']?(?!(?:19|20)[0-9]{2}[ \-])"
    r"([0-9]{5,6}|[0-9]{2}[ \-][0-9]{3,4}|[0-9]{3}[ \-][0-9]{2,3}|[0-9]{4}[ \-][0-9]{2}|[0-9]{2}[ \-][0-9]{2}[ \-][0-9]{2})"
    r"(?![\w%$€£]|[ .,:/\-]?[0-9]| ?(?:[kmg]b|px|ms|dpi|mah|users|customers|people|calls|minutes|seconds|hours|days|times|percent|items|units|models|numbers|million|usd|eur|euros?|dollars)\b)",
    re.IGNORECASE,
)
_SHORT_WORDS = Labels(_SHORT_LABELS)


def _short(page: Page, start: int, end: int) -> Iterable[Place]:
    for _, after in _SHORT_WORDS.places(page, start, end):
        match = _SHORT.match(page.text, after, min(len(page.text), after + 40))
        if match is not None:
            yield match.span(1)


def _lettered(page: Page, start: int, end: int) -> Iterable[Place]:
    return [match.span() for match in _LETTERS.finditer(page.text, start, end)]


RULES: Final = (
    Rule("phone", "PHONE", _international, digits=7, sieve=relaxed(_INTERNATIONAL)),
    Rule("national phone", "PHONE", _national, digits=7, sieve=BEGINNING + relaxed(_GROUPED, _NATIONAL)),
    Rule("phone in context", "PHONE", _said, digits=7, sieve=(BEGINNING + relaxed(_SAID), PHONE_SIEVE)),
    Rule("short phone", "PHONE", _short, labels=_SHORT_LABELS, numbered=True),
    Rule("lettered phone", "PHONE", _lettered, triggers=("800-", "888-", "877-", "866-", "855-")),
)

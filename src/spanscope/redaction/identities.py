"""National identity and tax numbers: by a shape of their own and a check digit (python-stdnum), or beside their name.

Validators cost some 30 µs each, so a number reaches one only when it has its country's shape exactly.

Part of `catalogue`.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.relaxed import BEGINNING, relaxed
from spanscope.redaction.rules import Place, Rule

_EDGE = r"(?:(?<![\w.\-/])|(?<=\\[nrt]))"
_NO_MORE = r"(?![\w]|[.\-/][0-9A-Za-z])"

_US_SSN = re.compile(
    r"(?:(?<![0-9A-Za-z_])(?<![0-9][-.])|(?<=\\[nrt]))[0-9]{3}([- .])[0-9]{2}\1[0-9]{4}(?![\w-]|\.[0-9])",
    re.ASCII,
)


def _us_ssn(page: Page, start: int, end: int) -> Iterable[Place]:
    for first, last, digits in page.runs(start, end):
        if digits >= 9:
            for match in _US_SSN.finditer(page.text, max(0, first - 1), last + 1):
                if match[1] == "." and "ss" not in page.folded[max(0, match.start() - 40) : match.start()]:
                    continue
                yield match.span()


@lru_cache(maxsize=64)
def _validator(module: str) -> Callable[[str], bool]:
    valid: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid
    return valid


class _Shape:
    """A number of one country: what it looks like, and the validator that knows its check digit."""

    __slots__ = ("module", "pattern", "written")

    def __init__(self, module: str, shape: str) -> None:
        self.module = module
        self.written = shape
        self.pattern = re.compile(f"{_EDGE}(?:{shape}){_NO_MORE}", re.ASCII)


# Shapes that stand out: taken without a word beside them when the check digit is right.
_OF_DIGITS: Final = (
    _Shape("br.cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"),
    _Shape("br.cnpj", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}/[0-9]{4}-[0-9]{2}"),
    _Shape("ch.ssn", r"756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}"),
    _Shape("be.nn", r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}[- ][0-9]{3}[. ][0-9]{2}"),
    _Shape("fr.nir", r"[12][ ]?[0-9]{2}[ ]?[01][0-9][ ]?(?:[0-9]{2}|2[AB])[ ]?[0-9]{3}[ ]?[0-9]{3}[ ]?[0-9]{2}"),
    _Shape("kr.rrn", r"[0-9]{6}-[1-8][0-9]{6}"),
    _Shape("se.personnummer", r"(?:19|20)?[0-9]{2}[01][0-9][0-9]{2}[-+][0-9]{4}"),
    _Shape("dk.cpr", r"[0-3][0-9][01][0-9]{3}-[0-9]{4}"),
    _Shape("cz.rc", r"[0-9]{2}[0156][0-9][0-3][0-9]/[0-9]{3,4}"),
    _Shape("in_.aadhaar", r"[2-9][0-9]{3}[ -][0-9]{4}[ -][0-9]{4}"),
    _Shape("my.nric", r"[0-9]{6}-[0-9]{2}-[0-9]{4}"),
    _Shape("th.pin", r"[0-9]-[0-9]{4}-[0-9]{5}-[0-9]{2}-[0-9]"),
    _Shape("pk.cnic", r"[0-9]{5}-[0-9]{7}-[0-9]"),
    _Shape("ar.cuit", r"[0-9]{2}-[0-9]{8}-[0-9]"),
    _Shape("lv.pvn", r"[0-9]{6}-[0-9]{5}"),
    _Shape("gr.amka", r"[0-3][0-9][01][0-9]{3}[ -][0-9]{5}"),
    _Shape("do.cedula", r"[0-9]{3}-[0-9]{7}-[0-9]"),
    _Shape("no.fodselsnummer", r"[0-7][0-9][0-9]{4}[ ][0-9]{5}"),
    _Shape("us.itin", r"9[0-9]{2}-[0-9]{2}-[0-9]{4}"),
    _Shape("cn.ric", r"[1-9][0-9]{5}(?:19|20)[0-9]{2}[01][0-9][0-3][0-9][0-9]{3}[0-9X]"),
    _Shape("ca.sin", r"[1-79][0-9]{2}[- ][0-9]{3}[- ][0-9]{3}"),
)  # fmt: skip
_LONG_ID: Final = _Shape(
    "it.codicefiscale",
    r"[A-Za-z]{6}[0-9LMNPQRSTUV]{2}[A-EHLMPR-Ta-ehlmpr-t][0-9LMNPQRSTUV]{2}[A-Za-z][0-9LMNPQRSTUV]{3}[A-Za-z]",
)
_OF_LETTERS: Final = (
    _LONG_ID,
    _Shape("mx.curp", r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]"),
    _Shape("mx.rfc", r"[A-ZÑ&]{4}[ -]?[0-9]{6}[ -]?[0-9A-Z]{3}"),
    _Shape("in_.pan", r"[A-Z]{3}[ABCFGHLJPTK][A-Z][0-9]{4}[A-Z]"),
    _Shape("es.nif", r"[0-9]{8}[- ]?[A-HJ-NP-TV-Z]|[0-9]{2}\.[0-9]{3}\.[0-9]{3}-?[A-HJ-NP-TV-Z]"),
    _Shape("es.nie", r"[XYZ][- ]?[0-9]{7}[- ]?[A-HJ-NP-TV-Z]"),
    _Shape("fi.hetu", r"[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]"),
    _Shape("cl.rut", r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9kK]"),
    _Shape("ie.pps", r"[0-9]{7}[A-W][ABHWTX]?"),
    _Shape("_local.sg_nric", r"[STFGM][0-9]{7}[A-Z]"),
    _Shape("_local.tw_id", r"[A-Z][1289][0-9]{8}"),
    _Shape("_local.hk_id", r"[A-Z]{1,2}[0-9]{6}\([0-9A]\)"),
    _Shape("_local.gb_nino", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[0-9]{2}[ ]?[A-D]"),
    _Shape("_local.us_mbi", r"[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2}"),
    _Shape("_local.uk_licence", r"[A-Z9]{5}[0-9][0156][0-9][0-3][0-9][0-9][A-Z9]{2}[A-Z0-9][A-Z]{2}"),
    _Shape("_local.de_svnr", r"[0-9]{2}[ ]?[0-3][0-9][01][0-9]{3}[ ]?[A-Z][ ]?[0-9]{3}"),
)  # fmt: skip
_SG_LETTERS = {
    "S": "JZIHGFEDCBA",
    "T": "GFEDCBAJZIH",
    "F": "XWUTRQPNMLK",
    "G": "TRQPNMLKXWU",
    "M": "KLJNPQRTUWX",
}
_TW_VALUES = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36), strict=True))
_NO_NINO = frozenset({"BG", "GB", "NK", "KN", "TN", "NT", "ZZ"})


def _is_local(name: str, found: str) -> bool:
    """For the few numbers that stdnum does not know."""
    compact = "".join(filter(str.isalnum, found)).upper()
    match name:
        case "sg_nric":
            total = sum(
                int(digit) * weight for digit, weight in zip(compact[1:8], (2, 7, 6, 5, 4, 3, 2), strict=True)
            )
            total += {"T": 4, "G": 4, "M": 3}.get(compact[0], 0)
            letters = _SG_LETTERS[compact[0]]
            return compact[8] == (
                letters[10 - total % 11] if compact[0] == "M" else "".join(letters)[total % 11]
            )
        case "tw_id":
            value = _TW_VALUES[compact[0]]
            total = value // 10 + value % 10 * 9
            total += sum(
                int(digit) * weight
                for digit, weight in zip(compact[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)
            )
            return total % 10 == 0
        case "gb_nino":
            return compact[:2] not in _NO_NINO
        case _:
            return True


def _is_valid(shape: _Shape, found: str) -> bool:
    if shape.module.startswith("_local."):
        return _is_local(shape.module[7:], found)
    return _validator(shape.module)(found)


def _any_of(shapes: tuple[_Shape, ...]) -> re.Pattern[str]:
    return re.compile(
        _EDGE
        + "(?:"
        + "|".join(f"(?P<g{at}>(?:{shape.written}){_NO_MORE})" for at, shape in enumerate(shapes))
        + ")"
    )


_ANY_OF_DIGITS = _any_of(_OF_DIGITS)
_ANY_OF_LETTERS = _any_of(_OF_LETTERS)


def _digit_ids(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    for first, last, digits in page.runs(start, end):
        if not 9 <= digits <= 40:
            continue
        for found in _ANY_OF_DIGITS.finditer(text, first, min(len(text), last + 1)):
            yield from _valid(_OF_DIGITS, text, found)


def _valid(shapes: tuple[_Shape, ...], text: str, found: re.Match[str]) -> Iterable[Place]:
    """The place, if a validator says so; a number of one country's shape may be one of another's."""
    for shape in shapes[int((found.lastgroup or "g0")[1:]) :]:
        match = shape.pattern.match(text, found.start())
        if match is not None and _is_valid(shape, match[0]):
            yield match.span()
            return


_START = re.compile(
    r"[A-Z0-9](?:(?<![\w.].)(?=[A-Z0-9.\- ]{2}[A-Z0-9.\- ]{5})(?:(?<=[A-Z])|(?=[^\n]{0,20}[A-Zk(]))|(?<=\\[nrt].))"
)
# In each of them, and in little else.
_DIGITS_OF_ONE = re.compile(
    r"[0-9](?:[0-9](?:[0-9]{2}[A-Z]| ?[0-9]{2} ?[0-9]{2}(?:[- ]?[A-Z]|[-+][0-9]))|\.[0-9]{3}\.[0-9]{3}|[A-Z][A-Z0-9][0-9]"
    r"|(?:(?<=[A-ZÑ&].)|(?<=[A-ZÑ&][ -].))[0-9] ?[0-9]{2} ?[0-9]{2})"
)


def _lettered_ids(page: Page, start: int, end: int) -> Iterable[Place]:
    text = page.text
    if _DIGITS_OF_ONE.search(text, start, end + 24) is None:
        return
    for candidate in _START.finditer(text, start, end):
        found = _ANY_OF_LETTERS.match(text, candidate.start())
        if found is not None:
            yield from _valid(_OF_LETTERS, text, found)


def _long_ids(page: Page, start: int, end: int) -> Iterable[Place]:
    """Numbers in which letters may stand for the digits."""
    for match in _LONG_ID.pattern.finditer(page.text, start, end):
        found = match[0]
        if (found[:8].isupper() or found.islower()) and _is_valid(_LONG_ID, found):
            yield match.span()


RULES: Final = (
    Rule("us ssn", "SSN", _us_ssn, digits=9, sieve=BEGINNING + relaxed(_US_SSN)),
    Rule("national id", "ID", _digit_ids, digits=9, sieve=BEGINNING + relaxed(_ANY_OF_DIGITS)),
    Rule(
        "national id with letters",
        "ID",
        _lettered_ids,
        sieve=(
            r"[A-Z&\x80-\xff][ -]?[0-9]{2} ?[0-9]{2} ?[0-9]{2}|[0-9]{2} ?[0-9]{2} ?[0-9]{2}(?:[- ]?[A-Z]|[-+][0-9])"
            r"|[0-9]{4}[A-Z]|\.[0-9]{3}\.[0-9]{3}|[1-9][A-Z][A-Z0-9][0-9]",
            BEGINNING + relaxed(_ANY_OF_LETTERS),
        ),
        numbered=True,
    ),
    Rule("national id with letters", "ID", _long_ids, long=True, sieve=_LONG_ID.written),
)

"""E-mail addresses, written plainly, escaped for a URL or spelled against robots.

Part of `catalogue`.
"""

import re
from collections.abc import Iterable
from typing import Final

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Place, Rule

_LOCAL: Final = frozenset("!#$%&'*+-/=?^_`{|}~.")
_BEYOND: Final = "\u0530"
"""Latin, Greek and Cyrillic letters are below; Chinese text has no space before an address."""
_EDGES: Final = "'`{}|*#!$&=?/^~"
_DOMAIN = re.compile(
    r"@[\w-]++(?:\.[\w-]++)*\.(?!(?:png|jpe?g|gif|svg|webp|js|mjs|ts|tsx|jsx|css|py|json|ya?ml|html?|lock|zip|gz|exe|dll|md)(?![\w.-]))(?:[^\W\d_]{2,24}|xn--[\w-]{2,40})(?![\w])|@[\w-]++(?:\.[\w-]++)*\.[^\W\d_]{2,24}(?=[-_\d])|@\[?[0-9]{1,3}(?:\.[0-9]{1,3}){3}\]?(?![\w.])"
)
_ESCAPED = re.compile(r"(?<![\w.+'-])[\w.+'-]++%40[\w-]++(?:\.[\w-]++)+", re.IGNORECASE)
_SPELLED = re.compile(
    r"(?<![\w.])[\w.+-]{2,64}\s?(?:\[at\]|\(at\)|\{at\}|<at>|(?-i:\sAT\s))\s?[\w-]{2,64}(?:\s?(?:\[dot\]|\(dot\)|\{dot\}|(?-i:\sDOT\s)|\.)\s?[\w-]{2,24}){1,4}",
    re.IGNORECASE,
)
_AT_SIGNS: Final = ("[at]", "(at)", "{at}", "<at>")
_CODE: Final = frozenset({"", "f", "r", "b", "u", "F"})
_MACHINES: Final = frozenset({"git", "hg", "svn"})


def _emails(page: Page, start: int, end: int) -> Iterable[Place]:
    """The local part is read whole, back to where it can begin: a part of an address is still personal."""
    text = page.text
    done, at = start - 512 if start > 512 else 0, text.find("@", start, end)
    while at >= 0:
        match = _DOMAIN.match(text, at)
        if match is not None:
            first = _start_of_local(text, at, done)
            if (
                first < at
                and not _is_url_user(text, first, at)
                and not (text[first:at] in _MACHINES and text[match.end() : match.end() + 1] in (":", "/"))
            ):
                yield first, match.end()
                done = match.end()
        at = text.find("@", at + 1 if match is None else match.end(), end)


def _start_of_local(text: str, at: int, lowest: int) -> int:
    """Where the local part of the address with its `@` at `at` begins."""
    first = at
    while first > lowest and ((char := text[first - 1]).isalnum() or char in _LOCAL or char == "@"):
        if char == "\\":
            break
        first -= 1
    # `to=alice`, `('alice`, `*alice`: what leads up to it is not part of it.
    while first < at and (text[first] in _EDGES or text[first] in ".-@"):
        first += 1
    for sign in ("=", "/", "'", "`", "|", "?", "&", "{", "}", "*", "$", "#"):
        found = text.rfind(sign, first, at)
        if found >= 0 and not (sign == "'" and text[first:found] not in _CODE and text[found - 1].isalpha()):
            first = found + 1
    if first > 0 and text[first - 1] == "\\" and first + 1 < at and text[first] in "nrt":
        first += 1  # an escaped line break
    return first


def _is_url_user(text: str, first: int, at: int) -> bool:
    """Whether this is what stands before the host of a URL, which has a rule of its own."""
    begin = text.rfind("://", max(0, first - 1024), at)
    if begin < 0:
        return False
    between = text[begin + 3 : at]
    return (":" in between or len(between) > 12) and not any(char in between for char in " /\"'<>\n\t\\")


def _spelled(page: Page, start: int, end: int) -> Iterable[Place]:
    text, folded = page.text, page.folded
    if folded.find("%40", start, end) >= 0:
        for match in _ESCAPED.finditer(text, start, end):
            yield match.span()
    if text.find(" AT ", start, end) >= 0 or any(folded.find(sign, start, end) >= 0 for sign in _AT_SIGNS):
        for match in _SPELLED.finditer(text, start, end):
            yield match.span()


RULES: Final = (
    Rule("e-mail", "EMAIL", _emails, triggers=("@",)),
    Rule(
        "spelled e-mail",
        "EMAIL",
        _spelled,
        triggers=("%40", "[at]", "(at)", "{at}", "<at>", " at "),
        sieve=r"%40|(?i:[\[({<]at[\])}>])| AT ",
    ),
)

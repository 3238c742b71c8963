"""A text made ready to be searched: the same characters, in the forms that the rules look for.

Every form has the length of the text, so that a place found in one is a place in all.  Digits and
signs of other scripts (Arabic, Devanagari, full width) are read as the ASCII ones they stand for; the
folded form is lower case, in which `in` finds a keyword ten times as fast as a pattern that ignores case.

Made by `scanner` once for a text, read by the rules.
"""

import re
from operator import itemgetter
from typing import Final

_ZEROS = "\u0660\u06f0\u07c0\u0966\u09e6\u0ae6\u0be6\u0e50\uff10"
_FORMS: Final = {
    **{ord(zero) + value: str(value) for zero in _ZEROS for value in range(10)},
    **dict(zip(map(ord, "\uff20\uff0e\uff0b\uff0d\uff1a\uff1d\uff08\uff09\uff3f"), "@.+-:=()_", strict=True)),
}
_OTHER_FORMS = re.compile("[" + "".join(map(chr, _FORMS)) + "]")

GAPS: Final = " .\\-/()\u00a0\u2007\u2009\u202f\u2010-\u2013"
"""What may stand between the digits of one number, as the inside of a character class."""
_RUN = re.compile(rf"[0-9][0-9{GAPS}+]{{5,}}+")
_NO_DIGITS = re.compile(r"[^0-9]+")

_WORDS = re.compile(r"[^\W\d_]+")
_ASCII_WORDS: Final = {code: " " for code in range(128) if not chr(code).isalpha()}
"""Leaves the words of a text in ASCII between spaces, at a tenth of what a pattern takes."""
_HUMP = re.compile(r"[A-Z](?<=[a-z].)[A-Z]*[a-z]*")
STEM: Final = 4
"""How many letters of a word are compared before it is looked at more closely."""
_STEM_OF: Final = itemgetter(slice(STEM))
LONG_WORD: Final = 14
TOKEN: Final = 10
"""How long a word must be for a value that was made by a machine."""

Run = tuple[int, int, int]
"""Start and end of a stretch of digits and gaps, and how many digits it has."""


class Page:
    """One text and what was found out about it so far, for the piece of it that is being read."""

    __slots__ = ("_folded_piece", "_long", "_piece", "_runs", "_stems", "_tokens", "folded", "text")
    folded: str

    def __init__(self, text: str) -> None:
        if not text.isascii() and _OTHER_FORMS.search(text):
            text = text.translate(_FORMS)
        self.text = text
        self._piece = (-1, -1)

    def __getattr__(self, name: str) -> str:
        """The folded text is made when a rule asks for it first, which most texts do without."""
        if name != "folded":
            raise AttributeError(name)
        self.folded = folded(self.text)
        return self.folded

    def _turn_to(self, start: int, end: int) -> None:
        self._piece = (start, end)
        self._runs: list[Run] | None = None
        self._stems: frozenset[str] | None = None
        self._folded_piece: str | None = None
        self._tokens: list[str] | None = None
        self._long: str | None = None

    def folded_piece(self, start: int, end: int) -> str:
        """The folded text of a piece, in which `in` misses a word in a sixth of the time of `find`."""
        if self._piece != (start, end):
            self._turn_to(start, end)
        if self._folded_piece is None:
            self._folded_piece = self._cut(self.folded, start, end)
        return self._folded_piece

    def runs(self, start: int, end: int) -> list[Run]:
        """The stretches of at least six digits that begin between `start` and `end`."""
        if self._piece != (start, end):
            self._turn_to(start, end)
        if self._runs is None:
            self._runs = [
                (match.start(), match.end(), digits)
                for match in _RUN.finditer(self.text, start, end)
                if (digits := len(_NO_DIGITS.sub("", match[0]))) >= 6
            ]
        return self._runs

    def stems(self, start: int, end: int) -> frozenset[str]:
        """The first letters of all words, in lower case; of `homeAddress` those of both words."""
        if self._piece != (start, end):
            self._turn_to(start, end)
        if self._stems is None:
            piece = self.folded_piece(start, end)
            words = piece.translate(_ASCII_WORDS).split() if piece.isascii() else _WORDS.findall(piece)
            words += [hump.lower() for hump in _HUMP.findall(self.text, start, end)]
            self._stems = frozenset(map(_STEM_OF, words))
        return self._stems

    def tokens(self, start: int, end: int) -> list[str]:
        """What stands between two spaces and is long enough for a value, in the order of the text."""
        if self._piece != (start, end):
            self._turn_to(start, end)
        if self._tokens is None:
            words = self._cut(self.text, start, end).split()
            self._tokens = [word for word in words if len(word) >= TOKEN]
        return self._tokens

    def long_words(self, start: int, end: int) -> str:
        """What stands between two spaces and is too long for a word of prose, all in one text."""
        tokens = self.tokens(start, end)
        if self._long is None:
            self._long = " ".join([word for word in tokens if len(word) >= LONG_WORD])
        return self._long

    def _cut(self, form: str, start: int, end: int) -> str:
        return form if start == 0 and end == len(form) else form[start:end]


def folded(text: str) -> str:
    """The text in lower case, where that changes no length; a character that would grow stays."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join([small if len(small := char.lower()) == 1 else char for char in text])


def stem_of(label: str) -> str:
    """The stem under which a label is found among those of a page."""
    found = _WORDS.search(label)
    return "" if found is None else found[0][:STEM]

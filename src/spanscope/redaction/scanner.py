"""Find what the rules look for, in texts of any length, without looking for what cannot be there.

A long text is read in pieces that overlap, so that the interpreter lock is never held for long; what is
found at the end of one piece is found whole in the next.  Before the rules run on a piece, a sieve (see
`sieves`) says which of them can find anything there.

Used by `engine`.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from time import monotonic
from typing import Any, Final, NamedTuple

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Rule
from spanscope.redaction.sieves import Sieve, re2_sieve, word_sieve

PIECE: Final = 2_048
"""Short, for a rule costs as much as the piece is long in which its words stand.

Not shorter, for each rule begins anew with each piece.
"""
OVERLAP: Final = 192
LOOK_AHEAD: Final = 4_096
"""A piece ends between two words, if there is such a place so near."""
BATCH: Final = 64
"""Pieces that are looked over at once, at most, after as many that held nothing."""


class Found(NamedTuple):
    """One thing that a rule found: from where to where in the text, what it is, and by which rule."""

    start: int
    end: int
    type: str
    rule: str


class OutOfTime(Exception):
    """The time for this record is over; what was not searched must not be shown."""


@lru_cache(maxsize=8)
def _sieve(rules: tuple[Rule, ...], re2: bool) -> Sieve:
    """Made once for a set of rules: its automata take milliseconds and megabytes."""
    return (re2_sieve(rules) if re2 else None) or word_sieve(rules)


class Scanner:
    """Runs a fixed set of rules.  `re2` False leaves google-re2 aside even where it is installed."""

    def __init__(self, rules: Sequence[Rule], *, re2: bool = True) -> None:
        self.rules = tuple(rules)
        self._finders = [rule.find for rule in self.rules]
        self._sieve = _sieve(self.rules, re2)

    def find(self, text: str, *, deadline: float | None = None) -> list[Found]:
        """All that was found, in the order of the text, without overlaps.  Raises `OutOfTime`."""
        page, size = Page(text), len(text)
        if size <= PIECE + OVERLAP:
            if deadline is not None and monotonic() > deadline:
                raise OutOfTime
            ranks = self._sieve(page, 0, size)
            if not ranks:
                return []
            finders = self._finders
            return self._named([(*place, rank) for rank in ranks for place in finders[rank](page, 0, size)])
        places: list[tuple[int, int, int]] = []
        pieces = list(_pieces(text))
        done = [0] * len(self.rules)
        first, together = 0, 1
        while first < len(pieces):
            if deadline is not None and monotonic() > deadline:
                raise OutOfTime
            batch = pieces[first : first + together]
            first += together
            ranks = self._sieve(page, batch[0][0], batch[-1][1])
            if not ranks:
                together = min(2 * together, BATCH)
                continue
            if together == 1:
                self._search(page, *batch[0], ranks, places, done)
                continue
            together = 1
            for start, end in batch:
                self._search(page, start, end, self._sieve(page, start, end), places, done)
        return self._named(places)

    def _named(self, places: list[tuple[int, int, int]]) -> list[Found]:
        if not places:
            return []
        return [
            Found(first, last, self.rules[rank].type, self.rules[rank].name)
            for first, last, rank in _joined(places)
        ]

    def _search(
        self,
        page: Page,
        start: int,
        end: int,
        ranks: Sequence[int],
        places: list[tuple[int, int, int]],
        done: list[int],
    ) -> None:
        cut = end < len(page.text)
        for rank in ranks:
            if done[rank] >= end:
                continue  # a place found before reaches beyond this piece
            for place in self._finders[rank](page, max(start, done[rank]), end):
                # What reaches the cut is seen whole in the next piece, unless it is longer than both share.
                if not (cut and place[1] == end and place[1] - place[0] < OVERLAP // 2):
                    places.append((*place, rank))
                    if place[1] > end:
                        done[rank] = place[1]


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Where to read from and to: so many characters and some of what follows, up to the end of a word."""
    start, size = 0, len(text)
    while True:
        end = start + PIECE + OVERLAP
        if end >= size:
            yield start, size
            return
        between = _SPACE.search(text, end, end + LOOK_AHEAD)
        stop = end if between is None else between.start()
        yield start, stop
        between = _SPACE.search(text, start + PIECE, end)
        start = stop - OVERLAP if between is None else between.start()


_SPACE = re.compile(r"\s")


def _joined(places: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Overlapping places as one, of the type of the first rule among them."""
    places.sort()
    joined: list[tuple[int, int, int]] = []
    start, end, rank = places[0]
    for first, last, other in places[1:]:
        if first < end:
            end = max(end, last)
            rank = min(rank, other)
        else:
            joined.append((start, end, rank))
            start, end, rank = first, last, other
    joined.append((start, end, rank))
    return joined


def is_safe(pattern: str) -> bool:
    """Whether no unbounded repeat stands inside another, which takes exponential time on some texts."""
    parsed: Any = re._parser.parse(pattern)  # type: ignore[attr-defined]
    return not _nests(parsed, inside=False)


def _nests(parsed: Any, *, inside: bool) -> bool:
    for operator, argument in parsed:
        name = str(operator)
        if name in ("MAX_REPEAT", "MIN_REPEAT"):
            unbounded = argument[1] > 1000
            if (unbounded and inside) or _nests(argument[2], inside=inside or unbounded):
                return True
        elif name == "SUBPATTERN":
            if _nests(argument[3], inside=inside):
                return True
        elif name == "BRANCH":
            if any(_nests(branch, inside=inside) for branch in argument[1]):
                return True
        elif name in ("ASSERT", "ASSERT_NOT") and _nests(argument[1], inside=inside):
            return True
    return False

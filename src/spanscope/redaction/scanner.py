"""Find what the rules look for, in texts of any length, without looking for what cannot be there.

A long text is read in pieces that overlap, so that the interpreter lock is never held for long; what is
found at the end of one piece is found whole in the next.  Before the rules run on a piece, a sieve says
which of them can find anything there: words looked up one after the other, or, with google-re2, all
patterns in one pass over the bytes.

Used by `engine`.
"""

import re
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple

from spanscope.redaction.page import Page
from spanscope.redaction.rules import Labels, Rule

PIECE: Final = 16_384
OVERLAP: Final = 2_048


class Found(NamedTuple):
    """One thing that a rule found: from where to where in the text, what it is, and by which rule."""

    start: int
    end: int
    type: str
    rule: str


class OutOfTime(Exception):
    """The time for this record is over; what was not searched must not be shown."""


Sieve = Callable[[Page, int, int], Sequence[int]]


class Scanner:
    """Runs a fixed set of rules.  `re2` False leaves google-re2 aside even where it is installed."""

    def __init__(self, rules: Sequence[Rule], *, re2: bool = True) -> None:
        self.rules = tuple(rules)
        self._finders = [rule.find for rule in self.rules]
        self._sieve: Sieve = (re2_sieve(self.rules) if re2 else None) or word_sieve(self.rules)

    def find(self, text: str, *, deadline: float | None = None) -> list[Found]:
        """All that was found, in the order of the text, without overlaps.  Raises `OutOfTime`."""
        page = Page(text)
        places: list[tuple[int, int, int]] = []
        for start in range(0, max(len(text), 1), PIECE):
            if deadline is not None and monotonic() > deadline:
                raise OutOfTime
            end = min(len(text), start + PIECE + OVERLAP)
            self._search(page, start, end, places)
            if end == len(text):
                break
        if not places:
            return []
        return [
            Found(first, last, self.rules[rank].type, self.rules[rank].name)
            for first, last, rank in _joined(places)
        ]

    def _search(self, page: Page, start: int, end: int, places: list[tuple[int, int, int]]) -> None:
        cut = end < len(page.text)
        for rank in self._sieve(page, start, end):
            for place in self._finders[rank](page, start, end):
                # What reaches the cut is seen whole in the next piece, unless it is longer than both share.
                if not (cut and place[1] == end and place[1] - place[0] < OVERLAP // 2):
                    places.append((*place, rank))


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


def word_sieve(rules: Sequence[Rule]) -> Sieve:
    """The sieve of plain Python: digits and words are gathered once, what else it takes is looked up in the text."""
    gates = [(rank, rule, Labels(rule.labels) if rule.labels else None) for rank, rule in enumerate(rules)]

    def sieve(page: Page, start: int, end: int) -> list[int]:
        folded = page.folded
        if start or end < len(folded):
            folded = folded[start:end]
        most = max([run[2] for run in page.runs(start, end)], default=0)
        chosen = []
        for rank, rule, labels in gates:
            if rule.digits:
                if most >= rule.digits:
                    chosen.append(rank)
            elif labels is not None:
                if labels.may_be(page, start, end):
                    chosen.append(rank)
            elif rule.long and not page.long_words(start, end):
                continue
            elif not rule.triggers:
                chosen.append(rank)
            else:
                for word in rule.triggers:
                    if word in folded:
                        chosen.append(rank)
                        break
        return chosen

    return sieve


def re2_sieve(rules: Sequence[Rule]) -> Sieve | None:
    """The sieve of google-re2: one pass for all patterns; None where it is not installed."""
    try:
        import re2
    except ImportError:
        return None
    patterns: Any = re2.Set.SearchSet()
    ranks: list[int] = []
    always: list[int] = []
    for rank, rule in enumerate(rules):
        pattern = r"[0-9](?:[^0-9A-Za-z,;:\"]{0,4}[0-9]){5}" if rule.digits else rule.re2_sieve
        if pattern:
            patterns.Add(pattern)
            ranks.append(rank)
        else:
            always.append(rank)
    patterns.Compile()

    def sieve(page: Page, start: int, end: int) -> list[int]:
        text = page.text if not start and end == len(page.text) else page.text[start:end]
        return sorted([*always, *[ranks[index] for index in patterns.Match(text) or ()]])

    return sieve


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

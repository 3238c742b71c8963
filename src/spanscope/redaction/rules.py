"""What a rule is, and all the rules there are, in the order of their rank.

A rule names one type of thing to take out of a text and knows how to find it.  It runs in time linear
in the text whatever the text is: repeats are possessive (`++`, never given back) or bounded by a small
number, and a search starts from a word or sign that has to be there, not from each character.

`triggers` and `sieve` say where it is not worth trying: both hold for every text in which the rule finds
something, which the tests check by running all rules with and without them.

Used by `scanner`.  Where two findings overlap, the rule that stands first gives the type.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from spanscope.redaction.page import Page, stem_of

SECRET: Final = "[SECRET]"

Place = tuple[int, int]
Finder = Callable[[Page, int, int], Iterable[Place]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of thing to take out of a text."""

    name: str
    type: str
    find: Finder
    """Yields the places between two positions of a page; may look at what stands around them."""
    triggers: tuple[str, ...] = ()
    """Lower-case strings, of which the folded text holds one where there is something to find."""
    sieve: str | tuple[str, ...] = ""
    """The same for RE2: a pattern that matches wherever there is something, or several that all do.

    Of several, the first is looked for together with those of other rules, so it had better be short words;
    the others are asked for only where it is found.  With `triggers`, these are the first.  See `relaxed` for
    how to make a pattern of one of `re`.  Made of the other fields if empty.
    """
    labels: tuple[str, ...] = ()
    """Lower-case words, of which one begins at the beginning of a word where there is something to find."""
    long: bool = False
    """Whether it is only found where a word begins that is too long for prose."""
    numbered: bool = False
    """Whether there is a digit in whatever it finds; not looked for in prose without numbers."""
    digits: int = 0
    """How many digits a stretch of digits and gaps must have; 0: the rule does not need one."""


def by_pattern(pattern: re.Pattern[str], group: int = 0) -> Finder:
    """A finder for whatever a pattern matches anywhere."""

    def find(page: Page, start: int, end: int) -> Iterable[Place]:
        return [match.span(group) for match in pattern.finditer(page.text, start, end)]

    return find


def from_words(words: tuple[str, ...], pattern: re.Pattern[str], group: int | str = 0) -> Finder:
    """A finder for a pattern that begins with one of these words, which are given in lower case."""

    def find(page: Page, start: int, end: int) -> Iterable[Place]:
        return [match.span(group) for match in matches_from(words, pattern, page, start, end)]

    return find


def matches_from(
    words: tuple[str, ...], pattern: re.Pattern[str], page: Page, start: int, end: int
) -> Iterable[re.Match[str]]:
    """The matches of `pattern` that begin where one of `words` stands, word by word."""
    text, folded, piece = page.text, page.folded, page.folded_piece(start, end)
    for word in words:
        at = folded.find(word, start, end) if word in piece else -1
        while at >= 0:
            match = pattern.match(text, at)
            if match is not None:
                yield match
                at = folded.find(word, max(match.end(), at + 1), end)
            else:
                at = folded.find(word, at + 1, end)


class Labels:
    """Words that tell what stands behind them, looked up by their first letters."""

    def __init__(self, labels: tuple[str, ...]) -> None:
        self._by_stem: dict[str, list[str]] = {}
        others = []
        for label in dict.fromkeys(labels):
            if label.isascii() and len(stem := stem_of(label)) >= 2 and label.startswith(stem):
                self._by_stem.setdefault(stem, []).append(label)
            else:
                others.append(label)
        self.stems = frozenset(self._by_stem)
        """The first letters of those that begin with a word."""
        self.others = tuple(others)
        """What is looked up one by one."""
        self._ascii_others = tuple([label for label in others if label.isascii()])

    def places(self, page: Page, start: int, end: int) -> Iterable[Place]:
        """Where labels stand: from the beginning of a word, or of a later word of `homeAddress`."""
        text, folded = page.text, page.folded
        words = [label for stem in self.stems & page.stems(start, end) for label in self._by_stem[stem]]
        words += self._ascii_others if text.isascii() else self.others
        piece = page.folded_piece(start, end)
        for label in words:
            at = folded.find(label, start, end) if label in piece else -1
            while at >= 0:
                after = at + len(label)
                if at == 0 or not text[at - 1].isalnum() or not label[0].isascii() or begins_word(text, at):
                    yield at, after
                at = folded.find(label, after, end)


def begins_word(text: str, at: int) -> bool:
    """Whether the letter at `at`, with another one before it, begins a word: `homeAddress`, `\\nborn`."""
    return (text[at].isupper() and text[at - 1].islower()) or text[at - 2 : at] in ("\\n", "\\t", "\\r")

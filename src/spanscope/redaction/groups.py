"""Which fields a draft has, and which of them can be let through together.

An application's drafts have few sets of fields, and in each of them the same kind, framework, name and model
come together again and again.  So these are looked up as one; a field by itself is read only where they were
not seen together before, or where it is another one with each span.

Used by `seal`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from operator import itemgetter
from typing import Any, Final

Rule = Callable[[Any], Any]
"""Gives what may be kept of a value, or None."""

_MAX_KNOWN: Final = 256
texts_only: Final = frozenset({str}).issuperset


class Group:
    """The fields of all drafts that have fields of these names.

    `recurring` are names of fields whose texts come with many spans, and whose rules see nothing but them.
    """

    def __init__(
        self, names: Iterable[Any], rule_of: Callable[[Any], Rule], recurring: Collection[str]
    ) -> None:
        self.all: tuple[tuple[Any, Rule], ...] = tuple((name, rule_of(name)) for name in names)
        """Each field with its rule."""
        again = [name for name, _ in self.all if type(name) is str and name in recurring]
        # Of a single name `itemgetter` would give no tuple.
        self.names: tuple[str, ...] = tuple(again) if len(again) > 1 else ()
        """The fields that are looked up as one."""
        self.others: tuple[tuple[Any, Rule], ...] = tuple(
            (name, rule) for name, rule in self.all if name not in self.names
        )
        """The rest of them, with their rules."""
        self.texts: Callable[[Mapping[Any, Any]], tuple[Any, ...]] = (
            itemgetter(*self.names) if self.names else lambda _: ()
        )
        """What a draft has under `names`, be it texts or not."""
        self.known: set[tuple[str, ...]] = set()
        """Texts that came together under `names`, and that their rules leave as they are.  Read only."""

    def learn(self, texts: tuple[Any, ...], kept: Mapping[str, Any]) -> None:
        """Remember these texts if their rules have kept all of them: then nothing secret is among them."""
        if texts_only(map(type, texts)) and texts == tuple([kept.get(name) for name in self.names]):
            if len(self.known) >= _MAX_KNOWN:
                self.known.clear()
            self.known.add(texts)

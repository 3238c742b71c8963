"""Names, tags and other short texts, nearly all of which come with every span.

What redaction leaves as it is is remembered, so that it costs a look into a set the next time; what it
changes is not, so that nothing secret is remembered.

Used by `seal` and `attributes`.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, Final

from spanscope.redaction.engine import Redactor
from spanscope.redaction.fields import as_text
from spanscope.redaction.names import Meaning, meaning
from spanscope.redaction.values import SMALL_INT

MAX_LABELS: Final = 100
_MAX_PLAIN: Final = 8192
_MOST_ITEMS: Final = 20
"""A mapping with more is walked: its strings together may be more text than is kept of one value."""


class Labels:
    """Redacts short texts."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._most_items = min(_MOST_ITEMS, redactor.limits.items)
        self.plain: set[str] = set()
        """Texts that redaction leaves as they are.  Read only."""
        self.names: dict[str, tuple[str, Meaning]] = {}
        """What `name` has said of the names that stay as they are.  Read only."""
        self._silent: set[str] = set()
        """Names that stay as they are, and say nothing of the value under them."""

    def label(self, value: Any) -> str:
        """A short text, redacted and cut."""
        text = value if type(value) is str else as_text(value)
        if text in self.plain:
            return text
        label = self._redactor.label(text)
        if label == text:
            if len(self.plain) >= _MAX_PLAIN:
                self.plain.clear()
            self.plain.add(text)
        return label

    def labels(self, values: Iterable[Any]) -> tuple[str, ...]:
        """The first hundred of them."""
        return tuple([self.label(value) for value in islice(values, MAX_LABELS)])

    def name(self, key: Any) -> tuple[str, Meaning]:
        """How the name of a value is written, and what it says of the value."""
        if type(key) is not str:
            return self.label(key), None
        known = self.names.get(key)
        if known is None:
            known = self.label(key), meaning(key)
            if known[0] == key:
                self._remember(key, known)
        return known

    def _remember(self, key: str, known: tuple[str, Meaning]) -> None:
        if len(self.names) >= _MAX_PLAIN:
            self.names.clear()
            self._silent.clear()
        self.names[key] = known
        if known[1] is None:
            self._silent.add(key)

    def leave_alone(self, values: Mapping[Any, Any], user: str | None) -> bool:
        """Whether redaction would leave this flat mapping as it is; asked at a fifth of the cost of a walk.

        Shapes, metadata and documents come with every span and seldom hold a text that was not seen before.
        False also where it is not known; `user` is a text that must not stay.
        """
        if len(values) > self._most_items:
            return False
        plain, silent = self.plain, self._silent
        for key, value in values.items():
            if type(key) is not str or (key not in silent and self.name(key) != (key, None)):
                return False
            kind = type(value)
            if kind is int or kind is float:
                if not -SMALL_INT < value < SMALL_INT:
                    return False
            elif kind is str:
                if value == user or (value not in plain and self.label(value) != value):
                    return False
            elif value is not None and kind is not bool:
                return False
        return True

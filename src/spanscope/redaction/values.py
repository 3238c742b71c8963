"""Turn any Python value into a small one that is safe to keep: the total function behind `redact_value`.

Metadata, tool arguments and states come from the application and may be anything: models whose
properties raise, objects that refer to themselves, a million items, a lock.  This walk reads fields
and never calls `repr`, `model_dump` or another method of the value's own where it can avoid it; what
it cannot read it withholds, item by item, so that the rest stays.

Called by `engine`, which lends it the function for strings.
"""

import dataclasses
import math
import numbers
import types
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import islice
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

from spanscope.redaction.names import meaning as meaning
from spanscope.redaction.opaque import Digest, described_vector, is_vector, opaque_field
from spanscope.redaction.rules import SECRET

TOO_DEEP: Final = "[withheld: too deep]"
CIRCULAR: Final = "[withheld: circular]"
UNREADABLE: Final = "[withheld: unreadable]"
TOO_MANY: Final = "[withheld: too many items]"
TOO_LONG: Final = "[withheld: too much text]"
PRIVATE_FIELD: Final = "[withheld: not shown by its class]"

_MAX_VECTOR: Final = 20_000
"""Numbers of one embedding that are hashed."""
SMALL_INT: Final = 10**9
"""Below this an integer is no card number; above it is read as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much of a value is kept."""

    depth: int = 8
    items: int = 100
    """Of one container."""
    nodes: int = 2000
    """Of the whole value."""
    string_chars: int = 2000
    total_chars: int = 100_000
    """Of all strings of the value together."""


class Walk:
    """One walk over one value.  Holds what must not outlive it: the budget and the path."""

    def __init__(
        self,
        scrub: Callable[[str], str],
        limits: Limits,
        on_fault: Callable[[Exception], None] | None = None,
        *,
        user: str | None = None,
        pseudonym: Callable[[str], str] | None = None,
        digest: Digest | None = None,
    ) -> None:
        self._scrub = scrub
        self._digest = digest
        self._user = user
        self._pseudonym = pseudonym
        self._limits = limits
        self._on_fault = on_fault
        self._nodes = limits.nodes
        self._chars = limits.total_chars
        self._path: set[int] = set()

    def copy(self, value: Any, depth: int) -> Any:
        """A redacted copy; a value that raises while it is read is withheld."""
        kind = type(value)
        self._nodes -= 1
        if kind is str:
            if value == self._user and self._pseudonym is not None:
                return self._pseudonym(value)
            return self._string(value)
        if value is None or kind is bool:
            return value
        try:
            return self._number(value) if kind is int or kind is float else self._other(value, depth)
        except Exception as fault:  # noqa: BLE001  the boundary: user code runs below it
            if self._on_fault is not None:
                self._on_fault(fault)
            return UNREADABLE

    def _string(self, text: str) -> str:
        if self._chars < 0:
            return TOO_LONG
        self._chars -= min(len(text), self._limits.string_chars)
        return self._scrub(text)

    def _number(self, value: int | float) -> Any:
        if isinstance(value, float) and not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        if -SMALL_INT < value < SMALL_INT:
            return value
        if isinstance(value, int) and value.bit_length() > 512:
            return f"[withheld: integer of {value.bit_length()} bits]"
        written = str(value)
        redacted = self._scrub(written)
        return value if redacted == written else redacted

    def _other(self, value: Any, depth: int) -> Any:
        # Only the type is asked: `isinstance` would ask the value's own `__class__`.
        kind = type(value)
        if kind is dict or kind is list or kind is tuple:
            return self._container(value, kind, depth)
        if issubclass(kind, Enum):
            return self.copy(value._value_, depth + 1) if depth < self._limits.depth else TOO_DEEP
        if issubclass(kind, str):
            return self._string(str.__str__(value))
        if issubclass(kind, bytes | bytearray | memoryview):
            return f"[{kind.__name__}, {memoryview(value).nbytes} bytes]"
        if issubclass(kind, int):
            return self._number(int.__index__(value))
        if issubclass(kind, float):
            return self._number(float.__float__(value))
        if issubclass(kind, datetime | date | time):
            return self._scrub(value.isoformat())
        if issubclass(kind, timedelta):
            return self._number(value.total_seconds())
        if issubclass(kind, Decimal | UUID | PurePath):
            return self._scrub(str(value))
        if issubclass(kind, numbers.Real):  # numpy's, which are neither int nor, most of them, float
            return self._number(int(value) if issubclass(kind, numbers.Integral) else float(value))
        return self._container(value, kind, depth)

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        pairs = _items_of_dict if kind is dict else _pairs_reader(kind)
        if pairs is None and not issubclass(kind, _SEQUENCES):
            return f"<{self._scrub(kind.__name__[:100])}>"
        if depth >= self._limits.depth:
            return TOO_DEEP
        if id(value) in self._path:
            return CIRCULAR
        self._path.add(id(value))
        try:
            return self._sequence(value, depth) if pairs is None else self._mapping(*pairs(value), depth)
        finally:
            self._path.discard(id(value))

    def _mapping(self, pairs: Iterable[tuple[Any, Any]], size: int, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        # Taken at once: the application may go on changing its dictionary.
        for key, item in list(islice(pairs, self._limits.items)):
            name = self._key(key)
            while name in out:  # two addresses became the same placeholder
                name += "'"
            if self._nodes <= 0:
                out[name] = TOO_MANY
                break
            out[name] = self._item(key, item, depth)
        if (left := size - self._limits.items) > 0:
            out["…"] = f"[cut, {left} more of {size}]"
        return out

    def _item(self, key: Any, item: Any, depth: int) -> Any:
        said = meaning(key) if type(key) is str else None
        if said is not None and item is not None and type(item) is not bool:
            if said == "secret":
                return SECRET
            if said == "opaque":
                opaque = opaque_field(item, self._digest)
                return self.copy(item, depth + 1) if opaque is None else opaque
            if self._pseudonym is not None and type(item) in (str, int):
                return self._pseudonym(str(item))
        return self.copy(item, depth + 1)

    def _key(self, key: Any) -> str:
        copied = key if type(key) is str else self.copy(key, self._limits.depth)
        text = copied if isinstance(copied, str) else str(copied)
        return self._scrub(text[:200])

    def _sequence(self, items: Collection[Any], depth: int) -> Any:
        size = len(items)
        if is_vector(items):
            return described_vector(list(islice(items, _MAX_VECTOR)), size, self._digest)
        out: list[Any] = []
        for item in list(islice(items, self._limits.items)):
            if self._nodes <= 0:
                out.append(TOO_MANY)
                break
            out.append(self.copy(item, depth + 1))
        if (left := size - self._limits.items) > 0:
            out.append(f"[cut, {left} more of {size}]")
        return out


_SEQUENCES = (list, tuple, set, frozenset)
_Pairs = tuple[Iterable[tuple[Any, Any]], int]


def _pairs_reader(kind: type) -> Callable[[Any], _Pairs] | None:
    """How names and values are read from a value of this type; None when it has none."""
    if issubclass(kind, dict):
        return _items_of_dict
    if issubclass(kind, _SEQUENCES):
        return None
    if dataclasses.is_dataclass(kind):
        return _fields_of_dataclass
    if hasattr(kind, "__pydantic_fields__") or hasattr(kind, "__fields__"):
        return _fields_of_model
    if issubclass(kind, Mapping) or issubclass(kind, types.MappingProxyType):
        return lambda value: (value.items(), len(value))
    return None


def _items_of_dict(value: dict[Any, Any]) -> _Pairs:
    return dict.items(value), dict.__len__(value)


def _fields_of_dataclass(value: Any) -> _Pairs:
    fields = dataclasses.fields(value)
    pairs = ((field.name, getattr(value, field.name) if field.repr else PRIVATE_FIELD) for field in fields)
    return pairs, len(fields)


def _fields_of_model(value: Any) -> _Pairs:
    """Fields of a pydantic model, version 1 or 2, without its serialisers; those it hides stay hidden."""
    kind = type(value)
    fields = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__fields__", None) or {}
    hidden = {
        name
        for name, field in fields.items()
        if getattr(field, "exclude", None) is True or getattr(field, "repr", True) is False
    }
    stored: dict[str, Any] = object.__getattribute__(value, "__dict__")
    extra: dict[str, Any] = getattr(value, "__pydantic_extra__", None) or {}
    pairs = [
        (name, PRIVATE_FIELD if name in hidden else item) for name, item in [*stored.items(), *extra.items()]
    ]
    return pairs, len(pairs)

"""A span as a row, and back: the store's only translation.

Most fields are stored as they are.  Costs become whole nano-dollars, so that sums are exact (a cost
finer than that is rounded to it); tuples and mappings become JSON text; contents become lists of ids.
What comes back equals what went in, except that a tuple or set within an attribute is a list then.

Used by `writer` on the way in and by `queries` on the way out.
"""

import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from enum import Enum
from functools import lru_cache
from math import isfinite
from operator import attrgetter, itemgetter
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping

from spanscope.spans import Content, Span, make_span
from spanscope.store.tables import SPANS

Row = tuple[Any, ...]
_NANO: Final = Decimal(1_000_000_000)
_INT64: Final = 2**63
_id_of: Final = attrgetter("content_id")


class Form:
    """How spans that have fields of these names become rows: into which columns, and with which values.

    Made once for the few sets of fields that an application's spans have, so that a row costs no question
    about a field that is not there.
    """

    def __init__(self, names: Collection[str]) -> None:
        given = {*names, *_DEFAULTS}
        taken = [(column, name) for column, name in _FIELD_OF.items() if name in given]
        self.columns: tuple[str, ...] = tuple(column for column, _ in taken)
        """In the order of the table, the trace's id first."""
        self._values: Callable[[Mapping[str, Any]], Row] = itemgetter(*(name for _, name in taken))
        self._written = tuple((name, _WRITTEN[name]) for _, name in taken if name in _WRITTEN)

    def row(self, span: Span) -> Row:
        """The values of `columns` for a span with these fields."""
        facts = _DEFAULTS | vars(span)
        for name, written in self._written:
            facts[name] = written(facts[name])
        return self._values(facts)


def span_from(row: RowMapping, contents: Mapping[str, Content]) -> Span:
    """The span in a row of `spans`, with its contents taken from `contents` by id."""
    facts = {name: row[name] for name in _AS_THEY_ARE}
    cost = row["cost_nano_usd"]
    return make_span(
        facts
        | {
            "amended": bool(row["amended"]),
            "tags": tuple(loads(row["tags"])),
            "attributes": json.loads(row["attributes"]) if row["attributes"] else {},
            "events": tuple(loads(row["events"])),
            "inputs": tuple(contents.get(key) or _lost(key) for key in loads(row["input_ids"])),
            "outputs": tuple(contents.get(key) or _lost(key) for key in loads(row["output_ids"])),
            "cost_usd": None if cost is None else from_nano(cost),
            "tool_names": tuple(loads(row["tool_names"])),
            "usage_in_children": bool(row["usage_in_children"]),
        }
    )


def content_ids(row: RowMapping) -> Iterable[str]:
    """The ids of all contents that a row of `spans` refers to."""
    return (*loads(row["input_ids"]), *loads(row["output_ids"]))


def to_nano(cost_usd: Decimal) -> int:
    return int((cost_usd * _NANO).to_integral_value(ROUND_HALF_EVEN))


def from_nano(cost_nano_usd: int) -> Decimal:
    return Decimal(cost_nano_usd) / _NANO


def dumps(value: Any) -> str:
    """Compact JSON.  What it has no word for is withheld and only its type told; NaN is null."""
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError):  # keys of other types, cycles, numbers beyond 64 bits
        return dumps_without_help(value)


def dumps_without_help(value: Any) -> str:
    """What `dumps` gives for a value that its encoder does not take."""
    return _encode_plain(_encodable(value))


def loads(text: str | None) -> list[Any]:
    """A list stored as JSON text; NULL stands for the empty one."""
    return json.loads(text) if text else []


@lru_cache(maxsize=1024)
def names_text(names: tuple[str, ...]) -> str:
    """Tags or the like as a JSON list; the same few come with every span."""
    return dumps(names)


def storable(value: Any) -> Any:
    """What stands for a value that no database takes: half an emoji, a NUL, a number beyond 64 bits."""
    match value:
        case None | bool() | float():
            return value
        case int():
            return value if -_INT64 <= value < _INT64 else None
        case str():
            return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")
        case _:
            return _withheld(value)


def _ids(contents: Iterable[Content]) -> str:
    """A JSON list, put together by hand because hex digits need no escaping."""
    return '["' + '","'.join(map(_id_of, contents)) + '"]'


_WRITTEN: Final[Mapping[str, Callable[[Any], Any]]] = {
    "tags": lambda names: names_text(names) if names else None,
    "tool_names": lambda names: names_text(names) if names else None,
    "attributes": lambda value: dumps(value) if value else None,
    "events": lambda value: dumps(value) if value else None,
    "inputs": lambda contents: _ids(contents) if contents else None,
    "outputs": lambda contents: _ids(contents) if contents else None,
    "cost_usd": lambda cost: None if cost is None else to_nano(cost),
}
"""Fields that are stored in another form; NULL where they are empty."""
_RENAMED: Final = {"input_ids": "inputs", "output_ids": "outputs", "cost_nano_usd": "cost_usd"}
_FIELD_OF: Final = {column: _RENAMED.get(column, column) for column in SPANS.columns.keys()}  # noqa: SIM118
_DEFAULTS: Final = {one.name: one.default for one in fields(Span) if type(one.default) is str}
"""Of fields that the table wants to have, and a span need not."""
_AS_THEY_ARE: Final = tuple(column for column, name in _FIELD_OF.items() if name not in _WRITTEN)


def _lost(content_id: str) -> Content:
    """Stands in for a content that the store no longer has, so that lists of messages keep their places."""
    return Content(content_id=content_id, role="unknown", chars=0)


def _withheld(value: Any) -> str:
    return f"<{type(value).__name__}>"


def _default(value: Any) -> Any:
    match value:
        case Mapping():
            return dict(value)
        case set() | frozenset():
            return sorted(value, key=repr)
        case date():
            return value.isoformat()
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case _:
            return _withheld(value)


def _encodable(value: Any, depth: int = 0) -> Any:
    if depth > 20:
        return _withheld(value)
    match value:
        case float():
            return value if isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {_key(key): _encodable(item, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [_encodable(item, depth + 1) for item in value]
        case _:
            return _encodable(_default(value), depth + 1)


def _key(key: Any) -> str:
    return str(key) if isinstance(key, str | int) else _withheld(key)


_encode_plain = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode

try:
    # Ten times as fast.  LangChain brings it along; where it is absent, nothing but time is lost.
    import orjson
except ImportError:
    _encode: Callable[[Any], str] = json.JSONEncoder(
        separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_default
    ).encode
else:
    # What is not plain goes to `_default` with either encoder.
    _OPTIONS: Final = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME

    def _encode(value: Any) -> str:
        return orjson.dumps(value, _default, _OPTIONS).decode()

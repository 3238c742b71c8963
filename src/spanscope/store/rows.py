"""A span as a row, and back: the store's only translation.

Most fields are stored as they are.  Costs become whole nano-dollars, so that sums are exact (a cost
finer than that is rounded to it); tuples and mappings become JSON text; contents become lists of ids.
What comes back equals what went in, except that a tuple or set within an attribute is a list then.

Used by `writer` on the way in and by `queries` on the way out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from spanscope.spans import Content, Span, make_span
from spanscope.store.tables import SPANS

COLUMNS: Final[tuple[str, ...]] = tuple(SPANS.columns.keys())
_TRANSLATED: Final = 9
PLAIN: Final[tuple[str, ...]] = COLUMNS[:-_TRANSLATED]
"""The fields stored as they are; their columns come first."""

Row = tuple[Any, ...]

_plain_values = attrgetter(*PLAIN)
_NANO: Final = Decimal(1_000_000_000)
_INT64: Final = 2**63


def span_row(span: Span) -> Row:
    """The values of `COLUMNS` for this span; None also where a column's default is meant."""
    plain: Row = _plain_values(span)
    return (
        *plain,
        span.usage_in_children or None,
        span.amended or None,
        None if span.cost_usd is None else to_nano(span.cost_usd),
        names_text(span.tags) if span.tags else None,
        names_text(span.tool_names) if span.tool_names else None,
        dumps(span.attributes) if span.attributes else None,
        dumps(span.events) if span.events else None,
        _ids(span.inputs) if span.inputs else None,
        _ids(span.outputs) if span.outputs else None,
    )


def span_from(row: Sequence[Any], contents: Mapping[str, Content]) -> Span:
    """The span of a row of `COLUMNS`, with its contents taken from `contents` by id."""
    wraps, amended, cost, tags, tool_names, attributes, events, input_ids, output_ids = row[-_TRANSLATED:]
    return make_span(
        dict(zip(PLAIN, row, strict=False))
        | {
            "usage_in_children": bool(wraps),
            "amended": bool(amended),
            "cost_usd": None if cost is None else from_nano(cost),
            "tags": tuple(loads(tags)),
            "tool_names": tuple(loads(tool_names)),
            "attributes": json.loads(attributes) if attributes else {},
            "events": tuple(loads(events)),
            "inputs": tuple(contents.get(key) or _lost(key) for key in loads(input_ids)),
            "outputs": tuple(contents.get(key) or _lost(key) for key in loads(output_ids)),
        }
    )


def content_ids(row: Sequence[Any]) -> Iterable[str]:
    """The ids of all contents that a row of `COLUMNS` refers to."""
    return (*loads(row[-2]), *loads(row[-1]))


def to_nano(cost_usd: Decimal) -> int:
    return int((cost_usd * _NANO).to_integral_value(ROUND_HALF_EVEN))


def from_nano(cost_nano_usd: int) -> Decimal:
    return Decimal(cost_nano_usd) / _NANO


def dumps(value: Any) -> str:
    """Compact JSON.  What JSON has no word for is withheld, and only its type is told."""
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError):  # keys of other types, cycles
        return _encode(_encodable(value))


def loads(text: str | None) -> list[Any]:
    """A list stored as JSON text; NULL stands for the empty one."""
    return json.loads(text) if text else []


@lru_cache(maxsize=1024)
def names_text(names: tuple[str, ...]) -> str:
    """Tags or the like as a JSON list; the same few come with every span."""
    return dumps(names)


def storable(row: Row) -> Row:
    """The row with what no database takes replaced: half an emoji, a NUL, a number beyond 64 bits."""
    return tuple(_storable(value) for value in row)


def _storable(value: Any) -> Any:
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
    return '["' + '","'.join([content.content_id for content in contents]) + '"]'


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
        case _:
            return _withheld(value)


def _encodable(value: Any, depth: int = 0) -> Any:
    if depth > 20:
        return _withheld(value)
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {
                key if isinstance(key, str) else _withheld(key): _encodable(item, depth + 1)
                for key, item in value.items()
            }
        case list() | tuple():
            return [_encodable(item, depth + 1) for item in value]
        case _:
            return _default(value)


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=_default).encode

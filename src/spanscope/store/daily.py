"""What the spans of a day add up to, by kind, model, environment, service and status.

These sums outlive the spans: `retention` adds those of the spans it is about to remove to the table
`daily`.  `Store.daily` adds them to the sums of the spans that are still there, so that a figure over two
years is the same before and after pruning.  Tokens, cost and calls count as in a trace's totals: not where
they are an inner call's, and a cached answer bought nothing.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, delete, func, insert, select

from spanscope.semconv import MODEL_KINDS
from spanscope.store.rows import from_nano
from spanscope.store.tables import DAILY, SPANS

BOUNDS_MS: Final = (10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000)
"""Upper bounds of the classes of durations; what took longer is in one more class."""

_KEY: Final = ("day", "kind", "model", "environment", "service", "status")
_COUNTS: Final = ("calls", "priced", "timed", "duration_ms")
_TOKENS: Final = ("input_tokens", "output_tokens", "total_tokens")
_SUMS: Final = (*_TOKENS, "cost_nano_usd")
_DAY_NS: Final = 86_400 * 10**9
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Daily:
    """One day's sums for one kind, model, environment, service and status; unknown is None."""

    day: date
    """Of the start, in UTC."""
    kind: str
    model: str | None
    environment: str | None
    service: str | None
    status: str
    calls: int
    priced: int
    """Calls whose cost is known."""
    timed: int
    """Calls that have ended, which `duration_ms` and `histogram` are about."""
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cost_usd: Decimal | None
    duration_ms: float
    """Of all calls together."""
    histogram: tuple[int, ...]
    """How many took up to each of `BOUNDS_MS`, and how many longer."""

    @property
    def errors(self) -> int:
        return self.calls if self.status == "error" else 0


def sums(connection: Connection, *conditions: ColumnElement[bool]) -> list[dict[str, Any]]:
    """Rows of `daily` for the spans that meet the conditions."""
    s = SPANS.c
    took_ms = (s.end_ns - s.start_ns) / 1e6
    bought = s.cache_hit.is_not(True)
    classes = []
    for below, upto in zip((None, *BOUNDS_MS), (*BOUNDS_MS, None), strict=True):
        bounds = [took_ms > below] if below is not None else []
        bounds += [took_ms <= upto] if upto is not None else []
        classes.append(func.sum(case((and_(s.end_ns.is_not(None), *bounds), 1), else_=0)))
    is_model = s.kind.in_(sorted(MODEL_KINDS))
    keys = (
        (s.start_ns // _DAY_NS).label("day"),
        s.kind.label("kind"),
        case((is_model, func.coalesce(s.response_model, s.request_model, "")), else_="").label("model"),
        func.coalesce(s.environment, "").label("environment"),
        func.coalesce(s.service, "").label("service"),
        s.status.label("status"),
    )
    query = select(
        *keys,
        func.count(),
        func.count(case((bought, s.cost_nano_usd))),
        func.count(s.end_ns),
        func.coalesce(func.sum(took_ms), 0.0),
        *(func.sum(case((bought, s[name]))) for name in _SUMS),
        *classes,
    )
    # By their names: repeated, PostgreSQL would not see that they are the same expressions.
    inner_usage = and_(is_model, s.usage_in_children.is_(True))
    found = connection.execute(query.where(~inner_usage, *conditions).group_by(*(key.name for key in keys)))
    return [_row(tuple(row)) for row in found]


def _row(values: Sequence[Any]) -> dict[str, Any]:
    first_class = len(_KEY) + len(_COUNTS) + len(_SUMS)
    named = dict(zip((*_KEY, *_COUNTS, *_SUMS), values[:first_class], strict=True))
    whole = {name: None if named[name] is None else int(named[name]) for name in _SUMS}
    return (
        named
        | whole
        | {
            "day": (_EPOCH + timedelta(days=int(named["day"]))).isoformat(),
            "duration_ms": float(named["duration_ms"]),
            "histogram": json.dumps([int(value) for value in values[first_class:]]),
        }
    )


def add(connection: Connection, rows: Iterable[dict[str, Any]]) -> int:
    """Add these sums to the table; gives the number of its rows that were made or changed."""
    changed = 0
    for row in rows:
        both = row
        same = and_(*(DAILY.c[name] == row[name] for name in _KEY))
        kept = connection.execute(select(DAILY).where(same)).mappings().one_or_none()
        if kept is not None:
            connection.execute(delete(DAILY).where(same))
            both = together(dict(kept), row)
        connection.execute(insert(DAILY).values(**both))
        changed += 1
    return changed


def together(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The sum of two rows with the same key; what is unknown in both stays unknown."""
    both = dict(one)
    for name in _COUNTS:
        both[name] = one[name] + other[name]
    for name in _SUMS:
        known = [row[name] for row in (one, other) if row[name] is not None]
        both[name] = sum(known) if known else None
    classes = zip(json.loads(one["histogram"]), json.loads(other["histogram"]), strict=True)
    both["histogram"] = json.dumps([a + b for a, b in classes])
    return both


def read(connection: Connection, *, since: date | None, until: date | None) -> list[Daily]:
    """Kept sums and those of the spans that are there, together; the oldest day first."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    kept = [dict(row) for row in connection.execute(select(DAILY)).mappings()]
    for row in (*kept, *sums(connection)):
        key = tuple(row[name] for name in _KEY)
        merged[key] = together(merged[key], row) if key in merged else row
    return list(_within(since, until, (_daily(merged[key]) for key in sorted(merged))))


def _within(since: date | None, until: date | None, days: Iterable[Daily]) -> Iterator[Daily]:
    for one in days:
        if (since is None or one.day >= since) and (until is None or one.day < until):
            yield one


def _daily(row: dict[str, Any]) -> Daily:
    cost = row["cost_nano_usd"]
    labels: dict[str, Any] = {name: row[name] or None for name in ("model", "environment", "service")}
    plain: dict[str, Any] = {name: row[name] for name in ("kind", "status", *_COUNTS, *_TOKENS)}
    return Daily(
        day=date.fromisoformat(row["day"]),
        cost_usd=None if cost is None else from_nano(cost),
        histogram=tuple(json.loads(row["histogram"])),
        **labels | plain,
    )


def day_before(days: float, *, now: datetime | None = None) -> str:
    """The first day that is kept when sums are kept for so many days."""
    return ((now or datetime.now(UTC)) - timedelta(days=days)).date().isoformat()

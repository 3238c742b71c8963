"""Compute stored costs anew with the prices of today's table, and say what that changes.

A price may be corrected after the call, a model may get its price later than its first users, and a user may
add prices of their own.  Each call is priced as of the moment it was made.  What a provider reported stays,
and so does the cost of a call that the table no longer knows: a known figure is never given up for an unknown
one.

Page by page, each in one transaction together with the totals of its traces, so that whoever records
meanwhile waits for milliseconds and nobody sees a trace whose sum is not that of its calls.

Used by `queries`; asks `pricing`, which the caller brings.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, Final, Protocol

from sqlalchemy import Connection, RowMapping, and_, bindparam, or_, select, update

from spanscope import semconv
from spanscope.pricing import Pricing, Quote
from spanscope.pricing.facts import said_of, usage_of
from spanscope.pricing.rates import tidy
from spanscope.store import filters
from spanscope.store.matching import Condition, matching_for
from spanscope.store.moments import Moment
from spanscope.store.rows import dumps, from_nano, to_nano
from spanscope.store.statements import trace_upsert
from spanscope.store.tables import SPANS
from spanscope.store.totals import Totals

PAGE: Final = 2000
_NOTHING: Final = Decimal(0)
_SAID: Final = (
    semconv.PRICE_TABLE,
    semconv.PRICED_MODEL,
    semconv.PRICE_MISSING,
    semconv.COST_MISSING_REASON,
)
_s = SPANS.c
_COLUMNS: Final = (
    *(_s.trace_id, _s.span_id, _s.start_ns, _s.kind, _s.attributes, _s.provider, _s.request_model),
    *(_s.response_model, _s.input_tokens, _s.output_tokens, _s.cache_read_tokens, _s.cache_write_tokens),
    *(_s.reasoning_tokens, _s.cost_nano_usd, _s.cost_source, _s.cache_hit),
)
_REPORTED: Final = frozenset({"provider", "cache", "given"})
"""Costs that no table has a say in."""
_UPDATE: Final = (
    update(SPANS)
    .where(_s.trace_id == bindparam("at_trace"), _s.span_id == bindparam("at_span"))
    .values(cost_nano_usd=bindparam("cost"), cost_source=bindparam("source"), attributes=bindparam("said"))
)


@dataclass(kw_only=True)
class ModelRepricing:
    """The calls of one model, `provider/model`.

    Sums are in US dollars, over the calls whose cost is known; None where that is none of them.
    """

    model: str
    calls: int = 0
    changed: int = 0
    unpriced: int = 0
    """Calls for which the table has no price now, whether or not they keep an older cost."""
    before_usd: Decimal | None = None
    after_usd: Decimal | None = None

    @property
    def difference_usd(self) -> Decimal:
        return (self.after_usd or _NOTHING) - (self.before_usd or _NOTHING)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; money is a string."""
        return {
            **{one.name: getattr(self, one.name) for one in fields(self) if not one.name.endswith("_usd")},
            "before_usd": _text(self.before_usd),
            "after_usd": _text(self.after_usd),
            "difference_usd": _text(self.difference_usd),
        }


@dataclass(kw_only=True)
class Repricing:
    """What pricing anew changed, or (`dry_run`) would change."""

    dry_run: bool
    tables: tuple[str, ...] = ()
    """The price tables that were asked, with their versions."""
    models: list[ModelRepricing] = field(default_factory=list)
    """Those with the greatest difference first."""
    traces_changed: int = 0

    @property
    def calls(self) -> int:
        return sum(one.calls for one in self.models)

    @property
    def changed(self) -> int:
        return sum(one.changed for one in self.models)

    @property
    def unpriced(self) -> int:
        return sum(one.unpriced for one in self.models)

    @property
    def before_usd(self) -> Decimal | None:
        return _sum(one.before_usd for one in self.models)

    @property
    def after_usd(self) -> Decimal | None:
        return _sum(one.after_usd for one in self.models)

    @property
    def difference_usd(self) -> Decimal:
        return (self.after_usd or _NOTHING) - (self.before_usd or _NOTHING)

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON; money is a string."""
        return {
            "dry_run": self.dry_run,
            "tables": list(self.tables),
            "calls": self.calls,
            "changed": self.changed,
            "unpriced": self.unpriced,
            "traces_changed": self.traces_changed,
            "before_usd": _text(self.before_usd),
            "after_usd": _text(self.after_usd),
            "difference_usd": _text(self.difference_usd),
            "models": [one.to_dict() for one in self.models],
        }


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(tidy(amount))


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """What is known of them added up; None when nothing is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, _NOTHING) if known else None


class Transactions(Protocol):
    """Begins a transaction; its end commits."""

    def __call__(self) -> AbstractContextManager[Connection]: ...


def reprice(
    begin: Transactions,
    pricing: Pricing,
    *,
    since: Moment | None,
    until: Moment | None,
    dry_run: bool,
) -> Repricing:
    """Price the calls that began from `since` on and before `until`; write unless `dry_run`."""
    models: dict[str, ModelRepricing] = {}
    tables: dict[str, None] = {}
    traces: set[str] = set()
    after: tuple[str, str] | None = None
    period = tuple(filters.between(_s.start_ns, since, until))
    while True:
        with begin() as connection:
            rows = connection.execute(_page(after, period)).mappings().all()
            changes = list(_changes(rows, pricing, models, tables))
            traces |= {change["at_trace"] for change in changes}
            if changes and not dry_run:
                _write(connection, changes)
        if len(rows) < PAGE:
            break
        after = rows[-1]["trace_id"], rows[-1]["span_id"]
    ordered = sorted(models.values(), key=lambda one: (-abs(one.difference_usd), one.model))
    return Repricing(dry_run=dry_run, tables=tuple(tables), models=ordered, traces_changed=len(traces))


def _page(after: tuple[str, str] | None, period: Sequence[Condition]) -> Any:
    calls = and_(
        or_(*(_s.kind == kind for kind in sorted(semconv.MODEL_KINDS))),
        _s.status != "open",
        _s.usage_in_children.is_(False),
        *period,
    )
    query = select(*_COLUMNS).where(calls).order_by(_s.trace_id, _s.span_id).limit(PAGE)
    if after is not None:
        trace_id, span_id = after
        query = query.where(or_(_s.trace_id > trace_id, and_(_s.trace_id == trace_id, _s.span_id > span_id)))
    return query


def _changes(
    rows: Sequence[RowMapping],
    pricing: Pricing,
    models: dict[str, ModelRepricing],
    tables: dict[str, None],
) -> Iterator[dict[str, Any]]:
    """The updates that the new prices ask for; counts every call on the way."""
    for row in rows:
        attributes: dict[str, Any] = json.loads(row["attributes"]) if row["attributes"] else {}
        name = f"{row['provider'] or '?'}/{row['response_model'] or row['request_model'] or '?'}"
        model = models.setdefault(name, ModelRepricing(model=name))
        stored: int | None = row["cost_nano_usd"]
        quote = None
        if row["cost_source"] not in _REPORTED and not row["cache_hit"]:
            quote = _quote(row, attributes.get, pricing)
        cost = stored if quote is None or quote.cost is None else to_nano(quote.cost)
        model.calls += 1
        model.before_usd = _sum((model.before_usd, None if stored is None else from_nano(stored)))
        model.after_usd = _sum((model.after_usd, None if cost is None else from_nano(cost)))
        if quote is None:
            continue
        if quote.table is not None:
            tables[quote.table] = None
        if quote.cost is None:
            model.unpriced += 1
        elif cost != stored or quote.source != row["cost_source"]:
            model.changed += cost != stored
            kept = {key: value for key, value in attributes.items() if key not in _SAID}
            yield {
                "at_trace": row["trace_id"],
                "at_span": row["span_id"],
                "cost": cost,
                "source": quote.source,
                "said": dumps(kept | said_of(quote)),
            }


def _quote(row: RowMapping, attribute: Callable[[str], Any], pricing: Pricing) -> Quote | None:
    usage = usage_of(row["kind"], row.get, attribute)
    if usage is None:
        return None
    return pricing.quote(
        usage,
        provider=row["provider"],
        request_model=row["request_model"],
        response_model=row["response_model"],
        tier=attribute(semconv.SERVICE_TIER),
        at_ns=row["start_ns"],
        address=attribute(semconv.SERVER_ADDRESS),
    )


def _write(connection: Connection, changes: Sequence[Mapping[str, Any]]) -> None:
    connection.execute(_UPDATE, list(changes))
    touched = {change["at_trace"] for change in changes}
    rows = Totals(matching_for(connection.dialect.name)).rows(connection, touched)
    connection.exec_driver_sql(trace_upsert(connection.dialect), rows)

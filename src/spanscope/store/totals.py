"""What the spans of a trace add up to: the rows of the `traces` table.

Computed from the stored spans and nothing else, so that the result is the same in whatever order, and
however often, they were written.  Tokens and cost are sums over the calls whose usage counts: not those
whose usage is an inner call's (`usage_in_children`), not cached answers.  A label (session, user, …) is
the first that any span of the trace has.

The database groups spans that agree in all labels, which most of a trace do; what is left to merge here
is a handful of groups.

Used by `writer`, in its transaction.
"""

from collections.abc import Collection, Iterable
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, case, exists, func, or_, select

from spanscope.semconv import MODEL_KINDS
from spanscope.store.matching import Matching
from spanscope.store.rows import Row, loads, names_text
from spanscope.store.tables import SPANS

_s = SPANS.c
_LABELS: Final = (
    _s.session_id,
    _s.user_id,
    _s.thread_id,
    _s.environment,
    _s.service,
    _s.release,
    _s.prompt_name,
    _s.prompt_version,
)
_own_usage = _s.usage_in_children.is_(False)
# One comparison for each: an IN list is put together anew at each execution.
_counted = and_(or_(*(_s.kind == kind for kind in sorted(MODEL_KINDS))), _own_usage)
_bought = and_(_counted, _s.cache_hit.is_not(True))
# Grouped by its name: repeated, PostgreSQL would not see that it is the same expression.
_model = case((_counted, func.coalesce(_s.response_model, _s.request_model))).label("model")
_parent = SPANS.alias("parent")
_has_parent_here = exists().where(
    _parent.c.span_id == _s.parent_id,
    _parent.c.trace_id == _s.trace_id,
)


def _count(condition: Any) -> Any:
    return func.sum(case((condition, 1), else_=0))


def _bought_sum(column: Any) -> Any:
    return func.sum(case((_bought, column)))


_GROUPS: Final = (
    select(
        _s.trace_id,
        func.min(_s.start_ns).label("start_ns"),
        func.max(_s.end_ns),
        func.count(),
        _count(_s.status == "error"),
        _count(and_(_s.kind == "llm", _own_usage)),
        _bought_sum(_s.input_tokens),
        _bought_sum(_s.output_tokens),
        _bought_sum(_s.total_tokens),
        _bought_sum(_s.cost_nano_usd),
        _count(_bought),
        _model,
        _s.tags,
        *_LABELS,
    )
    .group_by(_s.trace_id, "model", _s.tags, *_LABELS)
    # The rest of the order only makes it the same each time.
    .order_by("start_ns", "model", _s.tags, *_LABELS)
)
_SPAN: Final = (_s.trace_id, _s.span_id, _s.parent_id, _s.name, _s.status, _s.start_ns)
_TOPS: Final[Select[Any]] = select(*_SPAN).where(or_(_s.parent_id.is_(None), ~_has_parent_here))
_ALL: Final[Select[Any]] = select(*_SPAN)


class Totals:
    """Computes rows of `traces`."""

    def __init__(self, matching: Matching) -> None:
        self._these = matching.these
        among = matching.among(_s.trace_id)
        self._groups, self._tops, self._all = (query.where(among) for query in (_GROUPS, _TOPS, _ALL))

    def rows(self, connection: Connection, trace_ids: Collection[str]) -> list[Row]:
        """The rows of these traces, in the order of the table's columns; none for a trace without spans."""
        groups = self._by_trace(connection, self._groups, trace_ids)
        tops = self._by_trace(connection, self._tops, trace_ids)
        if rootless := groups.keys() - tops.keys():
            # A cycle of parents; the oldest span stands in, as it does in `Trace.root`.
            tops |= self._by_trace(connection, self._all, rootless)
        return [_trace_row(trace_id, groups[trace_id], tops[trace_id]) for trace_id in sorted(groups)]

    def _by_trace(
        self, connection: Connection, query: Select[Any], trace_ids: Collection[str]
    ) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for row in connection.execute(query, self._these(trace_ids)).all():
            found.setdefault(row[0], []).append(row)
        return found


def _trace_row(trace_id: str, groups: list[Any], tops: list[Any]) -> Row:
    # This runs for every trace of every batch, so it goes by position and column by column.
    _, root_id, _, name, status, _ = tops[0] if len(tops) == 1 else min(tops, key=_seniority)
    _, starts, ends, spans, errors, calls, inputs, outputs, tokens, costs, bought, models, tags, *labels = (
        zip(*groups, strict=True)
    )
    session, user, thread, environment, service, release, prompt, version = map(_first, labels)
    return (
        trace_id,
        name,
        status,
        root_id,
        starts[0],
        max((end for end in ends if end is not None), default=None),
        session,
        user,
        thread,
        environment,
        service,
        release,
        _union(map(loads, tags)),
        int(sum(spans)),
        int(sum(errors)),
        int(sum(calls)),
        _sum(inputs),
        _sum(outputs),
        _sum(tokens),
        # Where all answers came from a cache, it is known that nothing was paid.
        _sum(costs) if sum(bought) or not sum(calls) else 0,
        _union([[model] for model in models if model]),
        prompt,
        version,
    )


def _seniority(top: Any) -> tuple[Any, ...]:
    """The oldest span without a parent comes first, then the oldest whose parent is not stored."""
    _, span_id, parent_id, _, _, start_ns = top
    return (parent_id is not None, start_ns, parent_id or "", span_id)


def _first(values: Iterable[Any]) -> Any:
    for value in values:
        if value is not None:
            return value
    return None


def _sum(values: Iterable[Any]) -> int | None:
    """A whole number (PostgreSQL adds up in decimals); None when nothing is known."""
    known = [value for value in values if value is not None]
    return int(sum(known)) if known else None


def _union(lists: Iterable[list[str]]) -> str | None:
    found = dict.fromkeys(chain.from_iterable(lists))
    return names_text(tuple(found)) if found else None

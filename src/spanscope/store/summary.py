"""One trace in a list: what its row in the store says, without its spans.

Used by `queries`; what `Store.traces` gives.
"""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import RowMapping

from spanscope.semconv import Status
from spanscope.store.rows import from_nano, loads


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """Labels and sums of a trace.  Sums count what `Trace.totals` counts; unknown is None."""

    trace_id: str
    name: str
    """Of the root span, and so is the status."""
    status: Status
    root_span_id: str
    start_ns: int
    end_ns: int | None
    """The last end known so far; None while nothing has ended."""
    session_id: str | None
    user_id: str | None
    thread_id: str | None
    environment: str | None
    service: str | None
    release: str | None
    tags: tuple[str, ...]
    span_count: int
    error_count: int
    llm_calls: int
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cost_usd: Decimal | None
    models: tuple[str, ...]
    """The models that answered, in the order of their first call."""
    prompt_name: str | None
    prompt_version: str | None

    @property
    def started_at(self) -> datetime:
        """When the first span began, in UTC."""
        return datetime.fromtimestamp(self.start_ns / 1_000_000_000, UTC)

    @property
    def duration_ms(self) -> float | None:
        """From the first start to the last known end; None while nothing has ended."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1_000_000


_TRANSLATED = frozenset({"tags", "models", "cost_usd"})
_COPIED = tuple(field.name for field in fields(TraceSummary) if field.name not in _TRANSLATED)


def summary_from(row: RowMapping) -> TraceSummary:
    """The summary in a row of `traces`."""
    cost = row["cost_nano_usd"]
    return TraceSummary(
        **{name: row[name] for name in _COPIED},
        tags=tuple(loads(row["tags"])),
        models=tuple(loads(row["models"])),
        cost_usd=None if cost is None else from_nano(cost),
    )

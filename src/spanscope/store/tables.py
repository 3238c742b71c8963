"""The store's tables, defined once for SQLite and PostgreSQL.

`spans` mirrors `spanscope.spans.Span` field by field, so that what was recorded is what is read back.
`contents` holds each message once, under its id.  `traces` is derived: one row of sums and labels for
each trace, recomputed from its spans whenever one of them is written, so that a list of traces needs
no look at the spans.  `daily` keeps the sums of spans that were pruned, `sinks` where else spans went, and
`clearings` that something was erased or pruned.

The classes are definitions only: writing goes through Core with the tables named below them, because
an ORM object costs nine times as much as a row.  Structured fields are JSON text, and NULL where they
are empty, to keep rows short.

Used by all modules that read or write the store; a change here needs a step in `migrations`.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Table, false
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class StoreTable(SQLModel, registry=registry()):
    """Base with a registry of its own: the application may use SQLModel too, and have a table `spans`."""


def _integer() -> Any:
    """A number that may be absent and may need 64 bits."""
    return Field(default=None, sa_type=BigInteger)


def _false_unless_given() -> Any:
    """By the database's default: SQLModel's own would put the column into every statement."""
    return Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))


class SpanRow(StoreTable, table=True):
    """One span.  The columns stand in the order in which `rows` makes a row."""

    __tablename__ = "spans"

    # What any span may have.
    # One key for both questions, "this span" and "all spans of this trace".  Spans of a trace lie side
    # by side in it; an index of span ids alone, which are random, would touch a page for each span.
    trace_id: str = Field(primary_key=True)
    span_id: str = Field(primary_key=True)
    parent_id: str | None = None
    parent_source: str
    start_ns: int = Field(sa_type=BigInteger, index=True)
    end_ns: int | None = _integer()
    kind: str
    name: str
    status: str
    framework: str
    error_type: str | None = None
    error_message: str | None = None
    session_id: str | None = None
    user_id: str | None = None
    thread_id: str | None = None
    environment: str | None = None
    service: str | None = None
    release: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_hash: str | None = None
    input_preview: str | None = None
    output_preview: str | None = None
    output_chars: int | None = _integer()
    amended: bool = _false_unless_given()
    tags: str | None = None
    attributes: str | None = None
    events: str | None = None
    input_ids: str | None = None
    output_ids: str | None = None
    # What only a model call has.
    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = _integer()
    input_tokens: int | None = _integer()
    output_tokens: int | None = _integer()
    total_tokens: int | None = _integer()
    cache_read_tokens: int | None = _integer()
    cache_write_tokens: int | None = _integer()
    reasoning_tokens: int | None = _integer()
    usage_source: str | None = None
    cost_source: str | None = None
    finish_reason: str | None = None
    finish_reason_raw: str | None = None
    time_to_first_token_ms: float | None = None
    tokens_per_second: float | None = None
    messages_hash: str | None = None
    message_count: int | None = _integer()
    streamed: bool | None = None
    cache_hit: bool | None = None
    cost_nano_usd: int | None = _integer()
    tool_names: str | None = None
    usage_in_children: bool = _false_unless_given()


class ContentRow(StoreTable, table=True):
    """A message or text.  Its id says what it is, so a row only ever gains text."""

    __tablename__ = "contents"
    # One tree instead of a table and an index over its long key: a third of the bytes.
    __table_args__ = {"sqlite_with_rowid": False}

    content_id: str = Field(primary_key=True)
    role: str
    chars: int = Field(sa_type=BigInteger)
    text: str | None = None


class TraceRow(StoreTable, table=True):
    """What the spans of one trace add up to."""

    __tablename__ = "traces"

    trace_id: str = Field(primary_key=True)
    name: str
    status: str
    root_span_id: str
    start_ns: int = Field(sa_type=BigInteger, index=True)
    end_ns: int | None = _integer()
    session_id: str | None = None
    user_id: str | None = None
    thread_id: str | None = None
    environment: str | None = None
    service: str | None = None
    release: str | None = None
    tags: str | None = None
    span_count: int = Field(sa_type=BigInteger)
    error_count: int = Field(sa_type=BigInteger)
    llm_calls: int = Field(sa_type=BigInteger)
    input_tokens: int | None = _integer()
    output_tokens: int | None = _integer()
    total_tokens: int | None = _integer()
    cost_nano_usd: int | None = _integer()
    models: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None


class DailyRow(StoreTable, table=True):
    """What the spans of one day added up to, kept when they are pruned.  A label that is not known is ''."""

    __tablename__ = "daily"

    day: str = Field(primary_key=True)
    """`2026-01-31`, of the span's start in UTC."""
    kind: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    environment: str = Field(primary_key=True)
    service: str = Field(primary_key=True)
    status: str = Field(primary_key=True)
    calls: int = Field(sa_type=BigInteger)
    priced: int = Field(sa_type=BigInteger)
    """Calls whose cost is known."""
    timed: int = Field(sa_type=BigInteger)
    """Calls that have ended."""
    input_tokens: int | None = _integer()
    output_tokens: int | None = _integer()
    total_tokens: int | None = _integer()
    cost_nano_usd: int | None = _integer()
    duration_ms: float
    histogram: str
    """JSON list: how many took up to each of `daily.BOUNDS_MS`, and how many longer."""


class SinkRow(StoreTable, table=True):
    """A sink that was given the same spans as this store, from which we can erase nothing."""

    __tablename__ = "sinks"

    name: str = Field(primary_key=True)
    first_used: str
    last_used: str


class ClearingRow(StoreTable, table=True):
    """An erasure or pruning: when, by what kind of condition and how much; never whose.

    Writers look at the highest number to learn that contents they have written may be gone.
    """

    __tablename__ = "clearings"

    number: int | None = Field(default=None, primary_key=True)
    at: str
    action: str
    conditions: str
    counts: str


class MigrationRow(StoreTable, table=True):
    """A step of the schema that this store has taken."""

    __tablename__ = "migrations"

    number: int = Field(primary_key=True)
    name: str
    applied_at: str


METADATA: Final = StoreTable.metadata
SPANS: Final[Table] = METADATA.tables["spans"]
CONTENTS: Final[Table] = METADATA.tables["contents"]
TRACES: Final[Table] = METADATA.tables["traces"]
DAILY: Final[Table] = METADATA.tables["daily"]
SINKS: Final[Table] = METADATA.tables["sinks"]
CLEARINGS: Final[Table] = METADATA.tables["clearings"]
MIGRATIONS: Final[Table] = METADATA.tables["migrations"]

# Most traces of most applications have none of these, and then the index is empty.
for _label in ("session_id", "user_id", "thread_id"):
    _column = TRACES.c[_label]
    Index(
        f"ix_traces_{_label}",
        _column,
        TRACES.c.start_ns,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )

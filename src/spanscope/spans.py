"""The record that everything is about: one timed step of a run, and the texts it refers to.

A `Span` is made once, by the redaction stage on the worker thread, and never changes; all its text
has passed the redactor.  Backends write it, the store gives back an equal one.

Durations are in milliseconds, `*_ns` are nanoseconds since the epoch (UTC).  What is not known is
`None`, never 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from spanscope.semconv import FinishReason, Kind, ParentSource, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A message or text, stored once under its id however many spans refer to it."""

    content_id: str
    """Keyed hash (32 hex digits) of role and raw text: equal ids mean equal content."""
    role: str
    """`system`, `human`, `ai`, `tool`, `text`, …: the framework's word."""
    chars: int
    """Length of the raw text in characters."""
    text: str | None = None
    """Redacted text: None (policy `hash`), its beginning (`preview`) or all of it."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """One timed step of a run, never changed again.

    Without slots, for most of its fields have no value in most spans: those take no room, and no time.
    """

    trace_id: str
    """32 hex digits (W3C trace id)."""
    span_id: str
    """16 hex digits (W3C span id), a pure function of the framework's run id."""
    parent_id: str | None = None
    parent_source: ParentSource = "none"
    kind: Kind
    name: str
    framework: str = "spanscope"
    status: Status
    error_type: str | None = None
    error_message: str | None = None
    start_ns: int
    end_ns: int | None = None
    session_id: str | None = None
    user_id: str | None = None
    """A pseudonym (keyed hash), never the id that was given."""
    thread_id: str | None = None
    """LangGraph's thread, by which an interrupted run and its resumption are joined."""
    environment: str | None = None
    service: str | None = None
    release: str | None = None
    tags: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[Mapping[str, Any], ...] = ()
    """Things that happened at one instant: `{"name", "time_ns", **facts}`."""

    provider: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    input_tokens: int | None = None
    """All input tokens, those read from or written to a cache included."""
    output_tokens: int | None = None
    """All output tokens, reasoning included."""
    total_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    usage_source: str | None = None
    """`provider`, `partial` (what was last seen of a stream that did not end well), `estimated`, `cache` (a
    cached answer: nothing was bought), `given` (by a block of one's own) or `missing`."""
    cost_usd: Decimal | None = None
    """Exact; None where the price or the tokens are not known."""
    cost_source: str | None = None
    """`genai-prices`, `user`, `provider` (which reported the cost), `given` (by a block of one's own), or
    `local` and `cache` (both cost nothing)."""
    finish_reason: FinishReason | None = None
    finish_reason_raw: str | None = None
    time_to_first_token_ms: float | None = None
    tokens_per_second: float | None = None
    messages_hash: str | None = None
    message_count: int | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_hash: str | None = None
    input_preview: str | None = None
    output_preview: str | None = None
    output_chars: int | None = None
    tool_names: tuple[str, ...] = ()
    """The tools that the answer calls, in order, with repetitions."""
    streamed: bool | None = None
    cache_hit: bool | None = None

    usage_in_children: bool = False
    """A model call that made another model call: its usage is the inner one's and counts there."""
    amended: bool = False
    """Written before; now its place in the tree is better known.  Not a new span."""
    inputs: tuple[Content, ...] = ()
    outputs: tuple[Content, ...] = ()

    @property
    def started_at(self) -> datetime:
        """When the step began, in UTC."""
        return datetime.fromtimestamp(self.start_ns / 1_000_000_000, UTC)

    @property
    def duration_ms(self) -> float | None:
        """How long it took; None while it is open."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1_000_000

    @property
    def model(self) -> str | None:
        """The model that answered, else the one asked for."""
        return self.response_model or self.request_model


def make_span(values: dict[str, Any]) -> Span:
    """`Span(**values)` at a twentieth of its cost, for those who make thousands; it keeps the dictionary.

    A frozen dataclass sets each of its fifty fields through `object.__setattr__`, 9 µs in all.  Here only
    what is given is there; of the rest the defaults of the class are read.
    """
    values.setdefault("attributes", {})
    span = object.__new__(Span)
    object.__setattr__(span, "__dict__", values)
    return span

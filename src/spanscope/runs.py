"""What is known of a run while it is open, and of the trace that it belongs to.

Made by `recorder`, filled by the handlers, read by `assembler`.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

from spanscope.drafts import Draft
from spanscope.scope import Scope

Translate = Callable[["Run", Draft], None]
Remote = tuple[str, str]
"""Trace id and span id of what called us from elsewhere."""
_LOW_64: Final = (1 << 64) - 1


class TraceRef:
    """The trace that a run belongs to.  Two become one when a parent shows up after its child.

    It may be there before its first run has been placed; `asked` is for those who cannot wait.
    """

    trace_id = ""
    """Empty until its first run is placed."""
    offset_ns = 0
    """Wall clock minus monotonic clock when the trace began."""
    into: "TraceRef | None" = None
    remote_parent: str | None = None
    provisional = False
    """Begun by a run whose parent has not been seen."""

    def __init__(self, place: Callable[[], object], remote: Remote | None = None) -> None:
        self._place = place
        self.remote = remote
        """The span that was active in OpenTelemetry when it began."""
        self.facts: dict[str, Any] = {}
        """Session, user and the like, gathered by the worker from any run of the trace."""

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy, made together with a `Scope` perhaps, and for another process: the id and nothing else."""
        return _named, (self.asked() or "",)

    def resolve(self) -> "TraceRef":
        ref = self
        while ref.into is not None:
            ref = ref.into
        return ref

    def asked(self) -> str | None:
        """The trace id, for the application: what is noted and not yet placed is placed first."""
        if not self.trace_id and self.into is None:
            self._place()
        return self.resolve().trace_id or None

    def went_through(self, other: "TraceRef") -> bool:
        """Whether `other` is this trace or one that it became on its way."""
        ref: TraceRef | None = self
        while ref is not None and ref is not other:
            ref = ref.into
        return ref is other


def _named(trace_id: str) -> TraceRef:
    trace = TraceRef(int)
    trace.trace_id = trace_id
    return trace


class Run:
    """One run as the application's threads know it; the worker reads it.  All times are monotonic.

    What stays as it is costs nothing at the start: it is a default of the class.
    """

    end_ns: int | None = None
    error: BaseException | None = None
    output: Any = None
    payload: Any = None
    """What was asked: frozen by the handler, read by `translate`."""
    events: list[dict[str, Any]] | None = None
    extra: dict[str, Any] | None = None
    """Attributes that the user set on the open span."""
    first_token_ns: int | None = None
    first_text_ns: int | None = None
    """When the answer itself began, after reasoning or a tool call."""
    chunks: int = 0
    usage: Any = None
    """The token counts in the last piece of a stream that had some, and in how many they were."""
    usages: int = 0
    deliveries: int = 1
    """How often its start was delivered: a handler attached in two places."""
    scope: Scope | None = None
    trace: TraceRef
    parent: "Run | None" = None
    parent_source: str = "none"
    named_parent: int | None = None
    """The id of a parent that has not been seen."""
    kind: str | None = None
    known: Mapping[str, Any] = MappingProxyType({})
    """Session, user, prompt … as its metadata says, read by the worker."""
    own_span_id: str | None = None
    hidden = late = reused = interrupted = resumed = False
    noted = finished = told_late = written_open = inner_call = dropped = abandoned = False
    linked_trace: str | None = None
    """Another trace that it belongs to, as both say."""

    def __init__(
        self,
        key: int,
        start_ns: int,
        handler: Any,
        translate: Translate,
        tags: Any,
        metadata: Any,
        serialized: Any,
        options: Any,
    ) -> None:
        self.key = key
        self.start_ns = self.last_ns = start_ns
        self.handler = handler
        self.translate = translate
        self.tags = tags
        self.metadata = metadata
        self.serialized = serialized
        self.options = options

    @property
    def span_id(self) -> str:
        if self.own_span_id is None:
            self.own_span_id = span_id_of(self.key)
        return self.own_span_id

    @property
    def trace_id(self) -> str:
        return self.trace.resolve().trace_id

    def visible_parent(self) -> "Run | None":
        """The nearest ancestor that is stored."""
        above: Run | None = self.parent
        while above is not None and above.hidden:
            above = above.parent
        return above

    def ended_by(self, at_ns: int) -> bool:
        """Whether it was over then; by its times, for it may be asked later."""
        return self.end_ns is not None and self.end_ns <= at_ns

    def is_below(self, other: "Run") -> bool:
        above: Run | None = self.parent
        while above is not None:
            if above is other:
                return True
            above = above.parent
        return False


def span_id_of(key: int) -> str:
    """The W3C span id of a run id (as integer): its low 64 bits, never all zero."""
    return format(key & _LOW_64 or 1, "016x")


current_block: ContextVar[Run | None] = ContextVar("spanscope_block", default=None)
"""The innermost `with span():` block.  Set by that block alone, never by a callback."""

"""The caller's side of recording: note who started under whom, and hand it on in microseconds.

Frameworks call us out of order, from worker threads, twice for one run, and now and then not at all.
Here, on the application's own thread, a start makes a `Run` and an end completes it; both put it on a
queue for the worker thread.  Nothing is parsed, hashed or written, no lock is held, no context
variable is set.  The few operations on shared dicts and deques are atomic in CPython.

Fed by `handlers`; read by `assembler` on the worker thread.
"""

import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final

from spanscope.drafts import Draft
from spanscope.health import Health
from spanscope.scope import Scope, current_scope, parse_traceparent

Translate = Callable[["Run", Draft], None]
_LOW_64: Final = (1 << 64) - 1


class TraceRef:
    """The trace that a run belongs to.  Two become one when a parent shows up after its child."""

    __slots__ = ("facts", "into", "offset_ns", "provisional", "remote_parent", "trace_id")

    def __init__(self, trace_id: str, offset_ns: int) -> None:
        self.trace_id = trace_id
        self.offset_ns = offset_ns
        """Wall clock minus monotonic clock when the trace began."""
        self.into: TraceRef | None = None
        self.remote_parent: str | None = None
        self.provisional = False
        """Begun by a run whose parent has not been seen."""
        self.facts: dict[str, Any] = {}
        """Session, user and the like, gathered by the worker from any run of the trace."""

    def resolve(self) -> "TraceRef":
        ref = self
        while ref.into is not None:
            ref = ref.into
        return ref

    def went_through(self, other: "TraceRef") -> bool:
        """Whether `other` is this trace or one that it became on its way."""
        ref: TraceRef | None = self
        while ref is not None and ref is not other:
            ref = ref.into
        return ref is other


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
        return self.own_span_id or span_id_of(self.key)

    @property
    def trace_id(self) -> str:
        return self.trace.resolve().trace_id

    def visible_parent(self) -> "Run | None":
        """The nearest ancestor that is stored."""
        above: Run | None = self.parent
        while above is not None and above.hidden:
            above = above.parent
        return above

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
_block: Final = current_block.get


class Recorder:
    """Open runs by id, and the queue of runs that the worker should look at."""

    def __init__(
        self,
        health: Health,
        *,
        wake: Callable[[], None],
        max_queue: int = 100_000,
        monotonic_ns: Callable[[], int] = time.perf_counter_ns,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.health = health
        self.runs: dict[int, Run] = {}
        """By run id: what is open, and for a short while what has ended (for late children)."""
        self.orphans: dict[int, list[Run]] = {}
        """Runs that wait for a parent which has not started yet, by the parent's id."""
        self.queue: deque[Run] = deque()
        self.now = monotonic_ns
        self._wall = wall_ns
        self._max_queue = max_queue
        self._wake = wake
        self.warned_twice = False

    def start(
        self,
        run_id: Any,
        parent_run_id: Any,
        handler: Any,
        translate: Translate,
        ambient: Any = None,
        tags: Any = None,
        metadata: Any = None,
        serialized: Any = None,
        options: Any = None,
    ) -> Run | None:
        """Note that a run began; None when it was known already (an event delivered twice).

        `ambient` is the id of the run that the framework's own context names, `options` what else the
        hook was given.
        """
        key = run_id.int
        runs = self.runs
        twin = runs.get(key)
        run = Run(key, self.now(), handler, translate, tags, metadata, serialized, options)
        if twin is not None:
            if twin.end_ns is None and twin.tags is tags and twin.metadata is metadata:
                self._delivered_twice(twin)
                return None
            # A run id given by the user, used again: two runs, so two spans.
            run.reused = True
            run.own_span_id = secrets.token_hex(8)
        if (scope := current_scope()) is not None:
            run.scope = scope
        parent = None if parent_run_id is None else runs.get(parent_run_id.int)
        if (
            parent is None
            or parent.end_ns is not None
            or ambient is not parent_run_id
            or _block() is not None
        ):
            self._place(run, parent, parent_run_id, ambient)
        else:
            # Nearly every run: what the framework says, and nothing around it says otherwise.
            run.parent = parent
            run.parent_source = "framework"
            run.trace = parent.trace
        runs[key] = run
        if self.orphans:
            self._adopt(run)
        queue = self.queue
        if len(queue) >= self._max_queue:
            self._drop(run)
            return None
        queue.append(run)
        return run

    def end(self, run_id: Any, output: Any = None, error: BaseException | None = None) -> None:
        """Complete a run by its id; an end that nobody waits for is counted, never an error."""
        run = self.runs.get(run_id.int)
        if run is None:
            self.health.count("unmatched_events")
        else:
            self.finish(run, output, error)

    def finish(self, run: Run, output: Any = None, error: BaseException | None = None) -> None:
        """Complete a run, once."""
        if run.end_ns is not None:
            self.health.count("duplicate_events")
        elif run.dropped:
            self.runs.pop(run.key, None)
        else:
            run.output = output
            if error is not None:
                run.error = error
            run.end_ns = run.last_ns = self.now()
            self.queue.append(run)

    def tell_late(self, run: Run) -> None:
        """More became known of a run that is written already: it is written again."""
        run.told_late = True
        self.queue.append(run)

    def _drop(self, run: Run) -> None:
        """Without payload and notice; only its place is kept, for the children to find their ancestor."""
        run.hidden = run.noted = run.dropped = True
        if len(self.runs) > 2 * self._max_queue:
            del self.runs[run.key]
        self.health.count("spans_dropped")
        why = "its queue is full" if self._max_queue else "the handler was shut down"
        self.health.say("spans_dropped", f"spanscope drops spans: {why}")

    def open_run(self, run_id: Any) -> Run | None:
        """The run that an event in between belongs to, or None (counted)."""
        run = self.runs.get(getattr(run_id, "int", -1))
        if run is None or run.end_ns is not None:
            self.health.count("unmatched_events")
            return None
        return run

    def event(self, run: Run, name: str, facts: dict[str, Any]) -> None:
        """Something that happened at one instant of a run."""
        run.last_ns = self.now()
        happened = {**facts, "name": name, "time_ns": run.last_ns}
        if run.events is None:
            run.events = [happened]
        elif len(run.events) < 200:
            run.events.append(happened)
        else:
            self.health.count("events_dropped")

    def close(self) -> None:
        """From now on every start is dropped and counted: nobody works it off any more."""
        self._max_queue = 0

    def reset(self) -> None:
        """Forget everything: in a forked child the open runs belong to the parent."""
        self.queue.clear()
        self.runs.clear()
        self.orphans.clear()

    # --- parents ------------------------------------------------------------------------------------

    def _place(self, run: Run, named: Run | None, parent_run_id: Any, ambient: Any) -> None:
        """Find the parent: the framework's word first, refined or replaced by what is open around us."""
        parent = named
        if parent_run_id is not None:
            run.parent_source = "framework"
        block = _block()
        if block is not None and block.handler.recorder is not self:
            block = None  # it goes to another store, where nobody would find it
        if block is not None or (ambient is not None and ambient is not parent_run_id):
            inner = self._innermost(ambient, block)
            if (
                inner is not None
                and inner is not named
                and (parent_run_id is None or (named is not None and inner.is_below(named)))
            ):
                parent, run.parent_source = inner, "ambient"
        if parent is not None:
            run.parent = parent
            if parent.end_ns is not None:
                run.late = True
            run.trace = parent.trace
            return
        run.trace = self._new_trace(run)
        if parent_run_id is not None:
            run.named_parent = parent_run_id.int
            run.trace.provisional = True
            if len(self.orphans) < self._max_queue:
                self.orphans.setdefault(parent_run_id.int, []).append(run)

    def _innermost(self, ambient: Any, block: Run | None) -> Run | None:
        """What is open in this context and was started last: a framework's run or a block of ours."""
        found = self.runs.get(ambient.int) if ambient is not None else None
        if block is None or (found is not None and block.end_ns is not None):
            return found
        return block if found is None or block.start_ns >= found.start_ns else found

    def _new_trace(self, run: Run) -> TraceRef:
        trace_id = format(run.key or 1, "032x") if not run.reused else secrets.token_hex(16)
        ref = TraceRef(trace_id, self._wall() - run.start_ns)
        remote = _active_opentelemetry_span() or _remote(run.scope, run.metadata)
        if remote is not None:
            ref.trace_id, ref.remote_parent = remote
        if run.scope is not None:
            run.scope.trace_id = ref.trace_id
        run.handler.began(ref.trace_id)
        self._wake()
        return ref

    def _adopt(self, parent: Run) -> None:
        """Children came before this run: they and all below them move into its trace."""
        for child in self.orphans.pop(parent.key, ()):
            if child is parent or parent.is_below(child):
                continue
            child.parent = parent
            provisional = child.trace.resolve()
            home = parent.trace.resolve()
            if provisional is not home:
                provisional.into = home
            self.queue.append(child)

    def _delivered_twice(self, run: Run) -> None:
        run.deliveries += 1
        self.health.count("duplicate_events")
        if not self.warned_twice:
            self.warned_twice = True
            self.health.warn(
                "spanscope gets each event twice: the handler is attached in two places; it counts once"
            )


def _active_opentelemetry_span() -> tuple[str, str] | None:
    """Trace id and span id of the span that is active in OpenTelemetry, if that is in use."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    current = getattr(api, "get_current_span", None)  # absent while another thread imports the module
    if current is None:
        return None
    found = current().get_span_context()
    if not found.is_valid:
        return None
    return format(found.trace_id, "032x"), format(found.span_id, "016x")


def _remote(scope: Scope | None, metadata: Any) -> tuple[str, str] | None:
    header = metadata.get("traceparent") if isinstance(metadata, dict) else None
    if header is None and scope is not None:
        header = scope.traceparent
    return parse_traceparent(header) if isinstance(header, str) else None

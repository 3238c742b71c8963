"""The caller's side of recording: note what happened, and hand it on in microseconds.

Frameworks call us out of order, from worker threads, twice for one run, and now and then not at all.
A hook on the application's own thread appends a note to the log: a function and what it needs to know.
`catch_up` calls the notes in their order, which makes `Run`s and finds their places; the worker does that, or
whoever asks before it came to it.  A note costs no lock; nothing is parsed, hashed or written on the
application's time, and no context variable is set.

Fed by `handlers`; read by `assembler` on the worker thread.
"""

import secrets
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from spanscope.health import Health
from spanscope.remote import active_opentelemetry_span, remote_of
from spanscope.runs import Run, TraceRef, Translate, current_block
from spanscope.scope import Scope, current_scope
from spanscope.turns import Turns

Note = tuple[Any, ...]
"""A function, and its arguments."""
LOG_LIMIT: Final = 10_000
"""From here on a caller that adds a note places some itself: then the log does not grow further."""
_HELP: Final = 16
_CLOSED: Final = -1


class Recorder:
    """The log of notes, open runs by id, and the queue of runs that the worker should look at."""

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
        self.log: deque[Note] = deque()
        self.seen: set[int] = set()
        """Ids of the runs whose start is noted or placed, for a hook that must know its parent is there."""
        self.patience = 0
        """How long the log may be before a hook calls `attend`: 0 while nobody reads it."""
        self.placed: dict[int, Run] = {}
        """As `runs`, as far as the notes have been placed: for the notes themselves."""
        self.orphans: dict[int, list[Run]] = {}
        """Runs that wait for a parent which has not started yet, by the parent's id."""
        self.queue: deque[Run] = deque()
        self.now = monotonic_ns
        self._wall = wall_ns
        self._max_queue = max_queue
        self._wake = wake
        self._turns = Turns()
        """Runs are placed by one thread at a time."""
        self._busy = False
        """Whether a note is being placed: it has left the log, and its run may not be there yet."""
        self.warned_twice = False

    @property
    def runs(self) -> dict[int, Run]:
        """By run id: what is open, and for a short while what has ended (for late children)."""
        if self.log or self._busy:
            self.catch_up()
        return self.placed

    # --- the log --------------------------------------------------------------------------------------

    def note(self, *note: Any) -> None:
        """Add a note; the hooks of every run and token have this written out."""
        self.log.append(note)
        if len(self.log) > self.patience:
            self.attend()

    def attend(self) -> None:
        """After a note: wake the reader, and help when it lags behind."""
        if self.patience == _CLOSED:
            self.catch_up()
            return
        noted = len(self.log)
        # First this, then the wake: whoever finds the log empty afterwards takes it back.
        self.patience = LOG_LIMIT
        try:
            self._wake()
        except BaseException as fault:
            # No thread is to be had, or a Ctrl-C came: soon somebody tries again, and not with every note.
            self.patience = min(noted + noted // 4, LOG_LIMIT)
            if not isinstance(fault, Exception):
                raise
            self.health.fault("wake", fault)
        if not self._max_queue:
            self.patience = _CLOSED  # meanwhile, and we have just overwritten that
        if noted > LOG_LIMIT:
            self.catch_up(_HELP, wait=False)

    def catch_up(self, limit: int | None = None, *, wait: bool = True) -> bool:
        """Place what is noted by now, at most `limit` notes; false where another thread is at it.

        Never raises, and waits for nobody who stands still; without `wait` for nobody at all.
        """
        if self._turns.mine():
            return True  # asked by a log handler or a finaliser in the midst of a note, which comes first
        return self._turns.take(self._place_noted, limit, wait=wait)

    def _place_noted(self, limit: int | None = None) -> None:
        log, turns = self.log, self._turns
        self._busy = True
        try:
            for _ in range(len(log) if limit is None else min(limit, len(log))):
                turns.steps += 1
                try:
                    place, *facts = log.popleft()
                    place(*facts)
                except Exception as fault:  # noqa: BLE001  the boundary of a note: the next one is placed
                    self.health.fault("place", fault)
        finally:
            self._busy = False

    def rest(self) -> bool:
        """Whether there is nothing to read or to wait for.  If so, the next note wakes the reader."""
        if self.queue or self.placed or self.log:
            return False
        if self.patience != _CLOSED:
            self.patience = 0
        self.seen.clear()  # left by starts that could not be placed
        # Once more: what came meanwhile has found that we were still reading.
        return not (self.queue or self.placed or self.log)

    def close(self) -> None:
        """From now on every start is dropped and counted: nobody works it off any more."""
        self.catch_up()
        self._max_queue, self.patience = 0, _CLOSED

    def reset(self) -> None:
        """Forget everything."""
        if not self._turns.take(self._clear):
            self._clear()

    def _clear(self) -> None:
        for held in (self.log, self.queue, self.placed, self.seen, self.orphans):
            held.clear()
        self.patience = min(self.patience, 0)

    def after_fork_in_child(self) -> None:
        """The open runs belong to the parent, and so does the thread that may have been placing some."""
        self._turns, self._busy = Turns(), False
        self.reset()

    # --- runs -----------------------------------------------------------------------------------------

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
        """A run begins here and now; None when it was known already (an event delivered twice).

        `ambient` is the id of the run that the framework's own context names, `options` what else the
        hook was given.
        """
        given = (
            self.now(), run_id, parent_run_id, handler, translate, ambient,
            current_block.get(), current_scope(), tags, metadata, serialized, options,
        )  # fmt: skip
        self.seen.add(run_id.int)
        run = self._start_behind_the_log(given) if self.log or self._busy else self.place(*given)
        if self.patience <= 0:
            self.attend()
        return run

    def _start_behind_the_log(self, given: tuple[Any, ...]) -> Run | None:
        """What is noted comes first: what is around the run may be among it."""
        begun: list[Run | None] = []

        def begin() -> None:
            if self.log and not self._busy and self._turns.mine():
                self._place_noted()
            begun.append(self.place(*given))

        if not self._turns.take(begin):
            begin()
        return begun[0]

    def new_trace(self, handler: Any, scope: Scope | None) -> TraceRef:
        """A trace may begin here and now: those who ask for the last one are told of it."""
        trace = TraceRef(self.catch_up, active_opentelemetry_span())
        if scope is not None:
            scope.trace = trace
        handler.began(trace)
        return trace

    def place(
        self,
        at_ns: int,
        run_id: Any,
        parent_run_id: Any,
        handler: Any,
        translate: Translate,
        ambient: Any,
        block: Run | None,
        scope: Scope | None,
        tags: Any,
        metadata: Any,
        serialized: Any,
        options: Any,
        top: TraceRef | None = None,
    ) -> Run | None:
        """Make the run that began at `at_ns`, with what was around it then.  For notes; see `start`.

        `top` is the trace that it may have begun.
        """
        key = run_id.int
        runs = self.placed
        twin = runs.get(key)
        run = Run(key, at_ns, handler, translate, tags, metadata, serialized, options)
        if twin is not None:
            if twin.end_ns is None and twin.tags is tags and twin.metadata is metadata:
                self._delivered_twice(twin)
                return None
            # A run id given by the user, used again: two runs, so two spans.
            run.reused = True
            run.own_span_id = secrets.token_hex(8)
        if scope is not None:
            run.scope = scope
        parent = None if parent_run_id is None else runs.get(parent_run_id.int)
        if parent is None or parent.end_ns is not None or ambient is not parent_run_id or block is not None:
            self._find_place(run, parent, parent_run_id, ambient, block, top)
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

    def finish(
        self, run: Run, output: Any = None, error: BaseException | None = None, at_ns: int | None = None
    ) -> None:
        """Complete a run, once: here and now, or when a note says."""
        if run.end_ns is not None:
            self.health.count("duplicate_events")
        elif run.dropped:
            self.forget(run)
        else:
            run.output = output
            if error is not None:
                run.error = error
            run.end_ns = run.last_ns = self.now() if at_ns is None else at_ns
            if at_ns is None and (self.log or self._busy):
                # Behind what is noted by now: the worker is to see a run's children before its end.
                self.log.append((self.queue.append, run))
            else:
                self.queue.append(run)

    def tell_late(self, run: Run) -> None:
        """More became known of a run that is written already: it is written again."""
        run.told_late = True
        self.note(self.queue.append, run)

    def forget(self, run: Run) -> None:
        """Nothing can come below it or after it any more."""
        if self.placed.get(run.key) is run:
            del self.placed[run.key]
            self.seen.discard(run.key)

    def _drop(self, run: Run) -> None:
        """Without payload and notice; only its place is kept, for the children to find their ancestor."""
        run.hidden = run.noted = run.dropped = True
        if len(self.placed) > 2 * self._max_queue:
            self.forget(run)
        self.health.count("spans_dropped")
        why = "its queue is full" if self._max_queue else "the handler was shut down"
        self.health.say("spans_dropped", f"spanscope drops spans: {why}")

    def open_run(self, run_id: Any) -> Run | None:
        """The run that an event in between belongs to, or None (counted).  For notes."""
        run = self.placed.get(getattr(run_id, "int", -1))
        if run is None or run.end_ns is not None:
            self.health.count("unmatched_events")
            return None
        return run

    def note_event(self, run: Run, name: str, facts: dict[str, Any]) -> None:
        """Something happens to a run here and now; in order with what the hooks have noted."""
        self.note(self.event, run, name, facts, self.now())

    def event(self, run: Run, name: str, facts: dict[str, Any], at_ns: int | None = None) -> None:
        """Something that happened at one instant of a run."""
        run.last_ns = self.now() if at_ns is None else at_ns
        happened = {**facts, "name": name, "time_ns": run.last_ns}
        if run.events is None:
            run.events = [happened]
        elif len(run.events) < 200:
            run.events.append(happened)
        else:
            self.health.count("events_dropped")

    # --- parents ------------------------------------------------------------------------------------

    def _find_place(
        self,
        run: Run,
        named: Run | None,
        parent_run_id: Any,
        ambient: Any,
        block: Run | None,
        top: TraceRef | None,
    ) -> None:
        """Find the parent: the framework's word first, refined or replaced by what is open around us."""
        parent = named
        if parent_run_id is not None:
            run.parent_source = "framework"
        if block is not None and block.handler.recorder is not self:
            block = None  # it goes to another store, where nobody would find it
        if block is not None or (ambient is not None and ambient is not parent_run_id):
            inner = self._innermost(ambient, block, run.start_ns)
            if (
                inner is not None
                and inner is not named
                and (parent_run_id is None or (named is not None and inner.is_below(named)))
            ):
                parent, run.parent_source = inner, "ambient"
        if parent is not None:
            run.parent = parent
            run.late = parent.ended_by(run.start_ns)
            run.trace = parent.trace
            return
        run.trace = self._begin_trace(run, top or self.new_trace(run.handler, run.scope))
        if parent_run_id is not None:
            run.named_parent = parent_run_id.int
            run.trace.provisional = True
            if len(self.orphans) < self._max_queue:
                self.orphans.setdefault(parent_run_id.int, []).append(run)
            if (started := self.placed.get(parent_run_id.int)) is not None:
                self._adopt(started)  # by another thread, since we looked for it

    def _innermost(self, ambient: Any, block: Run | None, at_ns: int) -> Run | None:
        """What was open in this context and was started last: a framework's run or a block of ours."""
        found = self.placed.get(ambient.int) if ambient is not None else None
        if block is None or (found is not None and block.ended_by(at_ns)):
            return found
        return block if found is None or block.start_ns >= found.start_ns else found

    def _begin_trace(self, run: Run, trace: TraceRef) -> TraceRef:
        trace.offset_ns = self._wall() - self.now()
        remote = trace.remote or remote_of(run.scope, run.metadata)
        if remote is not None:
            trace.trace_id, trace.remote_parent = remote
        else:
            trace.trace_id = secrets.token_hex(16) if run.reused else format(run.key or 1, "032x")
        return trace

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

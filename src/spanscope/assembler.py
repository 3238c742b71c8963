"""The worker's side of recording: turn noted runs into one tree of drafts.

A run may end before its parent, after it, or never; a parent may be seen after its child.  Whatever
the order, the same tree comes out: ids are pure functions of run ids, and a place that was found wrong
is written again (`amended`).  State is kept for what is open, and for a moment after.

Reads what `recorder` noted; its drafts go on to `redaction`.  Runs on the worker thread alone.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spanscope import semconv
from spanscope.config import content_policy
from spanscope.drafts import Draft
from spanscope.providers.reading import MAPPINGS
from spanscope.recorder import Recorder
from spanscope.runs import Run, TraceRef, span_id_of
from spanscope.scope import Scope

SECOND_NS: Final = 1_000_000_000
_PLACED_AT_ONCE: Final = 64
"""For so many notes at most somebody who asks for an open run waits."""
PROMPT_FACTS: Final = frozenset({"prompt_name", "prompt_version"})
"""What holds for one run and those below it, never for the whole trace."""


class Assembler:
    """Knows which runs are open, and makes a draft of each when it is time to write it."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        open_after_ns: int = SECOND_NS,
        linger_ns: int = 5 * SECOND_NS,
        linger_runs: int = 4096,
        idle_ns: int = 3600 * SECOND_NS,
        payloads_kept: int = 256,
    ) -> None:
        self._recorder = recorder
        self._open_after_ns = open_after_ns
        self._linger_ns = linger_ns
        self._linger_runs = linger_runs
        self._idle_ns = idle_ns
        self.open: dict[int, Run] = {}
        """Runs noted and not finished, by identity."""
        self._ended: deque[Run] = deque()
        self._payloads_kept = payloads_kept
        self._with_payload: deque[Run] = deque()
        """Finished runs of which more may be told, the oldest first."""
        self._provisional: dict[int, tuple[int, list[Run]]] = {}
        """Finished runs of traces whose true parent may still show up, by the trace's identity."""
        self._cancelled: list[tuple[Run, BaseException | None]] = []
        self._correlated: dict[str, str] = {}
        """The first trace of each correlation id, the newest last."""

    # --- what the worker calls ----------------------------------------------------------------------

    def drain(self, limit: int) -> Iterator[Draft]:
        """Drafts for what the recorder has noted, at most `limit` notices of it."""
        recorder = self._recorder
        log, queue = recorder.log, recorder.queue
        for _ in range(min(limit, len(log) + len(queue))):
            # Placing is quick, and a draft is not: who asks for an open run should find little left to place.
            if log and not recorder.catch_up(_PLACED_AT_ONCE) and not queue:
                return  # another thread is at it, and stands still
            if not queue:
                continue
            run = queue.popleft()
            if run.trace.into is not None:
                # Adopted: the place of what was written of its former trace is known now.
                yield from self._amend(run.trace)
                _tell_above(run)
            if not run.noted:
                # Its start.  The end has a notice of its own, behind those of the children.
                self._note(run)
            elif (draft := self._again(run) if run.finished else self._finish(run)) is not None:
                yield draft

    def sweep(self, *, everything: bool = False) -> Iterator[Draft]:
        """What time brings: runs open for long, cancelled ones that nobody ended, abandoned ones.

        `everything` writes all open runs as they are now, however young (at a flush).
        """
        # What is noted goes before what time brings: an end before a cancellation, a late child before its
        # parent is forgotten.
        self._recorder.catch_up()
        now = self._recorder.now()
        self._forget(now)
        cancelled, self._cancelled = self._cancelled, []
        busy: dict[int, int] = {}
        if self.open:
            for run in self.open.values():
                ref = id(run.trace.resolve())
                busy[ref] = max(busy.get(ref, 0), run.last_ns)
        for run in list(self.open.values()):
            draft = None
            if run.end_ns is not None:
                draft = self._finish(run)
            elif (ended := next((c for c in cancelled if run.is_below(c[0])), None)) is not None:
                run.end_ns, run.error = ended[0].end_ns, ended[1]
                draft = self._finish(run)
            elif now - busy[id(run.trace.resolve())] > self._idle_ns:
                draft = self._abandon(run)
            elif not run.written_open and (everything or now - run.start_ns > self._open_after_ns):
                run.written_open = True
                draft = self._draft(run, "open")
            if draft is not None:
                yield draft

    def close(self) -> Iterator[Draft]:
        """At shutdown: whatever is open will not be seen to end."""
        for run in list(self.open.values()):
            draft = self._finish(run) if run.end_ns is not None else self._abandon(run)
            if draft is not None:
                yield draft

    def reset(self) -> None:
        """Forget everything: in a forked child the open runs belong to the parent."""
        self.open.clear()
        self._ended.clear()
        self._with_payload.clear()
        self._provisional.clear()
        self._cancelled.clear()
        self._correlated.clear()

    # --- one run --------------------------------------------------------------------------------------

    def _finish(self, run: Run) -> Draft | None:
        """The draft of a run that has ended; None when it has one already, or is not stored."""
        if run.finished or run.end_ns is None:
            return None
        run.finished = True
        return self._last_draft(run)

    def _note(self, run: Run) -> None:
        run.noted = True
        self.open[id(run)] = run
        try:
            self._promote(run)
            if run.parent is None:
                self._link(run)
        except Exception as fault:  # noqa: BLE001  the boundary of a span: the trace goes on without these facts
            self._recorder.health.fault("assemble", fault)
        _tell_above(run)

    def _last_draft(self, run: Run) -> Draft | None:
        """The draft of a run that is over, of which no more is kept than late children ask for."""
        self.open.pop(id(run), None)
        draft = self._draft(run, None)
        self._ended.append(run)
        self._keep_or_unload(run)
        return draft

    def _keep_or_unload(self, run: Run) -> None:
        trace = run.trace if run.trace.into is None else run.trace.resolve()
        if trace.provisional:
            kept = self._provisional.setdefault(id(trace), (self._recorder.now(), []))[1]
            if len(kept) < 1000:
                kept.append(run)
                return
        if not run.handler.tells_late:
            _unload(run)
            return
        self._with_payload.append(run)
        if len(self._with_payload) > self._payloads_kept:
            _unload(self._with_payload.popleft())

    def _again(self, run: Run) -> Draft | None:
        """The draft of a run of which more was told after it was written; None if nothing was."""
        if not run.told_late:
            return None
        run.told_late = False
        draft = self._draft(run, None, again=True)
        if draft is not None:
            draft.facts["amended"] = True
        return draft

    def _amend(self, left: TraceRef) -> Iterator[Draft]:
        """Write again, in the trace that `left` has become part of, what was written in `left`."""
        home = left.resolve()
        for name, value in left.facts.items():
            home.facts.setdefault(name, value)
        left.facts = {}
        moved = self._provisional.pop(id(left), (0, []))[1]
        for run in [*moved, *self.open.values()]:
            if run.finished or (run.written_open and run.trace.went_through(left)):
                draft = self._draft(run, None if run.finished else "open", again=True)
                if draft is not None:
                    draft.facts["amended"] = True
                    yield draft
            if run.finished:
                self._keep_or_unload(run)

    def _abandon(self, run: Run) -> Draft | None:
        run.end_ns = run.last_ns
        run.finished = run.abandoned = True
        return self._last_draft(run)

    def _draft(self, run: Run, status: str | None, *, again: bool = False) -> Draft | None:
        """What is known of the run by now; None for one that is not stored."""
        if run.hidden:
            return None
        trace, handler = run.trace, run.handler
        # Its own, also after a move: the start of a span tells the store what it is that moved.
        offset_ns = trace.offset_ns
        if trace.into is not None:
            trace = trace.resolve()
        draft = Draft(
            trace_id=trace.trace_id,
            span_id=run.span_id,
            start_ns=run.start_ns + offset_ns,
            status="ok",
            # Given, for a dataclass makes its own at twice the cost.
            facts={},
            attributes={},
            events=[],
            inputs=[],
            outputs=[],
            error=run.error,
            pricing=handler.settings.pricing,
        )
        facts = draft.facts
        self._parentage(run, trace, draft)
        if run.end_ns is not None:
            facts["end_ns"] = run.end_ns + offset_ns
        try:
            self._tell(run, trace, draft)
        except Exception as fault:  # noqa: BLE001  the boundary of a span: it goes on without these facts
            self._lost("assemble", fault, draft)
        try:
            run.translate(run, draft)
        except Exception as fault:  # noqa: BLE001  as above
            self._lost("translate", fault, draft)
        if run.abandoned:
            status = "abandoned"
            draft.attributes[semconv.LAST_ACTIVITY_MS] = (run.last_ns - run.start_ns) / 1_000_000
        kind = facts.get("kind", "span")
        draft.content = _content_policy(run, kind)
        if status is not None:
            draft.status = status
        if draft.status == "cancelled":
            self._cancelled.append((run, run.error))
        if draft.events:
            draft.events = [{**e, "time_ns": e["time_ns"] + offset_ns} for e in draft.events]
        if run.inner_call and kind in semconv.MODEL_KINDS:
            facts["usage_in_children"] = True
        if status is None and not again:
            self._recorder.health.counters["spans_recorded"] += 1
        return draft

    def _lost(self, stage: str, fault: Exception, draft: Draft) -> None:
        self._recorder.health.fault(stage, fault)
        draft.attributes[semconv.EXTRACT_ERRORS] = [stage]

    def _parentage(self, run: Run, trace: TraceRef, draft: Draft) -> None:
        parent, facts = run.parent, draft.facts
        above = parent if parent is None or not parent.hidden else run.visible_parent()
        if above is not None:
            facts["parent_id"] = above.span_id
            facts["parent_source"] = run.parent_source
        elif run.named_parent is not None and parent is None:
            facts["parent_id"] = span_id_of(run.named_parent)
            facts["parent_source"] = "framework"
            draft.attributes[semconv.PARENT_MISSING] = True
        elif trace.remote_parent is not None:
            facts["parent_id"] = trace.remote_parent
            facts["parent_source"] = "remote"
        if run.late or _outlived_root(run):
            draft.attributes[semconv.LATE] = True
        if run.reused:
            draft.attributes[semconv.RUN_ID_REUSED] = True

    # --- session, user, environment … -----------------------------------------------------------------

    def _promote(self, run: Run) -> None:
        """What any run of a trace knows about session and user holds for the trace; the first word counts."""
        if run.metadata:
            run.known = run.handler.facts_of(run.metadata)
        if not run.known and run.scope is None:
            return
        facts = run.trace.resolve().facts
        for found in (run.known, run.scope.facts if run.scope is not None else {}):
            for name, value in found.items():
                if name not in PROMPT_FACTS:
                    facts.setdefault(name, value)

    def _link(self, run: Run) -> None:
        """Two traces that name the same correlation id belong together, though none called the other.

        So it is with a run in a thread that was given the handler and nothing else.
        """
        said = next((found for place in _metadata_of(run) if (found := place.get("correlation_id"))), None)
        trace_id = run.trace.resolve().trace_id
        if said is None or run.trace.provisional:
            return
        first = self._correlated.setdefault(str(said), trace_id)
        if first != trace_id:
            run.linked_trace = first
        if len(self._correlated) > self._linger_runs:
            self._correlated.pop(next(iter(self._correlated)))

    def _tell(self, run: Run, trace: TraceRef, draft: Draft) -> None:
        """Whose the run is, its tags, prompt and metadata, and what the user set on it."""
        handler, scope, parent, facts = run.handler, run.scope, run.parent, draft.facts
        own: Scope = handler.scope
        if own.facts:
            facts.update(own.facts)
        if scope is not None:
            facts.update(scope.facts)
        if run.known:
            facts.update(run.known)
        if trace.facts:
            facts.update(trace.facts)
        tags = handler.own_tags(run.tags) if run.tags else []
        metadata = {}
        if run.metadata:
            metadata = handler.own_metadata(run.metadata, parent.metadata if parent is not None else None)
        if scope is not None:
            tags, metadata = [*scope.tags, *tags], {**scope.metadata, **metadata}
        if parent is None:
            tags, metadata = [*own.tags, *tags], {**own.metadata, **metadata}
        if tags:
            facts["tags"] = tuple(dict.fromkeys(tags))
        if metadata:
            draft.attributes[semconv.METADATA] = metadata
        if run.linked_trace is not None:
            draft.attributes[semconv.LINKED_TRACE] = run.linked_trace
        if run.extra:
            draft.attributes.update(run.extra)
        if run.events:
            draft.events = run.events

    # --- forgetting -------------------------------------------------------------------------------------

    def _forget(self, now: int) -> None:
        """Drop what ended a while ago; late children find their parent here until then."""
        ended = self._ended
        while ended and (len(ended) > self._linger_runs or now - (ended[0].end_ns or 0) > self._linger_ns):
            self._recorder.forget(ended.popleft())
        loaded = self._with_payload
        while loaded and now - (loaded[0].end_ns or 0) > self._linger_ns:
            _unload(loaded.popleft())
        for ref, (since, kept) in list(self._provisional.items()):
            if now - since > 12 * self._linger_ns or len(self._provisional) > self._linger_runs:
                for run in kept:
                    _unload(run)
                del self._provisional[ref]
        orphans = self._recorder.orphans
        for key, waiting in list(orphans.items()):
            if all(r.end_ns is not None and now - r.end_ns > 12 * self._linger_ns for r in waiting):
                orphans.pop(key, None)


def _tell_above(run: Run) -> None:
    """What a run says of those above it: a step makes its parent a graph, a model call counts once."""
    above = run.parent
    if above is None:
        return
    if above.kind is None and run.handler.is_step(run):
        above.kind = "graph"
    if run.inner_call or run.handler.is_model_call(run):
        ancestor: Run | None = above
        while ancestor is not None:
            ancestor.inner_call = True
            ancestor = ancestor.parent
    elif run.kind == "embedding" and above.kind == "embedding":
        above.inner_call = True  # a framework's, on a client that is recorded too


def _metadata_of(run: Run) -> Iterator[Mapping[str, Any]]:
    """What was said about this very run: by its call, then by a block around it."""
    if isinstance(run.metadata, MAPPINGS):
        yield run.metadata
    if run.scope is not None:
        yield run.scope.metadata


def _outlived_root(run: Run) -> bool:
    """Whether the outermost run above it had ended when it did."""
    top = run.parent
    if top is None or run.end_ns is None:
        return False
    while top.parent is not None:
        top = top.parent
    return top.end_ns is not None and run.end_ns > top.end_ns


def _content_policy(run: Run, kind: str) -> str:
    """The word of the call goes before that of the block around it, and this before the handler's."""
    rules: Mapping[str, str] = run.handler.settings.content
    said, scope = run.metadata, run.scope
    if scope is None and (not said or (type(said) is dict and semconv.CONTENT_POLICY not in said)):
        # Nobody has asked for anything else, as nearly always.
        return content_policy(kind, rules)
    asked = said.get(semconv.CONTENT_POLICY) if isinstance(said, MAPPINGS) else None
    return content_policy(kind, asked, None if scope is None else scope.content, rules)


def _unload(run: Run) -> None:
    """A run that is written keeps its place in the tree for late children, and no payload."""
    run.payload = run.output = run.error = run.serialized = run.options = None
    run.events = run.extra = None

"""What LlamaIndex's dispatcher tells of spans: begun, left with a result, dropped with an error.

Each hook notes what happened and returns; no hook raises, blocks, does I/O or sets a context variable, and
none touches a generator.  A span that returns a stream or a future stays open until that is over.

Attached by `handlers.llama_index`; feeds `recorder`.
"""

import sys
from functools import partial
from inspect import BoundArguments
from typing import Any

from llama_index_instrumentation.dispatcher import active_instrument_tags
from llama_index_instrumentation.span import active_span_id
from llama_index_instrumentation.span_handlers import BaseSpanHandler

from spanscope.handlers import _ambient
from spanscope.handlers import _llama_index_held as held
from spanscope.handlers import _llama_index_payload as payload
from spanscope.handlers._ambient import RunId, run_id_of
from spanscope.handlers._freeze import shape
from spanscope.handlers._llama_index_call import Call
from spanscope.handlers._llama_index_plans import UUID_SUFFIX, WRITERS, plan_for
from spanscope.handlers._llama_index_streams import Streams
from spanscope.handlers._source import Handler
from spanscope.recorder import Recorder
from spanscope.runs import Run

_tags = active_instrument_tags.get


@_ambient.source
def around() -> Any:
    """The id of the span that LlamaIndex's own context says we are in."""
    span_id = active_span_id.get()
    return None if span_id is None else run_id_of(span_id)


class SpanTap(BaseSpanHandler[Any]):
    """What the dispatcher calls for spans: one for each runtime, however many handlers share it."""

    recorder: Any = None
    owners: Any = None
    """Handlers that are attached; the last one is whose the spans are."""
    streams: Any = None

    def __init__(self, handler: Handler) -> None:
        super().__init__()
        self.recorder = handler.recorder
        self.owners = [handler]
        self.streams = Streams(self._gone)

    # The base class keeps a dictionary of open spans under a lock; the recorder knows them already.

    def span_enter(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: Any = None,
        parent_id: str | None = None,
        tags: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        try:
            self._enter(id_, bound_args.arguments, instance, parent_id, _tags() if tags is None else tags)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.recorder.health.fault("hook.span_enter", fault)

    def _enter(self, id_: str, arguments: Any, instance: Any, parent_id: Any, tags: Any) -> None:
        recorder: Recorder = self.recorder
        plan = plan_for(
            type(instance), id_[:-UUID_SUFFIX] if id_[-UUID_SUFFIX : 1 - UUID_SUFFIX] == "-" else id_
        )
        parent = None if parent_id is None else run_id_of(parent_id)
        if self.streams and (parent is None or plan.family == "llm"):
            parent = self._reading(parent)
        call = Call(plan, instance)
        run = recorder.start(
            run_id_of(id_),
            parent,
            self.owners[-1],
            payload.translate,
            _ambient.innermost(recorder.runs, besides=around),
            None,
            tags or None,
            None,
            call,
        )
        if run is None:
            return
        call.run = run
        above = run.parent.options if run.parent is not None else None
        if type(above) is Call:
            if above.state == "adopted" and above.instance is None:
                _recognise(above, instance)
            shown = above.visible
            shown.touched = shown.touched or shown.awaiting
            shown.written = shown.written or plan.method in WRITERS
            if instance is not None and above.instance is instance and plan.continues(above.plan):
                run.hidden = True
                call.into = above.visible
                return
        if plan.bare:
            run.hidden = True
            return
        run.kind = plan.kind
        call.asked = plan.ask(arguments, run.parent is None)

    def _reading(self, parent: Any) -> Any:
        """Who made the stream that is being read on this stack, unless the parent named is below it."""
        reading: Run | None = self.streams.around(sys._getframe(3))
        named = None if parent is None else self.recorder.runs.get(parent.int)
        if reading is None or (named is not None and (named is reading or named.is_below(reading))):
            return parent
        return RunId(reading.key)

    def adopt(self, span_id: str) -> None:
        """A span that began before we were told: taken from here on, its arguments come with its end."""
        try:
            run_id = run_id_of(span_id)
            if run_id.int in self.recorder.runs:
                return
            call = Call(plan_for(type(None), span_id[:-UUID_SUFFIX]), None)
            run = self.recorder.start(
                run_id, None, self.owners[-1], payload.translate, None, None, _tags() or None, None, call
            )
            if run is not None:
                call.run = run
                call.state = "adopted"
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.recorder.health.fault("hook.start_trace", fault)

    def span_exit(
        self, id_: str, bound_args: BoundArguments, instance: Any = None, result: Any = None, **kwargs: Any
    ) -> None:
        run_id = run_id_of(id_)
        try:
            run = self.recorder.runs.get(run_id.int)
            call = None if run is None else run.options
            if type(call) is not Call or run.end_ns is not None:
                self.recorder.end(run_id)
                return
            if call.state == "adopted":
                call.state = None
                call.instance, call.plan = instance, plan_for(type(instance), id_[:-UUID_SUFFIX])
                run.kind = call.plan.kind
                call.asked = call.plan.ask(bound_args.arguments, run.parent is None)
            if not self._left(run, call, result):
                self.recorder.end(run_id)
                self._end_inner(call)
                self._written(run, call, None)
        except Exception as fault:  # noqa: BLE001  the named boundary: an end that cannot be read is still an end
            self.recorder.health.fault("hook.span_exit", fault)
            self._end_unread(run_id, None)

    def span_drop(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: Any = None,
        err: BaseException | None = None,
        **kwargs: Any,
    ) -> None:
        run_id = run_id_of(id_)
        try:
            run = self.recorder.runs.get(run_id.int)
            call = None if run is None else run.options
            self.recorder.end(run_id, None, err)
            if run is not None and type(call) is Call:
                if call.into is not None and call.into.run.end_ns is None:
                    self.recorder.event(call.into.run, "exception", {"error_type": type(err).__name__})
                self._end_inner(call)
                self._written(run, call, err)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.recorder.health.fault("hook.span_drop", fault)
            self._end_unread(run_id, err)

    def _end_unread(self, run_id: Any, error: BaseException | None) -> None:
        run = self.recorder.runs.get(run_id.int)
        if run is not None and run.end_ns is None:
            self.recorder.end(run_id, None, error)

    # --- results ------------------------------------------------------------------------------------------

    def _left(self, run: Run, call: Call, result: Any) -> bool:
        """Hold what came out.  True when that is yet to come: a stream or a future."""
        kind = type(result)
        if call.into is not None:
            if kind in held.GENERATORS:
                # Its events name this half, so it has to be known for as long as they come.
                self.streams.note(result, call.into.run)
                call.into.inner = (*call.into.inner, run)
                return True
            if call.plan.family == "llm" and call.into.answer is None:
                call.into.answer = held.response(result)
            return False
        if kind in held.GENERATORS:
            return self._await(run, call, result)
        plan = call.plan
        match plan.family:
            case "llm":
                if call.answer is None:
                    call.answer = held.response(result)
            case "embedding":
                if call.vectors is None:
                    call.vectors = held.vectors(result)
            case "retriever" | "postprocessor":
                call.found = held.nodes(result)
            case "tool":
                call.result, call.failed = held.hold(result), getattr(result, "is_error", False) is True
            case _:
                if (stream := held.stream_of(result)) is not None:
                    return self._await(run, call, stream)
                if held.is_future(result) and not result.done():
                    call.awaiting = True
                    result.add_done_callback(partial(self._done, run))
                    return True
                self._hold_result(run, call, result)
        return False

    def _hold_result(self, run: Run, call: Call, result: Any) -> None:
        call.shaped = shape(result)
        if run.parent is None or held.is_turn(result):
            call.result = held.hold(result)

    def _await(self, run: Run, call: Call, stream: Any) -> bool:
        if call.over:
            return False
        call.awaiting = True
        self.streams.note(stream, run)
        return True

    def _done(self, run: Run, future: Any) -> None:
        """A future that a span returned: old workflows end so.  It is read without being asked, for asking
        would tell asyncio that somebody saw its exception."""
        try:
            call = run.options
            error = held.future_error(future)
            if error is None and type(call) is Call:
                self._hold_result(run, call, future.result())
            self._close(run, error)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.recorder.health.fault("hook.future", fault)

    # --- streams ------------------------------------------------------------------------------------------

    def finish(self, run: Run, error: BaseException | None) -> None:
        """The stream of this run is over, and with it what above waited for the same answer."""
        call = run.options
        self._close(run, error)
        above = run.visible_parent()
        while above is not None and type(upper := above.options) is Call:
            if above.end_ns is not None or not (upper.awaiting or upper.written):
                return
            upper.answer, upper.state = upper.answer or call.answer, call.state
            if upper.written:
                return
            self._close(above, error)
            above = above.visible_parent()

    def _written(self, run: Run, call: Call, error: BaseException | None) -> None:
        """A chat engine's stream was read to its end in the background."""
        above = run.visible_parent()
        if call.plan.method not in WRITERS or above is None or type(above.options) is not Call:
            return
        above.options.over, above.options.written = True, False
        if above.options.awaiting:
            self.finish(above, error or run.error)
        elif error is not None:
            above.error = error  # the writer was faster than the method that began it

    def _close(self, run: Run, error: BaseException | None) -> None:
        if run.end_ns is None:
            self.recorder.finish(run, None, error)
        if type(run.options) is Call:
            self._end_inner(run.options)

    def _end_inner(self, call: Call) -> None:
        """The inner halves of a call that were left with its stream."""
        for inner in call.inner:
            if inner.end_ns is None:
                self.recorder.finish(inner)

    def let_go(self) -> None:
        """Nothing will be told of the streams that are still out, and of the calls that are still running."""
        for run in self.streams.forget():
            call = run.options
            if type(call) is Call and call.awaiting and run.end_ns is None:
                call.state = "unobserved"
                self._close(run, None)
        for run in list(self.recorder.runs.values()):
            call = run.options
            if type(call) is Call and run.end_ns is None and not call.awaiting:  # a future tells by itself
                run.abandoned = True
                self.recorder.finish(run)

    def _gone(self, run: Run) -> None:
        """Nobody holds the stream any more.  Called by the garbage collector, so it must not raise."""
        try:
            call = run.options
            if run.end_ns is not None or type(call) is not Call or not call.awaiting or call.touched:
                return  # one that was begun is thrown a GeneratorExit next, of which an event tells
            followed = call.started if call.plan.family == "llm" else call.plan.streams
            call.state = "not_consumed" if followed else "unobserved"
            self.finish(run, None)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.recorder.health.fault("hook.stream", fault)

    # What the base class asks for and, with the above replaced, never calls.

    def new_span(self, *args: Any, **kwargs: Any) -> None:
        return None

    def prepare_to_exit_span(self, *args: Any, **kwargs: Any) -> None:
        return None

    def prepare_to_drop_span(self, *args: Any, **kwargs: Any) -> None:
        return None


def _recognise(call: Call, instance: Any) -> None:
    """Of a span whose start was missed only its name is known; what it calls first may be its own object."""
    if type(instance).__name__ == call.plan.name.partition(".")[0]:
        call.instance, call.plan = instance, plan_for(type(instance), call.plan.name)

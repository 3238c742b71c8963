"""Take in the spans that other instrumentations make, by way of OpenTelemetry.

`SpanscopeSpanProcessor` sees every span of a `TracerProvider` start and end.  Each gets a run, so that the
way from a model call up to what called it is known; but only those that speak of models, agents, tools
and retrievals are stored, the others (HTTP, databases) stay hidden.  What a span says is read by the worker
(`_opentelemetry_payload`).

Feeds `recorder`, like a framework's handler.
"""

from typing import TYPE_CHECKING, Any, Final

from spanscope import semconv
from spanscope.exceptions import ConfigError, MissingExtra
from spanscope.handlers import _known, manual
from spanscope.handlers import _opentelemetry_payload as payload
from spanscope.handlers._ambient import RunId
from spanscope.handlers._calling import default_source, known, nearer, traced_run
from spanscope.handlers._source import Handler, Source
from spanscope.runs import Run, TraceRef
from spanscope.runtime import Runtime

try:
    from opentelemetry.sdk.trace import SpanProcessor
except ModuleNotFoundError as missing:
    raise MissingExtra("spanscope.opentelemetry", "opentelemetry") from missing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span

EXIT_FLUSH_MS: Final = 5_000


class Bridge(Source):
    """Speaks for spans of OpenTelemetry where a handler's settings and scope apply to them."""

    def __init__(self, handler: Source) -> None:
        super().__init__(handler.settings, handler.scope)
        self.handler = handler

    def began(self, trace: TraceRef) -> None:
        """Not yet: most traces of OpenTelemetry hold nothing for us, which shows at their end."""


class SpanscopeSpanProcessor(SpanProcessor):
    """Records the spans of GenAI instrumentations: `provider.add_span_processor(SpanscopeSpanProcessor())`.

    Understands OpenTelemetry's GenAI conventions (`gen_ai.*`, current and former names), OpenInference and
    OpenLLMetry (traceloop).  A span keeps its OpenTelemetry ids and times; it hangs below the span that
    OpenTelemetry or spanscope has around it, whichever was started last.  A call that a handler of ours
    records too counts once.

    Spans go to `handler`, or with `settings` (those of `ObsHandler`) to one made of them; else to the handler
    that records what is around, to that of `instrument()`, to the one made last, or to a default one.
    `all_spans=True` stores the other spans too, as kind `span`.  Spans of the instrumentations (tracer
    names) in `ignore_scopes` are not stored.

    Raises `ConfigError` for `handler` together with `settings`, and what `ObsHandler` raises for these.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        *,
        all_spans: bool = False,
        ignore_scopes: "Sequence[str]" = (),
        **settings: Any,
    ) -> None:
        if handler is not None and settings:
            raise ConfigError("SpanscopeSpanProcessor takes a handler, or settings for one, not both")
        if isinstance(ignore_scopes, str):
            raise ConfigError(f"ignore_scopes={ignore_scopes!r} is one string: give a list")
        self._handler = handler or (Handler(**settings) if settings else None)
        self._all_spans = all_spans
        self._ignored = frozenset(ignore_scopes)
        self._runtimes: list[Runtime] = []
        """Those that spans went to: few, however many handlers an application makes."""
        self._closed = False

    def on_start(self, span: "Span", parent_context: "Context | None" = None) -> None:
        """Note where the span stands; called by OpenTelemetry."""
        if self._closed:
            return
        bridge: Bridge | None = None
        try:
            twin = traced_run()
            above = known(twin) if twin is not None else None
            if above is None:
                above = self._above(span)
            else:
                twin = above.key
            bridge = self._bridge(above)
            if bridge is None:
                return
            inside = None
            if above is not None and above.handler.recorder is bridge.recorder:
                inside = RunId(above.key)
            run = bridge.recorder.start(
                RunId(span.context.span_id),
                inside,
                bridge,
                payload.span,
                # Told apart from a span id that is used again: each span has its own.
                options=(span, twin),
            )
            if run is None:
                return
            if run.parent is None:
                _in_trace_of(span, run)
            elif span.parent is None or run.parent.key != span.parent.span_id:
                run.parent_source = "ambient"
            run.kind = payload.kind_of(span.attributes or {})
            run.hidden = not self._wanted(run, span) or (above is not None and above.key == twin)
        except Exception as fault:  # noqa: BLE001  the boundary of a hook: the application's span goes on
            _count(bridge, fault)

    def on_end(self, span: "ReadableSpan") -> None:
        """Note how the span ended; called by OpenTelemetry."""
        run: Run | None = None
        try:
            context = span.context
            run = known(context.span_id) if context is not None else None
            if run is None or not isinstance(run.handler, Bridge) or run.end_ns is not None:
                return
            if not (run.hidden and _twin(run) is run.parent and run.parent is not None):
                run.kind = payload.kind_of(span.attributes or {})
                run.hidden = not self._wanted(run, span) or (_twin(run) is not None and not run.written_open)
            if not run.hidden:
                if run.kind in semconv.MODEL_KINDS:
                    _count_once(run)
                if run.visible_parent() is None:
                    run.handler.handler.began(run.trace)
            run.handler.recorder.finish(run, span)
        except Exception as fault:  # noqa: BLE001  the boundary of a hook: the application goes on
            _count(run.handler if run is not None else None, fault)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Push out what was recorded; true only when every backend acknowledged in time."""
        answers = [runtime.flush(timeout_millis / 1000) for runtime in self._runtimes if not runtime.closed]
        return all(answers)

    def shutdown(self) -> None:
        """Flush, and take no more spans; handlers and their stores stay open."""
        self.force_flush(EXIT_FLUSH_MS)
        self._closed = True

    # --- where a span belongs -----------------------------------------------------------------------

    def _above(self, span: "Span") -> Run | None:
        """What OpenTelemetry or spanscope has around the span: the one that was started last."""
        context = span.parent
        found = known(context.span_id) if context is not None else None
        if found is not None:
            found = _twin(found) or found
        other = nearer(manual._around()[0])
        if other is None or other.end_ns is not None:
            return found
        if self._handler is not None and other.handler.runtime is not self._handler.runtime:
            return found
        return other if found is None or other.start_ns >= found.start_ns else found

    def _bridge(self, above: Run | None) -> Bridge | None:
        """Who speaks for the span; None where there is no handler and a default one cannot be made."""
        source: Source | None = self._handler
        if source is None:
            remedy = "give the processor a handler"
            source = above.handler if above is not None else default_source("OpenTelemetry spans", remedy)
        if source is None or isinstance(source, Bridge):
            return source
        # With its handler and not in a table of ours, for an application may make one for each request.
        bridge: Bridge | None = source.__dict__.get("_bridge")
        if bridge is None:
            bridge = source.__dict__["_bridge"] = Bridge(source)
        if source.runtime not in self._runtimes:
            self._runtimes = [*(one for one in self._runtimes if not one.closed), source.runtime]
        return bridge

    def _wanted(self, run: Run, span: Any) -> bool:
        scope = span.instrumentation_scope
        if scope is not None and scope.name in self._ignored:
            return False
        return run.kind is not None or self._all_spans


def _in_trace_of(span: "Span", run: Run) -> None:
    """The first of a trace: ids are OpenTelemetry's, also those of a parent that we do not know."""
    trace = run.trace
    trace.trace_id = format(span.context.trace_id, "032x")
    trace.remote_parent = format(span.parent.span_id, "016x") if span.parent is not None else None


def _twin(run: Run) -> Run | None:
    """The run of ours that records what this span of a framework's instrumentation records too."""
    if not isinstance(run.handler, Bridge) or not isinstance(run.options, tuple):
        return None
    twin = run.options[1]
    return known(twin) if twin is not None else None


def _count_once(run: Run) -> None:
    """What is above a model call and is one itself has its usage counted here."""
    above = run.parent
    if run.kind == "embedding":
        above = run.visible_parent()
        if above is not None and above.kind == "embedding":
            above.inner_call = True
        return
    while above is not None:
        above.inner_call = True
        above = above.parent


def _count(source: Any, fault: Exception) -> None:
    found = source if source is not None else _known.default_handler()
    if found is not None:
        found.runtime.health.fault("opentelemetry", fault)

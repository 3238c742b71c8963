"""What LlamaIndex's dispatcher tells of events: what a model was asked, its tokens, its answer, an exception.

Events of a stream come after the span that they name has returned; it is still open here (see
`_llama_index_spans`), so they complete it.

Attached by `handlers.llama_index`; feeds `recorder`.
"""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from llama_index_instrumentation.event_handlers import BaseEventHandler

from spanscope.handlers import _llama_index_held as held
from spanscope.handlers._ambient import run_id_of
from spanscope.handlers._llama_index_call import Call
from spanscope.handlers._llama_index_spans import SpanTap
from spanscope.runs import Run


class EventTap(BaseEventHandler):
    """What the dispatcher calls for events: each belongs to the span that it names."""

    spans: Any = None
    flowing: Any = None
    """Streams whose first token has come, by the id of their span: all that a token needs to know."""
    now: Any = None

    def __init__(self, spans: SpanTap) -> None:
        super().__init__()
        self.spans = spans
        self.flowing = {}
        self.now = spans.recorder.now

    def handle(self, event: Any, **kwargs: Any) -> None:
        try:
            kind = type(event)
            if kind in _TOKENS:
                flow = self.flowing.get(event.span_id)
                if flow is not None:
                    run, keep = flow
                    run.chunks += 1
                    keep(event.response)
                    if not run.chunks % _LOOK_EVERY:
                        run.last_ns = self.now()
                    return
            note = _NOTES.get(kind, _UNSEEN)
            if note is _UNSEEN:
                note = _NOTES[kind] = _note_for(kind)
            if note is None or event.span_id is None:
                return
            recorder = self.spans.recorder
            run = recorder.runs.get(run_id_of(event.span_id).int)
            if run is None or type(run.options) is not Call:
                recorder.health.count("unmatched_events")
                return
            call = run.options.visible
            note(self, run, call, event)
            if call.run.finished:
                recorder.tell_late(call.run)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.spans.recorder.health.fault("hook.event", fault)


# --- one function for each event ---------------------------------------------------------------------------

Note = Callable[[EventTap, Run, Call, Any], None]


def _model_start(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    if call.started:
        return  # the inner half: `chat` of a model that completes
    call.started = True
    call.described, call.options = event.model_dict, event.additional_kwargs
    asked = getattr(event, "messages", None)
    call.messages = [event.prompt] if asked is None else held.messages(asked)


def _token(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    """A token until the first that says something; those after it are counted in `handle`."""
    if call.counted is None:
        call.counted, call.first = event.span_id, event.response
        call.tail = deque(maxlen=2)
        _begin_to_read(call)
    elif call.counted != event.span_id:
        return
    response, shown = event.response, call.run
    shown.chunks += 1
    shown.last_ns = tap.now()
    call.tail.append(response)
    if response.delta or held.says_something(response):
        shown.first_token_ns = shown.last_ns
        if len(tap.flowing) >= _MOST_FLOWING:
            tap.flowing.clear()  # of streams that were dropped without a word
        tap.flowing[event.span_id] = shown, call.tail.append
        _TOKENS.add(type(event))


def _begin_to_read(call: Call) -> None:
    call.touched = True
    above = call.run.visible_parent()
    while above is not None and type(above.options) is Call:
        above.options.touched = True
        above = above.visible_parent()


def _model_end(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    if event.response is not None:
        call.answer = held.response(event.response)
    call.over = True
    tap.flowing.pop(event.span_id, None)
    if call.awaiting:
        tap.spans.finish(call.run, None)


def _exception(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    error = event.exception
    tap.flowing.pop(event.span_id, None)
    if call.awaiting and call.run.end_ns is None:
        if call.tail:
            call.answer = held.response(call.tail[-1])
        tap.spans.finish(call.run, error)
    elif call.run.end_ns is None:
        call.run.error = error  # should the span end as if nothing had happened


def _template(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    call.template = event.template
    call.structured = call.structured or hasattr(event, "output_cls")


def _embedding_start(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    call.described = event.model_dict


def _embedding_end(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    count, size = held.vectors(event.embeddings) or (0, None)
    if call.vectors is not None:
        count += call.vectors[0]
        call.texts = [*call.texts, *event.chunks]
    else:
        call.texts = event.chunks
    call.vectors = (count, size)


def _rerank_start(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    call.rerank = (held.query(event.query), held.nodes(event.nodes), event.top_n, event.model_name)


def _cancelled(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    call.state = "cancelled"


def _tool_called(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    tap.spans.recorder.event(call.run, "tool_call", {"tool": getattr(event.tool, "name", None)})


def _other(tap: EventTap, run: Run, call: Call, event: Any) -> None:
    """An event of the application's own: that it happened."""
    tap.spans.recorder.event(call.run, type(event).__name__, {})


_BY_NAME: Final[Mapping[str, Note]] = {
    "LLMChatStartEvent": _model_start,
    "LLMCompletionStartEvent": _model_start,
    "LLMChatInProgressEvent": _token,
    "LLMCompletionInProgressEvent": _token,
    "LLMChatEndEvent": _model_end,
    "LLMCompletionEndEvent": _model_end,
    "LLMPredictStartEvent": _template,
    "LLMStructuredPredictStartEvent": _template,
    "ExceptionEvent": _exception,
    "StreamChatErrorEvent": _exception,
    "EmbeddingStartEvent": _embedding_start,
    "EmbeddingEndEvent": _embedding_end,
    "SparseEmbeddingEndEvent": _embedding_end,
    "ReRankStartEvent": _rerank_start,
    "SpanCancelledEvent": _cancelled,
    "AgentToolCallEvent": _tool_called,
}
_TOKENS: Final[set[type]] = set()
_LOOK_EVERY: Final = 32
"""Tokens after which the time of the last is noted."""
_MOST_FLOWING: Final = 10_000
_UNSEEN: Final[Any] = object()
_NOTES: Final[dict[type, Note | None]] = {}


def _note_for(kind: type) -> Note | None:
    """What to do with events of this class; None: what it says is told by its span too."""
    for base in kind.__mro__:
        if (note := _BY_NAME.get(base.__name__)) is not None:
            return note
    return None if kind.__module__.startswith(("llama_index", "workflows")) else _other

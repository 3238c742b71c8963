"""The LlamaIndex handler: `ObsHandler().attach()`, or `CallbackManager([ObsHandler()])`.

Sits on the root of LlamaIndex's instrumentation dispatcher, which tells of every span
(`_llama_index_spans`) and event (`_llama_index_events`) of the process.  There is noted what happened; what
it means is found out on the worker thread (`_llama_index_payload`).
"""

import os
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from spanscope.exceptions import MissingExtra

try:
    from llama_index_instrumentation import get_dispatcher
    from llama_index_instrumentation.span import active_span_id
except ModuleNotFoundError as missing:
    raise MissingExtra("ObsHandler", "llama-index") from missing

from spanscope.handlers import _llama_index_payload as facts
from spanscope.handlers._llama_index_events import EventTap
from spanscope.handlers._llama_index_spans import SpanTap
from spanscope.handlers._source import Handler
from spanscope.runs import TraceRef

if TYPE_CHECKING:
    from llama_index.core.callbacks.base_handler import BaseCallbackHandler as _Base
else:
    # A CallbackManager asks for its methods, not for its class, and importing LlamaIndex takes a second.
    _Base = object


class _All:
    """Contains everything."""

    def __contains__(self, event: object) -> bool:
        return True


class ObsHandler(Handler, _Base):
    """Records what LlamaIndex does in this process while it is attached; takes what LangChain's takes.

        handler = ObsHandler().attach()                               # until handler.detach()
        with ObsHandler() as handler: ...                             # inside the block
        Settings.callback_manager = CallbackManager([ObsHandler()])   # from its first use on

    Raises `StoreError`, `ConfigError` or `MissingExtra` here when something is wrong with the
    settings; afterwards nothing that goes wrong with recording reaches the application.
    """

    partner: Handler | None = None
    """Another framework's handler that is to know of the traces begun here."""
    tells_late = True
    _detached = False
    _by_manager = False
    """Attached because a CallbackManager has it, not by `attach()`."""

    def attach(self) -> Self:
        """Record every LlamaIndex call from now on; harmless when attached already."""
        self._detached = self._by_manager = False
        _attach(self)
        return self

    def detach(self) -> None:
        """Stop recording.  What is still running ends here as abandoned, and a stream that is still being
        read as unobserved; harmless when not attached."""
        self._detached = True
        _detach(self)

    def __enter__(self) -> Self:
        return self.attach()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    # --- what the assembler asks ------------------------------------------------------------------------

    def began(self, trace: TraceRef) -> None:
        super().began(trace)
        if self.partner is not None:
            self.partner.began(trace)

    def facts_of(self, metadata: Any) -> dict[str, Any]:
        return facts.facts_of(metadata)

    def own_metadata(self, metadata: Any, above: Any) -> dict[str, Any]:
        return facts.own_metadata(metadata, above)

    # --- what a CallbackManager calls -----------------------------------------------------------------------
    # Its events are those of the dispatcher over again, so none is wanted; that it calls is all we need.

    event_starts_to_ignore: Any = _All()
    event_ends_to_ignore: Any = _All()

    def start_trace(self, trace_id: str | None = None) -> None:
        """The application is recorded from here on; of the call that we are in, the start was missed."""
        if self._detached or (tap := _attach(self, by_manager=True)) is None:
            return
        if (span_id := active_span_id.get()) is not None:
            tap.adopt(span_id)

    def end_trace(self, trace_id: str | None = None, trace_map: Any = None) -> None:
        """Nothing: the end of the span tells."""

    def on_event_start(
        self, event_type: Any, payload: Any = None, event_id: str = "", parent_id: str = "", **kwargs: Any
    ) -> str:
        return event_id

    def on_event_end(self, event_type: Any, payload: Any = None, event_id: str = "", **kwargs: Any) -> None:
        """Nothing: the dispatcher tells."""


# --- attaching --------------------------------------------------------------------------------------------

_taps: Final[list[tuple[SpanTap, EventTap]]] = []
_changing = threading.Lock()


def _attach(handler: ObsHandler, *, by_manager: bool = False) -> SpanTap | None:
    """The tap that this puts on the dispatcher; None when the handler's runtime has one already.

    Of handlers in callback managers the last used is attached: an application may make one a request.
    """
    with _changing:
        for spans, _ in _taps:
            if spans.recorder is handler.recorder:
                if handler not in spans.owners:
                    handler._by_manager = by_manager
                    others = [one for one in spans.owners if not (by_manager and one._by_manager)]
                    spans.owners = [*others, handler]
                return None
        handler._by_manager = by_manager
        spans = SpanTap(handler)
        events = EventTap(spans)
        _taps.append((spans, events))
        root = get_dispatcher()
        root.add_span_handler(spans)
        root.add_event_handler(events)
        return spans


def _detach(handler: ObsHandler) -> None:
    with _changing:
        for pair in list(_taps):
            spans, events = pair
            if handler not in spans.owners:
                continue
            if len(spans.owners) > 1:
                spans.owners.remove(handler)
                continue
            _taps.remove(pair)
            root = get_dispatcher()
            root.span_handlers = [one for one in root.span_handlers if one is not spans]
            root.event_handlers = [one for one in root.event_handlers if one is not events]
            spans.let_go()


def _after_fork_in_child() -> None:
    """Another thread of the parent may have held the lock."""
    global _changing  # noqa: PLW0603
    _changing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

"""What is measured of LlamaIndex: a query engine and a stream, of which the model takes no time.

LlamaIndex knows no callbacks of a single call: a handler sits on the dispatcher of the process.  So a window
attaches what it is given, runs, and detaches it.

Used by `run`, like `workloads`.
"""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import BoundArguments
from typing import Any

from llama_index.core.base.llms.types import CompletionResponse, LLMMetadata
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.span import BaseSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_completion_callback
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from workloads import CHUNKS, PARAGRAPH, Workload

from spanscope.handlers._source import Handler
from spanscope.llama_index import ObsHandler

RAW = {
    "model": "prepared-1",
    "choices": [{"finish_reason": "stop", "message": {"content": PARAGRAPH}}],
    "usage": {"prompt_tokens": 812, "completion_tokens": 46, "total_tokens": 858},
}


class EmptySpans(BaseSpanHandler[BaseSpan]):
    """The least that the base class asks for: it is given a span to keep, and gets it back at the end."""

    def new_span(
        self,
        id_: str,
        bound_args: BoundArguments,
        instance: Any = None,
        parent_span_id: str | None = None,
        tags: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> BaseSpan:
        return BaseSpan(id_=id_, parent_id=parent_span_id, tags=tags or {})

    def prepare_to_exit_span(self, id_: str, *args: Any, **kwargs: Any) -> BaseSpan | None:
        return self.open_spans.get(id_)

    def prepare_to_drop_span(self, id_: str, *args: Any, **kwargs: Any) -> BaseSpan | None:
        return self.open_spans.get(id_)


class EmptyEvents(BaseEventHandler):
    """Is told of every event and does nothing."""

    def handle(self, event: Any, **kwargs: Any) -> None:
        pass


class PreparedLLM(CustomLLM):
    """Answers with the same text, at once or word by word."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="prepared-1")

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=PARAGRAPH, raw=RAW)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        def words() -> Iterator[CompletionResponse]:
            for _ in range(CHUNKS):
                yield CompletionResponse(text="word ", delta="word ", raw=RAW)

        return words()


class PreparedNodes(BaseRetriever):
    """Finds the same four nodes whatever is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.found = [
            NodeWithScore(node=TextNode(text=f"{n}. {PARAGRAPH * 5}", id_=f"faq-{n}"), score=1 - n / 10)
            for n in range(4)
        ]

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self.found


def llama_workloads() -> list[Workload]:
    """A query engine, and a stream of tokens."""
    model = PreparedLLM()
    engine = RetrieverQueryEngine.from_args(PreparedNodes(), llm=model)
    questions = map("How long may I keep the lamp, in case {}?".format, itertools.count())

    def query(runs: int, handlers: list[Any]) -> None:
        with attached(handlers):
            for _ in range(runs):
                engine.query(next(questions))

    def tokens(runs: int, handlers: list[Any]) -> None:
        with attached(handlers):
            for _ in range(runs):
                for _chunk in model.stream_complete(next(questions)):
                    pass

    return [
        Workload("LlamaIndex query engine", 3, query, limit_ratio=2.0),
        Workload("LlamaIndex stream (per token)", 2, tokens, limit_us=2.0, units=CHUNKS),
    ]


@contextmanager
def attached(handlers: list[Any]) -> Iterator[None]:
    """The dispatcher with these handlers: ours, with the store of the one given, or the empty ones."""
    root = get_dispatcher()
    spans, events = list(root.span_handlers), list(root.event_handlers)
    ours = [_ours(one) for one in handlers if isinstance(one, Handler)]
    for one in ours:
        one.attach()
    if handlers and not ours:
        root.add_span_handler(EmptySpans())
        root.add_event_handler(EmptyEvents())
    try:
        yield
    finally:
        for one in ours:
            one.detach()
        root.span_handlers, root.event_handlers = spans, events


_made: dict[int, ObsHandler] = {}


def _ours(handler: Handler) -> ObsHandler:
    """A handler for LlamaIndex that records where this one does."""
    if id(handler.runtime) not in _made:
        _made[id(handler.runtime)] = ObsHandler(store=handler.settings.store)
    return _made[id(handler.runtime)]

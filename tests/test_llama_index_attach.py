"""How a LlamaIndex handler comes to record: attached, in a callback manager, for the whole process."""

from typing import Any

import pytest
from llama import index, mock, recording
from llama_index.core.callbacks import CallbackManager
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import MockLLM
from recording import all_traces, recorded

from spanscope import instrument, uninstrument
from spanscope.handlers.llama_index import _taps
from spanscope.llama_index import ObsHandler
from spanscope.testing import MemoryBackend


@pytest.fixture
def handler(tmp_path):
    with recording(tmp_path, content="redacted") as attached:
        yield attached


def kinds(trace: Any) -> list[str]:
    return [one.kind for one in trace.spans]


def of_kind(trace: Any, kind: str) -> list[Any]:
    return [one for one in trace.spans if one.kind == kind]


# --- attaching ----------------------------------------------------------------------------------------------


def taps() -> int:
    root = get_dispatcher()
    ours = [one for one in (*root.span_handlers, *root.event_handlers) if "spanscope" in type(one).__module__]
    return len(ours)


def test_instrument_twice_attaches_once_and_uninstrument_takes_it_off(tmp_path):
    sink = MemoryBackend()
    try:
        instrument(store=tmp_path / "spans.db", backends=[sink])
        handler = instrument(store=tmp_path / "spans.db", backends=[sink])
        assert taps() == 2  # one for spans, one for events
        MockLLM(max_tokens=1).complete("x")
        assert len(recorded(handler).spans) == 1
    finally:
        uninstrument()
    assert taps() == 0
    MockLLM(max_tokens=1).complete("x")
    assert len(all_traces(handler)) == 1
    handler.runtime.shutdown(2.0)


def test_a_callback_manager_records_from_its_first_call_on_and_once(tmp_path):
    """Its first use comes when the call has begun: that call is whole all the same."""
    handler = ObsHandler(store=tmp_path / "spans.db", backends=[MemoryBackend()], content="redacted")
    engine = index().as_query_engine(llm=mock())
    engine.callback_manager = CallbackManager([handler])
    try:
        engine.query("what?")
        engine.query("and then?")
        first, second = all_traces(handler)
        assert first.root.name == second.root.name == "RetrieverQueryEngine.query"
        assert first.root.input_preview == "what?"
        assert len(first.spans) == len(second.spans)
        assert len(of_kind(first, "llm")) == 1
    finally:
        handler.detach()
        handler.runtime.shutdown(2.0)
    assert taps() == 0


def test_of_handlers_made_for_each_request_the_last_used_is_kept(tmp_path):
    sink = MemoryBackend()
    for _ in range(5):
        handler = ObsHandler(store=tmp_path / "spans.db", backends=[sink])
        engine = index().as_query_engine(llm=mock())
        engine.callback_manager = CallbackManager([handler])
        engine.query("what?")
    try:
        assert _taps[-1][0].owners == [handler]
        assert handler.flush(5)
        assert len([one for one in sink.spans if one.name == "RetrieverQueryEngine.query"]) == 5
    finally:
        handler.detach()
        handler.runtime.shutdown(2.0)
    assert taps() == 0


def test_a_handler_in_a_callback_manager_and_attached_counts_once(handler):
    engine = index().as_query_engine(llm=mock())
    engine.callback_manager = CallbackManager([handler])
    engine.query("what?")
    assert len(of_kind(recorded(handler), "llm")) == 1
    assert handler.runtime.health.counters["duplicate_events"] == 0


def test_a_detached_handler_stays_off_though_a_callback_manager_has_it(tmp_path):
    handler = ObsHandler(store=tmp_path / "spans.db")
    handler.detach()
    engine = index().as_query_engine(llm=mock())
    engine.callback_manager = CallbackManager([handler])
    engine.query("what?")
    assert all_traces(handler) == []
    handler.runtime.shutdown(2.0)


def test_what_still_runs_when_the_handler_is_detached_is_abandoned(handler):
    @get_dispatcher(__name__).span
    def work() -> int:
        mock().complete("x")
        handler.detach()
        mock().complete("y")
        return 5

    assert work() == 5
    trace = recorded(handler)
    assert [(one.kind, one.status) for one in trace.spans] == [("chain", "abandoned"), ("llm", "ok")]
    assert trace.root.end_ns is not None


def test_a_chat_engine_that_replaces_the_callback_manager_is_recorded(handler, monkeypatch):
    engine = index().as_chat_engine(chat_mode="condense_plus_context", llm=mock())
    engine.callback_manager = CallbackManager([])
    engine.chat("hello")
    assert of_kind(recorded(handler), "llm")


def test_the_innermost_of_two_handlers_with_one_store_says_whose_the_calls_are(tmp_path):
    sink = MemoryBackend()
    outer = ObsHandler(store=tmp_path / "spans.db", backends=[sink], session_id="outer")
    inner = ObsHandler(store=tmp_path / "spans.db", backends=[sink], session_id="inner")
    with outer:
        with inner:
            mock().complete("x")
        assert inner.last_trace_id is not None
        assert recorded(inner).root.session_id == "inner"
        mock().complete("y")
        assert recorded(outer).root.session_id == "outer"
    outer.runtime.shutdown(2.0)

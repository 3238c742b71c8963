"""Whose a run is, and where the caller's code stands: scopes, spans around us, trace ids, headers."""

import asyncio
import contextvars
import copy
import pickle
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph
from recording import all_traces, handler_in, named, recorded, tree

from spanscope import (
    ObsHandler,
    context,
    current_span,
    current_trace_id,
    instrument,
    span,
    traceparent,
    uninstrument,
)
from spanscope.exceptions import ConfigError
from spanscope.testing import MemoryBackend, ScriptedChatModel

HEADER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID, PARENT_ID = HEADER.split("-")[1:3]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[ObsHandler] = []

    def handler(**given: Any) -> ObsHandler:
        made.append(handler_in(tmp_path, **given))
        return made[-1]

    yield handler
    for one in made:
        one.runtime.shutdown(2.0)


@pytest.fixture
def handler(make) -> ObsHandler:
    return make()


def run(handler: ObsHandler, **config: Any) -> Any:
    """The trace of one model call inside a step."""
    model = ScriptedChatModel(replies=["fine"])
    step = RunnableLambda(lambda question: model.invoke(question).text)
    step.invoke("hi", config={"callbacks": [handler], **config})
    return recorded(handler)


# --- whose the run is ---------------------------------------------------------------------------------------

FACTS = {
    "session_id": "s-1",
    "environment": "prod",
    "service": "shop",
    "release": "1.2",
    "prompt_name": "greet",
    "prompt_version": "v3",
}


@pytest.mark.parametrize(("fact", "value"), FACTS.items())
def test_a_fact_given_to_the_constructor_stands_on_every_span(make, fact, value):
    trace = run(make(**{fact: value}))
    assert {getattr(one, fact) for one in trace.spans} == {value}


@pytest.mark.parametrize(("fact", "value"), FACTS.items())
def test_a_fact_given_by_a_context_block_stands_on_every_span(handler, fact, value):
    with context(**{fact: value}):
        trace = run(handler)
    assert {getattr(one, fact) for one in trace.spans} == {value}


@pytest.mark.parametrize(("fact", "value"), FACTS.items())
def test_a_fact_given_in_metadata_stands_on_every_span(handler, fact, value):
    trace = run(handler, metadata={fact: value})
    assert {getattr(one, fact) for one in trace.spans} == {value}


def test_a_user_id_is_stored_as_a_pseudonym_wherever_it_was_given(make):
    handler = make(user_id="ann@example.org")
    by_constructor = run(handler).root.user_id
    with context(user_id="ann@example.org"):
        by_block = run(handler).root.user_id
    by_metadata = run(handler, metadata={"user_id": "ann@example.org"}).root.user_id

    assert by_constructor == by_block == by_metadata
    assert "ann" not in by_constructor


@pytest.mark.parametrize("key", ["langfuse_session_id", "conversation_id", "thread_id"])
def test_a_session_is_found_under_the_keys_of_other_tools(handler, key):
    assert run(handler, metadata={key: "s-1"}).root.session_id == "s-1"


def test_a_langfuse_user_is_found(handler):
    assert run(handler, metadata={"langfuse_user_id": "ann"}).root.user_id is not None


def test_metadata_goes_before_a_block_and_a_block_before_the_constructor(make):
    handler = make(session_id="constructor")
    with context(session_id="block"):
        both = run(handler, metadata={"session_id": "metadata"})
        block = run(handler)
    assert [both.root.session_id, block.root.session_id, run(handler).root.session_id] == [
        "metadata",
        "block",
        "constructor",
    ]


def test_a_session_attached_at_the_model_holds_for_the_model(handler):
    """It was lost when attached below the root (langfuse/langfuse#7183)."""
    model = ScriptedChatModel(replies=["fine"]).with_config(metadata={"session_id": "s-1"})
    RunnableLambda(lambda q: model.invoke(q).text).invoke("hi", config={"callbacks": [handler]})

    (call,) = [one for one in recorded(handler).spans if one.kind == "llm"]
    assert call.session_id == "s-1"


def test_a_session_attached_at_the_model_is_the_sessions_of_the_root_too(handler):
    model = ScriptedChatModel(replies=["fine"]).with_config(metadata={"session_id": "s-1"})
    RunnableLambda(lambda q: model.invoke(q).text).invoke("hi", config={"callbacks": [handler]})

    assert recorded(handler).root.session_id == "s-1"


def test_tags_of_constructor_block_and_call_add_up_without_repetition(make):
    with context(tags=["block", "same"]):
        trace = run(make(tags=["constructor", "same"]), tags=["call", "same"])
    assert sorted(trace.root.tags) == ["block", "call", "constructor", "same"]


def test_an_inner_block_adds_to_the_outer_one(handler):
    with context(session_id="s-1", tags=["outer"]), context(release="1.2", tags=["inner"]):
        root = run(handler).root
    assert (root.session_id, root.release, root.tags) == ("s-1", "1.2", ("outer", "inner"))


def test_a_block_closed_by_another_thread_leaves_that_threads_block_alone(handler):
    def stream() -> Iterator[int]:
        with context(session_id="stream"):
            yield 1

    reading = stream()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(next, reading).result()
    with context(session_id="reader"):
        reading.close()
        assert run(handler).root.session_id == "reader"


def test_after_a_block_its_facts_hold_no_more(handler):
    with context(session_id="s-1"):
        pass
    assert run(handler).root.session_id is None


# --- traces across processes --------------------------------------------------------------------------------


def test_a_traceparent_given_to_a_block_is_continued(handler):
    with context(traceparent=HEADER):
        trace = run(handler)
    assert (trace.trace_id, trace.root.parent_id, trace.root.parent_source) == (TRACE_ID, PARENT_ID, "remote")


def test_a_traceparent_in_metadata_is_continued(handler):
    assert run(handler, metadata={"traceparent": HEADER}).trace_id == TRACE_ID


def test_a_malformed_traceparent_is_refused_at_the_block():
    with pytest.raises(ConfigError, match="not a W3C traceparent"), context(traceparent="00-12-34-01"):
        pass


def test_the_header_for_calls_to_others_names_the_span_we_are_in(handler):
    said = RunnableLambda(lambda _: traceparent()).invoke("hi", config={"callbacks": [handler]})
    root = recorded(handler).root
    assert said == f"00-{root.trace_id}-{root.span_id}-01"


def test_outside_any_span_there_is_no_header(handler):
    assert traceparent() is None
    assert not current_span()


def test_the_trace_id_of_an_active_opentelemetry_span_is_adopted(handler):
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("test")
    with tracer.start_as_current_span("request") as around:
        trace = run(handler)
    found = around.get_span_context()
    assert trace.trace_id == format(found.trace_id, "032x")
    assert trace.root.parent_id == format(found.span_id, "016x")


# --- the span around the caller -----------------------------------------------------------------------------


class State(TypedDict):
    seen: str


def graph_of(node: Any) -> Any:
    return StateGraph(State).add_node("node", node).add_edge(START, "node").add_edge("node", END).compile()


def test_in_a_node_the_current_span_is_the_nodes(handler):
    """Spans of other libraries landed on the root (traceloop/openllmetry#3203)."""

    def node(state: State) -> State:
        return {"seen": current_span().span_id}

    seen = graph_of(node).invoke({"seen": ""}, config={"callbacks": [handler]})["seen"]
    assert seen == named(recorded(handler), "node").span_id


async def test_in_an_async_node_the_current_span_is_the_nodes(handler):
    async def node(state: State) -> State:
        await asyncio.sleep(0)
        return {"seen": current_span().span_id}

    seen = (await graph_of(node).ainvoke({"seen": ""}, config={"callbacks": [handler]}))["seen"]
    assert seen == named(await asyncio.to_thread(recorded, handler), "node").span_id


def test_a_block_of_ours_in_a_node_hangs_on_the_node(handler):
    def node(state: State) -> State:
        with span("rerank", kind="reranker"):
            return state

    graph_of(node).invoke({"seen": ""}, config={"callbacks": [handler]})
    trace = recorded(handler)
    assert trace.parent(named(trace, "rerank")).name == "node"


def test_a_model_call_in_a_block_of_ours_hangs_on_the_block(handler):
    model = ScriptedChatModel(replies=["fine"])

    def step(question: str) -> str:
        with span("draft"):
            return model.invoke(question).text

    RunnableLambda(step).with_config(run_name="step").invoke("hi", config={"callbacks": [handler]})
    trace = recorded(handler)
    (call,) = [one for one in trace.spans if one.kind == "llm"]
    assert [one.name for one in trace.ancestors(call)] == ["draft", "step"]


def test_a_thread_that_copies_the_context_keeps_the_parent(handler):
    """Thread pools lost it (huggingface/smolagents#1840)."""
    inner = RunnableLambda(str.upper).with_config(run_name="inner")

    def outer(text: str) -> str:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(contextvars.copy_context().run, inner.invoke, text).result()

    RunnableLambda(outer).with_config(run_name="outer").invoke("a", config={"callbacks": [handler]})
    assert tree(recorded(handler)) == ("outer", [("inner", [])])


def test_a_raw_thread_that_is_given_the_handler_is_a_trace_of_its_own(handler):
    inner = RunnableLambda(str.upper)

    def outer(text: str) -> str:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(inner.invoke, text, {"callbacks": [handler]}).result()

    RunnableLambda(outer).invoke("a", config={"callbacks": [handler]})
    assert [len(trace.spans) for trace in all_traces(handler)] == [1, 1]


# --- trace ids ----------------------------------------------------------------------------------------------


def test_inside_a_step_the_current_trace_id_is_that_of_the_step(handler):
    seen = RunnableLambda(lambda _: current_trace_id()).invoke("hi", config={"callbacks": [handler]})
    assert seen == recorded(handler).trace_id


def test_a_block_knows_the_trace_that_began_inside_it(handler):
    with context(session_id="s-1") as scope:
        trace = run(handler)
        assert current_trace_id() == trace.trace_id
    assert scope.trace_id == trace.trace_id


async def test_each_task_sees_its_own_trace_id_and_its_own_last_one(handler):
    async def step(marker: str) -> str | None:
        await asyncio.sleep(0.01)
        return current_trace_id()

    async def request(number: int) -> tuple[Any, Any, Any]:
        run_id = uuid.uuid4()
        config = {"callbacks": [handler], "run_id": run_id}
        inside = await RunnableLambda(step).ainvoke(str(number), config=config)
        await asyncio.sleep(0.01)
        return inside, handler.last_trace_id, run_id.hex

    for inside, last, expected in await asyncio.gather(*(request(number) for number in range(50))):
        assert inside == expected
        assert last == expected


@pytest.mark.parametrize("passed_on", [copy.deepcopy, lambda given: pickle.loads(pickle.dumps(given))])
def test_what_a_block_gave_can_be_copied_and_sent_to_another_process(handler, passed_on):
    with context(session_id="s-1") as scope:
        RunnableLambda(len).invoke("a", config={"callbacks": [handler]})
    there = passed_on(scope)
    assert (there.session_id, there.trace_id) == ("s-1", handler.last_trace_id)


def test_each_thread_sees_its_own_last_trace_id(handler):
    def request(number: int) -> tuple[Any, str]:
        run_id = uuid.uuid4()
        RunnableLambda(str.upper).invoke("a", config={"callbacks": [handler], "run_id": run_id})
        return handler.last_trace_id, run_id.hex

    with ThreadPoolExecutor(8) as pool:
        assert all(last == expected for last, expected in pool.map(request, range(100)))


# --- the whole process --------------------------------------------------------------------------------------


@pytest.fixture
def everywhere(tmp_path: Path) -> Iterator[ObsHandler]:
    attached = instrument(store=tmp_path / "spans.db", backends=[MemoryBackend()])
    yield attached
    uninstrument()
    attached.runtime.shutdown(2.0)


def test_instrument_records_runs_that_have_no_handler(everywhere):
    RunnableLambda(str.upper).invoke("a")
    assert len(recorded(everywhere).spans) == 1


def test_a_run_with_the_handler_given_too_is_recorded_once(everywhere):
    RunnableLambda(str.upper).invoke("a", config={"callbacks": [everywhere]})
    (trace,) = all_traces(everywhere)
    assert len(trace.spans) == 1


def test_a_run_with_a_handler_of_its_own_goes_only_there(everywhere, tmp_path):
    (tmp_path / "own").mkdir()
    own = handler_in(tmp_path / "own")
    RunnableLambda(str.upper).invoke("a", config={"callbacks": [own]})

    assert len(all_traces(own)) == 1
    assert all_traces(everywhere) == []
    own.runtime.shutdown(2.0)


def test_after_uninstrument_nothing_is_recorded(everywhere):
    uninstrument()
    RunnableLambda(str.upper).invoke("a")
    assert all_traces(everywhere) == []


def test_instrument_called_twice_records_a_run_once(everywhere, tmp_path):
    again = instrument(store=tmp_path / "spans.db", backends=everywhere.settings.backends)
    RunnableLambda(str.upper).invoke("a")
    assert [len(trace.spans) for trace in all_traces(again)] == [1]


def test_uninstrument_where_nothing_is_attached_does_no_harm():
    uninstrument()
    uninstrument()

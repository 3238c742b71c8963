"""LangChain, LangGraph, LlamaIndex, one's own functions and OpenTelemetry calling one another: one tree.

None of them knows of the others.  A request goes through all: a LangChain chain, in it a LangChain tool,
which asks a LlamaIndex engine, which calls an observed function, which runs a LangChain chain.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor as PlainExecutor
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from llama_index.core.query_engine import CustomQueryEngine
from llama_index.core.workflow import StartEvent, StopEvent, Workflow, step
from recording import all_traces, named, recorded, settled, tree

from spanscope import (
    ThreadPoolExecutor,
    current_span,
    instrument,
    observe,
    open_store,
    span,
    traceparent,
    uninstrument,
    wrap,
)
from spanscope.testing import MemoryBackend
from spanscope.trace import Trace

REQUESTS = 100


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[Any]:
    attached = instrument(store=tmp_path / "spans.db", backends=[MemoryBackend()], content="redacted")
    yield attached
    uninstrument()
    attached.runtime.shutdown(5.0)


# --- a request through everything ---------------------------------------------------------------------------


def leaf(question: str) -> Any:
    """The innermost chain; its name says whose it is."""
    return RunnableLambda(str.upper, name="leaf").with_config(run_name=f"leaf {question}")


@observe(name="price_of", kind="tool")
def price_of(question: str) -> str:
    return leaf(question).invoke(question)


@observe(name="price_of", kind="tool")
async def aprice_of(question: str) -> str:
    await asyncio.sleep(0)
    return await leaf(question).ainvoke(question)


class Engine(CustomQueryEngine):
    """Answers by calling a function, by which way a test may choose."""

    ask: Any = price_of

    def custom_query(self, query_str: str) -> str:
        return self.ask(query_str)

    async def acustom_query(self, query_str: str) -> str:
        await asyncio.sleep(0)
        return await aprice_of(query_str)


def request(question: str, *, ask: Callable[[str], str] = price_of) -> str:
    @tool
    def lookup(question: str) -> str:
        """Look it up."""
        return str(Engine(ask=ask).query(question))

    chain = RunnableLambda(lambda text: lookup.invoke({"question": text}))
    return chain.with_config(run_name=f"request {question}").invoke(question)


@tool
async def alookup(question: str) -> str:
    """Look it up."""
    await asyncio.sleep(0)
    return str(await Engine().aquery(question))


async def arequest(question: str) -> str:
    async def ask(text: str) -> Any:
        return await alookup.ainvoke({"question": text})

    return await RunnableLambda(ask).with_config(run_name=f"request {question}").ainvoke(question)


def engine(*below: Any) -> Any:
    """The engine's spans: LlamaIndex tells of the sync half twice, of the async half once."""
    return ("Engine.query", [("Engine.custom_query", list(below))])


def expected(question: str) -> Any:
    priced = ("price_of", [(f"leaf {question}", [])])
    return (f"request {question}", [("lookup", [engine(priced)])])


def expected_async(question: str) -> Any:
    priced = ("price_of", [(f"leaf {question}", [])])
    return (f"request {question}", [("alookup", [("Engine.aquery", [priced])])])


def by_question(traces: list[Trace]) -> dict[str, Any]:
    return {trace.root.name.split()[-1]: tree(trace) for trace in traces}


def questions() -> list[str]:
    return [f"q{number}" for number in range(REQUESTS)]


def test_a_request_through_all_frameworks_is_one_tree(handler):
    assert request("q1") == "Q1"
    assert [tree(trace) for trace in all_traces(handler)] == [expected("q1")]


async def test_an_async_request_through_all_frameworks_is_one_tree(handler):
    assert await arequest("q1") == "Q1"
    (trace,) = await asyncio.to_thread(all_traces, handler)
    assert tree(trace) == expected_async("q1")


def test_where_a_framework_names_no_parent_the_span_says_that_it_was_found_around(handler):
    request("q1")
    trace = recorded(handler)
    assert {one.name: one.parent_source for one in trace.spans if one.name != "leaf"} == {
        "request q1": "none",
        "lookup": "framework",
        "Engine.query": "ambient",
        "Engine.custom_query": "framework",
        "price_of": "ambient",
        "leaf q1": "ambient",
    }


def test_100_requests_by_16_threads_give_100_trees(handler):
    with PlainExecutor(16) as servers:
        assert list(servers.map(request, questions())) == [one.upper() for one in questions()]
    assert by_question(all_traces(handler)) == {one: expected(one) for one in questions()}


async def test_100_requests_at_once_in_one_loop_give_100_trees(handler):
    answers = await asyncio.gather(*(arequest(one) for one in questions()))
    assert answers == [one.upper() for one in questions()]
    found = await asyncio.to_thread(all_traces, handler)
    assert by_question(found) == {one: expected_async(one) for one in questions()}


@pytest.mark.parametrize("way", ["wrap", "executor"])
def test_work_in_a_thread_hangs_where_it_was_handed_over(handler, way):
    def by_wrap(question: str) -> str:
        with PlainExecutor(1) as pool:
            return pool.submit(wrap(price_of), question).result()

    def by_executor(question: str) -> str:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(price_of, question).result()

    ask = by_wrap if way == "wrap" else by_executor
    with PlainExecutor(8) as servers:
        list(servers.map(lambda one: request(one, ask=ask), questions()[:20]))
    assert by_question(all_traces(handler)) == {one: expected(one) for one in questions()[:20]}


def test_a_raw_thread_in_the_middle_is_bridged_by_the_header(handler):
    """What nobody tells a thread may be told to the run: its metadata take the header."""

    def ask(question: str) -> str:
        config = {"metadata": {"traceparent": traceparent()}}
        results: list[str] = []
        thread = threading.Thread(target=lambda: results.append(leaf(question).invoke(question, config)))
        thread.start()
        thread.join()
        return results[0]

    request("q1", ask=ask)
    (trace,) = all_traces(handler)
    assert tree(trace) == ("request q1", [("lookup", [engine(("leaf q1", []))])])


# --- under OpenTelemetry ------------------------------------------------------------------------------------


def ids_of(around: Any) -> tuple[str, str]:
    found = around.get_span_context()
    return format(found.trace_id, "032x"), format(found.span_id, "016x")


def test_requests_under_an_http_span_are_in_its_trace_and_below_it(handler):
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("server")

    def serve(question: str) -> tuple[str, tuple[str, str]]:
        with tracer.start_as_current_span("GET /ask") as around:
            request(question)
            return question, ids_of(around)

    with PlainExecutor(16) as servers:
        served = dict(servers.map(serve, questions()))
    settled(handler)
    with open_store(handler.settings.store) as store:
        for question, (trace_id, span_id) in served.items():
            trace = store.trace(trace_id)
            assert tree(trace) == expected(question)
            assert (trace.root.parent_id, trace.root.parent_source) == (span_id, "remote")


async def test_async_requests_under_an_http_span_are_in_its_trace_and_below_it(handler):
    from opentelemetry.sdk.trace import TracerProvider

    tracer = TracerProvider().get_tracer("server")

    async def serve(question: str) -> tuple[str, tuple[str, str]]:
        with tracer.start_as_current_span("GET /ask") as around:
            await arequest(question)
            return question, ids_of(around)

    served = dict(await asyncio.gather(*(serve(one) for one in questions())))
    found = await asyncio.to_thread(all_traces, handler)
    assert {trace.root.name.split()[-1]: (trace.trace_id, trace.root.parent_id) for trace in found} == served
    assert by_question(found) == {one: expected_async(one) for one in questions()}


# --- workflow and graph -------------------------------------------------------------------------------------


class State(TypedDict):
    question: str
    seen: str | None


async def node(state: State) -> dict[str, Any]:
    await asyncio.sleep(0)
    answer = await Engine().aquery(state["question"])
    return {"question": str(answer), "seen": current_span().span_id}


GRAPH = StateGraph(State).add_node("node", node).add_edge(START, "node").add_edge("node", END).compile()


class Flow(Workflow):
    """One step, which runs a graph."""

    @step
    async def ask(self, event: StartEvent) -> StopEvent:
        around = current_span().span_id
        given = {"question": event.question, "seen": None}
        state = await GRAPH.ainvoke(given, {"run_name": f"graph {event.question}"})
        assert current_span().span_id == around
        return StopEvent(result=(state["question"], around, state["seen"]))


def flow_of(question: str) -> Any:
    inner = ("Engine.aquery", [("price_of", [(f"leaf {question}", [])])])
    return ("Flow.run", [("Flow.ask", [(f"graph {question}", [("node", [inner])])])])


async def test_a_graph_in_a_workflow_step_hangs_on_the_step(handler):
    await Flow().run(question="q1")
    (trace,) = await asyncio.to_thread(all_traces, handler)
    assert tree(trace) == flow_of("q1")


async def test_the_current_span_in_a_step_and_in_a_node_is_theirs(handler):
    """Spans of other libraries landed on the root (traceloop/openllmetry#3203)."""
    answer, in_step, in_node = await Flow().run(question="q1")
    trace = await asyncio.to_thread(recorded, handler)
    assert answer == "Q1"
    assert in_step == named(trace, "Flow.ask").span_id
    assert in_node == named(trace, "node").span_id


async def test_100_workflows_at_once_keep_their_graphs(handler):
    await asyncio.gather(*(Flow().run(question=one) for one in questions()))
    found = await asyncio.to_thread(all_traces, handler)
    assert sorted(tree(trace) for trace in found) == sorted(flow_of(one) for one in questions())


# --- streams ------------------------------------------------------------------------------------------------


def test_a_stream_of_ones_own_around_a_chain_stays_in_its_place(handler):
    """The reader's own calls between two pieces are the reader's."""

    @observe(name="stream")
    def stream(question: str) -> Iterator[str]:
        for number in range(2):
            yield leaf(f"{question}.{number}").invoke(question)

    def read(question: str) -> list[str]:
        return [str(Engine(ask=str.lower).query(piece)) for piece in stream(question)]

    RunnableLambda(read).with_config(run_name="reader").invoke("q1")
    assert tree(recorded(handler)) == (
        "reader",
        [
            ("stream", [("leaf q1.0", []), ("leaf q1.1", [])]),
            engine(),
            engine(),
        ],
    )


def test_a_block_around_calls_of_both_frameworks_makes_one_trace_of_them(handler):
    with span("batch"):
        price_of("q1")
        Engine(ask=str.lower).query("q2")
    assert tree(recorded(handler)) == (
        "batch",
        [("price_of", [("leaf q1", [])]), engine()],
    )

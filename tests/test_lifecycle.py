"""Runs that do not begin and end in order: closed, cancelled, late, abandoned, doubled."""

import asyncio
import gc
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import RunnableLambda
from langchain_core.runnables.history import RunnableWithMessageHistory
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from recording import all_traces, handler_in, named, recorded, settled, tree

from spanscope import ObsHandler, semconv
from spanscope.assembler import Assembler
from spanscope.runtime import runtimes
from spanscope.testing import BrokenStream, MemoryBackend, ScriptedChatModel

TEXT = "one two three four five six"


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[ObsHandler]:
    handler = handler_in(tmp_path)
    yield handler
    handler.runtime.shutdown(2.0)


def model(**given: Any) -> ScriptedChatModel:
    return ScriptedChatModel(**{"replies": [TEXT], **given})


def chain(**given: Any) -> Any:
    return ChatPromptTemplate.from_template("{q}") | model(**given)


def config(handler: ObsHandler, **more: Any) -> Any:
    return {"callbacks": [handler], **more}


def llm(handler: ObsHandler) -> Any:
    (call,) = [span for span in recorded(handler).spans if span.kind == "llm"]
    return call


# --- streams that are not read to their end ---------------------------------------------------------------


def read_two_and_break(stream: Any) -> None:
    for number, _ in enumerate(stream):
        if number == 1:
            break
    del stream
    gc.collect()


def read_two_and_close(stream: Any) -> None:
    next(stream)
    next(stream)
    stream.close()


@pytest.mark.parametrize("leave", [read_two_and_break, read_two_and_close])
def test_a_model_stream_left_early_is_one_span_closed_early(handler, leave):
    """Such calls were never exported (mlflow/mlflow#25790)."""
    leave(model().stream("hi", config=config(handler)))

    (span,) = recorded(handler).spans
    assert span.status == "closed_early"
    assert span.end_ns is not None


def test_a_stream_left_early_keeps_the_text_received_so_far(handler):
    """LangChain hands the partial answer over and tools threw it away (langchain-ai/langchain#9424)."""
    read_two_and_close(model().stream("hi", config=config(handler)))

    assert llm(handler).output_preview in ("one two", "one", "one two ")


def test_a_stream_left_early_says_where_its_usage_comes_from_or_that_it_is_missing(handler):
    """Abandoned streams cost money and showed none (onyx-dot-app/onyx#10658)."""
    read_two_and_close(model().stream("hi", config=config(handler)))

    call = llm(handler)
    assert (call.total_tokens, call.usage_source) == (None, "missing")


def test_usage_last_seen_of_a_stream_left_early_is_kept_and_marked_as_partial(handler):
    """Some providers count along; what they had said until then was paid for."""
    run_id = uuid.uuid4()
    seen = AIMessage("one two", usage_metadata={"input_tokens": 9, "output_tokens": 2, "total_tokens": 11})
    handler.on_chat_model_start({}, [[HumanMessage("hi")]], run_id=run_id)
    response = LLMResult(generations=[[ChatGeneration(message=seen)]])
    handler.on_llm_error(GeneratorExit(), run_id=run_id, response=response)

    call = llm(handler)
    assert (call.status, call.total_tokens, call.usage_source) == ("closed_early", 11, "partial")


@pytest.mark.parametrize("leave", [read_two_and_break, read_two_and_close])
def test_a_chain_stream_left_early_has_no_error_anywhere(handler, leave):
    """`GeneratorExit` is not an error (langchain-ai/langchain#22662)."""
    leave(chain().stream({"q": "hi"}, config=config(handler)))

    trace = recorded(handler)
    assert trace.totals.errors == 0
    assert [span.error_type for span in trace.spans if span.error_type] == []
    assert "closed_early" in {span.status for span in trace.spans}


async def test_an_async_chain_stream_closed_early_is_closed_early(handler):
    stream = chain().astream({"q": "hi"}, config=config(handler))
    await anext(stream)
    await stream.aclose()
    await asyncio.sleep(0.05)

    trace = await asyncio.to_thread(recorded, handler)
    assert trace.status == "closed_early"
    assert trace.totals.errors == 0
    assert {span.status for span in trace.spans} <= {"ok", "closed_early"}


async def test_a_flush_directly_after_aclose_finds_the_spans_open_or_over_and_later_over(handler):
    """The ends come some ticks of the loop after `aclose()`."""
    stream = chain().astream({"q": "hi"}, config=config(handler))
    await anext(stream)
    await stream.aclose()
    handler.flush(5)
    await asyncio.sleep(0.05)

    trace = await asyncio.to_thread(recorded, handler)
    assert {span.status for span in trace.spans} <= {"ok", "closed_early"}


def test_a_stream_closed_early_logs_nothing(handler, caplog):
    with caplog.at_level(logging.WARNING):
        read_two_and_close(chain().stream({"q": "hi"}, config=config(handler)))
        settled(handler)
    assert caplog.records == []


def test_a_stream_that_breaks_keeps_the_text_that_came_before(handler):
    broken = model(replies=[BrokenStream("one two", ConnectionError("reset"))])
    with pytest.raises(ConnectionError):
        list(broken.stream("hi", config=config(handler)))

    call = llm(handler)
    assert (call.status, call.error_type, call.output_preview) == ("error", "ConnectionError", "one two")


async def test_a_stream_read_by_one_task_per_item_gives_the_same_tree(handler):
    """Each task copies a stale context (langchain-ai/langsmith-sdk#2431)."""
    steps = chain() | StrOutputParser()
    async for _ in steps.astream({"q": "hi"}, config=config(handler)):
        pass
    stream = steps.astream({"q": "hi"}, config=config(handler))
    try:
        while True:
            await asyncio.create_task(anext(stream))
    except StopAsyncIteration:
        pass

    plain, by_task = await asyncio.to_thread(all_traces, handler)
    assert tree(plain) == tree(by_task)
    assert len(plain.spans) == 4


# --- cancelled, late, abandoned ---------------------------------------------------------------------------


async def test_a_timeout_ends_every_open_span_as_cancelled(handler):
    """`except Exception` misses a cancellation (langchain-ai/langchain#39163)."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(chain(delay_s=5).ainvoke({"q": "hi"}, config=config(handler)), 0.1)

    trace = await asyncio.to_thread(recorded, handler)
    assert trace.status == "cancelled"
    assert {span.status for span in trace.spans if span.kind == "llm"} == {"cancelled"}
    assert trace.totals.errors == 0


def test_a_child_that_starts_after_its_root_has_ended_is_in_its_trace_and_late(handler):
    root, child = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({}, "in", run_id=root, name="root")
    handler.on_chain_end("out", run_id=root)
    handler.on_tool_start({}, "in", run_id=child, parent_run_id=root, name="child")
    handler.on_tool_end("out", run_id=child)

    trace = recorded(handler)
    assert tree(trace) == ("root", [("child", [])])
    assert named(trace, "child").attributes[semconv.LATE] is True


async def test_a_call_that_nobody_awaited_is_stored_in_the_trace_that_started_it(handler):
    """A child may outlive its root (langchain-ai/langchainjs#9077)."""
    left: list[asyncio.Task[Any]] = []

    async def start_and_leave(question: str) -> str:
        left.append(asyncio.create_task(model(delay_s=0.1).ainvoke(question)))
        await asyncio.sleep(0)
        await asyncio.sleep(0.02)
        return "gone"

    await RunnableLambda(start_and_leave).ainvoke("hi", config=config(handler))
    await asyncio.gather(*left)

    (trace,) = await asyncio.to_thread(all_traces, handler)
    (call,) = [span for span in trace.spans if span.kind == "llm"]
    assert call.parent_id == trace.root.span_id
    assert call.attributes[semconv.LATE] is True


def test_a_run_that_goes_silent_is_abandoned_at_its_last_activity(handler):
    """Traces stayed "in progress" for ever (mlflow/mlflow#13352)."""
    handler.runtime.assembler = Assembler(handler.recorder, idle_ns=20_000_000)
    run_id = uuid.uuid4()
    handler.on_llm_start({}, ["hi"], run_id=run_id, name="silent")
    handler.on_llm_new_token("a", run_id=run_id)
    time.sleep(0.05)

    (span,) = recorded(handler).spans
    assert span.status == "abandoned"
    assert span.duration_ms == pytest.approx(span.attributes[semconv.LAST_ACTIVITY_MS], abs=0.01)
    assert span.duration_ms < 40


def test_a_run_that_is_open_at_shutdown_is_abandoned(handler):
    (sink,) = [one for one in handler.runtime._backends if isinstance(one, MemoryBackend)]
    handler.on_chain_start({}, "in", run_id=uuid.uuid4(), name="never ends")
    assert handler.runtime.shutdown()

    assert [span.status for span in sink.spans] == ["abandoned"]


def test_an_end_after_the_run_was_abandoned_does_no_harm(handler):
    handler.runtime.assembler = Assembler(handler.recorder, idle_ns=1_000_000)
    run_id = uuid.uuid4()
    handler.on_chain_start({}, "in", run_id=run_id, name="slow")
    time.sleep(0.02)
    settled(handler)
    handler.on_chain_end("out", run_id=run_id)

    assert len(recorded(handler).spans) == 1


def test_an_abandoned_run_stays_abandoned_when_its_parent_shows_up_afterwards(handler):
    handler.runtime.assembler = Assembler(handler.recorder, idle_ns=1_000_000)
    parent, child = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({}, "in", run_id=child, parent_run_id=parent, name="child")
    time.sleep(0.02)
    settled(handler)
    handler.on_chain_start({}, "in", run_id=parent, name="parent")
    handler.on_chain_end("out", run_id=parent)

    trace = recorded(handler)
    assert tree(trace) == ("parent", [("child", [])])
    assert named(trace, "child").status == "abandoned"
    assert semconv.LAST_ACTIVITY_MS in named(trace, "child").attributes


def test_after_shutdown_a_handler_keeps_nothing_and_counts_what_it_dropped(handler):
    handler.runtime.shutdown(2.0)
    for _ in range(3):
        chain().invoke({"q": "hi"}, config=config(handler))

    assert not handler.recorder.log
    assert not handler.recorder.queue
    assert not handler.recorder.runs
    assert not handler.recorder.seen
    assert handler.runtime.health.counters["spans_dropped"] == 9
    assert not handler.flush(0.1)


# --- run ids used again, events delivered twice ------------------------------------------------------------


async def test_two_concurrent_runs_with_one_run_id_stay_two(handler):
    """A run id given by the user merged them (langfuse/langfuse#3491)."""
    run_id = uuid.uuid4()

    async def slow(text: str) -> str:
        await asyncio.sleep(0.05)
        return text

    step = RunnableLambda(slow)
    await asyncio.gather(
        step.ainvoke("a", config=config(handler, run_id=run_id, tags=["a"])),
        step.ainvoke("b", config=config(handler, run_id=run_id, tags=["b"])),
    )

    traces = await asyncio.to_thread(all_traces, handler)
    spans = [span for trace in traces for span in trace.spans]
    assert len({span.span_id for span in spans}) == 2
    assert [span.attributes.get(semconv.RUN_ID_REUSED) for span in spans].count(True) == 1


def test_a_process_forgets_a_runtime_that_was_shut_down(tmp_path):
    """A service that makes a handler with sinks of its own for each job would grow by all of them."""
    handler = handler_in(tmp_path)
    RunnableLambda(len).invoke("x", config={"callbacks": [handler]})
    assert handler.runtime in runtimes()
    handler.runtime.shutdown()
    assert handler.runtime not in runtimes()


class LockingSink(MemoryBackend):
    """Holds a lock while it writes, as SQLite and RE2 do: a child that inherits it held waits for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.writing = threading.Event()

    def export(self, spans: Any) -> None:
        with self.lock:
            self.writing.set()
            time.sleep(0.2)
            super().export(spans)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_waits_until_the_worker_holds_no_lock_that_the_child_would_inherit():
    sink = LockingSink()
    handler = ObsHandler(store=False, backends=[sink])
    RunnableLambda(len).invoke("x", config={"callbacks": [handler]})
    assert sink.writing.wait(5)
    child = os.fork()
    if child == 0:
        RunnableLambda(len).invoke("y", config={"callbacks": [handler]})
        os._exit(0 if handler.flush(3) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    RunnableLambda(len).invoke("z", config={"callbacks": [handler]})
    assert handler.flush(5)
    handler.runtime.shutdown()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_knows_the_last_trace_before_the_fork(handler):
    RunnableLambda(len).invoke("x", config=config(handler))
    child = os.fork()
    if child == 0:
        last = handler.last_trace_id
        os._exit(0 if last is not None else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_two_runs_with_one_run_id_one_after_the_other_stay_two(handler):
    run_id = uuid.uuid4()
    step = RunnableLambda(str.upper)
    for text in ("a", "b"):
        step.invoke(text, config=config(handler, run_id=run_id))

    assert [trace.root.output_preview for trace in all_traces(handler)] == ["A", "B"]


def test_a_handler_listed_twice_records_each_run_once(handler):
    """Both starts of a run came (langchain-ai/langchain#22478)."""
    chain().invoke({"q": "hi"}, config={"callbacks": [handler, handler]})

    (trace,) = all_traces(handler)
    assert len(trace.spans) == 3


def test_a_handler_on_the_model_and_on_the_call_records_each_run_once(handler):
    chain(callbacks=[handler]).invoke({"q": "hi"}, config=config(handler))

    (trace,) = all_traces(handler)
    assert trace.totals.llm_calls == 1
    assert len(trace.spans) == 3


def test_two_handlers_on_one_store_record_each_run_once_and_warn_once(tmp_path, caplog):
    """All was doubled, the cost too (cognizant-ai-lab/neuro-san-studio#1292)."""
    first, second = ObsHandler(store=tmp_path / "spans.db"), ObsHandler(store=tmp_path / "spans.db")
    with caplog.at_level(logging.WARNING, logger="spanscope"):
        for _ in range(3):
            chain().invoke({"q": "hi"}, config={"callbacks": [first, second]})

    traces = all_traces(first)
    assert [len(trace.spans) for trace in traces] == [3, 3, 3]
    assert [record.getMessage() for record in caplog.records if "twice" in record.getMessage()] == [
        "spanscope gets each event twice: the handler is attached in two places; it counts once"
    ]
    first.runtime.shutdown(2.0)


# --- hidden steps, sub-agents, roots ------------------------------------------------------------------------


def test_the_children_of_a_hidden_step_hang_on_the_nearest_stored_ancestor(handler):
    """Dropped steps broke the chain of parents (DataDog/dd-trace-py#8431)."""
    outer, hidden, inner = (uuid.uuid4() for _ in range(3))
    handler.on_chain_start({}, "a", run_id=outer, name="outer")
    handler.on_chain_start(
        {}, "a", run_id=hidden, parent_run_id=outer, name="hidden", tags=["langsmith:hidden"]
    )
    handler.on_tool_start({}, "a", run_id=inner, parent_run_id=hidden, name="inner")
    handler.on_tool_end("a", run_id=inner)
    handler.on_chain_end("a", run_id=hidden)
    handler.on_chain_end("a", run_id=outer)

    assert tree(recorded(handler)) == ("outer", [("inner", [])])


@tool
def look_up(order: str) -> str:
    """Look an order up."""
    return f"{order} is on its way"


@tool
def refund(order: str) -> str:
    """Give the money back."""
    return f"{order} refunded"


def supervisor() -> Any:
    """A graph with two agents below it, each a graph that calls its own tool."""

    def agent(name: str, its_tool: Any) -> Any:
        def call(state: MessagesState) -> dict[str, Any]:
            return {"messages": [AIMessage(its_tool.invoke({"order": "A1"}))]}

        async def acall(state: MessagesState) -> dict[str, Any]:
            return {"messages": [AIMessage(await its_tool.ainvoke({"order": "A1"}))]}

        step = RunnableLambda(call, afunc=acall)
        graph = StateGraph(MessagesState).add_node("work", step).add_edge(START, "work")
        return graph.add_edge("work", END).compile(name=name)

    graph = StateGraph(MessagesState)
    graph.add_node("orders", agent("orders", look_up)).add_node("money", agent("money", refund))
    return graph.add_edge(START, "orders").add_edge("orders", "money").add_edge("money", END).compile()


def agents_above_tools(trace: Any) -> dict[str, str]:
    return {
        span.name: next(a.name for a in trace.ancestors(span) if a.name in ("orders", "money"))
        for span in trace.spans
        if span.kind == "tool"
    }


def test_the_tools_of_two_agents_stand_under_their_agents(handler):
    """They were missing under a supervisor (Arize-ai/openinference#2469)."""
    supervisor().invoke({"messages": [("user", "where?")]}, config=config(handler))
    assert agents_above_tools(recorded(handler)) == {"look_up": "orders", "refund": "money"}


async def test_the_tools_of_two_agents_stand_under_their_agents_in_async_runs(handler):
    await supervisor().ainvoke({"messages": [("user", "where?")]}, config=config(handler))
    trace = await asyncio.to_thread(recorded, handler)
    assert agents_above_tools(trace) == {"look_up": "orders", "refund": "money"}


def test_the_root_of_a_graph_shows_the_last_question_and_the_last_answer(handler):
    """The root held no question and the whole state as answer (Arize-ai/openinference#3339)."""
    talk = [HumanMessage("first"), AIMessage("well"), HumanMessage("where is A1?")]
    supervisor().invoke({"messages": talk}, config=config(handler))

    root = recorded(handler).root
    assert (root.input_preview, root.output_preview) == ("where is A1?", "A1 refunded")


def test_the_question_is_found_in_messages_given_as_pairs_of_role_and_text(handler):
    supervisor().invoke({"messages": [("user", "where is A1?")]}, config=config(handler))
    assert recorded(handler).root.input_preview == "where is A1?"


def test_a_chain_with_message_history_is_one_trace(handler):
    """It was two (langfuse/langfuse#7587)."""
    past = InMemoryChatMessageHistory()
    prompt = ChatPromptTemplate.from_messages([MessagesPlaceholder("past"), ("human", "{q}")])
    talk = RunnableWithMessageHistory(
        prompt | model(), lambda _: past, input_messages_key="q", history_messages_key="past"
    )
    talk.invoke({"q": "hi"}, config=config(handler, configurable={"session_id": "s"}))

    (trace,) = all_traces(handler)
    assert trace.strays == ()


def test_one_handler_serves_two_event_loops_and_plain_code_in_turn(handler):
    """Objects bound to a loop failed in the next one (langchain-ai/open_deep_research#60)."""
    steps = chain()
    for _ in range(2):
        asyncio.run(steps.ainvoke({"q": "hi"}, config=config(handler)))
    steps.invoke({"q": "hi"}, config=config(handler))

    trees = [tree(trace) for trace in all_traces(handler)]
    assert trees == [trees[0]] * 3

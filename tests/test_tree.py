"""The tree that is stored of real LangChain runs: who ran under whom, and how each run ended."""

import asyncio
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.messages import HumanMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableConfig, RunnableGenerator, RunnableLambda
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers.base import BaseTracer
from langgraph.graph import END, START, MessagesState, StateGraph
from recording import all_traces, handler_in, named, recorded, settled, tree

from spanscope import ObsHandler, open_store, semconv
from spanscope.testing import MemoryBackend, ProviderError, ScriptedChatModel
from spanscope.trace import Trace


@pytest.fixture
def handler(tmp_path: Path) -> ObsHandler:
    return handler_in(tmp_path)


def answering(*replies: Any, **settings: Any) -> ScriptedChatModel:
    return ScriptedChatModel(replies=list(replies) or ["an answer"], **settings)


def asking(model: Any) -> Any:
    return ChatPromptTemplate.from_messages([("human", "{question}")]) | model | StrOutputParser()


def told(handler: Any, **config: Any) -> RunnableConfig:
    return {"callbacks": [handler], **config}


def step(function: Any, name: str) -> Any:
    return RunnableLambda(function).with_config(run_name=name)


ASKED = ("RunnableSequence", [("ChatPromptTemplate", []), ("ScriptedChatModel", []), ("StrOutputParser", [])])


# --- many requests, one handler -----------------------------------------------------------------------


def marked_chain(number: int) -> Any:
    """Every span of this chain says the number: in its name or in its input."""
    inner = step(lambda question: answering().invoke(question).content, f"inner {number}")
    return (step(lambda question: question, f"outer {number}") | inner).with_config(run_name=f"root {number}")


def assert_unmixed(traces: list[Trace], count: int) -> None:
    assert len(traces) == count
    for trace in traces:
        number = trace.name.removeprefix("root ")
        assert tree(trace) == (
            f"root {number}",
            [(f"outer {number}", []), (f"inner {number}", [("ScriptedChatModel", [])])],
        )
        model = named(trace, "ScriptedChatModel")
        assert model.input_preview is not None
        assert f"marker-{number}." in model.input_preview


def test_requests_in_many_threads_do_not_mix(handler: ObsHandler) -> None:
    def request(number: int) -> None:
        marked_chain(number).invoke(f"marker-{number}.", told(handler))

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(request, range(200)))
    assert_unmixed(all_traces(handler), 200)


async def test_requests_in_many_tasks_do_not_mix(handler: ObsHandler) -> None:
    await asyncio.gather(
        *(marked_chain(number).ainvoke(f"marker-{number}.", told(handler)) for number in range(200))
    )
    assert_unmixed(all_traces(handler), 200)


def test_a_run_id_used_for_several_calls_gives_a_span_for_each(handler: ObsHandler) -> None:
    given = uuid.uuid4()
    for word in ("one", "two", "three"):
        step(lambda said: said, word).invoke("x", told(handler, run_id=given))
    assert sorted(trace.name for trace in all_traces(handler)) == ["one", "three", "two"]


async def test_consecutive_calls_of_one_task_do_not_nest(handler: ObsHandler) -> None:
    chain = asking(answering())
    for _ in range(5):
        await chain.ainvoke({"question": "why?"}, told(handler))
    assert [tree(trace) for trace in all_traces(handler)] == [ASKED] * 5


@pytest.mark.parametrize("max_concurrency", [None, 1, 3])
def test_the_items_of_a_batch_are_siblings(handler: ObsHandler, max_concurrency: int | None) -> None:
    questions = [{"question": f"number {i}"} for i in range(6)]
    asking(answering()).batch(questions, told(handler, max_concurrency=max_concurrency))
    assert [tree(trace) for trace in all_traces(handler)] == [ASKED] * 6


def test_each_item_of_a_batch_keeps_its_own_input_and_output(handler: ObsHandler) -> None:
    step(lambda text: text.replace("in", "out"), "echo").batch([f"in {i}" for i in range(6)], told(handler))
    said = {(trace.root.input_preview, trace.root.output_preview) for trace in all_traces(handler)}
    assert said == {(f"in {i}", f"out {i}") for i in range(6)}


def test_generate_gives_a_trace_for_each_prompt(handler: ObsHandler) -> None:
    answering("a", "b").generate([[HumanMessage("one")], [HumanMessage("two")]], callbacks=[handler])
    assert [tree(trace) for trace in all_traces(handler)] == [("ScriptedChatModel", [])] * 2


def test_each_prompt_of_generate_keeps_its_own_input_and_output(handler: ObsHandler) -> None:
    answering("a", "b").generate([[HumanMessage("one")], [HumanMessage("two")]], callbacks=[handler])
    said = {(trace.root.input_preview, trace.root.output_preview) for trace in all_traces(handler)}
    assert said == {("one", "a"), ("two", "b")}


# --- where the handler is attached --------------------------------------------------------------------


def test_events_of_unknown_runs_are_counted_and_nothing_is_raised(handler: ObsHandler) -> None:
    stranger = uuid.uuid4()
    handler.on_chain_end({}, run_id=stranger)
    handler.on_chain_error(ValueError("x"), run_id=stranger)
    handler.on_llm_new_token("x", run_id=stranger)
    handler.on_llm_end(None, run_id=stranger)
    handler.on_tool_end("x", run_id=stranger)
    handler.on_retry(None, run_id=stranger)
    assert handler.flush()
    assert handler.runtime.health.counters["unmatched_events"] == 6


def test_events_of_unknown_runs_are_no_errors_in_the_log(
    handler: ObsHandler, caplog: pytest.LogCaptureFixture
) -> None:
    handler.on_chain_end({}, run_id=uuid.uuid4())
    handler.on_llm_new_token("x", run_id=uuid.uuid4())
    settled(handler)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_run_whose_parent_was_never_seen_keeps_the_parents_id(handler: ObsHandler) -> None:
    run, parent = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({}, {}, run_id=run, parent_run_id=parent, name="served")
    handler.on_chain_end({}, run_id=run)
    root = recorded(handler).root
    assert root.parent_id == parent.hex[16:]
    assert root.attributes[semconv.PARENT_MISSING] is True


def test_a_parent_that_appears_after_its_child_gets_it_back(handler: ObsHandler) -> None:
    child, parent = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start({}, {}, run_id=child, parent_run_id=parent, name="child")
    handler.on_chain_end({}, run_id=child)
    settled(handler)
    handler.on_chain_start({}, {}, run_id=parent, name="parent")
    handler.on_chain_end({}, run_id=parent)
    (trace,) = all_traces(handler)
    assert tree(trace) == ("parent", [("child", [])])
    assert semconv.PARENT_MISSING not in named(trace, "child").attributes


def test_a_handler_in_a_models_constructor_sees_the_model(handler: ObsHandler) -> None:
    asking(answering(callbacks=[handler])).invoke({"question": "why?"})
    (trace,) = all_traces(handler)
    assert {span.name for span in trace.spans} == {"ScriptedChatModel"}
    assert trace.status == "ok"


def test_a_handler_in_constructor_and_call_gives_the_tree_of_the_call(handler: ObsHandler) -> None:
    asking(answering(callbacks=[handler])).invoke({"question": "why?"}, told(handler))
    assert [tree(trace) for trace in all_traces(handler)] == [ASKED]


def test_a_handler_given_by_with_config_gives_the_tree_of_the_call(handler: ObsHandler) -> None:
    asking(answering()).with_config(callbacks=[handler]).invoke({"question": "why?"})
    assert [tree(trace) for trace in all_traces(handler)] == [ASKED]


def test_a_handler_listed_twice_gives_each_run_once(handler: ObsHandler) -> None:
    asking(answering()).invoke({"question": "why?"}, {"callbacks": [handler, handler]})
    (trace,) = all_traces(handler)
    assert tree(trace) == ASKED


def test_two_handlers_of_the_same_settings_give_each_run_once(tmp_path: Path) -> None:
    sink = MemoryBackend()
    pair = [ObsHandler(store=tmp_path / "spans.db", backends=[sink]) for _ in range(2)]
    asking(answering()).invoke({"question": "why?"}, {"callbacks": pair})
    assert [tree(trace) for trace in all_traces(pair[0])] == [ASKED]
    assert len(sink) == 4


def test_passing_the_handler_again_inside_a_step_keeps_one_trace(handler: ObsHandler) -> None:
    model = answering()

    def inside(question: str) -> Any:
        return model.invoke(question, {"callbacks": [handler]}).content

    chain = step(inside, "step") | step(lambda text: text, "after")
    chain.invoke("why?", told(handler))
    (trace,) = all_traces(handler)
    assert tree(trace) == ("RunnableSequence", [("step", [("ScriptedChatModel", [])]), ("after", [])])


def test_a_parent_that_only_the_surroundings_tell_is_marked_so(handler: ObsHandler) -> None:
    model = answering()
    step(lambda q: model.invoke(q, {"callbacks": [handler]}).content, "step").invoke("why?", told(handler))
    trace = recorded(handler)
    assert named(trace, "ScriptedChatModel").parent_source == "ambient"


def test_an_inner_with_config_of_the_same_handler_keeps_one_trace(handler: ObsHandler) -> None:
    model = answering().with_config(callbacks=[handler])
    step(lambda question: model.invoke(question).content, "step").invoke("why?", told(handler))
    assert [tree(trace) for trace in all_traces(handler)] == [("step", [("ScriptedChatModel", [])])]


async def test_concurrent_steps_that_pass_the_handler_again_do_not_mix(handler: ObsHandler) -> None:
    model = answering(delay_s=0.005)

    async def inside(question: str) -> Any:
        return (await model.ainvoke(question, {"callbacks": [handler]})).content

    jobs = [step(inside, f"step {i}").ainvoke(f"marker-{i}.", told(handler)) for i in range(2)]
    await asyncio.gather(*jobs)
    traces = {trace.name: trace for trace in all_traces(handler)}
    for i in range(2):
        assert tree(traces[f"step {i}"]) == (f"step {i}", [("ScriptedChatModel", [])])
        assert f"marker-{i}." in (named(traces[f"step {i}"], "ScriptedChatModel").input_preview or "")


# --- fallbacks ----------------------------------------------------------------------------------------


def failing_over() -> Any:
    busy = answering(ProviderError("busy", status_code=429), name="first")
    return busy.with_fallbacks([answering("from the second", name="second")])


FELL_BACK = ("RunnableWithFallbacks", [("first", []), ("second", [])])


def test_attempts_hang_below_the_fallback_that_made_them(handler: ObsHandler) -> None:
    failing_over().invoke("why?", told(handler))
    assert [tree(trace) for trace in all_traces(handler)] == [FELL_BACK]


async def test_attempts_hang_below_the_fallback_when_awaited(handler: ObsHandler) -> None:
    await failing_over().ainvoke("why?", told(handler))
    assert [tree(trace) for trace in all_traces(handler)] == [FELL_BACK]


def test_attempts_hang_below_the_fallback_when_streamed(handler: ObsHandler) -> None:
    list(failing_over().stream("why?", told(handler)))
    assert [tree(trace) for trace in all_traces(handler)] == [FELL_BACK]


async def test_attempts_hang_below_the_fallback_when_streamed_and_awaited(handler: ObsHandler) -> None:
    async for _ in failing_over().astream("why?", told(handler)):
        pass
    assert [tree(trace) for trace in all_traces(handler)] == [FELL_BACK]


def test_attempts_hang_below_their_own_item_of_a_batch(handler: ObsHandler) -> None:
    busy = answering(ProviderError("busy", status_code=429), name="first")
    busy.with_fallbacks([answering(name="second")]).batch(["one", "two"], told(handler))
    assert [tree(trace) for trace in all_traces(handler)] == [FELL_BACK] * 2


def test_attempts_hang_below_the_fallback_inside_a_sequence(handler: ObsHandler) -> None:
    (step(lambda text: text, "before") | failing_over()).invoke("why?", told(handler))
    assert [tree(trace) for trace in all_traces(handler)] == [
        ("RunnableSequence", [("before", []), FELL_BACK])
    ]


def test_the_attempt_that_failed_is_red_and_the_fallback_is_not(handler: ObsHandler) -> None:
    failing_over().invoke("why?", told(handler))
    trace = recorded(handler)
    assert (named(trace, "first").status, named(trace, "second").status, trace.status) == (
        "error",
        "ok",
        "ok",
    )


# --- async, contexts, order ---------------------------------------------------------------------------


def graph_of_two() -> Any:
    model = answering()

    async def think(state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    async def act(state: MessagesState) -> Any:
        return {"messages": [await step(lambda text: text, "tool").ainvoke("did it")]}

    graph = StateGraph(MessagesState)
    graph.add_node("think", think)
    graph.add_node("act", act)
    graph.add_edge(START, "think")
    graph.add_edge("think", "act")
    graph.add_edge("act", END)
    return graph.compile(name="assistant")


async def test_an_async_graph_is_one_trace(handler: ObsHandler) -> None:
    await graph_of_two().ainvoke({"messages": ["hello"]}, told(handler))
    assert [tree(trace) for trace in all_traces(handler)] == [
        ("assistant", [("think", [("ScriptedChatModel", [])]), ("act", [("tool", [])])])
    ]


async def test_a_hundred_async_graph_runs_warn_of_nothing(
    handler: ObsHandler, caplog: pytest.LogCaptureFixture
) -> None:
    graph = graph_of_two()
    await asyncio.gather(*(graph.ainvoke({"messages": ["hello"]}, told(handler)) for _ in range(100)))
    assert len(all_traces(handler)) == 100
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_no_hook_leaves_anything_in_the_callers_context(handler: ObsHandler) -> None:
    import contextvars

    def values() -> dict[Any, Any]:
        return dict(contextvars.copy_context())

    before = values()
    run = uuid.uuid4()
    handler.on_chain_start({}, {}, run_id=run)
    handler.on_chat_model_start({}, [[]], run_id=(inner := uuid.uuid4()), parent_run_id=run)
    handler.on_llm_end(None, run_id=inner)
    handler.on_chain_end({}, run_id=run)
    assert values() == before


async def test_the_tree_is_the_same_when_each_hook_runs_in_a_context_of_its_own(handler: ObsHandler) -> None:
    import contextvars

    class Shielding(BaseCallbackHandler):
        """Calls on in an empty context, as a callback that was moved to a task of its own."""

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            contextvars.Context().run(lambda: handler.on_chain_start(*args, **kwargs))

        def on_chain_end(self, *args: Any, **kwargs: Any) -> None:
            contextvars.Context().run(lambda: handler.on_chain_end(*args, **kwargs))

        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            contextvars.Context().run(lambda: handler.on_chat_model_start(*args, **kwargs))

        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            contextvars.Context().run(lambda: handler.on_llm_end(*args, **kwargs))

    await asking(answering()).ainvoke({"question": "why?"}, told(Shielding()))
    assert [tree(trace) for trace in all_traces(handler)] == [ASKED]


async def test_hooks_of_async_runs_may_come_from_other_threads(tmp_path: Path) -> None:
    import threading

    threads: set[str] = set()

    class Elsewhere(ObsHandler):
        run_inline = False

        def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
            threads.add(threading.current_thread().name)
            super().on_chain_start(*args, **kwargs)

    handler = Elsewhere(store=tmp_path / "spans.db", backends=[MemoryBackend()])
    await asyncio.gather(*(asking(answering()).ainvoke({"question": "q"}, told(handler)) for _ in range(10)))
    assert threads - {"MainThread"}
    assert [tree(trace) for trace in all_traces(handler)] == [ASKED] * 10


@pytest.mark.parametrize("method", ["start", "end", "open_run", "event"])
def test_a_fault_of_the_recorder_leaves_the_result_of_a_chain_alone(
    handler: ObsHandler, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(handler.recorder, method, broken)
    assert asking(answering("fine")).invoke({"question": "why?"}, told(handler)) == "fine"


def test_a_sink_that_raises_leaves_the_result_of_a_chain_alone(tmp_path: Path) -> None:
    class Broken(MemoryBackend):
        def export(self, spans: Any) -> None:
            raise ConnectionError("down")

    handler = ObsHandler(store=tmp_path / "spans.db", backends=[Broken()])
    assert asking(answering("fine")).invoke({"question": "why?"}, told(handler)) == "fine"
    assert handler.flush(10) is False
    with open_store(tmp_path / "spans.db") as store:
        assert handler.last_trace_id is not None
        assert tree(store.trace(handler.last_trace_id)) == ASKED


def test_langchain_still_keeps_the_parent_in_its_own_variable(handler: ObsHandler) -> None:
    # The recovery of parents reads this; when it changes, we want to hear of it here first.
    seen: list[Any] = []

    def inside(question: str) -> str:
        config = var_child_runnable_config.get()
        assert config is not None
        manager = config["callbacks"]
        assert isinstance(manager, CallbackManager)
        seen.append(manager.parent_run_id)
        return question

    given = uuid.uuid4()
    step(inside, "step").invoke("why?", told(handler, run_id=given))
    assert seen == [given]


def test_the_handler_does_not_inherit_the_tracer_that_never_forgets() -> None:
    assert not issubclass(ObsHandler, BaseTracer)


# --- ends that are no errors --------------------------------------------------------------------------


async def everything_ended(handler: ObsHandler) -> None:
    """LangChain reports the end of a closed async stream some turns of the loop later."""
    for _ in range(500):
        await asyncio.sleep(0.01)
        if all(run.end_ns is not None for run in list(handler.recorder.runs.values())):
            return
    raise AssertionError("some run was never ended")


def slow_words() -> ScriptedChatModel:
    return answering("one two three four five six", chunk_delay_s=0.001)


def test_a_stream_closed_early_is_no_error(handler: ObsHandler) -> None:
    stream = (step(lambda text: text, "before") | slow_words()).stream("why?", told(handler))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    trace = recorded(handler)
    assert named(trace, "ScriptedChatModel").status == "closed_early"
    assert trace.totals.errors == 0


def test_a_model_that_ends_after_its_sequence_stays_in_the_tree(handler: ObsHandler) -> None:
    stream = (step(lambda text: text, "before") | slow_words()).stream("why?", told(handler))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert tree(recorded(handler)) == ("RunnableSequence", [("before", []), ("ScriptedChatModel", [])])


def test_a_stream_closed_early_keeps_what_had_arrived(handler: ObsHandler) -> None:
    stream = (step(lambda text: text, "before") | slow_words()).stream("why?", told(handler))
    for piece in stream:
        if "two" in piece.content:
            break
    stream.close()  # type: ignore[attr-defined]
    assert "one two" in (named(recorded(handler), "ScriptedChatModel").output_preview or "")


async def test_an_async_stream_closed_early_is_no_error(handler: ObsHandler) -> None:
    stream = asking(slow_words()).astream({"question": "why?"}, told(handler))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    await everything_ended(handler)
    trace = recorded(handler)
    assert trace.status == "closed_early"
    assert {span.status for span in trace.spans} <= {"ok", "closed_early"}


async def test_a_flush_right_after_closing_an_async_stream_is_tolerated(handler: ObsHandler) -> None:
    stream = asking(slow_words()).astream({"question": "why?"}, told(handler))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    settled(handler)
    await everything_ended(handler)
    (trace,) = all_traces(handler)
    assert "open" not in {span.status for span in trace.spans}


async def test_a_cancelled_task_is_cancelled_and_not_red(handler: ObsHandler) -> None:
    chain = step(lambda text: text, "before") | answering(delay_s=30)
    task = asyncio.create_task(chain.ainvoke("why?", told(handler)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (trace,) = all_traces(handler)
    assert trace.status == "cancelled"
    assert trace.totals.errors == 0


async def test_the_model_call_below_a_cancelled_task_is_closed_as_well(handler: ObsHandler) -> None:
    chain = step(lambda text: text, "before") | answering(delay_s=30)
    task = asyncio.create_task(chain.ainvoke("why?", told(handler)))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (trace,) = all_traces(handler)
    model = named(trace, "ScriptedChatModel")
    assert model.status == "cancelled"
    assert model.end_ns is not None


async def test_a_model_call_written_as_open_is_closed_once_its_task_is_cancelled(handler: ObsHandler) -> None:
    chain = step(lambda text: text, "before") | answering(delay_s=30)
    task = asyncio.create_task(chain.ainvoke("why?", told(handler)))
    await asyncio.sleep(0.05)
    settled(handler)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (trace,) = all_traces(handler)
    assert {span.name: span.status for span in trace.spans} == {
        "RunnableSequence": "cancelled",
        "before": "ok",
        "ScriptedChatModel": "cancelled",
    }


def test_an_error_is_red_on_every_level_that_it_passed(handler: ObsHandler) -> None:
    def fail(text: str) -> str:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        (step(lambda text: text, "before") | step(fail, "fails")).invoke("why?", told(handler))
    trace = recorded(handler)
    assert {span.name: span.status for span in trace.spans} == {
        "RunnableSequence": "error",
        "before": "ok",
        "fails": "error",
    }


def test_a_generator_in_a_chain_is_one_span(handler: ObsHandler) -> None:
    def shout(pieces: Any) -> Any:
        for piece in pieces:
            yield piece.upper()

    chain = asking(answering("quiet words")) | RunnableGenerator(shout)
    assert "".join(chain.stream({"question": "why?"}, told(handler))) == "QUIET WORDS"
    (trace,) = all_traces(handler)
    assert len([span for span in trace.spans if span.name == "shout"]) == 1

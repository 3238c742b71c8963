"""Workflows and agents of LlamaIndex, and calls between LlamaIndex and LangChain: what really called what."""

import asyncio
import inspect
import uuid
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from llama import Scripted, call, index, mock, recording
from llama_index.core.agent.workflow import AgentWorkflow, FunctionAgent, ReActAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, Event, StartEvent, StopEvent, Workflow, step
from recording import all_traces, recorded, tree

from spanscope import ObsHandler as LangChainHandler
from spanscope import current_span, observe, span
from spanscope.handlers import llama_index as attaching
from spanscope.semconv import AGENT_NAME, TOOL_CALL_ID
from spanscope.testing import ScriptedChatModel


@pytest.fixture
def handler(tmp_path):
    with recording(tmp_path, content="redacted") as attached:
        yield attached


class Middle(Event):
    question: str


class TwoSteps(Workflow):
    """Passes its question on, and asks a model."""

    @step
    async def begin(self, ctx: Context, event: StartEvent) -> Middle:
        return Middle(question=event.question)

    @step
    async def finish(self, event: Middle) -> StopEvent:
        said = await mock().acomplete(event.question)
        return StopEvent(result={"answer": said.text})


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def of_kind(trace: Any, kind: str) -> list[Any]:
    return [one for one in trace.spans if one.kind == kind]


# --- workflows ---------------------------------------------------------------------------------------------


async def test_a_workflow_ends_with_its_result_and_has_all_its_steps(handler):
    result = await TwoSteps().run(question="how long?")

    trace = recorded(handler)
    assert result == {"answer": "text text text"}
    assert (trace.root.kind, trace.root.name, trace.root.status) == ("graph", "TwoSteps.run", "ok")
    assert trace.root.output_preview == '{"answer": "text text text"}'
    assert "how long?" in trace.root.input_preview
    assert [child.name for child in trace.children(trace.root)] == ["TwoSteps.begin", "TwoSteps.finish"]
    assert len(of_kind(trace, "llm")) == 1


async def test_the_text_of_events_does_not_become_a_label(handler, tmp_path):
    """Workflows pass a summary of each event on as a tag of the instrumentation."""
    await TwoSteps().run(question="my name is Ada Lovelace")
    for one in recorded(handler).spans:
        assert "Lovelace" not in repr(one.attributes)
        assert "Lovelace" not in repr(one.tags)


async def test_a_step_that_fails_makes_its_run_fail(handler):
    class Broken(Workflow):
        @step
        async def only(self, event: StartEvent) -> StopEvent:
            raise LookupError("no such order")

    with pytest.raises(LookupError):
        await Broken().run()
    trace = recorded(handler)
    assert [(one.status, one.error_type) for one in trace.spans] == [("error", "LookupError")] * 2
    assert all(run.end_ns is not None for run in handler.recorder.runs.values())


async def test_a_workflow_that_is_cancelled_is_no_error(handler):
    class Slow(Workflow):
        @step
        async def only(self, event: StartEvent) -> StopEvent:
            await asyncio.sleep(30)
            return StopEvent()

    running = Slow(timeout=None).run()
    await asyncio.sleep(0.05)
    await running.cancel_run()
    with pytest.raises(BaseException):  # noqa: B017  its class differs between versions
        await running
    await asyncio.sleep(0.05)
    trace = recorded(handler)
    assert {one.status for one in trace.spans} == {"cancelled"}


async def test_twenty_workflows_at_once_are_twenty_trees(handler):
    await asyncio.gather(*[TwoSteps().run(question=f"q{number}") for number in range(20)])
    traces = all_traces(handler)
    assert len(traces) == 20
    for trace in traces:
        (asked,) = of_kind(trace, "llm")
        assert asked.input_preview in trace.root.input_preview
        assert len(trace.spans) == 4


async def test_a_workflow_inside_a_call_hangs_below_it(handler):
    dispatcher = get_dispatcher(__name__)

    @dispatcher.span
    async def outer() -> None:
        await TwoSteps().run(question="x")

    await outer()
    (trace,) = all_traces(handler)
    assert [child.name for child in trace.children(trace.root)] == ["TwoSteps.run"]


async def test_what_old_workflows_return_at_once_ends_the_run_when_it_is_done(handler):
    """They left the span with a future, while the steps were still to come."""
    dispatcher = get_dispatcher(__name__)
    workflow = TwoSteps()
    no_arguments = inspect.signature(lambda: None).bind()
    run_id, step_id = f"TwoSteps.run-{uuid.uuid4()}", f"TwoSteps.begin-{uuid.uuid4()}"
    future = asyncio.get_running_loop().create_future()

    dispatcher.span_enter(id_=run_id, bound_args=no_arguments, instance=workflow)
    dispatcher.span_exit(id_=run_id, bound_args=no_arguments, instance=workflow, result=future)
    assert recorded(handler).root.status == "open"
    dispatcher.span_enter(id_=step_id, bound_args=no_arguments, instance=None, parent_id=run_id)
    dispatcher.span_exit(id_=step_id, bound_args=no_arguments, instance=None, result=None)
    future.set_result(StopEvent(result="done"))
    await asyncio.sleep(0)

    trace = recorded(handler)
    assert (trace.root.status, trace.root.output_preview) == ("ok", "done")
    assert [child.name for child in trace.children(trace.root)] == ["TwoSteps.begin"]
    assert trace.root.end_ns >= trace.children(trace.root)[0].end_ns


async def test_a_future_that_fails_is_an_error_and_its_exception_stays_unseen(handler):
    """Asking a future for its exception would silence asyncio's warning that nobody did."""
    dispatcher = get_dispatcher(__name__)
    no_arguments = inspect.signature(lambda: None).bind()
    run_id = f"TwoSteps.run-{uuid.uuid4()}"
    future = asyncio.get_running_loop().create_future()
    dispatcher.span_enter(id_=run_id, bound_args=no_arguments, instance=TwoSteps())
    dispatcher.span_exit(id_=run_id, bound_args=no_arguments, instance=TwoSteps(), result=future)
    future.set_exception(LookupError("no such order"))
    await asyncio.sleep(0)

    assert recorded(handler).root.error_type == "LookupError"
    assert future._log_traceback is True
    future.exception()


# --- agents ------------------------------------------------------------------------------------------------


async def test_a_function_agent_has_one_tool_span_for_each_call(handler):
    model = Scripted(replies=[call("add", "call-7", a=1, b=2), "It is three."])
    agent = FunctionAgent(name="adder", tools=[FunctionTool.from_defaults(add)], llm=model)
    answer = await agent.run("What is 1+2?")

    trace = recorded(handler)
    assert (trace.root.kind, trace.root.status) == ("agent", "ok")
    assert (trace.root.input_preview, trace.root.output_preview) == ("What is 1+2?", str(answer))
    (used,) = of_kind(trace, "tool")
    assert (used.name, used.input_preview, used.output_preview) == ("add", '{"a": 1, "b": 2}', "3")
    assert used.attributes[TOOL_CALL_ID] == "call-7"
    calls = of_kind(trace, "llm")
    assert [one.finish_reason for one in calls] == ["tool_calls", "stop"]
    assert trace.totals.total_tokens == 68
    assert {one.attributes["llm.tools_offered"][0] for one in calls} == {"add"}


async def test_a_react_agent_is_recorded_too(handler):
    model = Scripted(
        replies=[
            'Thought: I need a tool.\nAction: add\nAction Input: {"a": 1, "b": 2}',
            "Thought: I can answer.\nAnswer: It is three.",
        ]
    )
    await ReActAgent(tools=[FunctionTool.from_defaults(add)], llm=model).run("What is 1+2?")
    trace = recorded(handler)
    assert (trace.root.name, trace.root.kind) == ("ReActAgent.run", "agent")
    assert [one.name for one in of_kind(trace, "tool")] == ["add"]
    assert len(of_kind(trace, "llm")) == 2


async def test_an_agent_that_gets_the_word_has_its_input_from_the_memory(handler):
    first = FunctionAgent(
        name="front",
        description="greets",
        llm=Scripted(replies=[handoff("expert")]),
        can_handoff_to=["expert"],
    )
    second = FunctionAgent(name="expert", description="knows", llm=Scripted(replies=["Two years."]))
    memory = ChatMemoryBuffer.from_defaults(
        chat_history=[ChatMessage(role=MessageRole.USER, content="earlier words")], llm=mock()
    )
    workflow = AgentWorkflow(agents=[first, second], root_agent="front")
    await workflow.run("How long is the warranty?", memory=memory)

    trace = recorded(handler)
    assert trace.root.kind == "graph"
    turns = {one.name: one for one in of_kind(trace, "agent")}
    assert list(turns) == ["front", "expert"]
    assert "earlier words" in [said.text for said in turns["expert"].inputs]
    assert turns["expert"].output_preview == trace.root.output_preview == "Two years."
    assert turns["expert"].attributes[AGENT_NAME] == "expert"
    assert [one.name for one in of_kind(trace, "tool")] == ["handoff"]


def handoff(to: str) -> Any:
    return call("handoff", to_agent=to, reason="it knows")


async def test_a_tool_of_an_agent_that_raises_is_an_error_and_the_agent_goes_on(handler):
    def broken(order: str) -> str:
        """Look up."""
        raise LookupError("no such order")

    model = Scripted(replies=[call("broken", order="7"), "I cannot find it."])
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(broken)], llm=model)
    assert str(await agent.run("Where is it?")) == "I cannot find it."
    trace = recorded(handler)
    (used,) = of_kind(trace, "tool")
    assert (used.status, used.error_type, trace.root.status) == ("error", "LookupError", "ok")


async def test_two_tool_calls_of_one_turn_are_two_spans(handler):
    both = call("add", "c1", a=1, b=2) + call("add", "c2", a=3, b=4)
    agent = FunctionAgent(tools=[FunctionTool.from_defaults(add)], llm=Scripted(replies=[both, "3 and 7."]))
    await agent.run("1+2 and 3+4?")
    used = of_kind(recorded(handler), "tool")
    assert sorted((one.attributes[TOOL_CALL_ID], one.output_preview) for one in used) == [
        ("c1", "3"),
        ("c2", "7"),
    ]


# --- with LangChain ----------------------------------------------------------------------------------------


@pytest.fixture
def chains(handler):
    """LangChain's handler on the same store."""
    return LangChainHandler(
        store=handler.settings.store, backends=handler.settings.backends, content="redacted"
    )


def test_an_engine_inside_a_langchain_tool_inside_a_chain_is_one_tree(handler, chains):
    engine = index().as_query_engine(llm=mock())

    @observe
    def look_up(question: str) -> str:
        return str(engine.query(question))

    @tool
    def faq(question: str) -> str:
        """Answer from the pages."""
        return look_up(question)

    RunnableLambda(lambda text: faq.invoke({"question": text})).with_config(run_name="shop").invoke(
        "how long?", {"callbacks": [chains]}
    )
    trace = recorded(chains)
    name, [(used, [(observed, [(query, _)])])] = tree(trace)
    assert (name, used, query) == ("shop", "faq", "RetrieverQueryEngine.query")
    assert observed.endswith("look_up")
    assert {one.framework for one in trace.spans} == {"langchain", "llama_index", "spanscope"}


def test_a_chain_inside_a_llama_index_tool_is_one_tree(handler, chains):
    seen = []

    def ask(question: str) -> str:
        """Ask a chain."""
        seen.append(current_span().span_id)
        model = ScriptedChatModel(replies=["Two years."])
        return str(model.invoke(question, {"callbacks": [chains]}).content)

    FunctionTool.from_defaults(ask)(question="how long?")
    trace = recorded(handler)
    assert [one.kind for one in trace.spans] == ["tool", "llm"]
    assert trace.spans[1].parent_id == trace.root.span_id == seen[0]
    assert trace.spans[1].parent_source == "ambient"


async def test_frameworks_nest_in_each_other_across_many_requests(handler, chains):
    """Chain, workflow, chain, engine: each below what called it, for each of fifty at once."""
    engine = index().as_query_engine(llm=mock())

    class Between(Workflow):
        @step
        async def only(self, event: StartEvent) -> StopEvent:
            async def inner(text: str) -> str:
                return str(await engine.aquery(text))

            said = (
                await RunnableLambda(inner)
                .with_config(run_name="inner")
                .ainvoke(event.question, {"callbacks": [chains]})
            )
            return StopEvent(result=said)

    async def outer(text: str) -> str:
        with span("mine"):
            return str(await Between().run(question=text))

    chain = RunnableLambda(outer).with_config(run_name="outer")
    await asyncio.gather(*[chain.ainvoke(f"q{n}", {"callbacks": [chains]}) for n in range(50)])

    traces = [one for one in all_traces(handler) if one.root.name == "outer"]
    assert len(traces) == 50
    for trace in traces:
        path, level = [], tree(trace)
        while len(level[1]) == 1:
            path.append(level[0])
            level = level[1][0]
        assert path == ["outer", "mine", "Between.run", "Between.only", "inner"]
        assert level[0] == "RetrieverQueryEngine.aquery"
        (question,) = {one.input_preview for one in trace.spans if one.kind == "retriever"}
        assert question == trace.root.input_preview


def test_a_call_after_another_is_no_part_of_it(handler, chains):
    mock().complete("a")
    RunnableLambda(str.upper).invoke("b", {"callbacks": [chains]})
    mock().complete("c")
    assert [len(one.spans) for one in all_traces(handler)] == [1, 1, 1]


def test_a_forked_process_can_attach_though_another_thread_was_at_it(handler):
    before = attaching._changing
    with before:
        attaching._after_fork_in_child()
        assert attaching._changing is not before
        assert attaching._changing.acquire(blocking=False)
        attaching._changing.release()

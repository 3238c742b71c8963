"""LangGraph: pauses, resumptions and hand-offs are not errors, and no part of a graph goes missing."""

import inspect
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langgraph.callbacks import GraphCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphBubbleUp, ParentCommand
from langgraph.errors import GraphInterrupt as RealInterrupt
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from recording import all_traces, handler_in, named, recorded, settled, tree

from spanscope import ObsHandler, debug_trace, semconv
from spanscope.testing import ScriptedChatModel


class State(TypedDict, total=False):
    text: str


@pytest.fixture
def handler(tmp_path: Path) -> ObsHandler:
    return handler_in(tmp_path)


def graph_of(**nodes: Any) -> Any:
    """Nodes one after the other."""
    graph = StateGraph(State)
    above = START
    for name, node in nodes.items():
        graph.add_node(name, node)
        graph.add_edge(above, name)
        above = name
    graph.add_edge(above, END)
    return graph


def approve(state: State) -> State:
    return {"text": interrupt({"please": "approve it"})}


def thread(handler: ObsHandler, name: str = "thread-1") -> Any:
    return {"callbacks": [handler], "configurable": {"thread_id": name}}


def paused(handler: ObsHandler) -> Any:
    """A graph that has stopped at its interrupt."""
    graph = graph_of(approve=approve).compile(name="approval", checkpointer=InMemorySaver())
    graph.invoke({"text": "x"}, thread(handler))
    return graph


# --- pauses -------------------------------------------------------------------------------------------


def test_a_node_that_interrupts_is_interrupted(handler: ObsHandler) -> None:
    paused(handler)
    assert named(recorded(handler), "approve").status == "interrupted"


def test_a_graph_that_pauses_is_interrupted(handler: ObsHandler) -> None:
    paused(handler)
    assert recorded(handler).status == "interrupted"


def test_a_pause_is_no_error(handler: ObsHandler) -> None:
    paused(handler)
    trace = recorded(handler)
    assert trace.totals.errors == 0
    assert [span.error_type for span in trace.spans if span.error_type] == []


def test_the_value_of_an_interrupt_is_the_output_of_its_node(handler: ObsHandler) -> None:
    paused(handler)
    assert "approve it" in (named(recorded(handler), "approve").output_preview or "")


async def test_a_pause_of_an_awaited_graph_is_no_error(handler: ObsHandler) -> None:
    graph = graph_of(approve=approve).compile(name="approval", checkpointer=InMemorySaver())
    await graph.ainvoke({"text": "x"}, thread(handler))
    assert {span.status for span in recorded(handler).spans} == {"interrupted"}


def test_a_class_of_the_users_own_with_the_same_name_is_an_error(handler: ObsHandler) -> None:
    class GraphInterrupt(Exception):
        """Not LangGraph's."""

    def fail(state: State) -> State:
        raise GraphInterrupt("mine")

    with pytest.raises(GraphInterrupt):
        graph_of(fail=fail).compile(name="g").invoke({"text": "x"}, {"callbacks": [handler]})
    trace = recorded(handler)
    assert (trace.status, named(trace, "fail").status) == ("error", "error")
    assert named(trace, "fail").error_type is not None


# --- resumptions --------------------------------------------------------------------------------------


def test_a_resumed_graph_names_the_trace_that_it_goes_on_from(handler: ObsHandler) -> None:
    graph = paused(handler)
    graph.invoke(Command(resume="yes"), thread(handler))
    first, second = all_traces(handler)
    assert second.resumed_from == first.trace_id
    assert first.resumed_by == second.trace_id


def test_a_resumed_graph_ends_well(handler: ObsHandler) -> None:
    graph = paused(handler)
    graph.invoke(Command(resume="yes"), thread(handler))
    assert {span.status for span in all_traces(handler)[1].spans} == {"ok"}


def test_the_resumed_node_has_the_checkpoint_namespace_of_the_paused_one(handler: ObsHandler) -> None:
    graph = paused(handler)
    graph.invoke(Command(resume="yes"), thread(handler))
    first, second = (named(trace, "approve").attributes for trace in all_traces(handler))
    assert first[semconv.CHECKPOINT_NS] == second[semconv.CHECKPOINT_NS]


def test_a_new_run_of_another_thread_resumes_nothing(handler: ObsHandler) -> None:
    graph = paused(handler)
    graph.invoke({"text": "y"}, thread(handler, "thread-2"))
    assert [trace.resumed_from for trace in all_traces(handler)] == [None, None]


@pytest.mark.parametrize("which", [0, 1])
def test_the_report_of_either_half_knows_of_the_other(handler: ObsHandler, which: int) -> None:
    graph = paused(handler)
    graph.invoke(Command(resume="yes"), thread(handler))
    traces = all_traces(handler)
    report = debug_trace(traces[which].trace_id, store=handler.settings.store)
    assert traces[1 - which].trace_id[:8] in str(report)


# --- hand-offs ----------------------------------------------------------------------------------------


def hand_over(state: State) -> Any:
    return Command(graph=Command.PARENT, goto="billing", update={"text": "over"})


def handing_over() -> Any:
    inner = graph_of(hand_over=hand_over).compile(name="reception")
    graph = StateGraph(State)
    graph.add_node("desk", inner, destinations=("billing",))
    graph.add_node("billing", lambda state: {"text": "paid"})
    graph.add_edge(START, "desk")
    graph.add_edge("billing", END)
    return graph.compile(name="office")


def test_a_hand_off_is_no_error(handler: ObsHandler) -> None:
    assert handing_over().invoke({"text": "x"}, {"callbacks": [handler]}) == {"text": "paid"}
    trace = recorded(handler)
    assert trace.totals.errors == 0
    assert trace.status == "ok"


def test_a_hand_off_names_the_node_that_it_goes_to(handler: ObsHandler) -> None:
    handing_over().invoke({"text": "x"}, {"callbacks": [handler]})
    node = named(recorded(handler), "hand_over")
    assert (node.status, node.attributes[semconv.HANDOFF_TARGET]) == ("handoff", "billing")


def test_a_hand_off_that_nobody_takes_is_an_error(handler: ObsHandler) -> None:
    with pytest.raises(ParentCommand):
        graph_of(hand_over=hand_over).compile(name="alone").invoke({"text": "x"}, {"callbacks": [handler]})
    assert recorded(handler).status == "error"


def test_langgraph_still_steers_by_exceptions_of_one_family() -> None:
    # The statuses above rest on it; when it changes, we want to hear of it here first.
    assert issubclass(RealInterrupt, GraphBubbleUp)
    assert issubclass(ParentCommand, GraphBubbleUp)


# --- subgraphs and inner calls ------------------------------------------------------------------------


def test_a_compiled_subgraph_is_a_span_with_its_name(handler: ObsHandler) -> None:
    inner = graph_of(look=lambda state: {"text": "found"}).compile(name="researcher")

    def research(state: State) -> Any:
        return inner.invoke(state)

    graph_of(research=research).compile(name="team").invoke({"text": "x"}, {"callbacks": [handler]})
    assert tree(recorded(handler)) == ("team", [("research", [("researcher", [("look", [])])])])


def test_a_subgraph_used_as_a_node_is_in_the_tree(handler: ObsHandler) -> None:
    inner = graph_of(look=lambda state: {"text": "found"}).compile(name="researcher")
    graph_of(research=inner).compile(name="team").invoke({"text": "x"}, {"callbacks": [handler]})
    trace = recorded(handler)
    assert [above.name for above in trace.ancestors(named(trace, "look"))][-2:] == ["research", "team"]


def test_the_nodes_of_a_subgraph_have_its_checkpoint_namespace(handler: ObsHandler) -> None:
    inner = graph_of(look=lambda state: {"text": "found"}).compile(name="researcher")
    graph_of(research=inner).compile(name="team").invoke({"text": "x"}, {"callbacks": [handler]})
    namespace = named(recorded(handler), "look").attributes[semconv.CHECKPOINT_NS]
    outer, _, node = namespace.partition("|")
    assert outer.startswith("research:")
    assert node.startswith("look:")


async def test_a_handler_passed_again_in_an_async_node_keeps_one_trace(handler: ObsHandler) -> None:
    model = ScriptedChatModel(replies=["yes"])

    async def think(state: State) -> State:
        answer = await model.ainvoke(state["text"], {"callbacks": [handler]})
        return {"text": answer.text}

    await graph_of(think=think).compile(name="g").ainvoke({"text": "x"}, {"callbacks": [handler]})
    assert [tree(trace) for trace in all_traces(handler)] == [("g", [("think", [("ScriptedChatModel", [])])])]


# --- hooks and optional parts -------------------------------------------------------------------------


def hooks_of(base: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(base, inspect.isfunction) if name.startswith("on_")]


@pytest.mark.parametrize("hook", sorted({*hooks_of(BaseCallbackHandler), *hooks_of(GraphCallbackHandler)}))
def test_every_hook_of_the_installed_frameworks_is_ours(hook: str) -> None:
    assert getattr(ObsHandler, hook) is not getattr(BaseCallbackHandler, hook, None)
    assert getattr(ObsHandler, hook) is not getattr(GraphCallbackHandler, hook)


def test_langgraph_tells_the_handler_of_interrupts(handler: ObsHandler) -> None:
    assert isinstance(handler, GraphCallbackHandler)
    paused(handler)
    assert "interrupt" in {event["name"] for event in recorded(handler).root.events}


def test_langgraph_tells_the_handler_of_resumptions(handler: ObsHandler) -> None:
    paused(handler).invoke(Command(resume="yes"), thread(handler))
    assert "resume" in {event["name"] for event in recorded(handler).root.events}


def test_graphs_that_pause_and_resume_warn_of_nothing(
    handler: ObsHandler, caplog: pytest.LogCaptureFixture
) -> None:
    paused(handler).invoke(Command(resume="yes"), thread(handler))
    handing_over().invoke({"text": "x"}, {"callbacks": [handler]})
    settled(handler)
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def run_apart(program: str, folder: Path) -> str:
    """What a program says in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "spanscope lost" not in done.stderr
    return done.stdout.strip()


RECORD_ONE = """
from langchain_core.runnables import RunnableLambda
from spanscope import ObsHandler, open_store
handler = ObsHandler(store="spans.db")
RunnableLambda(lambda x: x).with_config(run_name="works").invoke("x", {"callbacks": [handler]})
assert handler.flush(10) and not handler.runtime.health.faults
handler.on_interrupt
handler.on_resume
print([one.name for one in open_store("spans.db").traces()])
"""


def test_recording_works_where_langgraph_is_absent(tmp_path: Path) -> None:
    block = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "langgraph":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
    assert run_apart(block + RECORD_ONE, tmp_path) == "['works']"


def test_recording_works_where_langgraph_lacks_its_callbacks(tmp_path: Path) -> None:
    older = """
import sys
sys.modules["langgraph.callbacks"] = None
"""
    assert run_apart(older + RECORD_ONE, tmp_path) == "['works']"


def test_hand_offs_are_known_where_langgraph_lacks_its_interrupt(tmp_path: Path) -> None:
    lacking = """
    import langgraph.errors as errors
    from spanscope.handlers._langgraph import status_of
    known = errors.ParentCommand
    del errors.GraphInterrupt
    print(status_of(known(None), is_root=False), status_of(ValueError(), is_root=False))
    """
    assert run_apart(lacking, tmp_path) == "handoff error"

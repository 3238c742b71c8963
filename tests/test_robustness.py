"""Whatever happens to us, the application goes on; whatever the application does, we do not grow."""

import asyncio
import dataclasses
import gc
import inspect
import logging
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, LLMResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

import spanscope
from spanscope import ObsHandler, debug_trace, health, open_store
from spanscope.assembler import Assembler
from spanscope.exceptions import ConfigError, StoreError
from spanscope.handlers._freeze import MAX_VALUES, freeze
from spanscope.spans import Span
from spanscope.testing import MemoryBackend, ScriptedChatModel


class CountingBackend:
    """Takes spans and forgets them."""

    def __init__(self) -> None:
        self.taken = 0

    def export(self, spans: Sequence[Span]) -> None:
        self.taken += len(spans)

    def flush(self, timeout_s: float) -> bool:
        return True

    def shutdown(self) -> None: ...


class RaisingBackend(CountingBackend):
    def export(self, spans: Sequence[Span]) -> None:
        raise OSError("the sink is gone")


@pytest.fixture
def make() -> Iterator[Callable[..., ObsHandler]]:
    """Makes handlers and shuts their runtimes down afterwards."""
    made: list[ObsHandler] = []

    def handler(**given: Any) -> ObsHandler:
        made.append(ObsHandler(**given))
        return made[-1]

    yield handler
    for one in made:
        one.runtime.shutdown(2.0)


def run_python(code: str, **env: str) -> str:
    """What a fresh interpreter prints for `code`."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def call_once(handler: ObsHandler, marker: str) -> None:
    """The events of one chain with one model call, as LangChain sends them."""
    root, call = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start(None, {"q": marker}, run_id=root, tags=[], metadata={}, name="chain")
    handler.on_chat_model_start(
        {}, [[HumanMessage(marker)]], run_id=call, parent_run_id=root, tags=[], metadata={}
    )
    answer = LLMResult(generations=[[ChatGeneration(message=AIMessage(marker))]])
    handler.on_llm_end(answer, run_id=call, parent_run_id=root)
    handler.on_chain_end({"a": marker}, run_id=root)


def state_of(handler: ObsHandler) -> dict[str, int]:
    assembler, recorder = handler.runtime.assembler, handler.recorder
    return {
        "runs": len(recorder.runs),
        "log": len(recorder.log),
        "seen": len(recorder.seen),
        "orphans": len(recorder.orphans),
        "queue": len(recorder.queue),
        "open": len(assembler.open),
        "ended": len(assembler._ended),
        "provisional": len(assembler._provisional),
        "cancelled": len(assembler._cancelled),
    }


# --- growth ----------------------------------------------------------------------------------------------


def test_ten_thousand_traces_leave_nothing_behind(make):
    """Opik kept every prompt in six maps (comet-ml/opik#7516)."""
    sink = CountingBackend()
    handler = make(store=False, backends=[sink])
    handler.runtime.assembler = Assembler(handler.recorder, linger_ns=1_000_000)

    for number in range(10_000):
        call_once(handler, f"question {number}")
        if number % 1000 == 999:
            assert handler.flush(30)

    assert sink.taken == 20_000
    until(lambda: not any(state_of(handler).values()))
    assert state_of(handler) == dict.fromkeys(state_of(handler), 0)


def test_memory_stays_flat_over_thousands_of_traces(make):
    handler = make(store=False, backends=[CountingBackend()])
    handler.runtime.assembler = Assembler(handler.recorder, linger_ns=1_000_000)

    def round_of(first: int) -> int:
        for number in range(first, first + 1000):
            call_once(handler, f"question {number} " + "about delivery and returns " * 20)
        assert handler.flush(30)
        until(lambda: not any(state_of(handler).values()))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        sizes = [round_of(first) for first in range(0, 4000, 1000)]
    finally:
        tracemalloc.stop()

    # What has a limit grows by a leap now and then; what stays behind of each trace shows in every round.
    growth = min(after - before for before, after in pairwise(sizes[1:]))
    assert growth < 200_000, "1000 traces whose text alone is 600 kB"


def test_a_thousand_handlers_add_at_most_one_thread():
    """One thread each brought servers down (langfuse/langfuse#2974)."""
    grown = run_python(
        """
        import os, threading, uuid
        from spanscope import ObsHandler
        from spanscope.testing import MemoryBackend
        before = threading.active_count()
        handlers = [ObsHandler(store=False, backends=[MemoryBackend()]) for _ in range(1000)]
        for handler in handlers:
            handler.on_chain_start(None, {}, run_id=uuid.uuid4())
        print(threading.active_count() - before, flush=True)
        os._exit(0)
        """
    )
    assert grown == "1"


def test_handlers_with_equal_settings_share_one_runtime(make, tmp_path: Path):
    assert make(store=tmp_path / "spans.db").runtime is make(store=tmp_path / "spans.db").runtime


# --- odd objects -----------------------------------------------------------------------------------------


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class HostileModel(BaseModel):
    x: int = 1

    def model_dump(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no dump")


@dataclasses.dataclass
class Order:
    number: int = 7


def _loop() -> dict[str, Any]:
    knot: dict[str, Any] = {}
    knot["self"] = knot
    return knot


def _deep() -> Any:
    deep: Any = "bottom"
    for _ in range(10_000):
        deep = [deep]
    return deep


def _odd_keys() -> Any:
    return {1: "one", None: "none", (1, 2): "pair", Hostile: "class"}


ODD: dict[str, Callable[[], Any]] = {
    "a pydantic model": lambda: HostileModel.model_construct(x=2),
    "a dataclass": Order,
    "a generator": lambda: (n for n in range(3)),
    "a lock": threading.Lock,
    "a self reference": _loop,
    "a depth of ten thousand": _deep,
    "an object that answers nothing": Hostile,
    "a key that cannot be shown": lambda: {Hostile(): 1},
    "keys of many types": _odd_keys,
    "bytes": lambda: b"\xff\x00",
    "not a number": lambda: float("nan"),
    "half a surrogate pair": lambda: "\ud800",
    "a set": lambda: {1, 2},
    "a class": lambda: Order,
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_a_chain_gives_the_same_with_an_odd_input_and_output(make, tmp_path: Path, odd: Callable[[], Any]):
    handler = make(store=tmp_path / "spans.db")
    value = odd()
    same = RunnableLambda(lambda x: x)

    assert same.invoke(value, config={"callbacks": [handler]}) is value
    assert handler.flush()
    assert handler.runtime.health.snapshot()["faults"] == {}
    with open_store(tmp_path / "spans.db") as store:
        assert store.latest().status == "ok"


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD.keys())
def test_odd_values_in_metadata_cost_neither_result_nor_span(make, tmp_path: Path, odd: Callable[[], Any]):
    handler = make(store=tmp_path / "spans.db")
    same = RunnableLambda(lambda x: x)

    given = {"callbacks": [handler], "metadata": {"odd": odd()}}
    assert same.invoke("hello", config=given) == "hello"
    assert handler.flush()
    with open_store(tmp_path / "spans.db") as store:
        assert store.latest().root.input_preview == "hello"


def test_a_generator_that_passes_through_is_not_consumed_by_us(make):
    handler = make(store=False, backends=[MemoryBackend()])
    numbers = RunnableLambda(lambda _: {"numbers": iter([1, 2, 3])}).invoke(
        "go", config={"callbacks": [handler]}
    )
    assert handler.flush()
    assert list(numbers["numbers"]) == [1, 2, 3]


# --- hooks under fire ------------------------------------------------------------------------------------

HOOKS = sorted(
    name for name in dir(ObsHandler) if name.startswith("on_") and callable(getattr(ObsHandler, name))
)
junk = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.uuids(),
    st.builds(Hostile),
    st.just(ValueError("x")),
)


@pytest.fixture(scope="module")
def under_fire() -> Iterator[ObsHandler]:
    handler = ObsHandler(store=False, backends=[CountingBackend()])
    yield handler
    handler.runtime.shutdown(5.0)


@given(
    hook=st.sampled_from(HOOKS),
    args=st.lists(junk, max_size=3),
    kwargs=st.dictionaries(
        st.sampled_from(["run_id", "parent_run_id", "tags", "metadata", "inputs", "chunk", "serialized"]),
        junk,
    ),
)
@example(hook="on_llm_new_token", args=["a", "b", "c"], kwargs={})
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_hook_raises_whatever_it_is_given(under_fire: ObsHandler, hook: str, args: Any, kwargs: Any):
    getattr(under_fire, hook)(*args, **kwargs)


STARTS = ("on_chain_start", "on_chat_model_start", "on_llm_start", "on_tool_start", "on_retriever_start")
GIVEN = {"on_chat_model_start": [[HumanMessage("hi")]], "on_llm_start": ["hi"]}
ENDS = (
    "on_chain_end",
    "on_llm_end",
    "on_tool_end",
    "on_retriever_end",
    "on_chain_error",
    "on_llm_error",
    "on_tool_error",
    "on_retriever_error",
)
OTHERS = ("on_llm_new_token", "on_text", "on_custom_event", "on_agent_finish", "on_retry")
RUN_IDS = [uuid.UUID(int=n, version=4) for n in range(1, 6)]
events = st.lists(
    st.tuples(
        st.sampled_from(STARTS + ENDS + OTHERS),
        st.sampled_from(RUN_IDS),
        st.one_of(st.none(), st.sampled_from(RUN_IDS)),
    ),
    max_size=30,
)


@given(events=events)
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_events_leaves_no_open_state_after_shutdown(events):
    """A hook that never comes leaked runs and lost data (maximhq/maxim-py#144)."""
    sink = CountingBackend()
    handler = ObsHandler(store=False, backends=[sink])
    for hook, run_id, parent in events:
        send = getattr(handler, hook)
        if hook in STARTS:
            send({}, GIVEN.get(hook, "hi"), run_id=run_id, parent_run_id=parent, tags=[], metadata={})
        elif hook.endswith("_error"):
            send(ValueError("x"), run_id=run_id)
        elif hook == "on_custom_event":
            send("note", 1, run_id=run_id)
        elif hook == "on_retriever_end":
            send([], run_id=run_id)
        else:
            send("done", run_id=run_id)
    assert handler.runtime.shutdown(5.0)

    assert handler.runtime.assembler.open == {}
    assert not handler.recorder.queue
    started = sum(hook in STARTS for hook, _, _ in events)
    assert sink.taken + handler.runtime.health.counters["duplicate_events"] >= started


def test_a_run_whose_answer_cannot_be_read_still_ends(make):
    sink = MemoryBackend()
    handler = make(store=False, backends=[sink])
    run_id = uuid.uuid4()
    handler.on_chat_model_start({}, [[HumanMessage("hi")]], run_id=run_id)
    handler.on_llm_end(Hostile(), run_id=run_id)

    assert handler.flush()
    assert [span.status for span in sink.spans] == ["ok"]


def test_the_handler_has_every_hook_that_the_frameworks_call():
    from langchain_core.callbacks import BaseCallbackHandler
    from langgraph.callbacks import GraphCallbackHandler

    called = {
        n for base in (BaseCallbackHandler, GraphCallbackHandler) for n in dir(base) if n.startswith("on_")
    }
    inherited = {name for name in called if name not in vars(ObsHandler)}
    assert inherited == set()


# --- quiet in ordinary use -------------------------------------------------------------------------------


class State(TypedDict):
    text: str


async def test_nothing_is_logged_in_a_hundred_async_graph_runs(make, tmp_path: Path, caplog):
    """Contexts reset in another task filled people's logs (langfuse/langfuse#8780)."""
    handler = make(store=tmp_path / "spans.db")
    model = ScriptedChatModel(replies=["fine"])

    async def ask(state: State) -> State:
        return {"text": (await model.ainvoke(state["text"])).text}

    graph = StateGraph(State).add_node("ask", ask).add_edge(START, "ask").add_edge("ask", END).compile()
    with caplog.at_level(logging.WARNING):
        await asyncio.gather(
            *(graph.ainvoke({"text": "hi"}, config={"callbacks": [handler]}) for _ in range(100))
        )
        assert await asyncio.to_thread(handler.flush, 20)

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


# --- imports and public names ----------------------------------------------------------------------------


def test_it_works_where_langchain_itself_cannot_be_imported(tmp_path: Path):
    """LangChain 1.0 moved its modules and broke those who imported them (langfuse/langfuse#9837)."""
    printed = run_python(
        f"""
        import sys
        sys.modules["langchain"] = None
        from langchain_core.runnables import RunnableLambda
        from spanscope import ObsHandler, open_store
        handler = ObsHandler(store={str(tmp_path / "spans.db")!r})
        RunnableLambda(str.upper).invoke("a", config={{"callbacks": [handler]}})
        assert handler.flush()
        with open_store({str(tmp_path / "spans.db")!r}) as store:
            print(store.latest().root.status)
        """
    )
    assert printed == "ok"


def test_it_works_where_langgraph_cannot_be_imported():
    printed = run_python(
        """
        import sys
        sys.modules["langgraph"] = None
        from langchain_core.runnables import RunnableLambda
        from spanscope import ObsHandler
        from spanscope.testing import MemoryBackend
        sink = MemoryBackend()
        handler = ObsHandler(store=False, backends=[sink])
        RunnableLambda(str.upper).invoke("a", config={"callbacks": [handler]})
        assert handler.flush()
        print(len(sink))
        """
    )
    assert printed == "1"


def test_only_the_core_of_langchain_is_imported():
    loaded = run_python(
        """
        import sys
        from spanscope import ObsHandler
        ObsHandler(store=False, backends=["memory"])
        print([name for name in sys.modules if name.partition(".")[0] == "langchain"])
        """
    )
    assert loaded == "[]"


def test_the_public_names_are_these():
    assert sorted(spanscope.__all__) == [
        "ObsHandler",
        "ThreadPoolExecutor",
        "context",
        "current_span",
        "current_trace_id",
        "debug_trace",
        "flush",
        "instrument",
        "observe",
        "open_store",
        "span",
        "traceparent",
        "uninstrument",
        "wrap",
    ]


@pytest.mark.parametrize("name", spanscope.__all__)
def test_each_public_name_can_be_imported_from_the_top(name: str):
    assert callable(getattr(spanscope, name))


@pytest.mark.parametrize(
    ("function", "parameters"),
    [
        (
            ObsHandler,
            "store backends content session_id user_id environment service release prompt_name "
            "prompt_version tags metadata estimate_tokens prices deployments key redaction",
        ),
        (debug_trace, "trace_id store expected_model prompt_version max_context_tokens"),
        (open_store, "store key pseudonym"),
    ],
    ids=["ObsHandler", "debug_trace", "open_store"],
)
def test_what_the_public_functions_take_does_not_change_unseen(function: Any, parameters: str):
    assert list(inspect.signature(function).parameters) == parameters.split()


# --- mistakes at set-up ----------------------------------------------------------------------------------


def test_a_store_in_a_place_that_is_a_file_is_refused_when_the_handler_is_made(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="file"):
        ObsHandler(store=tmp_path / "file" / "spans.db")


def test_an_unknown_backend_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'datadog'"):
        ObsHandler(store=False, backends=["datadgo"])


def test_neither_store_nor_backend_is_refused():
    with pytest.raises(ConfigError, match="nothing would be recorded"):
        ObsHandler(store=False)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"store": True}, "store=True says nothing"),
        ({"content": "everything"}, "unknown content policy"),
        ({"tags": "one"}, "one string"),
        ({"backends": [object()]}, "is no backend"),
        ({"backends": [CountingBackend]}, "is a class"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(tmp_path: Path, setting: dict[str, Any], says: str):
    with pytest.raises(ConfigError, match=says):
        ObsHandler(**{"store": tmp_path / "spans.db", **setting})


# --- losses while running --------------------------------------------------------------------------------


def upper(handler: ObsHandler) -> str:
    return RunnableLambda(str.upper).invoke("a", config={"callbacks": [handler]})


def test_a_backend_that_raises_takes_nothing_from_the_chain_and_nothing_from_the_others(make):
    good = MemoryBackend()
    handler = make(store=False, backends=[RaisingBackend(), good])

    assert upper(handler) == "A"
    handler.flush()
    assert len(good) == 1


def test_what_a_raising_backend_loses_is_counted_and_flush_does_not_claim_success(make):
    handler = make(store=False, backends=[RaisingBackend()])
    upper(handler)

    assert handler.flush() is False
    assert handler.runtime.health.counters["spans_lost"] == 1


def test_a_loss_is_logged_in_one_line_however_often_it_happens(make, caplog):
    handler = make(store=False, backends=[RaisingBackend()])
    with caplog.at_level(logging.WARNING, logger="spanscope"):
        for _ in range(5):
            upper(handler)
            handler.flush()

    (line,) = [record.getMessage() for record in caplog.records]
    assert "RaisingBackend" in line
    assert "application goes on" in line


def test_a_store_that_vanished_with_its_folder_costs_the_chain_nothing(make, tmp_path: Path):
    folder = tmp_path / "obs"
    handler = make(store=folder / "spans.db")
    upper(handler)
    assert handler.flush()
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    folder.write_text("now a file")

    assert upper(handler) == "A"
    assert handler.flush() is False
    assert handler.runtime.health.counters["spans_lost"] == 1


def test_a_locked_store_costs_the_chain_nothing_and_the_loss_stands_in_the_health_file(make, tmp_path: Path):
    handler = make(store=tmp_path / "spans.db")
    (store,) = handler.runtime._backends
    store._busy_timeout_s = 0.05
    store._engine.dispose()
    store._open()
    other = sqlite3.connect(tmp_path / "spans.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        assert upper(handler) == "A"
        assert handler.flush() is False
    finally:
        other.execute("ROLLBACK")
        other.close()

    saved = health.load(tmp_path / "health.json")
    assert saved is not None
    assert saved["counters"]["spans_lost"] == 1
    assert "export.SqlBackend" in saved["faults"]


def test_after_a_loss_the_next_run_is_stored_again(make, tmp_path: Path):
    sink = MemoryBackend()
    handler = make(store=False, backends=[sink])
    taking, sink.export = sink.export, RaisingBackend().export  # type: ignore[method-assign]
    upper(handler)
    assert handler.flush() is False

    sink.export = taking  # type: ignore[method-assign]
    upper(handler)
    assert handler.flush() is True
    assert len(sink) == 1


def test_a_handler_that_was_shut_down_does_not_make_the_flush_of_all_others_fail(make, tmp_path: Path):
    make(store=tmp_path / "spans.db").runtime.shutdown()
    upper(make(store=False, backends=[MemoryBackend()]))

    assert spanscope.flush() is True


def test_a_fault_in_a_hook_leaves_the_result_of_the_chain_unchanged(make, monkeypatch):
    """A fault in a tracer took applications down (traceloop/openllmetry#3255)."""
    handler = make(store=False, backends=[MemoryBackend()])

    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("inside the recorder")

    monkeypatch.setattr(handler, "_note", fail)

    chain = ChatPromptTemplate.from_template("{q}") | ScriptedChatModel(replies=["fine"])
    assert chain.invoke({"q": "?"}, config={"callbacks": [handler]}).text == "fine"
    assert handler.runtime.health.faults["hook.on_chain_start"] > 0


# --- a fault stays where it happened ----------------------------------------------------------------------


class Poisoned:
    @property
    def name(self) -> str:
        raise RuntimeError("no name")


def test_a_run_whose_metadata_cannot_be_read_takes_no_other_along(make, tmp_path: Path):
    sink = MemoryBackend()
    handler = make(store=tmp_path / "spans.db", backends=[sink])
    same = RunnableLambda(lambda x: x)
    for metadata in ({}, {"langfuse_prompt": Poisoned()}, {}):
        same.invoke("hello", config={"callbacks": [handler], "metadata": metadata})

    assert handler.flush()
    assert len(sink.spans) == 3
    assert handler.runtime.health.faults["assemble"] > 0


@pytest.mark.parametrize("exit_by", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
def test_a_backend_that_wants_to_end_its_thread_does_not_end_the_worker(make, tmp_path: Path, exit_by: Any):
    class Ending(MemoryBackend):
        def export(self, spans: Any) -> None:
            raise exit_by

    handler = make(store=tmp_path / "spans.db", backends=[Ending()])
    same = RunnableLambda(lambda x: x)
    same.invoke("hello", config={"callbacks": [handler]})
    assert not handler.flush()

    same.invoke("again", config={"callbacks": [handler]})
    deadline = time.monotonic() + 5
    with open_store(tmp_path / "spans.db") as store:
        while store.counts()["traces"] < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert store.counts()["traces"] == 2
    assert handler.runtime.health.counters["batches_lost"] >= 1


def test_a_dropped_span_holds_nothing_and_its_child_hangs_on_the_nearest_ancestor_kept(make, tmp_path: Path):
    handler = make(store=tmp_path / "spans.db")
    recorder = handler.recorder
    outer, dropped, inner = (uuid.uuid4() for _ in range(3))
    recorder._wake = lambda: None  # the queue stays as it is until the flush
    handler.on_chain_start(None, {}, run_id=outer, name="outer")
    recorder.catch_up()
    limit, recorder._max_queue = recorder._max_queue, len(recorder.queue)
    handler.on_chain_start(None, {}, run_id=dropped, parent_run_id=outer, name="dropped")
    recorder.catch_up()
    recorder._max_queue = limit
    handler.on_chain_start(None, {}, run_id=inner, parent_run_id=dropped, name="inner")
    for run_id in (inner, dropped, outer):
        handler.on_chain_end({}, run_id=run_id)

    assert handler.flush()
    assert dropped.int not in recorder.runs
    with open_store(tmp_path / "spans.db") as store:
        trace = store.latest()
    assert [(span.name, trace.parent(span) and trace.parent(span).name) for span in trace.spans] == [
        ("outer", None),
        ("inner", "outer"),
    ]


def test_no_more_of_a_huge_nested_value_is_looked_at_than_the_budget_allows():
    """An image as nested lists took a second on the caller's thread."""
    looked_at = 0

    class Counted(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            nonlocal looked_at
            found = super().__getitem__(index)
            looked_at += len(found) if isinstance(index, slice) else 1
            return found

    row = Counted(range(200))
    freeze(Counted(Counted(row for _ in range(200)) for _ in range(200)))

    assert looked_at <= MAX_VALUES

"""Work handed to threads and other processes hangs where it was handed over."""

import asyncio
import contextvars
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import ThreadPoolExecutor as PlainExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from recording import all_traces, handler_in, named, recorded, tree

from spanscope import (
    ObsHandler,
    ThreadPoolExecutor,
    context,
    current_span,
    flush,
    instrument,
    observe,
    open_store,
    span,
    traceparent,
    uninstrument,
    wrap,
)
from spanscope.exceptions import ConfigError

INNER = RunnableLambda(str.upper).with_config(run_name="inner")


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[ObsHandler]:
    made = handler_in(tmp_path)
    yield made
    made.runtime.shutdown(2.0)


def in_a_raw_thread(function: Any, *args: Any) -> Any:
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()
    thread.join()
    return results[0]


def under_a_step(handler: ObsHandler, step: Any) -> Any:
    """Run the step in a chain, and give the tree."""
    RunnableLambda(lambda _: step()).with_config(run_name="outer").invoke("a", {"callbacks": [handler]})
    return tree(recorded(handler))


# --- wrap ---------------------------------------------------------------------------------------------------


def test_a_runnable_in_a_raw_thread_hangs_on_the_step_when_wrapped(handler):
    """Threads lost the parent (crewAIInc/crewAI#4708); nothing needs to be passed on."""
    found = under_a_step(handler, lambda: in_a_raw_thread(wrap(INNER.invoke), "a"))
    assert found == ("outer", [("inner", [])])


def test_wrapped_work_of_a_plain_pool_hangs_on_the_step(handler):
    def step() -> list[str]:
        with PlainExecutor(4) as pool:
            return list(pool.map(wrap(INNER.invoke), "abcd"))

    assert under_a_step(handler, step) == ("outer", [("inner", [])] * 4)


def test_one_wrapped_function_may_be_called_by_many_threads_at_the_same_time(handler):
    together = threading.Barrier(8, timeout=10)

    @observe(name="work")
    def work(_: int) -> str | None:
        together.wait()
        return current_span().trace_id

    with span("request") as request, PlainExecutor(8) as pool:
        seen = list(pool.map(wrap(work), range(8)))
    assert set(seen) == {request.trace_id}
    assert tree(recorded(handler)) == ("request", [("work", [])] * 8)


def test_blocks_of_wrapped_work_do_not_leak_into_the_caller(handler):
    variable = contextvars.ContextVar("variable", default="untouched")
    with span("request") as request:
        wrap(variable.set)("changed")
        assert current_span().span_id == request.span_id
    assert variable.get() == "untouched"


def test_a_context_block_holds_for_wrapped_work(handler):
    with context(session_id="s-1"):
        work = wrap(lambda: INNER.invoke("a", {"callbacks": [handler]}))
    in_a_raw_thread(work)
    assert recorded(handler).root.session_id == "s-1"


def test_wrapped_work_that_outlives_its_step_still_hangs_on_it(handler):
    go = threading.Event()

    def late() -> None:
        go.wait(10)
        INNER.invoke("a", {"callbacks": [handler]})

    with span("request"):
        thread = threading.Thread(target=wrap(late))
        thread.start()
    go.set()
    thread.join()
    assert tree(recorded(handler)) == ("request", [("inner", [])])


def test_a_wrapped_coroutine_function_runs_in_a_loop_of_another_thread(handler):
    @observe(name="work")
    async def work(number: int) -> int:
        await asyncio.sleep(0)
        return number

    def elsewhere(function: Any) -> int:
        return asyncio.run(function(3))

    with span("request"):
        assert in_a_raw_thread(elsewhere, wrap(work)) == 3
    assert tree(recorded(handler)) == ("request", [("work", [])])


def test_wrap_keeps_name_and_signature():
    def work(number: int) -> int:
        return number

    assert wrap(work).__name__ == "work"
    assert wrap(work)(number=3) == 3


def test_wrap_refuses_a_generator_with_the_remedy():
    def items() -> Iterator[int]:
        yield 1

    with pytest.raises(ConfigError, match="wrap the function that iterates over"):
        wrap(items)


# --- executor -----------------------------------------------------------------------------------------------


def test_work_of_our_executor_hangs_where_it_was_submitted(handler):
    with ThreadPoolExecutor(4) as pool:
        with span("first"):
            pool.submit(INNER.invoke, "a").result()
        with span("second"):
            assert list(pool.map(observe(str.upper, name="shout"), "ab")) == ["A", "B"]
    assert [tree(trace) for trace in all_traces(handler)] == [
        ("first", []),
        ("second", [("shout", []), ("shout", [])]),
    ]


def test_our_executor_serves_an_event_loop(handler):
    async def request() -> str:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2) as pool, span("request"):
            return await loop.run_in_executor(pool, observe(str.upper, name="shout"), "a")

    assert asyncio.run(request()) == "A"
    assert tree(recorded(handler)) == ("request", [("shout", [])])


def test_100_requests_at_once_keep_their_work_apart(handler):
    def request(number: int) -> None:
        with span(f"request {number}"), ThreadPoolExecutor(2) as pool:
            list(pool.map(observe(lambda _: None, name=f"work {number}"), range(3)))

    with PlainExecutor(8) as servers:
        list(servers.map(request, range(100)))
    assert sorted(tree(trace) for trace in all_traces(handler)) == sorted(
        (f"request {number}", [(f"work {number}", [])] * 3) for number in range(100)
    )


# --- raw threads --------------------------------------------------------------------------------------------


def in_a_raw_thread_of_a_step(handler: ObsHandler, config: dict[str, Any] | None, **outer: Any) -> None:
    """A step that calls a runnable in a raw thread, with this configuration."""

    def step(text: str) -> Any:
        given = config() if callable(config) else config
        return in_a_raw_thread(INNER.invoke, text, given)

    RunnableLambda(step).with_config(run_name="outer").invoke("a", {"callbacks": [handler], **outer})


def test_a_runnable_in_a_raw_thread_without_anything_passed_is_not_recorded(handler):
    in_a_raw_thread_of_a_step(handler, None)
    assert [tree(trace) for trace in all_traces(handler)] == [("outer", [])]


def test_a_runnable_in_a_raw_thread_that_is_given_the_header_hangs_on_the_step(handler):
    in_a_raw_thread_of_a_step(
        handler, lambda: {"callbacks": [handler], "metadata": {"traceparent": traceparent()}}
    )
    (trace,) = all_traces(handler)
    assert tree(trace) == ("outer", [("inner", [])])
    assert named(trace, "inner").parent_source == "remote"


def test_runs_that_name_the_same_correlation_id_are_linked(handler):
    """A thread that was given the handler and nothing else has no parent to tell; both name the request."""
    request = {"correlation_id": "r-17"}
    in_a_raw_thread_of_a_step(handler, {"callbacks": [handler], "metadata": request}, metadata=request)
    outer, inner = all_traces(handler)
    assert (tree(outer), tree(inner)) == (("outer", []), ("inner", []))
    assert inner.root.attributes["spanscope.linked_trace_id"] == outer.trace_id
    assert "spanscope.linked_trace_id" not in outer.root.attributes


def test_a_correlation_id_may_be_given_by_a_block(handler):
    with context(metadata={"correlation_id": 17}), span("request") as request:
        in_a_raw_thread(INNER.invoke, "a", {"callbacks": [handler], "metadata": {"correlation_id": "17"}})
    (inner,) = [trace for trace in all_traces(handler) if trace.root.name == "inner"]
    assert inner.root.attributes["spanscope.linked_trace_id"] == request.trace_id


def test_runs_with_other_correlation_ids_or_none_are_not_linked(handler):
    for metadata in ({"correlation_id": "r-1"}, {"correlation_id": "r-2"}, {}, {}):
        INNER.invoke("a", {"callbacks": [handler], "metadata": metadata})
    assert not any("spanscope.linked_trace_id" in trace.root.attributes for trace in all_traces(handler))


def test_runs_of_one_session_are_found_together(handler):
    session = {"session_id": "s-1"}
    in_a_raw_thread_of_a_step(handler, {"callbacks": [handler], "metadata": session}, metadata=session)
    assert handler.flush()
    with open_store(handler.settings.store) as store:
        assert {one.name for one in store.traces(session_id="s-1")} == {"outer", "inner"}


# --- other processes ----------------------------------------------------------------------------------------

ANOTHER_PROGRAM = """
    import os
    from spanscope import ObsHandler, context, span

    handler = ObsHandler(store=os.environ["STORE"])
    with context(traceparent=os.environ.get("TRACEPARENT")), span("work"):
        pass
    assert handler.flush(5)
"""


def test_another_program_goes_on_with_the_trace(handler, tmp_path):
    place = tmp_path / "other.db"
    with span("request") as request:
        around = {**os.environ, "STORE": str(place), "TRACEPARENT": traceparent() or ""}
        subprocess.run([sys.executable, "-c", textwrap.dedent(ANOTHER_PROGRAM)], env=around, check=True)
    with open_store(place) as store:
        root = store.trace(request.trace_id).root
    assert (root.name, root.parent_id, root.parent_source) == ("work", request.span_id, "remote")


def work_in_process(place: str, header: str | None) -> None:
    """What a pool of processes runs; forked, so that it inherits all that the parent had open."""
    own = ObsHandler(store=place)
    with context(traceparent=header), span("work"):
        pass
    assert own.flush(5)


def test_jobs_of_a_forked_pool_hang_on_their_own_requests(handler, tmp_path):
    """The pool's processes inherit the block in which the first job was submitted, which is not theirs."""
    place = str(tmp_path / "spans.db")
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as pool:
        with span("first"):
            pool.submit(work_in_process, place, traceparent()).result()
        with span("second"):
            pool.submit(work_in_process, place, traceparent()).result()
        pool.submit(work_in_process, place, None).result()
    assert [tree(trace) for trace in all_traces(handler)] == [
        ("first", [("work", [])]),
        ("second", [("work", [])]),
        ("work", []),
    ]


def run_in_process(_: int) -> bool:
    INNER.invoke("a")
    return flush(5)


def test_an_instrumented_process_records_after_a_fork_too(tmp_path):
    everywhere = instrument(store=tmp_path / "spans.db")
    try:
        INNER.invoke("before")
        with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
            assert list(pool.map(run_in_process, range(4))) == [True] * 4
        INNER.invoke("after")
        assert [tree(trace) for trace in all_traces(everywhere)] == [("inner", [])] * 6
    finally:
        uninstrument()
        everywhere.runtime.shutdown(2.0)


def test_what_a_forked_process_recorded_is_written_when_it_ends(tmp_path):
    """Such a process ends without the interpreter's exit hooks."""
    everywhere = instrument(store=tmp_path / "spans.db")
    try:
        child = get_context("fork").Process(target=INNER.invoke, args=("a",))
        child.start()
        child.join(20)
        assert [tree(trace) for trace in all_traces(everywhere)] == [("inner", [])]
    finally:
        uninstrument()
        everywhere.runtime.shutdown(2.0)

"""What a hook notes is placed later, by the worker or by whoever asks first; nobody can tell."""

import asyncio
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import dispatch_custom_event
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langgraph.graph import START, StateGraph
from recording import all_traces, handler_in, named, recorded

from spanscope import ObsHandler, current_span, current_trace_id, open_store, recorder, semconv, span, turns
from spanscope.handlers._ambient import RunId
from spanscope.testing import ScriptedChatModel


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[ObsHandler]:
    handler = handler_in(tmp_path)
    yield handler
    handler.runtime.shutdown(2.0)


def unread(handler: ObsHandler) -> None:
    """From now on the worker is not told that there is something to read."""
    handler.flush()
    handler.recorder._wake = lambda: None


def one_run(handler: ObsHandler, *, parent: uuid.UUID | None = None) -> uuid.UUID:
    run = uuid.uuid4()
    handler.on_chain_start(None, {}, run_id=run, parent_run_id=parent, name="step")
    handler.on_chain_end({}, run_id=run, parent_run_id=parent)
    return run


def until(told: Any, *, at_most_s: float = 5.0) -> bool:
    deadline = time.monotonic() + at_most_s
    while not told() and time.monotonic() < deadline:
        time.sleep(0.02)
    return bool(told())


def test_a_hook_only_notes_what_happened(handler):
    unread(handler)
    one_run(handler)
    assert (len(handler.recorder.log), handler.recorder.placed) == (2, {})


def test_who_asks_for_the_open_runs_gets_those_that_were_only_noted(handler):
    unread(handler)
    run = one_run(handler)
    assert list(handler.recorder.runs) == [run.int]


def test_the_last_trace_id_is_known_before_the_worker_has_seen_its_run(handler):
    unread(handler)
    assert one_run(handler).hex == handler.last_trace_id


def test_the_trace_of_a_run_whose_parent_is_not_recorded_is_the_last_of_its_thread(handler):
    unread(handler)
    mine = one_run(handler, parent=uuid.uuid4())
    other = threading.Thread(target=one_run, args=[handler], kwargs={"parent": uuid.uuid4()})
    other.start()
    other.join()
    assert handler.last_trace_id == mine.hex


def test_a_handler_that_is_attached_twice_knows_its_last_trace(handler):
    run = uuid.uuid4()
    tags: list[str] = []
    for _ in range(2):
        handler.on_chain_start(None, {}, run_id=run, tags=tags, metadata=None, name="step")
    assert handler.last_trace_id == run.hex


def test_a_run_below_a_block_that_is_over_when_it_is_placed_is_not_late(handler):
    with span("outer", handler=handler):
        RunnableLambda(str.upper).invoke("a", {"callbacks": [handler]})
    inner = named(recorded(handler), "upper")
    assert semconv.LATE not in inner.attributes


def test_a_run_noted_after_its_parent_has_ended_is_late(handler):
    outer, inner = uuid.uuid4(), uuid.uuid4()
    handler.on_chain_start(None, {}, run_id=outer, name="outer")
    handler.on_chain_end({}, run_id=outer)
    handler.on_chain_start(None, {}, run_id=inner, parent_run_id=outer, name="inner")
    handler.on_chain_end({}, run_id=inner, parent_run_id=outer)
    assert named(recorded(handler), "inner").attributes[semconv.LATE] is True


def test_a_trace_started_while_the_worker_sleeps_is_written_without_a_flush(handler):
    handler.flush()
    assert until(handler.recorder.rest)
    run = one_run(handler, parent=uuid.uuid4())
    with open_store(handler.settings.store) as store:
        assert until(lambda: [one for one in store.traces() if one.trace_id == run.hex])


def test_the_log_does_not_grow_beyond_its_limit_while_nobody_reads_it(handler, monkeypatch):
    monkeypatch.setattr(recorder, "LOG_LIMIT", 100)
    unread(handler)
    for _ in range(500):
        one_run(handler)
    assert len(handler.recorder.log) <= 102


def test_tokens_do_not_make_the_log_grow_beyond_its_limit(handler, monkeypatch):
    monkeypatch.setattr(recorder, "LOG_LIMIT", 100)
    unread(handler)
    run = uuid.uuid4()
    handler.on_chat_model_start({}, [[]], run_id=run)
    for _ in range(500):
        handler.on_llm_new_token("x", run_id=run)
    assert len(handler.recorder.log) <= 101
    assert handler.recorder.runs[run.int].chunks == 500


def test_events_do_not_make_the_log_grow_beyond_its_limit(handler, monkeypatch):
    monkeypatch.setattr(recorder, "LOG_LIMIT", 100)
    unread(handler)
    run = uuid.uuid4()
    handler.on_chain_start(None, {}, run_id=run, name="step")
    for _ in range(500):
        handler.on_custom_event("progress", {}, run_id=run)
    assert len(handler.recorder.log) <= 101


def test_events_told_by_the_framework_and_by_hand_stand_in_their_order(handler):
    def step(text: str) -> str:
        here = current_span()
        dispatch_custom_event("first", {})
        here.add_event("second")
        dispatch_custom_event("third", {})
        return text

    unread(handler)
    RunnableLambda(step).invoke("a", {"callbacks": [handler]})
    (only,) = recorded(handler).spans
    assert [event["name"] for event in only.events] == ["first", "second", "third"]


def test_a_note_that_cannot_be_placed_takes_no_other_along(handler):
    def broken() -> None:
        raise RuntimeError("no place")

    unread(handler)
    handler.recorder.log.append((broken,))
    run = one_run(handler)
    assert list(handler.recorder.runs) == [run.int]
    assert handler.runtime.health.faults["place"] == 1


def test_a_run_that_cannot_be_placed_is_not_remembered_for_ever(handler):
    class Unreadable(dict[str, Any]):
        def get(self, *_: Any) -> Any:
            raise RuntimeError("not now")

    handler.on_chain_start(None, {}, run_id=uuid.uuid4(), metadata=Unreadable(), name="step")
    assert until(lambda: handler.runtime.health.faults["place"])
    assert until(lambda: not handler.recorder.seen)


def test_a_node_that_changes_its_config_does_not_change_what_it_has_called(handler):
    """LangGraph gives a node the very dictionary that says where it is."""

    def node(state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        RunnableLambda(len, name="inner").invoke("a", {"callbacks": [handler]})
        config["callbacks"] = None
        return {}

    graph = StateGraph(dict)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    unread(handler)
    graph.compile().invoke({}, {"callbacks": [handler]})
    trace = all_traces(handler)[0]
    assert named(trace, "inner").parent_id == named(trace, "node").span_id


def test_a_stream_that_is_placed_after_its_end_keeps_the_times_of_its_pieces(handler):
    model = ScriptedChatModel(replies=["one two three four"])
    unread(handler)
    begun = time.perf_counter()
    for _ in model.stream("?", {"callbacks": [handler]}):
        pass
    took_ms = (time.perf_counter() - begun) * 1000
    time.sleep(0.2)
    (call,) = recorded(handler).spans
    assert call.time_to_first_token_ms is not None
    assert 0 < call.time_to_first_token_ms <= call.duration_ms <= took_ms


def test_a_log_handler_that_asks_for_the_trace_cannot_stop_who_warns_meanwhile(handler):
    """One thread holds the log handler's lock and asks; the other places notes, and has something to log."""
    asked, warning = threading.Event(), threading.Event()
    seen: list[str | None] = []

    class Correlated(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.msg == "ask":
                asked.set()
                warning.wait(2.0)
                seen.append(current_trace_id())

    def warn() -> None:
        asked.wait(2.0)
        warning.set()
        logger.warning("from a note")

    logger = logging.getLogger("correlated")
    logger.addHandler(Correlated())
    logger.propagate = False
    unread(handler)
    handler.recorder.log.append((warn,))
    threads = [
        threading.Thread(target=handler.recorder.catch_up, daemon=True),
        threading.Thread(target=logger.warning, args=["ask"], daemon=True),
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(5.0)
    assert not any(one.is_alive() for one in threads)
    assert seen == [None]


def test_a_thread_that_cannot_be_started_is_tried_again_and_costs_the_application_nothing(handler):
    """As where a container allows no further thread, for a while."""
    handler.flush()
    assert until(handler.recorder.rest)
    wake = handler.recorder._wake

    def no_thread() -> None:
        raise RuntimeError("can't start new thread")

    handler.recorder._wake = no_thread
    with span("while there is none", handler=handler):
        one_run(handler)
    handler.recorder._wake = wake
    one_run(handler)
    with open_store(handler.settings.store) as store:
        assert until(lambda: len(store.traces()) == 2)
    assert set(handler.runtime.health.faults) == {"wake"}


def test_while_no_thread_can_be_started_the_log_stays_within_its_limit(handler, monkeypatch):
    monkeypatch.setattr(recorder, "LOG_LIMIT", 100)
    handler.flush()
    assert until(handler.recorder.rest)
    tried = []

    def no_thread() -> None:
        tried.append(1)
        raise RuntimeError("can't start new thread")

    handler.recorder._wake = no_thread
    for _ in range(500):
        one_run(handler)
    assert len(handler.recorder.log) <= 102
    assert len(tried) < 250


def test_a_recorder_that_is_closed_while_a_hook_wakes_the_worker_stays_closed(handler):
    """Else its log would fill, and nobody would read it."""
    handler.flush()
    assert until(handler.recorder.rest)

    class Closing(deque[Any]):
        """The log; while a hook looks how long it is, the handler is shut down."""

        def __len__(self) -> int:
            handler.recorder.log = deque()
            handler.runtime.shutdown(2.0)
            return 1

    handler.recorder.log = Closing()
    handler.recorder.attend()
    assert handler.recorder.patience < 0


def test_a_run_that_is_started_while_the_worker_lies_down_keeps_it_awake(handler):
    """It is in its place, and found a worker that seemed to be at work."""
    handler.flush()
    assert until(handler.recorder.rest)
    recorder = handler.recorder
    recorder.patience = 1

    class LyingDown(dict[int, Any]):
        """The open runs; as soon as they have been found empty, one begins."""

        def __bool__(self) -> bool:
            recorder.placed = {}
            recorder.start(RunId(1), None, handler, lambda run, draft: None)
            return False

    recorder.placed = LyingDown()
    assert not recorder.rest()


def test_who_asks_waits_for_another_that_places_as_long_as_it_gets_on(handler, monkeypatch):
    """Else the span of a block would be the root of a trace of its own."""
    monkeypatch.setattr(turns, "_WAITS_S", 0.05)
    unread(handler)
    handler.recorder.log.extend([(time.sleep, 0.03)] * 20)
    placing = threading.Thread(target=handler.recorder.catch_up)

    def inner(text: str) -> str:
        placing.start()
        time.sleep(0.02)
        with span("inner"):
            return text

    RunnableLambda(inner, name="outer").invoke("a", {"callbacks": [handler]})
    placing.join()
    trace = recorded(handler)
    assert named(trace, "inner").parent_id == named(trace, "outer").span_id


def test_who_asks_while_a_run_is_placed_does_not_have_its_end_placed_before_it(handler):
    """As a finaliser that the garbage collector calls in the midst of it."""
    unread(handler)
    handler.recorder._wall = lambda: (current_trace_id(), time.time_ns())[1]
    one_run(handler)
    (only,) = recorded(handler).spans
    assert only.status == "ok"
    assert not handler.runtime.health.counters["unmatched_events"]


def test_a_hook_does_not_wait_for_another_thread_that_places(handler, monkeypatch):
    monkeypatch.setattr(recorder, "LOG_LIMIT", 10)
    monkeypatch.setattr(turns, "_WAITS_S", 5.0)
    unread(handler)
    slow, goes_on = threading.Event(), threading.Event()
    handler.recorder.log.extend([(slow.set,), (goes_on.wait, 2.0), *[(int,)] * 40])
    placing = threading.Thread(target=handler.recorder.catch_up)
    placing.start()
    slow.wait(2.0)
    one_run(handler)
    still_at_it = placing.is_alive()
    goes_on.set()
    placing.join()
    assert still_at_it


def test_the_worker_places_what_is_noted_before_it_works_off_what_is_placed(handler):
    """Else who asks for an open run, on an event loop say, would have all of it to place."""
    unread(handler)
    for _ in range(100):
        one_run(handler)
    handler.recorder.catch_up(150)
    drafts = handler.runtime.assembler.drain(1_000)
    next(drafts)
    assert len(handler.recorder.log) == 0
    drafts.close()


def test_a_late_child_noted_in_time_finds_its_parent_however_late_the_worker_is(handler):
    """As behind a backend that does not answer for ten seconds."""
    outer = uuid.uuid4()
    unread(handler)
    handler.on_chain_start(None, {}, run_id=outer, name="outer")
    handler.on_chain_end({}, run_id=outer)
    assembler = handler.runtime.assembler
    handler.runtime.pipeline.send(assembler.drain(10))
    assembler._linger_ns = 0  # it has taken longer than that
    inner = one_run(handler, parent=outer)
    list(assembler.sweep())
    assert handler.recorder.runs[inner.int].trace_id == outer.hex


def test_an_end_that_is_noted_goes_before_the_cancellation_of_what_is_around_it(handler):
    outer, inner = uuid.uuid4(), uuid.uuid4()
    unread(handler)
    handler.on_chain_start(None, {}, run_id=outer, name="outer")
    handler.on_chain_start(None, {}, run_id=inner, parent_run_id=outer, name="inner")
    handler.on_chain_error(asyncio.CancelledError(), run_id=outer)
    assembler = handler.runtime.assembler
    handler.runtime.pipeline.send(assembler.drain(10))
    handler.on_chain_end({}, run_id=inner, parent_run_id=outer)
    handler.runtime.pipeline.send(assembler.sweep())
    assert named(recorded(handler), "inner").status == "ok"

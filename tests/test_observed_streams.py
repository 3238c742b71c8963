"""Generators of one's own as spans: noted as they pass, current while their own code runs."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from recording import all_traces, handler_in, only, recorded, settled, texts, tree

from spanscope import ObsHandler, current_span, observe, span
from spanscope.testing import MemoryBackend


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[ObsHandler]:
    made = handler_in(tmp_path, content="redacted")
    yield made
    made.runtime.shutdown(2.0)


# --- generators ---------------------------------------------------------------------------------------------


@observe
def words(given: str) -> Iterator[str]:
    for word in given.split():
        with span(f"inside {word}"):
            yield word


@observe
async def async_words(given: str) -> AsyncIterator[str]:
    for word in given.split():
        with span(f"inside {word}"):
            await asyncio.sleep(0)
            yield word


def test_a_generators_items_pass_by_and_are_its_output(handler):
    assert list(words("a b")) == ["a", "b"]
    root = all_traces(handler)[0].root
    assert (root.name, root.status, texts(root.outputs)) == ("words", "ok", ["ab"])
    assert root.attributes["spanscope.items"] == 2


def test_items_that_are_no_text_are_a_list(handler):
    @observe
    def numbers() -> Iterator[int]:
        yield from range(3)

    list(numbers())
    assert texts(only(handler).outputs) == ["[0, 1, 2]"]


def test_a_generator_is_not_asked_for_an_item_before_its_consumer_asks(handler):
    asked = []

    @observe
    def endless() -> Iterator[int]:
        number = 0
        while True:
            asked.append(number)
            yield number
            number += 1

    stream = endless()
    assert asked == []
    assert next(stream) == 0
    settled(handler)
    assert asked == [0]
    stream.close()


def test_a_generators_span_lasts_until_it_is_exhausted(handler):
    stream = words("a b")
    next(stream)
    settled(handler)
    assert handler.runtime.assembler.open
    list(stream)
    settled(handler)
    assert not handler.runtime.assembler.open


def test_spans_of_the_consumer_between_two_items_are_not_the_generators(handler):
    with span("consumer"):
        for word in words("a b"):
            with span(f"outside {word}"):
                pass

    assert tree(recorded(handler)) == (
        "consumer",
        [
            ("words", [("inside a", []), ("inside b", [])]),
            ("outside a", []),
            ("outside b", []),
        ],
    )


async def test_spans_of_the_consumer_between_two_async_items_are_not_the_generators(handler):
    with span("consumer"):
        async for word in async_words("a b"):
            with span(f"outside {word}"):
                await asyncio.sleep(0)

    assert tree(await asyncio.to_thread(recorded, handler)) == (
        "consumer",
        [
            ("async_words", [("inside a", []), ("inside b", [])]),
            ("outside a", []),
            ("outside b", []),
        ],
    )


def test_two_generators_in_turns_keep_their_spans_apart(handler):
    with span("consumer"):
        for _ in zip(words("a b"), words("c d"), strict=True):
            assert current_span().span_id is not None

    assert tree(recorded(handler)) == (
        "consumer",
        [
            ("words", [("inside a", []), ("inside b", [])]),
            ("words", [("inside c", []), ("inside d", [])]),
        ],
    )


async def test_a_task_for_each_item_gives_the_same_tree(handler):
    """The parent was lost after the first item (langchain-ai/langsmith-sdk#2431)."""
    with span("consumer"):
        stream = async_words("a b c")
        while True:
            try:
                await asyncio.create_task(anext(stream))
            except StopAsyncIteration:
                break

    assert tree(await asyncio.to_thread(recorded, handler)) == (
        "consumer",
        [("async_words", [("inside a", []), ("inside b", []), ("inside c", [])])],
    )


def test_a_generator_that_is_read_by_several_threads_stays_one_span(handler):
    stream = words("a b c")
    for _ in range(3):
        thread = threading.Thread(target=next, args=(stream,))
        thread.start()
        thread.join()
    assert list(stream) == []
    assert current_span().span_id is None
    assert tree(recorded(handler)) == ("words", [("inside a", []), ("inside b", []), ("inside c", [])])


def test_what_is_sent_thrown_and_returned_goes_through(handler):
    caught = []

    @observe
    def echo() -> Any:
        heard = yield "ready"
        try:
            yield heard
        except KeyError as error:
            caught.append(error)
            yield "caught"
        return "returned"

    stream = echo()
    assert next(stream) == "ready"
    assert stream.send("hello") == "hello"
    thrown = KeyError("thrown")
    assert stream.throw(thrown) == "caught"
    with pytest.raises(StopIteration) as stopped:
        next(stream)
    assert stopped.value.value == "returned"
    assert caught == [thrown]
    assert only(handler).status == "ok"


async def test_what_is_sent_and_thrown_goes_through_an_async_generator(handler):
    @observe
    async def echo() -> Any:
        heard = yield "ready"
        try:
            yield heard
        except KeyError:
            yield "caught"

    stream = echo()
    assert await anext(stream) == "ready"
    assert await stream.asend("hello") == "hello"
    assert await stream.athrow(KeyError("thrown")) == "caught"
    assert [item async for item in stream] == []
    assert (await asyncio.to_thread(only, handler)).status == "ok"


def test_an_error_in_a_generator_is_on_its_span_with_what_came_before(handler):
    @observe
    def broken() -> Iterator[str]:
        yield "so far"
        raise LookupError("no more")

    with pytest.raises(LookupError):
        list(broken())
    found = only(handler)
    assert (found.status, found.error_type, texts(found.outputs)) == ("error", "LookupError", ["so far"])


def test_a_generator_closed_early_says_so_and_cleans_up_inside_its_span(handler):
    seen = []

    @observe
    def stream() -> Iterator[int]:
        try:
            yield 1
        finally:
            seen.append(current_span().span_id)

    for _ in (opened := stream()):
        break
    opened.close()
    found = only(handler)
    assert (found.status, found.error_type, seen) == ("closed_early", None, [found.span_id])


def test_a_generator_that_is_dropped_ends(handler):
    stream = words("a b")
    next(stream)
    del stream
    gc.collect()
    assert {one.status for one in recorded(handler).spans} == {"closed_early"}


def test_a_generator_closed_by_another_thread_leaves_that_threads_block_alone(handler):
    seen: list[Any] = []

    def close(stream: Any) -> None:
        with span("other") as other:
            stream.close()
            seen.extend((current_span().span_id, other.span_id))

    stream = words("a b")
    next(stream)
    thread = threading.Thread(target=close, args=(stream,))
    thread.start()
    thread.join()
    assert seen[0] == seen[1]
    assert [tree(trace) for trace in all_traces(handler)] == [
        ("words", [("inside a", [])]),
        ("other", []),
    ]


async def test_an_async_generator_closed_early_says_so(handler):
    stream = async_words("a b")
    async for _ in stream:
        break
    await stream.aclose()
    assert not current_span()
    trace = await asyncio.to_thread(recorded, handler)
    assert {one.status for one in trace.spans} == {"closed_early"}


async def test_a_cancelled_reader_cancels_the_async_generator(handler):
    @observe
    async def endless() -> AsyncIterator[int]:
        yield 1
        await asyncio.sleep(60)

    async def read() -> None:
        async for _ in endless():
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert (await asyncio.to_thread(only, handler)).status == "cancelled"


def test_a_call_with_wrong_arguments_fails_as_it_would(handler):
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        list(words())
    assert not handler.runtime.recorder.runs


def test_a_runnable_of_an_observed_generator_streams(handler):
    """LangChain asks whether it is a generator function, and runs it by steps."""

    @observe(name="upper")
    def upper(pieces: Iterator[str]) -> Iterator[str]:
        for piece in pieces:
            yield piece.upper()

    chain = _generator_runnable(upper)
    assert list(chain.stream("a", config={"callbacks": [handler]})) == ["A"]
    assert tree(recorded(handler)) == ("steps", [("upper", [])])


def test_an_observed_function_makes_a_tool_and_a_node(handler):
    """LangChain and LangGraph read names, annotations and signatures."""

    @tool
    @observe(name="inner")
    def price(item: str, currency: str = "EUR") -> str:
        """What it costs."""
        return f"{item}: 79 {currency}"

    node = observe(
        lambda state, config: {"messages": [price.invoke({"item": "kettle"}, config)]}, name="node fn"
    )
    graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node").compile()
    answer = graph.invoke({"messages": []}, {"callbacks": [handler], "run_name": "graph"})

    assert answer["messages"][0].content == "kettle: 79 EUR"
    assert set(price.args) == {"item", "currency"}
    assert tree(recorded(handler)) == (
        "graph",
        [("node", [("node fn", [("price", [("inner", [])])])])],
    )


def _generator_runnable(function: Any) -> Any:
    from langchain_core.runnables import RunnableGenerator

    return RunnableGenerator(function).with_config(run_name="steps")


COMMANDS = st.lists(
    st.one_of(
        st.just(("next",)),
        st.tuples(st.just("send"), st.integers()),
        st.tuples(st.just("throw"), st.sampled_from([KeyError, ValueError, GeneratorExit])),
        st.just(("close",)),
    ),
    max_size=8,
)


def talkative() -> Any:
    """Answers what it is sent, survives a KeyError, cleans up, and returns what it heard."""
    heard: list[Any] = []
    try:
        while len(heard) < 5:
            try:
                heard.append((yield len(heard)))
            except KeyError:
                heard.append("key")
    finally:
        heard.append("cleaned up")
    return heard


async def async_talkative() -> Any:
    heard: list[Any] = []
    while len(heard) < 5:
        try:
            heard.append((yield len(heard)))
        except KeyError:
            heard.append("key")


def conversation(stream: Any, commands: list[Any]) -> list[Any]:
    """What comes of each command: an item, or an exception's class and arguments."""
    said: list[Any] = []
    for name, *passed in commands:
        try:
            said.append(next(stream) if name == "next" else getattr(stream, name)(*passed))
        except BaseException as raised:
            said.append((type(raised), raised.args))
    return said


async def async_conversation(stream: Any, commands: list[Any]) -> list[Any]:
    said: list[Any] = []
    methods = {"next": "__anext__", "send": "asend", "throw": "athrow", "close": "aclose"}
    for name, *passed in commands:
        try:
            said.append(await getattr(stream, methods[name])(*passed))
        except BaseException as raised:
            said.append((type(raised), raised.args))
    return said


@pytest.fixture(scope="module")
def sink() -> Iterator[ObsHandler]:
    made = ObsHandler(store=False, backends=[MemoryBackend()])
    yield made
    made.runtime.shutdown(2.0)


@given(commands=COMMANDS)
def test_an_observed_generator_behaves_as_the_plain_one(sink, commands):
    observed = observe(handler=sink)(talkative)
    assert conversation(observed(), commands) == conversation(talkative(), commands)
    assert not current_span()


@given(commands=COMMANDS)
def test_an_observed_async_generator_behaves_as_the_plain_one(sink, commands):
    observed = observe(handler=sink)(async_talkative)

    async def both() -> None:
        assert await async_conversation(observed(), commands) == await async_conversation(
            async_talkative(), commands
        )
        assert not current_span()

    asyncio.run(both())

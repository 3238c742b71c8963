"""Blocks and functions of one's own as spans: `with span(...)` and `@observe`."""

import asyncio
import contextlib
import functools
import gc
import inspect
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from recording import all_traces, handler_in, named, recorded, settled, tree

from spanscope import ObsHandler, current_span, instrument, observe, semconv, span, uninstrument
from spanscope.exceptions import ConfigError
from spanscope.testing import MemoryBackend


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[ObsHandler] = []

    def handler(folder: str = "one", **given: Any) -> ObsHandler:
        (tmp_path / folder).mkdir(exist_ok=True)
        made.append(handler_in(tmp_path / folder, **given))
        return made[-1]

    yield handler
    for one in made:
        one.runtime.shutdown(2.0)


@pytest.fixture
def handler(make) -> ObsHandler:
    return make(content="redacted")


def only(handler: ObsHandler) -> Any:
    """The one span that was recorded."""
    (trace,) = all_traces(handler)
    (found,) = trace.spans
    return found


def text(contents: Any) -> list[str]:
    return [one.text for one in contents]


# --- functions and their arguments ------------------------------------------------------------------------


def test_a_call_is_a_span_with_its_arguments_by_name_and_its_result(handler):
    @observe
    def add(first: int, second: int, *rest: int, third: int = 0) -> int:
        return first + second + third + sum(rest)

    assert add(1, 2, 4, third=3) == 10
    found = only(handler)
    assert text(found.inputs) == ['{"first": 1, "second": 2, "rest": [4], "third": 3}']
    assert text(found.outputs) == ["10"]
    assert (found.kind, found.status) == ("span", "ok")
    assert found.name.endswith("<locals>.add")


def test_name_and_kind_can_be_given(handler):
    observe(str.upper, name="shout", kind="tool")("a")
    assert (only(handler).name, only(handler).kind) == ("shout", "tool")


def test_an_unknown_kind_is_refused_where_it_is_written():
    with pytest.raises(ConfigError, match="unknown kind 'tol': known are agent"):
        observe(kind="tol")


def test_neither_arguments_nor_result_are_kept_when_switched_off(handler):
    @observe(input=False, output=False)
    def add(first: int, second: int) -> int:
        return first + second

    add(1, 2)
    assert (only(handler).inputs, only(handler).outputs) == ((), ())


def test_arguments_and_results_are_withheld_by_the_content_policy(make):
    handler = make(content="hash")
    observe(lambda said: said.upper(), name="shout")("my number is 4111 1111 1111 1111")
    found = only(handler)
    assert (found.message_count, found.output_chars) == (1, 32)
    assert (found.input_preview, found.output_preview) == (None, None)


def test_an_argument_with_a_secret_name_is_not_kept(handler):
    @observe
    def login(user: str, password: str) -> None:
        return None

    login("ann", password="hunter2-and-more")
    assert "hunter2" not in text(only(handler).inputs)[0]


class Shop:
    """Methods of each kind; decorated above and below the other decorator."""

    @observe
    def price(self, item: str) -> str:
        return f"{item}: 79"

    @classmethod
    @observe
    def below(cls, item: str) -> str:
        return f"{cls.__name__} {item}"

    @observe
    @classmethod
    def above(cls, item: str) -> str:
        return f"{cls.__name__} {item}"

    @staticmethod
    @observe
    def fixed_below(item: str) -> str:
        return item

    @observe
    @staticmethod
    def fixed_above(item: str) -> str:
        return item

    @observe
    async def later(self, item: str) -> str:
        return item


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("price", "kettle: 79"),
        ("below", "Shop kettle"),
        ("above", "Shop kettle"),
        ("fixed_below", "kettle"),
        ("fixed_above", "kettle"),
    ],
)
def test_a_method_is_recorded_without_its_owner(handler, method, result):
    assert getattr(Shop(), method)("kettle") == result
    found = only(handler)
    assert (found.name, text(found.inputs)) == (f"Shop.{method}", ['{"item": "kettle"}'])


async def test_a_coroutine_method_is_recorded_without_its_owner(handler):
    assert await Shop().later(item="kettle") == "kettle"
    found = await asyncio.to_thread(only, handler)
    assert (text(found.inputs), text(found.outputs)) == (['{"item": "kettle"}'], ["kettle"])


def test_a_class_is_refused_with_the_remedy():
    with pytest.raises(ConfigError, match="put it on the methods of Shop"):
        observe(Shop)


def test_a_partial_and_an_object_that_can_be_called_are_taken(handler):
    class Doubler:
        def __call__(self, number: int) -> int:
            return 2 * number

    assert observe(functools.partial(max, 3))(5) == 5
    assert observe(Doubler())(4) == 8
    names = [trace.root.name for trace in all_traces(handler)]
    assert names[0] == "max"
    assert names[1].endswith("Doubler")


async def test_an_object_with_a_coroutine_call_is_timed_to_its_end(handler):
    class Slow:
        async def __call__(self) -> str:
            await asyncio.sleep(0.02)
            return "done"

    assert await observe(Slow())() == "done"
    found = await asyncio.to_thread(only, handler)
    assert found.duration_ms > 15
    assert text(found.outputs) == ["done"]


def plain() -> None: ...
async def coroutine() -> None: ...
def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("function", [plain, coroutine, generator, async_generator])
def test_a_function_stays_what_it_is_for_those_who_ask(function):
    """FastAPI and LangChain choose how to call a function by these answers."""
    asked = (
        inspect.iscoroutinefunction,
        inspect.isgeneratorfunction,
        inspect.isasyncgenfunction,
        inspect.signature,
    )
    observed = observe(function)
    assert [ask(observed) for ask in asked] == [ask(function) for ask in asked]
    assert observed.__name__ == function.__name__
    assert observed.__wrapped__ is function


def test_without_any_handler_a_function_just_runs(make):
    make().runtime.shutdown(2.0)
    assert observe(str.upper)("a") == "A"
    assert list(observe(generator)()) == [1]


# --- errors and cancellations -----------------------------------------------------------------------------


def test_an_error_passes_through_and_is_on_the_span(handler):
    @observe
    def fail() -> None:
        raise LookupError("no such kettle")

    with pytest.raises(LookupError):
        fail()
    found = only(handler)
    assert (found.status, found.error_type, found.error_message) == ("error", "LookupError", "no such kettle")


async def test_a_cancelled_coroutine_is_cancelled_and_no_error(handler):
    @observe
    async def wait() -> None:
        await asyncio.sleep(60)

    task = asyncio.create_task(wait())
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    found = await asyncio.to_thread(only, handler)
    assert (found.status, found.error_type) == ("cancelled", None)


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
    assert (root.name, root.status, text(root.outputs)) == ("words", "ok", ["ab"])
    assert root.attributes["spanscope.items"] == 2


def test_items_that_are_no_text_are_a_list(handler):
    @observe
    def numbers() -> Iterator[int]:
        yield from range(3)

    list(numbers())
    assert text(only(handler).outputs) == ["[0, 1, 2]"]


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
    assert (found.status, found.error_type, text(found.outputs)) == ("error", "LookupError", ["so far"])


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


# --- blocks -------------------------------------------------------------------------------------------------


def test_a_block_left_open_in_a_plain_generator_does_not_replace_the_readers_block(handler):
    def stream() -> Iterator[int]:
        with span("stream"):
            yield 1

    reading = stream()
    thread = threading.Thread(target=next, args=(reading,))
    thread.start()
    thread.join()
    with span("reader") as reader:
        reading.close()
        assert current_span().span_id == reader.span_id


def test_fields_set_by_name_are_fields_and_others_attributes(handler):
    with span("call", kind="llm", input="how much?") as call:
        call.set("request_model", "tiny-1")
        call.set("input_tokens", 12)
        call.set("output_tokens", 5)
        call.set("finish_reason", "length")
        call.set("cost_usd", 0.25)
        call.set("colour", "green")
        call.set_output("79")
    found = only(handler)
    assert (found.request_model, found.input_tokens, found.total_tokens) == ("tiny-1", 12, 17)
    assert (found.usage_source, str(found.cost_usd), found.cost_source) == ("given", "0.25", "given")
    assert (found.finish_reason, found.attributes["colour"]) == ("length", "green")
    assert "request_model" not in found.attributes
    assert [(one.role, one.text) for one in (*found.inputs, *found.outputs)] == [
        ("user", "how much?"),
        ("ai", "79"),
    ]


def test_a_model_call_of_ones_own_counts_in_the_totals(handler):
    with span("request"), span("call", kind="llm") as call:
        call.set("input_tokens", 12)
    assert recorded(handler).totals.input_tokens == 12


def test_usage_that_nobody_gave_is_unknown_and_not_zero(handler):
    with span("call", kind="llm"):
        pass
    assert (only(handler).input_tokens, only(handler).usage_source) == (None, "missing")


@pytest.mark.parametrize("value", ["twelve", True, -1, 1.5])
def test_a_value_that_the_field_can_not_hold_stays_an_attribute(handler, value):
    with span("call", kind="llm") as call:
        call.set("input_tokens", value)
    assert only(handler).input_tokens is None
    assert only(handler).attributes["input_tokens"] == value


def test_a_finish_reason_of_another_vocabulary_is_kept_as_the_raw_one(handler):
    with span("call", kind="llm") as call:
        call.set("finish_reason", "eos_token")
    assert (only(handler).finish_reason, only(handler).finish_reason_raw) == ("unknown", "eos_token")


def test_a_conversation_is_kept_message_by_message(handler):
    @observe(kind="llm")
    def complete(messages: list[dict[str, str]]) -> str:
        return "79"

    complete([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How much?"}])
    assert [(one.role, one.text) for one in only(handler).inputs] == [
        ("system", "Be brief."),
        ("user", "How much?"),
    ]


DOCUMENT_FORMS = [
    [(Document("kettle", id="d1", metadata={"source": "shop.txt"}), 0.9)],
    [Document("kettle", id="d1", metadata={"source": "shop.txt", "score": 0.9})],
    [{"id": "d1", "text": "kettle", "score": 0.9, "source": "shop.txt"}],
]


@pytest.mark.parametrize("documents", DOCUMENT_FORMS)
def test_documents_of_a_retriever_of_ones_own_keep_ids_and_scores(handler, documents):
    observe(lambda question: documents, name="search", kind="retriever")("how much?")
    found = only(handler)
    (described,) = found.attributes["retrieval.documents"]
    digest = described.pop("hash")
    assert described == {"id": "d1", "score": 0.9, "chars": 6, "source": "shop.txt"}
    assert digest != "kettle"
    assert [(one.role, one.text) for one in found.outputs] == [("document", "kettle")]


def test_a_reranker_shows_what_there_was_before_and_after(handler):
    @observe(kind="reranker")
    def rerank(question: str, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**documents[1], "score": 0.9}]

    rerank("how much?", [{"id": "d1", "text": "lamp"}, {"id": "d2", "text": "kettle", "score": 0.2}])
    found = only(handler)
    ids_and_scores = {
        name: [(one["id"], one.get("score")) for one in found.attributes[name]]
        for name in (semconv.DOCUMENTS_BEFORE, semconv.DOCUMENTS)
    }
    assert ids_and_scores == {
        semconv.DOCUMENTS_BEFORE: [("d1", None), ("d2", 0.2)],
        semconv.DOCUMENTS: [("d2", 0.9)],
    }
    assert text(found.inputs) == ['{"question": "how much?", "documents": ["lamp", "kettle"]}']


def test_llama_index_nodes_keep_ids_and_scores(handler):
    schema = pytest.importorskip("llama_index.core.schema")
    nodes = [schema.NodeWithScore(node=schema.TextNode(text="kettle", id_="d1"), score=0.9)]
    observe(lambda: nodes, name="search", kind="retriever")()
    (described,) = only(handler).attributes["retrieval.documents"]
    assert (described["id"], described["score"], described["chars"]) == ("d1", 0.9, 6)


# --- which handler ------------------------------------------------------------------------------------------


def test_a_block_with_nothing_around_it_goes_to_the_handler_made_last(make):
    first, last = make("first"), make("last")
    with span("block"):
        pass
    assert (len(all_traces(first)), len(all_traces(last))) == (0, 1)


def test_a_block_goes_where_the_run_around_it_goes(make):
    first, last = make("first", service="shop"), make("last")

    def step(given: str) -> str:
        with span("block"):
            return given

    RunnableLambda(step).invoke("a", config={"callbacks": [first]})
    assert named(recorded(first), "block").service == "shop"
    assert all_traces(last) == []


def test_a_block_goes_to_the_handler_that_it_names(make):
    first, last = make("first", service="shop"), make("last")
    with span("block", handler=first):
        observe(str.upper, handler=first)("a")
    assert [one.service for one in recorded(first).spans] == ["shop", "shop"]
    assert all_traces(last) == []


def test_a_block_that_names_another_handler_is_a_trace_of_its_own_there(make):
    first, last = make("first"), make("last")
    with span("outer", handler=first), span("inner", handler=last):
        pass
    assert tree(recorded(first)) == ("outer", [])
    assert (recorded(last).root.parent_id, tree(recorded(last))) == (None, ("inner", []))


def test_the_handler_of_the_whole_process_goes_before_the_one_made_last(make, tmp_path):
    everywhere = instrument(store=tmp_path / "spans.db", backends=[MemoryBackend()])
    try:
        last = make("last")
        with span("block"):
            pass
        assert (len(all_traces(everywhere)), len(all_traces(last))) == (1, 0)
    finally:
        uninstrument()
        everywhere.runtime.shutdown(2.0)


def test_after_uninstrument_a_block_is_recorded_no_more(make, tmp_path):
    everywhere = instrument(store=tmp_path / "spans.db", backends=[MemoryBackend()])
    uninstrument()
    with span("block"):
        pass
    assert all_traces(everywhere) == []
    everywhere.runtime.shutdown(2.0)


def test_a_handler_that_was_shut_down_gets_no_block(make):
    first, last = make("first"), make("last")
    last.runtime.shutdown(2.0)
    with span("block"):
        pass
    assert len(all_traces(first)) == 1


def test_a_trace_begun_by_a_block_is_the_handlers_last_one(handler):
    with span("request") as request:
        RunnableLambda(str.upper).invoke("a", config={"callbacks": [handler]})
    assert handler.last_trace_id == request.trace_id
    assert len(recorded(handler).spans) == 2


def test_what_is_no_handler_is_refused():
    with pytest.raises(ConfigError, match="not str"), span("block", handler="structlog"):
        pass

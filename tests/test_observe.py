"""Functions of one's own as spans: `@observe` on whatever kind of function."""

import asyncio
import contextlib
import functools
import gc
import inspect
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from recording import all_traces, handlers_in, only, settled, texts

from spanscope import ObsHandler, observe
from spanscope.exceptions import ConfigError
from spanscope.handlers import manual


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    with handlers_in(tmp_path) as handler:
        yield handler


@pytest.fixture
def handler(make) -> ObsHandler:
    return make(content="redacted")


# --- functions and their arguments ------------------------------------------------------------------------


def test_a_call_is_a_span_with_its_arguments_by_name_and_its_result(handler):
    @observe
    def add(first: int, second: int, *rest: int, third: int = 0) -> int:
        return first + second + third + sum(rest)

    assert add(1, 2, 4, third=3) == 10
    found = only(handler)
    assert texts(found.inputs) == ['{"first": 1, "second": 2, "rest": [4], "third": 3}']
    assert texts(found.outputs) == ["10"]
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
    assert "hunter2" not in texts(only(handler).inputs)[0]


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
    assert (found.name, texts(found.inputs)) == (f"Shop.{method}", ['{"item": "kettle"}'])


async def test_a_coroutine_method_is_recorded_without_its_owner(handler):
    assert await Shop().later(item="kettle") == "kettle"
    found = await asyncio.to_thread(only, handler)
    assert (texts(found.inputs), texts(found.outputs)) == (['{"item": "kettle"}'], ["kettle"])


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
    assert texts(found.outputs) == ["done"]


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


def test_what_a_failed_call_held_is_let_go_without_waiting_for_the_garbage_collector(handler):
    class Large:
        """Stands for a state or a response."""

    held: list[weakref.ref[Large]] = []

    @observe
    def fail() -> None:
        local = Large()
        held.append(weakref.ref(local))
        raise LookupError

    gc.disable()
    try:
        with contextlib.suppress(LookupError):
            fail()
        settled(handler)
        assert held[0]() is None
    finally:
        gc.enable()


def test_a_fault_of_ours_leaves_the_function_running_and_is_counted(handler, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(manual, "innermost", broken)
    assert observe(str.upper)("a") == "A"
    assert list(observe(generator)()) == [1]
    assert handler.runtime.health.faults["span"] >= 2

"""Record each call of a function of your own: `@observe`, for whatever kind of function it is.

The wrapper is of the same kind as what it wraps (function, coroutine function, generator function,
async generator function), for frameworks ask.  A generator's items pass by: they are noted on the way to
whoever asks for them, never asked for by us.

Built on `manual`.
"""

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any, Final, NamedTuple, TypeVar, overload

from spanscope import semconv
from spanscope.exceptions import ConfigError
from spanscope.handlers._freeze import MAX_ITEMS
from spanscope.handlers._source import Handler
from spanscope.handlers.manual import Block, Unrecorded, begin, check

F = TypeVar("F", bound=Callable[..., Any])
MAX_PIECES: Final = 10_000
"""Pieces of a streamed text that are held until the end; a reference each."""
_OWNERS: Final = ("self", "cls", "mcs")
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Call(NamedTuple):
    """What to record of each call."""

    name: str
    kind: str
    parameters: tuple[str, ...]
    """Names of the positional parameters, that of the owner (`self`) left empty."""
    rest: str
    """Name of the `*args` parameter."""
    input: bool
    output: bool
    handler: Handler | None

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Block | Unrecorded:
        given = self._named(args, kwargs) if self.input else None
        return begin(self.name, self.kind, given or None, self.handler)

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        given = dict(zip(self.parameters, args, strict=False))
        given.pop("", None)
        if len(args) > len(self.parameters):
            given[self.rest] = args[len(self.parameters) :]
        return {**given, **kwargs}


@overload
def observe(function: F) -> F: ...
@overload
def observe(
    function: None = None,
    *,
    name: str | None = None,
    kind: str = "span",
    input: bool = True,
    output: bool = True,
    handler: Handler | None = None,
) -> Callable[[F], F]: ...
def observe(
    function: Any = None,
    *,
    name: str | None = None,
    kind: str = "span",
    input: bool = True,
    output: bool = True,
    handler: Handler | None = None,
) -> Any:
    """Record each call of a function as a span: `@observe`, or `@observe(kind="tool", output=False)`.

    Takes functions, coroutine functions, generators and async generators, as methods too (instance, class
    or static, above or below those decorators).  Arguments are kept by their names, without `self` and
    `cls`, and results, both by the content policy; `input=False` and `output=False` leave them out.

    A generator's span begins when the first item is asked for, under whatever is around the one who asks;
    it ends when the generator is exhausted, fails or is closed (`closed_early`).

    `name` is by default the function's qualified name, `handler` that of `span`.  Raises `ConfigError` for
    an unknown kind, and for a class: put it on its methods.
    """
    check(kind, handler)
    options = {"name": name, "kind": kind, "input": input, "output": output, "handler": handler}
    match function:
        case None:
            return functools.partial(observe, **options)
        case classmethod() | staticmethod():
            return type(function)(observe(function.__func__, **options))
        case type():
            raise ConfigError(f"observe takes a function: put it on the methods of {function.__qualname__}")
        case _ if not callable(function):
            raise ConfigError(f"observe takes a function, not {type(function).__name__}")
    parameters, rest = _parameters(function)
    call = _Call(name or _label(function), kind, parameters, rest, input, output, handler)
    return functools.wraps(function)(_wrapper(function)(function, call))


def _wrapper(function: Callable[..., Any]) -> Callable[[Callable[..., Any], _Call], Callable[..., Any]]:
    """The one that fits this kind of function; an object that can be called is asked for its `__call__`."""
    is_object = not inspect.isroutine(function) and not isinstance(function, functools.partial)
    asked: Any = type(function).__call__ if is_object else function
    if inspect.iscoroutinefunction(asked):
        return _coroutine_function
    if inspect.isgeneratorfunction(asked):
        return _generator_function
    if inspect.isasyncgenfunction(asked):
        return _async_generator_function
    return _function


def _label(function: Any) -> str:
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__qualname__", None) or type(function).__qualname__


def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], str]:
    """Names of the positional parameters, and of `*args`.  Some built-in functions do not tell theirs."""
    try:
        declared = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return (), "args"
    names = [one.name for one in declared if one.kind in _POSITIONAL]
    if names and names[0] in _OWNERS:
        names[0] = ""
    rest = [one.name for one in declared if one.kind is inspect.Parameter.VAR_POSITIONAL]
    return tuple(names), rest[0] if rest else "args"


# --- one wrapper for each kind of function --------------------------------------------------------------


# The error is handed on and not kept in a variable: it would hold its own frame, and all that is in there.


def _function(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    def called(*args: Any, **kwargs: Any) -> Any:
        block = call.begin(args, kwargs)
        try:
            with block as handle:
                result = function(*args, **kwargs)
                if call.output:
                    handle.set_output(result)
        except BaseException as raised:
            block.end(raised)
            raise
        block.end()
        return result

    return called


def _coroutine_function(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    async def awaited(*args: Any, **kwargs: Any) -> Any:
        block = call.begin(args, kwargs)
        try:
            with block as handle:
                result = await function(*args, **kwargs)
                if call.output:
                    handle.set_output(result)
        except BaseException as raised:
            block.end(raised)
            raise
        block.end()
        return result

    return awaited


def _generator_function(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    def generated(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        generator = function(*args, **kwargs)
        items = _Items(call.begin(args, kwargs), keep=call.output)
        try:
            # Hands on what is sent, thrown and returned, and closes the body when it is closed itself.
            returned = yield from _Body(generator, items)
        except BaseException as raised:
            items.end(raised)
            raise
        items.end()
        return returned

    return generated


def _async_generator_function(function: Callable[..., Any], call: _Call) -> Callable[..., Any]:
    async def generated(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        body = function(*args, **kwargs)
        items = _Items(call.begin(args, kwargs), keep=call.output)
        block, step = items.block, body.asend(None)
        try:
            while True:
                try:
                    with block:
                        item = await step
                except StopAsyncIteration:
                    break
                items.passed(item)
                try:
                    sent = yield item
                except GeneratorExit:
                    with block:
                        await body.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001  the consumer throws it at the body
                    step = body.athrow(thrown)
                else:
                    step = body.asend(sent)
        except BaseException as raised:
            items.end(raised)
            raise
        items.end()

    return generated


class _Body(Generator[Any, Any, Any]):
    """A generator whose span is current while its own code runs, and at no other time."""

    def __init__(self, generator: Generator[Any, Any, Any], items: "_Items") -> None:
        self._generator = generator
        self._items = items

    def send(self, value: Any) -> Any:
        with self._items.block:
            item = self._generator.send(value)
        self._items.passed(item)
        return item

    def throw(self, *raised: Any) -> Any:
        with self._items.block:
            item = self._generator.throw(*raised)
        self._items.passed(item)
        return item

    def close(self) -> None:
        with self._items.block:
            self._generator.close()


class _Items:
    """What passes by on its way to the consumer: counted, and the beginning held for the span."""

    def __init__(self, block: Block | Unrecorded, *, keep: bool) -> None:
        self.block = block
        self._keep = keep
        self._text: list[str] = []
        self._other: list[Any] = []

    def passed(self, item: Any) -> None:
        run = self.block.run
        if run is None:
            return
        run.chunks += 1
        run.last_ns = now = run.handler.recorder.now()
        if run.first_token_ns is None:
            run.first_token_ns = now
        if not self._keep:
            return
        if type(item) is str:
            if len(self._text) < MAX_PIECES:
                self._text.append(item)
        elif len(self._other) < MAX_ITEMS:
            self._other.append(self.block.handle.frozen(item))

    def end(self, error: BaseException | None = None) -> None:
        """No more come.  The pieces of a text are one text; other items are a list."""
        run = self.block.run
        kept = len(self._text) + len(self._other)
        if run is not None and kept:
            run.output = [*self._text, *self._other] if self._other else "".join(self._text)
            if run.chunks > kept:
                self.block.handle.set(semconv.ITEMS_KEPT, kept)
        self.block.end(error)

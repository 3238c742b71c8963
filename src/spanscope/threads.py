"""Hand work to another thread together with where it comes from.

Python gives a new thread an empty context, so a call made there knows neither the span around the caller
nor the session.  `wrap(function)` and `ThreadPoolExecutor` take a copy of the caller's context along.

Used by applications; nothing of ours depends on it.
"""

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Callable
from concurrent import futures
from typing import Any, ParamSpec, TypeVar, cast

from spanscope.exceptions import ConfigError

P = ParamSpec("P")
R = TypeVar("R")


def wrap(function: Callable[P, R]) -> Callable[P, R]:
    """The same function, which runs in a copy of the context that `wrap` was called in.

    For work that is handed to a thread: `Thread(target=wrap(work))`, `pool.map(wrap(work), items)`,
    `loop.run_in_executor(None, wrap(work))`.  Spans of the work hang below the span around this call, and
    `with context(...)` holds for them.  May be called any number of times, also at the same time: each call
    has a copy of its own.  A coroutine function becomes one that runs as a task, for another event loop.

    Raises `ConfigError` for a generator function: its body runs where it is iterated, so wrap what does that.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"wrap does not take generators: wrap the function that iterates over {function!r}")
    around = contextvars.copy_context()
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            return await asyncio.create_task(function(*args, **kwargs), context=around.copy())

        return cast("Callable[P, R]", awaited)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context can be entered by one thread at a time.
        return around.copy().run(function, *args, **kwargs)

    return called


class ThreadPoolExecutor(futures.ThreadPoolExecutor):
    """`concurrent.futures.ThreadPoolExecutor`, whose work runs in a copy of the submitter's context."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> futures.Future[R]:
        """As in the standard library; spans of the work hang below the span around this call."""
        work = functools.partial(contextvars.copy_context().run, fn, *args, **kwargs)
        return super().submit(work)

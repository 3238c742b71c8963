"""Record what an `openai` client does, in code without a framework.

`wrap(client)` gives the client a subclass of its own class.  Everything that it asks a model for (chat,
responses, embeddings; parsed, streamed or raw) is sent by its one method `post`, prepared for each attempt
in `_prepare_request` and read in `_process_response`: these three are seen, and nothing else of it changes.
What was sent and what came back is kept by reference, and understood by the worker (`_openai_payload`).

Feeds `recorder`, like a framework's handler.
"""

import copy
import uuid
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, TypeVar

from spanscope.exceptions import ConfigError, MissingExtra
from spanscope.handlers import _openai_payload as payload
from spanscope.handlers._ambient import RunId
from spanscope.handlers._calling import default_source, innermost_run
from spanscope.handlers._openai_stream import Exchange, Guard, watch_body
from spanscope.handlers._source import Handler, Source
from spanscope.runs import Run, current_block

try:
    import openai
except ModuleNotFoundError as missing:
    raise MissingExtra("spanscope.openai", "openai") from missing

C = TypeVar("C", bound=openai.OpenAI | openai.AsyncOpenAI)
_STREAMS: Final = (openai.Stream, openai.AsyncStream)


def wrap(client: C, handler: Handler | None = None, **settings: Any) -> C:
    """Record the model calls of this client; gives the same object back.

    For `openai.OpenAI`, `AsyncOpenAI` and Azure's: chat completions, responses, embeddings and legacy
    completions, streamed, parsed or raw; also through what `with_options()` makes of it.  Calls go to
    `handler`; or, with `settings` (those of `ObsHandler`), to a handler made of them; or else to the
    handler that records what is around the call, to the one of `instrument()`, to the one made last, and
    where there is none to a default one (as `ObsHandler()`), made with the first call.

    Wrapped again, a client is recorded once, by the newest settings.  Raises `ConfigError` for other
    objects and for `handler` together with `settings`, and what `ObsHandler` raises for these.
    """
    if not isinstance(client, openai.OpenAI | openai.AsyncOpenAI):
        raise ConfigError(f"wrap takes a client such as openai.OpenAI(), not {type(client).__name__}")
    if handler is not None and settings:
        raise ConfigError("wrap takes a handler, or settings for one, not both")
    if handler is not None and not isinstance(handler, Handler):
        raise ConfigError(f"handler= takes an ObsHandler of spanscope, not {type(handler).__name__}")
    known = getattr(client, "_spanscope", None)
    if known is not None:
        if handler is not None or settings:
            known.handler = handler or Handler(**settings)
        return client
    recording: Any = client
    base: Any = type(client)
    recorded = Recorded(handler or (Handler(**settings) if settings else None), client)
    recording._spanscope = recorded
    recording.__class__ = _recording(base)
    for resource in _resources(client, set()):
        # Made before, they hold the method as it was.
        resource._post = recording.post
    return client


class Recorded:
    """What the calls of one client have in common."""

    __slots__ = ("azure", "handler")

    def __init__(self, handler: Handler | None, client: Any) -> None:
        self.handler = handler
        self.azure = isinstance(client, openai.AzureOpenAI | openai.AsyncAzureOpenAI)

    def begin(self, client: Any, path: Any, options: dict[str, Any]) -> Run | None:
        """Note a call before it is sent; None when it asks no model, or can not be recorded."""
        if path not in payload.KINDS:
            return None
        source: Source | None = None
        try:
            around = innermost_run()
            source = self.handler or (around.handler if around is not None else None)
            source = source or default_source("openai calls", "give wrap() a handler")
            if source is None:
                return None
            inside = None
            if around is not None and around.handler.recorder is source.recorder:
                inside = RunId(around.key)
            run = source.recorder.start(uuid.uuid4(), inside, source, payload.call)
            if run is None:
                return None
            if inside is not None:
                run.parent_source = "ambient"
            run.kind = payload.KINDS[path]
            run.payload = Exchange(path, options.get("body"), client.base_url, self.azure)
            return run
        except Exception as fault:  # noqa: BLE001  the boundary of a call: it is made unrecorded
            if source is not None:
                source.runtime.health.fault("openai", fault)
            return None


# --- the client's methods --------------------------------------------------------------------------------


@lru_cache(maxsize=32)
def _recording(base: Any) -> Any:
    """A subclass of this class of clients that notes what its instances do.

    It has one base: else an instance of that could not become one of the subclass.
    """
    made = _async(base) if issubclass(base, openai.AsyncOpenAI) else _sync(base)
    made.__name__, made.__qualname__, made.__module__ = base.__name__, base.__qualname__, base.__module__
    made.__doc__ = base.__doc__
    return made


def _sync(base: Any) -> Any:
    class Recording(base):  # type: ignore[misc]
        _spanscope: Recorded

        def post(self, path: str, *args: Any, **options: Any) -> Any:
            run = self._spanscope.begin(self, path, options)
            if run is None:
                return super().post(path, *args, **options)
            token = current_block.set(run)
            try:
                answer = super().post(path, *args, **options)
            except BaseException as error:
                _end(run, error)
                raise
            finally:
                _leave(token)
            return _answered(run, answer)

        def _prepare_request(self, request: Any) -> None:
            _sent()
            super()._prepare_request(request)

        def _process_response(self, **given: Any) -> Any:
            _arrived(given)
            return super()._process_response(**given)

        def copy(self, **changes: Any) -> Any:
            return _again(super().copy(**changes), self._spanscope)

        with_options = copy

    return Recording


def _async(base: Any) -> Any:
    class Recording(base):  # type: ignore[misc]
        _spanscope: Recorded

        async def post(self, path: str, *args: Any, **options: Any) -> Any:
            run = self._spanscope.begin(self, path, options)
            if run is None:
                return await super().post(path, *args, **options)
            token = current_block.set(run)
            try:
                answer = await super().post(path, *args, **options)
            except BaseException as error:
                _end(run, error)
                raise
            finally:
                _leave(token)
            return _answered(run, answer)

        async def _prepare_request(self, request: Any) -> None:
            _sent()
            await super()._prepare_request(request)

        async def _process_response(self, **given: Any) -> Any:
            _arrived(given)
            return await super()._process_response(**given)

        def copy(self, **changes: Any) -> Any:
            return _again(super().copy(**changes), self._spanscope)

        with_options = copy

    return Recording


def _again(made: Any, recorded: Recorded) -> Any:
    """What `copy()` gave is recorded as its original is."""
    made._spanscope = Recorded(recorded.handler, made)
    return made


def _leave(token: Any) -> None:
    try:
        current_block.reset(token)
    except ValueError:
        current_block.set(None)  # a coroutine that was dropped is closed in another context


def _open_call() -> Run | None:
    """The call that this client is making right now."""
    run = current_block.get()
    if run is None or not isinstance(run.payload, Exchange) or run.end_ns is not None:
        return None
    return run


def _sent() -> None:
    """A request goes out: the first of the call, or one more because the last one failed."""
    run = _open_call()
    if run is not None:
        run.payload.requests += 1


def _arrived(given: dict[str, Any]) -> None:
    """A response is there, whole or with its body still to be read."""
    run = _open_call()
    if run is None:
        return
    try:
        exchange, response = run.payload, given["response"]
        exchange.request_id = response.headers.get("x-request-id")
        if given.get("stream") or not response.is_stream_consumed:
            watch_body(response, run)
        else:
            exchange.answer = response.content
            exchange.ending = "whole"
    except Exception as fault:  # noqa: BLE001  the boundary of a call: its answer is not recorded
        run.handler.runtime.health.fault("openai", fault)


def _answered(run: Run, answer: Any) -> Any:
    """End the run unless its body is still to be read, and then see to it that it will end."""
    watch = run.payload.watch if run.payload is not None else None
    if watch is None:
        _end(run, None)
        return answer
    # A stream and its iterator hold one another, so a dropped one is found by the garbage collector, some
    # day.  A copy of its outside is not in that circle: when the application lets go of it, we know.
    if not issubclass(type(answer), _STREAMS):
        return answer
    try:
        shell = copy.copy(answer)
        shell._spanscope_guard = Guard(watch)
    except Exception as fault:  # noqa: BLE001  the boundary of a call: the stream itself will do
        run.handler.runtime.health.fault("openai", fault)
        return answer
    return shell


def _end(run: Run, error: BaseException | None) -> None:
    try:
        if run.end_ns is None:
            run.handler.recorder.finish(run, None, error)
    except Exception as fault:  # noqa: BLE001  the boundary of a call: the application has its answer
        run.handler.runtime.health.fault("openai", fault)


def _resources(holder: Any, seen: set[int]) -> Iterator[Any]:
    """The parts of a client that exist already: `client.chat`, `client.chat.completions`, …"""
    for part in list(vars(holder).values()):
        if id(part) not in seen and hasattr(part, "_post") and hasattr(part, "_client"):
            seen.add(id(part))
            yield part
            yield from _resources(part, seen)

"""Watch the body of an HTTP response while somebody else reads it.

However an answer of `openai` is read (as a stream of chunks, through the raw or the streaming response,
line by line), its bytes come out of `iter_bytes`, and it ends by being read out, broken, closed or
dropped.  So that one place is watched: each piece is kept with its time, by reference; what it says is
found out by the worker (`_openai_payload`).

Used by `handlers.openai`.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Literal

from spanscope.runs import Run

MAX_BYTES: Final = 8_000_000
"""Of a longer body the beginning is kept, and its last pieces, where finish reason and usage stand."""
_LAST_PIECES: Final = 64
_READER: Final = "openai._streaming"

Ending = Literal["whole", "read", "closed", "dropped"]


@dataclass(slots=True)
class Exchange:
    """One call: what was sent, and what has come back until now."""

    path: str
    body: Any
    """The request's JSON before it is written; the SDK made it for this request alone."""
    base_url: Any
    azure: bool
    requests: int = 0
    """How often it was sent: once, and again after each attempt that failed."""
    request_id: str | None = None
    answer: bytes | None = None
    """The body of a response that was read at once."""
    pieces: list[tuple[int, bytes]] = field(default_factory=list)
    """The body of any other, with the time of each piece (monotonic)."""
    ending: Ending | None = None
    size: int = 0
    watch: "Watch | None" = None
    """Who tells of the end, where the body is still to be read."""

    def take(self, now: int, piece: bytes) -> None:
        self.size += len(piece)
        pieces = self.pieces
        if self.size > MAX_BYTES and len(pieces) > 2 * _LAST_PIECES:
            del pieces[-_LAST_PIECES]
        pieces.append((now, piece))


class Watch:
    """Ends the run when its response does."""

    __slots__ = ("inside", "run")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.inside = False
        """The SDK is waiting for the next piece: a close meanwhile is its own."""

    def took(self, piece: bytes) -> None:
        run = self.run
        exchange = run.payload
        if exchange is not None and run.end_ns is None:
            run.last_ns = now = run.handler.recorder.now()
            run.chunks += 1
            exchange.take(now, piece)

    def over(self, ending: Ending, error: BaseException | None = None) -> None:
        """Nothing more will come.  Only the first word counts; never raises."""
        run = self.run
        if run.end_ns is not None:
            return
        try:
            last_ns = run.last_ns
            if run.payload is not None:
                run.payload.ending = ending
            run.handler.recorder.finish(run, None, error)
            if ending == "dropped":
                run.end_ns = last_ns  # when the garbage was collected says nothing
        except Exception as fault:  # noqa: BLE001  the boundary of a stream: the application reads on
            run.handler.runtime.health.fault("openai.stream", fault)


class Guard:
    """Held by a stream that is handed out: when that goes, nobody can read on."""

    __slots__ = ("_watch",)

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def __del__(self) -> None:
        self._watch.over("dropped")


def _not_understood(response: Any) -> BaseException | None:
    """The exception for which the SDK closes a body: it reads that no further, as no stream of the API's.

    Told from what else the application may be handling by whose frame it went through.
    """
    error = sys.exc_info()[1]
    if error is None or isinstance(error, GeneratorExit):
        return None
    trace = error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if frame.f_globals.get("__name__") == _READER and frame.f_locals.get("response") is response:
            return error
        trace = trace.tb_next
    return None


def watch_body(response: Any, run: Run) -> None:
    """Turn `response` into one that tells of its body; for its reader it is what it was."""
    watch = run.payload.watch = Watch(run)
    kind: Any = type(response)
    response.__class__ = _watched(kind)
    response._spanscope_watch = watch


@lru_cache(maxsize=16)
def _watched(base: Any) -> Any:
    """A subclass of this class of responses: `httpx.Response`, or what a client of the user's gives."""

    class Watched(base):  # type: ignore[misc]
        _spanscope_watch: Watch

        def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
            watch = self._spanscope_watch
            source = super().iter_bytes(chunk_size)
            while True:
                watch.inside = True
                try:
                    piece = next(source)
                except StopIteration:
                    watch.over("read")
                    return
                except BaseException as error:
                    watch.over("read", error)
                    raise
                finally:
                    watch.inside = False
                watch.took(piece)
                yield piece

        async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
            watch = self._spanscope_watch
            source = super().aiter_bytes(chunk_size)
            while True:
                watch.inside = True
                try:
                    piece = await anext(source)
                except StopAsyncIteration:
                    watch.over("read")
                    return
                except BaseException as error:
                    watch.over("read", error)
                    raise
                finally:
                    watch.inside = False
                watch.took(piece)
                yield piece

        def close(self) -> None:
            if not self._spanscope_watch.inside:
                self._spanscope_watch.over("closed", _not_understood(self))
            super().close()

        async def aclose(self) -> None:
            if not self._spanscope_watch.inside:
                self._spanscope_watch.over("closed", _not_understood(self))
            await super().aclose()

        def __del__(self) -> None:
            watch = self.__dict__.get("_spanscope_watch")
            if watch is not None:
                watch.over("dropped")

    Watched.__name__, Watched.__qualname__ = base.__name__, base.__qualname__
    Watched.__module__ = base.__module__
    return Watched

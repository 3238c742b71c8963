"""A provider, a handler, and a call from the one to the other."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spanscope import ObsHandler
from spanscope.spans import Span
from spanscope.testing import MemoryBackend

from .clients import client, look_up
from .server import Provider, Reply

Call = Callable[..., Span]


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    server = Provider()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def handler() -> Iterator[ObsHandler]:
    made = ObsHandler(store=False, backends=[MemoryBackend(max_spans=100_000)])
    yield made
    made.runtime.shutdown()


@pytest.fixture
def call(provider: Provider, handler: ObsHandler) -> Call:
    """Ask this provider (or this model), which gives this reply; the span of the call."""

    def ask(
        name: str, reply: Reply, *, streamed: bool = False, tools: bool = False, model: Any = None
    ) -> Span:
        provider.reply = reply
        model = model or client(name, provider.url)
        model = model.bind_tools([look_up]) if tools else model
        config = {"callbacks": [handler]}
        with watched(handler) as spans:
            _ = list(model.stream("hi", config)) if streamed else model.invoke("hi", config)
        (span,) = spans
        return span

    return ask


@pytest.fixture
def failed_call(call: Call, handler: ObsHandler) -> Call:
    """The same for a call that raises."""

    def ask(*args: Any, **kwargs: Any) -> Span:
        with watched(handler) as spans, pytest.raises(Exception):  # noqa: B017  each client has its own
            call(*args, **kwargs)
        (span,) = spans
        return span

    return ask


class watched:  # noqa: N801  reads as a statement
    """The spans that the handler records meanwhile, all there at the end and none of them by a fault."""

    def __init__(self, handler: ObsHandler) -> None:
        self._handler = handler
        (self._backend,) = handler.settings.backends

    def __enter__(self) -> list[Span]:
        assert self._handler.flush(10)
        self._before = len(self._backend.spans)
        self._spans: list[Span] = []
        return self._spans

    def __exit__(self, *_: object) -> None:
        assert self._handler.flush(10)
        assert self._handler.runtime.health.faults == {}
        self._spans += self._backend.spans[self._before :]

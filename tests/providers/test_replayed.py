"""Every fact of a call, through the real client of each provider, against what the provider's bytes say."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spanscope import ObsHandler, semconv
from spanscope.spans import Span
from spanscope.testing import MemoryBackend

from .cases import TRIED, answers, expected
from .clients import client, look_up
from .server import Provider, Reply

CASES = [
    pytest.param(
        name, kind, said, reason, streamed, id=f"{name}, {kind}, {'streamed' if streamed else 'whole'}"
    )
    for name, tried in TRIED.items()
    for kind, said, reason in answers(tried)
    for streamed in (False, True)
]
Call = Callable[..., Span]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    server = Provider()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def handler() -> Iterator[ObsHandler]:
    made = ObsHandler(store=False, backends=[MemoryBackend()])
    yield made
    made.runtime.shutdown()


@pytest.fixture
def call(provider: Provider, handler: ObsHandler) -> Call:
    """Ask this provider, which gives this reply; the span of the call."""
    (backend,) = handler.settings.backends

    def ask(
        name: str, reply: Reply, *, streamed: bool = False, tools: bool = False, model: Any = None
    ) -> Span:
        provider.reply = reply
        model = model or client(name, provider.url)
        model = model.bind_tools([look_up]) if tools else model
        before = len(backend.spans)
        config = {"callbacks": [handler]}
        try:
            _ = list(model.stream("hi", config)) if streamed else model.invoke("hi", config)
        finally:
            assert handler.flush(10)
            assert handler.runtime.health.faults == {}
        return last(handler, before)

    return ask


def last(handler: ObsHandler, before: int) -> Span:
    (backend,) = handler.settings.backends
    (span,) = backend.spans[before:]
    assert isinstance(span, Span)
    return span


@pytest.mark.parametrize(("name", "kind", "said", "reason", "streamed"), CASES)
def test_the_span_says_what_the_bytes_say(call, name, kind, said, reason, streamed):
    """A count of 0 may be unknown, for some clients leave zeros out; nothing else may differ."""
    tried = TRIED[name]
    reply = (tried.wire.stream if streamed else tried.wire.whole)(said)
    span = call(name, reply, streamed=streamed, tools=kind == "tools")
    wanted = expected(tried, said, reason, streamed=streamed)
    found = {fact: getattr(span, fact) for fact in wanted}
    assert {fact: value for fact, value in found.items() if value is not None or wanted[fact] != 0} == {
        fact: value for fact, value in wanted.items() if found[fact] is not None or value != 0
    }
    assert semconv.EXTRACT_ERRORS not in span.attributes
    if streamed:
        assert span.streamed
    if streamed and (said.text or said.tools):
        assert 0 < span.time_to_first_token_ms <= span.duration_ms
    if said.tools:
        assert span.attributes[semconv.TOOLS_OFFERED] == ["look_up"]
        assert all(called["args_valid"] for called in span.attributes[semconv.TOOL_CALLS])

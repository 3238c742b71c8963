"""The cost of a call through the real client of each provider, against what its bytes add up to by hand."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from spanscope import ObsHandler, semconv
from spanscope.spans import Span
from spanscope.testing import MemoryBackend

from .cases import TRIED
from .clients import client
from .server import Provider
from .wire import Said

SAID = Said(uncached=600, read=400, made=2_000)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    server = Provider()
    yield server
    server.shutdown()
    server.server_close()


def ask(provider: Provider, name: str, said: Said, *, streamed: bool, **settings: Any) -> Span:
    """One call of this provider, which answers so; its span."""
    backend = MemoryBackend()
    handler = ObsHandler(store=False, backends=[backend], **settings)
    wire = TRIED[name].wire
    provider.reply = (wire.stream if streamed else wire.whole)(said)
    config = {"callbacks": [handler]}
    model = client(name, provider.url)
    _ = list(model.stream("hi", config)) if streamed else model.invoke("hi", config)
    assert handler.flush(10)
    assert handler.runtime.health.faults == {}
    handler.runtime.shutdown()
    (span,) = backend.spans
    return span


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("name", "said", "expected"),
    [
        # 600 x 2.5 + 400 x 1.25 + 2 000 x 10
        ("openai", replace(SAID, model="gpt-4o-2024-08-06"), "0.022"),
        ("openai responses", replace(SAID, model="gpt-4o-2024-08-06"), "0.022"),
        # 600 x 1.25 + 400 x 0.125 + 2 000 x 10, reasoning within the output
        ("openai", replace(SAID, model="gpt-5", made=2_000, reasoning=1_500, thought="Hm."), "0.0208"),
        # half of it
        ("openai", replace(SAID, model="gpt-5", reasoning=1_500, thought="Hm.", tier="flex"), "0.0104"),
        ("openai", replace(SAID, model="gpt-5", reasoning=1_500, thought="Hm.", tier="priority"), "0.0416"),
        # 600 x 3 + 400 x 0.3 + 100 x 3.75 + 2 000 x 15
        ("anthropic", replace(SAID, model="claude-sonnet-4-5", written=100), "0.032295"),
        # 199 600 x 3 + 400 x 0.3 + 2 000 x 15, and one token more
        ("anthropic", replace(SAID, model="claude-sonnet-4-5", uncached=199_600), "0.62892"),
        ("anthropic", replace(SAID, model="claude-sonnet-4-5", uncached=199_601), "1.242846"),
        # 600 x 1.25 + 400 x 0.125 + 2 000 x 10
        ("google", replace(SAID, model="gemini-2.5-pro"), "0.0208"),
        # 600 x 3 + 400 x 0.75 + 2 000 x 15
        ("xai", replace(SAID, model="grok-4-0709"), "0.0321"),
        # the model that was asked for; the table has no cache prices for it: 1 000 x 0.25 + 2 000 x 1.25
        ("bedrock converse", SAID, "0.00275"),
    ],
)
def test_the_cost_is_what_the_bytes_add_up_to(provider, name, said, expected, streamed):
    tried = TRIED[name]
    said = replace(said, finish=tried.stop)
    span = ask(provider, name, said, streamed=streamed)
    assert span.input_tokens == said.taken
    assert (span.cost_usd, span.cost_source) == (Decimal(expected), "genai-prices"), dict(span.attributes)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_azures_deployment_is_what_the_user_says_it_is(provider, streamed):
    """Azure answers `gpt-4` for a deployment of gpt-4-turbo: 1 000 x 10 + 2 000 x 30, not 30 and 60."""
    said = replace(SAID, model="gpt-4", read=0, uncached=1_000, finish="stop")
    told = ask(provider, "azure", said, streamed=streamed, deployments={"shop": "gpt-4-turbo"})
    taken_at_its_word = ask(provider, "azure", said, streamed=streamed)
    assert (told.response_model, told.cost_usd) == ("gpt-4", Decimal("0.07"))
    assert told.attributes[semconv.PRICED_MODEL] == "azure/gpt-4-turbo"
    assert taken_at_its_word.cost_usd == Decimal("0.15")


def test_ollama_costs_nothing(provider):
    said = replace(SAID, model="gpt-4o", finish=TRIED["ollama"].stop)
    span = ask(provider, "ollama", said, streamed=False)
    assert (span.cost_usd, span.cost_source) == (Decimal(0), "local")


def test_a_stream_without_counts_is_estimated_on_wish(provider):
    said = replace(SAID, model="gpt-4o", finish="stop")
    wire = TRIED["openai"].wire
    backend = MemoryBackend()
    handler = ObsHandler(store=False, backends=[backend], estimate_tokens=True)
    provider.reply = replace(
        wire.stream(said),
        parts=tuple(part for part in wire.stream(said).parts or () if b"usage" not in part),
    )
    list(client("openai", provider.url).stream("How is the weather?", {"callbacks": [handler]}))
    assert handler.flush(10)
    (span,) = backend.spans
    assert span.usage_source == "estimated"
    assert span.cost_usd is not None
    assert span.cost_usd > 0

"""Which providers are tried with which answers, and what their clients do not hand on.

`lost` is what LangChain's client keeps to itself or fills in from the request; there the right fact is None.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from . import wire
from .wire import Said, Wire

TOOLS = (("look_up", '{"city": "Paris"}'), ("look_up", '{"city": "Rome"}'))


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One provider: its bytes, its words, and what gets lost on the way."""

    wire: Wire
    provider: str
    stop: str = "stop"
    length: str = "length"
    tools: str = "tool_calls"
    filtered: str | None = "content_filter"
    refusal: str | None = None
    """The word for a refusal; `field` where it is a field of the message."""
    refusal_streamed: bool = True
    """Whether the client hands on the field of a stream."""
    reasons: bool = True
    model: str = "model-asked-for"
    lost: frozenset[str] = frozenset()
    lost_whole: frozenset[str] = frozenset()
    lost_streamed: frozenset[str] = frozenset()
    said: dict[str, Any] = field(default_factory=dict)

    def lost_of(self, streamed: bool) -> frozenset[str]:
        return self.lost | (self.lost_streamed if streamed else self.lost_whole)


def _set(*names: str) -> frozenset[str]:
    return frozenset(names)


TRIED = {
    "openai": Tried(wire=wire.CHAT, provider="openai", refusal="field", refusal_streamed=False),
    "openai responses": Tried(
        wire=wire.RESPONSES, provider="openai", stop="completed", length="max_output_tokens",
        tools="completed", refusal="field",
    ),
    "azure": Tried(wire=wire.CHAT, provider="azure", model="shop", filtered=None),
    "anthropic": Tried(
        wire=wire.ANTHROPIC, provider="anthropic", stop="end_turn", length="max_tokens", tools="tool_use",
        filtered=None, refusal="refusal", said={"written": 8},
    ),
    "google": Tried(
        wire=wire.GOOGLE, provider="google_genai", stop="STOP", length="MAX_TOKENS", tools="STOP",
        filtered="SAFETY",
    ),
    "bedrock converse": Tried(
        wire=wire.CONVERSE, provider="amazon_bedrock", stop="end_turn", length="max_tokens", tools="tool_use",
        filtered="guardrail_intervened", model="anthropic.claude-3-haiku-20240307-v1:0",
        lost=_set("response_model", "reasoning_tokens"), said={"written": 8},
    ),
    "mistral": Tried(
        wire=wire.MISTRAL, provider="mistral", lost_whole=_set("response_model"),
        lost_streamed=_set("cache_read_tokens", "reasoning_tokens"),
    ),
    "groq": Tried(wire=wire.GROQ, provider="groq", lost=_set("response_model")),
    "fireworks": Tried(wire=wire.CHAT, provider="fireworks", lost=_set("response_model")),
    "deepseek": Tried(wire=wire.DEEPSEEK, provider="deepseek"),
    "xai": Tried(wire=wire.XAI, provider="xai"),
    "cohere": Tried(
        wire=wire.COHERE, provider="cohere", stop="COMPLETE", length="MAX_TOKENS", tools="TOOL_CALL",
        filtered="ERROR_TOXIC",
        lost=_set("response_model", "max_tokens", "cache_read_tokens", "reasoning_tokens"),
        lost_streamed=_set("input_tokens", "output_tokens", "total_tokens"),
    ),
    "ollama": Tried(
        wire=wire.OLLAMA, provider="ollama", tools="stop", filtered=None,
        lost=_set("max_tokens", "cache_read_tokens", "reasoning_tokens"),
    ),
    "watsonx": Tried(
        wire=wire.WATSONX, provider="ibm", reasons=False,
        lost=_set("temperature", "max_tokens", "cache_read_tokens", "reasoning_tokens"),
    ),
}  # fmt: skip


def answers(tried: Tried) -> Iterator[tuple[str, Said, str]]:
    """Name, answer and our word for its end, of each kind of answer that this provider gives."""
    plain = Said(finish=tried.stop, **tried.said)
    yield "plain", plain, "stop"
    yield "tools", replace(plain, text="", tools=TOOLS, finish=tried.tools), "tool_calls"
    yield "cut", replace(plain, finish=tried.length, made=64), "length"
    if tried.filtered is not None:
        yield "filtered", replace(plain, text="It ra", finish=tried.filtered), "content_filter"
    if tried.refusal == "field":
        yield "refusal", replace(plain, text="", refusal="I will not."), "refusal"
    elif tried.refusal is not None:
        yield "refusal", replace(plain, text="I will not.", finish=tried.refusal), "refusal"
    if tried.reasons:
        yield "reasoning", replace(plain, thought="Paris is in France.", made=30, reasoning=18), "stop"


def expected(tried: Tried, said: Said, reason: str, *, streamed: bool) -> dict[str, Any]:
    """What a span must say of this answer: the numbers in its bytes, None for what the client loses."""
    if reason == "refusal" and streamed and not tried.refusal_streamed:
        reason = "stop"
    facts = {
        "provider": tried.provider,
        "request_model": tried.model,
        "response_model": said.model,
        "temperature": 0.25,
        "max_tokens": 64,
        "finish_reason": reason,
        "finish_reason_raw": said.finish,
        "input_tokens": said.taken,
        "output_tokens": said.made,
        "total_tokens": said.taken + said.made,
        "cache_read_tokens": said.read,
        "reasoning_tokens": said.reasoning,
        "tool_names": tuple(name for name, _ in said.tools),
    }
    return {name: None if name in tried.lost_of(streamed) else value for name, value in facts.items()}

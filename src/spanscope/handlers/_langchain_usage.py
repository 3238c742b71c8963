"""Token counts of a model call, as LangChain hands them over, in the normal form of `providers.usage`.

LangChain has a form of its own (`usage_metadata`), in which cached tokens are a part of the input; most
clients fill it, some leave parts out, a few get it wrong.  What the provider said stands beside it for
most whole answers and for no streamed one.

Pure; runs on the worker thread, called by `_langchain_model`.
"""

from collections.abc import Mapping
from typing import Any, Final

from spanscope import semconv
from spanscope.providers import Usage, normal, usage_of
from spanscope.providers.reading import MAPPINGS, count, get

Facts = dict[str, Any]
NOTHING: Final[Facts] = {}
MISSING: Final[Facts] = {"usage_source": "missing"}
FROM_CACHE: Final[Facts] = {"usage_source": "cache", "cache_hit": True}
_TIERS: Final = ("flex_", "priority_")
_RAW_KEYS: Final = ("token_usage", "usage")
_FILL_IN_ZEROS: Final = frozenset(
    {"amazon_bedrock", "bedrock", "bedrock_converse", "google_genai", "google_vertexai"}
)
"""Clients that say 0 of the cache where the provider said nothing: of them, 0 is not known."""


def usage_facts(answer: Any, provider: Any) -> tuple[Facts, Facts]:
    """Token counts and their source, as fields and attributes.  A count not given is unknown, not zero."""
    if answer is None:
        return MISSING, NOTHING
    given = answer.usage
    if given and "total_cost" in given:
        found = _of_langchain(given)
        return (found.facts() if found is not None else {}) | FROM_CACHE, NOTHING
    if provider == "cohere" and (billed := _billed(answer)) is not None:
        return MISSING, billed
    found = _of_langchain(given) if given else None
    if found is not None and provider in _FILL_IN_ZEROS:
        found = found._replace(
            cache_read_tokens=found.cache_read_tokens or None,
            cache_write_tokens=found.cache_write_tokens or None,
        )
    if found is None:
        found = _raw(answer) or _scattered(answer)
        if found is None:
            return MISSING, NOTHING
    elif found.cache_read_tokens is None or found.reasoning_tokens is None:
        raw = _raw(answer)
        found = found if raw is None else _completed(found, raw)
    return found.facts(), found.attributes()


def _of_langchain(given: Mapping[str, Any]) -> Usage | None:
    """LangChain's own form."""
    taken, made = count(given.get("input_tokens")), count(given.get("output_tokens"))
    inside, out = given.get("input_token_details"), given.get("output_token_details")
    read = written = hour = reasoning = audio_in = audio_out = None
    if inside:
        read = _part(inside, "cache_read")
        hour = count(inside.get("ephemeral_1h_input_tokens"))
        written = _written(inside, hour)
        audio_in = count(inside.get("audio"))
    if out:
        reasoning = _part(out, "reasoning")
        audio_out = count(out.get("audio"))
    total = count(given.get("total_tokens"))
    if made and reasoning and taken is not None and total == taken + made - reasoning:
        # xAI's client adds reasoning to what already holds it.
        made -= reasoning
    return normal(
        taken,
        made,
        total,
        read=read,
        written=written,
        written_1h=hour,
        reasoning=reasoning,
        audio_in=audio_in,
        audio_out=audio_out,
    )


def _part(details: Mapping[str, Any], name: str) -> int | None:
    """A part of the tokens; under a service tier its key is prefixed (`flex_cache_read`)."""
    if (found := count(details.get(name))) is None:
        for tier in _TIERS:
            if (found := count(details.get(tier + name))) is not None:
                break
    return found


def _written(details: Mapping[str, Any], hour: int | None) -> int | None:
    """The sum of the cache writes may stand under its own name, under the parts' names, or both."""
    whole = _part(details, "cache_creation")
    parts = [n for n in (count(details.get("ephemeral_5m_input_tokens")), hour) if n is not None]
    return max(whole or 0, sum(parts)) if parts or whole is not None else None


def _raw(answer: Any) -> Usage | None:
    """What the provider said, where the client keeps it."""
    for source in (answer.response_metadata, answer.llm_output):
        for key in _RAW_KEYS:
            if (held := source.get(key)) is not None and (found := usage_of(held)) is not None:
                return found
    return None


def _scattered(answer: Any) -> Usage | None:
    """Counts that stand beside everything else: those of Ollama, llama.cpp, watsonx and text completions."""
    info = answer.generation_info
    for source in (answer.response_metadata, info):
        if source and (found := usage_of(source)) is not None:
            return found
    held = info.get("usage_metadata") or info.get("token_usage") or info.get("usage")
    return usage_of(held) if held is not None else None


def _completed(found: Usage, raw: Usage) -> Usage:
    """LangChain's counts, with the parts that only the provider's own have.

    Where the two differ by the cached tokens, the client has forgotten to count them as input.
    """
    if found.input_tokens is None or found.output_tokens is None:
        return raw
    if found.output_tokens != raw.output_tokens or raw.input_tokens is None:
        return found
    if found.input_tokens != raw.input_tokens:
        cached = (raw.cache_read_tokens or 0) + (raw.cache_write_tokens or 0)
        return raw if cached and found.input_tokens + cached == raw.input_tokens else found
    if None not in found:
        return found
    return Usage(*[other if own is None else own for own, other in zip(found, raw, strict=True)])


def _billed(answer: Any) -> Facts | None:
    """Of a stream, Cohere's client hands on the units that are billed, which are not the tokens."""
    billed = answer.generation_info.get("token_count")
    if not isinstance(billed, MAPPINGS) or "total_tokens" not in billed:
        return None
    return {
        semconv.BILLED_INPUT: count(get(billed, "input_tokens")),
        semconv.BILLED_OUTPUT: count(get(billed, "output_tokens")),
        semconv.USAGE_MISSING_REASON: "the client hands on billed units only, not tokens, of a stream",
    }

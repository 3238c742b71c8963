"""Token counts in one normal form: `input = uncached + cache read + cache write`, output with reasoning.

OpenAI and most others count cached tokens inside the input, Anthropic and Bedrock beside it; xAI and
Google count reasoning beside the output.  Whoever adds or subtracts at the wrong place counts tokens
twice or gets a negative price, so it is done once, here.

A count not given is None, never 0; no part is negative, and none is greater than its whole.
"""

from typing import Any, Final, NamedTuple

from spanscope import semconv
from spanscope.providers.reading import count, first, get, items, path, text


class Usage(NamedTuple):
    """Tokens of one call.  Cache and audio counts are parts of input or output, reasoning of output."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    input_audio_tokens: int | None = None
    output_audio_tokens: int | None = None

    def facts(self) -> dict[str, Any]:
        """Fields of a span, with the source that they have."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "total_tokens": self.total_tokens,
            "cache_read_tokens": self.cache_read_tokens,
            "cache_write_tokens": self.cache_write_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            "usage_source": "provider",
        }

    def attributes(self) -> dict[str, Any]:
        """Further attributes of a span: what few calls have."""
        found = {}
        if self.cache_write_1h_tokens:
            found[semconv.CACHE_WRITE_1H_TOKENS] = self.cache_write_1h_tokens
        if self.input_audio_tokens:
            found[semconv.INPUT_AUDIO_TOKENS] = self.input_audio_tokens
        if self.output_audio_tokens:
            found[semconv.OUTPUT_AUDIO_TOKENS] = self.output_audio_tokens
        return found


def normal(
    taken: int | None,
    made: int | None,
    total: int | None = None,
    *,
    read: int | None = None,
    written: int | None = None,
    written_1h: int | None = None,
    reasoning: int | None = None,
    audio_in: int | None = None,
    audio_out: int | None = None,
    cache_beside: bool = False,
    reasoning_beside: bool = False,
) -> Usage | None:
    """Counts as given, in normal form; None when neither input nor output is known.  Input of 0 is unknown.

    `cache_beside`, `reasoning_beside`: they are not counted in input or output yet.  Where it is not said,
    the numbers tell: a part that is greater than its whole, or that is missing from it in the total, stands
    beside it.
    """
    if taken is None and made is None:
        return None
    cached = (read or 0) + (written or 0)
    if (
        taken is not None
        and cached
        and (cache_beside or cached > taken or _beside(taken, made, total, cached))
    ):
        taken += cached
    if (
        made is not None
        and reasoning
        and (reasoning_beside or reasoning > made or _beside(made, taken, total, reasoning))
    ):
        made += reasoning
    if not taken:
        # Nothing was asked and yet answered: whoever says 0 had no number.
        taken = total = None
        if not made:
            return None
    elif made is not None:
        total = max(total or 0, taken + made)
    return Usage(
        taken,
        made,
        total,
        read,
        written,
        reasoning,
        written_1h,
        audio_in,
        audio_out,
    )


def _beside(whole: int, other: int | None, total: int | None, part: int) -> bool:
    """Whether the total is greater than both of its halves by exactly this part."""
    return other is not None and total is not None and total - whole - other == part


def usage_of(raw: Any) -> Usage | None:
    """The tokens that a provider's usage object tells, whatever its shape; None when it tells none.

    Knows OpenAI (chat and responses) and those who copy it, Anthropic, Google, Bedrock, Cohere, Ollama,
    llama.cpp, Hugging Face and watsonx; a whole response of the last four, for they have no usage object.
    """
    for shape in _SHAPES:
        if (found := shape(raw)) is not None:
            return found
    return None


def _openai(raw: Any) -> Usage | None:
    taken, made = count(get(raw, "prompt_tokens")), count(get(raw, "completion_tokens"))
    if taken is None and made is None:
        return None
    inside, out = get(raw, "prompt_tokens_details"), get(raw, "completion_tokens_details")
    return normal(
        taken,
        made,
        count(get(raw, "total_tokens")),
        read=_count(
            get(inside, "cached_tokens"),
            get(raw, "prompt_cache_hit_tokens"),  # DeepSeek
            get(raw, "cache_read_input_tokens"),  # LiteLLM
            get(raw, "cached_tokens"),
        ),
        written=_count(
            get(inside, "cache_write_tokens"),  # OpenRouter
            get(inside, "cache_creation_tokens"),  # LiteLLM
            get(raw, "cache_creation_input_tokens"),
        ),
        reasoning=_count(get(out, "reasoning_tokens"), get(raw, "reasoning_tokens")),
        audio_in=count(get(inside, "audio_tokens")),
        audio_out=count(get(out, "audio_tokens")),
    )


def _input_output(raw: Any) -> Usage | None:
    """`input_tokens` and `output_tokens`: OpenAI's responses, and Anthropic, which counts otherwise."""
    taken, made = count(get(raw, "input_tokens")), count(get(raw, "output_tokens"))
    if taken is None and made is None:
        return None
    inside, out = get(raw, "input_tokens_details"), get(raw, "output_tokens_details")
    read, written = get(raw, "cache_read_input_tokens"), get(raw, "cache_creation_input_tokens")
    by_life = get(raw, "cache_creation")
    hour = count(get(by_life, "ephemeral_1h_input_tokens"))
    lives = [n for n in (count(get(by_life, "ephemeral_5m_input_tokens")), hour) if n is not None]
    read, written = count(read), count(written)
    if lives:
        written = max(written or 0, sum(lives))
    beside = read is not None or written is not None
    return normal(
        taken,
        made,
        count(get(raw, "total_tokens")),
        read=read if beside else count(get(inside, "cached_tokens")),
        written=written if beside else count(get(inside, "cache_write_tokens")),
        written_1h=hour,
        reasoning=_count(get(out, "reasoning_tokens"), get(out, "thinking_tokens")),
        audio_in=count(get(inside, "audio_tokens")),
        audio_out=count(get(out, "audio_tokens")),
        cache_beside=beside and inside is None,
    )


def _google(raw: Any) -> Usage | None:
    taken = count(first(raw, "prompt_token_count", "promptTokenCount"))
    made = count(first(raw, "candidates_token_count", "candidatesTokenCount"))
    if made is None:
        made = count(first(raw, "response_token_count", "responseTokenCount"))
    total = count(first(raw, "total_token_count", "totalTokenCount"))
    if taken is None and made is None:
        return None
    thought = count(first(raw, "thoughts_token_count", "thoughtsTokenCount"))
    by_tools = count(first(raw, "tool_use_prompt_token_count", "toolUsePromptTokenCount"))
    if taken is not None and by_tools:
        taken += by_tools
    if made is None and thought is not None:
        made = 0  # All that was made was thought: the cap was reached before an answer began.
    return normal(
        taken,
        made,
        total,
        read=count(first(raw, "cached_content_token_count", "cachedContentTokenCount")),
        reasoning=thought,
        audio_in=_modality(first(raw, "prompt_tokens_details", "promptTokensDetails"), "AUDIO"),
        audio_out=_modality(first(raw, "candidates_tokens_details", "candidatesTokensDetails"), "AUDIO"),
        reasoning_beside=True,
    )


def _modality(details: Any, wanted: str) -> int | None:
    for detail in items(details):
        if text(get(detail, "modality")) == wanted:
            return count(first(detail, "token_count", "tokenCount"))
    return None


def _bedrock(raw: Any) -> Usage | None:
    """Converse, and the metrics at the end of an older model's stream."""
    taken, made = count(get(raw, "inputTokens")), count(get(raw, "outputTokens"))
    if taken is None and made is None:
        taken, made = count(get(raw, "inputTokenCount")), count(get(raw, "outputTokenCount"))
        if taken is None and made is None:
            return None
    lasting = [
        count(get(one, "inputTokens")) for one in items(get(raw, "cacheDetails")) if get(one, "ttl") == "1h"
    ]
    return normal(
        taken,
        made,
        count(get(raw, "totalTokens")),
        read=_count(get(raw, "cacheReadInputTokens"), get(raw, "cacheReadInputTokenCount")),
        written=_count(get(raw, "cacheWriteInputTokens"), get(raw, "cacheWriteInputTokenCount")),
        written_1h=lasting[0] if lasting else None,
        cache_beside=True,
    )


def _cohere(raw: Any) -> Usage | None:
    """What was computed, else what is billed (a prompt of Cohere's own is not)."""
    for kind in ("tokens", "billed_units"):
        units = get(raw, kind)
        found = normal(
            count(get(units, "input_tokens")),
            count(get(units, "output_tokens")),
            read=count(get(raw, "cached_tokens")),
        )
        if found is not None:
            return found
    return None


def _ollama(raw: Any) -> Usage | None:
    """A prompt that Ollama had evaluated before has no count: unknown, not zero."""
    return normal(count(get(raw, "prompt_eval_count")), count(get(raw, "eval_count")))


def _llama_cpp(raw: Any) -> Usage | None:
    if (asked := count(get(raw, "tokens_evaluated"))) is not None:
        return normal(asked, count(get(raw, "tokens_predicted")), read=count(path(raw, "timings", "cache_n")))
    if type(timings := get(raw, "timings")) is dict:
        read = count(timings.get("cache_n"))
        return normal(
            count(timings.get("prompt_n")), count(timings.get("predicted_n")), read=read, cache_beside=True
        )
    return None


def _hugging_face(raw: Any) -> Usage | None:
    details = get(raw, "details")
    made = count(get(details, "generated_tokens"))
    if made is None:
        return None
    prompt = get(details, "prefill")
    return normal(count(get(details, "input_length")) or len(items(prompt)) or None, made)


def _watsonx(raw: Any) -> Usage | None:
    result = next(iter(items(get(raw, "results"))), raw)
    return normal(count(get(result, "input_token_count")), count(get(result, "generated_token_count")))


def _bedrock_models(raw: Any) -> Usage | None:
    """Titan, and Llama on Bedrock, each in a way of its own."""
    if (asked := count(get(raw, "inputTextTokenCount"))) is not None:
        result = next(iter(items(get(raw, "results"))), None)
        return normal(asked, count(get(result, "tokenCount")))
    made = count(get(raw, "generation_token_count"))
    return None if made is None else normal(count(get(raw, "prompt_token_count")), made)


def _count(*found: Any) -> int | None:
    """The first that is a count and says something; else the first count at all."""
    known = [n for one in found if (n := count(one)) is not None]
    return next((n for n in known if n), known[0] if known else None)


_SHAPES: Final = (
    *(_openai, _input_output, _bedrock_models, _google, _bedrock),
    *(_cohere, _ollama, _llama_cpp, _hugging_face, _watsonx),
)

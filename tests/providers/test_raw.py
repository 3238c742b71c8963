"""Raw responses, as a client or LlamaIndex gives them: every shape of usage, every word for an end."""

import importlib
import json
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from spanscope import semconv
from spanscope.providers import (
    FINISH,
    facts_of_error,
    facts_of_response,
    finish,
    http_status,
    normal,
    usage_of,
)

from . import wire
from .cases import TRIED, answers
from .wire import Said

# 100 uncached, 40 read from the cache, 20 written to it, 30 made, 10 of them reasoning.
ANTHROPIC = {
    "input_tokens": 100,
    "cache_read_input_tokens": 40,
    "cache_creation_input_tokens": 20,
    "output_tokens": 30,
}
OPENAI = {"prompt_tokens": 160, "completion_tokens": 30, "total_tokens": 190}
SHAPES: dict[str, dict[str, Any]] = {
    "OpenAI": OPENAI | {"prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 20}},
    "OpenAI's responses": {
        "input_tokens": 160,
        "output_tokens": 30,
        "total_tokens": 190,
        "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 20},
    },
    "Anthropic": ANTHROPIC,
    "Anthropic, by how long it is kept": ANTHROPIC
    | {
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15},
    },
    "Bedrock's Converse": {
        "inputTokens": 100,
        "outputTokens": 30,
        "totalTokens": 190,
        "cacheReadInputTokens": 40,
        "cacheWriteInputTokens": 20,
    },
    "Bedrock's stream of an older model": {
        "inputTokenCount": 100,
        "outputTokenCount": 30,
        "cacheReadInputTokenCount": 40,
        "cacheWriteInputTokenCount": 20,
    },
    "LiteLLM": OPENAI | {"cache_read_input_tokens": 40, "cache_creation_input_tokens": 20},
    "a proxy that counts as Anthropic does and says it as OpenAI": {
        "prompt_tokens": 100,
        "completion_tokens": 30,
        "total_tokens": 190,
        "cache_read_input_tokens": 40,
        "cache_creation_input_tokens": 20,
    },
}


@pytest.mark.parametrize("shape", SHAPES)
def test_input_is_uncached_and_read_and_written(shape):
    found = usage_of(SHAPES[shape])
    assert (found.input_tokens, found.output_tokens, found.total_tokens) == (160, 30, 190)
    assert (found.cache_read_tokens, found.cache_write_tokens) == (40, 20)
    assert usage_of(SimpleNamespace(**SHAPES[shape])) == found


WITHOUT_CACHE: dict[str, tuple[dict[str, Any], tuple[int | None, int | None, int | None]]] = {
    "DeepSeek": (OPENAI | {"prompt_cache_hit_tokens": 40, "prompt_cache_miss_tokens": 120}, (160, 30, None)),
    "xAI": (
        {
            "prompt_tokens": 160,
            "completion_tokens": 20,
            "total_tokens": 190,
            "completion_tokens_details": {"reasoning_tokens": 10},
        },
        (160, 30, 10),
    ),
    "Google": (
        {
            "promptTokenCount": 150,
            "toolUsePromptTokenCount": 10,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 10,
            "totalTokenCount": 190,
        },
        (160, 30, 10),
    ),
    "Google, all thought": (
        {"promptTokenCount": 160, "thoughtsTokenCount": 30, "totalTokenCount": 190},
        (160, 30, 30),
    ),
    "Cohere": (
        {
            "billed_units": {"input_tokens": 5.0, "output_tokens": 9.0},
            "tokens": {"input_tokens": 160.0, "output_tokens": 30.0},
        },
        (160, 30, None),
    ),
    "Ollama": ({"prompt_eval_count": 160, "eval_count": 30}, (160, 30, None)),
    "Ollama, a prompt that it knows": ({"eval_count": 30}, (None, 30, None)),
    "llama.cpp": ({"tokens_evaluated": 160, "tokens_predicted": 30}, (160, 30, None)),
    "llama.cpp, its timings": (
        {"timings": {"prompt_n": 100, "cache_n": 60, "predicted_n": 30}},
        (160, 30, None),
    ),
    "Hugging Face": ({"details": {"generated_tokens": 30}}, (None, 30, None)),
    "watsonx": ({"results": [{"input_token_count": 160, "generated_token_count": 30}]}, (160, 30, None)),
    "Titan": ({"inputTextTokenCount": 160, "results": [{"tokenCount": 30}]}, (160, 30, None)),
    "Llama on Bedrock": ({"prompt_token_count": 160, "generation_token_count": 30}, (160, 30, None)),
}


@pytest.mark.parametrize("shape", WITHOUT_CACHE)
def test_every_shape_is_read(shape):
    raw, wanted = WITHOUT_CACHE[shape]
    found = usage_of(raw)
    assert (found.input_tokens, found.output_tokens, found.reasoning_tokens) == wanted


@pytest.mark.parametrize(
    "raw", [None, {}, "text", 7, [], {"prompt_tokens": None}, {"prompt_tokens": -1}, {"input_tokens": True}]
)
def test_what_is_no_usage_gives_none(raw):
    assert usage_of(raw) is None


COUNT = st.none() | st.integers(0, 10**7)


@given(COUNT, COUNT, COUNT, COUNT, COUNT, COUNT, st.booleans(), st.booleans())
def test_no_part_is_greater_than_its_whole(taken, made, total, read, written, reasoning, cache, thought):
    found = normal(
        taken, made, total, read=read, written=written, reasoning=reasoning,
        cache_beside=cache, reasoning_beside=thought,
    )  # fmt: skip
    if found is None:
        assert not taken
        assert not made
        return
    assert all(count is None or count >= 0 for count in found)
    if found.input_tokens is not None:
        assert found.input_tokens >= (found.cache_read_tokens or 0) + (found.cache_write_tokens or 0)
    if found.output_tokens is not None:
        assert found.output_tokens >= (found.reasoning_tokens or 0)
    if None not in (found.input_tokens, found.output_tokens):
        assert found.total_tokens >= found.input_tokens + found.output_tokens


WORDS = {
    "stop": "stop end_turn stop_sequence eos eos_token COMPLETE completed STOP STOP_SEQUENCE FINISH "
    "FinishReason.STOP FINISH_REASON_STOP",
    "length": "length max_tokens MAX_TOKENS max_output_tokens model_length ERROR_LIMIT limit token_limit",
    "tool_calls": "tool_calls tool_use function_call TOOL_CALL TOOL_CALLS",
    "content_filter": "content_filter SAFETY RECITATION guardrail_intervened content_filtered ERROR_TOXIC "
    "PROHIBITED_CONTENT",
    "refusal": "refusal",
    "pause": "pause_turn",
    "error": "error MALFORMED_FUNCTION_CALL insufficient_system_resource ERROR failed",
    "unknown": "OTHER FINISH_REASON_UNSPECIFIED load something_new",
}
SAID = [(word, ours) for ours, words in WORDS.items() for word in words.split()]


@pytest.mark.parametrize(("word", "ours"), SAID)
def test_every_word_for_an_end_is_known(word, ours):
    assert finish(word) == ours


def test_our_words_are_those_of_the_contract():
    assert {*FINISH.values(), "unknown"} == semconv.FINISH_REASONS


def test_a_stop_that_calls_tools_ends_in_tool_calls():
    assert finish("STOP", calls_tools=True) == "tool_calls"
    assert finish("MAX_TOKENS", calls_tools=True) == "length"
    assert finish("stop", refused=True) == "refusal"


ENDS = [
    ({"choices": [{"finish_reason": "length"}]}, "length"),
    ({"stop_reason": "max_tokens"}, "length"),
    ({"done_reason": "length"}, "length"),
    ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, "length"),
    ({"stopReason": "max_tokens"}, "length"),
    ({"finish_reason": "MAX_TOKENS"}, "length"),
    ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}, "length"),
    ({"status": "completed", "output": []}, "stop"),
    ({"promptFeedback": {"blockReason": "SAFETY"}}, "content_filter"),
    ({"stop_type": "limit"}, "length"),
    ({"details": {"finish_reason": "length"}}, "length"),
    ({"results": [{"stop_reason": "max_tokens"}]}, "length"),
    ({"results": [{"completionReason": "LENGTH"}]}, "length"),
    ({"outputs": [{"stop_reason": "length"}]}, "length"),
    ({"generations": [{"finish_reason": "MAX_TOKENS"}]}, "length"),
    ({"choices": [{"finish_reason": "stop", "message": {"refusal": "No."}}]}, "refusal"),
    ({"type": "response.completed", "response": {"status": "completed", "output": []}}, "stop"),
    ({"choices": []}, None),
]


@pytest.mark.parametrize(("raw", "reason"), ENDS)
def test_the_end_is_found_where_each_puts_it(raw, reason):
    assert facts_of_response(raw).facts.get("finish_reason") == reason
    assert facts_of_response(as_object(raw)).facts.get("finish_reason") == reason


def as_object(value: Any) -> Any:
    """The same as an SDK's object."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: as_object(item) for key, item in value.items()})
    return [as_object(item) for item in value] if isinstance(value, list) else value


BODIES = [
    pytest.param(name, said, reason, id=f"{name}, {kind}")
    for name, tried in TRIED.items()
    if name != "ollama"
    for kind, said, reason in answers(tried)
]


@pytest.mark.parametrize(("name", "said", "reason"), BODIES)
def test_a_raw_body_says_all(name, said, reason):
    """Without a framework in between nothing is lost but what the provider does not say."""
    body = json.loads(TRIED[name].wire.whole(said).body)
    facts, attributes, failed = facts_of_response(body)
    assert failed == []
    assert (facts["finish_reason"], facts["finish_reason_raw"]) == (reason, said.finish)
    assert (facts["input_tokens"], facts["output_tokens"]) == (said.taken, said.made)
    assert facts.get("tool_names", ()) == tuple(called for called, _ in said.tools)
    assert facts.get("response_model") == (None if name in ("bedrock converse", "cohere") else said.model)
    assert all(made["args_valid"] for made in attributes.get(semconv.TOOL_CALLS, ()))


SDK_CLASSES = {
    "openai": "openai.types.chat:ChatCompletion",
    "openai responses": "openai.types.responses:Response",
    "anthropic": "anthropic.types:Message",
    "google": "google.genai.types:GenerateContentResponse",
    "groq": "groq.types.chat:ChatCompletion",
    "cohere": "cohere:V2ChatResponse",
}


@pytest.mark.parametrize(("name", "said", "reason"), [one for one in BODIES if one.values[0] in SDK_CLASSES])
def test_an_object_of_the_sdk_says_the_same_as_its_body(name, said, reason):
    module, _, kind = SDK_CLASSES[name].partition(":")
    body = json.loads(TRIED[name].wire.whole(said).body)
    try:
        made = getattr(importlib.import_module(module), kind).model_validate(body)
    except ValidationError:
        made = getattr(importlib.import_module(module), kind).model_construct(**body)
    found, wanted = facts_of_response(made), facts_of_response(body)
    assert found.facts == wanted.facts
    assert found.attributes.items() >= wanted.attributes.items()


def test_the_lines_of_ollama_say_all_at_the_end():
    *_, last = wire.OLLAMA.stream(Said()).parts
    facts = facts_of_response(json.loads(last)).facts
    assert (facts["input_tokens"], facts["output_tokens"], facts["finish_reason"]) == (47, 12, "stop")


class Odd:
    """An object that fails where it is asked."""

    model = "model-that-answered"
    usage = OPENAI

    @property
    def choices(self):
        raise RuntimeError("no")


def test_a_reader_that_fails_loses_its_own_fact():
    found = facts_of_response(Odd())
    assert (found.facts["response_model"], found.facts["input_tokens"]) == ("model-that-answered", 160)
    assert found.failed == ["finish_reason", "tool_calls"]


KEYS = [
    "choices",
    "message",
    "usage",
    "model",
    "output",
    "content",
    "candidates",
    "type",
    "delta",
    "id",
    "results",
    "finish_reason",
    "tool_calls",
    "function",
    "prompt_tokens",
    "input_tokens",
    "response",
    "status",
]
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)


@given(ANYTHING)
def test_whatever_a_response_holds_is_survived(raw):
    facts = facts_of_response(raw).facts
    assert facts["usage_source"] in ("provider", "missing")
    assert all(isinstance(facts.get(name), int | None) for name in ("input_tokens", "output_tokens"))


class Failure(Exception):
    """A client's exception."""

    def __init__(self, **holds: Any) -> None:
        super().__init__("no")
        self.__dict__.update(holds)


def caused(by: Exception) -> Exception:
    error = Failure()
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Failure(status_code=429), 429),
        (Failure(response=SimpleNamespace(status_code=401)), 401),
        (Failure(response={"ResponseMetadata": {"HTTPStatusCode": 400}}), 400),
        (caused(Failure(code=503)), 503),
        (Failure(code="rate_limit"), None),
        (Failure(code=7), None),
        (Failure(), None),
    ],
)
def test_the_status_is_found_where_each_client_keeps_it(error, status):
    assert http_status(error) == status


def test_an_error_gives_its_request_id_and_limits():
    headers = {
        "x-request-id": "req_1",
        "X-RateLimit-Remaining": "0",
        "Retry-After": "7",
        "set-cookie": "secret",
    }
    found = facts_of_error(Failure(response=SimpleNamespace(status_code=429, headers=headers)))
    assert found == {
        semconv.HTTP_STATUS_CODE: 429,
        semconv.REQUEST_ID: "req_1",
        semconv.RATE_LIMITS: {"x-ratelimit-remaining": "0", "retry-after": "7"},
    }


def test_a_body_that_broke_off_has_no_status():
    """aiohttp calls it 400, below what its users see."""
    from aiohttp.http_exceptions import TransferEncodingError

    assert http_status(caused(TransferEncodingError("it ended too early"))) is None


@pytest.mark.parametrize("said", [None, "0.1", True, -1, float("nan"), float("inf"), {"total_cost": 1}])
def test_only_an_amount_is_a_cost(said):
    assert "cost_usd" not in facts_of_response({"usage": {"prompt_tokens": 1, "cost": said}}).facts


def test_a_cost_that_stands_beside_the_tokens_is_read():
    facts = facts_of_response({"usage": {"prompt_tokens": 1, "cost": 0.00095}}).facts
    assert (facts["cost_usd"], facts["cost_source"]) == (Decimal("0.00095"), "provider")

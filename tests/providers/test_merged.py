"""What LangChain adds up although the provider said it several times, and what its clients fill in."""

import json
from decimal import Decimal

import pytest

from . import clients, wire
from .server import Reply
from .wire import Said


def stream(*chunks, broken=False):
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "model-that-answered"}
    parts = [b": a comment\n\n"]
    parts += [b"data: " + json.dumps({**head, **chunk}).encode() + b"\n\n" for chunk in chunks]
    parts.append(b"data: {\n\n" if broken else b"data: [DONE]\n\n")
    return Reply(parts=tuple(parts), content_type="text/event-stream")


def piece(text="", finish=None, index=0, **more):
    return {
        "choices": [
            {"index": index, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}
        ],
        **more,
    }


def so_far(made, read=16):
    """Counts as vLLM and others send them with each chunk."""
    return {
        "usage": {
            "prompt_tokens": 47, "completion_tokens": made, "total_tokens": 47 + made,
            "prompt_tokens_details": {"cached_tokens": read},
        }
    }  # fmt: skip


@pytest.mark.parametrize("name", ["openai", "xai", "deepseek"])
def test_counts_so_far_are_not_added_up(call, name):
    last = {"choices": [], **so_far(2)}
    reply = stream(piece("", **so_far(0)), piece("a", **so_far(1)), piece("b", "stop", **so_far(2)), last)
    span = call(name, reply, streamed=True)
    assert (span.input_tokens, span.output_tokens, span.total_tokens) == (47, 2, 49)
    assert span.cache_read_tokens == 16


def test_counts_that_are_differences_are_added_up(call):
    """Google's client takes what was counted before from each piece."""
    said = Said(text="It rains in Paris.", finish="STOP")
    span = call("google", wire.GOOGLE.stream(said), streamed=True)
    assert (span.input_tokens, span.output_tokens) == (47, 12)


def test_a_finish_reason_that_is_sent_twice_is_one(call):
    """OpenRouter sends it again with the usage."""
    tail = piece("", "stop", **so_far(2), system_fingerprint="fp_1", service_tier="default")
    span = call("openai", stream(piece("It rains."), piece("", "stop"), tail), streamed=True)
    assert (span.finish_reason, span.finish_reason_raw) == ("stop", "stop")
    assert span.response_model == "model-that-answered"


def test_several_streamed_answers_that_end_differently_have_no_finish_reason(call, provider):
    ends = [piece("", word, index) for index, word in ((2, "length"), (1, "length"), (0, "stop"))]
    reply = stream(*(piece("a", None, index) for index in range(3)), *ends, {"choices": [], **so_far(3)})
    span = call("openai", reply, streamed=True, model=clients.openai(provider.url, n=3))
    assert (span.finish_reason, span.finish_reason_raw) == (None, None)
    assert (span.response_model, span.input_tokens) == ("model-that-answered", 47)


def test_a_broken_stream_has_no_count_of_what_had_not_been_counted(failed_call):
    """Google's first piece counts the prompt alone, and its client says 0 for the rest."""
    first = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "It"}]}, "index": 0}],
        "usageMetadata": {"promptTokenCount": 47, "totalTokenCount": 47},
    }
    parts = (b"data: " + json.dumps(first).encode() + b"\r\n\r\n", b"data: {\r\n\r\n")
    span = failed_call("google", Reply(parts=parts, content_type="text/event-stream"), streamed=True)
    assert (span.usage_source, span.input_tokens) == ("partial", 47)
    assert (span.output_tokens, span.total_tokens) == (None, None)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_cache_that_was_not_spoken_of_is_not_known(call, streamed):
    """The clients of Bedrock and Google say 0."""
    formats = wire.GOOGLE
    said = Said(read=0, finish="STOP")
    span = call("google", (formats.stream if streamed else formats.whole)(said), streamed=streamed)
    assert (span.cache_read_tokens, span.cache_write_tokens) == (None, None)


def body(message, finish="stop", **usage):
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}}
    counts = {"prompt_tokens": 47, "completion_tokens": 12, "total_tokens": 59, **usage}
    whole = {"choices": [{**choice, "finish_reason": finish}], "usage": counts, "model": "openai/gpt-4o"}
    return Reply(
        body=json.dumps({"id": "gen-1", "object": "chat.completion", "created": 1, **whole}).encode()
    )


def test_a_cost_beside_the_tokens_is_taken(call):
    span = call("openai", body({"content": "It rains."}, cost=0.00095, is_byok=False))
    assert (span.cost_usd, span.cost_source) == (Decimal("0.00095"), "provider")


def test_a_call_in_the_older_form_is_a_call(call):
    called = {"name": "look_up", "arguments": '{"city": "Rome"}'}
    span = call("openai", body({"function_call": called}, "function_call"))
    assert (span.tool_names, span.finish_reason) == (("look_up",), "tool_calls")


def test_whether_a_call_that_failed_at_once_would_have_been_a_stream_is_not_known(failed_call):
    """LangChain tells by the pieces alone."""
    assert failed_call("openai", wire.chat_error(429), streamed=True).streamed is None
    assert failed_call("openai", wire.chat_error(429)).streamed is None

"""When a stream began: at its first piece that says something, and once."""

from dataclasses import replace

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from spanscope import semconv
from spanscope.handlers._langchain_stream import ANSWER, NOTHING, SOMETHING, says

from . import wire
from .wire import Said


def piece(content="", **more):
    return ChatGenerationChunk(message=AIMessageChunk(content=content, **more))


EMPTY_SUMMARY = {"type": "reasoning", "id": "rs_1", "summary": [], "index": 0}
SUMMARY = {"type": "reasoning", "summary": [{"index": 0, "type": "summary_text", "text": "Hm"}], "index": 0}
CALL = {"name": "look_up", "args": "", "id": "1", "index": 0, "type": "tool_call_chunk"}
PIECES = [
    ("the role alone", "", piece(), NOTHING),
    ("text", "It", piece("It"), ANSWER),
    ("no blocks", [], piece([]), NOTHING),
    ("an empty block of text", [{"type": "text", "text": "", "id": "m"}], None, NOTHING),
    ("a block of text", [{"type": "text", "text": "It", "index": 0}], None, ANSWER),
    ("Anthropic's thinking", [{"type": "thinking", "thinking": "Hm", "index": 0}], None, SOMETHING),
    ("OpenAI's reasoning before it says anything", [EMPTY_SUMMARY], None, NOTHING),
    ("OpenAI's reasoning", [SUMMARY], None, SOMETHING),
    ("DeepSeek's reasoning", "", piece(additional_kwargs={"reasoning_content": "Hm"}), SOMETHING),
    ("a piece of a tool call", "", piece(tool_call_chunks=[CALL]), SOMETHING),
    (
        "Anthropic's tool call",
        [{"type": "tool_use", "id": "1", "name": "look_up", "input": {}}],
        None,
        SOMETHING,
    ),
    (
        "Bedrock's reasoning",
        [{"type": "reasoning_content", "reasoning_content": {"text": "Hm"}}],
        None,
        SOMETHING,
    ),
    ("Google's thought", [{"type": "thinking", "thinking": "Hm"}], piece(), SOMETHING),
    ("reasoning and text at once", [SUMMARY, {"type": "text", "text": "It"}], None, ANSWER),
    ("something unheard of", object(), object(), NOTHING),
]


@pytest.mark.parametrize(
    ("token", "chunk", "said"), [one[1:] for one in PIECES], ids=[one[0] for one in PIECES]
)
def test_a_piece_counts_when_it_says_something(token, chunk, said):
    assert says(token, chunk) == said


PAUSE_S = 0.03


@pytest.mark.parametrize("name", ["openai", "anthropic", "deepseek"])
def test_the_clock_stops_at_what_is_said_first(call, name):
    """The first piece is empty, then come two of reasoning (OpenAI shows none), then the answer."""
    formats = {"openai": wire.CHAT, "anthropic": wire.ANTHROPIC, "deepseek": wire.DEEPSEEK}[name]
    said = Said(thought="" if name == "openai" else "Paris is in France.", made=30, reasoning=18)
    span = call(name, replace(formats.stream(said), pause_s=PAUSE_S), streamed=True)
    first_ms, text_ms = span.time_to_first_token_ms, span.attributes.get(semconv.FIRST_TEXT_MS)
    assert first_ms >= 2 * PAUSE_S * 1000
    assert first_ms < span.duration_ms
    if said.thought:
        assert text_ms >= 4 * PAUSE_S * 1000
        assert first_ms < text_ms < span.duration_ms
    else:
        assert text_ms is None
    assert span.tokens_per_second == pytest.approx(30_000 / span.duration_ms)
    seen = 30 if said.thought else 12  # of reasoning that was not shown nobody waited for a token
    assert span.attributes[semconv.TIME_PER_TOKEN_MS] == pytest.approx(
        (span.duration_ms - first_ms) / (seen - 1)
    )

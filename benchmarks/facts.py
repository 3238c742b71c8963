"""What reading all facts of a model call costs on the worker thread.

    python benchmarks/facts.py            # some seconds
    python benchmarks/facts.py --check    # exit code 1 when the limit is exceeded

Prints µs of CPU per call, for answers as the clients of LangChain hand them over, and beside it how many
times a JSON round trip of the same answer's metadata, which a slow machine slows as much.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk

from spanscope.handlers._langchain_model import Answer, Call, read
from spanscope.providers import facts_of_response

LIMIT_US: Final = 30.0
ROUNDS: Final = 40
CALLS: Final = 500

USAGE: Final[dict[str, Any]] = {
    "input_tokens": 1200,
    "output_tokens": 240,
    "total_tokens": 1440,
    "input_token_details": {"audio": 0, "cache_read": 1024},
    "output_token_details": {"audio": 0, "reasoning": 128},
}
RAW: Final[dict[str, Any]] = {
    "prompt_tokens": 1200,
    "completion_tokens": 240,
    "total_tokens": 1440,
    "prompt_tokens_details": {"audio_tokens": 0, "cached_tokens": 1024},
    "completion_tokens_details": {"audio_tokens": 0, "reasoning_tokens": 128},
}
TOOL: Final = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}
PARAMS: Final = {"model": "gpt-4o", "temperature": 0.2, "max_completion_tokens": 512, "tools": [TOOL] * 5}
METADATA: Final = {
    "ls_provider": "openai",
    "ls_model_name": "gpt-4o",
    "ls_model_type": "chat",
    "ls_temperature": 0.2,
    "ls_max_tokens": 512,
}
SERIALIZED: Final = {"name": "ChatOpenAI", "kwargs": {"openai_api_base": "http://models.example/v1"}}


def whole() -> Call:
    """A whole answer of OpenAI's, where everything is told twice."""
    told = {
        "token_usage": RAW,
        "model_name": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp",
        "id": "chatcmpl-1",
    }
    info = {"finish_reason": "stop", "logprobs": None}
    message = AIMessage("It rains.", usage_metadata=USAGE, response_metadata={**told, **info})
    return _call(message, info, told)


def streamed() -> Call:
    """A streamed answer that calls two tools; their arguments are parsed here."""
    pieces = [
        tool_call_chunk(name="look_up", args='{"city": "Paris", "days": 3}', id=f"call_{n}", index=n)
        for n in range(2)
    ]
    info = {"finish_reason": "tool_calls", "model_name": "gpt-4o-2024-08-06", "system_fingerprint": "fp"}
    message = AIMessageChunk("", tool_call_chunks=pieces, usage_metadata=USAGE, response_metadata=info)
    return _call(message, info, {})


def _call(message: AIMessage, info: dict[str, Any], lump: dict[str, Any]) -> Call:
    answer = Answer(
        message, message.content, message.usage_metadata, message.response_metadata, message.tool_calls,
        message.invalid_tool_calls, info, lump,
    )  # fmt: skip
    return Call(PARAMS, METADATA, answer, SERIALIZED)


def body() -> dict[str, Any]:
    """A raw answer, as a client's own handler sees it."""
    call = {"function": {"name": "look_up", "arguments": '{"city": "Paris", "days": 3}'}}
    choice = {"finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [call]}}
    return {"id": "chatcmpl-1", "model": "gpt-4o-2024-08-06", "choices": [choice], "usage": RAW}


def measure(work: Callable[[], Any]) -> float:
    """µs of CPU for one, in the quietest of many windows: neighbours only ever make one longer."""
    quiet = float("inf")
    for _ in range(ROUNDS):
        begun = time.thread_time_ns()
        for _ in range(CALLS):
            work()
        quiet = min(quiet, (time.thread_time_ns() - begun) / CALLS / 1000)
    return quiet


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what reading the facts of a call costs.")
    parser.add_argument("--check", action="store_true", help="exit with 1 when the limit is exceeded")
    options = parser.parse_args()
    calls = {"LangChain, whole": whole(), "LangChain, streamed with tools": streamed()}
    told = json.dumps(calls["LangChain, whole"].answer.response_metadata)
    yardstick = measure(lambda: json.dumps(json.loads(told)))
    figures = {name: measure(lambda call=call: read(call, {}, {})) for name, call in calls.items()}
    raw = body()
    figures["raw response"] = measure(lambda: facts_of_response(raw))
    for name, took_us in figures.items():
        ratio = took_us / yardstick
        print(f"{name:32} {took_us:6.1f} µs (limit {LIMIT_US:g}), {ratio:.1f} times a JSON round trip")
    return 1 if options.check and max(figures.values()) > LIMIT_US else 0


if __name__ == "__main__":
    sys.exit(main())

"""One response of a provider, seen through LlamaIndex and through LangChain: the same facts of the call.

A server on loopback replays what OpenAI's API answers, whole and as a stream.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from llama import recording
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai import OpenAI
from recording import recorded

from spanscope import ObsHandler as LangChainHandler

ANSWER = "A kettle has a warranty of two years."
USAGE = {
    "prompt_tokens": 41,
    "completion_tokens": 9,
    "total_tokens": 50,
    "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3, "audio_tokens": 0},
}
CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "find_order", "arguments": '{"number": "7"}'}}
]
SAME = (
    *("kind", "provider", "request_model", "response_model", "temperature", "max_tokens", "status"),
    *("input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "reasoning_tokens"),
    *("usage_source", "finish_reason", "finish_reason_raw", "tool_names", "streamed", "output_chars"),
    *("messages_hash", "message_count", "prompt_hash", "input_preview", "output_preview", "cost_usd"),
)


class Provider(BaseHTTPRequestHandler):
    """Answers a chat request with the server's reply: text, tool calls or an error."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = self.server.reply  # type: ignore[attr-defined]
        if isinstance(reply, int):
            self._send(json.dumps({"error": {"message": "slow down", "type": "limit"}}).encode(), reply)
        elif asked.get("stream"):
            chunks = [f"data: {json.dumps(chunk)}\n\n" for chunk in streamed(reply, asked)]
            self._send("".join([*chunks, "data: [DONE]\n\n"]).encode(), kind="text/event-stream")
        else:
            self._send(json.dumps(whole(reply)).encode())

    def _send(self, body: bytes, status: int = 200, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-request-id", "req-1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def common(kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-9",
        "object": kind,
        "created": 1_760_000_000,
        "model": "gpt-4o-mini-2024-07-18",
        "system_fingerprint": "fp_1",
    }


def whole(reply: dict[str, Any]) -> dict[str, Any]:
    reason = "tool_calls" if "tool_calls" in reply else "stop"
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **reply}, "finish_reason": reason}
    return {**common("chat.completion"), "choices": [choice], "usage": USAGE}


def streamed(reply: dict[str, Any], asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return {**common("chat.completion.chunk"), "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    words = (reply.get("content") or "").split(" ")
    for number, word in enumerate(words):
        yield chunk({"content": word if number == 0 else f" {word}"})
    yield chunk({}, "stop")
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield {**common("chat.completion.chunk"), "choices": [], "usage": USAGE}


@pytest.fixture
def provider():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    server.reply = {"content": ANSWER}
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def handler(tmp_path):
    with recording(tmp_path, content="redacted") as attached:
        yield attached


@pytest.fixture
def chains(handler):
    return LangChainHandler(
        store=handler.settings.store, backends=handler.settings.backends, content="redacted"
    )


OPTIONS = {
    "model": "gpt-4o-mini",
    "api_key": "none",
    "temperature": 0.5,
    "max_tokens": 64,
    "max_retries": 0,
    "timeout": 20,
}


def address(provider: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{provider.server_port}/v1"


def llama(provider: ThreadingHTTPServer, **more: Any) -> OpenAI:
    return OpenAI(api_base=address(provider), **OPTIONS, **more)


def chain(provider: ThreadingHTTPServer, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(base_url=address(provider), **OPTIONS, **more)


ASKED = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content="How long?")]
SAID = [SystemMessage("Be brief."), HumanMessage("How long?")]


def facts(handler: Any) -> dict[str, Any]:
    (call,) = [one for one in recorded(handler).spans if one.kind == "llm"]
    return {name: getattr(call, name) for name in SAME}


def test_an_answer_has_the_same_facts_in_both_frameworks(provider, handler, chains):
    llama(provider).chat(ASKED)
    chain(provider).invoke(SAID, {"callbacks": [chains]})

    seen = facts(handler)
    assert seen == facts(chains)
    assert (seen["provider"], seen["request_model"]) == ("openai", "gpt-4o-mini")
    assert (seen["input_tokens"], seen["cache_read_tokens"], seen["reasoning_tokens"]) == (41, 16, 3)
    assert (seen["finish_reason"], seen["output_preview"]) == ("stop", ANSWER)


def test_a_stream_has_the_same_facts_in_both_frameworks(provider, handler, chains):
    """LlamaIndex keeps the last chunk alone, which has the usage and no finish reason."""
    list(llama(provider).stream_chat(ASKED, stream_options={"include_usage": True}))
    list(chain(provider, stream_usage=True).stream(SAID, {"callbacks": [chains]}))

    seen = facts(handler)
    assert seen == facts(chains)
    assert (seen["total_tokens"], seen["finish_reason"], seen["streamed"]) == (50, "stop", True)


def test_tool_calls_have_the_same_facts_in_both_frameworks(provider, handler, chains):
    provider.reply = {"tool_calls": CALLS}

    def find_order(number: str) -> str:
        """Find an order."""
        return number

    tool = FunctionTool.from_defaults(find_order)
    llama(provider).chat_with_tools([tool], user_msg="How long?", chat_history=ASKED[:1])
    chain(provider).bind_tools([find_order]).invoke(SAID, {"callbacks": [chains]})

    seen = facts(handler)
    assert seen == facts(chains)
    assert (seen["finish_reason"], seen["tool_names"]) == ("tool_calls", ("find_order",))
    assert 'find_order({"number": "7"})' in seen["output_preview"]


def test_a_refused_request_has_the_same_status_in_both_frameworks(provider, handler, chains):
    provider.reply = 429
    with pytest.raises(Exception, match="slow down"):
        llama(provider).chat(ASKED)
    with pytest.raises(Exception, match="slow down"):
        chain(provider).invoke(SAID, {"callbacks": [chains]})
    codes = [recorded(one).root.attributes["http.response.status_code"] for one in (handler, chains)]
    assert codes == [429, 429]
    assert recorded(handler).root.error_type == "RateLimitError"  # LangChain raises a class of its own

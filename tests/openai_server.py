"""A server on loopback that speaks OpenAI's API as far as the tests need it.

The model that a request names says how it is answered: see `ANSWERS`.  Chat, responses, embeddings and
legacy completions, whole or streamed, under OpenAI's and under Azure's paths.
"""

import base64
import json
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

TEXT = "Two years, as for all kettles."
CALLS = [("price_of", '{"item": "kettle"}'), ("stock_of", '{"item": "kettle"}')]
VECTOR = [0.25, -0.5, 1.0]
USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 8,
    "total_tokens": 28,
    "prompt_tokens_details": {"cached_tokens": 12},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
ANSWERS = {
    "gpt-tools": "calls two tools",
    "gpt-refuses": "refuses",
    "gpt-long": "is cut off at the limit",
    "gpt-json": "answers with JSON",
    "gpt-busy": "429 with an error that quotes a secret",
    "gpt-breaks": "the connection breaks after two pieces",
    "gpt-fails": "an error in the middle of a stream that began with 200",
    "gpt-waits": "after the first piece waits for `server.gate`",
    "gpt-silent": "waits for `server.gate` before it says anything",
}
"""Any other model answers with `TEXT`."""


class OpenAIServer:
    """`with OpenAIServer() as server: OpenAI(base_url=server.url, api_key="sk-test")`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []
        """Path and body of each request, in order."""
        self.gate = threading.Event()
        self._http = _Listener(("127.0.0.1", 0), type("Bound", (_Requests,), {"owner": self}))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def url(self) -> str:
        return f"{self.host}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.gate.set()
        self._http.shutdown()
        self._http.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    """Connections that wait: the tests open many at once."""


class _Requests(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: OpenAIServer

    def log_message(self, *_: Any) -> None:
        """Nothing is printed."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = self.path.partition("?")[0]
        self.owner.requests.append((path, asked))
        model = asked["model"]
        if model == "gpt-busy":
            self._whole(
                {"error": {"message": "Rate limit for sk-proj-abcdefghijklmnopqrstuvwx0123", "code": "busy"}},
                429,
            )
            return
        if model == "gpt-silent":
            self.owner.gate.wait(10)
        try:
            if path.endswith("/embeddings"):
                self._whole(_embeddings(asked))
            elif not asked.get("stream"):
                self._whole(_whole(path, asked))
            else:
                self._stream(path, asked)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _whole(self, answer: dict[str, Any], status: int = 200) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("x-request-id", "req_test")
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, path: str, asked: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        model = asked["model"]
        events = _response_events(asked) if path.endswith("/responses") else _chunks(path, asked)
        for number, (name, event) in enumerate(events):
            if model == "gpt-breaks" and number == 3:
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
                return
            if model == "gpt-fails" and number == 3:
                self._piece(
                    b'data: {"error": {"message": "the backend is gone", "code": "server_error"}}\n\n'
                )
                break
            if model == "gpt-waits" and number == 3:
                self.owner.gate.wait(10)
            head = f"event: {name}\n" if name else ""
            self._piece(f"{head}data: {json.dumps(event)}\n\n".encode())
        else:
            if not path.endswith("/responses"):
                self._piece(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def _piece(self, content: bytes) -> None:
        self.wfile.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        self.wfile.flush()


def _text(asked: dict[str, Any]) -> str:
    return '{"answer": "two"}' if asked["model"] == "gpt-json" else TEXT


def _whole(path: str, asked: dict[str, Any]) -> dict[str, Any]:
    if path.endswith("/responses"):
        return _response(asked)
    if path.endswith("/chat/completions"):
        return _completion(asked)
    choice = {"index": 0, "text": TEXT, "finish_reason": "stop", "logprobs": None}
    return {**_head("cmpl-1", "text_completion", asked), "choices": [choice], "usage": USAGE}


def _head(name: str, kind: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "object": kind, "created": 1_700_000_000, "model": f"{asked['model']}-2024-07-18"}


def _completion(asked: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": _text(asked), "refusal": None}
    finish = "stop"
    match asked["model"]:
        case "gpt-tools":
            message["content"], finish = None, "tool_calls"
            message["tool_calls"] = [
                {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": given}}
                for n, (name, given) in enumerate(CALLS)
            ]
        case "gpt-refuses":
            message["content"], message["refusal"] = None, "I can not help with that."
        case "gpt-long":
            finish = "length"
    choices = [
        {"index": n, "message": message, "finish_reason": finish, "logprobs": None}
        for n in range(asked.get("n") or 1)
    ]
    return {**_head("chatcmpl-1", "chat.completion", asked), "choices": choices, "usage": USAGE}


def _chunks(path: str, asked: dict[str, Any]) -> Iterator[tuple[str | None, dict[str, Any]]]:
    """A role, three pieces of text or four of tool calls, the finish reason, and the usage if asked for."""
    legacy = not path.endswith("/chat/completions")
    head = _head("chatcmpl-1", "text_completion" if legacy else "chat.completion.chunk", asked)
    pieces: list[dict[str, Any]]
    if asked["model"] == "gpt-tools":
        pieces = []
        for n, (name, given) in enumerate(CALLS):
            opening = {"index": n, "id": f"call_{n}", "type": "function"}
            pieces.append({"tool_calls": [{**opening, "function": {"name": name, "arguments": given[:5]}}]})
            pieces.append({"tool_calls": [{"index": n, "function": {"arguments": given[5:]}}]})
        finish = "tool_calls"
    else:
        text = _text(asked)
        pieces = [{"content": text[at : at + 10]} for at in range(0, len(text), 10)]
        finish = "length" if asked["model"] == "gpt-long" else "stop"

    def chunk(delta: dict[str, Any], reason: str | None = None) -> tuple[None, dict[str, Any]]:
        choice = {"index": 0, "finish_reason": reason}
        said = {"text": delta.get("content", "")} if legacy else {"delta": delta}
        return None, {**head, "choices": [{**choice, **said}]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in pieces:
        yield chunk(piece)
    yield chunk({}, finish)
    if (asked.get("stream_options") or {}).get("include_usage"):
        yield None, {**head, "choices": [], "usage": USAGE}


def _response(asked: dict[str, Any], status: str = "completed") -> dict[str, Any]:
    output: list[dict[str, Any]]
    if asked["model"] == "gpt-tools":
        output = [
            {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": name,
             "arguments": given, "status": "completed"}
            for n, (name, given) in enumerate(CALLS)
        ]  # fmt: skip
    else:
        part = {"type": "output_text", "text": _text(asked), "annotations": []}
        if asked["model"] == "gpt-refuses":
            part = {"type": "refusal", "refusal": "I can not help with that."}
        output = [
            {"type": "message", "id": "msg_1", "role": "assistant", "status": status, "content": [part]},
        ]
    incomplete = None
    if asked["model"] == "gpt-long":
        status, incomplete = "incomplete", {"reason": "max_output_tokens"}
    return {
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": status,
        "model": f"{asked['model']}-2024-07-18", "output": [] if status == "in_progress" else output,
        "incomplete_details": incomplete, "error": None, "instructions": asked.get("instructions"),
        "parallel_tool_calls": True, "tool_choice": "auto", "tools": asked.get("tools") or [],
        "temperature": asked.get("temperature"), "metadata": {}, "service_tier": "default",
        "usage": None if status == "in_progress" else {
            "input_tokens": 20, "output_tokens": 8, "total_tokens": 28,
            "input_tokens_details": {"cached_tokens": 12}, "output_tokens_details": {"reasoning_tokens": 3},
        },
    }  # fmt: skip


def _response_events(asked: dict[str, Any]) -> Iterator[tuple[str | None, dict[str, Any]]]:
    number = 0

    def event(kind: str, **facts: Any) -> tuple[str, dict[str, Any]]:
        nonlocal number
        number += 1
        return kind, {"type": kind, "sequence_number": number, **facts}

    whole = _response(asked)
    yield event("response.created", response=_response(asked, "in_progress"))
    for at, item in enumerate(whole["output"]):
        place = {"output_index": at, "item_id": item["id"]}
        if item["type"] == "function_call":
            yield event("response.output_item.added", output_index=at, item={**item, "arguments": ""})
            yield event("response.function_call_arguments.delta", delta=item["arguments"], **place)
            yield event("response.function_call_arguments.done", arguments=item["arguments"], **place)
        else:
            part = item["content"][0]
            text = part.get("text", "")
            place["content_index"] = 0
            yield event("response.output_item.added", output_index=at, item={**item, "content": []})
            yield event("response.content_part.added", part={**part, "text": ""}, **place)
            for start in range(0, len(text), 10):
                yield event(
                    "response.output_text.delta", delta=text[start : start + 10], logprobs=[], **place
                )
            yield event("response.output_text.done", text=text, logprobs=[], **place)
        yield event("response.output_item.done", output_index=at, item=item)
    ending = "response.incomplete" if whole["status"] == "incomplete" else "response.completed"
    yield event(ending, response=whole)


def _embeddings(asked: dict[str, Any]) -> dict[str, Any]:
    given = asked["input"]
    count = 1 if isinstance(given, str) or (given and isinstance(given[0], int)) else len(given)
    vector: Any = VECTOR
    if asked.get("encoding_format") == "base64":
        vector = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()
    data = [{"object": "embedding", "index": n, "embedding": vector} for n in range(count)]
    usage = {"prompt_tokens": 6, "total_tokens": 6}
    return {"object": "list", "data": data, "model": asked["model"], "usage": usage}

"""Cohere and Ollama."""

import json
from typing import Any

from .base import Reply, Said, Wire, chat_calls, halves, json_reply, sse

# --- Cohere ------------------------------------------------------------------------------------------------


def _cohere_usage(said: Said) -> dict[str, Any]:
    """Cohere bills fewer tokens than it computes: a prompt of its own is free."""
    return {
        "billed_units": {"input_tokens": float(said.taken - 9), "output_tokens": float(said.made - 2)},
        "tokens": {"input_tokens": float(said.taken), "output_tokens": float(said.made)},
    }


def _cohere_whole(said: Said) -> Reply:
    message: dict[str, Any] = {"role": "assistant"}
    content = [{"type": "thinking", "thinking": said.thought}] if said.thought else []
    content += [{"type": "text", "text": said.text}] if said.text and not said.tools else []
    if content:
        message["content"] = content
    if said.tools:
        message |= {"tool_plan": "I will look it up.", "tool_calls": chat_calls(said)}
    return json_reply(
        {"id": "c_1", "finish_reason": said.finish, "message": message, "usage": _cohere_usage(said)}
    )


def _cohere_stream(said: Said) -> Reply:
    events: list[dict[str, Any]] = [
        {"type": "message-start", "id": "c_1", "delta": {"message": {"role": "assistant", "content": []}}}
    ]
    for n, (kind, text) in enumerate((("thinking", said.thought), ("text", "" if said.tools else said.text))):
        if not text:
            continue
        start = {"message": {"content": {"type": kind, kind: ""}}}
        events.append({"type": "content-start", "index": n, "delta": start})
        for piece in halves(text):
            delta = {"message": {"content": {kind: piece}}}
            events.append({"type": "content-delta", "index": n, "delta": delta})
        events.append({"type": "content-end", "index": n})
    for n, call in enumerate(chat_calls(said)):
        empty = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        events.append({"type": "tool-call-start", "index": n, "delta": {"message": {"tool_calls": empty}}})
        for piece in halves(call["function"]["arguments"]):
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            events.append({"type": "tool-call-delta", "index": n, "delta": delta})
        events.append({"type": "tool-call-end", "index": n})
    events.append(
        {"type": "message-end", "delta": {"finish_reason": said.finish, "usage": _cohere_usage(said)}}
    )
    return sse(events, named=True, done=False)


def _cohere_error(status: int) -> Reply:
    return Reply(body=b'{"id": "e_1", "message": "No."}', status=status, headers={"x-request-id": "req_1"})


COHERE = Wire(_cohere_whole, _cohere_stream, _cohere_error)


# --- Ollama ------------------------------------------------------------------------------------------------


def _ollama_end(said: Said) -> dict[str, Any]:
    return {
        "model": said.model,
        "created_at": "2026-01-01T00:00:00Z",
        "done": True,
        "done_reason": said.finish,
        "prompt_eval_count": said.taken,
        "eval_count": said.made,
        "total_duration": 5,
        "eval_duration": 4,
    }


def _ollama_message(said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.thought:
        message["thinking"] = said.thought
    if said.tools:
        calls = [{"function": {"name": name, "arguments": json.loads(args)}} for name, args in said.tools]
        message["tool_calls"] = calls
    return message


def ollama_stream(said: Said, *leave_out: str) -> Reply:
    """Ollama streams lines of JSON; LangChain's client always asks for a stream."""
    message = _ollama_message(said)
    deltas: list[dict[str, Any]] = [{"content": "", "thinking": piece} for piece in halves(said.thought)]
    deltas += [{"content": piece} for piece in halves(said.text)]
    if said.tools:
        deltas.append({"content": "", "tool_calls": message["tool_calls"]})
    base = {"model": said.model, "created_at": "2026-01-01T00:00:00Z", "done": False}
    lines: list[dict[str, Any]] = [{**base, "message": {"role": "assistant", **delta}} for delta in deltas]
    end = {key: value for key, value in _ollama_end(said).items() if key not in leave_out}
    lines.append({**end, "message": {"role": "assistant", "content": ""}})
    return Reply(
        parts=tuple(json.dumps(line).encode() + b"\n" for line in lines), content_type="application/x-ndjson"
    )


def _ollama_error(status: int) -> Reply:
    return Reply(body=b'{"error": "no"}', status=status)


OLLAMA = Wire(ollama_stream, ollama_stream, _ollama_error)

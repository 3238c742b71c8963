"""Anthropic's messages."""

import json
from typing import Any

from .base import Reply, Said, Wire, halves, json_reply, sse


def _anthropic_usage(said: Said) -> dict[str, Any]:
    return {
        "input_tokens": said.uncached,
        "cache_read_input_tokens": said.read,
        "cache_creation_input_tokens": said.written,
        "cache_creation": {"ephemeral_5m_input_tokens": said.written, "ephemeral_1h_input_tokens": 0},
        "output_tokens": said.made,
        **({"output_tokens_details": {"thinking_tokens": said.reasoning}} if said.reasoning else {}),
        **({"service_tier": said.tier} if said.tier else {}),
    }


def _anthropic_blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": "c2ln"})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    for n, (name, arguments) in enumerate(said.tools):
        blocks.append({"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": json.loads(arguments)})
    return blocks


def _anthropic(said: Said) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": said.model,
        "content": _anthropic_blocks(said),
        "stop_reason": said.finish,
        "stop_sequence": None,
        "usage": _anthropic_usage(said),
    }


def anthropic_stream(said: Said, *, input_at_end: bool = True) -> Reply:
    """`input_at_end` is how the API does it; some proxies leave the input out of the last event."""
    usage = _anthropic_usage(said)
    message = {**_anthropic(said), "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    for n, block in enumerate(_anthropic_blocks(said)):
        empty = {
            "thinking": {"thinking": "", "signature": ""},
            "text": {"text": ""},
            "tool_use": {"input": {}},
        }
        events.append(
            {"type": "content_block_start", "index": n, "content_block": {**block, **empty[block["type"]]}}
        )
        match block["type"]:
            case "thinking":
                deltas = [
                    {"type": "thinking_delta", "thinking": piece} for piece in halves(block["thinking"])
                ]
                deltas.append({"type": "signature_delta", "signature": "c2ln"})
            case "text":
                deltas = [{"type": "text_delta", "text": piece} for piece in halves(block["text"])]
            case _:
                arguments = json.dumps(block["input"])
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in halves(arguments)]
        events += [{"type": "content_block_delta", "index": n, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": n})
    end = usage if input_at_end else {"output_tokens": said.made}
    delta = {"stop_reason": said.finish, "stop_sequence": None}
    events += [{"type": "message_delta", "delta": delta, "usage": end}, {"type": "message_stop"}]
    return sse(events, named=True, done=False)


def _anthropic_error(status: int) -> Reply:
    kind = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}[status]
    body = {"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "req_1"}
    headers = {"request-id": "req_1", "anthropic-ratelimit-requests-remaining": "0", "retry-after": "7"}
    return Reply(body=json.dumps(body).encode(), status=status, headers=headers)


ANTHROPIC = Wire(lambda said: json_reply(_anthropic(said)), anthropic_stream, _anthropic_error)

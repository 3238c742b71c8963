"""Bedrock: Converse, its event stream, and an older model."""

import json
import struct
from binascii import crc32
from typing import Any

from .base import Reply, Said, Wire, halves, json_reply


def _converse_usage(said: Said) -> dict[str, Any]:
    return {
        "inputTokens": said.uncached,
        "outputTokens": said.made,
        "totalTokens": said.taken + said.made,
        "cacheReadInputTokens": said.read,
        "cacheWriteInputTokens": said.written,
    }


def _converse_blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thought:
        blocks.append({"reasoningContent": {"reasoningText": {"text": said.thought, "signature": "c2ln"}}})
    if said.text:
        blocks.append({"text": said.text})
    for n, (name, arguments) in enumerate(said.tools):
        blocks.append({"toolUse": {"toolUseId": f"t_{n}", "name": name, "input": json.loads(arguments)}})
    return blocks


def _converse_whole(said: Said) -> Reply:
    answer = {
        "output": {"message": {"role": "assistant", "content": _converse_blocks(said)}},
        "stopReason": said.finish,
        "usage": _converse_usage(said),
        "metrics": {"latencyMs": 5},
    }
    return Reply(body=json.dumps(answer).encode(), headers={"x-amzn-RequestId": "req_1"})


def _converse_stream(said: Said) -> Reply:
    events: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant"})]
    for n, block in enumerate(_converse_blocks(said)):
        deltas: list[dict[str, Any]]
        if used := block.get("toolUse"):
            start = {"toolUse": {"toolUseId": used["toolUseId"], "name": used["name"]}}
            events.append(("contentBlockStart", {"contentBlockIndex": n, "start": start}))
            deltas = [{"toolUse": {"input": piece}} for piece in halves(json.dumps(used["input"]))]
        elif thought := block.get("reasoningContent"):
            deltas = [
                {"reasoningContent": {"text": piece}} for piece in halves(thought["reasoningText"]["text"])
            ]
            deltas.append({"reasoningContent": {"signature": "c2ln"}})
        else:
            deltas = [{"text": piece} for piece in halves(block["text"])]
        events += [("contentBlockDelta", {"contentBlockIndex": n, "delta": delta}) for delta in deltas]
        events.append(("contentBlockStop", {"contentBlockIndex": n}))
    events.append(("messageStop", {"stopReason": said.finish}))
    events.append(("metadata", {"usage": _converse_usage(said), "metrics": {"latencyMs": 5}}))
    return Reply(
        parts=tuple(_event(kind, payload) for kind, payload in events),
        content_type="application/vnd.amazon.eventstream",
        headers={"x-amzn-RequestId": "req_1"},
    )


def _event(kind: str, payload: dict[str, Any]) -> bytes:
    """One message of AWS's event stream: lengths, a checksum, headers, the payload, a checksum."""
    headers = b""
    for name, value in (
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ):
        headers += struct.pack("!B", len(name)) + name.encode() + b"\x07" + struct.pack("!H", len(value))
        headers += value.encode()
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return message + struct.pack("!I", crc32(message))


def _aws_error(status: int) -> Reply:
    kind = {400: "ValidationException", 401: "UnrecognizedClientException", 429: "ThrottlingException"}[
        status
    ]
    headers = {"x-amzn-ErrorType": kind, "x-amzn-RequestId": "req_1"}
    return Reply(body=b'{"message": "No."}', status=status, headers=headers)


CONVERSE = Wire(_converse_whole, _converse_stream, _aws_error)


def titan_whole(said: Said) -> Reply:
    """An older model of Bedrock's, asked through `invoke_model`."""
    result = {"tokenCount": said.made, "outputText": said.text, "completionReason": said.finish}
    return json_reply({"inputTextTokenCount": said.taken, "results": [result]})

"""What providers send, written from their public documentation: one `Said`, in each one's own bytes.

A wire format has two functions, for the whole answer and for the parts of a stream.  The counts of a `Said`
are without cached tokens in `uncached` and with reasoning in `made`; each format adds them up as its
provider does.
"""

import json
import struct
from binascii import crc32
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from .server import Reply

SSE = "text/event-stream"


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer, whoever gives it."""

    model: str = "model-that-answered"
    text: str = "It rains in Paris."
    thought: str = ""
    tools: tuple[tuple[str, str], ...] = ()
    """Name and JSON of the arguments of each call."""
    refusal: str = ""
    finish: str = "stop"
    """The provider's word."""
    uncached: int = 31
    read: int = 16
    written: int = 0
    made: int = 12
    reasoning: int = 0
    tier: str = ""

    @property
    def taken(self) -> int:
        return self.uncached + self.read + self.written


class Wire(NamedTuple):
    whole: Callable[[Said], Reply]
    stream: Callable[[Said], Reply]
    error: Callable[[int], Reply]


def _json(value: Any) -> Reply:
    return Reply(body=json.dumps(value).encode())


def _sse(events: list[Any], *, named: bool = False, done: bool = True) -> Reply:
    lines = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events
    ]
    parts = tuple(line.encode() for line in lines)
    return Reply(parts=(*parts, b"data: [DONE]\n\n") if done else parts, content_type=SSE)


def _halves(text: str) -> list[str]:
    """A stream gives a text in pieces."""
    return [text[: len(text) // 2], text[len(text) // 2 :]] if text else []


# --- OpenAI's chat completions, and all that look like them ------------------------------------------------


def _chat_usage(said: Said) -> dict[str, Any]:
    return {
        "prompt_tokens": said.taken,
        "completion_tokens": said.made,
        "total_tokens": said.taken + said.made,
        "prompt_tokens_details": {
            "cached_tokens": said.read,
            "cache_write_tokens": said.written,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {"reasoning_tokens": said.reasoning, "audio_tokens": 0},
    }


def _chat_head(said: Said, kind: str) -> dict[str, Any]:
    head = {
        "id": "chatcmpl-1",
        "object": kind,
        "created": 1,
        "model": said.model,
        "system_fingerprint": "fp_1",
    }
    return {**head, "service_tier": said.tier} if said.tier else head


def _chat_calls(said: Said) -> list[dict[str, Any]]:
    return [
        {"id": f"call0000{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for n, (name, arguments) in enumerate(said.tools)
    ]


def chat_whole(said: Said, usage: Callable[[Said], dict[str, Any]] = _chat_usage, answers: int = 1) -> Reply:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": said.text or None,
        "refusal": said.refusal or None,
    }
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.tools:
        message["tool_calls"] = _chat_calls(said)
    choices = [{"index": n, "message": message, "finish_reason": said.finish} for n in range(answers)]
    return _json({**_chat_head(said, "chat.completion"), "choices": choices, "usage": usage(said)})


def chat_stream(
    said: Said,
    usage: Callable[[Said], dict[str, Any]] | None = _chat_usage,
    with_last: bool = False,
    pieces: int = 2,
) -> Reply:
    """`with_last`: the usage stands in the last chunk of the answer, not in a chunk of its own."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in _halves(said.thought)]
    deltas += [{"content": piece} for piece in _halves(said.text)]
    deltas += [{"refusal": piece} for piece in _halves(said.refusal)]
    for n, call in enumerate(_chat_calls(said)):
        start, end = _halves(call["function"]["arguments"])
        if pieces == 1:
            start, end = start + end, ""
        first = {**call, "index": n, "function": {**call["function"], "arguments": start}}
        deltas.append({"tool_calls": [first]})
        if end:
            deltas.append({"tool_calls": [{"index": n, "function": {"arguments": end}}]})
    head = _chat_head(said, "chat.completion.chunk")
    chunks = [{**head, "choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in deltas]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": said.finish}]})
    if usage and with_last:
        chunks[-1]["usage"] = usage(said)
    elif usage:
        chunks.append({**head, "choices": [], "usage": usage(said)})
    return _sse(chunks)


def chat_error(status: int) -> Reply:
    kind = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}[status]
    body = {"error": {"message": "No.", "type": kind, "code": kind, "param": None}}
    headers = {"x-request-id": "req_1", "x-ratelimit-remaining-requests": "0", "retry-after": "7"}
    return Reply(body=json.dumps(body).encode(), status=status, headers=headers)


CHAT = Wire(chat_whole, chat_stream, chat_error)


def _deepseek_usage(said: Said) -> dict[str, Any]:
    usage = {
        **_chat_usage(said),
        "prompt_cache_hit_tokens": said.read,
        "prompt_cache_miss_tokens": said.uncached,
    }
    del usage["prompt_tokens_details"]
    return usage


DEEPSEEK = Wire(
    lambda said: chat_whole(said, _deepseek_usage),
    lambda said: chat_stream(said, _deepseek_usage, True),
    chat_error,
)


def _xai_usage(said: Said) -> dict[str, Any]:
    """xAI counts reasoning beside the completion, and in the total."""
    return {**_chat_usage(said), "completion_tokens": said.made - said.reasoning}


XAI = Wire(lambda said: chat_whole(said, _xai_usage), lambda said: chat_stream(said, _xai_usage), chat_error)


def _plain_usage(said: Said) -> dict[str, Any]:
    return {name: count for name, count in _chat_usage(said).items() if isinstance(count, int)}


def _mistral_stream(said: Said) -> Reply:
    """A call comes in one piece, and the usage in the last chunk."""
    return chat_stream(said, _chat_usage, with_last=True, pieces=1)


MISTRAL = Wire(chat_whole, _mistral_stream, chat_error)


def _watsonx_whole(said: Said) -> Reply:
    answer = json.loads(chat_whole(said, _plain_usage).body)
    return _json({**answer, "model_id": said.model})


def _watsonx_stream(said: Said) -> Reply:
    """No line at the end says that it is done."""
    parts = chat_stream(said, _plain_usage).parts
    assert parts is not None
    return Reply(parts=parts[:-1], content_type=SSE)


WATSONX = Wire(_watsonx_whole, _watsonx_stream, chat_error)


def _groq_stream(said: Said) -> Reply:
    """Groq gives a stream's usage under a name of its own, in the last chunk."""
    reply = chat_stream(said, None)
    assert reply.parts is not None
    *chunks, last, done = reply.parts
    event = json.loads(last.removeprefix(b"data: "))
    event["x_groq"] = {"id": "req_1", "usage": _chat_usage(said)}
    return Reply(parts=(*chunks, f"data: {json.dumps(event)}\n\n".encode(), done), content_type=SSE)


GROQ = Wire(chat_whole, _groq_stream, chat_error)


# --- OpenAI's responses -------------------------------------------------------------------------------------


def _response(said: Said) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if said.thought:
        summary = [{"type": "summary_text", "text": said.thought}]
        output.append({"type": "reasoning", "id": "rs_1", "summary": summary})
    if said.text or said.refusal:
        part: dict[str, Any] = {"type": "output_text", "text": said.text, "annotations": []}
        if said.refusal:
            part = {"type": "refusal", "refusal": said.refusal}
        message = {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
        output.append(message)
    for n, (name, arguments) in enumerate(said.tools):
        call = {"type": "function_call", "id": f"fc_{n}", "call_id": f"call_{n}", "name": name}
        output.append({**call, "arguments": arguments, "status": "completed"})
    cut = said.finish != "completed"
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": said.model,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "error": None,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": said.finish} if cut else None,
        "usage": {
            "input_tokens": said.taken,
            "input_tokens_details": {"cached_tokens": said.read, "cache_write_tokens": said.written},
            "output_tokens": said.made,
            "output_tokens_details": {"reasoning_tokens": said.reasoning},
            "total_tokens": said.taken + said.made,
        },
        **({"service_tier": said.tier} if said.tier else {}),
    }


def _responses_stream(said: Said) -> Reply:
    full = _response(said)
    start = {**full, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": start},
        {"type": "response.in_progress", "response": start},
    ]
    for n, item in enumerate(full["output"]):
        events += _item_events(n, item)
    last = "response.completed" if full["status"] == "completed" else "response.incomplete"
    events.append({"type": last, "response": full})
    return _sse([{**event, "sequence_number": n} for n, event in enumerate(events)], named=True, done=False)


def _item_events(n: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = {"output_index": n, "item_id": item["id"]}
    empty = {"message": {"content": []}, "function_call": {"arguments": ""}, "reasoning": {"summary": []}}
    yield {"type": "response.output_item.added", **at, "item": {**item, **empty[item["type"]]}}
    if item["type"] == "function_call":
        for piece in _halves(item["arguments"]):
            yield {"type": "response.function_call_arguments.delta", **at, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **at, "arguments": item["arguments"]}
    elif item["type"] == "reasoning":
        part = item["summary"][0]
        yield {
            "type": "response.reasoning_summary_part.added",
            **at,
            "summary_index": 0,
            "part": {**part, "text": ""},
        }
        for piece in _halves(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **at, "summary_index": 0, "delta": piece}
    else:
        part = item["content"][0]
        kind = part["type"]
        key = "refusal" if kind == "refusal" else "text"
        yield {"type": "response.content_part.added", **at, "content_index": 0, "part": {**part, key: ""}}
        for piece in _halves(part[key]):
            yield {"type": f"response.{kind}.delta", **at, "content_index": 0, "delta": piece, "logprobs": []}
        yield {"type": f"response.{kind}.done", **at, "content_index": 0, key: part[key], "logprobs": []}
    yield {"type": "response.output_item.done", **at, "item": item}


RESPONSES = Wire(lambda said: _json(_response(said)), _responses_stream, chat_error)


# --- Anthropic ---------------------------------------------------------------------------------------------


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
                    {"type": "thinking_delta", "thinking": piece} for piece in _halves(block["thinking"])
                ]
                deltas.append({"type": "signature_delta", "signature": "c2ln"})
            case "text":
                deltas = [{"type": "text_delta", "text": piece} for piece in _halves(block["text"])]
            case _:
                arguments = json.dumps(block["input"])
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _halves(arguments)]
        events += [{"type": "content_block_delta", "index": n, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": n})
    end = usage if input_at_end else {"output_tokens": said.made}
    delta = {"stop_reason": said.finish, "stop_sequence": None}
    events += [{"type": "message_delta", "delta": delta, "usage": end}, {"type": "message_stop"}]
    return _sse(events, named=True, done=False)


def _anthropic_error(status: int) -> Reply:
    kind = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}[status]
    body = {"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "req_1"}
    headers = {"request-id": "req_1", "anthropic-ratelimit-requests-remaining": "0", "retry-after": "7"}
    return Reply(body=json.dumps(body).encode(), status=status, headers=headers)


ANTHROPIC = Wire(lambda said: _json(_anthropic(said)), anthropic_stream, _anthropic_error)


# --- Google ------------------------------------------------------------------------------------------------


def _google_parts(said: Said) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if said.thought:
        parts.append({"text": said.thought, "thought": True})
    if said.text:
        parts.append({"text": said.text})
    return parts + [{"functionCall": {"name": name, "args": json.loads(args)}} for name, args in said.tools]


def _google_usage(said: Said) -> dict[str, Any]:
    """Google counts reasoning beside the candidates."""
    return {
        "promptTokenCount": said.taken,
        "cachedContentTokenCount": said.read,
        "candidatesTokenCount": said.made - said.reasoning,
        **({"thoughtsTokenCount": said.reasoning} if said.reasoning else {}),
        "totalTokenCount": said.taken + said.made,
    }


def _google_chunk(said: Said, parts: list[dict[str, Any]], finish: str | None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    tail = {"usageMetadata": _google_usage(said), "modelVersion": said.model, "responseId": "r_1"}
    return {"candidates": [candidate], **tail}


def _google_stream(said: Said) -> Reply:
    *before, last = _google_parts(said) or [{"text": ""}]
    chunks = [_google_chunk(said, [part], None) for part in before]
    return _sse([*chunks, _google_chunk(said, [last], said.finish)], done=False)


def google_blocked(said: Said) -> Reply:
    """The prompt itself was refused: there is no candidate."""
    feedback = {"promptFeedback": {"blockReason": said.finish}}
    usage = {"promptTokenCount": said.taken, "totalTokenCount": said.taken}
    return _json({**feedback, "usageMetadata": usage, "modelVersion": said.model})


def _google_error(status: int) -> Reply:
    kind = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 429: "RESOURCE_EXHAUSTED"}[status]
    return Reply(
        body=json.dumps({"error": {"code": status, "message": "No.", "status": kind}}).encode(), status=status
    )


GOOGLE = Wire(
    lambda said: _json(_google_chunk(said, _google_parts(said), said.finish)), _google_stream, _google_error
)


# --- Bedrock's Converse ------------------------------------------------------------------------------------


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
            deltas = [{"toolUse": {"input": piece}} for piece in _halves(json.dumps(used["input"]))]
        elif thought := block.get("reasoningContent"):
            deltas = [
                {"reasoningContent": {"text": piece}} for piece in _halves(thought["reasoningText"]["text"])
            ]
            deltas.append({"reasoningContent": {"signature": "c2ln"}})
        else:
            deltas = [{"text": piece} for piece in _halves(block["text"])]
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
    return _json({"inputTextTokenCount": said.taken, "results": [result]})


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
        message |= {"tool_plan": "I will look it up.", "tool_calls": _chat_calls(said)}
    return _json(
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
        for piece in _halves(text):
            delta = {"message": {"content": {kind: piece}}}
            events.append({"type": "content-delta", "index": n, "delta": delta})
        events.append({"type": "content-end", "index": n})
    for n, call in enumerate(_chat_calls(said)):
        empty = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        events.append({"type": "tool-call-start", "index": n, "delta": {"message": {"tool_calls": empty}}})
        for piece in _halves(call["function"]["arguments"]):
            delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
            events.append({"type": "tool-call-delta", "index": n, "delta": delta})
        events.append({"type": "tool-call-end", "index": n})
    events.append(
        {"type": "message-end", "delta": {"finish_reason": said.finish, "usage": _cohere_usage(said)}}
    )
    return _sse(events, named=True, done=False)


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
    deltas: list[dict[str, Any]] = [{"content": "", "thinking": piece} for piece in _halves(said.thought)]
    deltas += [{"content": piece} for piece in _halves(said.text)]
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

"""OpenAI's chat completions and responses, and all that look like them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from .base import SSE, Reply, Said, Wire, chat_calls, halves, json_reply, sse

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


def chat_whole(said: Said, usage: Callable[[Said], dict[str, Any]] = _chat_usage, answers: int = 1) -> Reply:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": said.text or None,
        "refusal": said.refusal or None,
    }
    if said.thought:
        message["reasoning_content"] = said.thought
    if said.tools:
        message["tool_calls"] = chat_calls(said)
    choices = [{"index": n, "message": message, "finish_reason": said.finish} for n in range(answers)]
    return json_reply({**_chat_head(said, "chat.completion"), "choices": choices, "usage": usage(said)})


def chat_stream(
    said: Said,
    usage: Callable[[Said], dict[str, Any]] | None = _chat_usage,
    with_last: bool = False,
    pieces: int = 2,
) -> Reply:
    """`with_last`: the usage stands in the last chunk of the answer, not in a chunk of its own."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in halves(said.thought)]
    deltas += [{"content": piece} for piece in halves(said.text)]
    deltas += [{"refusal": piece} for piece in halves(said.refusal)]
    for n, call in enumerate(chat_calls(said)):
        start, end = halves(call["function"]["arguments"])
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
    return sse(chunks)


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
    return json_reply({**answer, "model_id": said.model})


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
    return sse([{**event, "sequence_number": n} for n, event in enumerate(events)], named=True, done=False)


def _item_events(n: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    at = {"output_index": n, "item_id": item["id"]}
    empty = {"message": {"content": []}, "function_call": {"arguments": ""}, "reasoning": {"summary": []}}
    yield {"type": "response.output_item.added", **at, "item": {**item, **empty[item["type"]]}}
    if item["type"] == "function_call":
        for piece in halves(item["arguments"]):
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
        for piece in halves(part["text"]):
            yield {"type": "response.reasoning_summary_text.delta", **at, "summary_index": 0, "delta": piece}
    else:
        part = item["content"][0]
        kind = part["type"]
        key = "refusal" if kind == "refusal" else "text"
        yield {"type": "response.content_part.added", **at, "content_index": 0, "part": {**part, key: ""}}
        for piece in halves(part[key]):
            yield {"type": f"response.{kind}.delta", **at, "content_index": 0, "delta": piece, "logprobs": []}
        yield {"type": f"response.{kind}.done", **at, "content_index": 0, key: part[key], "logprobs": []}
    yield {"type": "response.output_item.done", **at, "item": item}


RESPONSES = Wire(lambda said: json_reply(_response(said)), _responses_stream, chat_error)

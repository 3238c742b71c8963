"""Turn a call of the `openai` client into a draft.  Pure functions on the worker thread.

Fed with the `Exchange`s that `handlers.openai` noted; called by `assembler`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spanscope import semconv
from spanscope.drafts import Draft, Message
from spanscope.handlers import _openai_answer as answers
from spanscope.handlers._langchain_text import to_json
from spanscope.handlers._langgraph import status_of
from spanscope.handlers._openai_answer import Answer
from spanscope.handlers._openai_stream import Exchange
from spanscope.handlers._timing import tell_times
from spanscope.providers import facts_of_error, facts_of_response
from spanscope.runs import Run

FRAMEWORK: Final = "openai"
KINDS: Final = {
    "/chat/completions": "llm",
    "/responses": "llm",
    "/completions": "llm",
    "/embeddings": "embedding",
}
_OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
_ROLES: Final = {"user": "human", "assistant": "ai"}
"""LangChain's words, so that the same message is the same content, whoever sent it."""
_HOSTS: Final = {
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.mistral.ai": "mistral",
    "openrouter.ai": "openrouter",
    "api.x.ai": "xai",
    "api.together.xyz": "together",
    "api.fireworks.ai": "fireworks",
    "api.cerebras.ai": "cerebras",
    "api.perplexity.ai": "perplexity",
    "generativelanguage.googleapis.com": "google_genai",
    "api.anthropic.com": "anthropic",
}
"""Others who speak OpenAI's API.  A host that is not here is taken for one that serves OpenAI's models."""


def call(run: Run, draft: Draft) -> None:
    """A table of contents: each part reads its facts, and one that fails loses its own and no other's."""
    exchange: Exchange = run.payload
    body = exchange.body if isinstance(exchange.body, Mapping) else {}
    draft.facts["kind"], draft.facts["framework"] = run.kind, FRAMEWORK
    operation = _OPERATIONS[exchange.path]
    draft.facts["name"] = f"{operation} {model}" if (model := body.get("model")) else operation
    draft.attributes[semconv.OPERATION_NAME] = operation
    answer = answers.whole(exchange.answer) if exchange.answer else answers.streamed(exchange.pieces)
    if exchange.pieces and not answer.events:
        answer = answers.whole(b"".join(piece for _, piece in exchange.pieces))
    failed = []
    for part in (_status, _where, _asked, _inputs, _answered, _outputs, _usage, _timing):
        try:
            part(run, draft, exchange, body, answer)
        except Exception:  # noqa: BLE001  these facts are lost and named, the others stay
            failed.append(part.__name__.strip("_"))
    if failed:
        draft.attributes.setdefault(semconv.EXTRACT_ERRORS, []).extend(failed)


def _status(run: Run, draft: Draft, exchange: Exchange, body: Mapping[str, Any], answer: Answer) -> None:
    draft.status = status_of(run.error, is_root=run.parent is None)
    if draft.status == "ok" and answer.error is not None:
        draft.status = "error"
        draft.facts["error_type"] = "APIError"
        draft.facts["error_message"] = str(answer.error.get("message") or answer.error.get("code") or "")
    elif draft.status == "ok" and exchange.ending in ("closed", "dropped") and not answer.complete:
        draft.status = "closed_early"
        if not exchange.pieces:
            draft.attributes[semconv.STREAM_STATE] = "not_consumed"
    if draft.status != "error":
        draft.error = None
    elif run.error is not None:
        draft.attributes.update(facts_of_error(run.error))


def _where(run: Run, draft: Draft, exchange: Exchange, body: Mapping[str, Any], answer: Answer) -> None:
    host = str(getattr(exchange.base_url, "host", "") or "")
    draft.facts["provider"] = "azure" if exchange.azure else _HOSTS.get(host, "openai")
    if host:
        draft.attributes[semconv.SERVER_ADDRESS] = host
    if exchange.requests > 1:
        draft.attributes[semconv.RETRIES] = exchange.requests - 1


# --- what was asked ---------------------------------------------------------------------------------------


def _asked(run: Run, draft: Draft, exchange: Exchange, body: Mapping[str, Any], answer: Answer) -> None:
    facts, attributes = draft.facts, draft.attributes
    facts["request_model"] = body.get("model")
    facts["temperature"] = body.get("temperature")
    for name in ("max_completion_tokens", "max_output_tokens", "max_tokens"):
        if body.get(name) is not None:
            facts["max_tokens"] = body[name]
    if stop := body.get("stop"):
        attributes[semconv.REQUEST_STOP] = [stop] if isinstance(stop, str) else list(stop)
    tools = body.get("tools") or body.get("functions")
    if isinstance(tools, list) and tools:
        attributes[semconv.TOOLS_OFFERED] = [_tool_name(tool) for tool in tools[:100]]
    asked_format = body.get("response_format") or (body.get("text") or {}).get("format") or {}
    if asked_format.get("type") in ("json_schema", "json_object"):
        attributes[semconv.STRUCTURED_OUTPUT] = True
    prompt = body.get("prompt")
    if exchange.path == "/responses" and isinstance(prompt, Mapping):
        facts["prompt_name"], facts["prompt_version"] = prompt.get("id"), prompt.get("version")
    if run.kind == "llm":
        facts["streamed"] = bool(body.get("stream"))


def _tool_name(tool: Mapping[str, Any]) -> str:
    inner = tool.get("function")
    return str((inner if isinstance(inner, Mapping) else tool).get("name") or tool.get("type"))


def _inputs(run: Run, draft: Draft, exchange: Exchange, body: Mapping[str, Any], answer: Answer) -> None:
    match exchange.path:
        case "/chat/completions":
            draft.inputs = [_message(said) for said in body.get("messages") or ()]
        case "/responses":
            if isinstance(told := body.get("instructions"), str):
                draft.inputs.append(Message("system", told))
            given = body.get("input")
            draft.inputs += [Message("human", given)] if isinstance(given, str) else map(_item, given or ())
        case _:
            given = body.get("prompt" if exchange.path == "/completions" else "input")
            texts = [given] if isinstance(given, str) else given or ()
            role = "prompt" if exchange.path == "/completions" else "text"
            draft.inputs = [Message(role, text) for text in texts if isinstance(text, str)]
    if run.kind == "llm":
        system = [said.text for said in draft.inputs if said.role in ("system", "developer")]
        if system:
            draft.facts["prompt_hash"] = "\n".join(system)


def _message(said: Mapping[str, Any]) -> Message:
    """Role and text of a chat message; the tools that it calls are part of its text."""
    role = str(said.get("role"))
    text = _content(said.get("content")) or str(said.get("refusal") or "")
    lines = [f"{name}({given})" for name, given in _calls(said)]
    return Message(_ROLES.get(role, role), "\n".join([text, *lines] if text else lines))


def _content(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(_part(part) for part in content or () if isinstance(part, Mapping))


def _part(part: Mapping[str, Any]) -> str:
    """The text of a part; of media only its type, never its bytes."""
    for key in ("text", "refusal"):
        if isinstance(found := part.get(key), str):
            return found
    return f"[{part.get('type')}]"


def _item(item: Any) -> Message:
    """An item of the Responses API: a message, a tool's call or its result, reasoning, …"""
    match item:
        case {"role": _}:
            return _message(item)
        case {"type": "function_call" | "custom_tool_call"}:
            name, given = _call(item, item.get("arguments") or item.get("input"))
            return Message("ai", f"{name}({given})")
        case {"type": "function_call_output" | "custom_tool_call_output", "output": output}:
            return Message("tool", output if isinstance(output, str) else _content(output) or to_json(output))
        case {"type": "reasoning"}:
            return Message("reasoning", _content(item.get("summary")))
        case Mapping():
            return Message(str(item.get("type")), f"[{item.get('type')}]")
        case _:
            return Message("text", str(item))


# --- what was answered --------------------------------------------------------------------------------------


def _calls(said: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The tools that a chat message calls: name, and arguments as text."""
    for made in said.get("tool_calls") or ():
        inner = made.get("function") or made.get("custom") or {}
        yield _call(inner, inner.get("arguments") or inner.get("input"))
    if isinstance(old := said.get("function_call"), Mapping):
        yield _call(old, old.get("arguments"))


def _call(inner: Mapping[str, Any], given: Any) -> tuple[str, str]:
    name = str(inner.get("name") or "?")
    try:
        return name, to_json(json.loads(given or "{}"))
    except ValueError:
        return name, str(given)


def _answered(run: Run, draft: Draft, exchange: Exchange, body: Mapping[str, Any], answer: Answer) -> None:
    """What the provider says of its answer, by the readers that all handlers share."""
    found = facts_of_response(answer.raw)
    draft.facts.update(found.facts)
    draft.attributes.update(found.attributes)
    if exchange.request_id is not None:
        draft.attributes[semconv.REQUEST_ID] = exchange.request_id
    if found.failed:
        draft.attributes[semconv.EXTRACT_ERRORS] = found.failed


def _outputs(run: Run, draft: Draft, exchange: Exchange, body: Mapping[str, Any], answer: Answer) -> None:
    if run.kind == "embedding":
        draft.attributes[semconv.VECTORS] = len(answer.raw.get("data") or ())
        return
    texts = []
    for choice in answer.raw.get("choices") or ():
        said = choice.get("message")
        texts.append(_message(said).text if said is not None else str(choice.get("text") or ""))
    items = [_item(item) for item in answer.raw.get("output") or ()]
    if lines := [said.text for said in items if said.role != "reasoning" and said.text]:
        texts.append("\n".join(lines))
    draft.outputs = [Message("ai", text) for text in texts if text or draft.status == "ok"]


def _usage(run: Run, draft: Draft, exchange: Exchange, body: Mapping[str, Any], answer: Answer) -> None:
    if draft.facts.get("usage_source") == "missing":
        draft.attributes[semconv.USAGE_MISSING_REASON] = _why_no_usage(run, draft, exchange, answer)
    elif draft.status != "ok":
        draft.facts["usage_source"] = "partial"


def _why_no_usage(run: Run, draft: Draft, exchange: Exchange, answer: Answer) -> str:
    if run.end_ns is None:
        return "the call has not ended"
    if not answer.raw:
        if exchange.answer or exchange.pieces:
            return "the answer could not be understood"
        return "the call failed before it answered" if run.error is not None else "the answer was not read"
    if answer.events and draft.status != "ok":
        return "the stream ended before its usage came"
    if answer.events and exchange.path != "/responses":
        return (
            'the provider sends no usage with a stream unless asked: stream_options={"include_usage": True}'
        )
    return "the response carries no usage"


def _timing(run: Run, draft: Draft, exchange: Exchange, body: Mapping[str, Any], answer: Answer) -> None:
    if answer.events:
        draft.attributes[semconv.STREAM_CHUNKS] = answer.events
    ended_ns = run.end_ns if run.kind == "llm" else None
    tell_times(draft, run.start_ns, ended_ns, answer.first_ns, answer.first_text_ns)

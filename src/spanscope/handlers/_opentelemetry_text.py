"""The texts in a span's attributes and events, in each of the ways that instrumentations write them.

As JSON in one attribute (`gen_ai.input.messages`, `input.value`), as many attributes with numbers in their
names (`llm.input_messages.0.message.content`, `gen_ai.prompt.0.content`), or as events.  Pure; runs on the
worker thread.

Used by `_opentelemetry_payload`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from spanscope import semconv
from spanscope.drafts import Message
from spanscope.handlers._langchain_text import to_json

Attributes = Mapping[str, Any]
_ROLES: Final = {"user": "human", "assistant": "ai", "model": "ai"}
_DETAILS: Final = "gen_ai.client.inference.operation.details"


class Said(NamedTuple):
    """One message, with the names of the tools that it calls and why it ended, where that is told."""

    text: Message
    calls: tuple[str, ...] = ()
    finish: str | None = None


def inputs(given: Attributes, events: Iterable[Any]) -> list[Said]:
    """What was asked."""
    told = _with_details(given, events)
    found = [
        *_parts_as_system(told.get("gen_ai.system_instructions")),
        *_listed(told.get("gen_ai.input.messages"), "human"),
    ]
    found = (
        found or _numbered(given, "llm.input_messages", "human") or _numbered(given, "gen_ai.prompt", "human")
    )
    found = found or _from_events(events, asked=True)
    if found:
        return found
    if several := _under(given, "embedding.embeddings"):
        return [_lone("text", one.get("embedding", {}).get("text")) for one in several]
    for name in ("gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text", "reranker.query", "input.value",
                 "traceloop.entity.input", "gen_ai.prompt"):  # fmt: skip
        if (value := given.get(name)) is not None:
            return [_lone("query" if "quer" in name else "text", value)]
    return []


def outputs(given: Attributes, events: Iterable[Any]) -> list[Said]:
    """What was answered."""
    told = _with_details(given, events)
    found = _listed(told.get("gen_ai.output.messages"), "ai") or _numbered(given, "llm.output_messages", "ai")
    found = found or _numbered(given, "gen_ai.completion", "ai") or _from_events(events, asked=False)
    if found:
        return found
    for name in ("gen_ai.tool.call.result", "output.value", "traceloop.entity.output", "gen_ai.completion"):
        if (value := given.get(name)) is not None:
            return [_lone("ai" if "llm.model_name" in given else "text", value)]
    return []


def tools_offered(given: Attributes) -> list[str]:
    """Names of the tools that the model could call."""
    listed = _json(given.get("gen_ai.tool.definitions"))
    names = (
        [_tool_name(one) for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    )
    for one in (*_under(given, "llm.tools"), *_under(given, "llm.request.functions")):
        schema = _json((one.get("tool") or {}).get("json_schema"))
        names.append(_tool_name(schema if isinstance(schema, Mapping) else one))
    return names[:100]


def documents(given: Attributes) -> list[tuple[dict[str, Any], Message]]:
    """What was retrieved: id, score and size of each, and its text."""
    found = []
    listed = _json(given.get("gen_ai.retrieval.documents"))
    numbered = _under(given, "reranker.output_documents") or _under(given, "retrieval.documents")
    for one in [*(listed if isinstance(listed, list) else ()), *numbered]:
        document = one.get("document", one)
        if not isinstance(document, Mapping):
            continue
        text = str(document.get("content") or "")
        facts: dict[str, Any] = {semconv.DOC_CHARS: len(text), semconv.DOC_HASH: text}
        if document.get("id") is not None:
            facts[semconv.DOC_ID] = str(document["id"])
        if document.get("score") is not None:
            facts[semconv.DOC_SCORE] = float(document["score"])
        found.append((facts, Message("document", text)))
    return found


# --- the three ways ----------------------------------------------------------------------------------


def _listed(value: Any, role: str) -> list[Said]:
    """Messages as JSON: `[{"role", "parts": [{"type", "content"}], "finish_reason"}]`."""
    found = _json(value)
    return (
        [_message(one, role) for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    )


def _numbered(given: Attributes, prefix: str, role: str) -> list[Said]:
    """Messages as attributes: `prefix.0.role`, `prefix.0.content`, also with a `message.` between."""
    return [_message(one.get("message", one), role) for one in _under(given, prefix) if isinstance(one, dict)]


def _from_events(events: Iterable[Any], *, asked: bool) -> list[Said]:
    """Messages as events of the span, as the conventions had it before."""
    found = []
    for event in events:
        told = event.attributes or {}
        name = event.name
        if name == ("gen_ai.content.prompt" if asked else "gen_ai.content.completion"):
            value = told.get("gen_ai.prompt" if asked else "gen_ai.completion")
            found += _listed(value, "human" if asked else "ai") or [_lone("human" if asked else "ai", value)]
        elif name == "gen_ai.choice" and not asked:
            message = _json(told.get("message"))
            told = {**message, **told} if isinstance(message, Mapping) else told
            found.append(_message({**told, "role": "assistant"}, "ai"))
        elif asked and name.startswith("gen_ai.") and name.endswith(".message"):
            found.append(_message({"role": name.split(".")[1], **told}, "human"))
    return found


def _with_details(given: Attributes, events: Iterable[Any]) -> Attributes:
    """Attributes, with those of the event that holds the content where the span does not."""
    details = next(
        (event.attributes for event in events if event.name == _DETAILS and event.attributes), None
    )
    return {**details, **given} if details else given


def _parts_as_system(value: Any) -> list[Said]:
    found = _json(value)
    if isinstance(found, str):
        return [_lone("system", found)]
    return [_message({"role": "system", "parts": found}, "system")] if found else []


# --- one message ---------------------------------------------------------------------------------------


def _message(said: Mapping[str, Any], otherwise: str) -> Said:
    role = str(said.get("role") or otherwise)
    parts = said.get("parts", said.get("contents", said.get("content")))
    lines, calls = [], []
    content = _json(parts) if isinstance(parts, str) and parts[:2] in ("[{", '["') else parts
    text = content if isinstance(content, str) else "".join(_parts(content))
    for name, arguments in _calls(said, content):
        calls.append(name)
        lines.append(f"{name}({_arguments(arguments)})")
    finish = said.get("finish_reason")
    whole = "\n".join([text, *lines] if text else lines)
    return Said(Message(_ROLES.get(role, role), whole), tuple(calls), str(finish) if finish else None)


def _parts(content: Any) -> Iterator[str]:
    for part in content if isinstance(content, list | tuple) else ():
        if isinstance(part, str):
            yield part
        elif isinstance(part, Mapping):
            inner = part.get("message_content", part)
            kind = inner.get("type")
            for key in ("text", "content", "response", "result"):
                if (found := inner.get(key)) is not None:
                    yield found if isinstance(found, str) else to_json(found)
                    break
            else:
                if kind not in (None, "tool_call", "tool_use", "function_call"):
                    yield f"[{kind}]"


def _calls(said: Mapping[str, Any], content: Any) -> Iterator[tuple[str, Any]]:
    for part in content if isinstance(content, list | tuple) else ():
        if isinstance(part, Mapping) and part.get("type") in ("tool_call", "tool_use", "function_call"):
            yield str(part.get("name") or "?"), part.get("arguments", part.get("input"))
    made = _json(said.get("tool_calls"))
    for call in made if isinstance(made, list) else ():
        inner = call.get("tool_call", call)
        inner = inner.get("function", inner)
        yield str(inner.get("name") or "?"), inner.get("arguments")


def _arguments(value: Any) -> str:
    found = _json(value)
    return found if isinstance(found, str) else to_json(found if found is not None else {})


def _tool_name(tool: Mapping[str, Any]) -> str:
    inner = tool.get("function")
    return str((inner if isinstance(inner, Mapping) else tool).get("name") or tool.get("type") or "?")


def _lone(role: str, value: Any) -> Said:
    return Said(Message(role, value if isinstance(value, str) else to_json(value)))


# --- attributes with numbers in their names -------------------------------------------------------------


def _under(given: Attributes, prefix: str) -> list[dict[str, Any]]:
    """What stands under `prefix.0.…`, `prefix.1.…`, in their order, as it would be in JSON."""
    start = f"{prefix}."
    tree: dict[str, Any] = {}
    for key, value in given.items():
        if not key.startswith(start):
            continue
        *path, last = key[len(start) :].split(".")
        if not (path or last)[0].isdigit() and not last.isdigit():
            continue
        into = tree
        for step in path:
            below = into.setdefault(step, {})
            if not isinstance(below, dict):
                break
            into = below
        else:
            into[last] = value
    whole = _lists(tree)
    return [one for one in whole if isinstance(one, dict)] if isinstance(whole, list) else []


def _lists(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree and all(key.isdigit() for key in tree):
        return [_lists(tree[key]) for key in sorted(tree, key=int)]
    return {key: _lists(value) for key, value in tree.items()}


def _json(value: Any) -> Any:
    """The value, read where it is JSON; structures as they are."""
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value

"""The text in what was held of LlamaIndex's messages.  Pure; runs on the worker thread.

Roles are written as LangChain writes them, so that one conversation has the same ids in both.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from spanscope.drafts import Message
from spanscope.handlers._langchain_text import to_json as frozen_json
from spanscope.handlers._llama_index_held import Answered, Called, Media, Said

_ROLES: Final = {"user": "human", "assistant": "ai", "chatbot": "ai", "model": "ai"}


def message_of(said: Said) -> Message:
    return Message(_ROLES.get(said.role, said.role), said_text(said))


def said_text(said: Said) -> str:
    """Its text; the tools that it calls are part of it, of media only type and size."""
    text = "".join([part if isinstance(part, str) else _media(part) for part in said.parts])
    lines = [f"{name}({to_json(arguments)})" for name, arguments, _ in tool_calls(said)]
    return "\n".join([text, *lines] if text else lines) if lines else text


def _media(part: Any) -> str:
    if not isinstance(part, Media):
        return ""
    facts = [part.mimetype or part.kind]
    if part.size_bytes is not None:
        facts.append(f"{part.size_bytes} bytes")
    return f"[{part.kind}: {', '.join(facts)}]"


def tool_calls(said: Said) -> Iterator[tuple[str, Any, bool]]:
    """Name, arguments and whether they are a JSON object, of each tool that the message calls."""
    blocks = [part for part in said.parts if isinstance(part, Called)]
    if blocks:
        for block in blocks:
            arguments, valid = _arguments(block.arguments)
            yield block.name, arguments, valid
        return
    calls = said.extra.get("tool_calls") if isinstance(said.extra, Mapping) else None
    for call in calls if isinstance(calls, list | tuple) else ():
        function = _get(call, "function") or call
        name = _get(function, "name") or _get(function, "tool_name")
        given = _get(function, "arguments")
        if given is None:
            given = _get(function, "input") or _get(function, "tool_kwargs")
        arguments, valid = _arguments(given)
        yield str(name or "?"), arguments, valid


def _arguments(given: Any) -> tuple[Any, bool]:
    if not isinstance(given, str):
        return given if given is not None else {}, given is None or isinstance(given, dict)
    try:
        read = json.loads(given) if given else {}
    except ValueError:
        return given, False
    return read, isinstance(read, dict)


def _get(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def to_json(value: Any) -> str:
    """Compact JSON; messages in it become their text."""
    return value if isinstance(value, str) else frozen_json(_plain(value))


def _plain(value: Any) -> Any:
    match value:
        case Said():
            role, text = message_of(value)
            return {"role": role, "content": text}
        case Answered():
            return said_text(value.said)
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value

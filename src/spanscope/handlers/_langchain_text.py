"""The text in LangChain's messages, blocks and states.  Pure; runs on the worker thread."""

import json
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, Final

from spanscope.drafts import Message
from spanscope.handlers._freeze import FrozenMessage, FrozenMessages

_INPUT_KEYS: Final = ("input", "question", "query", "user_input", "text")
_OUTPUT_KEYS: Final = ("output", "answer", "result", "response", "text")
_HUMAN: Final = frozenset({"human", "user"})


def block_text(content: Any) -> str:
    """The text of a message's content; of media only its type, never its bytes."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(_block(block) for block in content)
    return "" if content is None else str(content) if isinstance(content, int | float | bool) else ""


def _block(block: Any) -> str:
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return ""
    for key in ("text", "reasoning", "thinking"):
        if isinstance(found := block.get(key), str):
            return found
    kind = block.get("type")
    return "" if kind in (None, "tool_use", "tool_call", "function_call") else f"[{kind}]"


def message_of(frozen: FrozenMessage) -> Message:
    """Role and text of a message; the tools that it calls are part of its text."""
    return _message(*frozen)


_read: dict[int, tuple[weakref.ref[Any], Any, Any, Message]] = {}
"""Messages that were read, by identity while they live: an agent sends them again at each step."""


def _message(message: Any, content: Any) -> Message:
    # Of its fields, and not as attributes: asking a pydantic model for one that it lacks costs as much as
    # all the rest here.
    fields = vars(message)
    calls = fields.get("tool_calls")
    key = id(message)
    known = _read.get(key)
    if known is not None:
        there, said, called, read = known
        if there() is message and said is content and called is calls:
            return read
    role = fields.get("type") or type(message).__name__
    if role == "chat":
        role = fields.get("role", role)
    if "Chunk" in role:
        role = str(role).removesuffix("MessageChunk").lower()
    text = content if type(content) is str else block_text(content)
    if calls:
        lines = [f"{call.get('name')}({to_json(call.get('args'))})" for call in calls]
        text = "\n".join([text, *lines] if text else lines)
    read = Message(role, text)
    if type(content) is str:  # a list may be changed in place
        _read[key] = weakref.ref(message, lambda _: _read.pop(key, None)), content, calls, read
    return read


def messages_in(values: Iterable[Any] | FrozenMessages) -> list[Message]:
    """The messages of a list, in each of the forms that LangChain takes them in."""
    if isinstance(values, FrozenMessages):
        return list(map(_message, values.messages, values.contents))
    return [said for value in values if (said := _said(value)) is not None]


def _said(value: Any) -> Message | None:
    match value:
        case FrozenMessage():
            return message_of(value)
        case [str(role), str(text)] | {"role": str(role), "content": str(text)}:
            return Message(role, text)
        case _:
            return None


def input_text(frozen: Any) -> Message | None:
    """What a person asked, in a root's input: the last human message, a question, or a lone string."""
    if (found := _spoken(frozen, _HUMAN)) is not None:
        return found
    text = _text_under(frozen, _INPUT_KEYS)
    return Message("human", text) if text is not None else _as_json(frozen)


def output_text(frozen: Any) -> Message | None:
    """What was answered, in a root's output: the last assistant message, an answer, or a lone string."""
    if (found := _spoken(frozen, frozenset({"ai", "assistant", "aimessagechunk"}))) is not None:
        return found
    text = _text_under(frozen, _OUTPUT_KEYS)
    return Message("ai", text) if text is not None else _as_json(frozen)


def _spoken(frozen: Any, roles: frozenset[str]) -> Message | None:
    if isinstance(frozen, FrozenMessage):
        return message_of(frozen)
    values = frozen.get("messages") if isinstance(frozen, dict) else frozen
    if not isinstance(values, list | FrozenMessages):
        return None
    last = None
    for said in _newest_first(values):
        if said.role.lower() in roles:
            return said
        last = last or said
    return last


def _newest_first(values: list[Any] | FrozenMessages) -> Iterator[Message]:
    if isinstance(values, FrozenMessages):
        return map(_message, reversed(values.messages), reversed(values.contents))
    return filter(None, map(_said, reversed(values)))


def _text_under(frozen: Any, keys: tuple[str, ...]) -> str | None:
    if isinstance(frozen, str):
        return frozen
    if not isinstance(frozen, dict):
        return None
    for key in keys:
        if isinstance(found := frozen.get(key), str):
            return found
        if isinstance(found, FrozenMessage):
            return message_of(found).text
    texts = [value for value in frozen.values() if isinstance(value, str)]
    return texts[0] if len(texts) == 1 else None


def _as_json(frozen: Any) -> Message | None:
    return None if frozen is None or frozen in ({}, []) else Message("state", to_json(frozen))


def to_json(value: Any) -> str:
    """Compact JSON of a frozen value; messages in it become their text."""
    return _encode(_plain(value))


def _plain(value: Any) -> Any:
    if type(value) in _SCALARS:
        return value
    if isinstance(value, FrozenMessage):
        role, text = message_of(value)
        return {"role": role, "content": text}
    if isinstance(value, FrozenMessages):
        return list(map(_plain, value.each()))
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def _foreign(value: Any) -> str:
    return f"<{type(value).__name__}>"


_encode: Final = json.JSONEncoder(ensure_ascii=False, default=_foreign).encode

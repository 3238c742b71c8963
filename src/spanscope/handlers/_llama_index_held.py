"""Hold on to what LlamaIndex's objects say now, by reference to their strings.

Messages, nodes and events belong to the application, which goes on changing them; strings do not
change.  Runs on the caller's thread: it reads plain attributes, copies no text, and never iterates a
generator or asks for its text.

Used by `handlers.llama_index`; what it makes is read by `_llama_index_payload`.
"""

import asyncio
from collections.abc import Callable
from functools import lru_cache
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final, NamedTuple

from spanscope.handlers._documents import Found
from spanscope.handlers._freeze import MAX_ITEMS, freeze

GENERATORS: Final = (GeneratorType, AsyncGeneratorType)
_MAX_DEPTH: Final = 4
_NO_CHILDREN: Final = 200


class Said(NamedTuple):
    """A chat message as it was: its role, its blocks (text as text), and what else it carries."""

    role: str
    parts: list[Any]
    extra: Any


class Media(NamedTuple):
    """Of an image or a file its type and size; its bytes are not kept."""

    kind: str
    mimetype: str | None
    size_bytes: int | None


class Called(NamedTuple):
    """A tool call inside a message."""

    name: str
    arguments: Any


class Answered(NamedTuple):
    """A model's response: what it said, and the provider's own response, which holds the facts."""

    said: Said
    raw: Any
    extra: Any


def message(value: Any) -> Said:
    """A ChatMessage."""
    role = value.role
    return Said(
        str(getattr(role, "value", role)), [_part(block) for block in value.blocks], value.additional_kwargs
    )


def _part(block: Any) -> Any:
    kind = getattr(block, "block_type", None)
    if kind == "text":
        return block.text
    if kind == "thinking":
        return block.content or ""
    if kind == "tool_call":
        return Called(block.tool_name, freeze(block.tool_kwargs))
    if kind in ("image", "audio", "video", "document"):
        data = getattr(block, "data" if kind == "document" else kind, None)
        size = len(data) if isinstance(data, bytes | str) else None
        mimetype = getattr(block, f"{kind}_mimetype", None)
        return Media(kind, mimetype if isinstance(mimetype, str) else None, size)
    return Media(str(kind or type(block).__name__), None, None)


def messages(values: Any) -> list[Said]:
    """A conversation."""
    return [message(one) for one in values if hasattr(one, "blocks")]


def response(value: Any) -> Answered | None:
    """A ChatResponse or CompletionResponse; of text alone the text; None for what is no answer yet."""
    if isinstance(value, str):
        return Answered(Said("assistant", [value], None), None, None)
    if (said := getattr(value, "message", None)) is not None and hasattr(said, "blocks"):
        return Answered(message(said), value.raw, value.additional_kwargs)
    if hasattr(value, "raw") and isinstance(text := getattr(value, "text", None), str):
        return Answered(Said("assistant", [text], None), value.raw, value.additional_kwargs)
    return None


def query(value: Any) -> str | None:
    """The text of a question, in both forms that LlamaIndex passes it in."""
    if isinstance(value, str):
        return value
    found = getattr(value, "query_str", None)
    return found if isinstance(found, str) else None


def nodes(values: Any) -> tuple[int, list[Found]] | None:
    """How many nodes there are, and the first of them with the scores that they have now."""
    if not isinstance(values, list | tuple):
        return None
    return len(values), [_node(value) for value in values[:MAX_ITEMS]]


def _node(value: Any) -> Found:
    node = getattr(value, "node", value)
    text = getattr(node, "text", None)
    if not isinstance(text, str):
        text = getattr(getattr(node, "text_resource", None), "text", None)
    metadata = getattr(node, "metadata", None)
    if not metadata and (document := getattr(node, "ref_doc_id", None)) is not None:
        metadata = {"source": document}  # a node's own id is made anew with each index
    return Found(
        getattr(node, "id_", None),
        text if isinstance(text, str) else "",
        getattr(value, "score", None),
        metadata if isinstance(metadata, dict) else {},
    )


# --- anything else: what went into a trace and what came out -------------------------------------------


def hold(value: Any, depth: int = 0) -> Any:
    """The value as plain structure, bounded; LlamaIndex's objects become what they say."""
    kind = type(value)
    if kind is str:
        return value
    if (read := _reader(kind)) is not None:
        return read(value, depth)
    if depth < _MAX_DEPTH:
        if kind in (list, tuple):
            return [hold(item, depth + 1) for item in value[:MAX_ITEMS]]
        if kind is dict and len(value) <= _NO_CHILDREN:
            return {str(key): hold(item, depth + 1) for key, item in value.items()}
    return freeze(value, depth)


def _fields(value: Any, depth: int) -> Any:
    """A pydantic object: the values of its fields as they stand, none of its methods is called."""
    if depth >= _MAX_DEPTH:
        return f"<{type(value).__name__}>"
    fields = {key: hold(item, depth + 1) for key, item in list(value.__dict__.items())[:_NO_CHILDREN]}
    loose = (getattr(value, "__pydantic_private__", None) or {}).get("_data")  # a workflow event's own
    if isinstance(loose, dict):
        fields |= {str(key): hold(item, depth + 1) for key, item in loose.items()}
    return fields


def _stop(value: Any, depth: int) -> Any:
    """The result that a StopEvent carries, or its fields where it is of a class of the application's."""
    result = getattr(value, "_result", None)
    return hold(result, depth) if result is not None else _fields(value, depth)


def _unread(value: Any, depth: int) -> Any:
    """Streams, futures and the like: only their class, for looking would consume them."""
    return f"<{type(value).__name__}>"


def _agent_start(value: Any, depth: int) -> Any:
    said = getattr(value, "user_msg", None)
    return hold(said, depth) if said is not None else _fields(value, depth)


_READERS: Final[dict[str, Callable[[Any, int], Any]]] = {
    "ChatMessage": lambda value, depth: message(value),
    "ChatResponse": lambda value, depth: response(value),
    "CompletionResponse": lambda value, depth: response(value),
    "QueryBundle": lambda value, depth: value.query_str,
    "StreamingResponse": _unread,
    "AsyncStreamingResponse": _unread,
    "StreamingAgentChatResponse": _unread,
    "Response": lambda value, depth: value.response,
    "PydanticResponse": lambda value, depth: hold(value.response, depth + 1),
    "AgentChatResponse": lambda value, depth: value.response,
    "AgentOutput": lambda value, depth: message(value.response),
    "AgentWorkflowStartEvent": _agent_start,
    "ToolOutput": lambda value, depth: message_text(value),
    "NodeWithScore": lambda value, depth: _node(value).text,
    "BaseNode": lambda value, depth: _node(value).text,
    "StopEvent": _stop,
}


def message_text(value: Any) -> Any:
    """What a ToolOutput says: its blocks, whatever object the tool gave."""
    return Said("tool", [_part(block) for block in value.blocks], None)


def _find_reader(kind: type) -> Callable[[Any, int], Any] | None:
    if issubclass(kind, (*GENERATORS, asyncio.Future)):
        return _unread
    for base in kind.__mro__:
        if base.__module__.startswith(("llama_index", "workflows")) and base.__name__ in _READERS:
            return _READERS[base.__name__]
    names = {(base.__module__.partition(".")[0], base.__name__) for base in kind.__mro__}
    return _fields if ("pydantic", "BaseModel") in names else None


_reader: Callable[[type], Callable[[Any, int], Any] | None] = lru_cache(maxsize=1024)(_find_reader)


# --- streams, futures, vectors ---------------------------------------------------------------------------


def stream_of(value: Any) -> Any:
    """The generator inside a streaming response, else that response; None of what is no stream."""
    match type(value).__name__:
        case "StreamingResponse" | "AsyncStreamingResponse":
            found = value.response_gen
        case "StreamingAgentChatResponse":
            found = value.chat_stream if value.chat_stream is not None else value.achat_stream
        case _:
            return None
    return found if isinstance(found, GENERATORS) else value


def is_future(value: Any) -> bool:
    return isinstance(value, asyncio.Future)


def future_error(future: Any) -> BaseException | None:
    """The exception of a future that is done; `exception()` would mark it as seen by the application."""
    if future.cancelled():
        return asyncio.CancelledError()
    found = getattr(future, "_exception", None)
    return found if isinstance(found, BaseException) else None


def is_turn(value: Any) -> bool:
    """Whether a workflow's step gave an agent's answer, which is kept although it is not the outermost."""
    return type(value).__name__ == "AgentOutput"


def vectors(value: Any) -> tuple[int, int | None] | None:
    """How many embeddings these are, and of how many dimensions (None of sparse ones)."""
    if not isinstance(value, list):
        return (1, None) if isinstance(value, dict) else None
    if value and isinstance(value[0], list):
        return len(value), len(value[0])
    if value and isinstance(value[0], dict):
        return len(value), None
    return (1, len(value)) if value and isinstance(value[0], int | float) else (len(value), None)


def says_something(response: Any) -> bool:
    """Whether a chunk without text carries a piece of a tool call or of reasoning."""
    said = getattr(response, "message", None)
    if said is None:
        return bool(getattr(response, "text", None))
    extra = said.additional_kwargs
    return bool(extra and (extra.get("tool_calls") or extra.get("thinking_delta"))) or len(said.blocks) > 1

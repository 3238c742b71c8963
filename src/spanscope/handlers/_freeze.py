"""Hold on to what a value is now, in microseconds and without copying its text.

Strings are immutable, so a reference is enough; of anything that the application may still change, a
bounded copy of its structure is taken.  Runs on the caller's thread, so it calls nothing of the
value's own but dict and list iteration.
"""

from itertools import islice
from typing import Any, Final, NamedTuple

MAX_ITEMS: Final = 200
_MAX_DEPTH: Final = 4
_MAX_KEYS: Final = 50
_SIZED: Final = frozenset({str, list, tuple, dict, set, frozenset, bytes})
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


class FrozenMessage(NamedTuple):
    """A chat message as it was: `message` gives its class and role, `content` what it said."""

    message: Any
    content: Any


def freeze(value: Any, depth: int = 0) -> Any:
    """The value's structure, bounded in depth and width; foreign objects become `<ClassName>`."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if depth >= _MAX_DEPTH:
        return f"<{kind.__name__}>"
    if isinstance(value, dict):
        return {str(k): freeze(v, depth + 1) for k, v in islice(value.items(), MAX_ITEMS)}
    if isinstance(value, list | tuple):
        return [freeze(item, depth + 1) for item in value[-MAX_ITEMS:]]
    if is_message(value):
        return freeze_message(value)
    if (page := getattr(value, "page_content", None)) is not None and isinstance(page, str):
        return page
    if isinstance(messages := getattr(value, "messages", None), list):
        return freeze(messages, depth + 1)  # a prompt value
    return f"<{kind.__name__}>"


def is_message(value: Any) -> bool:
    """Whether this looks like a LangChain message, by what it offers."""
    return hasattr(value, "content") and hasattr(value, "response_metadata")


def freeze_message(message: Any) -> FrozenMessage:
    content = message.content
    return FrozenMessage(message, content if isinstance(content, str) else freeze(content, 1))


def shape(value: Any) -> Any:
    """Keys and sizes, for steps in between whose content is seen at the leaves.

    Sizes are lengths where a value has one, else the name of its class.
    """
    kind = type(value)
    if kind is dict and len(value) <= _MAX_KEYS:
        return {key: len(v) if type(v) in _SIZED else type(v).__name__ for key, v in value.items()}
    if kind in _SIZED:
        return len(value)
    return len(value) if isinstance(value, str) else kind.__name__

"""Hold on to what a value is now, in microseconds and without copying its text.

Strings are immutable, so a reference is enough; of anything that the application may still change, a
bounded copy of its structure is taken.  Runs on the caller's thread, so it calls little of the
value's own, and survives when that raises.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, Final, NamedTuple

MAX_ITEMS: Final = 200
MAX_VALUES: Final = 2_000
"""A nested list of numbers (an image, say) has a million: looking at all would take a second."""
_MAX_DEPTH: Final = 4
_MAX_KEYS: Final = 50
_SIZED: Final = frozenset({str, list, tuple, dict, set, frozenset, bytes})
_all_sized: Final = _SIZED.issuperset
_LISTS: Final = (list, tuple)
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


class FrozenMessage(NamedTuple):
    """A chat message as it was: `message` gives its class and role, `content` what it said."""

    message: Any
    content: Any


class FrozenMessages(NamedTuple):
    """A list of chat messages as they were, side by side with what each of them said."""

    messages: Sequence[Any]
    contents: Sequence[Any]

    def each(self) -> list[FrozenMessage]:
        return list(map(FrozenMessage, self.messages, self.contents))


def freeze(value: Any, depth: int = 0, budget: list[int] | None = None) -> Any:
    """The value's structure, bounded in depth, width and in all; foreign objects become `<ClassName>`.

    `budget` holds how many values may still be looked at.  Asks classes, never objects: an attribute of
    the application's may run code, or raise.
    """
    kind = type(value)
    if kind in _PLAIN:
        return value
    if issubclass(kind, str):
        return str.__str__(value)
    if depth >= _MAX_DEPTH:
        return f"<{kind.__name__}>"
    if budget is None:
        budget = [MAX_VALUES]
    if issubclass(kind, dict):
        if _spent(budget, dict.__len__(value)):
            return f"<{kind.__name__}>"
        pairs = islice(dict.items(value), MAX_ITEMS)
        return {k if type(k) is str else _key(k): freeze(v, depth + 1, budget) for k, v in pairs}
    if issubclass(kind, _LISTS):
        if _spent(budget, len(value)):
            return f"<{kind.__name__}>"
        items = value[-MAX_ITEMS:]
        if {_role(one) for one in set(map(type, items))} == {"message"}:
            return freeze_messages(items, budget)
        return [freeze(item, depth + 1, budget) for item in items]
    match _role(kind):
        case "message":
            return freeze_message(value, budget)
        case "document":
            return value.page_content
        case "prompt":
            return freeze(getattr(value, "messages", None) or getattr(value, "text", None), depth + 1, budget)
    return f"<{kind.__name__}>"


def _spent(budget: list[int], items: int) -> bool:
    """Take the items of a container from the budget; true when there is not enough left."""
    budget[0] -= min(items, MAX_ITEMS)
    return budget[0] < 0


def _key(key: Any) -> str:
    return str(key) if type(key) in _PLAIN else f"<{type(key).__name__}>"


def _find_role(kind: type) -> str | None:
    """Which of LangChain's classes this is one of, by name: LangChain may not be installed."""
    names = {base.__name__ for base in kind.__mro__ if base.__module__.startswith("langchain_core")}
    if "BaseMessage" in names:
        return "message"
    if "Document" in names:
        return "document"
    return "prompt" if "PromptValue" in names else None


_role: Callable[[type], str | None] = lru_cache(maxsize=1024)(_find_role)


def is_message(value: Any) -> bool:
    """Whether this is a LangChain message."""
    return _role(type(value)) == "message"


def freeze_message(message: Any, budget: list[int] | None = None) -> FrozenMessage:
    content = message.content
    return FrozenMessage(message, content if isinstance(content, str) else freeze(content, 1, budget))


def freeze_messages(messages: Sequence[Any], budget: list[int] | None = None) -> FrozenMessages:
    """All of a conversation at once: it comes again with every call, and nearly always is plain text."""
    contents = [message.content for message in messages]
    if set(map(type, contents)) != {str}:
        contents = [said if isinstance(said, str) else freeze(said, 1, budget) for said in contents]
    return FrozenMessages(messages[:], contents)


def shape(value: Any) -> Any:
    """Keys and sizes, for steps in between whose content is seen at the leaves.

    Sizes are lengths where a value has one, else the name of its class.
    """
    kind = type(value)
    if kind is str:
        return len(value)
    if kind is dict and len(value) <= _MAX_KEYS:
        if _all_sized(map(type, value.values())):
            return dict(zip(value, map(len, value.values())))  # noqa: B905  `strict` takes twice as long
        return {
            key: len(item) if type(item) in _SIZED else type(item).__name__ for key, item in value.items()
        }
    if kind in _SIZED:
        return len(value)
    return len(value) if issubclass(kind, str) else kind.__name__


def whole(value: Any) -> tuple[Any, Any]:
    """Shape and structure: for the outermost step, whose input and output are the trace's."""
    return shape(value), freeze(value)

"""Read a value that may be a mapping or an SDK's object, and may hold anything.

Nothing of the value's own is called but the reading of an attribute; what has not the type that was
hoped for is as good as absent.  Used by the other modules of `providers`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

MAPPINGS: Final = (dict, Mapping)
"""For `isinstance`: nearly every mapping is a dict, and to ask an abstract class costs ten times as much."""


def get(source: Any, name: str) -> Any:
    """The value under a key or attribute; None where there is none."""
    if isinstance(source, MAPPINGS):
        return source.get(name)
    return None if source is None else getattr(source, name, None)


def first(source: Any, *names: str) -> Any:
    """The first of these that is there, for those who spell one thing in two ways."""
    for name in names:
        if (found := get(source, name)) is not None:
            return found
    return None


def path(source: Any, *names: str) -> Any:
    """The value at the end of a path of keys or attributes."""
    for name in names:
        if source is None:
            return None
        source = get(source, name)
    return source


def count(value: Any) -> int | None:
    """A number of tokens.  Some give it as `12.0`, and headers as `"12"`; less than nothing is no count."""
    if type(value) is int:
        return value if value >= 0 else None
    if isinstance(value, float) and value >= 0 and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return None


def text(value: Any) -> str | None:
    """A text that says something; of an enumeration its member's name."""
    if type(value) is str:
        return value or None
    if isinstance(name := getattr(value, "name", None), str):
        return name or None
    return str.__str__(value) or None if isinstance(value, str) else None


def items(value: Any) -> Sequence[Any]:
    """The items of a list; nothing of what is no list."""
    return value if isinstance(value, list | tuple) else ()

"""What an exception says: its message, its notes, and what it was caused by.

No tracebacks: they quote source lines, and frames hold the raw values of local variables.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final

_MAX_CAUSES: Final = 5
_MAX_NOTES: Final = 5


def error_lines(error: BaseException) -> Iterator[str]:
    """The raw message first, then a line for each note and each cause; still to be redacted."""
    yield _message(error)
    yield from _notes(error)
    seen, above = {id(error)}, error
    for _ in range(_MAX_CAUSES):
        cause = above.__cause__ or (None if above.__suppress_context__ else above.__context__)
        if cause is None or id(cause) in seen:
            break
        seen.add(id(cause))
        yield f"caused by {type(cause).__name__}: {_message(cause)}"
        yield from _notes(cause)
        above = cause
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions[:_MAX_CAUSES]:
            yield f"with {type(inner).__name__}: {_message(inner)}"


def _message(error: BaseException) -> str:
    try:
        return str.__str__(str(error))
    except Exception:  # noqa: BLE001  the boundary: an exception's own `__str__` may raise
        return "[withheld: unreadable]"


def _notes(error: BaseException) -> Iterator[str]:
    notes = getattr(error, "__notes__", ())
    if isinstance(notes, list | tuple):
        for note in islice(notes, _MAX_NOTES):
            if isinstance(note, str):
                yield str.__str__(note)

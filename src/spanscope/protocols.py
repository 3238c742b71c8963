"""The seams: what a backend must offer, and what may be put in place of the clock."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from spanscope.spans import Span


@runtime_checkable
class Backend(Protocol):
    """Somewhere spans go.  Called by one thread at a time, never by the application's.

    A backend that can replace a record by its later state sets `accepts_updates = True`; it is then
    also given spans that are still open, and spans whose place in the tree was amended.  All others
    are given each span once, when it is over.
    """

    def export(self, spans: Sequence[Span]) -> None:
        """Take a batch.  Raising loses the batch for this backend alone, and is counted."""

    def flush(self, timeout_s: float) -> bool:
        """Push out what is buffered; true only when the other side has acknowledged."""

    def shutdown(self) -> None:
        """Release files and sockets.  Nothing is exported afterwards."""


class Clock(Protocol):
    """Two clocks in one: when (wall) and how long (monotonic)."""

    def monotonic_ns(self) -> int:
        """Nanoseconds that never run backwards; their zero means nothing."""

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""

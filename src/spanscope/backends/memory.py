"""Spans kept in a list, for tests and for looking at them in the same process."""

from collections.abc import Sequence

from spanscope.spans import Span


class MemoryBackend:
    """Keeps the last `max_spans` spans it was given, oldest first, in `spans`.

    With `accepts_updates` it is also given open and amended spans, and keeps the latest state of each.
    """

    def __init__(self, *, accepts_updates: bool = False, max_spans: int = 100_000) -> None:
        self.accepts_updates = accepts_updates
        self._max_spans = max_spans
        self._spans: dict[str, Span] = {}

    @property
    def spans(self) -> list[Span]:
        return list(self._spans.values())

    def __len__(self) -> int:
        return len(self._spans)

    def export(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self._spans[f"{span.trace_id}{span.span_id}"] = span
        if (excess := len(self._spans) - self._max_spans) > 0:
            for key in list(self._spans)[:excess]:
                del self._spans[key]

    def clear(self) -> None:
        self._spans.clear()

    def flush(self, timeout_s: float) -> bool:
        return True

    def shutdown(self) -> None:
        """Nothing to release; the spans stay readable."""

"""One JSON line per span, for whatever already collects the process's logs.

The line goes to standard error: standard output belongs to the application, whose results may be
piped from there, and log collectors read both.  The application's own structlog configuration is
neither used nor changed, unless it hands over a logger.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final, TextIO

from spanscope.exceptions import MissingExtra
from spanscope.spans import Span

# The messages are left out: a history would be written again with each call.  Their hash and the
# previews are there.  Instead of nanoseconds a line says when and how long.
_LEFT_OUT: Final = frozenset({"inputs", "outputs", "start_ns", "end_ns"})
_FIELDS: Final = tuple(one.name for one in fields(Span) if one.name not in _LEFT_OUT)


class StructlogBackend:
    """Logs each span at level `info` as event `span`, with the span's fields as keys.

    `logger` is a structlog logger, whose processors then decide about format and place; otherwise
    JSON lines go to `file`, by default `sys.stderr`.
    """

    def __init__(self, logger: Any = None, *, file: TextIO | None = None) -> None:
        try:
            import structlog
        except ImportError:
            raise MissingExtra("the structlog backend", "structlog") from None
        self._file = file if file is not None else sys.stderr
        self._logger = logger or structlog.wrap_logger(
            structlog.WriteLogger(self._file),
            processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(_to_json)],
            wrapper_class=structlog.BoundLogger,
            context_class=dict,
            cache_logger_on_first_use=True,
        )

    def export(self, spans: Sequence[Span]) -> None:
        for span in spans:
            self._logger.info("span", **facts(span))

    def flush(self, timeout_s: float) -> bool:
        self._file.flush()
        return True

    def shutdown(self) -> None:
        """The stream is not ours to close."""
        if not self._file.closed:
            self._file.flush()


def facts(span: Span) -> dict[str, Any]:
    """What is known of a span, as plain values; what is unknown or empty is left out."""
    known: dict[str, Any] = {"started_at": span.started_at.isoformat()}
    if span.duration_ms is not None:
        known["duration_ms"] = span.duration_ms
    for name in _FIELDS:
        value = getattr(span, name)
        if value is None or (isinstance(value, tuple | Mapping) and not value):
            continue
        known[name] = float(value) if isinstance(value, Decimal) else value
    return known


def _to_json(event: Any, **_: Any) -> str:
    # An attribute of an unforeseen type is named, never shown: its `repr` has passed no redactor.
    return json.dumps(event, skipkeys=True, default=lambda value: f"<{type(value).__name__}>")

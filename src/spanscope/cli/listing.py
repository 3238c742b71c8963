"""A trace as one line: in the table of `spanscope list`, in `spanscope tail`, and as JSON.

Used by the commands; knows the store's summaries and rich, nothing else.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from spanscope.exceptions import ConfigError
from spanscope.report import json_ready

if TYPE_CHECKING:
    from spanscope.store import TraceSummary

STATUS_STYLES = {
    "ok": "green",
    "error": "bold red",
    "cancelled": "yellow",
    "closed_early": "yellow",
    "interrupted": "magenta",
    "handoff": "cyan",
    "open": "blue",
    "abandoned": "red",
}
LINE_ID = 16
"""Digits of an id that are shown: ids begin with the time, so it takes some to tell neighbours apart."""
_AGO = re.compile(r"(\d+)\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_UNKNOWN = Text("-", style="dim")


def list_table(summaries: Sequence["TraceSummary"]) -> Table:
    """The traces as a table, in the order given."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for title in ("id", "when", "name", "status"):
        table.add_column(title, no_wrap=True, overflow="ellipsis")
    for title in ("took", "tokens", "cost", "calls"):
        table.add_column(title, justify="right", no_wrap=True)
    for summary in summaries:
        table.add_row(*_cells(summary, LINE_ID))
    return table


def list_line(summary: "TraceSummary") -> Text:
    """The same facts as one line, for traces that come one at a time."""
    return Text("  ").join(_cells(summary, LINE_ID))


def summary_to_dict(summary: "TraceSummary") -> dict[str, Any]:
    """All fields, ready for JSON; money is a string."""
    record = {field.name: json_ready(getattr(summary, field.name)) for field in fields(summary)}
    return record | {
        "started_at": summary.started_at.isoformat(),
        "duration_ms": summary.duration_ms,
    }


def parse_since(text: str, *, now: datetime | None = None) -> datetime:
    """`30m`, `12h`, `7d` ago, or a date with or without time (local unless it says its zone); in UTC."""
    if ago := _AGO.fullmatch(text.strip()):
        return (now or datetime.now(UTC)) - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except ValueError:
        raise ConfigError(
            f"--since {text!r} is no time: write 30m, 12h, 7d, 2026-01-31 or 2026-01-31T14:00"
        ) from None


def _cells(summary: "TraceSummary", id_length: int) -> list[Text]:
    style = STATUS_STYLES.get(summary.status, "")
    return [
        Text(summary.trace_id[:id_length], style="cyan"),
        Text(_when(summary.started_at), style="dim"),
        Text(summary.name),
        Text(summary.status, style=style),
        _known(summary.duration_ms, duration),
        _known(summary.total_tokens, "{:,}".format),
        _known(summary.cost_usd, cost),
        Text(str(summary.llm_calls)),
    ]


def _known(value: Any, worded: Callable[[Any], str]) -> Text:
    """The value as text; a dash where it is not known, for 0 would be a claim."""
    return _UNKNOWN if value is None else Text(worded(value))


def duration(ms: float) -> str:
    if ms < 1_000:
        return f"{ms:.0f} ms"
    return f"{ms / 1_000:.2f} s" if ms < 60_000 else f"{ms / 60_000:.1f} min"


def cost(usd: Decimal) -> str:
    return f"${usd:.4f}" if usd < 1 else f"${usd:,.2f}"


def _when(moment: datetime) -> str:
    """Local time; the date only where it is not today's."""
    local = moment.astimezone()
    return local.strftime(
        "%H:%M:%S" if local.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M"
    )

"""A trace as one line: in the table of `spanscope list`, in `spanscope tail`, and as JSON.

Used by the commands; knows the store's summaries, rich, and the words that trees are told in.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from spanscope.cli.options import counted
from spanscope.render.words import duration
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
_TITLES = ("id", "when", "name", "status", "took", "tokens", "cost", "calls")
_NAME, _STATUS = 2, 3
_DROPPED_FIRST = (7, 5, 6, 4, 1)
_NAME_CHARS = 16
"""What a name gets at least, if it is that long."""
_GAP = 2
_UNKNOWN = Text("-", style="dim")


def list_table(summaries: Sequence["TraceSummary"], *, width: int = 1_000) -> Table:
    """The traces as a table, in the order given, for a terminal of so many columns.

    No letter is lost: ids, times and figures keep their width, names go on in the next line, and where
    that leaves too little for the names, the last figures are left out (`--json` has them all).
    """
    digits = _telling_digits([summary.trace_id for summary in summaries])
    rows = [_cells(summary, digits) for summary in summaries]
    widths = [max(cell_len(title), *(cell.cell_len for cell in cells)) for title, *cells in _columns(rows)]
    shown = list(range(len(_TITLES)))
    for dropped in _DROPPED_FIRST:
        of_others = sum(widths[n] + _GAP for n in shown if n != _NAME)
        if of_others + min(widths[_NAME], _NAME_CHARS) <= width:
            break
        shown.remove(dropped)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, _GAP, 0, 0))
    for n in shown:
        if n == _NAME:
            table.add_column(_TITLES[n], overflow="fold")
        else:
            table.add_column(
                _TITLES[n], no_wrap=True, min_width=widths[n], justify="right" if n > _STATUS else "left"
            )
    for cells in rows:
        table.add_row(*(cells[n] for n in shown))
    return table


def _telling_digits(ids: Sequence[str]) -> int:
    """How much of these ids tells them apart: those of one batch have more than their time in common."""
    wanted = range(LINE_ID, max(map(len, ids), default=LINE_ID))
    return next((n for n in wanted if len({one[:n] for one in ids}) == len(ids)), wanted.stop)


def _columns(rows: Sequence[Sequence[Text]]) -> Iterator[tuple[Any, ...]]:
    return zip(_TITLES, *rows, strict=True)


def list_line(summary: "TraceSummary") -> Text:
    """The same facts as one line that needs no head, for traces that come one at a time."""
    *cells, tokens, money, _ = _cells(summary, LINE_ID)
    return Text("  ").join(
        [*cells, tokens + " tokens", money, Text(counted(summary.llm_calls, "model call"))]
    )


def summary_to_dict(summary: "TraceSummary") -> dict[str, Any]:
    """All fields, ready for JSON; money is a string."""
    record = {field.name: json_ready(getattr(summary, field.name)) for field in fields(summary)}
    return record | {
        "started_at": summary.started_at.isoformat(),
        "duration_ms": summary.duration_ms,
    }


def parse_since(text: str, *, now: datetime | None = None) -> datetime:
    """`30m`, `12h`, `7d` ago, or a date with or without time (local unless it says its zone); in UTC."""
    from spanscope.store.moments import moment

    return moment(text, name="--since", now=now)


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


def cost(usd: Decimal) -> str:
    """With as many decimals as it takes to show how little it is: `$0.0125`, `$0.000021`, `$12.50`, `$0`."""
    if not usd:
        return "$0"
    return f"${usd:,.2f}" if usd >= 1 else f"${usd:.{max(4, 1 - usd.adjusted())}f}"


def _when(moment: datetime) -> str:
    """Local time; the date only where it is not today's."""
    local = moment.astimezone()
    return local.strftime(
        "%H:%M:%S" if local.date() == datetime.now().astimezone().date() else "%Y-%m-%d %H:%M"
    )

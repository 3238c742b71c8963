"""`spanscope prompts`: versions of prompts side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spanscope.cli.options import AsJson, StorePath, console, print_json, tell

if TYPE_CHECKING:
    from rich.table import Table

    from spanscope.store.prompts import PromptVersion


def prompts(
    name: Annotated[str | None, typer.Option(help="Only the prompt of this name.")] = None,
    since: Annotated[str | None, typer.Option(help="Only calls since: 30m, 12h, 7d, or a date.")] = None,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Versions of prompts: first and last use, calls, tokens, cost, latency, failed and cut answers.

    A version that nobody named goes by the hash of its template or system prompt.
    """
    from spanscope.cli.listing import parse_since
    from spanscope.store import open_store

    with open_store(store) as opened:
        found = opened.prompts(name=name, since=parse_since(since) if since else None)
    if as_json:
        print_json([one.to_dict() for one in found])
    elif found:
        console().print(_table(found))
        for note in _notes(found):
            typer.echo(note)
    else:
        tell("No prompt matches." if name or since else "The store holds no call with a prompt yet.")


def _table(found: Sequence["PromptVersion"]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("prompt", overflow="fold")
    table.add_column("version", overflow="fold")
    for title in ("first use", "last use"):
        table.add_column(title, no_wrap=True)
    for title in ("calls", "tokens", "cost", "median", "p95", "failed", "cut", "score"):
        table.add_column(title, justify="right", no_wrap=True)
    above = None
    for one in found:
        shown = one.name or f"({one.known_by})"
        table.add_row(
            Text("" if shown == above else shown, style="" if one.name else "dim"),
            Text(_version(one)),
            f"{one.first_used.astimezone():%Y-%m-%d %H:%M}",
            f"{one.last_used.astimezone():%Y-%m-%d %H:%M}",
            *_figures(one),
        )
        above = shown
    return table


def _version(one: "PromptVersion") -> str:
    changed = f" ({one.hashes} templates!)" if one.hashes > 1 and one.version is not None else ""
    return f"{one.version or (one.prompt_hash or '-')[:8]}{changed}"


def _figures(one: "PromptVersion") -> tuple[str, ...]:
    from spanscope.cli.reprice import dollars
    from spanscope.render.words import duration

    at_least = "≥ " if one.calls_without_cost else ""
    return (
        f"{one.calls:,}",
        _known(one.total_tokens, "{:,}".format),
        _known(one.cost_usd, lambda amount: at_least + dollars(amount)),
        _known(one.latency_ms, duration),
        _known(one.latency_p95_ms, duration),
        f"{one.error_rate:.0%}",
        f"{one.truncation_rate:.0%}",
        _known(one.score, "{:.2f}".format),
    )


def _known(value: Any, worded: Any) -> str:
    return "-" if value is None else worded(value)


def _notes(found: Sequence["PromptVersion"]) -> list[str]:
    notes = ["score: none is recorded yet"]
    if any(one.hashes > 1 and one.version is not None for one in found):
        notes.append("templates!: the prompt was changed and its version was not")
    if any(one.calls_without_cost and one.cost_usd is not None for one in found):
        notes.append("≥: some of these calls have no known cost")
    return notes

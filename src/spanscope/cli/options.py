"""Options that several commands share, and how they all print.

Used by the modules of commands; imports nothing that takes long.
"""

import json
from typing import Annotated, Any

import typer

StorePath = Annotated[
    str | None,
    typer.Option(
        "--store", help="Path or URL of the store. Default: $SPANSCOPE_STORE, else .spanscope/spans.db."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


def tell(message: str) -> None:
    """To stderr, so that stdout holds results only."""
    typer.echo(message, err=True)


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def counted(number: int, noun: str) -> str:
    """`1 trace`, `1,204 traces`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def console() -> Any:
    from rich.console import Console

    return Console(highlight=False)

"""`spanscope redact`: what the redactor makes of a file, or would find in it or in the store."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spanscope.cli.options import AsJson, console, print_json
from spanscope.exceptions import ConfigError

if TYPE_CHECKING:
    from spanscope.redaction.trial import Trial


def redact(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A text file, or - for standard input.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", help="With --dry-run: look at the texts in this store (path or URL)."),
    ] = None,
    rules: Annotated[
        Path | None, typer.Option(help="TOML file with settings. Default: $SPANSCOPE_REDACTION.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what is found, with masked samples, instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print a file as the redactor leaves it; with --dry-run, what it finds there or in a store."""
    from spanscope.redaction.engine import redactor_from

    if (file is None) == (store is None):
        raise ConfigError("name one thing to look at: a FILE (- for standard input), or --store")
    redactor = redactor_from(rules)
    if not dry_run:
        if file is None:
            raise ConfigError("a store is not rewritten: add --dry-run to see what is found there")
        typer.echo(redactor.redact(_read(file)), nl=False)
        return
    from spanscope.redaction.trial import trial

    found = trial(redactor, [_read(file)] if file is not None else _stored(store))
    if as_json:
        print_json(found.to_dict())
    else:
        console().print(_table(found), soft_wrap=False)
        typer.echo(_line(found))


def _read(file: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    except OSError as fault:
        raise ConfigError(f"{file} cannot be read: {fault.strerror}") from fault
    return data.decode("utf-8", "replace")


def _stored(store: str | None) -> Iterator[str]:
    from spanscope.store import open_store

    with open_store(store) as opened:
        yield from opened.texts()


def _table(found: "Trial") -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("type", no_wrap=True)
    table.add_column("found", justify="right", no_wrap=True)
    table.add_column("by", overflow="fold")
    table.add_column("such as", overflow="fold")
    for kind, count in found.types.most_common():
        by = ", ".join(f"{rule} {times}" for rule, times in found.rules[kind].most_common(3))
        table.add_row(kind, f"{count:,}", Text(by, style="dim"), Text("\n".join(found.samples[kind])))
    return table


def _line(found: "Trial") -> str:
    rate = f", {found.chars / found.seconds / 1e6:,.1f} MB/s" if found.seconds else ""
    return (
        f"{found.changed:,} of {found.texts:,} texts would change, {found.withheld:,} would be withheld; "
        f"{found.chars:,} characters in {found.seconds * 1000:,.1f} ms{rate}"
    )

"""`spanscope vault`: the one door to raw texts, and the book of who went through it."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from spanscope.cli.options import AsJson, StorePath, counted, print_json, tell

app = typer.Typer(help="Raw texts that were kept encrypted (content='vault').", no_args_is_help=True)


@app.command("open")
def open_span(
    span_id: Annotated[
        str, typer.Argument(metavar="SPAN", help="Span id (see `show --json`), or its beginning.")
    ],
    reason: Annotated[str, typer.Option(help="Why. It is written to the access log.")],
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Print the raw texts of a span. Writes a line to the access log first.

    Exits with 1 when nothing is kept, or something could not be opened.
    """
    from spanscope.store.vaults import open_vault

    vault = open_vault(store)
    try:
        found = vault.open(span_id, reason=reason)
    finally:
        vault.close()
    if as_json:
        print_json([asdict(one) | {"expires_at": one.expires_at.isoformat()} for one in found])
    else:
        for one in found:
            typer.echo(
                f"--- {one.direction} {one.position}, {one.role}, until {one.expires_at:%Y-%m-%d %H:%M} UTC"
            )
            typer.echo(one.text if one.text is not None else f"[cannot be opened: {one.problem}]")
        if not found:
            tell(f"Nothing is kept of span {span_id}: it was not sealed, has expired, or was erased.")
    if not found or any(one.text is None for one in found):
        raise typer.Exit(1)


@app.command()
def log(store: StorePath = None, as_json: AsJson = False) -> None:
    """Who opened what, when and why, and whether the log is as it was written; exits with 1 when not."""
    from spanscope.store.vaults import open_vault

    vault = open_vault(store)
    try:
        lines, flaws = vault.log(), vault.flaws()
    finally:
        vault.close()
    if as_json:
        print_json({"lines": [asdict(line) for line in lines], "flaws": flaws})
    else:
        for line in lines:
            about = f" {line.span_id}" if line.span_id else ""
            texts = counted(line.items, "text")
            typer.echo(f"{line.at[:19]}  {line.who}  {line.action}{about}  {texts}  {line.reason}")
        for flaw in flaws:
            typer.echo(f"✗ {flaw}")
        if not lines:
            tell("Nobody has opened anything yet.")
    if flaws:
        raise typer.Exit(1)


@app.command()
def rotate(store: StorePath = None) -> None:
    """Make a new key for the vault and seal everything with it."""
    from spanscope.store.vaults import open_vault

    vault = open_vault(store)
    try:
        again = vault.rotate()
        typer.echo(f"{vault.key_ids[0]} is the vault's key now; sealed again: {counted(again, 'text')}")
    finally:
        vault.close()


@app.command()
def status(store: StorePath = None, as_json: AsJson = False) -> None:
    """How much the vault holds, and until when."""
    from spanscope.store.vaults import open_vault

    vault = open_vault(store)
    try:
        facts: dict[str, Any] = {"place": str(vault.path), **vault.stats()}
    finally:
        vault.close()
    if as_json:
        print_json(facts)
        return
    typer.echo(f"{facts['place']}: {counted(facts['items'], 'text')}, {facts['bytes'] / 1e6:,.1f} MB sealed")
    lines = counted(facts["accesses"], "line")
    typer.echo(f"the first expires {facts['next_expiry'] or '-'}; {lines} in the access log")

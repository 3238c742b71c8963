"""`spanscope erase`: remove a person, a session or a trace, and name what cannot be reached."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from spanscope.cli.options import AsJson, DryRun, StorePath, counted, print_json, tell
from spanscope.exceptions import ConfigError

if TYPE_CHECKING:
    from spanscope.store.erasure import Erasure


def erase(
    user: Annotated[str | None, typer.Option(help="This user: the id that your application gave.")] = None,
    session: Annotated[str | None, typer.Option(help="This session.")] = None,
    trace: Annotated[str | None, typer.Option(help="This trace.")] = None,
    dry_run: DryRun = False,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """Remove whole traces of a user or session from all tables and the vault, for good; conditions add up.

    Exits with 1 when nothing was found, or when something of it may still be there.
    """
    from spanscope.store import open_store

    if not (user or session or trace):
        raise ConfigError("say what to erase: --user, --session or --trace")
    with open_store(store) as opened:
        done = opened.erase(user=user, session=session, trace=trace, dry_run=dry_run)
        where = opened.where
    if as_json:
        print_json(done.to_dict())
    else:
        for line in _lines(done, where):
            tell(line) if not done.found else typer.echo(line)
    if not done.found or done.remaining or done.absent_from_file is False:
        raise typer.Exit(1)


def _lines(done: "Erasure", where: str) -> Iterator[str]:
    if not done.found:
        yield f"Nothing of this {', '.join(done.conditions)} is in {where}: nothing was erased."
    else:
        did = "would be erased" if done.dry_run else "erased"
        yield (
            f"{did}: {counted(done.traces, 'trace')}, {counted(done.spans, 'span')}, "
            f"{counted(done.contents, 'text')}, {counted(done.vault_items, 'text')} of the vault"
        )
    if done.found and not done.dry_run:
        yield f"a second search finds {counted(done.remaining, 'trace')}"
        if done.absent_from_file:
            yield "no byte of it is left in the file"
    if done.unknown_keys:
        missing = ", ".join(done.unknown_keys)
        yield f"Users named with these keys could not be looked up, for they are not here: {missing}"
    yield from done.notes
    if done.found:
        for sink in done.unreachable:
            yield f"not reached: {sink['name']}, given the same spans until {sink['last_used'][:10]}"
        yield "not reached: backups and copies of the store"

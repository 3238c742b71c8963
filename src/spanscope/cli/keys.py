"""`spanscope key` and `spanscope user`: which keys there are, a new one, and who is called what.

Keys themselves are never printed, only their ids, which stand in each pseudonym.
"""

from typing import Annotated, Any

import typer

from spanscope.cli.options import AsJson, StorePath, counted, print_json, tell
from spanscope.exceptions import ConfigError

app = typer.Typer(help="The keys by which users become pseudonyms.", no_args_is_help=True)


@app.command("list")
def list_keys(store: StorePath = None, as_json: AsJson = False) -> None:
    """The ids of the known keys, the newest first, and how many users of the store each one named."""
    from spanscope.store import open_store

    with open_store(store) as opened:
        known = opened.keys().ids
        users = opened.users_by_key()
    rows: list[dict[str, Any]] = [
        {
            "key": one,
            "known": one in known,
            "current": one == next(iter(known), None),
            "users": users.get(one, 0),
        }
        for one in dict.fromkeys((*known, *users))
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        role = (
            "current" if row["current"] else "old" if row["known"] else "not here: these cannot be looked up"
        )
        typer.echo(f"{row['key']}  {counted(row['users'], 'user')}  {role}")
    if not rows:
        tell("No key is known here, and no user was recorded.")


@app.command()
def rotate(store: StorePath = None) -> None:
    """Put a new key before the old ones, which stay so that what they named can be looked up.

    Processes that run now go on with the old key until they are started again.
    """
    from spanscope.redaction.pseudonyms import KEY, known_keys
    from spanscope.store.location import locate

    path = locate(store).path
    if path is None:
        raise ConfigError(
            f"a store on a server has no key file: put a new key before the old ones in {KEY.variable}, "
            "with a comma between"
        )
    KEY.rotate(path.parent)
    ids = known_keys(path.parent).ids
    typer.echo(f"{ids[0]} is the current key now; {', '.join(ids[1:])} can still be looked up")


def user(
    user_id: Annotated[str, typer.Argument(metavar="USER", help="The id that your application gave.")],
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """What a user is called in the store, under each known key, and in how many traces."""
    from spanscope.store import open_store

    with open_store(store) as opened:
        found = [(name, len(opened.traces(limit=None, user_id=name))) for name in opened.pseudonyms(user_id)]
        where = opened.where
    if not found:
        raise ConfigError(
            f"no key is known for {where}: give SPANSCOPE_KEY, or the file `key` that lay beside it"
        )
    if as_json:
        print_json([{"pseudonym": name, "traces": times} for name, times in found])
        return
    for name, times in found:
        typer.echo(f"{name}  {counted(times, 'trace')}")

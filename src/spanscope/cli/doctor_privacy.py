"""What `spanscope doctor` says of keys, vault and retention.

Reads, and makes nothing: no key, no vault, no line in the vault's log.
"""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spanscope.cli.options import counted
from spanscope.exceptions import SpanscopeError

if TYPE_CHECKING:
    from spanscope.store import Store


def examine(store: "Store", problems: list[str]) -> dict[str, Any]:
    """Plain facts; what is broken is added to `problems`, each with its remedy."""
    return {
        "keys": _keys(store, problems),
        "vault": _vault(store, problems),
        "retention": store.retention(),
    }


def _keys(store: "Store", problems: list[str]) -> dict[str, Any]:
    from spanscope.redaction.pseudonyms import KEY

    known, users = store.keys().ids, store.users_by_key()
    facts: dict[str, Any] = {
        "known": list(known),
        "from": KEY.variable if os.environ.get(KEY.variable) else None,
        "users": users,
        "not_here": sorted(set(users) - set(known)),
    }
    if facts["from"] is None and store.path is not None and known:
        path = store.path.parent / KEY.file_name
        facts["from"] = str(path)
        _check_mode(path, problems)
    return facts


def _vault(store: "Store", problems: list[str]) -> dict[str, Any] | None:
    from spanscope.redaction.vault import KEY, Vault, vault_file

    path = vault_file(store.path.parent if store.path else None)
    if path is None or not path.exists():
        return None
    _check_mode(path, problems)
    _check_mode(path.parent / KEY.file_name, problems)
    try:
        vault = Vault(path, create=False)
    except SpanscopeError as mistake:
        problems.append(str(mistake))
        return {"place": str(path), "state": "broken"}
    try:
        problems += [f"the access log of {path} was tampered with: {flaw}" for flaw in vault.flaws()]
        return {"place": str(path), "state": "readable", **vault.stats()}
    finally:
        vault.close()


def _check_mode(path: Path, problems: list[str]) -> None:
    if os.name == "posix" and path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        problems.append(f"other users may read {path}: chmod 600 {path}")


def lines(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and text of each line."""
    keys = facts["keys"]
    if keys["known"]:
        old = f", and {len(keys['known']) - 1} old" if len(keys["known"]) > 1 else ""
        yield "key", f"{keys['known'][0]}{old}  ({keys['from']})"
    else:
        yield "key", "none is known here: users cannot be looked up or erased by their ids"
    for one in keys["not_here"]:
        yield "key not here", f"{one}, which named {counted(keys['users'][one], 'user')}"
    yield "vault", _vault_line(facts["vault"])
    yield "retention", _retention_line(facts["retention"])
    if sinks := facts["retention"]["sinks"]:
        yield "also sent to", f"{', '.join(sinks)}: an erasure does not reach them"


def _vault_line(vault: dict[str, Any] | None) -> str:
    if vault is None:
        return "none: no raw text is kept"
    if vault["state"] == "broken":
        return f"{vault['place']} cannot be read"
    until = f", the first until {vault['next_expiry'][:10]}" if vault["next_expiry"] else ""
    texts, lines = counted(vault["items"], "text"), counted(vault["accesses"], "line")
    return f"{texts}{until}; {lines} in its access log  ({vault['place']})"


def _retention_line(facts: dict[str, Any]) -> str:
    if facts["oldest"] is None:
        return "nothing is kept"
    age = (datetime.now(UTC) - datetime.fromisoformat(facts["oldest"])).days
    pruned = (
        f"last pruned {facts['last_prune'][:10]}"
        if facts["last_prune"]
        else "never pruned: `spanscope prune`"
    )
    return f"the oldest trace is {counted(age, 'day')} old; {pruned}"

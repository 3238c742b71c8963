"""Erase a person, a session or a trace from everything that this process can reach, and prove it.

Found are traces that carry the id or one of its pseudonyms, in whichever span and field.  They go as a
whole, with the texts that only they refer to, first from the vault and then from the store; then the file
is written anew and searched for what should be gone.  What cannot be reached is named.

Called by `Store.erase`.
"""

import logging
import mmap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, or_, select

from spanscope.exceptions import ConfigError
from spanscope.redaction.pseudonyms import Keys, key_id_of
from spanscope.redaction.vault import Vault, vault_file
from spanscope.store import clearing
from spanscope.store.location import Location
from spanscope.store.matching import Condition, matching_for
from spanscope.store.tables import SINKS, SPANS, TRACES

logger = logging.getLogger("spanscope")

_PROOFS: Final = 50
"""How many ids of what was erased are looked for in the file."""
_IN_USE: Final = (
    "the file is in use, so old bytes may still be in it: `spanscope prune --vacuum` when it is not"
)
_SERVER_KEEPS: Final = "PostgreSQL keeps deleted rows in its own log and in backups until they are rotated"


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """What went, and what could not be reached."""

    conditions: tuple[str, ...]
    """`user`, `session`, `trace`: by what it was asked for, not whose."""
    dry_run: bool
    traces: int = 0
    spans: int = 0
    contents: int = 0
    """Texts in the store to which nobody else referred."""
    vault_items: int = 0
    remaining: int = 0
    """Traces that a second search still finds."""
    absent_from_file: bool | None = None
    """Whether no byte of the ids is left in the file; None where nothing went or it cannot be searched."""
    unreachable: tuple[dict[str, str], ...] = ()
    """Sinks that were given the same spans: `name`, `first_used`, `last_used`."""
    unknown_keys: tuple[str, ...] = ()
    """Ids of keys that made pseudonyms here and are not known: under these nobody could be looked for."""
    notes: tuple[str, ...] = field(default=())

    @property
    def found(self) -> bool:
        """False when there was nothing to erase: perhaps an id that is not known here."""
        return self.traces > 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"found": self.found}


@dataclass(frozen=True, kw_only=True)
class Sought:
    """Whom an erasure is about, under all the names they may have."""

    users: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    trace: str | None = None

    @property
    def conditions(self) -> tuple[str, ...]:
        given = {"user": self.users, "session": self.sessions, "trace": self.trace}
        return tuple(name for name, value in given.items() if value)


def sought(
    names: Callable[[str], Sequence[str]], *, user: str | None, session: str | None, trace: str | None
) -> Sought:
    """`names` gives all that a user or session may be stored as.

    Raises ConfigError when nobody is named, or a user for whom there is no other name.
    """
    if not (user or session or trace):
        raise ConfigError("say what to erase: user=, session= or trace=")
    if user and len(names(user)) < 2 and key_id_of(user) is None:
        raise ConfigError(
            "no key is known here, so nobody can be looked up: give SPANSCOPE_KEY, or the pseudonym as stored"
        )
    return Sought(
        users=tuple(names(user)) if user else (),
        # A session is not the user of the same name, but what a user is called may name a session.
        sessions=tuple(name for name in names(session) if not _is_user(name)) if session else (),
        trace=trace,
    )


def erase(
    engine: Engine,
    location: Location,
    whom: Sought,
    keys: Keys,
    users_by_key: Mapping[str, int],
    *,
    dry_run: bool,
) -> Erasure:
    """Erase, or say what would be.  Raises VaultError or SQLAlchemy's errors; then it can be tried again."""
    unknown = tuple(sorted(set(users_by_key) - set(keys.ids))) if whom.users else ()
    with engine.begin() as connection:
        doomed = _traces(connection, whom)
        sinks = connection.execute(select(SINKS).order_by(SINKS.c.name)).mappings()
        facts: dict[str, Any] = {
            "conditions": whom.conditions,
            "dry_run": dry_run,
            "unknown_keys": unknown,
            "unreachable": tuple(dict(row) for row in sinks),
            "notes": (_SERVER_KEEPS,) if location.path is None and doomed else (),
        }
    if not doomed:
        return Erasure(**facts)
    # The vault first: should it fail, the store still knows what to look for there.
    facts["vault_items"] = _from_vault(location, doomed, whom.conditions, dry_run=dry_run)
    with clearing.clearing(engine) as connection:
        clearing.doom(connection, doomed)
        if dry_run:
            return Erasure(**facts | clearing.remove(connection, really=False))
        fingerprints = _fingerprints(connection, whom)
        gone = clearing.remove(connection, really=True)
        clearing.note(connection, action="erase", conditions=whom.conditions, counts=gone)
    by = ", ".join(whom.conditions)
    logger.info("spanscope erased by %s: traces %d, texts %d", by, gone["traces"], gone["contents"])
    vacuumed = clearing.vacuum(engine)
    with engine.begin() as connection:
        remaining = len(_traces(connection, whom))
    absent = None if location.path is None else vacuumed and _absent(location.path, fingerprints)
    if absent is False:
        facts["notes"] += (_IN_USE,)
    return Erasure(**facts | gone, remaining=remaining, absent_from_file=absent)


# --- who is meant ------------------------------------------------------------------------------------


def _traces(connection: Connection, whom: Sought) -> list[str]:
    """Ids of the traces that meet every condition, whether they have a row of their own or only spans."""
    found: set[str] | None = None
    for conditions in _searches(connection, whom):
        ids = set[str]()
        for query in conditions:
            ids.update(connection.scalars(query))
        found = ids if found is None else found & ids
    return sorted(found or ())


def _searches(connection: Connection, whom: Sought) -> Iterator[list[Any]]:
    matching = matching_for(connection.dialect.name)
    for column, names in (("user_id", whom.users), ("session_id", whom.sessions)):
        if not names:
            continue
        mentioned: list[Condition] = [SPANS.c[column].in_(names), SPANS.c.session_id.in_(_pseudonyms(names))]
        for name in _pseudonyms(names):  # long enough to be nothing else wherever it stands
            mentioned += [matching.holds(SPANS.c[field], name) for field in ("attributes", "tags", "events")]
        yield [
            select(TRACES.c.trace_id).where(TRACES.c[column].in_(names)),
            select(SPANS.c.trace_id).where(or_(*mentioned)),
        ]
    if whom.trace:
        yield [select(table.c.trace_id).where(table.c.trace_id == whom.trace) for table in (TRACES, SPANS)]


# --- what goes, and whether it went --------------------------------------------------------------------


def _fingerprints(connection: Connection, whom: Sought) -> list[bytes]:
    """Strings that stand nowhere else: pseudonyms and ids of texts that go, or else ids of spans."""
    texts = (
        connection.exec_driver_sql(
            f"SELECT content_id FROM contents WHERE {clearing.only_of_removed(connection)} LIMIT {_PROOFS}"
        )
        .scalars()
        .all()
    )
    spans = connection.exec_driver_sql(
        f"SELECT span_id FROM spans WHERE trace_id IN ({clearing.REMOVED}) LIMIT {_PROOFS}"
    ).scalars()
    # With two conditions the same person may rightly stay elsewhere.
    names = _pseudonyms((*whom.users, *whom.sessions)) if len(whom.conditions) == 1 else []
    return [text.encode() for text in ((*names, *texts) or spans)]


def _is_user(name: str) -> bool:
    return name.startswith("u_") and key_id_of(name) is not None


def _pseudonyms(names: Sequence[str]) -> list[str]:
    return [name for name in names if key_id_of(name) is not None]


def _absent(path: Path, fingerprints: Sequence[bytes]) -> bool:
    for file in (path, path.with_name(f"{path.name}-wal")):
        if not file.exists() or not file.stat().st_size:
            continue
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as held:
            if any(held.find(one) >= 0 for one in fingerprints):
                return False
    return True


def _from_vault(
    location: Location, doomed: Sequence[str], conditions: Sequence[str], *, dry_run: bool
) -> int:
    path = vault_file(location.path.parent if location.path else None)
    if path is None or not path.exists():
        return 0
    vault = Vault(path, create=False)
    try:
        return vault.forget(
            doomed, action="erase", reason=f"erased by {', '.join(conditions)}", dry_run=dry_run, vacuum=True
        )
    finally:
        vault.close()

"""Who opened what in the vault, when and why: lines are added and never changed.

Triggers refuse to change or remove a line.  Whoever gets around them by editing the file is found out:
each line carries a keyed hash over itself and the line before, and the database's own counter of lines
tells when the last are missing.

Used by `vault`, in its transactions.
"""

import getpass
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final

from spanscope.redaction.ciphers import Ciphers

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS access_log (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL, who TEXT NOT NULL, pid INTEGER NOT NULL, action TEXT NOT NULL,
    span_id TEXT, items INTEGER NOT NULL, reason TEXT NOT NULL, key_id TEXT NOT NULL, link TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS access_log_is_not_changed BEFORE UPDATE ON access_log
BEGIN SELECT RAISE(ABORT, 'the access log is not changed'); END;
CREATE TRIGGER IF NOT EXISTS access_log_is_not_removed BEFORE DELETE ON access_log
BEGIN SELECT RAISE(ABORT, 'the access log is not removed'); END;
"""
_COLUMNS: Final = "number, at, who, pid, action, span_id, items, reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One line of the access log."""

    number: int
    at: str
    """UTC, ISO 8601."""
    who: str
    """The operating system's user."""
    pid: int
    action: str
    """`open`, `erase`, `prune` or `rotate`."""
    span_id: str | None
    items: int
    """How many texts were opened, removed or sealed again."""
    reason: str


def append(
    connection: sqlite3.Connection,
    ciphers: Ciphers,
    *,
    action: str,
    items: int,
    reason: str,
    span_id: str | None = None,
) -> None:
    """Add a line, within the caller's transaction."""
    last = connection.execute("SELECT number, link FROM access_log ORDER BY number DESC LIMIT 1").fetchone()
    number, before = (last[0] + 1, last[1]) if last else (1, "")
    line = Access(
        number=number,
        at=datetime.now(UTC).isoformat(),
        who=_who(),
        pid=os.getpid(),
        action=action,
        span_id=span_id,
        items=items,
        reason=reason,
    )
    key_id = ciphers.key_ids[0]
    connection.execute(
        f"INSERT INTO access_log ({_COLUMNS}, key_id, link) VALUES (?,?,?,?,?,?,?,?,?,?)",
        (*asdict(line).values(), key_id, ciphers.link(before + _written(line), key_id=key_id)),
    )


def lines(connection: sqlite3.Connection) -> list[Access]:
    """The whole log, the oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM access_log ORDER BY number").fetchall()
    return [_access(row) for row in rows]


def flaws(connection: sqlite3.Connection, ciphers: Ciphers) -> Iterator[str]:
    """What is wrong with the log; nothing when it is as it was written."""
    before, expected = "", 1
    rows = connection.execute(f"SELECT {_COLUMNS}, key_id, link FROM access_log ORDER BY number")
    for *columns, key_id, link in rows:
        line = _access(columns)
        if line.number != expected:
            yield f"lines {expected} to {line.number - 1} are missing"
        made = ciphers.link(before + _written(line), key_id=key_id)
        if made is None:
            yield f"line {line.number} cannot be checked: its key {key_id} is not here"
        elif made != link:
            yield f"line {line.number} is not as it was written, or does not follow the one before it"
        before, expected = link, line.number + 1
    counted = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'access_log'").fetchone()
    if counted and counted[0] >= expected:
        yield f"lines {expected} to {counted[0]} are missing"


def _access(row: list[object] | tuple[object, ...]) -> Access:
    return Access(**dict(zip(_COLUMNS.split(", "), row, strict=True)))  # type: ignore[arg-type]


def _written(line: Access) -> str:
    return json.dumps(asdict(line), sort_keys=True)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user may have no name
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"

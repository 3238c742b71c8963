"""The vault: raw texts, encrypted, in a file of their own, for as long as was agreed.

The seal hands it raw text on the worker thread; the text is encrypted at once, and `commit` writes it with
the batch.  What cannot be sealed or written is not kept, and counted.  The only way back is `open`, which
writes a line with a reason into the access log before it gives anything out.

A text is kept once, however many spans refer to it, and until the last of them would let it expire.

Fed by `seal`; opened through `store.vaults`.
"""

import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from spanscope.exceptions import VaultError
from spanscope.redaction import vault_log
from spanscope.redaction.ciphers import Ciphers
from spanscope.redaction.engine import Redactor
from spanscope.redaction.keys import KeyPlace

KEY: Final = KeyPlace(variable="SPANSCOPE_VAULT_KEY", file_name="vault.key", purpose="the vault")
KEEP_FOR: Final = timedelta(days=7)
MAX_CHARS: Final = 4_000_000
"""Of one text; a longer one is not kept."""
_MAX_PENDING_BYTES: Final = 8_000_000
_PURGE_EVERY_S: Final = 60.0
_BUSY_TIMEOUT_S: Final = 5.0
_REASON_CHARS: Final = 500
_SPAN_ID = re.compile(r"[0-9a-f]{4,16}")

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS items (
    content_id TEXT PRIMARY KEY, key_id TEXT NOT NULL, sealed BLOB NOT NULL,
    sealed_ns INTEGER NOT NULL, expires_ns INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS links (
    span_id TEXT NOT NULL, direction TEXT NOT NULL, position INTEGER NOT NULL,
    trace_id TEXT NOT NULL, content_id TEXT NOT NULL,
    PRIMARY KEY (span_id, direction, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_trace ON links (trace_id);
CREATE INDEX IF NOT EXISTS links_by_content ON links (content_id);
CREATE INDEX IF NOT EXISTS items_by_expiry ON items (expires_ns);
"""
# An agent sends its history again with each step; to write it again each time, only for an expiry some
# hours later, would cost as much as all the rest.  So it is written again in the last nine tenths.
_PUT_ITEM: Final = """
INSERT INTO items (content_id, key_id, sealed, sealed_ns, expires_ns) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (content_id) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed,
    sealed_ns = excluded.sealed_ns, expires_ns = excluded.expires_ns
WHERE excluded.expires_ns - items.expires_ns > (excluded.expires_ns - excluded.sealed_ns) / 10
"""
_PUT_LINK: Final = """
INSERT INTO links (span_id, direction, position, trace_id, content_id) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (span_id, direction, position) DO UPDATE
SET trace_id = excluded.trace_id, content_id = excluded.content_id
"""
_FORGET: Final = (
    "DELETE FROM items WHERE content_id NOT IN (SELECT content_id FROM links)",
    "DELETE FROM links WHERE content_id NOT IN (SELECT content_id FROM items)",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One raw text of a span."""

    direction: str
    """`input`, `output` or `error`."""
    position: int
    role: str
    text: str | None
    """None when it could not be opened; `problem` says why."""
    problem: str | None
    expires_at: datetime


class Vault:
    """One vault file: made when it is missing (mode 0600), with a key of its own beside it.

    `keep_for` is how long what is sealed now is kept.  Raises VaultError when the file cannot be used,
    ConfigError when its key cannot, MissingExtra without `cryptography`.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep_for: timedelta = KEEP_FOR,
        count: Callable[[str, int], None] = lambda name, by: None,
        fault: Callable[[str, BaseException], None] = lambda stage, error: None,
        now_ns: Callable[[], int] = time.time_ns,
        create: bool = True,
    ) -> None:
        self.path = path
        self._keep_ns = keep_for // timedelta(microseconds=1) * 1000
        self._count = count
        self._fault = fault
        self._now_ns = now_ns
        if not create and not path.exists():
            raise VaultError(f"there is no vault at {path}: nothing was recorded with content='vault'")
        keys = KEY.keys(path.parent, create=create)
        if not keys:
            raise VaultError(
                f"the key of the vault {path} is not here: give {KEY.variable}, or put vault.key back; "
                f"if it is lost nobody can read the vault any more: remove {path} and try again"
            )
        self._ciphers = Ciphers(keys)
        self._lock = threading.Lock()
        self._inherited: list[sqlite3.Connection] = []
        self._items: dict[str, tuple[Any, ...]] = {}
        self._links: dict[tuple[str, str, int], tuple[Any, ...]] = {}
        self._pending_bytes = 0
        self._lost = False
        self._next_purge = 0.0
        self._connection: sqlite3.Connection | None = self._connect()

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The newest first."""
        return self._ciphers.key_ids

    # --- what the worker does ----------------------------------------------------------------------

    def keep(
        self, trace_id: str, span_id: str, direction: str, texts: Iterable[tuple[str, str, str]]
    ) -> None:
        """Encrypt raw texts, given as (content id, role, text); `commit` writes them.  Never raises."""
        now_ns = self._now_ns()
        expires_ns = now_ns + self._keep_ns
        for position, (content_id, role, text) in enumerate(texts):
            try:
                if len(text) > MAX_CHARS:
                    self._lose(1)
                    continue
                if content_id not in self._items:
                    sealed = self._ciphers.seal(
                        " ".join(role.split()) + "\n" + text, place=f"{content_id} {expires_ns}"
                    )
                    self._items[content_id] = (content_id, self.key_ids[0], sealed, now_ns, expires_ns)
                    self._pending_bytes += len(sealed)
                link = (span_id, direction, position)
                self._links[link] = (*link, trace_id, content_id)
            except Exception as error:  # noqa: BLE001  the boundary of `vault`: this text alone is not kept
                self._fault("vault", error)
                self._lose(1)
        if self._pending_bytes > _MAX_PENDING_BYTES:
            self.commit()

    def commit(self) -> bool:
        """Write what was sealed; false when something was lost since the last time."""
        items, links = list(self._items.values()), list(self._links.values())
        self._items, self._links, self._pending_bytes = {}, {}, 0
        try:
            if links:
                with self._writing() as connection:
                    connection.executemany(_PUT_ITEM, items)
                    connection.executemany(_PUT_LINK, links)
                self._count("vault_items_sealed", len(items))
            if time.monotonic() >= self._next_purge:
                self._next_purge = time.monotonic() + _PURGE_EVERY_S
                self.purge()
        except (sqlite3.Error, VaultError) as error:
            self._fault("vault", error)
            self._lose(len(links))
        lost, self._lost = self._lost, False
        return not lost

    def _lose(self, texts: int) -> None:
        self._lost = True
        self._count("vault_items_lost", texts)

    # --- the door ----------------------------------------------------------------------------------

    def open(self, span_id: str, *, reason: str) -> list[Opened]:
        """The raw texts of a span, inputs first, in their order; empty when none is kept (any more).

        `span_id` is the id or a beginning of it that no other has.  Each call is a line in the access log,
        also one that finds nothing; `reason` passes the redactor before it is written there.  Raises
        VaultError without a reason, for an id that is none or begins several, or when the log cannot be
        written: then nothing is opened.
        """
        if not reason.strip():
            raise VaultError('say why: reason="…" is written to the access log')
        wanted = span_id.strip().lower()
        if not _SPAN_ID.fullmatch(wanted):
            raise VaultError(
                f"{span_id!r} is no span id: it has 16 hex digits, or at least the first 4 of them "
                "(`spanscope show TRACE --json` has those of a trace)"
            )
        written = Redactor().preview(reason.strip(), _REASON_CHARS)
        try:
            with self._writing() as connection:
                self._purge(connection)
                whole = _whole_id(connection, wanted)
                rows = connection.execute(
                    "SELECT direction, position, content_id, key_id, sealed, expires_ns FROM links "
                    "JOIN items USING (content_id) WHERE span_id = ? "
                    "ORDER BY direction = 'error', direction, position",
                    (whole,),
                ).fetchall()
                vault_log.append(
                    connection, self._ciphers, action="open", span_id=whole, items=len(rows), reason=written
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return [self._opened(*row) for row in rows]

    def _opened(
        self, direction: str, position: int, content_id: str, key_id: str, sealed: bytes, expires_ns: int
    ) -> Opened:
        role, text, problem = "unknown", None, None
        try:
            plain = self._ciphers.open(sealed, key_id=key_id, place=f"{content_id} {expires_ns}")
            role, _, text = plain.partition("\n")
        except VaultError as error:
            problem = str(error)
        return Opened(
            direction=direction,
            position=position,
            role=role,
            text=text,
            problem=problem,
            expires_at=datetime.fromtimestamp(expires_ns / 1e9, UTC),
        )

    def log(self) -> list[vault_log.Access]:
        """Every line of the access log, the oldest first."""
        with self._reading() as connection:
            return vault_log.lines(connection)

    def flaws(self) -> list[str]:
        """What shows that the access log was tampered with; empty when it is as it was written."""
        with self._reading() as connection:
            return list(vault_log.flaws(connection, self._ciphers))

    # --- care --------------------------------------------------------------------------------------

    def stats(self) -> dict[str, Any]:
        """`items`, `bytes` (sealed), `next_expiry` (ISO, or None), `accesses`, `keys` (ids in use)."""
        with self._reading() as connection:
            items, size, expiry = connection.execute(
                "SELECT count(*), coalesce(sum(length(sealed)), 0), min(expires_ns) FROM items"
            ).fetchone()
            accesses = connection.execute("SELECT count(*) FROM access_log").fetchone()[0]
            keys = [row[0] for row in connection.execute("SELECT DISTINCT key_id FROM items ORDER BY key_id")]
        soonest = datetime.fromtimestamp(expiry / 1e9, UTC).isoformat() if expiry else None
        return {"items": items, "bytes": size, "next_expiry": soonest, "accesses": accesses, "keys": keys}

    def purge(self) -> int:
        """Remove what has expired; gives the number of texts."""
        with self._writing() as connection:
            return self._purge(connection)

    def forget(
        self,
        trace_ids: Collection[str],
        *,
        action: str,
        reason: str,
        dry_run: bool = False,
        vacuum: bool = False,
    ) -> int:
        """Remove what only these traces refer to; gives the number of texts.

        `action` and `reason` go to the access log; with `vacuum` no byte of them is left in the file.
        """
        if not trace_ids:
            return 0
        try:
            with self._writing(keep=not dry_run) as connection:
                before = _items(connection)
                connection.executemany("DELETE FROM links WHERE trace_id = ?", [(one,) for one in trace_ids])
                connection.execute(_FORGET[0])
                gone = before - _items(connection)
                if gone and not dry_run:
                    vault_log.append(connection, self._ciphers, action=action, items=gone, reason=reason)
            if vacuum and not dry_run:
                with self._reading() as connection:
                    connection.execute("VACUUM")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return gone

    def rotate(self) -> int:
        """Make a new key and seal everything with it; gives the number of texts.

        The old keys stay in the file: a process that runs now goes on sealing with the one it knows.
        """
        KEY.rotate(self.path.parent)
        self._ciphers = Ciphers(KEY.keys(self.path.parent, create=False))
        newest, again = self.key_ids[0], 0
        try:
            with self._writing() as connection:
                rows = connection.execute(
                    "SELECT content_id, key_id, sealed, expires_ns FROM items WHERE key_id <> ?", (newest,)
                ).fetchall()
                for content_id, key_id, sealed, expires_ns in rows:
                    place = f"{content_id} {expires_ns}"
                    try:
                        text = self._ciphers.open(sealed, key_id=key_id, place=place)
                    except VaultError:
                        continue  # stays as it is: `open` says what is wrong with it
                    connection.execute(
                        "UPDATE items SET key_id = ?, sealed = ? WHERE content_id = ?",
                        (newest, self._ciphers.seal(text, place=place), content_id),
                    )
                    again += 1
                vault_log.append(
                    connection, self._ciphers, action="rotate", items=again, reason=f"new key {newest}"
                )
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return again

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def reset_after_fork(self) -> None:
        """Call in the child: it will have a connection of its own, made when it is needed.

        The parent's is kept: to close it would harm it.
        """
        self._lock = threading.Lock()
        if self._connection is not None:
            self._inherited.append(self._connection)
        self._items, self._links, self._pending_bytes = {}, {}, 0
        self._connection = None

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    # --- the file ----------------------------------------------------------------------------------

    def _connect(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            connection = sqlite3.connect(
                self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            names = {
                row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            if names and "access_log" not in names:
                raise VaultError(
                    f"{self.path} is a database of another program: give another place for the vault"
                )
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {vault_log.SCHEMA} COMMIT;")
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        return connection

    def _unusable(self, error: Exception) -> VaultError:
        return VaultError(f"the vault {self.path} cannot be used ({type(error).__name__}: {error})")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                yield self._connected()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    @contextmanager
    def _writing(self, *, keep: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction, undone when it fails or is not to be kept."""
        with self._lock:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT" if keep else "ROLLBACK")
            finally:
                # A full disk may have undone it already, or have left it open at its commit.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _purge(self, connection: sqlite3.Connection) -> int:
        gone = connection.execute("DELETE FROM items WHERE expires_ns <= ?", (self._now_ns(),)).rowcount
        if gone:
            connection.execute(_FORGET[1])
        return gone


def _items(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("SELECT count(*) FROM items").fetchone()[0]
    return count


def _whole_id(connection: sqlite3.Connection, wanted: str) -> str:
    """The only span id that begins like this; as given when none does, so that the log has it."""
    if len(wanted) == 16:
        return wanted
    found: Sequence[Any] = connection.execute(
        "SELECT DISTINCT span_id FROM links WHERE span_id BETWEEN ? AND ? LIMIT 2", (wanted, f"{wanted}g")
    ).fetchall()
    if len(found) > 1:
        raise VaultError(f"{wanted!r} begins several spans: write more of it")
    return found[0][0] if found else wanted


def vault_file(folder: Path | None) -> Path | None:
    """Where the vault of a store in this folder is: SPANSCOPE_VAULT, else `vault.db` in it, else None."""
    if given := os.environ.get("SPANSCOPE_VAULT"):
        return Path(given).expanduser().absolute()
    return None if folder is None else folder / "vault.db"

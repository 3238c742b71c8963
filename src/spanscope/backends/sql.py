"""The store as a sink: every batch of spans in one transaction, in SQLite or PostgreSQL.

Opened and migrated when it is made, so that a mistake about the place speaks at set-up.  Afterwards it
raises what goes wrong, and the pipeline contains and counts it.

Fed by `pipeline`; the work is done by `store.writer`.
"""

import os
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite

from spanscope.exceptions import StoreError
from spanscope.spans import Span
from spanscope.store.engine import BUSY_TIMEOUT_S, open_for_writing, speaking
from spanscope.store.location import locate
from spanscope.store.tables import SINKS
from spanscope.store.writer import Writer


class SqlBackend:
    """Writes spans to the store at a path or URL (see `open_store` for what may be given).

    Raises StoreError when the store cannot be used, MissingExtra when its driver is not installed.
    """

    accepts_updates = True

    def __init__(
        self, store: str | os.PathLike[str] | None = None, *, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> None:
        self._location = locate(store)
        self._busy_timeout_s = busy_timeout_s
        self._lock = threading.Lock()
        self._closed = False
        self._inherited: list[Any] = []
        self._open()

    @property
    def path(self) -> Path | None:
        """The store's file; None for a server."""
        return self._location.path

    @property
    def where(self) -> str:
        """The store's place for people, without a password."""
        return str(self._location)

    def export(self, spans: Sequence[Span]) -> None:
        """Write the batch; what it returns from is committed.  Raises StoreError and writes nothing."""
        if not spans:
            return
        with self._lock:
            if self._closed:
                raise StoreError(f"{self.where} was shut down: make a new handler to record again")
            if self._moved_away():
                self._engine.dispose()
                self._open()
            with speaking(self._location):
                self._writer.write(spans)

    def record_sinks(self, names: Iterable[str]) -> None:
        """Remember where else these spans go, for an erasure to name.  Raises StoreError."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._lock, speaking(self._location), self._engine.begin() as connection:
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            for name in sorted(names):
                fresh = dialect.insert(SINKS).values(name=name, first_used=now, last_used=now)
                connection.execute(
                    fresh.on_conflict_do_update(index_elements=["name"], set_={"last_used": now})
                )

    def flush(self, timeout_s: float) -> bool:
        """True: an export that has returned is already committed."""
        return not self._closed

    def shutdown(self) -> None:
        with self._lock:
            self._closed = True
            self._engine.dispose()

    def reset_after_fork(self) -> None:
        """Call in the child: go on with a connection of its own, and leave the parent's alone.

        Closing it here could check in the parent's write-ahead log, so it is kept while the process lives.
        """
        self._lock = threading.Lock()
        self._inherited.append(self._engine.pool)
        self._engine.dispose(close=False)

    def _open(self) -> None:
        self._engine: Engine = open_for_writing(self._location, busy_timeout_s=self._busy_timeout_s)
        self._writer = Writer(self._engine)
        self._file = self._identity()

    def _moved_away(self) -> bool:
        """Somebody removed or replaced the file: SQLite would go on writing where nobody can read."""
        return self._identity() != self._file

    def _identity(self) -> tuple[int, int] | None:
        if self.path is None:
            return None
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

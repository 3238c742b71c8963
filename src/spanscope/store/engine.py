"""Open the database: files with tight modes, SQLite's settings, and errors that carry their remedy.

Writers create what is missing and bring the schema up to date; readers never create anything.  Both
leave here with an engine whose every transaction is explicit.

Used by `backends.sql` (writing) and `queries` (reading).
"""

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, exc

from spanscope.exceptions import MissingExtra, StoreError
from spanscope.store import migrations
from spanscope.store.location import DEFAULT_STORE, ELSEWHERE, Location
from spanscope.store.matching import CONTAINS, contains_folded

BUSY_TIMEOUT_S: Final = 5.0
"""How long to wait for another process that is writing."""
SCHEMA: Final = "spanscope"
"""PostgreSQL schema of our tables, whose names others use too."""


def open_for_writing(location: Location, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """An engine on a store that exists, is writable now and has the newest schema.

    Raises StoreError, or MissingExtra when the driver is not installed.
    """
    if location.path:
        _prepare_file(location.path)
    engine = _engine(location, busy_timeout_s=busy_timeout_s, begin="BEGIN IMMEDIATE")
    deadline = time.monotonic() + busy_timeout_s
    try:
        with speaking(location):
            while not _migrated(engine, deadline):
                time.sleep(0.01)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_for_reading(location: Location, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """An engine on a store that is there already.

    A store of an older version is brought up to date first.  Raises StoreError when there is none.
    """
    if location.path and not location.path.exists():
        raise nothing_recorded(location)
    if location.path:
        _refuse_folder(location.path)
    engine = _engine(location, busy_timeout_s=busy_timeout_s, begin="BEGIN")
    try:
        with speaking(location):
            with engine.begin() as connection:
                version = migrations.version(connection)
                if version is None:
                    raise nothing_recorded(location)
                migrations.refuse_newer(version)
            if version < migrations.NEWEST:
                open_for_writing(location, busy_timeout_s=busy_timeout_s).dispose()
    except BaseException:
        engine.dispose()
        raise
    return engine


def nothing_recorded(location: Location) -> StoreError:
    return StoreError(
        f"nothing has been recorded in {location}: run your chain with "
        f"config={{'callbacks': [ObsHandler()]}} first, or {ELSEWHERE}"
    )


@contextmanager
def speaking(location: Location) -> Iterator[None]:
    """Turn the database's errors into ones that name the store, the mistake and the remedy."""
    try:
        yield
    except migrations.Unfit as unfit:
        raise StoreError(f"{location} {unfit}, or {ELSEWHERE}") from None
    except exc.DBAPIError as error:
        cause = error.orig
        if isinstance(cause, sqlite3.Error):
            raise StoreError(f"{location} {_sqlite_mistake(cause, location)}, or {ELSEWHERE}") from error
        raise StoreError(f"{location} {_server_mistake(cause)}, or {ELSEWHERE}") from error


# --- engines ---------------------------------------------------------------------------------------


def _engine(location: Location, *, busy_timeout_s: float, begin: str) -> Engine:
    if not location.path:
        return _server_engine(location)
    engine = create_engine(
        location.url,
        pool_size=1,
        max_overflow=0,
        connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver's own idea of transactions leaves DDL and the reads before a write outside.
        connection.isolation_level = None
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=OFF")
        if begin == "BEGIN":
            connection.execute("PRAGMA query_only=ON")
            connection.create_function(CONTAINS, 2, contains_folded, deterministic=True)
        else:
            connection.execute("PRAGMA journal_mode=WAL")
            # In pages, 16 MB: ids are random, so the same index pages are written again and again, and
            # the later they are moved to the database the fewer they are.
            connection.execute("PRAGMA wal_autocheckpoint=4000")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def _server_engine(location: Location) -> Engine:
    try:
        engine = create_engine(
            location.url,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            paramstyle="format",
            hide_parameters=True,
        )
    except ImportError:
        raise MissingExtra("PostgreSQL", "postgres") from None

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.execute(f"SET search_path TO {SCHEMA}")
        connection.commit()

    return engine


def _migrated(engine: Engine, deadline: float) -> bool:
    """Bring the schema up to date; false when another process was in the way and it may be tried again."""
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                # Two services may start at once; the second waits here and finds the work done.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7091123)")
                connection.exec_driver_sql(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
            migrations.migrate(connection)
    except exc.OperationalError as error:
        # While a new file changes to WAL mode, SQLite says "locked" at once, whatever the busy timeout.
        if _code(error.orig) == sqlite3.SQLITE_BUSY and time.monotonic() < deadline:
            return False
        raise
    return True


# --- files -----------------------------------------------------------------------------------------


def _prepare_file(path: Path) -> None:
    """Make the folder and an empty file for the user alone; SQLite gives -wal and -shm the same mode."""
    _refuse_folder(path)
    folder = path.parent
    try:
        ours = not folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if ours or folder.name == Path(DEFAULT_STORE).parent.name:
            _ignore_in_git(folder)
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            # Not by opening it: to close it again would drop the locks of this process's other connections.
            if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                raise PermissionError(errno.EACCES, "the file is read-only") from None
            if path.stat().st_size == 0:
                path.chmod(0o600)
    except OSError as error:
        raise StoreError(
            f"the store {path} cannot be written: {error.strerror or type(error).__name__}; "
            f"make it and its folder {folder} writable, or {ELSEWHERE}"
        ) from error


def _refuse_folder(path: Path) -> None:
    if path.is_dir():
        raise StoreError(
            f"the store {path} is a folder: name a file in it, such as {path / Path(DEFAULT_STORE).name}"
        )


def _ignore_in_git(folder: Path) -> None:
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")


# --- words for errors ------------------------------------------------------------------------------

_SQLITE_MISTAKES: Final = {
    sqlite3.SQLITE_BUSY: "is locked by another process: end it or wait until it has written",
    sqlite3.SQLITE_LOCKED: "is locked by another process: end it or wait until it has written",
    sqlite3.SQLITE_READONLY: "is read-only: make the file and its folder writable",
    sqlite3.SQLITE_PERM: "may not be opened: make the file and its folder writable",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that the file and its folder may be read and written",
    sqlite3.SQLITE_FULL: "cannot grow, because the disk is full: make room",
    sqlite3.SQLITE_IOERR: "cannot be read or written (input/output error): check the disk",
}


def _sqlite_mistake(error: sqlite3.Error, location: Location) -> str:
    code = _code(error)
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return (
            f"is damaged or not an SQLite database ({error}): "
            f"move it away (mv {location} {location}.broken) and a new one is made"
        )
    return _SQLITE_MISTAKES.get(code, f"failed ({type(error).__name__}: {error}): see `spanscope doctor`")


def _server_mistake(error: BaseException | None) -> str:
    said = str(error).strip().splitlines() or [type(error).__name__]
    return f"cannot be used ({said[0]}): check that the server runs and that the user may create a schema"


def _code(error: BaseException | None) -> int:
    """SQLite's primary result code; 0 when there is none."""
    return (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF

"""What erasing and pruning have in common: take whole traces out of a store, in one transaction each time.

The traces to go stand in a temporary table.  A content goes with the last span that refers to it.  Each
clearing leaves a row in `clearings`, by which writers learn that contents they have written are gone; until
it is committed they wait, so that none of them refers to a content at the moment it goes.

Used by `erasure` and `retention`.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, event, insert

from spanscope.exceptions import StoreError
from spanscope.store.engine import BUSY_TIMEOUT_S, open_for_writing, speaking
from spanscope.store.location import Location
from spanscope.store.tables import CLEARINGS

# Raw SQL, because taking a JSON list apart is said differently in each database.
_IDS: Final = {
    "sqlite": "SELECT listed.value FROM spans, json_each(spans.{column}) AS listed",
    "postgresql": "SELECT jsonb_array_elements_text(spans.{column}::jsonb) FROM spans",
}
REMOVED: Final = "SELECT trace_id FROM doomed WHERE fate = 'remove'"
CUT: Final = "SELECT trace_id FROM doomed WHERE fate = 'cut'"
_DOOMED: Final = "SELECT trace_id FROM doomed"


@contextmanager
def clearing_engine(location: Location, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Iterator[Engine]:
    """An engine whose deletions overwrite what was there.  Raises StoreError."""
    engine = open_for_writing(location, busy_timeout_s=busy_timeout_s)
    if location.path:

        @event.listens_for(engine, "connect")
        def _overwrite(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA secure_delete=ON")
            connection.execute("PRAGMA temp_store=MEMORY")

        engine.dispose()  # the connection that is open was made before
    try:
        with speaking(location):
            yield engine
    finally:
        engine.dispose()


@contextmanager
def clearing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no writer runs beside, with an empty table `doomed`."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # Writers read this table first and are held up here; in SQLite they are anyway.
            connection.exec_driver_sql("LOCK TABLE clearings IN ACCESS EXCLUSIVE MODE")
        connection.exec_driver_sql(
            "CREATE TEMPORARY TABLE IF NOT EXISTS doomed (trace_id TEXT PRIMARY KEY, fate TEXT NOT NULL)"
        )
        connection.exec_driver_sql("DELETE FROM doomed")
        yield connection


def doom(
    connection: Connection, trace_ids: Collection[str], *, fate: Literal["remove", "cut"] = "remove"
) -> None:
    """Name the traces that this clearing is about, and what becomes of them."""
    if trace_ids:
        mark = "%s" if connection.dialect.name == "postgresql" else "?"
        rows = [(trace_id, fate) for trace_id in trace_ids]
        connection.exec_driver_sql(f"INSERT INTO doomed (trace_id, fate) VALUES ({mark}, {mark})", rows)


def _content_ids(connection: Connection, which: str) -> str:
    """SQL that selects the ids of contents to which the traces with `trace_id {which}` refer."""
    each = _IDS[connection.dialect.name]
    return " UNION ".join(
        f"{each.format(column=column)} WHERE spans.trace_id {which}" for column in ("input_ids", "output_ids")
    )


def only_of_removed(connection: Connection) -> str:
    """SQL that is true for contents that go with the traces to remove."""
    return (
        f"content_id IN ({_content_ids(connection, f'IN ({REMOVED})')}) "
        f"AND content_id NOT IN ({_content_ids(connection, f'NOT IN ({REMOVED})')})"
    )


def of_nobody(connection: Connection) -> str:
    """SQL that is true for contents to which nobody refers but the traces to remove."""
    return f"content_id NOT IN ({_content_ids(connection, f'NOT IN ({REMOVED})')})"


def of_no_other(connection: Connection) -> str:
    """SQL that is true for contents to which no trace refers that stays as it is."""
    return f"content_id NOT IN ({_content_ids(connection, f'NOT IN ({_DOOMED})')})"


def only_of_cut(connection: Connection) -> str:
    """SQL that is true for contents to which the traces to cut refer, and none that stays as it is."""
    return f"content_id IN ({_content_ids(connection, f'IN ({CUT})')}) AND {of_no_other(connection)}"


def count(connection: Connection, table: str, condition: str) -> int:
    return connection.exec_driver_sql(f"SELECT count(*) FROM {table} WHERE {condition}").scalar() or 0


def delete(connection: Connection, table: str, condition: str) -> int:
    """Gives the number of rows."""
    return connection.exec_driver_sql(f"DELETE FROM {table} WHERE {condition}").rowcount


def remove(connection: Connection, *, really: bool) -> dict[str, int]:
    """Delete the traces to remove, with the texts that are theirs alone; or only count them."""
    act = delete if really else count
    # Texts first: who refers to them stands in the spans.
    gone = {"contents": act(connection, "contents", only_of_removed(connection))}
    for table in ("spans", "traces"):
        gone[table] = act(connection, table, f"trace_id IN ({REMOVED})")
    return gone


def note(
    connection: Connection, *, action: str, conditions: Collection[str], counts: Mapping[str, int]
) -> None:
    """Leave a row for writers and auditors; `conditions` are kinds, such as `user`, never values."""
    connection.execute(
        insert(CLEARINGS).values(
            at=datetime.now(UTC).isoformat(),
            action=action,
            conditions=", ".join(conditions),
            counts=json.dumps(dict(counts)),
        )
    )


def vacuum(engine: Engine) -> bool:
    """Write the file anew without what was deleted; false when others kept it busy.

    PostgreSQL frees the rows for reuse; its files and its own log are not rewritten.  Raises StoreError.
    """
    connection = engine.raw_connection()
    try:
        if engine.dialect.name == "postgresql":
            driver = connection.driver_connection
            assert driver is not None
            driver.autocommit = True
            for table in ("spans", "traces", "contents"):
                driver.execute(f"VACUUM {table}")
            return True
        cursor = connection.cursor()
        cursor.execute("VACUUM")
        busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy
    except engine.dialect.loaded_dbapi.Error as error:
        # The driver's own: nothing between it and us has made one of SQLAlchemy's of it.
        if (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF == sqlite3.SQLITE_BUSY:
            return False
        raise StoreError(f"cannot be vacuumed ({type(error).__name__})") from error
    finally:
        connection.close()

"""Bring a store to the newest schema, step by step, and note when.

A new store is made from `tables` at once and counts as having taken every step; an older one takes the
steps that it lacks, all in one transaction, so that a step that fails leaves the store as it was.  A
step is a function that must never change once released: write another one.

Used by `engine`, inside a transaction that keeps other writers out.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, func, insert, inspect, select

from spanscope.store.tables import CLEARINGS, DAILY, METADATA, MIGRATIONS, SINKS

Step = Callable[[Connection], None]


class Unfit(Exception):
    """The database cannot serve as a store.  The message follows the store's name in a sentence."""


def first_tables(connection: Connection) -> None:
    """Traces, spans, contents and migrations."""
    METADATA.create_all(connection)


def tables_for_retention(connection: Connection) -> None:
    """Daily sums, sinks and clearings."""
    METADATA.create_all(connection, tables=[DAILY, SINKS, CLEARINGS])


STEPS: Final[tuple[Step, ...]] = (first_tables, tables_for_retention)
"""Step n stands at n - 1."""
NEWEST: Final = len(STEPS)


def version(connection: Connection) -> int | None:
    """The number of the last step taken; None for an empty database.

    Raises Unfit for a database that belongs to another program.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if MIGRATIONS.name not in tables:
        raise Unfit(f"is a database of another program (it has a table {tables[0]!r}): leave it alone")
    number: int | None = connection.scalar(select(func.max(MIGRATIONS.c.number)))
    return number or 0


def refuse_newer(number: int | None, *, newest: int = NEWEST) -> None:
    """Raise Unfit when a later release has changed the schema: we would misread or spoil it."""
    if number is not None and number > newest:
        raise Unfit(
            f"was written by a newer spanscope (its schema is {number}, this one knows {newest}): "
            "pip install -U spanscope"
        )


def migrate(connection: Connection, *, steps: Sequence[Step] = STEPS) -> None:
    """Take the steps that this store lacks.  Raises Unfit for a newer store or another program's."""
    taken = version(connection)
    refuse_newer(taken, newest=len(steps))
    if taken is None:
        METADATA.create_all(connection)
    for number, step in list(enumerate(steps, 1))[taken or 0 :]:
        if taken is not None:
            step(connection)
        now = datetime.now(UTC).isoformat()
        connection.execute(insert(MIGRATIONS).values(number=number, name=step.__name__, applied_at=now))

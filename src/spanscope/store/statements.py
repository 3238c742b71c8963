"""The statements that write, made by Core and compiled once for rows given by position.

Handing Core a dictionary for each row costs three times as much as the insert itself, and in SQLite's
driver a None costs as much as ten strings: a row of 54 columns, most of them NULL, would take 26 µs.
So a row is written by a statement that names only the columns which have a value.  The kinds of span
in an application being few, so are these statements.

Used by `writer`.
"""

from collections.abc import Iterator, Sequence
from itertools import compress, repeat
from operator import is_not
from typing import Any, Final

from sqlalchemy import ColumnElement, Dialect, Table, bindparam, func, literal_column, or_
from sqlalchemy.dialects import postgresql, sqlite

from spanscope.store.rows import Row
from spanscope.store.tables import CONTENTS, SPANS, TRACES

NO_TEXT: Final = -1
"""Stands for the length of a text that is not there."""
_MOST_SHAPES: Final = 500

# Written out, not bound: the statements take the columns and nothing else.
_OPEN: Final[Any] = literal_column("'open'")


class Upsert:
    """Inserts rows of one table, or brings the stored ones up to date."""

    def __init__(self, table: Table, dialect: Dialect, *, update: Sequence[str] = ()) -> None:
        self._table = table
        self._dialect = dialect
        self._columns = tuple(table.columns.keys())
        self._update = tuple(update) or tuple(name for name in self._columns if name not in table.primary_key)
        self._by_shape: dict[bytes, str] = {}

    def statements(self, rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
        """Statements, each with its rows, that together write these (each key once)."""
        groups: dict[bytes, list[Row]] = {}
        for row in rows:
            shape = bytes(map(is_not, row, repeat(None)))
            groups.setdefault(shape, []).append(tuple(compress(row, shape)))
        for shape, alike in groups.items():
            yield self._statement(shape), alike

    def _statement(self, shape: bytes) -> str:
        known = self._by_shape.get(shape)
        if known is not None:
            return known
        if len(self._by_shape) >= _MOST_SHAPES:
            self._by_shape.clear()
        made = self._by_shape[shape] = self._compiled(tuple(compress(self._columns, shape)))
        return made

    def _compiled(self, columns: Sequence[str]) -> str:
        insert = (postgresql if self._dialect.name == "postgresql" else sqlite).insert(self._table)
        given = insert.values({name: bindparam(name) for name in columns})
        # A column not given is NULL, or its default, in `excluded` too; so it replaces what was there.
        upsert = given.on_conflict_do_update(
            index_elements=list(self._table.primary_key),
            set_={name: given.excluded[name] for name in self._update},
            where=_wins(self._table, given.excluded),
        )
        compiled = upsert.compile(dialect=self._dialect)
        taken = tuple(compiled.positiontup or ())
        if taken != tuple(columns):
            raise AssertionError(
                f"{self._table.name}: rows are made as {columns}, the statement takes {taken}"
            )
        return str(compiled)


def span_upsert(dialect: Dialect) -> Upsert:
    return Upsert(SPANS, dialect)


def content_upsert(dialect: Dialect) -> Upsert:
    return Upsert(CONTENTS, dialect, update=["text"])


def trace_upsert(dialect: Dialect) -> Upsert:
    return Upsert(TRACES, dialect)


def _wins(table: Table, new: Any) -> ColumnElement[bool] | None:
    """Whether the new row replaces the stored one with the same key."""
    if table is SPANS:
        # A batch may be sent again, and must not open again what has ended.
        return or_(SPANS.c.status == _OPEN, new.status != _OPEN)
    if table is CONTENTS:
        # A preview does not replace a whole message, and nothing replaces a preview.
        stored = func.coalesce(func.length(CONTENTS.c.text), literal_column(str(NO_TEXT)))
        return func.length(new.text) > stored
    return None

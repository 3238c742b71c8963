"""The statements that write, made by Core and compiled once for rows given by position.

Handing Core a dictionary for each row costs three times as much as the insert itself.  And in SQLite's
driver a None costs as much as ten strings: a span's row of 54 columns, most of them NULL, would take
26 µs.  So a span is written by a statement that names only the columns of the fields which it has; the
kinds of span in an application being few, so are these statements.

Used by `writer`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Dialect, Table, bindparam, func, literal_column, or_
from sqlalchemy.dialects import postgresql, sqlite

from spanscope.spans import Span
from spanscope.store.rows import Form, Row
from spanscope.store.tables import CONTENTS, SPANS, TRACES

NO_TEXT: Final = -1
"""Stands for the length of a text that is not there."""
_MOST_FORMS: Final = 500

# Written out, not bound: the statements take the columns and nothing else.
_OPEN: Final[Any] = literal_column("'open'")


def content_upsert(dialect: Dialect) -> str:
    """For rows of all columns of `contents`."""
    return _upsert(CONTENTS, CONTENTS.columns.keys(), dialect)


def trace_upsert(dialect: Dialect) -> str:
    """For rows of all columns of `traces`."""
    return _upsert(TRACES, TRACES.columns.keys(), dialect)


class SpanUpserts:
    """Statements that write spans."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._forms: dict[tuple[str, ...], tuple[str, Form]] = {}
        """By the fields that a span has, in the order in which they were set."""
        self._statements: dict[tuple[str, ...], str] = {}

    def batches(self, spans: Iterable[Span]) -> dict[str, list[Row]]:
        """The rows of these spans, by the statement that writes them.  Each starts with its trace's id."""
        batches: dict[str, list[Row]] = {}
        for span in spans:
            fields = tuple(vars(span))
            statement, form = self._forms.get(fields) or self._form(fields)
            batches.setdefault(statement, []).append(form.row(span))
        return batches

    def _form(self, fields: tuple[str, ...]) -> tuple[str, Form]:
        if len(self._forms) >= _MOST_FORMS:
            self._forms.clear()
            self._statements.clear()
        form = Form(fields)
        statement = self._statements.get(form.columns)
        if statement is None:
            statement = self._statements[form.columns] = _upsert(SPANS, form.columns, self._dialect)
        made = self._forms[fields] = statement, form
        return made


def _upsert(table: Table, columns: Sequence[str], dialect: Dialect) -> str:
    """SQL that inserts rows of these columns, or brings the stored ones up to date."""
    insert = (postgresql if dialect.name == "postgresql" else sqlite).insert(table)
    given = insert.values({name: bindparam(name) for name in columns})
    keys = list(table.primary_key.columns.keys())
    # A column not given is NULL, or its default, in `excluded` too; so it replaces what was there.
    upsert = given.on_conflict_do_update(
        index_elements=keys,
        set_={name: given.excluded[name] for name in table.columns.keys() if name not in keys},  # noqa: SIM118
        where=_wins(table, given.excluded),
    )
    compiled = upsert.compile(dialect=dialect)
    taken = tuple(compiled.positiontup or ())
    if taken != tuple(columns):
        raise AssertionError(f"{table.name}: rows are made as {columns}, the statement takes {taken}")
    return str(compiled)


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

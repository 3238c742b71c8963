"""Questions to a column that the two databases ask in different words.

Does it hold exactly this (an item of a JSON list), does it contain this in whatever case (a search), is
it one of these (many ids, in one parameter: a list of two hundred costs five times as much).

Used by `writer`, `totals`, `filters` and `queries`; `engine` gives `CONTAINS` to SQLite's connections.
"""

import json
from collections.abc import Collection
from typing import Any, Final, Protocol

from sqlalchemy import ARRAY, ColumnElement, Text, bindparam, func, select

CONTAINS: Final = "spanscope_contains"
"""SQL function (text, needle) of our SQLite connections; the needle is case-folded."""

Condition = ColumnElement[bool]

_ESCAPE: Final = "\\"


class Matching(Protocol):
    """The questions, in one database's words."""

    def among(self, column: Any) -> Condition:
        """The column is one of the values that `these` gives when the statement is executed."""

    def these(self, values: Collection[str]) -> dict[str, Any]:
        """The parameters of a statement with `among`."""

    def holds(self, column: Any, part: str) -> Condition:
        """The column has this very text in it."""

    def contains(self, column: Any, text: str) -> Condition:
        """The column has this text in it, whatever the case."""


class SqliteMatching:
    def among(self, column: Any) -> Condition:
        values = func.json_each(bindparam("these")).table_valued("value")
        found: Condition = column.in_(select(values.c.value))
        return found

    def these(self, values: Collection[str]) -> dict[str, Any]:
        return {"these": json.dumps(list(values))}

    def holds(self, column: Any, part: str) -> Condition:
        return func.instr(column, part) > 0

    def contains(self, column: Any, text: str) -> Condition:
        """LIKE folds ASCII only.

        So other letters stand for any one at first, and Python decides about the few rows that are left.
        """
        loose = "".join(_escaped(char) if char.isascii() else "_" for char in text)
        near: Condition = column.like(f"%{loose}%", escape=_ESCAPE)
        return near if text.isascii() else near & (getattr(func, CONTAINS)(column, text.casefold()) == 1)


class PostgresqlMatching:
    def among(self, column: Any) -> Condition:
        found: Condition = column == func.any(bindparam("these", type_=ARRAY(Text)))
        return found

    def these(self, values: Collection[str]) -> dict[str, Any]:
        return {"these": list(values)}

    def holds(self, column: Any, part: str) -> Condition:
        return func.strpos(column, part) > 0

    def contains(self, column: Any, text: str) -> Condition:
        found: Condition = column.ilike(f"%{_escaped(text)}%", escape=_ESCAPE)
        return found


def matching_for(dialect_name: str) -> Matching:
    return PostgresqlMatching() if dialect_name == "postgresql" else SqliteMatching()


def contains_folded(text: str | None, needle: str) -> bool:
    """What `CONTAINS` does."""
    return text is not None and needle in text.casefold()


def _escaped(part: str) -> str:
    return part.replace(_ESCAPE, _ESCAPE * 2).replace("%", rf"{_ESCAPE}%").replace("_", rf"{_ESCAPE}_")

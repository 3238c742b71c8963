"""Where a store is: one place that understands what people write as `store=`.

A plain path, `sqlite:///path` or `postgresql://user@host/name`; nothing means SPANSCOPE_STORE, else
`.spanscope/spans.db`.  A mistake speaks here, before anything is opened.

Used by `engine`.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from spanscope.exceptions import StoreError

DEFAULT_STORE: Final = ".spanscope/spans.db"
ENVIRONMENT_VARIABLE: Final = "SPANSCOPE_STORE"
ELSEWHERE: Final = f"give another place with store=… (--store …) or {ENVIRONMENT_VARIABLE}=…"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):(//)?")
_SQLITE = frozenset({"sqlite", "sqlite3"})
_POSTGRES = frozenset({"postgres", "postgresql", "postgresql+psycopg"})


@dataclass(frozen=True, slots=True)
class Location:
    """A store's place: a file (`path`), or a server (`path` is None)."""

    url: URL
    path: Path | None

    def __str__(self) -> str:
        """For people: the path, or the URL without its password."""
        return str(self.path) if self.path else self.url.render_as_string(hide_password=True)


def locate(store: str | os.PathLike[str] | None = None) -> Location:
    """Read what the user gave as store.

    Raises StoreError for a scheme that is not supported or a URL that cannot be read.
    """
    text = os.fspath(store) if store is not None else os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_STORE
    scheme = _SCHEME.match(text)
    # One letter is a Windows drive, and a colon without slashes may be part of a file's name.
    if scheme and (scheme[2] or scheme[1] in _SQLITE | _POSTGRES):
        return _from_url(text, scheme[1].lower())
    if not text.strip():
        raise StoreError(f"the store's place is empty: give a path such as {DEFAULT_STORE}")
    return _file(text)


def _from_url(text: str, scheme: str) -> Location:
    if scheme not in _SQLITE | _POSTGRES:
        raise StoreError(
            f"no store can be kept under {scheme}:// : give a path, sqlite:///path or postgresql://user@host/name"
        )
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Without the text: it may hold a password.
        raise StoreError(
            f"the store's {scheme} URL cannot be read: write sqlite:///path or postgresql://user@host/name"
        ) from None
    if scheme in _POSTGRES:
        return Location(url.set(drivername="postgresql+psycopg"), None)
    if url.host or url.query:
        raise StoreError(
            f"an SQLite URL takes a path and nothing else, not {text!r}: "
            "write sqlite:///relative/path or sqlite:////absolute/path"
        )
    return _file(url.database or ":memory:")


def _file(text: str) -> Location:
    if text == ":memory:":
        raise StoreError("a store in memory cannot be read back by anyone: give the path of a file")
    path = Path(text).expanduser()
    return Location(URL.create("sqlite", database=str(path)), path)

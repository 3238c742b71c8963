"""The flight recorder's memory: tables, migrations, and the questions they answer.

`open_store` is the way in for reading; `backends.sql` writes.  Importing this package imports SQLAlchemy
and SQLModel, so `spanscope` itself imports it only when a store is opened.
"""

from spanscope.store.queries import Store, open_store
from spanscope.store.summary import TraceSummary

__all__ = ["Store", "TraceSummary", "open_store"]

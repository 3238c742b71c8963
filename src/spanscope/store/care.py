"""What a store offers beside reading: look people up, erase them, let go of what is old, look it all over.

The base of `queries.Store`; each method is a door to the module that does the work.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select

from spanscope.redaction.pseudonyms import Keys, key_id_of, known_keys
from spanscope.store.limits import CONTENT_DAYS, DAILY_DAYS, SPANS_DAYS, Limits
from spanscope.store.location import Location
from spanscope.store.tables import CLEARINGS, CONTENTS, SINKS, SPANS, TRACES

if TYPE_CHECKING:
    from spanscope.store.daily import Daily
    from spanscope.store.erasure import Erasure
    from spanscope.store.retention import Pruned


class Care:
    """The part of a store that looks after what is kept."""

    _location: Location
    _key: str | None
    _busy_timeout_s: float

    if TYPE_CHECKING:

        @property
        def path(self) -> Path | None: ...

        def _reading(self) -> AbstractContextManager[Connection]: ...

        def _aliases(self, given: str) -> Sequence[str]: ...

        def _whole_id(self, connection: Connection, given: str) -> str: ...

    # --- keys and people ---------------------------------------------------------------------------

    def keys(self) -> Keys:
        """The keys that are known here, the newest first; none where there are none."""
        return known_keys(self.path.parent if self.path else None, key=self._key)

    def pseudonym(self, user: str) -> str | None:
        """What this user is called now; None when no key is known here."""
        return next(iter(self.pseudonyms(user)), None)

    def pseudonyms(self, user: str) -> tuple[str, ...]:
        """What this user was called under each known key, the newest first."""
        return self.keys().users(user)

    def users_by_key(self) -> dict[str, int]:
        """How many users' pseudonyms there are by the id of the key that made them, known here or not."""
        with self._reading() as connection:
            users = connection.scalars(
                select(TRACES.c.user_id).where(TRACES.c.user_id.is_not(None)).distinct()
            )
            return dict(Counter(made_by for user in users if (made_by := key_id_of(user)) is not None))

    # --- letting go ----------------------------------------------------------------------------------

    def erase(
        self,
        *,
        user: str | None = None,
        session: str | None = None,
        trace: str | None = None,
        dry_run: bool = False,
    ) -> "Erasure":
        """Remove whole traces for good, from all tables and the vault; conditions add up.

        `user` may be the id that was given, which is looked up with every known key, or a pseudonym.  The
        result counts what went, says whether the file still holds a byte of it, and names the sinks that
        cannot be reached; with `dry_run` nothing changes.  An id that nobody has counts 0.

        Raises ConfigError when nobody is named or no key is known, TraceNotFound, StoreError, VaultError.
        """
        from spanscope.store.clearing import clearing_engine
        from spanscope.store.erasure import erase, sought

        keys = self.keys()
        if trace is not None:
            with self._reading() as connection:
                trace = self._whole_id(connection, trace)
        whom = sought(self._aliases, user=user, session=session, trace=trace)
        with clearing_engine(self._location, busy_timeout_s=self._busy_timeout_s) as engine:
            return erase(engine, self._location, whom, keys, self.users_by_key(), dry_run=dry_run)

    def prune(
        self,
        *,
        content_days: float | None = CONTENT_DAYS,
        spans_days: float | None = SPANS_DAYS,
        daily_days: float | None = DAILY_DAYS,
        status: str | None = None,
        tag: str | None = None,
        environment: str | None = None,
        max_bytes: int | None = None,
        dry_run: bool = False,
        vacuum: bool | None = None,
    ) -> "Pruned":
        """Let go of what is old: full texts, then spans, then the daily sums that were kept of them.

        Ages are in days, None keeps for ever.  `status`, `tag` and `environment` choose the traces; over
        `max_bytes` the oldest go, whatever their age.  `vacuum` gives the space back, for which the file
        is locked a while: by default only with `max_bytes`.  With `dry_run` nothing changes.

        Raises ConfigError for a limit that is none, StoreError, VaultError.
        """
        from spanscope.store.clearing import clearing_engine
        from spanscope.store.retention import prune

        limits = Limits(
            content_days=content_days,
            spans_days=spans_days,
            daily_days=daily_days,
            status=status,
            tag=tag,
            environment=environment,
            max_bytes=max_bytes,
        )
        freeing = max_bytes is not None if vacuum is None else vacuum
        with clearing_engine(self._location, busy_timeout_s=self._busy_timeout_s) as engine:
            return prune(engine, self._location, limits, dry_run=dry_run, vacuum=freeing)

    def daily(self, *, since: date | None = None, until: date | None = None) -> "list[Daily]":
        """Sums by day, kind, model, environment, service and status, the oldest first; pruned spans count.

        Days are UTC; `since` is included, `until` is not.
        """
        from spanscope.store.daily import read

        with self._reading() as connection:
            return read(connection, since=since, until=until)

    def texts(self) -> Iterator[str]:
        """Every text that is kept: contents, previews and error messages.  One pass, in no order."""
        columns = (CONTENTS.c.text, SPANS.c.input_preview, SPANS.c.output_preview, SPANS.c.error_message)
        with self._reading() as connection:
            for column in columns:
                found = connection.execution_options(yield_per=1000).scalars(
                    select(column).where(column.is_not(None))
                )
                yield from found

    def retention(self) -> dict[str, Any]:
        """`oldest` start, `last_prune`, `last_erase` (ISO, or None), and `sinks` that got the same spans."""
        t, c = TRACES.c, CLEARINGS.c
        with self._reading() as connection:
            oldest_ns = connection.scalar(select(func.min(t.start_ns)))
            last = {
                row.action: row.at
                for row in connection.execute(select(c.action, func.max(c.at).label("at")).group_by(c.action))
            }
            sinks = list(connection.scalars(select(SINKS.c.name).order_by(SINKS.c.name)))
        return {
            "oldest": None if oldest_ns is None else datetime.fromtimestamp(oldest_ns / 1e9, UTC).isoformat(),
            "last_prune": last.get("prune"),
            "last_erase": last.get("erase"),
            "sinks": sinks,
        }

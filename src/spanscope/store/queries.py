"""Read what was recorded: lists of traces and spans, and whole traces as trees.

The read side's way in.  Each call is one transaction, so that a trace which is being written while it
is read is seen at one instant.

Reads what `writer` wrote; gives `TraceSummary`, `Span` and `Trace` to debug, report and the commands.
"""

import difflib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import Connection, Row, RowMapping, func, select

from spanscope import semconv
from spanscope.exceptions import StoreError, TraceNotFound
from spanscope.spans import Content, Span
from spanscope.store import filters, migrations
from spanscope.store.care import Care
from spanscope.store.engine import BUSY_TIMEOUT_S, open_for_reading, open_for_writing, speaking
from spanscope.store.location import locate
from spanscope.store.matching import matching_for
from spanscope.store.moments import Moment
from spanscope.store.prompts import PromptVersion, prompt_versions
from spanscope.store.rows import content_ids, dumps, span_from
from spanscope.store.summary import TraceSummary, summary_from
from spanscope.store.tables import CONTENTS, SPANS, TRACES
from spanscope.trace import Trace

if TYPE_CHECKING:
    from spanscope.pricing import Pricing
    from spanscope.store.repricing import Repricing

NEAREST: Final = 3
"""How many ids an unknown one is answered with."""
_LOOKED_AT: Final = 1000
"""How many of the newest ids are compared for likeness."""

_RESUMED: Final = dumps({semconv.RESUMED: True})[1:-1]


def open_store(
    store: str | os.PathLike[str] | None = None,
    *,
    key: str | None = None,
    pseudonym: Callable[[str], str] | None = None,
) -> "Store":
    """Open a store for reading: a path, `sqlite:///path` or `postgresql://user@host/name`.

    `key` finds users by the ids that were given: as in SPANSCOPE_KEY, several with commas between them.

    Nothing given means SPANSCOPE_STORE, else `.spanscope/spans.db`.  Raises StoreError when nothing has
    been recorded there or it cannot be read, MissingExtra when its driver is not installed.
    """
    return Store(store, key=key, pseudonym=pseudonym)


class Store(Care):
    """A store opened for reading.  A context manager; methods raise StoreError when the database fails."""

    def __init__(
        self,
        store: str | os.PathLike[str] | None = None,
        *,
        key: str | None = None,
        pseudonym: Callable[[str], str] | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._location = locate(store)
        self._engine = open_for_reading(self._location, busy_timeout_s=busy_timeout_s)
        self._matching = matching_for(self._engine.dialect.name)
        self._key = key
        self._busy_timeout_s = busy_timeout_s
        self._pseudonym = pseudonym

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.where!r})"

    def close(self) -> None:
        """Let go of the file or server."""
        self._engine.dispose()

    @property
    def path(self) -> Path | None:
        """The store's file; None for a server."""
        return self._location.path

    @property
    def where(self) -> str:
        """The store's place for people, without a password."""
        return str(self._location)

    # --- lists -------------------------------------------------------------------------------------

    def traces(
        self,
        limit: int | None = 50,
        *,
        trace_id_prefix: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        thread_id: str | None = None,
        status: str | None = None,
        name: str | None = None,
        model: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        text: str | None = None,
        environment: str | None = None,
        tag: str | None = None,
        prompt_version: str | None = None,
    ) -> list[TraceSummary]:
        """Traces that meet every condition given, newest first; all of them with `limit=None`.

        `name` is the trace's or one of its spans'; `model` was asked for or answered; `text` is looked for
        in the previews of inputs and outputs, whatever the case; `user_id` may be the id that was given
        or the pseudonym that is stored.  Times: `since` is included, `until` is not, naive ones are local;
        text will do too (`"30m"` ago, `"7d"`, `"2026-01-31T14:00"`).

        Raises ConfigError for a status that there is not, and for a time that is none.
        """
        conditions = filters.trace_conditions(
            self._matching,
            self._aliases,
            trace_id_prefix=trace_id_prefix,
            session_id=session_id,
            user_id=user_id,
            thread_id=thread_id,
            status=status,
            name=name,
            model=model,
            since=since,
            until=until,
            text=text,
            environment=environment,
            tag=tag,
            prompt_version=prompt_version,
        )
        query = select(TRACES).where(*conditions).order_by(TRACES.c.start_ns.desc(), TRACES.c.trace_id)
        with self._reading() as connection:
            return [summary_from(row) for row in connection.execute(query.limit(limit)).mappings()]

    def spans(
        self,
        limit: int | None = 100,
        *,
        trace_id: str | None = None,
        kind: str | None = None,
        status: str | None = None,
        name: str | None = None,
        model: str | None = None,
        error_type: str | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        text: str | None = None,
        environment: str | None = None,
        tag: str | None = None,
        prompt_name: str | None = None,
        prompt_version: str | None = None,
    ) -> list[Span]:
        """Spans that meet every condition given, newest first; conditions as in `traces`."""
        conditions = filters.span_conditions(
            self._matching,
            self._aliases,
            trace_id=trace_id,
            kind=kind,
            status=status,
            name=name,
            model=model,
            error_type=error_type,
            session_id=session_id,
            user_id=user_id,
            since=since,
            until=until,
            text=text,
            environment=environment,
            tag=tag,
            prompt_name=prompt_name,
            prompt_version=prompt_version,
        )
        query = select(SPANS).where(*conditions).order_by(SPANS.c.start_ns.desc(), SPANS.c.span_id)
        with self._reading() as connection:
            return _spans(connection, connection.execute(query.limit(limit)).mappings().all())

    # --- one trace ---------------------------------------------------------------------------------

    def trace(self, trace_id: str) -> Trace:
        """The trace with this id, or with the only id that begins like this.

        Raises TraceNotFound, with the nearest ids, when there is none or more than one.
        """
        with self._reading() as connection:
            return _trace(connection, self._whole_id(connection, trace_id))

    def latest(self) -> Trace | None:
        """The trace that began last; None in an empty store."""
        newest = select(TRACES.c.trace_id).order_by(TRACES.c.start_ns.desc(), TRACES.c.trace_id).limit(1)
        with self._reading() as connection:
            trace_id = connection.scalar(newest)
            return None if trace_id is None else _trace(connection, trace_id)

    def _whole_id(self, connection: Connection, given: str) -> str:
        if not isinstance(given, str):
            raise StoreError(f"a trace id is a string, not {given!r} (last_trace_id is None before a run)")
        # People paste ids as UUIDs and with capitals.
        wanted = given.strip().lower().replace("-", "")
        if connection.scalar(select(TRACES.c.trace_id).where(TRACES.c.trace_id == wanted)) is not None:
            return wanted
        candidates = _beginning_with(connection, wanted) if wanted else []
        if len(candidates) == 1:
            return candidates[0]
        nearest = candidates or _nearest(connection, wanted)
        raise TraceNotFound(given, where=self.where, nearest=nearest, ambiguous=bool(candidates))

    # --- prompts and prices --------------------------------------------------------------------------

    def prompts(
        self, *, name: str | None = None, since: Moment | None = None, until: Moment | None = None
    ) -> list[PromptVersion]:
        """Versions of prompts with their calls' tokens, cost, latency, errors and cut answers, by name.

        A version that nobody named goes by the hash of its template or system prompt.  Calls with neither
        are left out.
        """
        with self._reading() as connection:
            return prompt_versions(connection, name=name, since=since, until=until)

    def reprice(
        self,
        pricing: "Pricing | None" = None,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        dry_run: bool = False,
    ) -> "Repricing":
        """Compute the stored costs of model calls, and of their traces, anew; gives the difference by model.

        `pricing` holds the prices, by default those of the installed price table with SPANSCOPE_PRICES on
        top.  Each call is priced as of when it was made.  A cost that its provider reported stays, and so
        does that of a call for which the table has no price any more.  `dry_run` changes nothing.
        """
        from spanscope.pricing import default_pricing
        from spanscope.store.repricing import reprice

        pricing = pricing or default_pricing()
        if dry_run:
            return reprice(self._reading, pricing, since=since, until=until, dry_run=True)
        engine = open_for_writing(self._location)
        try:
            with speaking(self._location):
                return reprice(engine.begin, pricing, since=since, until=until, dry_run=False)
        finally:
            engine.dispose()

    def models_without_price(self) -> dict[str, int]:
        """`provider/model` and how many of its calls have known tokens and no known cost, most first."""
        s = SPANS.c
        model = func.coalesce(s.response_model, s.request_model, "?").label("model")
        unpriced = (
            select(func.coalesce(s.provider, "?").label("provider"), model, func.count().label("calls"))
            .where(s.kind.in_(sorted(semconv.MODEL_KINDS)), s.cost_nano_usd.is_(None))
            .where(s.input_tokens.is_not(None), s.usage_in_children.is_(False), s.status != "open")
            .group_by("provider", "model")
            .order_by(func.count().desc(), "provider", "model")
        )
        with self._reading() as connection:
            return {f"{provider}/{name}": calls for provider, name, calls in connection.execute(unpriced)}

    # --- about the store ---------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """How many `traces`, `spans` and `contents` there are."""
        with self._reading() as connection:
            return {
                table.name: connection.scalar(select(func.count()).select_from(table)) or 0
                for table in (TRACES, SPANS, CONTENTS)
            }

    def stats(self) -> dict[str, Any]:
        """`counts`, and `place`, `schema` (its version), `size_bytes` (None for a server)."""
        with self._reading() as connection:
            schema = migrations.version(connection)
        return {"place": self.where, "schema": schema, "size_bytes": self._size_bytes(), **self.counts()}

    def _size_bytes(self) -> int | None:
        if self.path is None:
            return None
        beside = [self.path, *(self.path.with_name(self.path.name + suffix) for suffix in ("-wal", "-shm"))]
        return sum(file.stat().st_size for file in beside if file.exists())

    # --- help --------------------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with speaking(self._location), self._engine.begin() as connection:
            yield connection

    def _aliases(self, given: str) -> Sequence[str]:
        """What this user or session may be stored as: the value itself, or its pseudonyms."""
        if self._pseudonym is not None:
            return (given, self._pseudonym(given))
        keys = self.keys()
        return (given, *keys.users(given), *keys.sessions(given))


def _spans(connection: Connection, rows: Sequence[RowMapping]) -> list[Span]:
    contents = _contents(connection, {key for row in rows for key in content_ids(row)})
    return [span_from(row, contents) for row in rows]


def _contents(connection: Connection, wanted: Collection[str]) -> dict[str, Content]:
    if not wanted:
        return {}
    matching = matching_for(connection.dialect.name)
    query = select(CONTENTS).where(matching.among(CONTENTS.c.content_id))
    return {
        key: Content(content_id=key, role=role, chars=chars, text=text)
        for key, role, chars, text in connection.execute(query, matching.these(wanted))
    }


# --- a trace and its neighbours --------------------------------------------------------------------


def _trace(connection: Connection, trace_id: str) -> Trace:
    rows = connection.execute(select(SPANS).where(SPANS.c.trace_id == trace_id)).mappings().all()
    trace = Trace(trace_id, tuple(_spans(connection, rows)))
    own = connection.execute(select(TRACES).where(TRACES.c.trace_id == trace_id)).one()
    if own.thread_id is None:
        return trace
    resumes = any(span.attributes.get(semconv.RESUMED) for span in trace.spans)
    return Trace(
        trace_id,
        trace.spans,
        resumed_from=_interrupted_before(connection, own) if resumes else None,
        resumed_by=_resuming_after(connection, own) if own.status == "interrupted" else None,
    )


def _interrupted_before(connection: Connection, own: Row[Any]) -> str | None:
    """The newest earlier trace of this thread that stopped at an interrupt."""
    t = TRACES.c
    return connection.scalar(
        select(t.trace_id)
        .where(t.thread_id == own.thread_id, t.start_ns < own.start_ns, t.status == "interrupted")
        .order_by(t.start_ns.desc(), t.trace_id)
        .limit(1)
    )


def _resuming_after(connection: Connection, own: Row[Any]) -> str | None:
    """The oldest later trace of this thread that resumed, unless another interrupt lies between."""
    t = TRACES.c
    later = connection.execute(
        select(t.trace_id, t.status)
        .where(t.thread_id == own.thread_id, t.start_ns > own.start_ns)
        .order_by(t.start_ns, t.trace_id)
    )
    for trace in later:
        if _has_resumed(connection, trace.trace_id):
            found: str = trace.trace_id
            return found
        if trace.status == "interrupted":
            return None
    return None


def _has_resumed(connection: Connection, trace_id: str) -> bool:
    marked = matching_for(connection.dialect.name).holds(SPANS.c.attributes, _RESUMED)
    query = select(SPANS.c.span_id).where(SPANS.c.trace_id == trace_id, marked).limit(1)
    return connection.scalar(query) is not None


# --- ids that are nearly right ---------------------------------------------------------------------


def _beginning_with(connection: Connection, prefix: str) -> list[str]:
    query = select(TRACES.c.trace_id).where(filters.starts_with(TRACES.c.trace_id, prefix))
    return list(connection.scalars(query.order_by(TRACES.c.start_ns.desc()).limit(NEAREST)))


def _nearest(connection: Connection, wanted: str) -> list[str]:
    """Ids that share the longest beginning, then those of the newest that look most alike."""
    found = list[str]()
    for length in range(len(wanted) - 1, 3, -1):
        found = _beginning_with(connection, wanted[:length])
        if found:
            break
    newest = select(TRACES.c.trace_id).order_by(TRACES.c.start_ns.desc()).limit(_LOOKED_AT)
    alike = difflib.get_close_matches(wanted, list(connection.scalars(newest)), n=NEAREST, cutoff=0.0)
    return list(dict.fromkeys((*found, *alike)))[:NEAREST]

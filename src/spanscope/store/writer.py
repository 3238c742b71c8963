"""Write a batch of spans: three kinds of row, one transaction, a few microseconds a span.

A span is written while it is open and replaced later; a content is written once however many spans
refer to it; the rows of the traces touched are recomputed in the same transaction.  So any batch may
be written again, and the order of batches does not matter.

Fed by `backends.sql`; its SQL is made by `statements`, its sums by `totals`.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, Engine, and_, delete, exc, select

from spanscope.spans import Content, Span
from spanscope.store.matching import matching_for
from spanscope.store.rows import Row, storable
from spanscope.store.statements import NO_TEXT, SpanUpserts, content_upsert, trace_upsert
from spanscope.store.tables import SPANS, TRACES
from spanscope.store.totals import Totals

REMEMBERED_CONTENTS: Final = 20_000
"""Ids of contents known to be stored; forgetting one costs a needless upsert, nothing else."""

_UNSTORABLE = (ValueError, OverflowError, exc.DataError, exc.InterfaceError, exc.ProgrammingError)


class Writer:
    """Writes spans through one engine.  For one thread at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._spans = SpanUpserts(engine.dialect)
        self._upsert_contents = content_upsert(engine.dialect)
        self._upsert_traces = trace_upsert(engine.dialect)
        matching = matching_for(engine.dialect.name)
        self._totals = Totals(matching)
        self._these = matching.these
        self._emptied = delete(TRACES).where(matching.among(TRACES.c.trace_id))
        self._stored: OrderedDict[str, int] = OrderedDict()
        """Content id -> length of the text in the store; least recently used first."""
        self._clearings: int | None = None

    def write(self, spans: Sequence[Span]) -> None:
        """Write the batch, or raise SQLAlchemy's error and leave the store as it was."""
        by_id = _latest(spans)
        latest = by_id.values()
        batches = self._spans.batches(latest)
        # One that was moved while it was open may have ended in the same batch.
        moved = [by_id[span_id] for span_id in {span.span_id for span in spans if span.amended}]
        try:
            written = self._commit(batches, latest, moved)
        except _UNSTORABLE:
            # Seldom (half an emoji, a number beyond 64 bits), so it is only looked for when it hurts.
            mended = {statement: list(map(_storable_row, rows)) for statement, rows in batches.items()}
            written = self._commit(mended, latest, moved, mend=_storable_row)
        self._remember(written)

    def _commit(
        self,
        batches: Mapping[str, list[Row]],
        spans: Collection[Span],
        moved: Sequence[Span],
        mend: Callable[[Row], Row] = tuple,
    ) -> Collection[Content]:
        """Write it all, or nothing; gives the contents that the store lacked."""
        with self._engine.begin() as connection:
            self._notice_clearings(connection)
            unseen = self._unseen(spans)
            content_rows = [
                mend((content.content_id, content.role, content.chars, content.text))
                # In one order everywhere: two writers of the same messages must not lock each other out.
                for _, content in sorted(unseen.items())
            ]
            touched = {row[0] for rows in batches.values() for row in rows}
            for span in moved:
                touched |= _take_from_other_traces(connection, span)
            if content_rows:
                connection.exec_driver_sql(self._upsert_contents, content_rows)
            for statement, rows in batches.items():
                connection.exec_driver_sql(statement, rows)
            self._recompute(connection, touched)
        return unseen.values()

    def _notice_clearings(self, connection: Connection) -> None:
        """What was cleared away since the last batch is not stored any more, and must be written again."""
        clearings = connection.exec_driver_sql("SELECT max(number) FROM clearings").scalar()
        if clearings != self._clearings:
            self._clearings = clearings
            self._stored.clear()

    def _recompute(self, connection: Connection, trace_ids: Collection[str]) -> None:
        rows = self._totals.rows(connection, trace_ids)
        if rows:
            connection.exec_driver_sql(self._upsert_traces, rows)
        emptied = set(trace_ids).difference(row[0] for row in rows)
        if emptied:
            connection.execute(self._emptied, self._these(emptied))

    def _unseen(self, spans: Collection[Span]) -> dict[str, Content]:
        """The contents that the store lacks, or has less text of."""
        stored, unseen = self._stored, dict[str, Content]()
        # The seal gives one object for a message however often it is sent; so each is looked at once.
        contents = [*chain.from_iterable(map(_inputs, spans)), *chain.from_iterable(map(_outputs, spans))]
        for content in dict(zip(map(id, contents), contents)).values():  # noqa: B905  they are the same ones
            key = content.content_id
            known = stored.get(key)
            if known is not None:
                stored.move_to_end(key)
                if known >= _text_length(content):
                    continue
            if key not in unseen or _text_length(unseen[key]) < _text_length(content):
                unseen[key] = content
        return unseen

    def _remember(self, contents: Iterable[Content]) -> None:
        """Only once they are committed: a batch that failed must not leave messages without text."""
        for content in contents:
            self._stored[content.content_id] = _text_length(content)
        while len(self._stored) > REMEMBERED_CONTENTS:
            self._stored.popitem(last=False)


_inputs = attrgetter("inputs")
_outputs = attrgetter("outputs")


def _latest(spans: Iterable[Span]) -> dict[str, Span]:
    """Each span once, as it was given last; open only if it never was anything else."""
    latest = dict[str, Span]()
    for span in spans:
        # By its id alone: within one process a span has moved if its trace is another one.
        if span.status != "open" or latest.get(span.span_id, span).status == "open":
            latest[span.span_id] = span
    return latest


def _take_from_other_traces(connection: Connection, span: Span) -> set[str]:
    """Remove what was stored of this span when it was thought to belong elsewhere; gives the traces left."""
    column = SPANS.c
    # No index leads with the span's id, but one leads with its start, which a move does not change.
    elsewhere = and_(
        column.start_ns == span.start_ns, column.span_id == span.span_id, column.trace_id != span.trace_id
    )
    left = set(connection.scalars(select(column.trace_id).where(elsewhere)))
    if left:
        connection.execute(delete(SPANS).where(elsewhere))
    return left


def _storable_row(row: Row) -> Row:
    return tuple(map(storable, row))


def _text_length(content: Content) -> int:
    return NO_TEXT if content.text is None else len(content.text)

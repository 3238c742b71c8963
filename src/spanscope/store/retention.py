"""Let go of what is old, in tiers: texts first, then spans, then the daily sums that were kept of them.

`plan` says which traces each tier is about; `prune` works through them in transactions short enough for a
writer to wait for.  Before spans go, their sums are added to `daily`, in the same transaction.

Called by `Store.prune`.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, delete, func, select

from spanscope.redaction.vault import Vault, vault_file
from spanscope.store import clearing, daily
from spanscope.store.limits import Limits
from spanscope.store.location import Location
from spanscope.store.matching import Condition, matching_for
from spanscope.store.rows import dumps
from spanscope.store.tables import DAILY, SPANS, TRACES

logger = logging.getLogger("spanscope")

CUT_CHARS: Final = 100
"""What is left of a text when full content goes: as much as a preview shows."""
_AT_ONCE: Final = 500
"""Traces in one transaction."""


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What went, or with `dry_run` would go."""

    dry_run: bool
    traces: int = 0
    spans: int = 0
    contents: int = 0
    """Texts that went with their spans."""
    texts_cut: int = 0
    """Texts of which a preview was left."""
    daily_kept: int = 0
    """Rows of daily sums that spans were added to before they went; not known in a dry run."""
    daily_removed: int = 0
    vault_items: int = 0
    bytes_before: int | None = None
    bytes_after: int | None = None
    """None where nothing was given back (see `vacuum`), and for a server."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def prune(
    engine: Engine,
    location: Location,
    limits: Limits,
    *,
    dry_run: bool,
    vacuum: bool,
    now: datetime | None = None,
) -> Pruned:
    """Prune, or say what would be.  May be cut off at any moment: the next run goes on.

    Raises VaultError, and SQLAlchemy's errors.
    """
    now = now or datetime.now(UTC)
    before = _size(location)
    with engine.begin() as connection:
        doomed, stale = plan(connection, limits, now=now, size_bytes=_used(connection, location))
    vault_items = _from_vault(location, doomed, dry_run=dry_run)
    counts = (_would_go if dry_run else _remove)(engine, limits, doomed, stale, now)
    after = None
    if not dry_run:
        logger.info("spanscope pruned: traces %d, texts cut %d", counts["traces"], counts["texts_cut"])
        if vacuum:
            clearing.vacuum(engine)
            after = _size(location)
    return Pruned(dry_run=dry_run, vault_items=vault_items, bytes_before=before, bytes_after=after, **counts)


# --- which traces --------------------------------------------------------------------------------------


def plan(
    connection: Connection, limits: Limits, *, now: datetime, size_bytes: int
) -> tuple[list[str], list[str]]:
    """Ids of the traces to remove, the oldest first, and of those to lose their texts."""
    chosen = list(_chosen(connection, limits))
    old = _older(connection, chosen, limits.spans_days, now)
    if limits.max_bytes is not None and size_bytes > limits.max_bytes:
        old = list(dict.fromkeys((*old, *_oldest(connection, chosen, 1 - limits.max_bytes / size_bytes))))
    gone = set(old)
    stale = [one for one in _older(connection, chosen, limits.content_days, now) if one not in gone]
    return old, stale


def _chosen(connection: Connection, limits: Limits) -> Iterator[Condition]:
    if limits.status is not None:
        yield TRACES.c.status == limits.status
    if limits.environment is not None:
        yield TRACES.c.environment == limits.environment
    if limits.tag is not None:
        yield matching_for(connection.dialect.name).holds(TRACES.c.tags, dumps(limits.tag))


def _older(
    connection: Connection, chosen: Sequence[Condition], days: float | None, now: datetime
) -> list[str]:
    """A trace is as old as what is last known of it."""
    if days is None:
        return []
    t = TRACES.c
    edge_ns = int((now - timedelta(days=days)).timestamp() * 10**9)
    query = select(t.trace_id).where(func.coalesce(t.end_ns, t.start_ns) < edge_ns, *chosen)
    return list(connection.scalars(query.order_by(t.start_ns, t.trace_id)))


def _oldest(connection: Connection, chosen: Sequence[Condition], share: float) -> list[str]:
    """The oldest traces that hold this share of all spans, which is about their share of the bytes."""
    t = TRACES.c
    wanted = share * (connection.scalar(select(func.count()).select_from(SPANS)) or 0)
    found, spans = list[str](), 0
    for trace_id, count in connection.execute(
        select(t.trace_id, t.span_count).where(*chosen).order_by(t.start_ns, t.trace_id)
    ):
        if spans >= wanted:
            break
        found.append(trace_id)
        spans += count
    return found


# --- letting go ------------------------------------------------------------------------------------------


def _remove(
    engine: Engine, limits: Limits, doomed: Sequence[str], stale: Sequence[str], now: datetime
) -> dict[str, int]:
    counts = Counter[str](traces=0, spans=0, contents=0, texts_cut=0, daily_kept=0, daily_removed=0)
    for start in range(0, len(doomed), _AT_ONCE):
        some = doomed[start : start + _AT_ONCE]
        with clearing.clearing(engine) as connection:
            clearing.doom(connection, some)
            counts["daily_kept"] += daily.add(connection, daily.sums(connection, SPANS.c.trace_id.in_(some)))
            for table in ("spans", "traces"):
                counts[table] += clearing.delete(connection, table, f"trace_id IN ({clearing.REMOVED})")
    if doomed:
        # Once for all of them: to find out who refers to a text takes a look at all spans.
        with clearing.clearing(engine) as connection:
            counts["contents"] = clearing.delete(connection, "contents", clearing.of_nobody(connection))
            clearing.note(connection, action="prune", conditions=limits.conditions, counts=counts)
    with clearing.clearing(engine) as connection:
        if stale:
            clearing.doom(connection, stale, fate="cut")
            counts["texts_cut"] = connection.exec_driver_sql(
                f"UPDATE contents SET text = substr(text, 1, {CUT_CHARS}) "
                f"WHERE length(text) > {CUT_CHARS} AND {clearing.of_no_other(connection)}"
            ).rowcount
        counts["daily_removed"] = connection.execute(delete(DAILY).where(*_old_days(limits, now))).rowcount
        if counts["texts_cut"] or counts["daily_removed"]:
            clearing.note(connection, action="prune", conditions=limits.conditions, counts=counts)
    return dict(counts)


def _would_go(
    engine: Engine, limits: Limits, doomed: Sequence[str], stale: Sequence[str], now: datetime
) -> dict[str, int]:
    with clearing.clearing(engine) as connection:
        clearing.doom(connection, doomed)
        clearing.doom(connection, stale, fate="cut")
        counts = {
            table: clearing.count(connection, table, f"trace_id IN ({clearing.REMOVED})")
            for table in ("traces", "spans")
        }
        counts["contents"] = counts["texts_cut"] = 0
        if doomed:
            counts["contents"] = clearing.count(connection, "contents", clearing.of_nobody(connection))
        if stale:
            cuttable = f"length(text) > {CUT_CHARS} AND {clearing.only_of_cut(connection)}"
            counts["texts_cut"] = clearing.count(connection, "contents", cuttable)
        old_days = select(func.count()).select_from(DAILY).where(*_old_days(limits, now))
        counts["daily_removed"] = connection.scalar(old_days) or 0
    return counts


def _old_days(limits: Limits, now: datetime) -> list[Condition]:
    if limits.daily_days is None or not limits.of_all_traces:
        return [DAILY.c.day < ""]  # none
    return [DAILY.c.day < daily.day_before(limits.daily_days, now=now)]


def _from_vault(location: Location, doomed: Sequence[str], *, dry_run: bool) -> int:
    path = vault_file(location.path.parent if location.path else None)
    if path is None or not path.exists():
        return 0
    vault = Vault(path, create=False)
    try:
        expired = 0 if dry_run else vault.purge()
        return expired + vault.forget(doomed, action="prune", reason="pruned with its spans", dry_run=dry_run)
    finally:
        vault.close()


# --- sizes -------------------------------------------------------------------------------------------------


def _used(connection: Connection, location: Location) -> int:
    """Bytes of what is kept, without pages that are free already."""
    if location.path is None:
        tables = "('spans'), ('traces'), ('contents')"
        return int(
            connection.exec_driver_sql(
                f"SELECT sum(pg_total_relation_size(name::regclass)) FROM (VALUES {tables}) AS ours (name)"
            ).scalar()
            or 0
        )
    pages, free, page = (
        connection.exec_driver_sql(f"PRAGMA {name}").scalar() or 0
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * page)


def _size(location: Location) -> int | None:
    """The file's, with what is still in its log."""
    if location.path is None:
        return None
    files = (location.path, location.path.with_name(f"{location.path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())

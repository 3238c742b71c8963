"""Follow a store: each trace once, when it is over.

By looking again and again, because the store may be written by any number of other processes, and because
reading the newest rows of an index twice a second costs next to nothing.

Used by `spanscope tail`; reads through `store`.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from spanscope.exceptions import StoreError

if TYPE_CHECKING:
    from spanscope.store import Store, TraceSummary

POLL_S = 0.5
WINDOW = 500
"""How many of the newest traces are looked at: one that ends after so many later ones began is missed."""
CREATION_S = 2.0
"""How long a new file may be without its tables."""
SETTLED_S = 5.0
"""When a trace whose topmost span was never written is taken to be over."""


def follow(
    store: str | None,
    *,
    count: int | None = None,
    poll_s: float = POLL_S,
    say: Callable[[str], None] = lambda message: None,
) -> Iterator["TraceSummary"]:
    """Yield each trace that ends from now on, the earliest begun first; for ever where `count` is None.

    Waits for a store that is not there yet.  Raises StoreError for one that cannot be read.
    """
    is_new = _wait_for_file(store, poll_s, say)
    with _open(store, poll_s) as opened:
        over = set[str]() if is_new else {summary.trace_id for summary in _ended(opened)}
        left = count
        while True:
            ended = _ended(opened)
            for summary in ended:
                if summary.trace_id not in over and _is_whole(opened, summary):
                    over.add(summary.trace_id)
                    yield summary
                    left = None if left is None else left - 1
                    if left == 0:
                        return
            # What has left the window does not come back, so it need not be remembered.
            over &= {summary.trace_id for summary in ended}
            time.sleep(poll_s)


def _wait_for_file(store: str | None, poll_s: float, say: Callable[[str], None]) -> bool:
    """True when there was none at first."""
    from spanscope.store.location import locate

    location = locate(store)
    if location.path is None or location.path.exists():
        return False
    say(f"waiting for {location} …")
    while not location.path.exists():
        time.sleep(poll_s)
    return True


def _open(store: str | None, poll_s: float) -> "Store":
    from spanscope.store import open_store

    patience = time.monotonic() + CREATION_S
    while True:
        try:
            return open_store(store)
        except StoreError:
            if time.monotonic() > patience:
                raise
            time.sleep(poll_s)


def _ended(store: "Store") -> list["TraceSummary"]:
    newest_first = list(store.traces(limit=WINDOW))
    return [summary for summary in reversed(newest_first) if summary.status != "open"]


def _is_whole(store: "Store", summary: "TraceSummary") -> bool:
    """Children are written before their parents: as long as the top is missing, they only seem to be all."""
    top = store.trace(summary.trace_id).root
    ended_s = (summary.end_ns or 0) / 1_000_000_000
    return top.parent_id is None or top.parent_source == "remote" or time.time() - ended_s > SETTLED_S

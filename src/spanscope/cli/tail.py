"""Follow a store: each trace once, when it is over.

By looking again and again, because the store may be written by any number of other processes, and because
reading the newest rows of an index twice a second costs next to nothing.
"""

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spanscope.store import Store, TraceSummary

POLL_S = 0.5
WINDOW = 500
"""How many of the newest traces are looked at: one that ends after so many later ones began is missed."""


def follow(store: "Store", *, count: int | None = None, poll_s: float = POLL_S) -> Iterator["TraceSummary"]:
    """Yield each trace that ends from now on, the earliest begun first; for ever where `count` is None."""
    seen = {summary.trace_id for summary in _ended(store)}
    left = count
    while left is None or left > 0:
        time.sleep(poll_s)
        ended = _ended(store)
        for summary in ended:
            if summary.trace_id not in seen:
                yield summary
                left = None if left is None else left - 1
                if left == 0:
                    return
        # Whatever has left the window does not come back, so it need not be remembered.
        seen = {summary.trace_id for summary in ended}


def _ended(store: "Store") -> list["TraceSummary"]:
    newest_first = store.traces(limit=WINDOW)
    return [summary for summary in reversed(list(newest_first)) if summary.status != "open"]

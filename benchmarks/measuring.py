"""How it is measured: CPU time, three handlers in turn, quiet windows compared.

CPU time instead of wall time, because the machine does other things too.  The caller's path is the CPU
time of all threads but the recorder's own: LangChain hands the branches of a parallel step to threads of
a pool, and what a handler costs there belongs to the caller as well.

Used by `run`.
"""

import gc
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from langchain_core.callbacks import BaseCallbackHandler
from workloads import Workload

OUR_THREADS: Final = "spanscope"
FLUSH_S: Final = 30.0


class EmptyHandler(BaseCallbackHandler):
    """The least that any handler costs: called inline, and none of its methods does anything.

    The methods of the base class do nothing already, except for this one, which refuses.
    """

    run_inline = True

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Measured:
    """One workload.  Times are µs of CPU, added by a handler to one span (or one token, see `per`)."""

    name: str
    per: str
    spans_per_run: float
    without_us: float
    """One run without any handler, all threads."""
    empty_us: float
    ours_us: float
    median_us: float
    """The same as `ours_us`, but the median of the differences within a round."""
    worker_us: float
    """The recorder's own threads, to the disk, per span."""
    bytes_per_span: float
    limit_us: float | None
    limit_ratio: float | None

    @property
    def ratio(self) -> float:
        """How many times the empty handler."""
        return self.ours_us / self.empty_us

    @property
    def whole_us(self) -> float | None:
        """Caller and worker together, per span; of a stream not given, for its tokens are the caller's."""
        return None if self.per == "token" else self.ours_us + self.worker_us

    @property
    def within(self) -> bool:
        """Whether the caller's path keeps its limit."""
        if self.limit_ratio is not None:
            return self.ratio <= self.limit_ratio
        return self.limit_us is None or self.ours_us <= self.limit_us


def measure(workload: Workload, store: Path, *, rounds: int) -> Measured:
    """Run the workload without a handler, with the empty one and with ours, in turn, `rounds` times.

    Then, a tenth as often, ten times as long windows with ours, flushed at their end: the recorder
    writes in batches, so what it costs cannot be seen in a short window.
    """
    from spanscope import ObsHandler

    handler = ObsHandler(store=str(store))
    empty = EmptyHandler()
    few, many = workload.runs, workload.runs * 10
    for handlers in ([], [empty], [handler]):  # caches, imports, tables
        workload.window(few, handlers)
    _flush(handler)
    spans_before, bytes_before = _contents_of(store)
    if not spans_before:
        raise RuntimeError(f"{workload.name}: the store got no span")

    gc.collect()
    gc.freeze()
    callers = []
    turns = [("none", []), ("empty", [empty]), ("ours", [handler])]
    for number in range(rounds):
        start = number % len(turns)
        callers.append(
            {name: _caller_ns(workload, few, given) for name, given in turns[start:] + turns[:start]}
        )
        _flush(handler)
    batches = [_recorder_ns(workload, many, handler) for _ in range(max(5, rounds // 10))]
    gc.unfreeze()

    spans, size = _contents_of(store)
    handler.runtime.shutdown()
    recorded = spans - spans_before
    spans_per_run = recorded / (rounds * few + len(batches) * many)
    units_ns = few * (workload.units or spans_per_run) * 1000
    quiet = {name: _quiet([one[name] for one in callers]) for name, _ in turns}
    return Measured(
        name=workload.name,
        per="token" if workload.units else "span",
        spans_per_run=spans_per_run,
        without_us=quiet["none"] / few / 1000,
        empty_us=(quiet["empty"] - quiet["none"]) / units_ns,
        ours_us=(quiet["ours"] - quiet["none"]) / units_ns,
        median_us=statistics.median((one["ours"] - one["none"]) / units_ns for one in callers),
        worker_us=_quiet(batches) / many / spans_per_run / 1000,
        bytes_per_span=(size - bytes_before) / recorded,
        limit_us=workload.limit_us,
        limit_ratio=workload.limit_ratio,
    )


def import_ms(*, runs: int = 9) -> float:
    """What `import spanscope` adds to starting Python, in ms of wall time; median."""
    started: dict[str, list[float]] = {"pass": [], "import spanscope": []}
    for _ in range(runs + 1):
        for code, took in started.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            took.append((time.perf_counter() - begun) * 1000)
    medians = [
        statistics.median(took[1:]) for took in started.values()
    ]  # the first compiles and fills caches
    return medians[1] - medians[0]


def recorder_cpu_ns() -> int:
    """CPU time that the recorder's own threads have used so far."""
    return sum(
        time.clock_gettime_ns(time.pthread_getcpuclockid(thread.ident))
        for thread in threading.enumerate()
        if thread.name.startswith(OUR_THREADS) and thread.ident is not None
    )


def _caller_ns(workload: Workload, runs: int, callbacks: list[Any]) -> int:
    """CPU of some runs in ns, without what the recorder's own threads used meanwhile."""
    with _no_collection():
        recorder, process = recorder_cpu_ns(), time.process_time_ns()
        workload.window(runs, callbacks)
        return time.process_time_ns() - process - (recorder_cpu_ns() - recorder)


def _recorder_ns(workload: Workload, runs: int, handler: Any) -> int:
    """CPU in ns that the recorder's own threads take until some runs are stored."""
    with _no_collection():
        begun = recorder_cpu_ns()
        workload.window(runs, [handler])
        _flush(handler)
        return recorder_cpu_ns() - begun


def _quiet(measured_ns: list[int]) -> float:
    """What a quarter of the windows stayed below.

    Neighbours on the machine only ever make a window longer, now and then by half; the quiet ones agree.
    """
    return statistics.quantiles(measured_ns, n=4)[0]


@contextmanager
def _no_collection() -> Iterator[None]:
    """Cycles are left lying meanwhile, for a collection would hit one handler or the other by chance."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _flush(handler: Any) -> None:
    if not handler.flush(timeout=FLUSH_S):
        raise RuntimeError(f"the store did not take everything within {FLUSH_S:g} s: see `spanscope doctor`")


def _contents_of(store: Path) -> tuple[int, int]:
    """Spans in the store, and its size in bytes once the write-ahead log is in the file."""
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (spans,) = connection.execute("SELECT count(*) FROM spans").fetchone()
    connection.close()
    return spans, store.stat().st_size

"""How it is measured: CPU time, three handlers in turn, differences within a round, medians.

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
from collections.abc import Callable
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
    spread_us: float
    """Distance between the quartiles of `ours_us` over the rounds."""
    whole_us: float
    """Caller, worker, redaction and store together, per span."""
    worker_us: float
    """The recorder's own threads, per span."""
    bytes_per_span: float
    limit_us: float | None
    limit_ratio: float | None

    @property
    def ratio(self) -> float:
        """How many times the empty handler."""
        return self.ours_us / self.empty_us

    @property
    def within(self) -> bool:
        """Whether the caller's path keeps its limit."""
        if self.limit_ratio is not None:
            return self.ratio <= self.limit_ratio
        return self.limit_us is None or self.ours_us <= self.limit_us


@dataclass(frozen=True, slots=True)
class Window:
    """CPU of one window in ns: the caller's until the last run ended, the recorder's until it has flushed."""

    caller_ns: int
    whole_ns: int
    worker_ns: int


def measure(workload: Workload, store: Path, *, rounds: int) -> Measured:
    """Run the workload without a handler, with the empty one and with ours, in turn, `rounds` times."""
    from spanscope import ObsHandler

    handler = ObsHandler(store=str(store))
    callbacks: dict[str, list[Any]] = {"none": [], "empty": [EmptyHandler()], "ours": [handler]}
    _window(workload, callbacks["none"], lambda: None)
    _window(workload, callbacks["empty"], lambda: None)
    _window(workload, callbacks["ours"], lambda: _flushed(handler))  # caches, imports, tables
    spans_before, bytes_before = _contents_of(store)
    if not spans_before:
        raise RuntimeError(f"{workload.name}: the store got no span")

    windows: dict[str, list[Window]] = {name: [] for name in callbacks}
    order = list(callbacks)
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        for name in order[number % 3 :] + order[: number % 3]:
            settle = (lambda: _flushed(handler)) if name == "ours" else (lambda: None)
            windows[name].append(_window(workload, callbacks[name], settle))
    gc.unfreeze()

    spans, size = _contents_of(store)
    recorded = spans - spans_before
    spans_per_run = recorded / (rounds * workload.runs)
    return Measured(
        name=workload.name,
        per="token" if workload.units else "span",
        spans_per_run=spans_per_run,
        **_added(windows, workload, spans_per_run),
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


def _window(workload: Workload, callbacks: list[Any], settle: Callable[[], None]) -> Window:
    # Cycles are left lying during a window, for a collection would hit one handler or the other by chance.
    gc.collect()
    gc.disable()
    try:
        recorder, process = recorder_cpu_ns(), time.process_time_ns()
        workload.window(workload.runs, callbacks)
        # A thread that was not there before has used all its time since.
        recorder_then, process_then = recorder_cpu_ns(), time.process_time_ns()
        settle()
        recorder_last, process_last = recorder_cpu_ns(), time.process_time_ns()
    finally:
        gc.enable()
    return Window(
        caller_ns=process_then - process - (recorder_then - recorder),
        whole_ns=process_last - process,
        worker_ns=recorder_last - recorder,
    )


def _added(windows: dict[str, list[Window]], workload: Workload, spans_per_run: float) -> dict[str, float]:
    spans = spans_per_run * workload.runs
    units = workload.runs * workload.units if workload.units else spans
    none, empty, ours = windows["none"], windows["empty"], windows["ours"]

    # Within a round, so that a machine that slows down takes all three along.
    def added(some: list[Window]) -> list[float]:
        return [
            (one.caller_ns - without.caller_ns) / units / 1000
            for one, without in zip(some, none, strict=True)
        ]

    quartiles = statistics.quantiles(added(ours), n=4)
    return {
        "without_us": statistics.median(one.caller_ns for one in none) / workload.runs / 1000,
        "empty_us": statistics.median(added(empty)),
        "ours_us": statistics.median(added(ours)),
        "spread_us": quartiles[2] - quartiles[0],
        "whole_us": statistics.median(
            (one.whole_ns - without.whole_ns) / spans / 1000 for one, without in zip(ours, none, strict=True)
        ),
        "worker_us": statistics.median(one.worker_ns for one in ours) / spans / 1000,
    }


def _flushed(handler: Any) -> None:
    if not handler.flush(timeout=FLUSH_S):
        raise RuntimeError(f"the store did not take everything within {FLUSH_S:g} s: see `spanscope doctor`")


def _contents_of(store: Path) -> tuple[int, int]:
    """Spans in the store, and its size in bytes once the write-ahead log is in the file."""
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (spans,) = connection.execute("SELECT count(*) FROM spans").fetchone()
    connection.close()
    return spans, store.stat().st_size

"""Count what went wrong with us, so that containing a fault never means hiding it.

`contained` is the only kind of place that may catch every exception: it keeps a fault of ours away
from the application, counts it under the name of its stage, and says so in the log at most once a
minute.  `doctor` prints the counters of the last run from the file that `save` leaves beside the store.
"""

import json
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger("spanscope")

LOG_EVERY_S = 60.0


class Health:
    """Counters of one runtime.  Cheap to raise from any thread; a lost race costs one count."""

    def __init__(self, *, strict: bool = False) -> None:
        self.strict = strict
        """Raise contained faults after counting them: on in our own tests."""
        self.counters: Counter[str] = Counter()
        """`spans_recorded`, `spans_dropped`, `unmatched_events`, `duplicate_events`, …"""
        self.faults: Counter[str] = Counter()
        """Contained exceptions, by stage."""
        self._last_said: dict[str, float] = {}

    def count(self, name: str, by: int = 1) -> None:
        self.counters[name] += by

    def fault(self, stage: str, error: BaseException) -> None:
        """Count a contained exception and say so, at most once a minute for each stage."""
        self.faults[stage] += 1
        # The type only: a message may quote the payload, and that was not redacted yet.
        self.say(stage, f"spanscope lost data in {stage} ({type(error).__name__}); the application goes on")

    def say(self, topic: str, message: str) -> None:
        """Log `message` at ERROR unless this topic was logged in the last minute."""
        now = time.monotonic()
        if now - self._last_said.get(topic, -LOG_EVERY_S) < LOG_EVERY_S:
            return
        self._last_said[topic] = now
        total = self.faults.get(topic) or self.counters.get(topic) or 1
        try:
            logger.error("%s [%d so far, see `spanscope doctor`]", message, total)
        except Exception:  # noqa: BLE001  a log handler of the application's; its fault must not become ours
            self.counters["log_lines_failed"] += 1

    def warn(self, message: str) -> None:
        """Log a mistake in the set-up that costs nothing but should be mended."""
        logger.warning("%s", message)

    def snapshot(self) -> dict[str, Any]:
        """Plain counts, ready for JSON."""
        return {"counters": dict(self.counters), "faults": dict(self.faults)}


@contextmanager
def contained(stage: str, health: Health) -> Iterator[None]:
    """Keep a fault of ours away from the application: log it, count it, go on."""
    try:
        yield
    except BaseException as fault:  # a CancelledError out of a backend as well: nobody cancels us
        stops = isinstance(fault, KeyboardInterrupt | SystemExit | GeneratorExit)
        if stops and threading.current_thread() is threading.main_thread():
            raise
        # On the worker it stops nobody but the worker, and who waits for that would not know.
        health.fault(stage, fault)
        if health.strict:
            raise


def save(path: Path, health: Health, *, facts: Mapping[str, Any]) -> None:
    """Write the counters where `doctor` finds them; replaced in one step, mode 0600."""
    record = {"saved_at": time.time(), "pid": os.getpid(), **facts, **health.snapshot()}
    partial = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(record, indent=2))
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise


def load(path: Path) -> dict[str, Any] | None:
    """The counters of the last run beside this store, or None when there was none."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None

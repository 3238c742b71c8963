"""From drafts to sinks, in batches, on the worker thread.

Every draft passes the seal (the one choke point) and then goes to each backend.  A backend that
raises loses its batch, is counted, and does not stop the others.

Fed by `runtime`'s worker; feeds `backends`.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from spanscope.drafts import Draft
from spanscope.health import Health, contained
from spanscope.protocols import Backend
from spanscope.spans import Span

BATCH = 500


class Pipeline:
    """Seals drafts and hands the spans to the backends."""

    def __init__(self, seal: Callable[[Draft], Span], backends: Sequence[Backend], health: Health) -> None:
        self._seal = seal
        self._backends = tuple(backends)
        self._health = health
        self._lost_some = False
        self.working = threading.RLock()
        """Held while a draft is sealed or a backend writes, so that a fork can come in between."""
        self.fork_waits = False

    def add(self, backend: Backend) -> None:
        """Put one more sink before the others.  On the worker thread, or before anything is sent."""
        self._backends = (backend, *self._backends)

    def send(self, drafts: Iterable[Draft]) -> int:
        """Seal and export; gives the number of spans."""
        source, sent = iter(drafts), 0
        while batch := self._take(source):
            sent += len(batch)
            once = [span for span in batch if span.status != "open" and not span.amended]
            for backend in self._backends:
                whole = getattr(backend, "accepts_updates", False)
                self._export(backend, batch if whole else once)
        return sent

    def _take(self, source: Iterator[Draft]) -> list[Span]:
        """The next batch, sealed.  A source that fails ends the batch, and takes nothing else along."""
        batch: list[Span] = []
        with contained("assemble", self._health):
            for draft in islice(source, BATCH):
                if self.fork_waits:
                    time.sleep(0.005)  # or else we would have the lock again before the other is awake
                with self.working:
                    batch.append(self._seal(draft))
        return batch

    def _export(self, backend: Backend, spans: Sequence[Span]) -> None:
        if not spans:
            return
        taken = False
        with self.working, contained(f"export.{type(backend).__name__}", self._health):
            backend.export(spans)
            taken = True
        if taken:
            return
        self._lost_some = True
        self._health.count("batches_lost")
        self._health.count("spans_lost", len(spans))

    def flush(self, timeout_s: float) -> bool:
        """True when each backend has acknowledged all it was given since the last flush."""
        deadline, done = time.monotonic() + timeout_s, not self._lost_some
        self._lost_some = False
        for backend in self._backends:
            acknowledged = False
            with contained(f"flush.{type(backend).__name__}", self._health):
                acknowledged = bool(backend.flush(max(0.0, deadline - time.monotonic())))
            done = done and acknowledged
        return done

    def after_fork_in_child(self) -> None:
        """The thread of the parent that may have held it is not here."""
        self.working, self.fork_waits = threading.RLock(), False

    def shutdown(self) -> None:
        for backend in self._backends:
            with contained(f"shutdown.{type(backend).__name__}", self._health):
                backend.shutdown()

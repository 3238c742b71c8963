"""The one daemon thread of the process, which does everything that is not for the caller's thread.

It sleeps while nothing is recorded.  Once woken it lets events gather for a moment and then serves
every runtime in turn, for waking it at each span costs the application five times as much.

Used by `runtime`; knows of its clients only that they can be served.
"""

import os
import threading
from collections.abc import Callable
from typing import Final, Protocol

GATHER_S: Final = 0.2


class Client(Protocol):
    """What the worker serves."""

    def serve(self) -> bool:
        """Do what there is to do; true while there is more to come (open runs, a queue)."""


class Ticket:
    """Work that somebody waits for, and its answer."""

    def __init__(self, work: Callable[[float], bool], timeout_s: float) -> None:
        self.work = work
        self.timeout_s = timeout_s
        self.done = threading.Event()
        self.acknowledged = False


class Worker:
    """Starts its thread with the first event, never more than one; a fork gets its own."""

    def __init__(self) -> None:
        self._fresh()

    def _fresh(self) -> None:
        self.clients: list[Client] = []
        self._tickets: list[Ticket] = []
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Called where a trace begins: cheap when the thread is already awake."""
        if self._thread is None or not self._thread.is_alive():
            self._start()
        if not self._wake.is_set():
            self._wake.set()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None or not self._thread.is_alive():
                thread = threading.Thread(target=self._run, name="spanscope", daemon=True)
                thread.start()
                self._thread = thread

    def ask(self, work: Callable[[float], bool], timeout_s: float) -> bool:
        """Have the worker do this now (a flush, say) and wait for its answer, at most `timeout_s`."""
        if threading.current_thread() is self._thread:
            return False  # A backend that logs into itself must not wait for itself.
        ticket = Ticket(work, timeout_s)
        self._tickets.append(ticket)
        self.wake()
        self._hurry.set()
        ticket.done.wait(timeout_s)
        return ticket.acknowledged

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._hurry.wait(GATHER_S)
            self._hurry.clear()
            # Cleared before the look, so that whatever begins during it wakes us again.
            self._wake.clear()
            busy = [client.serve() for client in list(self.clients)]
            while self._tickets:
                ticket = self._tickets.pop(0)
                try:
                    ticket.acknowledged = ticket.work(ticket.timeout_s)
                finally:
                    ticket.done.set()
            if any(busy):
                self._wake.set()

    def after_fork_in_child(self) -> None:
        clients = self.clients
        self._fresh()
        self.clients = clients


worker: Final = Worker()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=worker.after_fork_in_child)

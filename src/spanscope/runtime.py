"""The stages joined in the order the data flows; read it as the diagram.

    hook (caller's thread) -> log
    log -> recorder -> queue -> assembler -> signals -> pricing -> seal -> pipeline -> backends

Handlers with the same store and sinks share one runtime, so that two of them see one tree, and all
runtimes of a process share one worker thread.
"""

import atexit
import os
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from spanscope import health as health_module
from spanscope.assembler import Assembler
from spanscope.backends import build
from spanscope.config import Settings
from spanscope.drafts import Draft
from spanscope.exceptions import ConfigError, SpanscopeError
from spanscope.health import Health, contained
from spanscope.pipeline import Pipeline
from spanscope.pricing.stage import PricingStage
from spanscope.protocols import Backend
from spanscope.recorder import Recorder
from spanscope.redaction import Seal, load_key, redactor_from
from spanscope.signals import SignalsStage
from spanscope.spans import Span
from spanscope.worker import worker

if TYPE_CHECKING:
    from spanscope.backends.sql import SqlBackend

EXIT_FLUSH_S: Final = 5.0
FORK_WAITS_S: Final = 1.0
SWEEP_S: Final = 0.5
SAVE_HEALTH_S: Final = 10.0
_NOTICES_A_TURN: Final = 20_000

_runtimes: dict[tuple[Any, ...], "Runtime"] = {}
_making = threading.Lock()
_held: list[Any] = []
"""Locks that the thread which forks has taken."""


def runtime_for(settings: Settings) -> "Runtime":
    """The runtime for these settings: an existing one, or a new one (errors of set-up speak here)."""
    with _making:
        runtime = _runtimes.get(settings.key)
        if runtime is None or runtime.closed:
            runtime = _runtimes[settings.key] = Runtime(settings)
        if "vault" in settings.content.values():
            runtime.open_vault()
        return runtime


def runtimes() -> list["Runtime"]:
    """All runtimes of this process that were not shut down."""
    return list(_runtimes.values())


def flush(timeout: float = 5.0) -> bool:
    """Push out what every handler of this process has recorded.

    True only when each backend has acknowledged within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    living = [runtime for runtime in runtimes() if not runtime.closed]
    answers = [runtime.flush(max(0.0, deadline - time.monotonic())) for runtime in living]
    return all(answers)


class Runtime:
    """One recorder, one assembler, one pipeline.  Made at set-up, lives as long as the process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.health = Health()
        self.closed = False
        redactor = redactor_from(settings.redaction)
        backends = build(settings.backends, health=self.health)
        folder: Path | None = None
        self._where = "no store"
        if settings.store is not False:
            store, folder, self._where = _store(settings.store)
            backends.insert(0, store)
            store.record_sinks(_sinks(settings.backends))
        self._folder = folder
        self._backends: list[Backend] = backends
        names = load_key(folder, key=settings.secret)
        redactor = redactor.bound(names, on_fault=lambda fault: self.health.fault("redaction", fault))
        self._redaction = "on" if redactor.enabled else "off"
        self.recorder = Recorder(self.health, wake=worker.wake)
        self.assembler = Assembler(self.recorder)
        self._signals = SignalsStage(self.health)
        self._pricing = PricingStage(self.health)
        self._seal = Seal(redactor, names, self.health)
        self.pipeline = Pipeline(self._finish, backends, self.health)
        self._no_vault = False
        self._next_sweep = self._next_save = 0.0
        worker.clients.append(self)

    def _finish(self, draft: Draft) -> Span:
        """From raw to what may leave the process."""
        if draft.content == "vault" and self._seal.vault is None and not self._no_vault:
            # A call has asked for it, of which no handler knew at set-up.
            self._no_vault = True
            with contained("vault", self.health):
                self.open_vault()
        return self._seal.seal(self._pricing.price(self._signals.note(draft)))

    def open_vault(self) -> None:
        """From now on raw texts can be kept.  Raises VaultError, ConfigError or MissingExtra."""
        if self._seal.vault is not None:
            return
        from spanscope.backends.vault import VaultBackend
        from spanscope.redaction.vault import Vault, vault_file

        path = vault_file(self._folder)
        if path is None:
            raise ConfigError(
                "content='vault' needs a store in a file, or a place for the vault in SPANSCOPE_VAULT"
            )
        vault = Vault(
            path,
            keep_for=timedelta(days=self.settings.vault_days),
            count=self.health.count,
            fault=self.health.fault,
        )
        backend = VaultBackend(vault)
        self._backends.insert(0, backend)
        self.pipeline.add(backend)
        self._seal.vault = vault

    def serve(self) -> bool:
        """One turn of the worker; true while runs are open or the queue holds more."""
        with contained("worker", self.health):
            self.pipeline.send(self.assembler.drain(_NOTICES_A_TURN))
            now = time.monotonic()
            if now >= self._next_sweep:
                self._next_sweep = now + SWEEP_S
                self.pipeline.send(self.assembler.sweep())
            if now >= self._next_save:
                self._next_save = now + SAVE_HEALTH_S
                self._save_health()
        return bool(self.assembler.open) or not self.recorder.rest()

    def _flush_now(self, timeout_s: float) -> bool:
        """Everything noted before this goes out; runs that are open are written as such."""
        done = False
        with contained("worker", self.health):
            self._drain()
            self.pipeline.send(self.assembler.sweep(everything=True))
            done = self.pipeline.flush(timeout_s)
            self._save_health()
        return done

    def flush(self, timeout_s: float) -> bool:
        """From any thread: true when all backends have acknowledged in time."""
        return worker.ask(self._flush_now, timeout_s)

    def shutdown(self, timeout_s: float = EXIT_FLUSH_S) -> bool:
        """Write what is open as abandoned, flush, and release files and sockets."""
        if self.closed:
            return True
        self.closed = True
        done = worker.ask(self._close_now, timeout_s)
        if self in worker.clients:
            worker.clients.remove(self)
        with _making:
            if _runtimes.get(self.settings.key) is self:
                del _runtimes[self.settings.key]
        return done

    def _close_now(self, timeout_s: float) -> bool:
        """The last flush: what is open is written as abandoned, then the backends are shut down."""
        done = False
        self.recorder.close()
        with contained("worker", self.health):
            self._drain()
            self.pipeline.send(self.assembler.sweep())
            self.pipeline.send(self.assembler.close())
            done = self.pipeline.flush(timeout_s)
        self.recorder.reset()
        self.assembler.reset()
        self._save_health()
        self.pipeline.shutdown()
        return done

    def after_fork_in_child(self) -> None:
        self.recorder.after_fork_in_child()
        self.assembler.reset()
        self.pipeline.after_fork_in_child()
        for backend in self._backends:
            if callable(reset := getattr(backend, "reset_after_fork", None)):
                with contained("fork", self.health):
                    reset()

    def _drain(self) -> None:
        """Work off all that was noted until now."""
        while self.recorder.log or self.recorder.queue:
            self.pipeline.send(self.assembler.drain(_NOTICES_A_TURN))

    def _save_health(self) -> None:
        if self._folder is None:
            return
        with contained("health", self.health):
            facts = {
                "store": self._where,
                "open_spans": len(self.assembler.open),
                "redaction": self._redaction,
            }
            health_module.save(self._folder / "health.json", self.health, facts=facts)


def _sinks(backends: Sequence[Any]) -> list[str]:
    """Names of what outlives the process, for an erasure to tell."""
    names = [one if isinstance(one, str) else type(one).__name__ for one in backends]
    return [name for name in names if name not in ("memory", "MemoryBackend")]


def _store(place: str) -> tuple["SqlBackend", Path | None, str]:
    from spanscope.backends.sql import SqlBackend

    store = SqlBackend(place)
    return store, store.path.parent if store.path is not None else None, store.where


def _before_fork() -> None:
    """Let the worker come to the end of what it is doing, be it one draft or one transaction.

    The child would inherit the locks of SQLite and of RE2 in it, which nobody there would ever release.
    """
    deadline = time.monotonic() + FORK_WAITS_S
    for runtime in runtimes():
        # The child forgets what is noted, but not which trace it was forked in.
        runtime.recorder.catch_up()
        pipeline = runtime.pipeline
        pipeline.fork_waits = True
        if pipeline.working.acquire(timeout=max(0.0, deadline - time.monotonic())):
            _held.append(pipeline.working)


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop().release()
    for runtime in runtimes():
        runtime.pipeline.fork_waits = False


def _after_fork() -> None:
    global _making  # noqa: PLW0603  another thread of the parent may have held it
    _held.clear()
    _making = threading.Lock()
    for runtime in runtimes():
        runtime.after_fork_in_child()
    # A child of `multiprocessing` ends without the interpreter's exit hooks, and drops those it inherited.
    multiprocessing = sys.modules.get("multiprocessing.util")
    if multiprocessing is not None:
        multiprocessing.register_after_fork(worker, lambda _: _at_end_of_child(multiprocessing))


def _at_end_of_child(multiprocessing: Any) -> None:
    multiprocessing.Finalize(None, _at_exit, exitpriority=0)


def _at_exit() -> None:
    """Give what is still in memory a chance, and never hold up the exit for longer than that."""
    deadline = time.monotonic() + EXIT_FLUSH_S
    for runtime in runtimes():
        try:
            runtime.shutdown(max(0.0, deadline - time.monotonic()))
        except SpanscopeError as fault:
            runtime.health.fault("exit", fault)


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork
    )

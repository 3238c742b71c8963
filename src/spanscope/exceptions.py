"""Mistakes of the user, each said with its remedy.

They are raised at set-up or by a query, never from a callback: what goes wrong while an application
runs is contained and counted (see `health`).
"""

from collections.abc import Iterable


class SpanscopeError(Exception):
    """Base of every error that spanscope raises on purpose."""


class MissingExtra(SpanscopeError):
    """A backend or handler was asked for, and its package is not installed."""

    def __init__(self, name: str, extra: str) -> None:
        super().__init__(f"{name} needs a package that is not here: pip install 'spanscope[{extra}]'")


class ConfigError(SpanscopeError):
    """A setting is unknown, malformed or contradicts another one."""


class StoreError(SpanscopeError):
    """The store cannot be opened or written; the message names the file and the remedy."""


class TraceNotFound(SpanscopeError, LookupError):
    """No trace has this id, or several begin with it; `nearest` are the ids that look most like it."""

    def __init__(
        self, trace_id: str, *, where: str, nearest: Iterable[str] = (), ambiguous: bool = False
    ) -> None:
        self.trace_id = trace_id
        self.nearest = tuple(nearest)
        ids = ", ".join(self.nearest)
        if ambiguous:
            super().__init__(f"{trace_id!r} begins several traces in {where}: {ids}; write more of it")
            return
        hint = f"the nearest are {ids}" if ids else "it holds no traces yet"
        super().__init__(f"no trace {trace_id!r} in {where}; {hint} (a trace is there after handler.flush())")


class VaultError(SpanscopeError):
    """The vault cannot be opened, or will not be: the message says what is missing."""

"""One thread at a time, and nobody waits for one that stands still.

Whoever has the turn runs code of the application's now and then: a log handler, a finaliser, the handler of
a signal.  That may ask for the turn again, wait for another thread that asks for it, or raise between any two
steps; none of it may hold up the others for ever.

Used by `recorder`.
"""

import threading
from collections.abc import Callable
from typing import Any, Final

_WAITS_S: Final = 0.1
_STANDS_STILL: Final = 5
"""After so many waits without a step nobody waits on; one alone may be a machine that is busy."""


class Turns:
    """Hands out the turn."""

    def __init__(self) -> None:
        self._lock: Any = threading.RLock()
        self.steps = 0
        """Raised by who has the turn, as often as it gets on."""

    def mine(self) -> bool:
        """Whether this thread has it."""
        return bool(self._lock._is_owned())

    def take(self, work: Callable[..., object], *given: Any, wait: bool = True) -> bool:
        """Call `work` when no other thread has the turn; false, without calling it, where one stands still.

        Without `wait` no other is waited for, be it standing or not.
        """
        lock = self._lock
        if lock._is_owned():
            work(*given)
            return True
        try:
            if not self._taken(wait):
                return False
            work(*given)
        except BaseException:
            # Out of a signal's handler perhaps, right behind the taking: to ask is the only way to know.
            if lock._is_owned():
                lock.release()
            raise
        lock.release()
        return True

    def _taken(self, wait: bool) -> bool:
        if not wait:
            return bool(self._lock.acquire(blocking=False))
        steps, idle = self.steps, 0
        while idle < _STANDS_STILL:
            if self._lock.acquire(timeout=_WAITS_S):
                return True
            idle = idle + 1 if steps == self.steps else 0
            steps = self.steps
        return False

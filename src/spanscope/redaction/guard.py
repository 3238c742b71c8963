"""The boundary of redaction: a value that cannot be read is lost alone, and counted.

Used by `seal` and `attributes`.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from spanscope.health import Health

STAGE: Final = "redaction"
WITHHELD: Final = "[withheld: redaction failed]"

T = TypeVar("T")


class Guard:
    """Reads values that may raise."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def __call__(self, read: Callable[[Any], T], value: Any, otherwise: T) -> T:
        """What `read` makes of the value, or `otherwise`."""
        try:
            return read(value)
        except Exception as fault:  # noqa: BLE001  the boundary of `redaction`: this value alone is lost
            self._health.fault(STAGE, fault)
            return otherwise

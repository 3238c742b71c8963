"""Points in time as people write them: `30m` ago, a date, a date with a time.

Used by `filters`, and by the commands for their options.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from spanscope.exceptions import ConfigError

Moment = datetime | date | str
"""A time, a day (its first moment), or text: `30m`, `12h`, `7d` ago, or an ISO date with or without time."""

_EXAMPLES: Final = "30m, 12h, 7d, 2026-01-31 or 2026-01-31T14:00"
_AGO: Final = re.compile(r"(\d{1,9})\s*([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment(given: Moment, *, name: str, now: datetime | None = None) -> datetime:
    """The time that was meant, in UTC; local where it does not say its zone.

    Raises ConfigError, which names the option or argument `name`, when it is none.
    """
    match given:
        case datetime():
            return given.astimezone(UTC)
        case date():
            return datetime(given.year, given.month, given.day).astimezone(UTC)
        case str():
            return _read(given.strip(), name, now or datetime.now(UTC))
        case _:
            raise ConfigError(f"{name} takes a datetime or text ({_EXAMPLES}), not {type(given).__name__}")


def _read(text: str, name: str, now: datetime) -> datetime:
    try:
        if ago := _AGO.fullmatch(text):
            return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ConfigError(f"{name} {text!r} is no time: write {_EXAMPLES}") from None

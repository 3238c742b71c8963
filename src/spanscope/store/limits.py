"""How long what is kept: the tiers of `Store.prune`, with their defaults.

Used by `queries`, `retention` and the command.
"""

from dataclasses import dataclass
from typing import Final

from spanscope import semconv
from spanscope.exceptions import ConfigError

CONTENT_DAYS: Final = 7.0
SPANS_DAYS: Final = 90.0
DAILY_DAYS: Final = 730.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long what is kept, in days (None: for ever), and of which traces; all conditions must hold."""

    content_days: float | None = CONTENT_DAYS
    spans_days: float | None = SPANS_DAYS
    daily_days: float | None = DAILY_DAYS
    status: str | None = None
    tag: str | None = None
    environment: str | None = None
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        for name in ("content_days", "spans_days", "daily_days", "max_bytes"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigError(f"{name} is {value}: give 0 or more, or None to keep for ever")
        if self.status is not None and self.status not in semconv.STATUSES:
            raise ConfigError(
                f"unknown status {self.status!r}: known are {', '.join(sorted(semconv.STATUSES))}"
            )

    @property
    def of_all_traces(self) -> bool:
        return self.status is None and self.tag is None and self.environment is None

    @property
    def conditions(self) -> list[str]:
        """In words and without values, which may be personal."""
        ages = [
            f"{name} {value:g}"
            for name in ("content_days", "spans_days", "daily_days", "max_bytes")
            if (value := getattr(self, name)) is not None
        ]
        return ages + [name for name in ("status", "tag", "environment") if getattr(self, name) is not None]

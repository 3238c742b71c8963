"""Settings of one runtime: what the user gave, then SPANSCOPE_* variables, then defaults.

Checked when a handler is made, so that a mistake speaks at once.  Handlers with equal settings share
a runtime, and with it the worker thread, the store and the sinks.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from spanscope.exceptions import ConfigError
from spanscope.semconv import CONTENT_POLICIES

DEFAULT_CONTENT: Final = "preview"
StoreSetting = str | os.PathLike[str] | None | Literal[False]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`store` is a path or URL, or False for none; `backends` are names or objects."""

    store: str | Literal[False]
    backends: tuple[Any, ...] = ()
    content: str = DEFAULT_CONTENT
    pricing: Any = None
    """A `pricing.Pricing`; None for prices as the environment says."""

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for settings that can share a runtime."""
        return (self.store, *(b if isinstance(b, str) else id(b) for b in self.backends))


def settings_from(
    store: StoreSetting, backends: Sequence[Any] | Any, content: str | None, pricing: Any = None
) -> Settings:
    """The settings that these arguments and the environment say.  Raises `ConfigError`."""
    content = content or os.environ.get("SPANSCOPE_CONTENT") or DEFAULT_CONTENT
    if content not in CONTENT_POLICIES:
        raise ConfigError(f"unknown content policy {content!r}: known are {', '.join(CONTENT_POLICIES)}")
    if content == "vault":
        raise ConfigError("content='vault' is not built yet: use 'redacted' to keep whole, redacted texts")
    if isinstance(store, bool) and store:
        raise ConfigError("store=True says nothing: give a path or URL, None for the default, False for none")
    if isinstance(backends, str) or not isinstance(backends, Sequence):
        backends = (backends,)
    if store is False and not backends:
        raise ConfigError("store=False and no backends: nothing would be recorded; name a store or a backend")
    if store is None:
        store = os.environ.get("SPANSCOPE_STORE") or ".spanscope/spans.db"
    place: str | Literal[False] = False if store is False else os.fspath(store)
    if place and "://" not in place:
        # Absolute: the application may change its working directory afterwards.
        place = os.path.abspath(os.path.expanduser(place))  # noqa: PTH100, PTH111  keeps URLs of sqlite: as text
    return Settings(store=place, backends=tuple(backends), content=content, pricing=pricing)

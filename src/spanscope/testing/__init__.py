"""Small working fakes, for our tests and for yours.

A clock that moves when it is told to, a sink that keeps what it is given, chat models and embeddings
that follow a script: enough to record real traces of real chains without a network or a key.

    from spanscope.testing import MemoryBackend, ScriptedChatModel

    model = ScriptedChatModel(replies=["30 days.", ProviderError("busy", status_code=429)])

The scripted models need `spanscope[langchain]` and are imported when first asked for; the clock and
the sink need nothing.
"""

import importlib
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from spanscope.exceptions import MissingExtra

if TYPE_CHECKING:
    from spanscope.backends.memory import MemoryBackend
    from spanscope.testing.canary import Canary
    from spanscope.testing.models import (
        BrokenStream,
        Reply,
        ScriptedChatModel,
        ScriptedEmbeddings,
        ScriptedLLM,
    )

__all__ = [
    "BrokenStream",
    "Canary",
    "FakeClock",
    "MemoryBackend",
    "ProviderError",
    "Reply",
    "ScriptedChatModel",
    "ScriptedEmbeddings",
    "ScriptedLLM",
    "run_ids",
]

NEW_YEAR_2026_NS = 1_767_225_600_000_000_000

_MODELS = "spanscope.testing.models"
_WHERE = {
    "Canary": "spanscope.testing.canary",
    "MemoryBackend": "spanscope.backends.memory",
    "BrokenStream": _MODELS,
    "Reply": _MODELS,
    "ScriptedChatModel": _MODELS,
    "ScriptedEmbeddings": _MODELS,
    "ScriptedLLM": _MODELS,
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_WHERE[name]), name)
    except ModuleNotFoundError as missing:
        if missing.name is None or missing.name.partition(".")[0] != "langchain_core":
            raise
        raise MissingExtra(f"spanscope.testing.{name}", "langchain") from None


class FakeClock:
    """A `Clock` that stands still until `advance` is called.

    Starts at the new year of 2026 (UTC) unless told otherwise; the monotonic zero is arbitrary.
    """

    def __init__(
        self, *, wall_ns: int = 1_767_225_600_000_000_000, monotonic_ns: int = 1_000_000_000
    ) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def wall_ns(self) -> int:
        return self._wall_ns

    def advance(self, *, s: float = 0.0, ms: float = 0.0, ns: int = 0) -> None:
        """Move both clocks on by the sum of what is given.  Time never goes back: negative is an error."""
        step = round(s * 1_000_000_000 + ms * 1_000_000) + ns
        if step < 0:
            raise ValueError(f"a clock does not run backwards: asked to advance by {step} ns")
        self._monotonic_ns += step
        self._wall_ns += step

    def jump(self, *, s: float) -> None:
        """Set the wall clock forward or back, as NTP or a suspended laptop does; durations are unmoved."""
        self._wall_ns += round(s * 1_000_000_000)


class ProviderError(Exception):
    """What a provider's SDK raises: a message and an HTTP status."""

    def __init__(self, message: str, *, status_code: int) -> None:
        super().__init__(message)
        self.status_code = status_code


def run_ids(start: int = 1) -> Iterator[uuid.UUID]:
    """Run ids as frameworks make them (UUID version 4), but the same ones in every test run."""
    number = start
    while True:
        yield uuid.UUID(int=number, version=4)
        number += 1

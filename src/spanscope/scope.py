"""Who and what a run belongs to: session, user, environment, prompt version, tags.

The same facts may come from a handler's constructor, from a run's metadata or from a
`with context(...)` block.  A `Scope` holds one such set; where several speak, the nearest to the run
wins: its metadata, then the block, then the constructor.

Read on the caller's thread by `recorder`, merged on the worker by `assembler`.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from spanscope.config import ContentSetting, content_rules
from spanscope.exceptions import ConfigError

_FACTS: Final = (
    *("session_id", "user_id", "environment", "service", "release"),
    *("prompt_name", "prompt_version"),
)
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


class Trace(Protocol):
    """A trace that has begun, be its id known yet or not."""

    def asked(self) -> str | None: ...


@dataclass(slots=True, kw_only=True)
class Scope:
    """One set of facts about the runs inside it."""

    session_id: str | None = None
    user_id: str | None = None
    environment: str | None = None
    service: str | None = None
    release: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    traceparent: str | None = None
    content: Mapping[str, str] = field(default_factory=dict)
    trace: "Trace | None" = field(default=None, init=False, repr=False, compare=False)
    facts: dict[str, str] = field(init=False)
    """Those of the first seven that were given, by name."""

    def __post_init__(self) -> None:
        self.facts = {name: value for name in _FACTS if (value := getattr(self, name)) is not None}

    @property
    def trace_id(self) -> str | None:
        """The id of the last trace begun here; None before the first."""
        return self.trace.asked() if self.trace is not None else None


_current: ContextVar[Scope | None] = ContextVar("spanscope_scope", default=None)
current_scope: Final = _current.get


@contextmanager
def context(
    *,
    session_id: str | None = None,
    user_id: str | None = None,
    environment: str | None = None,
    service: str | None = None,
    release: str | None = None,
    prompt_name: str | None = None,
    prompt_version: str | None = None,
    tags: tuple[str, ...] | list[str] = (),
    metadata: Mapping[str, Any] | None = None,
    traceparent: str | None = None,
    content: ContentSetting = None,
) -> Iterator[Scope]:
    """Say for all runs inside the block whose they are; an inner block adds to the outer one.

    `content` is how much text is kept, as for a handler, before whose word it goes.
    `traceparent` is a W3C header from the caller's request: traces begun in the block continue it.
    Yields a `Scope` whose `trace_id` is, afterwards, that of the last trace begun inside.

    Raises `ConfigError` when `traceparent` is no W3C traceparent, `content` no policy, or tags and metadata
    are malformed.
    """
    if traceparent is not None and parse_traceparent(traceparent) is None:
        raise ConfigError(f"not a W3C traceparent: {traceparent!r}; it looks like 00-<32 hex>-<16 hex>-01")
    check_labels(tags, metadata)
    outer = _current.get() or Scope()
    inner = Scope(
        session_id=session_id or outer.session_id,
        user_id=user_id or outer.user_id,
        environment=environment or outer.environment,
        service=service or outer.service,
        release=release or outer.release,
        prompt_name=prompt_name or outer.prompt_name,
        prompt_version=prompt_version or outer.prompt_version,
        tags=(*outer.tags, *tags),
        metadata={**outer.metadata, **(metadata or {})},
        traceparent=traceparent or outer.traceparent,
        content={**outer.content, **content_rules(content)},
    )
    token = _current.set(inner)
    try:
        yield inner
    finally:
        try:
            _current.reset(token)
        except ValueError:
            # A generator was closed in another context than it was opened in, which has a block of its own.
            if _current.get() is inner:
                _current.set(None)


def check_labels(tags: object, metadata: object) -> None:
    """Raise `ConfigError` for tags that are one string, and for metadata that is no mapping."""
    if isinstance(tags, str):
        raise ConfigError(f"tags={tags!r} is one string: give a list, tags=[{tags!r}]")
    if metadata is not None and not isinstance(metadata, Mapping):
        raise ConfigError(f"metadata is a mapping of names to values, not {type(metadata).__name__}")


def parse_traceparent(header: str) -> tuple[str, str] | None:
    """Trace id and parent span id of a W3C traceparent; None when it is malformed or all zeros."""
    match = _TRACEPARENT.fullmatch(header.strip().lower())
    if match is None or not int(match[1], 16) or not int(match[2], 16) or header.startswith("ff"):
        return None
    return match[1], match[2]

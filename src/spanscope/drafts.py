"""What the worker thread works on: a span whose raw content has not passed the redactor yet.

A handler's payload module fills a draft, the later stages add to it, and `redaction.seal` turns it
into a `Span`.  Drafts never leave the worker thread, and no backend sees one.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Message(NamedTuple):
    """Raw text with its role: never stored, never logged."""

    role: str
    text: str


@dataclass(slots=True, kw_only=True)
class Draft:
    """A span in the making.  `facts` are fields of `Span` by name, still to be redacted."""

    trace_id: str
    span_id: str
    start_ns: int
    status: str
    facts: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[Message] = field(default_factory=list)
    outputs: list[Message] = field(default_factory=list)
    error: BaseException | None = None
    content: str = "preview"
    """The content policy that applies to this span."""
    pricing: Any = None
    """The prices that apply to it, as its handler was told."""

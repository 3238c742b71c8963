"""Which of a trace's calls were attempts at the same thing, and what was tried after each.

LangChain's `with_retry` tags all attempts but the first; its fallbacks and the middleware of agents tag
none.  Only beside one another can they be told: same parent, same question, one after the other has
failed.  So this is found when a trace is read, and nothing of it is stored.

Reads spans; used by `trace`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from spanscope.semconv import ATTEMPT, HTTP_STATUS_CODE
from spanscope.spans import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One of several spans that tried the same thing, in order."""

    span: Span
    number: int
    """From 1."""
    of: int
    """How many attempts there were."""
    next: Span | None
    """What was tried after it had failed; None for the last."""
    then: Literal["retry", "fallback"] | None
    """Whether that was the same model again, or another."""
    waited_ms: float | None
    """From its end to the start of the next: back-off, mostly."""

    @property
    def error_type(self) -> str | None:
        return self.span.error_type

    @property
    def http_status(self) -> int | None:
        found = self.span.attributes.get(HTTP_STATUS_CODE)
        return found if isinstance(found, int) else None


def attempts_among(siblings: Iterable[Span]) -> tuple[tuple[Attempt, ...], ...]:
    """The groups of attempts among the children of one span; what was tried once is in none."""
    groups: list[list[Span]] = []
    for span in sorted(siblings, key=lambda one: one.start_ns):
        group = next((group for group in reversed(groups) if _follows(span, group[-1])), None)
        if group is None:
            groups.append([span])
        else:
            group.append(span)
    return tuple(tuple(_attempts(group)) for group in groups if len(group) > 1)


def _follows(span: Span, before: Span) -> bool:
    """Whether this tries again what failed before."""
    if span.kind != before.kind or before.status != "error" or before.end_ns is None:
        return False
    if span.start_ns < before.end_ns:
        return False
    if isinstance(number := span.attributes.get(ATTEMPT), int):
        return span.name == before.name and number == (before.attributes.get(ATTEMPT) or 1) + 1
    return (
        span.kind == "llm" and span.messages_hash is not None and span.messages_hash == before.messages_hash
    )


def _attempts(group: Sequence[Span]) -> Iterable[Attempt]:
    for number, span in enumerate(group, start=1):
        after = group[number] if number < len(group) else None
        yield Attempt(
            span=span,
            number=number,
            of=len(group),
            next=after,
            then=None if after is None else "retry" if _asks_the_same(span, after) else "fallback",
            waited_ms=None
            if after is None or span.end_ns is None
            else (after.start_ns - span.end_ns) / 1_000_000,
        )


def _asks_the_same(span: Span, after: Span) -> bool:
    return (span.name, span.provider, span.request_model) == (after.name, after.provider, after.request_model)

"""One trace as it is read back: a tree of finished spans, and what they add up to.

The read side starts here; it knows nothing of recorders, queues or sinks.  A tree is rebuilt from
ids alone, so spans may come in any order; a span whose parent was never stored hangs below the root
and is listed in `strays`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from spanscope.attempts import Attempt, attempts_among
from spanscope.semconv import MODEL_KINDS, Status
from spanscope.spans import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over the leaves: a model call made by another model call counts once.

    A sum is None when no call reported the figure; `calls_without_usage` says how many did not, and
    the sums then are lower bounds.
    """

    spans: int
    errors: int
    llm_calls: int
    tool_calls: int
    calls_without_usage: int
    calls_without_cost: int
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None
    cost_usd: Decimal | None


@dataclass(frozen=True)
class Trace:
    """All spans of one trace, oldest first."""

    trace_id: str
    spans: tuple[Span, ...]
    resumed_from: str | None = None
    """The trace whose interrupt this one answers (same LangGraph thread)."""
    resumed_by: str | None = None
    """The trace that went on from this one's interrupt."""
    _by_id: Mapping[str, Span] = field(init=False, repr=False, compare=False)
    _children: Mapping[str | None, list[Span]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.spans:
            raise ValueError("a trace has at least one span")
        ordered = tuple(
            sorted(self.spans, key=lambda span: (span.start_ns, span.parent_id or "", span.span_id))
        )
        by_id = {span.span_id: span for span in ordered}
        object.__setattr__(self, "spans", ordered)
        object.__setattr__(self, "_by_id", by_id)
        object.__setattr__(self, "_children", _hang(ordered, by_id))

    @cached_property
    def root(self) -> Span:
        """The span that everything else hangs below: without a parent here, and the oldest such."""
        tops = self._children[None]
        return next((span for span in tops if span.parent_id is None), tops[0])

    @cached_property
    def strays(self) -> tuple[Span, ...]:
        """Spans other than the root that have no parent here, or are their own ancestors."""
        return tuple(span for span in self._children[None] if span.span_id != self.root.span_id)

    @cached_property
    def _stray_ids(self) -> frozenset[str]:
        return frozenset(span.span_id for span in self.strays)

    def get(self, span_id: str) -> Span | None:
        return self._by_id.get(span_id)

    def parent(self, span: Span) -> Span | None:
        """The parent as shown: the recorded one, else the root for strays."""
        if span.span_id == self.root.span_id:
            return None
        if span.span_id in self._stray_ids:
            return self.root
        return self._by_id.get(span.parent_id or "", self.root)

    def children(self, span: Span) -> tuple[Span, ...]:
        """Direct children, oldest first; the root's include the strays."""
        own = tuple(self._children.get(span.span_id, ()))
        if span.span_id != self.root.span_id:
            return own
        return tuple(sorted((*own, *self.strays), key=lambda child: child.start_ns))

    def walk(self) -> Iterator[tuple[int, Span]]:
        """Every span with its depth, parents first, siblings by start."""
        stack = [(0, self.root)]
        while stack:
            depth, span = stack.pop()
            yield depth, span
            stack.extend((depth + 1, child) for child in reversed(self.children(span)))

    def ancestors(self, span: Span) -> Iterator[Span]:
        """From the parent up to the root."""
        while (above := self.parent(span)) is not None:
            yield above
            span = above

    @property
    def name(self) -> str:
        return self.root.name

    @property
    def status(self) -> Status:
        return self.root.status

    @property
    def duration_ms(self) -> float | None:
        """From the first start to the last known end; None while nothing has ended."""
        ends = [span.end_ns for span in self.spans if span.end_ns is not None]
        return (max(ends) - self.spans[0].start_ns) / 1_000_000 if ends else None

    @cached_property
    def model_calls(self) -> tuple[Span, ...]:
        """The calls whose usage counts: those that made no model call themselves."""
        wrappers = {
            above.span_id
            for span in self.spans
            if span.kind == "llm"
            for above in self._recorded_ancestors(span)
            if above.kind == "llm"
        }
        return tuple(
            span
            for span in self.spans
            if span.kind in MODEL_KINDS and not span.usage_in_children and span.span_id not in wrappers
        )

    def _recorded_ancestors(self, span: Span) -> Iterator[Span]:
        """As the span was recorded: a stray hangs below the root for show, but the root did not call it."""
        seen = {span.span_id}
        while (above := self._by_id.get(span.parent_id or "")) is not None and above.span_id not in seen:
            seen.add(above.span_id)
            yield above
            span = above

    @cached_property
    def totals(self) -> Totals:
        calls = self.model_calls
        bought = [call for call in calls if not call.cache_hit]
        answered = sum(call.kind == "llm" for call in calls)
        return Totals(
            spans=len(self.spans),
            errors=sum(span.status == "error" for span in self.spans),
            llm_calls=answered,
            tool_calls=sum(span.kind == "tool" for span in self.spans),
            calls_without_usage=sum(call.total_tokens is None for call in bought),
            calls_without_cost=sum(call.cost_usd is None for call in bought),
            input_tokens=_total(call.input_tokens for call in bought),
            output_tokens=_total(call.output_tokens for call in bought),
            total_tokens=_total(call.total_tokens for call in bought),
            # Where all answers came from a cache, it is known that nothing was paid.
            cost_usd=_total_cost(call.cost_usd for call in bought) if bought or not answered else Decimal(0),
        )

    @cached_property
    def attempts(self) -> tuple[tuple[Attempt, ...], ...]:
        """Retries and fallbacks: each group holds the attempts at one thing, in order."""
        parents = (self.root, *(span for span in self.spans if span.span_id != self.root.span_id))
        return tuple(group for span in parents for group in attempts_among(self.children(span)))

    @cached_property
    def critical_path(self) -> tuple[Span, ...]:
        """From the root down, the child that ended last at each level: where the time was spent."""
        path, span = [self.root], self.root
        while ended := [c for c in self.children(span) if c.end_ns is not None and c not in path]:
            span = max(ended, key=lambda child: child.end_ns or 0)
            path.append(span)
        return tuple(path)


def _hang(ordered: Iterable[Span], by_id: Mapping[str, Span]) -> Mapping[str | None, list[Span]]:
    """Children by their parent's id; under None what has no parent here.

    Spans that are each other's ancestors are reached from nowhere.  The oldest of them is cut off and
    added to the tops, so that every span has one place and a walk ends.
    """
    children: dict[str | None, list[Span]] = defaultdict(list)
    for span in ordered:
        children[span.parent_id if span.parent_id in by_id else None].append(span)
    reached: set[str] = set()

    def reach(tops: Iterable[Span]) -> None:
        stack = [top.span_id for top in tops]
        while stack:
            reached.add(span_id := stack.pop())
            stack.extend(child.span_id for child in children.get(span_id, ()))

    reach(children[None])
    for span in ordered:
        if span.span_id not in reached:
            children[span.parent_id] = [one for one in children[span.parent_id] if one is not span]
            children[None].append(span)
            reach([span])
    return children


def _total(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _total_cost(costs: Iterable[Decimal | None]) -> Decimal | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known, Decimal(0)) if known else None

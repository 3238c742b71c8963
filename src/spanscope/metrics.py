"""Finished spans as metric points: the numbers that dashboards and alerts are made of.

Pure functions over spans, of which every backend for metrics makes its own protocol.  The points are
taken before any sampling, so that they count everything.  A figure that is not known gives no point,
never a zero; an id or a user is never a tag.

`llm.quality.score` joins the catalogue when scores are recorded.
"""

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from spanscope import semconv
from spanscope.spans import Span

MetricKind = Literal["count", "gauge", "distribution"]


class Metric(NamedTuple):
    """One line of the catalogue."""

    name: str
    kind: MetricKind
    unit: str
    description: str
    tags: tuple[str, ...]


class Point(NamedTuple):
    """One measurement."""

    name: str
    kind: MetricKind
    value: float
    tags: tuple[tuple[str, str], ...]


_SCOPE: Final = ("span", "environment", "service")
_CALL: Final = ("model", "provider", *_SCOPE, "prompt_version")
_OUTCOME: Final = (*_CALL, "status", "finish_reason")

CATALOGUE: Final[tuple[Metric, ...]] = (
    Metric(semconv.M_LLM_CALLS, "count", "call", "Model calls, answered from a cache or not.", _OUTCOME),
    Metric(semconv.M_LLM_ERRORS, "count", "call", "Model calls that failed.", (*_CALL, "error_type")),
    Metric(semconv.M_LLM_FILTERED, "count", "call", "Answers stopped by a content filter.", _CALL),
    Metric(semconv.M_LLM_TRUNCATED, "count", "call", "Answers cut by the token limit.", _CALL),
    Metric(semconv.M_LLM_LATENCY, "distribution", "millisecond", "Duration of a model call.", _OUTCOME),
    Metric(semconv.M_LLM_TTFT, "distribution", "millisecond", "Time to the first token of a stream.", _CALL),
    Metric(semconv.M_TOKENS_INPUT, "count", "token", "Input tokens, cached ones included.", _CALL),
    Metric(semconv.M_TOKENS_OUTPUT, "count", "token", "Output tokens, reasoning included.", _CALL),
    Metric(semconv.M_TOKENS_TOTAL, "count", "token", "Input and output tokens.", _CALL),
    Metric(semconv.M_COST, "count", "dollar", "Cost of calls with a known price, in US dollars.", _CALL),
    Metric(semconv.M_PRICE_MISSING, "count", "call", "Calls with known tokens and no known price.", _CALL),
    Metric(
        semconv.M_TRACE_DURATION, "distribution", "millisecond", "Duration of a trace.", (*_SCOPE, "status")
    ),
    Metric(semconv.M_TRACE_TOTAL, "count", "trace", "Traces.", (*_SCOPE, "status")),
    Metric(semconv.M_TRACE_ERRORS, "count", "trace", "Traces that failed.", (*_SCOPE, "error_type")),
    Metric(semconv.M_DOCUMENTS, "distribution", "document", "Documents that a retrieval found.", _SCOPE),
    Metric(semconv.M_TOOL_CALLS, "count", "call", "Tool calls.", (*_SCOPE, "status")),
    Metric(semconv.M_TOOL_ERRORS, "count", "call", "Tool calls that failed.", (*_SCOPE, "error_type")),
    Metric(semconv.M_SPANS_DROPPED, "count", "span", "Spans that were lost before they were written.", ()),
)
_BY_NAME: Final = {metric.name: metric for metric in CATALOGUE}
TAGS: Final[frozenset[str]] = frozenset(tag for metric in CATALOGUE for tag in metric.tags)
"""Everything that may be a tag."""


def points(span: Span) -> Iterator[Point]:
    """The points of one span: none while it is open, and none when it is written again, amended."""
    if span.status == "open" or span.amended:
        return
    tags = _tags_of(span)
    for name, value in _figures(span):
        metric = _BY_NAME[name]
        yield Point(name, metric.kind, value, tuple([(tag, tags[tag]) for tag in metric.tags if tag in tags]))


def dropped(spans: int) -> Point:
    """The point for spans lost since the last one."""
    return Point(semconv.M_SPANS_DROPPED, _BY_NAME[semconv.M_SPANS_DROPPED].kind, spans, ())


def _tags_of(span: Span) -> dict[str, str]:
    known = {
        "model": span.model,
        "provider": span.provider,
        "span": span.name,
        "environment": span.environment,
        "service": span.service,
        "prompt_version": span.prompt_version,
        "status": span.status,
        "error_type": span.error_type,
        "finish_reason": span.finish_reason,
    }
    return {tag: value for tag, value in known.items() if value}


def _figures(span: Span) -> Iterator[tuple[str, float]]:
    # A model call that made another model call is one call to the outside, and the inner one counts.
    if span.kind in semconv.MODEL_KINDS and not span.usage_in_children:
        yield from _call_figures(span)
    if span.kind == "retriever" and isinstance(count := span.attributes.get(semconv.DOCUMENT_COUNT), int):
        yield semconv.M_DOCUMENTS, count
    if span.kind == "tool":
        yield semconv.M_TOOL_CALLS, 1
        if span.status == "error":
            yield semconv.M_TOOL_ERRORS, 1
    if span.parent_id is None or span.parent_source == "remote":
        yield from _trace_figures(span)


def _call_figures(span: Span) -> Iterator[tuple[str, float]]:
    if span.kind == "llm":
        yield semconv.M_LLM_CALLS, 1
        if span.status == "error":
            yield semconv.M_LLM_ERRORS, 1
        if span.finish_reason == "content_filter":
            yield semconv.M_LLM_FILTERED, 1
        if _is_truncated(span):
            yield semconv.M_LLM_TRUNCATED, 1
    if span.cache_hit:
        return  # nothing was bought, and the time says nothing about the model
    if span.kind == "llm":
        if span.duration_ms is not None:
            yield semconv.M_LLM_LATENCY, span.duration_ms
        if span.time_to_first_token_ms is not None:
            yield semconv.M_LLM_TTFT, span.time_to_first_token_ms
    for name, count in (
        (semconv.M_TOKENS_INPUT, span.input_tokens),
        (semconv.M_TOKENS_OUTPUT, span.output_tokens),
        (semconv.M_TOKENS_TOTAL, span.total_tokens),
    ):
        if count is not None:
            yield name, count
    if span.cost_usd is not None:
        yield semconv.M_COST, float(span.cost_usd)
    elif span.attributes.get(semconv.PRICE_MISSING):
        yield semconv.M_PRICE_MISSING, 1


def _is_truncated(span: Span) -> bool:
    """Cut by the limit, also where the provider says `tool_calls` and the answer is as long as allowed."""
    if span.finish_reason == "length":
        return True
    return bool(span.max_tokens) and (span.output_tokens or 0) >= (span.max_tokens or 0)


def _trace_figures(span: Span) -> Iterator[tuple[str, float]]:
    yield semconv.M_TRACE_TOTAL, 1
    if span.status == "error":
        yield semconv.M_TRACE_ERRORS, 1
    if span.duration_ms is not None:
        yield semconv.M_TRACE_DURATION, span.duration_ms


class TagLimiter:
    """Keeps the number of time series bounded: what comes after the first values of a tag is `other`.

    Metric stores pay for each distinct combination of tags; one span name with a number in it would
    otherwise make a million of them.
    """

    OTHER: Final = "other"
    MAX_CHARS: Final = 200

    def __init__(self, *, max_values: int = 200) -> None:
        self._max_values = max_values
        self._seen: dict[str, set[str]] = {}

    def limit(self, point: Point) -> Point:
        """The point with each tag value that came too late replaced."""
        return point._replace(tags=tuple([(tag, self._value(tag, value)) for tag, value in point.tags]))

    def _value(self, tag: str, value: str) -> str:
        value = value[: self.MAX_CHARS]
        seen = self._seen.setdefault(tag, set())
        if value not in seen:
            if len(seen) >= self._max_values:
                return self.OTHER
            seen.add(value)
        return value

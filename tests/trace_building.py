"""Traces made by hand for the tests of the read side, and traces made at random."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from spanscope import semconv
from spanscope.spans import Span
from spanscope.trace import Trace

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
NOON_NS = 1_767_000_000_000_000_000


class TraceBuilder:
    """Adds spans one after the other; each starts when the one before ended, unless told otherwise."""

    def __init__(self, name: str = "route", *, trace_id: str = TRACE_ID, at_ns: int = NOON_NS, **root: Any):
        self.trace_id = trace_id
        self.spans: list[Span] = []
        self.now = at_ns
        self.root = self.add("chain", name, parent=None, ms=100, **root)
        self.now = at_ns + 1_000_000

    def add(
        self,
        kind: str,
        name: str,
        *,
        parent: Span | str | None = "root",
        ms: float | None = 5,
        at_ms: float | None = None,
        **fields: Any,
    ) -> Span:
        above = self.root if parent == "root" else parent
        start = self.now if at_ms is None else NOON_NS + int(at_ms * 1_000_000)
        end = None if ms is None else start + int(ms * 1_000_000)
        span = Span(
            trace_id=self.trace_id,
            span_id=f"{self.trace_id[:8]}{len(self.spans):08x}",
            parent_id=above.span_id if isinstance(above, Span) else None,
            kind=kind,
            name=name,
            start_ns=start,
            end_ns=end,
            **{"status": "ok"} | fields,
        )
        self.spans.append(span)
        self.now = end or start
        return span

    def llm(self, name: str = "ChatOpenAI", **fields: Any) -> Span:
        usual = {
            "request_model": "gpt-4o",
            "response_model": "gpt-4o-2024-08-06",
            "finish_reason": "stop",
            "finish_reason_raw": "stop",
            "input_tokens": 100,
            "output_tokens": 20,
            "total_tokens": 120,
        }
        return self.add("llm", name, **usual | fields)

    def failed_llm(self, **fields: Any) -> Span:
        unanswered = dict.fromkeys(
            ("response_model", "finish_reason", "finish_reason_raw", "input_tokens", "output_tokens")
        )
        failure = {
            "status": "error",
            "error_type": "RateLimitError",
            "error_message": "429",
            "total_tokens": None,
        }
        return self.llm(**unanswered | failure | fields)

    def retriever(self, documents: list[dict[str, Any]] | None = None, **fields: Any) -> Span:
        listed = (
            {}
            if documents is None
            else {semconv.DOCUMENTS: documents, semconv.DOCUMENT_COUNT: len(documents)}
        )
        return self.add("retriever", "VectorStoreRetriever", **{"attributes": listed} | fields)

    def trace(self, **fields: Any) -> Trace:
        return Trace(self.trace_id, tuple(self.spans), **fields)


def documents(*scores: float | None) -> list[dict[str, Any]]:
    return [
        {"id": f"doc-{i}", "score": score, "chars": 500, "hash": f"h{i}"} for i, score in enumerate(scores)
    ]


_numbers = st.none() | st.integers(0, 5000)
_names = st.sampled_from(["gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-mini", "models/x", ""]) | st.text(
    max_size=12
)
_texts = (
    st.none() | st.text(max_size=40) | st.sampled_from(["<script>alert(1)</script>", "a|b`c`", "\x1b[31mred"])
)
_attributes = st.fixed_dictionaries(
    {},
    optional={
        semconv.LATE: st.booleans(),
        semconv.DOCUMENT_COUNT: st.integers(0, 5) | st.text(max_size=3),
        semconv.DOCUMENTS: st.lists(
            st.fixed_dictionaries(
                {},
                optional={
                    "id": st.text(max_size=3),
                    "score": st.floats() | st.none(),
                    "hash": st.text(max_size=3),
                },
            )
            | st.none(),
            max_size=4,
        ),
        semconv.TOOL_CALLS: st.lists(
            st.fixed_dictionaries({"name": st.text(max_size=4), "args_valid": st.booleans()}), max_size=2
        ),
        semconv.HTTP_STATUS_CODE: st.sampled_from([401, 429, 500]),
    },
)


@st.composite
def spans(draw: st.DrawFn, index: int, parents: list[str | None]) -> Span:
    start = NOON_NS + draw(st.integers(0, 10**9))
    took = draw(st.none() | st.integers(0, 10**9))
    cost = draw(st.none() | st.integers(0, 10**6))
    return Span(
        trace_id=TRACE_ID,
        span_id=f"{index:016x}",
        parent_id=draw(st.sampled_from(parents)),
        parent_source=draw(st.sampled_from(["framework", "ambient", "none"])),
        kind=draw(st.sampled_from(["llm", "llm", *sorted(semconv.KINDS)])),
        name=draw(_texts) or "",
        status=draw(st.sampled_from(["ok", "ok", *sorted(semconv.STATUSES)])),
        error_type=draw(st.sampled_from([None, "RateLimitError", "ValueError"])),
        error_message=draw(_texts),
        start_ns=start,
        end_ns=None if took is None else start + took,
        attributes=draw(_attributes),
        request_model=draw(st.none() | _names),
        response_model=draw(st.none() | _names),
        max_tokens=draw(_numbers),
        input_tokens=draw(_numbers),
        output_tokens=draw(_numbers),
        reasoning_tokens=draw(_numbers),
        cost_usd=None if cost is None else Decimal(cost) / 10**7,
        finish_reason=draw(st.none() | st.sampled_from(sorted(semconv.FINISH_REASONS))),
        finish_reason_raw=draw(_texts),
        prompt_name=draw(st.sampled_from([None, "a", "b"])),
        prompt_version=draw(st.sampled_from([None, "v1", "v2"])),
        prompt_hash=draw(st.sampled_from([None, "0123456789abcdef", "fedcba9876543210"])),
        input_preview=draw(_texts),
        output_preview=draw(_texts),
        tool_names=tuple(draw(st.lists(st.text(max_size=4), max_size=3))),
        streamed=draw(st.none() | st.booleans()),
        cache_hit=draw(st.none() | st.booleans()),
    )


@st.composite
def traces(draw: st.DrawFn, max_size: int = 7) -> Trace:
    """Any trace: strays, cycles of parents, spans without an end and nonsense in the attributes included."""
    size = draw(st.integers(1, max_size))
    ids: list[str | None] = [None, "f" * 16, *(f"{index:016x}" for index in range(size))]
    return Trace(TRACE_ID, tuple(draw(spans(index, ids)) for index in range(size)))

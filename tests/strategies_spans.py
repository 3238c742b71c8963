"""Spans for tests: `make_span` for one with given facts, `spans()` and `forests()` for Hypothesis.

What they make is what the redaction stage may make: attributes are plain JSON, costs are whole
nano-dollars, ids are hex.
"""

import hashlib
import itertools
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from spanscope import semconv
from spanscope.spans import Content, Span

BASE_NS = 1_760_000_000_000_000_000
"""Some instant in October 2025."""
TRACE_ID = "a" * 32

_numbers = itertools.count(1)


def make_span(**overrides: Any) -> Span:
    """A finished chain span; each one gets its own id and starts a millisecond after the one before."""
    number = next(_numbers)
    start_ns = overrides.get("start_ns", BASE_NS + number * 1_000_000)
    facts: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": f"{number:016x}",
        "kind": "chain",
        "name": "step",
        "status": "ok",
        "start_ns": start_ns,
        "end_ns": start_ns + 500_000,
    }
    return Span(**facts | overrides)


def make_llm(**overrides: Any) -> Span:
    """A model call with usage and a price."""
    facts: dict[str, Any] = {
        "kind": "llm",
        "name": "ChatModel",
        "provider": "openai",
        "request_model": "gpt-4o",
        "response_model": "gpt-4o-2024-08-06",
        "input_tokens": 100,
        "output_tokens": 20,
        "total_tokens": 120,
        "usage_source": "provider",
        "cost_usd": Decimal("0.000450"),
        "cost_source": "table",
        "finish_reason": "stop",
    }
    return make_span(**facts | overrides)


def make_content(text: str | None, *, role: str = "human", chars: int | None = None) -> Content:
    """A content whose id depends on role and text alone."""
    content_id = hashlib.blake2b(f"{role}\0{text!r}".encode(), digest_size=16).hexdigest()
    return Content(
        content_id=content_id, role=role, chars=len(text or "") if chars is None else chars, text=text
    )


def make_rag_trace(trace_id: str = TRACE_ID, *, start_ns: int = BASE_NS, **labels: Any) -> list[Span]:
    """Root chain, retriever, prompt and model call: parents first."""
    question, answer = make_content("why?"), make_content("because", role="ai")
    common = {"trace_id": trace_id} | labels
    root = make_span(
        name="rag",
        start_ns=start_ns,
        end_ns=start_ns + 9_000_000,
        inputs=(question,),
        outputs=(answer,),
        **common,
    )
    below = {"parent_id": root.span_id, "parent_source": "framework"} | common
    return [
        root,
        make_span(kind="retriever", name="search", start_ns=start_ns + 1_000_000, **below),
        make_span(kind="prompt", name="template", start_ns=start_ns + 2_000_000, **below),
        make_llm(start_ns=start_ns + 3_000_000, inputs=(question,), outputs=(answer,), **below),
    ]


# --- Hypothesis ------------------------------------------------------------------------------------

_hex = st.integers(0, 2**32 - 1)
_text = st.text(max_size=20)
_counts = st.none() | st.integers(0, 10**12)
_floats = st.none() | st.floats(allow_nan=False, allow_infinity=False)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)
_TEXT_FIELDS = """
error_type error_message session_id user_id thread_id environment service release provider request_model
response_model usage_source cost_source finish_reason_raw messages_hash prompt_name prompt_version prompt_hash
input_preview output_preview
"""
_COUNT_FIELDS = """
max_tokens input_tokens output_tokens total_tokens cache_read_tokens cache_write_tokens reasoning_tokens
message_count output_chars
"""
_labels = st.sampled_from([None, "x", "y"])
_names = st.lists(st.text(max_size=6), max_size=3).map(tuple)


def span_ids() -> st.SearchStrategy[str]:
    return _hex.map("{:016x}".format)


def trace_ids() -> st.SearchStrategy[str]:
    return _hex.map("{:032x}".format)


def contents() -> st.SearchStrategy[Content]:
    """Contents whose id says what they are, as in life."""
    texts = st.none() | st.text(max_size=30)
    return st.builds(
        lambda text, role: make_content(text, role=role), texts, st.sampled_from(["human", "ai"])
    )


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """Any span, with every field filled or not."""
    facts: dict[str, Any] = {}
    for name in _TEXT_FIELDS.split():
        facts[name] = draw(st.none() | _text)
    for name in _COUNT_FIELDS.split():
        facts[name] = draw(_counts)
    for name in ("temperature", "time_to_first_token_ms", "tokens_per_second"):
        facts[name] = draw(_floats)
    start_ns = draw(st.integers(0, 2**62))
    return Span(
        trace_id=draw(trace_ids()),
        span_id=draw(span_ids()),
        parent_id=draw(st.none() | span_ids()),
        parent_source=draw(st.sampled_from(["framework", "ambient", "remote", "none"])),
        kind=draw(st.sampled_from(sorted(semconv.KINDS))),
        name=draw(_text),
        framework=draw(st.sampled_from(["langchain", "llama_index", "spanscope"])),
        status=draw(st.sampled_from(sorted(semconv.STATUSES))),
        start_ns=start_ns,
        end_ns=draw(st.none() | st.integers(0, 10**12).map(start_ns.__add__)),
        finish_reason=draw(st.none() | st.sampled_from(sorted(semconv.FINISH_REASONS))),
        cost_usd=draw(st.none() | st.integers(0, 10**12).map(lambda nano: Decimal(nano) / 10**9)),
        streamed=draw(st.none() | st.booleans()),
        cache_hit=draw(st.none() | st.booleans()),
        usage_in_children=draw(st.booleans()),
        amended=draw(st.booleans()),
        tags=draw(_names),
        tool_names=draw(_names),
        attributes=draw(st.dictionaries(_text, _json, max_size=3)),
        events=tuple(draw(st.lists(st.dictionaries(_text, _json, max_size=3), max_size=2))),
        inputs=tuple(draw(st.lists(contents(), max_size=3))),
        outputs=tuple(draw(st.lists(contents(), max_size=3))),
        **facts,
    )


@st.composite
def forests(draw: st.DrawFn, *, max_spans: int = 8) -> list[Span]:
    """Spans of up to three traces, trees with a stray or two, holding what the row of a trace is made of."""
    made: list[Span] = []
    for index in range(draw(st.integers(1, max_spans))):
        trace_id = f"{draw(st.integers(0, 2)):032x}"
        known = [span.span_id for span in made if span.trace_id == trace_id]
        start_ns = BASE_NS + draw(st.integers(0, 3))
        made.append(
            Span(
                trace_id=trace_id,
                span_id=f"{index:016x}",
                parent_id=draw(st.sampled_from([None, "f" * 16, *known])),
                kind=draw(st.sampled_from(["chain", "llm", "embedding"])),
                name=f"step {index}",
                status=draw(st.sampled_from(["ok", "error", "interrupted"])),
                start_ns=start_ns,
                end_ns=start_ns + draw(st.integers(0, 9)),
                session_id=draw(_labels),
                environment=draw(_labels),
                prompt_version=draw(_labels),
                tags=draw(st.sampled_from([(), ("a",), ("b", "a")])),
                request_model=draw(_labels),
                total_tokens=draw(st.none() | st.integers(0, 9)),
                cost_usd=draw(st.sampled_from([None, Decimal(0), Decimal("0.000000001")])),
                cache_hit=draw(st.sampled_from([None, False, True])),
                usage_in_children=draw(st.booleans()),
            )
        )
    return made

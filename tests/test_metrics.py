"""Which numbers a span gives, which it does not, and what may be a tag."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanscope import semconv
from spanscope.metrics import CATALOGUE, TAGS, Point, TagLimiter, dropped, points
from spanscope.spans import Span


def span(**changes):
    """A child of some trace that took 100 ms, unless told otherwise."""
    ids = {"trace_id": "a" * 32, "span_id": "b" * 16, "parent_id": "c" * 16, "parent_source": "framework"}
    return Span(
        **ids
        | {"kind": "llm", "name": "Chat", "status": "ok", "start_ns": 0, "end_ns": 100_000_000}
        | changes
    )


def figures(one):
    return {point.name: point.value for point in points(one)}


def test_a_model_call_gives_its_calls_time_tokens_and_cost():
    call = span(
        input_tokens=10,
        output_tokens=5,
        total_tokens=15,
        cost_usd=Decimal("0.25"),
        time_to_first_token_ms=20.0,
    )
    assert figures(call) == {
        "llm.calls.total": 1,
        "llm.latency_ms": 100.0,
        "llm.time_to_first_token_ms": 20.0,
        "llm.tokens.input": 10,
        "llm.tokens.output": 5,
        "llm.tokens.total": 15,
        "llm.cost_usd": 0.25,
    }


def test_what_is_unknown_gives_no_point():
    assert figures(span()) == {"llm.calls.total": 1, "llm.latency_ms": 100.0}


def test_a_count_of_nothing_is_known_and_gives_a_point():
    assert figures(span(output_tokens=0))["llm.tokens.output"] == 0


def test_a_call_that_made_the_true_call_counts_nothing():
    assert figures(span(usage_in_children=True, input_tokens=10, status="error")) == {}


def test_an_answer_from_a_cache_is_a_call_that_bought_nothing():
    assert figures(span(cache_hit=True, input_tokens=10, cost_usd=Decimal(1))) == {"llm.calls.total": 1}


def test_an_embedding_has_tokens_and_is_no_model_call_of_its_own():
    assert figures(span(kind="embedding", input_tokens=10)) == {"llm.tokens.input": 10}


@pytest.mark.parametrize("status", ["cancelled", "closed_early", "interrupted", "handoff", "abandoned"])
def test_only_an_error_is_an_error(status):
    assert "llm.calls.errors" not in figures(span(status=status))
    assert figures(span(status="error"))["llm.calls.errors"] == 1


def test_a_truncated_answer_is_counted_also_where_the_reason_hides_it():
    assert "llm.calls.truncated" in figures(span(finish_reason="length"))
    assert "llm.calls.truncated" in figures(span(finish_reason="tool_calls", max_tokens=16, output_tokens=16))
    assert "llm.calls.truncated" not in figures(span(finish_reason="stop", max_tokens=16, output_tokens=15))
    assert "llm.calls.truncated" not in figures(span(finish_reason="stop", output_tokens=15))


def test_a_filtered_answer_is_counted():
    assert "llm.calls.filtered" in figures(span(finish_reason="content_filter"))


def test_a_tool_and_a_retrieval_have_points_of_their_own():
    assert figures(span(kind="tool", status="error")) == {"tool.calls.total": 1, "tool.calls.errors": 1}
    assert figures(span(kind="retriever", attributes={semconv.DOCUMENT_COUNT: 0})) == {
        "retriever.documents": 0
    }
    assert figures(span(kind="retriever")) == {}


@pytest.mark.parametrize("root", [{"parent_id": None}, {"parent_source": "remote"}])
def test_the_root_speaks_for_the_trace(root):
    """Also when its parent is in another process, whose trace metrics are its own."""
    assert figures(span(kind="chain", status="error", **root)) == {
        "trace.total": 1,
        "trace.errors": 1,
        "trace.duration_ms": 100.0,
    }
    assert figures(span(kind="chain")) == {}


@pytest.mark.parametrize("again", [{"status": "open", "end_ns": None}, {"amended": True}])
def test_a_span_gives_its_points_once(again):
    assert figures(span(parent_id=None, **again)) == {}


def test_a_metric_has_the_tags_of_the_catalogue_and_no_unknown_ones():
    call = span(response_model="m", provider="p", environment="prod", status="error", error_type="Timeout")
    tags = {point.name: dict(point.tags) for point in points(call)}
    assert tags["llm.calls.errors"] == {
        "model": "m",
        "provider": "p",
        "span": "Chat",
        "environment": "prod",
        "error_type": "Timeout",
    }
    assert tags["llm.calls.total"]["status"] == "error"


def test_ids_and_users_are_never_tags():
    everything = span(
        parent_id=None,
        user_id="u_1",
        session_id="s-1",
        thread_id="t-1",
        attributes={semconv.RUN_ID: "r-1"},
        tags=("x-1",),
    )
    assert not {"u_1", "s-1", "t-1", "r-1", "x-1", "a" * 32, "b" * 16} & {
        value for point in points(everything) for _, value in point.tags
    }
    assert set(TAGS) == {
        *("model", "provider", "span", "environment", "service", "prompt_version", "status", "error_type"),
        "finish_reason",
    }


kinds = st.sampled_from(sorted(semconv.KINDS))
spans = st.builds(
    span,
    kind=kinds,
    status=st.sampled_from(sorted(semconv.STATUSES)),
    parent_id=st.none() | st.just("c" * 16),
    input_tokens=st.none() | st.integers(0, 10),
    finish_reason=st.none() | st.sampled_from(sorted(semconv.FINISH_REASONS)),
    cost_usd=st.none() | st.just(Decimal("0.1")),
    error_type=st.none() | st.just("E"),
    attributes=st.just({semconv.DOCUMENT_COUNT: 3}),
)


@given(spans)
def test_every_point_is_one_of_the_catalogue(one):
    catalogue = {metric.name: metric for metric in CATALOGUE}
    for point in points(one):
        metric = catalogue[point.name]
        assert point.kind == metric.kind
        assert {tag for tag, _ in point.tags} <= set(metric.tags)
        assert all(value for _, value in point.tags)


def test_the_catalogue_is_complete_and_described():
    declared = {value for name, value in vars(semconv).items() if name.startswith("M_")}
    assert declared == {metric.name for metric in CATALOGUE}
    assert all(metric.unit and metric.description.endswith(".") for metric in CATALOGUE)
    assert all(re.fullmatch(r"[a-z][a-z_.]*", metric.name) for metric in CATALOGUE)


def test_lost_spans_are_a_point():
    assert dropped(3) == Point("obs.spans.dropped", "count", 3, ())


def test_late_values_of_a_tag_are_other():
    limiter = TagLimiter(max_values=2)

    def limited(value):
        return limiter.limit(Point("x", "count", 1, (("span", value), ("model", "m")))).tags

    assert [limited(value)[0][1] for value in ("a", "b", "c", "a", "d")] == ["a", "b", "other", "a", "other"]
    assert limited("e")[1] == ("model", "m")
    assert len(limiter.limit(Point("x", "count", 1, (("model", "x" * 1000),))).tags[0][1]) == 200

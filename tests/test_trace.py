"""A trace read back: a tree from ids alone, and sums over its leaves."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies_spans import BASE_NS, TRACE_ID, forests, make_llm, make_rag_trace, make_span

from spanscope.spans import Span
from spanscope.trace import Trace


def trace_of(*spans: Span) -> Trace:
    return Trace(TRACE_ID, spans)


def one_tree(forest: list[Span]) -> Trace:
    return trace_of(*(replace(span, trace_id=TRACE_ID) for span in forest))


def test_a_trace_without_spans_is_a_mistake():
    with pytest.raises(ValueError, match="at least one span"):
        trace_of()


# --- the tree ----------------------------------------------------------------------------------------


@given(forest=forests(), random=st.randoms(use_true_random=False))
def test_the_order_of_spans_does_not_matter(forest: list[Span], random: random.Random):
    tree = one_tree(forest)
    shuffled = list(tree.spans)
    random.shuffle(shuffled)
    again = trace_of(*shuffled)

    assert list(again.walk()) == list(tree.walk())
    assert (again.root, again.totals, again.critical_path) == (tree.root, tree.totals, tree.critical_path)


@given(forest=forests())
def test_a_walk_meets_every_span_once_and_parents_first(forest: list[Span]):
    tree = one_tree(forest)
    met: list[str] = []
    for depth, span in tree.walk():
        above = tree.parent(span)
        assert (above is None) == (depth == 0)
        assert above is None or above.span_id in met
        met.append(span.span_id)

    assert sorted(met) == sorted(span.span_id for span in tree.spans)


@given(forest=forests())
def test_children_and_parents_agree(forest: list[Span]):
    tree = one_tree(forest)
    for span in tree.spans:
        for child in tree.children(span):
            assert tree.parent(child) is span


def test_the_root_is_the_oldest_span_without_a_parent():
    stray = make_span(parent_id="f" * 16, start_ns=BASE_NS)
    root = make_span(start_ns=BASE_NS + 1)
    second = make_span(start_ns=BASE_NS + 2)

    assert trace_of(second, root, stray).root is root


def test_a_trace_whose_top_has_a_parent_elsewhere_has_a_root_all_the_same():
    """The parent is another service's span, known from its `traceparent`."""
    root = make_span(parent_id="f" * 16, parent_source="remote")
    child = make_span(parent_id=root.span_id)
    trace = trace_of(child, root)

    assert trace.root is root
    assert trace.parent(root) is None
    assert trace.strays == ()


def test_a_span_whose_parent_was_never_stored_hangs_below_the_root():
    root, child = make_span(), make_span()
    stray = make_span(parent_id="f" * 16)
    child = replace(child, parent_id=root.span_id)
    trace = trace_of(stray, child, root)

    assert trace.strays == (stray,)
    assert trace.children(trace.root) == (child, stray)
    assert trace.parent(stray) is root


def test_spans_that_are_each_others_parents_are_all_met_once():
    root = make_span(start_ns=BASE_NS)
    one = make_span(span_id="1" * 16, parent_id="2" * 16)
    two = make_span(span_id="2" * 16, parent_id="1" * 16)
    own = make_span(span_id="3" * 16, parent_id="3" * 16)
    for spans in ([root, one, two, own], [one, two], [own]):
        trace = trace_of(*spans)
        assert {span.span_id for _, span in trace.walk()} == {span.span_id for span in spans}
        assert trace.critical_path[0] is trace.root
        for span in trace.spans:
            assert len(list(trace.ancestors(span))) < len(spans)
            assert trace.totals.spans == len(spans)


def test_ancestors_go_up_to_the_root():
    root = make_span()
    middle = make_span(parent_id=root.span_id)
    leaf = make_span(parent_id=middle.span_id)

    assert list(trace_of(leaf, middle, root).ancestors(leaf)) == [middle, root]


def test_a_span_is_got_by_its_id():
    span = make_span()

    assert trace_of(span).get(span.span_id) is span
    assert trace_of(span).get("0" * 16) is None


# --- sums --------------------------------------------------------------------------------------------


def test_a_call_within_a_call_counts_once():
    """Some classes answer `chat` by calling `complete`, and both report the same usage."""
    outer = make_llm()
    inner = make_llm(parent_id=outer.span_id)
    trace = trace_of(outer, inner)

    assert trace.model_calls == (inner,)
    assert (trace.totals.llm_calls, trace.totals.total_tokens) == (1, 120)


def test_an_agent_above_a_call_that_repeats_its_usage_is_not_summed():
    agent = make_span(kind="agent", total_tokens=120, cost_usd=Decimal(1))
    tool = make_span(kind="tool", parent_id=agent.span_id)
    trace = trace_of(agent, tool, make_llm(parent_id=tool.span_id))

    assert (trace.totals.total_tokens, trace.totals.cost_usd) == (120, Decimal("0.000450"))
    assert trace.totals.tool_calls == 1


def test_a_call_whose_usage_is_marked_as_the_inner_ones_does_not_count_even_if_that_one_is_lost():
    assert trace_of(make_llm(usage_in_children=True)).totals.llm_calls == 0


def test_two_calls_side_by_side_both_count_though_one_is_shown_below_the_other():
    """Two calls under one trace id and nothing above them: the first is the root, but made no call."""
    assert trace_of(make_llm(), make_llm()).totals.total_tokens == 240
    assert trace_of(make_llm(), make_llm(parent_id="f" * 16)).totals.llm_calls == 2


def test_a_cached_answer_is_a_call_that_bought_nothing():
    totals = trace_of(make_llm(), make_llm(cache_hit=True)).totals

    assert (totals.llm_calls, totals.total_tokens, totals.calls_without_usage) == (2, 120, 0)


def test_an_embedding_costs_but_is_not_a_model_call():
    totals = trace_of(make_llm(), make_llm(kind="embedding", output_tokens=None)).totals

    assert (totals.llm_calls, totals.input_tokens, totals.output_tokens) == (1, 200, 20)
    assert totals.cost_usd == Decimal("0.0009")


def test_what_is_not_known_is_none_and_is_counted():
    silent = make_llm(input_tokens=None, output_tokens=None, total_tokens=None, cost_usd=None)
    alone, beside = trace_of(silent).totals, trace_of(silent, make_llm()).totals

    assert (alone.total_tokens, alone.cost_usd) == (None, None)
    assert (alone.calls_without_usage, alone.calls_without_cost) == (1, 1)
    assert (beside.total_tokens, beside.calls_without_usage) == (120, 1)


def test_only_errors_are_errors():
    """An interrupt, a hand-off or a stream closed early is how a good run may end."""
    others = ("cancelled", "closed_early", "interrupted", "handoff", "open", "abandoned", "ok")
    trace = trace_of(*(make_span(status=status) for status in others), make_span(status="error"))

    assert trace.totals.errors == 1


# --- time --------------------------------------------------------------------------------------------


def test_a_trace_lasts_from_its_first_start_to_its_last_end():
    """A stream's model call may end after the chain that made it."""
    root = make_span(start_ns=BASE_NS, end_ns=BASE_NS + 1_000_000)
    late = make_llm(parent_id=root.span_id, start_ns=BASE_NS + 500_000, end_ns=BASE_NS + 3_500_000)

    assert trace_of(root, late).duration_ms == 3.5


def test_a_trace_in_which_nothing_has_ended_has_no_duration():
    assert trace_of(make_span(status="open", end_ns=None)).duration_ms is None


def test_the_critical_path_follows_what_ended_last():
    spans = make_rag_trace()
    root, llm = spans[0], spans[-1]
    token = make_span(parent_id=llm.span_id, start_ns=llm.start_ns, end_ns=llm.end_ns)
    still_open = make_span(parent_id=root.span_id, status="open", end_ns=None)

    assert trace_of(*spans, token, still_open).critical_path == (root, llm, token)

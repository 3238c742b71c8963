"""The verdict: which finding explains the others, what the sentence says, and its JSON form."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from trace_building import TraceBuilder, documents, traces

from spanscope import semconv
from spanscope.checks import CHECKS
from spanscope.checks.ranking import root_cause, verdict
from spanscope.debug import judge
from spanscope.report import Finding, Report, json_ready
from spanscope.trace import Trace


def cut_rag(**root: object) -> Report:
    build = TraceBuilder("rag", output_preview="Opened items can", **root)
    build.retriever(documents(0.9))
    build.llm(
        request_model="gpt-4o-mini",
        response_model="gpt-4o-mini-2024-07-18",
        finish_reason="length",
        output_tokens=64,
        max_tokens=64,
        output_preview="Opened items can",
        cost_usd=Decimal("0.000219"),
    )
    return judge(build.trace())


def finding(check: str = "a", status: str = "fail", severity: str = "high", **fields: object) -> Finding:
    return Finding(check=check, status=status, severity=severity, summary=f"{check} {status}.", **fields)  # type: ignore[arg-type]


def test_the_cut_answer_is_the_root_cause_and_its_sentence_the_verdict():
    report = cut_rag()

    assert report.root_cause is not None
    assert report.root_cause.check == "truncation"
    assert report.verdict == (
        "The answer was cut: ChatOpenAI `gpt-4o-mini-2024-07-18` stopped at its limit of 64 output tokens "
        "(finish reason length)."
    )


def test_a_cut_answer_explains_the_parser_that_failed_on_it():
    build = TraceBuilder(status="error", error_type="JSONDecodeError")
    cut = build.llm(finish_reason="length", output_tokens=64, max_tokens=64)
    build.add("parser", "JsonOutputParser", status="error", error_type="JSONDecodeError")

    report = judge(build.trace())

    assert report.root_cause is not None
    assert (report.root_cause.check, report.root_cause.span_id) == ("truncation", cut.span_id)


def test_a_failed_run_is_explained_by_the_step_where_the_error_began():
    build = TraceBuilder(status="error", error_type="AuthenticationError")
    call = build.failed_llm(error_type="AuthenticationError", attributes={semconv.HTTP_STATUS_CODE: 401})

    report = judge(build.trace())

    assert report.root_cause is not None
    assert (report.root_cause.check, report.root_cause.span_id) == ("finish_reason", call.span_id)
    assert report.root_cause.suggestion == "Check the key and what it is allowed to use."


def test_a_run_in_which_nothing_is_wrong_counts_what_stayed_open():
    build = TraceBuilder()
    build.llm()

    report = judge(build.trace())

    assert report.root_cause is None
    assert report.verdict == (
        "Nothing wrong was found in 5 checks; 1 could not be answered (prompt_version); "
        "1 does not apply (retrieved_context)."
    )


def test_a_retry_that_worked_is_a_remark_and_no_root_cause():
    build = TraceBuilder()
    build.failed_llm()
    build.llm()

    report = judge(build.trace())

    assert report.root_cause is None
    assert report.verdict.startswith("Nothing failed, with one remark: ChatOpenAI `gpt-4o` failed")


def test_failures_go_before_warnings_then_severity_then_closeness_then_time():
    build = TraceBuilder()
    far = build.add("chain", "far", ms=10)
    deep = build.add("tool", "deep", parent=far, at_ms=2)
    near = build.add("tool", "near")
    later = build.add("tool", "later")
    build.llm()
    trace = build.trace()
    warned = finding("warned", "warn", "critical", span_id=near.span_id)
    mild = finding("mild", "fail", "medium", span_id=near.span_id)
    deeper = finding("deeper", span_id=deep.span_id)
    last = finding("last", span_id=later.span_id)
    first = finding("first", span_id=near.span_id)

    order, found = [], [warned, mild, deeper, last, first]
    while found:
        top = root_cause(found, trace)
        assert top is not None
        order.append(top.check)
        found.remove(top)

    assert order == ["first", "last", "deeper", "mild", "warned"]


def test_a_part_is_the_root_cause_rather_than_the_sum_of_several():
    build = TraceBuilder()
    call = build.llm()
    overall = finding(evidence={"count": 2})
    part = finding(detail=True, span_id=call.span_id)

    assert root_cause([overall, part], build.trace()) is part


def test_a_verdict_on_one_check_speaks_in_the_singular():
    assert verdict([finding(status="pass")], None) == "Nothing wrong was found in 1 check."


def test_a_verdict_that_rests_on_no_check_says_so():
    unjudged = [finding(status="unknown"), finding(status="not_applicable")]
    assert verdict(unjudged, None).startswith(
        "Nothing was there to judge for 2 checks; 1 could not be answered"
    )


def test_every_check_is_answered_and_can_be_asked_for_by_name():
    report = cut_rag()

    assert [each.check for each in report.findings if not each.detail] == list(CHECKS)
    assert report.answer("retrieved_context").status == "pass"
    with pytest.raises(KeyError):
        report.answer("no_such_check")


def test_the_json_form_holds_the_verdict_the_findings_and_the_spans():
    report = cut_rag()

    told = json.loads(report.to_json())

    assert told == report.to_dict()
    assert told["verdict"] == report.verdict
    assert told["root_cause"]["evidence"]["max_tokens"] == 64
    assert [each["check"] for each in told["findings"]] == [each.check for each in report.findings]
    assert told["trace"]["totals"]["cost_usd"] == "0.000219"
    assert [(span["name"], span["depth"]) for span in told["trace"]["spans"]] == [
        ("rag", 0),
        ("VectorStoreRetriever", 1),
        ("ChatOpenAI", 1),
    ]


def test_what_is_not_known_is_left_out_of_a_span_and_never_zero():
    report = cut_rag()

    call = report.to_dict()["trace"]["spans"][2]

    assert "reasoning_tokens" not in call
    assert "time_to_first_token_ms" not in call
    assert call["output_tokens"] == 64


def test_what_json_has_no_word_for_becomes_a_string():
    assert json_ready({1: float("nan"), "a": {Decimal("0.1")}, "b": b"x"}) == {
        "1": "nan",
        "a": ["0.1"],
        "b": "b'x'",
    }


@given(traces())
def test_the_same_trace_gets_the_same_report_whatever_the_order_of_its_spans(trace):
    report, again = judge(trace), judge(Trace(trace.trace_id, trace.spans[::-1]))

    assert report.to_json() == again.to_json()
    assert json.loads(report.to_json())["verdict"] == report.verdict
    assert "\n" not in report.verdict
    assert report.root_cause is None or report.root_cause in report.findings

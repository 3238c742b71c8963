"""Each question of the verdict, with a trace for every answer that it can give."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trace_building import TraceBuilder, documents, traces

from spanscope import semconv
from spanscope.checks import CHECKS, CheckContext, PromptUse, run_checks
from spanscope.checks._base import answer_call, origins, rescued_by
from spanscope.checks.model_names import compare
from spanscope.report import Finding
from spanscope.trace import Trace


def ask(check: str, trace: Trace, **given: Any) -> tuple[Finding, ...]:
    return CHECKS[check](CheckContext(trace=trace, **given))


def answer(check: str, trace: Trace, **given: Any) -> Finding:
    return ask(check, trace, **given)[0]


# --- was the expected model used? ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "got", "likeness"),
    [
        ("gpt-4o", "gpt-4o-2024-08-06", "same"),
        ("gpt-4o-2024-08-06", "gpt-4o", "same"),
        ("gpt-4o", "gpt-4o-mini", "other"),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", "other"),
        ("gpt-4", "gpt-4o", "other"),
        ("gpt-4", "gpt-4-0613", "same"),
        ("gpt-4o-2024-05-13", "gpt-4o-2024-08-06", "other_version"),
        ("gpt-4.1", "gpt-4.1-nano", "other"),
        ("gpt-35-turbo", "gpt-3.5-turbo-0125", "same"),
        ("GPT-4o", "gpt-4o", "same"),
        ("o3", "o3-mini", "other"),
        ("claude-3-5-sonnet-latest", "claude-3-5-sonnet-20241022", "same"),
        ("claude-sonnet-4-0", "claude-sonnet-4-20250514", "same"),
        ("claude-3-5-sonnet@20240620", "claude-3-5-sonnet-20240620", "same"),
        ("eu.anthropic.claude-3-5-sonnet-20240620-v1:0", "claude-3-5-sonnet", "same"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "us.anthropic.claude-3-5-haiku-20241022-v1:0", "other"),
        ("meta.llama3-70b-instruct-v1:0", "us.meta.llama3-70b-instruct-v1:0", "same"),
        ("gemini-1.5-pro", "models/gemini-1.5-pro-002", "same"),
        ("gemini-2.5-flash", "gemini-2.5-flash-lite", "other"),
        ("openai/gpt-4o", "gpt-4o-2024-11-20", "same"),
        ("deepseek-v3", "deepseek-r1", "other"),
        ("deepseek/deepseek-chat:free", "deepseek-chat", "same"),
        ("mistral-large-latest", "mistral-large-2411", "same"),
        ("llama3.1", "llama3.1:latest", "same"),
        ("llama3.1:8b", "llama3.1:70b", "other"),
        ("/models/gemma-3-270m.gguf", "gemma-3-270m", "same"),
    ],
)
def test_provider_suffixes_and_prefixes_are_the_same_model_and_sizes_are_not(wanted, got, likeness):
    assert compare(wanted, got) == likeness


def test_a_dated_name_is_the_model_that_was_asked_for():
    build = TraceBuilder()
    build.llm(request_model="gpt-4o", response_model="gpt-4o-2024-08-06")

    finding = answer("model_version", build.trace())

    assert finding.status == "pass"
    assert finding.evidence["response_models"] == ["gpt-4o-2024-08-06"]


def test_another_model_than_requested_is_a_failure():
    build = TraceBuilder()
    call = build.llm(request_model="gpt-4o", response_model="gpt-4o-mini-2024-07-18")

    finding = answer("model_version", build.trace())

    assert (finding.status, finding.severity, finding.span_id) == ("fail", "high", call.span_id)
    assert finding.evidence["request_model"] == "gpt-4o"
    assert finding.evidence["response_model"] == "gpt-4o-mini-2024-07-18"


def test_another_version_than_the_pinned_one_is_a_failure_too():
    build = TraceBuilder()
    build.llm(request_model="gpt-4o-2024-05-13", response_model="gpt-4o-2024-08-06")

    assert answer("model_version", build.trace()).severity == "medium"


@pytest.mark.parametrize("expected", ["gpt-4o", "gpt-4o-2024-08-06", "openai/gpt-4o"])
def test_the_expected_model_may_be_a_family_or_exact(expected):
    build = TraceBuilder()
    build.llm()

    assert answer("model_version", build.trace(), expected_model=expected).status == "pass"


@pytest.mark.parametrize("expected", ["gpt-4o-mini", "gpt-4o-2024-11-20", "gpt-4"])
def test_an_answer_by_another_model_than_expected_fails(expected):
    build = TraceBuilder()
    call = build.llm()

    finding = answer("model_version", build.trace(), expected_model=expected)

    assert (finding.status, finding.span_id) == ("fail", call.span_id)
    assert finding.evidence["expected_model"] == expected


def test_a_helper_call_to_another_model_is_only_mentioned():
    """A small model that rewrites the question is meant, when the answer comes from the expected one."""
    build = TraceBuilder()
    helper = build.llm(request_model="gpt-4o-mini", response_model="gpt-4o-mini-2024-07-18")
    build.llm()

    finding = answer("model_version", build.trace(), expected_model="gpt-4o")

    assert (finding.status, finding.severity, finding.span_id) == ("warn", "low", helper.span_id)


def test_the_model_is_unknown_when_the_response_does_not_say():
    build = TraceBuilder()
    call = build.llm(response_model=None)

    finding = answer("model_version", build.trace())

    assert finding.status == "unknown"
    assert finding.evidence["span_ids"] == [call.span_id]
    assert finding.evidence["reason"]


def test_asking_for_the_wrong_model_fails_even_when_the_response_does_not_say():
    build = TraceBuilder()
    build.llm(request_model="gpt-4o-mini", response_model=None)

    assert answer("model_version", build.trace(), expected_model="gpt-4o").status == "fail"


def test_a_fallback_that_answered_names_who_failed_and_why():
    build = TraceBuilder()
    wrapper = build.add("chain", "RunnableWithFallbacks", ms=20)
    failed = build.failed_llm(parent=wrapper, at_ms=2)
    other = build.llm("ChatAnthropic", parent=wrapper, request_model="claude-3-5-haiku-latest",
                      response_model="claude-3-5-haiku-20241022", at_ms=8)  # fmt: skip

    finding = answer("model_version", build.trace())

    assert (finding.status, finding.severity, finding.span_id) == ("warn", "medium", failed.span_id)
    assert finding.evidence["failed_model"] == "gpt-4o"
    assert finding.evidence["error_type"] == "RateLimitError"
    assert finding.evidence["answered_span_id"] == other.span_id


def test_a_retry_of_the_same_model_is_no_fallback():
    build = TraceBuilder()
    wrapper = build.add("chain", "RunnableRetry", ms=20)
    build.failed_llm(parent=wrapper, at_ms=2)
    build.llm(parent=wrapper, at_ms=8)

    assert answer("model_version", build.trace()).status == "pass"


def test_an_azure_deployment_may_be_called_anything():
    build = TraceBuilder()
    build.llm(provider="azure", request_model="support-bot", response_model="gpt-4o-2024-08-06")

    assert answer("model_version", build.trace()).status == "warn"
    assert answer("model_version", build.trace(), expected_model="gpt-4o").status == "pass"


def test_without_a_model_call_the_question_does_not_arise():
    for check in ("model_version", "truncation", "finish_reason"):
        assert answer(check, TraceBuilder().trace()).status == "not_applicable"


def test_several_offenders_are_summed_up_first_and_then_listed():
    build = TraceBuilder()
    calls = [build.llm(request_model="gpt-4o", response_model="gpt-4o-mini") for _ in range(3)]

    overall, *parts = ask("model_version", build.trace())

    assert overall.evidence == {"count": 3, "span_ids": [call.span_id for call in calls]}
    assert [part.span_id for part in parts] == [call.span_id for call in calls]
    assert not overall.detail
    assert all(part.detail for part in parts)


# --- was the right prompt deployed? -------------------------------------------------------------------


def prompted(version: str | None = "v7", **fields: Any) -> Trace:
    build = TraceBuilder()
    build.llm(prompt_name="returns", prompt_version=version, **fields)
    return build.trace()


def used(*versions: str | None, name: str = "returns", hashes: bool = False) -> Callable[[], list[PromptUse]]:
    key = "prompt_hash" if hashes else "prompt_version"
    return lambda: [
        PromptUse(trace_id=f"{i:032x}", prompt_name=name, **{key: version})
        for i, version in enumerate(versions)
    ]


def test_the_expected_prompt_version_passes():
    assert answer("prompt_version", prompted("v7"), prompt_version="v7").status == "pass"


def test_another_prompt_version_than_expected_fails_with_both():
    finding = answer("prompt_version", prompted("v6"), prompt_version="v7")

    assert (finding.status, finding.severity) == ("fail", "high")
    assert finding.evidence["prompt_version"] == "v6"
    assert finding.evidence["expected_version"] == "v7"


def test_the_beginning_of_the_template_hash_may_be_expected():
    trace = prompted(None, prompt_hash="0123456789abcdef")

    assert answer("prompt_version", trace, prompt_version="01234567").status == "pass"
    assert answer("prompt_version", trace, prompt_version="v7").status == "unknown"


def test_other_prompts_beside_the_right_one_are_only_mentioned():
    build = TraceBuilder()
    build.llm(prompt_name="planner", prompt_version="v2")
    build.llm(prompt_name="returns", prompt_version="v7")

    finding = answer("prompt_version", build.trace(), prompt_version="v7")

    assert (finding.status, finding.severity) == ("warn", "low")
    assert finding.evidence["prompt_name"] == "planner"


def test_the_prompt_is_unknown_when_no_span_carries_one():
    build = TraceBuilder()
    build.llm()

    for expected in (None, "v7"):
        finding = answer("prompt_version", build.trace(), prompt_version=expected)
        assert finding.status == "unknown"
        assert "prompt_version" in (finding.suggestion or "")


def test_the_version_that_this_route_used_before_passes():
    finding = answer("prompt_version", prompted("v7"), history=used("v7", "v6", "v7", "v7"))

    assert finding.status == "pass"
    assert finding.evidence["usual_in"] == "3 of the last 4 traces"
    assert finding.evidence["usual_trace_ids"]


def test_one_earlier_trace_is_told_as_one():
    finding = answer("prompt_version", prompted("v7"), history=used("v7"))

    assert "(1 of the 1 trace before)" in finding.summary


def test_a_version_that_this_route_never_used_is_a_warning():
    finding = answer("prompt_version", prompted("v8"), history=used("v7", "v7", "v6", "v7"))

    assert (finding.status, finding.severity) == ("warn", "medium")
    assert finding.evidence["usual"] == "v7"
    assert finding.evidence["this_one_before"] == 0


def test_a_version_seen_now_and_then_is_a_milder_warning():
    finding = answer("prompt_version", prompted("v6"), history=used("v7", "v7", "v6", "v7"))

    assert (finding.status, finding.severity) == ("warn", "low")


def test_only_the_last_twenty_traces_count():
    before = used(*["v7"] * 20, *["v6"] * 40)

    assert answer("prompt_version", prompted("v7"), history=before).status == "pass"


def test_the_history_of_another_prompt_says_nothing():
    finding = answer("prompt_version", prompted("v7"), history=used("v1", "v1", name="planner"))

    assert finding.status == "unknown"
    assert "route" in finding.evidence["reason"]


def test_without_history_the_question_is_open_and_says_why():
    assert answer("prompt_version", prompted("v7")).status == "unknown"
    assert answer("prompt_version", prompted("v7"), history=used()).evidence["reason"]


def test_the_hash_stands_in_where_there_is_no_version():
    trace = prompted(None, prompt_hash="aaaa1111")

    assert answer("prompt_version", trace, history=used("aaaa1111", "aaaa1111", hashes=True)).status == "pass"
    assert answer("prompt_version", trace, history=used("bbbb", "bbbb", hashes=True)).status == "warn"


def test_hashes_that_differ_each_time_make_no_usual_prompt():
    """A system prompt with the date in it is new every day."""
    finding = answer(
        "prompt_version", prompted(None, prompt_hash="dddd"), history=used("a", "b", "c", hashes=True)
    )

    assert finding.status == "unknown"


def test_two_prompts_without_a_name_are_not_taken_for_rivals():
    """The templates of a two-step chain have a hash each; both were there before."""
    build = TraceBuilder()
    for template in ("aaaa", "bbbb"):
        build.llm(prompt_hash=template)
    past = [PromptUse(trace_id=f"{i}", prompt_hash=each) for i in range(3) for each in ("bbbb", "aaaa")]

    assert answer("prompt_version", build.trace(), history=lambda: past).status == "pass"


# --- were relevant documents retrieved? ---------------------------------------------------------------


def retrieved(*found: list[dict[str, Any]] | None, **fields: Any) -> Trace:
    build = TraceBuilder()
    for listed in found:
        build.retriever(listed, **fields)
    return build.trace()


def test_documents_are_listed_with_ids_scores_and_sizes():
    finding = answer("retrieved_context", retrieved(documents(0.9, 0.8)))

    assert finding.status == "pass"
    assert finding.evidence["documents"] == 2
    assert finding.evidence["ids"] == ["doc-0", "doc-1"]
    assert finding.evidence["scores"] == [0.9, 0.8]
    assert finding.evidence["chars"] == [500, 500]


def test_nothing_found_is_a_failure():
    finding = answer("retrieved_context", retrieved([]))

    assert (finding.status, finding.severity) == ("fail", "high")
    assert finding.evidence["documents"] == 0


def test_one_empty_search_among_others_is_a_warning():
    assert answer("retrieved_context", retrieved(documents(0.9), [])).status == "warn"


def test_low_similarities_are_a_warning_that_gives_the_best():
    finding = answer("retrieved_context", retrieved(documents(0.21, 0.2, 0.1)))

    assert (finding.status, finding.severity) == ("warn", "medium")
    assert "0.21" in finding.summary


@pytest.mark.parametrize(
    "scores", [(0.1, 0.2, 0.25), (12.0, 7.0), (-0.2, -0.4), (None, None), (0.29, 0.31), (0.31, 0.1)]
)
def test_distances_ranks_and_missing_scores_are_not_taken_for_low_similarities(scores):
    assert answer("retrieved_context", retrieved(documents(*scores))).status == "pass"


def test_the_same_document_twice_is_a_mild_warning():
    twice = [{"id": "a", "hash": "x"}, {"id": "b", "hash": "x"}, {"id": "c", "hash": "y"}]

    finding = answer("retrieved_context", retrieved(twice))

    assert (finding.status, finding.severity) == ("warn", "low")
    assert finding.evidence["repeated"] == {"x": 2}


def test_pieces_of_one_file_are_no_repetition():
    pieces = [{"id": "file", "hash": "x"}, {"id": "file", "hash": "y"}]

    assert answer("retrieved_context", retrieved(pieces)).status == "pass"


def test_a_failed_retriever_is_a_failure():
    finding = answer("retrieved_context", retrieved(None, status="error", error_type="ConnectionError"))

    assert finding.status == "fail"
    assert finding.evidence["error_type"] == "ConnectionError"


def test_a_failed_retriever_that_was_retried_is_a_warning():
    build = TraceBuilder()
    build.retriever(status="error", error_type="ConnectionError")
    second = build.retriever(documents(0.9))

    finding = answer("retrieved_context", build.trace())

    assert finding.status == "warn"
    assert finding.evidence["retried_span_id"] == second.span_id


def test_a_retriever_without_a_count_is_unknown():
    assert answer("retrieved_context", retrieved(None)).status == "unknown"


def test_without_a_retriever_the_question_does_not_arise():
    assert answer("retrieved_context", TraceBuilder().trace()).status == "not_applicable"


# --- was the output or the context cut? ---------------------------------------------------------------


def test_an_answer_cut_at_its_limit_is_critical_and_says_the_limit():
    build = TraceBuilder(output_preview="The policy says")
    call = build.llm(
        request_model="gpt-4o-mini",
        response_model=None,
        finish_reason="length",
        output_tokens=64,
        max_tokens=64,
    )

    finding = answer("truncation", build.trace())

    assert (finding.status, finding.severity, finding.span_id) == ("fail", "critical", call.span_id)
    assert finding.summary == (
        "The answer was cut: ChatOpenAI `gpt-4o-mini` stopped at its limit of 64 output tokens "
        "(finish reason length)."
    )
    assert finding.suggestion == "Raise max_tokens above 64, or ask for a shorter answer."


@pytest.mark.parametrize("reason", ["stop", "tool_calls", "unknown", None])
def test_tokens_at_the_cap_are_a_cut_whatever_the_reason_says(reason):
    build = TraceBuilder()
    build.llm(finish_reason=reason, output_tokens=64, max_tokens=64)

    finding = answer("truncation", build.trace())

    assert finding.status == "fail"
    assert finding.evidence["output_tokens"] == finding.evidence["max_tokens"] == 64


def test_a_length_stop_below_max_tokens_points_elsewhere():
    build = TraceBuilder()
    build.llm(finish_reason="length", output_tokens=30, max_tokens=64)

    finding = answer("truncation", build.trace())

    assert "below its max_tokens of 64" in finding.summary
    assert "window" in (finding.suggestion or "")


def test_a_cut_in_the_middle_is_a_warning_with_its_span():
    build = TraceBuilder()
    middle = build.llm(finish_reason="length", output_tokens=64, max_tokens=64)
    build.llm()

    finding = answer("truncation", build.trace())

    assert (finding.status, finding.severity, finding.span_id) == ("warn", "medium", middle.span_id)


def test_cut_tool_arguments_fail_even_in_the_middle():
    build = TraceBuilder()
    broken = {semconv.TOOL_CALLS: [{"name": "search", "args_valid": False}]}
    build.llm(finish_reason="tool_calls", output_tokens=64, max_tokens=64, attributes=broken)
    build.llm()

    finding = answer("truncation", build.trace())

    assert (finding.status, finding.severity) == ("fail", "critical")
    assert finding.evidence["tools_with_broken_arguments"] == ["search"]


def test_broken_arguments_far_below_the_cap_are_malformed_and_not_cut():
    build = TraceBuilder()
    broken = {semconv.TOOL_CALLS: [{"name": "search", "args_valid": False}]}
    build.llm(finish_reason="tool_calls", output_tokens=20, max_tokens=4000, attributes=broken)

    finding = answer("truncation", build.trace())

    assert finding.status == "warn"
    assert "malformed" in finding.summary


def test_broken_arguments_without_a_known_cap_may_be_cut():
    build = TraceBuilder()
    build.llm(attributes={semconv.TOOL_CALLS: [{"name": "search", "args_valid": False}]})

    assert answer("truncation", build.trace()).status == "fail"


def test_reasoning_that_ate_the_budget_is_named():
    build = TraceBuilder()
    build.llm(finish_reason="length", output_tokens=1000, max_tokens=1000, reasoning_tokens=960)

    finding = answer("truncation", build.trace())
    assert "Reasoning took 960 of the 1000 tokens (96%)" in (finding.suggestion or "")
    assert finding.evidence["reasoning_share"] == 0.96


def test_a_cut_answer_that_is_asked_for_again_unchanged_is_told_and_fails():
    build = TraceBuilder()
    cut = {"finish_reason": "length", "output_tokens": 64, "max_tokens": 64, "messages_hash": "ab" * 8}
    first, second, third = (build.llm(**cut) for _ in range(3))

    findings = ask("truncation", build.trace())

    told = next(each for each in findings if each.span_id == first.span_id and each.detail)
    assert told.status == "fail"
    assert told.summary.endswith("and was asked the same again 2 times.")
    assert told.evidence["asked_again"] == [second.span_id, third.span_id]


def test_a_cut_answer_that_is_asked_for_with_more_room_is_no_blind_repetition():
    build = TraceBuilder()
    build.llm(finish_reason="length", output_tokens=64, max_tokens=64, messages_hash="ab" * 8)
    build.llm(finish_reason="stop", output_tokens=90, max_tokens=256, messages_hash="ab" * 8)

    assert "asked_again" not in answer("truncation", build.trace()).evidence


def test_where_tokens_are_missing_the_switch_that_gives_them_is_named():
    build = TraceBuilder()
    why = "the provider sends no usage with a stream unless asked: stream_usage=True"
    build.llm(
        input_tokens=None,
        output_tokens=None,
        finish_reason=None,
        usage_source="missing",
        attributes={semconv.USAGE_MISSING_REASON: why},
    )

    assert "stream_usage=True" in (answer("truncation", build.trace()).suggestion or "")


def test_whole_outputs_pass_and_the_input_stays_open_without_the_window():
    build = TraceBuilder()
    build.llm(max_tokens=500)

    overall, part = ask("truncation", build.trace())

    assert overall.status == "pass"
    assert (part.status, part.detail) == ("unknown", True)
    assert "max_context_tokens" in (part.suggestion or "")


def test_an_input_below_the_window_leaves_nothing_open():
    build = TraceBuilder()
    build.llm()

    assert [each.status for each in ask("truncation", build.trace(), max_context_tokens=8192)] == ["pass"]


def test_an_input_that_fills_the_window_fails():
    build = TraceBuilder()
    build.llm(input_tokens=4096)

    finding = answer("truncation", build.trace(), max_context_tokens=4096)

    assert finding.status == "fail"
    assert "4096 of 4096" in finding.summary


def test_an_output_that_ran_into_the_window_fails():
    build = TraceBuilder()
    build.llm(input_tokens=4000, output_tokens=96)

    assert answer("truncation", build.trace(), max_context_tokens=4096).status == "fail"


def test_an_unknown_count_of_input_tokens_is_not_taken_for_a_small_one():
    build = TraceBuilder()
    build.llm(input_tokens=None)

    assert [each.status for each in ask("truncation", build.trace(), max_context_tokens=4096)] == [
        "pass",
        "unknown",
    ]


def test_an_input_refused_as_too_long_is_critical():
    build = TraceBuilder(status="error", error_type="BadRequestError")
    build.failed_llm(
        error_type="BadRequestError", error_message="This model's maximum context length is 8192"
    )

    assert answer("truncation", build.trace()).severity == "critical"


def test_without_reason_and_counts_nobody_can_tell():
    build = TraceBuilder()
    build.llm(finish_reason=None, output_tokens=None)

    assert answer("truncation", build.trace()).status == "unknown"


# --- did the model finish normally? -------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["stop", "tool_calls"])
def test_a_normal_end_passes(reason):
    build = TraceBuilder()
    build.llm(finish_reason=reason)

    assert answer("finish_reason", build.trace()).status == "pass"


@pytest.mark.parametrize(
    ("reason", "status", "severity"),
    [
        ("content_filter", "fail", "critical"),
        ("refusal", "fail", "high"),
        ("error", "fail", "critical"),
        ("length", "fail", "high"),
        ("pause", "warn", "medium"),
    ],
)
def test_each_abnormal_reason_of_the_answer(reason, status, severity):
    build = TraceBuilder()
    call = build.llm(finish_reason=reason, finish_reason_raw="raw word")

    finding = answer("finish_reason", build.trace())

    assert (finding.status, finding.severity, finding.span_id) == (status, severity, call.span_id)
    assert finding.evidence["finish_reason_raw"] == "raw word"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"finish_reason": None}, "no finish reason"),
        ({"finish_reason": None, "streamed": True}, "connection breaks off"),
        ({"finish_reason": "unknown", "finish_reason_raw": "eos_new"}, "`eos_new`"),
    ],
)
def test_a_missing_or_unknown_reason_is_unknown_and_says_why(fields, why):
    build = TraceBuilder()
    build.llm(**{"finish_reason_raw": None} | fields)

    finding = answer("finish_reason", build.trace())

    assert finding.status == "unknown"
    assert why in finding.evidence["reason"]


def test_a_retried_attempt_is_a_remark_that_names_who_answered():
    build = TraceBuilder()
    wrapper = build.add("chain", "RunnableRetry", ms=20)
    failed = build.failed_llm(parent=wrapper, at_ms=2)
    second = build.llm(parent=wrapper, at_ms=8)

    finding = answer("finish_reason", build.trace())

    assert (finding.status, finding.severity, finding.span_id) == ("warn", "low", failed.span_id)
    assert finding.evidence["answered_span_id"] == second.span_id


def test_an_error_that_took_the_run_with_it_is_found_where_it_began():
    build = TraceBuilder(status="error", error_type="ValueError")
    chain = build.add("chain", "step", status="error", error_type="ValueError", ms=20)
    tool = build.add("tool", "search", parent=chain, status="error", error_type="ValueError", at_ms=3)

    findings = ask("finish_reason", build.trace())

    assert [finding.span_id for finding in findings] == [tool.span_id]
    assert (findings[0].status, findings[0].severity) == ("fail", "critical")


def test_a_tool_error_that_the_run_survived_is_a_warning():
    build = TraceBuilder()
    build.add("tool", "search", status="error", error_type="ToolException")
    build.llm()

    finding = answer("finish_reason", build.trace())

    assert (finding.status, finding.severity) == ("warn", "medium")


@pytest.mark.parametrize(
    ("status", "answered"),
    [
        ("cancelled", "fail"),
        ("abandoned", "fail"),
        ("open", "warn"),
        ("closed_early", "warn"),
        ("interrupted", "warn"),
    ],
)
def test_spans_that_did_not_end_as_they_should_are_named(status, answered):
    build = TraceBuilder(status=status)
    step = build.add("chain", "step", status=status)

    finding = answer("finish_reason", build.trace())

    assert (finding.status, finding.span_id) == (answered, step.span_id)
    assert finding.evidence["span_status"] == status


def test_a_step_that_was_cancelled_because_its_reader_left_is_no_finding_of_its_own():
    """Breaking out of `graph.astream()` cancels the node that runs; the graph did not go on without it."""
    build = TraceBuilder(status="closed_early")
    build.add("chain", "node", status="cancelled", ms=20)

    findings = ask("finish_reason", build.trace())

    assert [finding.span_id for finding in findings] == [build.root.span_id]


def test_a_step_that_was_cancelled_while_the_stream_went_on_is_one():
    build = TraceBuilder(status="closed_early")
    slow = build.add("chain", "node", status="cancelled", ms=20)
    build.add("chain", "next")

    findings = ask("finish_reason", build.trace())

    assert slow.span_id in [finding.span_id for finding in findings]


def test_an_interrupt_that_was_resumed_and_a_handoff_are_no_findings():
    build = TraceBuilder(status="interrupted")
    build.llm()
    build.add("chain", "node", status="handoff")

    assert answer("finish_reason", build.trace(resumed_by="a" * 32)).status == "pass"


# --- readings of the tree -----------------------------------------------------------------------------


def test_the_answer_is_the_call_whose_text_begins_the_roots_output():
    build = TraceBuilder(output_preview="Thirty days after")
    said = build.llm(output_preview="Thirty days after delivery…")
    build.llm(output_preview="Title: returns")

    assert answer_call(build.trace()) is said


def test_without_text_the_last_call_gave_the_answer_unless_it_came_late():
    build = TraceBuilder()
    last = build.llm()
    build.llm(attributes={semconv.LATE: True})

    assert answer_call(build.trace()) is last


def test_an_agent_that_goes_on_after_its_tool_failed_is_no_fallback():
    build = TraceBuilder()
    tool = build.add("tool", "research", status="error", error_type="RateLimitError", ms=10)
    inner = build.failed_llm(parent=tool, request_model="gpt-4o-mini", at_ms=2)
    build.llm(at_ms=20)

    assert rescued_by(build.trace(), inner) is None


def test_another_tool_that_worked_later_is_no_retry():
    build = TraceBuilder()
    failed = build.add("tool", "lookup", status="error", error_type="ToolException")
    build.add("tool", "change_address")
    assert rescued_by(build.trace(), failed) is None

    again = build.add("tool", "lookup")
    assert rescued_by(build.trace(), failed) is again


def test_a_wrapped_exception_is_found_at_the_step_that_raised_it():
    build = TraceBuilder(status="error", error_type="OutputParserException")
    inner = build.add("parser", "JsonOutputParser", status="error", error_type="JSONDecodeError")

    assert origins(build.trace(), "error") == [inner]


def test_a_parent_that_failed_after_a_recovered_child_failed_by_itself():
    build = TraceBuilder(status="error", error_type="KeyError")
    attempt = build.failed_llm()
    build.llm()

    assert origins(build.trace(), "error") == [build.root, attempt]


# --- all of them --------------------------------------------------------------------------------------


def test_a_check_that_breaks_is_unknown_and_the_others_go_on():
    def broken(_: CheckContext) -> tuple[Finding, ...]:
        raise KeyError("secret")

    findings = run_checks(CheckContext(trace=prompted()), {"first": broken, **CHECKS})

    assert (findings[0].check, findings[0].status) == ("first", "unknown")
    assert findings[0].evidence["fault"] == "KeyError"
    assert "secret" not in str(findings[0])
    assert {finding.check for finding in findings} == {"first", *CHECKS}


@given(
    traces(),
    st.none() | st.just("gpt-4o"),
    st.none() | st.just("v1"),
    st.none() | st.integers(1, 6000),
    st.none() | st.lists(st.sampled_from(["v1", "v2"]), max_size=4),
)
def test_any_trace_gets_every_answer_and_each_cites_a_span_or_says_why_not(
    trace, model, version, window, past
):
    context = CheckContext(
        trace=trace,
        expected_model=model,
        prompt_version=version,
        max_context_tokens=window,
        history=None if past is None else used(*past, name="a"),
    )

    findings = run_checks(context)

    assert [finding.check for finding in findings if not finding.detail] == list(CHECKS)
    for finding in findings:
        assert "fault" not in finding.evidence
        if finding.status != "pass":
            cited = finding.span_id is not None and trace.get(finding.span_id) is not None
            assert cited or finding.evidence["reason"]

"""Did every model call, and every other step, come to a normal end?

Reads the finish reason of each model call and the status of each span.  An attempt that failed and
was made good by a retry or a fallback is told, but it is no failure of the trace.
"""

from collections.abc import Callable, Iterator
from typing import Final

from spanscope.checks._base import (
    FAILED,
    CheckContext,
    conclude,
    contained_in,
    known,
    label,
    named,
    not_applicable,
    origins,
    rescued_by,
    unknown,
)
from spanscope.report import Finding, FindingStatus, Severity
from spanscope.semconv import HTTP_STATUS_CODE, Status
from spanscope.spans import Span
from spanscope.trace import Trace

NAME = "finish_reason"
NORMAL: Final = frozenset({"stop", "tool_calls"})

# Reason → severity for the call that gave the answer, severity for another one, what happened, remedy.
_REASONS: Final[dict[str, tuple[Severity, Severity, str, str]]] = {
    # One below what `truncation` says of it, which knows the limit.
    "length": (
        "high",
        "low",
        "was stopped by a length limit",
        "See the truncation finding: raise the limit or ask for less.",
    ),
    "content_filter": (
        "critical",
        "medium",
        "was stopped by the provider's content filter",
        "Look at what in the prompt or the documents set the filter off, or loosen it with the provider.",
    ),
    "refusal": (
        "high",
        "medium",
        "refused to answer",
        "Reword the request or the system prompt; the model took it as something it must not do.",
    ),
    "error": ("critical", "medium", "ended with an error of the provider", "Retry, and see the raw reason."),
    "pause": (
        "medium",
        "low",
        "paused its turn and was to be called again",
        "Send the paused answer back to the model so that it can go on.",
    ),
}


def check(context: CheckContext) -> tuple[Finding, ...]:
    """Finish reasons of the model calls, and spans that did not end as they should."""
    offenders = [*_by_reason(context), *_by_status(context)]
    unsaid = [
        call
        for call in context.llm_calls
        if call.status in {"ok", "handoff"} and call.finish_reason in {None, "unknown"}
    ]
    return conclude(
        offenders,
        several="{n} steps did not end normally.",
        otherwise=lambda: _unsaid(unsaid, context) if unsaid else _normal(context),
        also=[_unsaid(unsaid, context)] if unsaid and offenders else (),
    )


def _by_reason(context: CheckContext) -> Iterator[Finding]:
    for call in context.llm_calls:
        if call.status in FAILED or call.finish_reason not in _REASONS:
            continue
        for_answer, otherwise, what, remedy = _REASONS[call.finish_reason]
        gave_the_answer = call is context.answer
        mild = not gave_the_answer and call.finish_reason in {"length", "pause"}
        yield Finding(
            check=NAME,
            status="warn" if mild or call.finish_reason == "pause" else "fail",
            severity=for_answer if gave_the_answer else otherwise,
            span_id=call.span_id,
            summary=f"{label(call)} {what} (finish reason {call.finish_reason}).",
            evidence=known(
                finish_reason=call.finish_reason,
                finish_reason_raw=call.finish_reason_raw,
                output_tokens=call.output_tokens,
                output_chars=call.output_chars,
                gave_the_answer=gave_the_answer,
            ),
            suggestion=remedy,
        )


def _by_status(context: CheckContext) -> Iterator[Finding]:
    judges: dict[Status, Callable[[Span, CheckContext], Finding]] = {
        "error": _failed,
        "abandoned": _abandoned,
        "cancelled": _cancelled,
        "open": _open,
        "closed_early": _closed_early,
    }
    if not context.trace.resumed_by:
        judges["interrupted"] = _interrupted
    for status, judge in judges.items():
        for span in origins(context.trace, status):
            if not _ended_by_the_reader(span, context.trace):
                yield judge(span, context)


def _ended_by_the_reader(span: Span, trace: Trace) -> bool:
    """Cancelled by closing the stream around it, which is a finding by itself: nothing began afterwards."""
    around = contained_in(trace, span)
    if span.status != "cancelled" or around is None or around.status != "closed_early":
        return False
    ended_ns = span.end_ns or span.start_ns
    return not any(later.start_ns >= ended_ns and around in trace.ancestors(later) for later in trace.spans)


def _failed(span: Span, context: CheckContext) -> Finding:
    error = span.error_type or "error"
    http_status = span.attributes.get(HTTP_STATUS_CODE)
    other = rescued_by(context.trace, span)
    around = contained_in(context.trace, span)
    if other:
        what = f"{label(span)} failed ({error}); {label(other)} answered in its place."
    elif around:
        what = f"{label(span)} failed ({error}), and {label(around)} went on without it."
    else:
        what = f"{label(span)} failed ({error}), and the run with it."
    return _finding(
        span,
        what,
        status="warn" if around else "fail",
        severity="low" if other else "medium" if around else "critical",
        suggestion=None if other else _remedy_for(error, http_status),
        http_status=http_status,
        error_message=span.error_message,
        answered_span_id=other.span_id if other else None,
        contained_in=around.span_id if around else None,
    )


def _remedy_for(error: str, http_status: object) -> str:
    if http_status == 429 or "RateLimit" in error:
        return "Send fewer requests at once, retry after a pause, or raise the provider's limit."
    if http_status in {401, 403} or "Authentication" in error or "Permission" in error:
        return "Check the key and what it is allowed to use."
    if "Timeout" in error:
        return "Raise the timeout, ask for a shorter answer, or stream it."
    if "Recursion" in error:
        return "See which step repeats, and give the graph a way to end; raise recursion_limit only then."
    return f"See the error message and the input of this step; it raised {error}."


def _abandoned(span: Span, context: CheckContext) -> Finding:
    return _finding(
        span,
        f"{label(span)} never reported its end.",
        status="warn" if contained_in(context.trace, span) else "fail",
        severity="medium" if contained_in(context.trace, span) else "high",
        suggestion="Look for a thread or task that died or still hangs in this step.",
    )


def _cancelled(span: Span, context: CheckContext) -> Finding:
    around = contained_in(context.trace, span)
    return _finding(
        span,
        f"{label(span)} was cancelled{f', and {label(around)} went on without it' if around else ''}.",
        status="warn" if around else "fail",
        severity="low" if around else "high",
        suggestion="Look at who cancels: a timeout around the call, or a client that hung up.",
    )


def _open(span: Span, context: CheckContext) -> Finding:
    return _finding(
        span,
        f"{label(span)} has no end yet: it still runs, or its process was killed.",
        status="warn",
        severity="medium",
        suggestion="Ask again later; if it stays open, look at how the process ended (memory, a signal).",
    )


def _closed_early(span: Span, context: CheckContext) -> Finding:
    return _finding(
        span,
        f"The stream of {label(span)} was closed before its end.",
        status="warn",
        severity="medium" if span is context.answer or span is context.trace.root else "low",
        suggestion="If the reader did not mean to stop, look at its connection and its timeout.",
        output_chars=span.output_chars,
    )


def _interrupted(span: Span, context: CheckContext) -> Finding:
    return _finding(
        span,
        f"{label(span)} was interrupted and waits to be resumed.",
        status="warn",
        severity="low",
        suggestion="Resume the graph on the same thread with Command(resume=…), if it is still wanted.",
        thread_id=span.thread_id,
    )


def _finding(
    span: Span,
    summary: str,
    *,
    status: FindingStatus,
    severity: Severity,
    suggestion: str | None,
    **facts: object,
) -> Finding:
    return Finding(
        check=NAME,
        status=status,
        severity=severity,
        span_id=span.span_id,
        summary=summary,
        evidence=known(span_status=span.status, error_type=span.error_type, **facts),
        suggestion=suggestion,
    )


def _unsaid(calls: list[Span], context: CheckContext) -> Finding:
    raw = sorted({call.finish_reason_raw for call in calls if call.finish_reason_raw})
    if raw:
        reason = f"the provider's reason has no known meaning: {', '.join(map(named, raw))}"
    elif any(call.streamed for call in calls):
        reason = "the stream ended without a finish reason, as it does when a connection breaks off"
    else:
        reason = "the response carries no finish reason"
    of_how_many = f"{len(calls)} of {len(context.llm_calls)} model calls"
    who = label(calls[0]) if len(context.llm_calls) == 1 else of_how_many
    return unknown(
        NAME,
        f"Whether {who} ended normally is not known.",
        reason=reason,
        span_ids=[call.span_id for call in calls],
        finish_reason_raw=raw or None,
    )


def _normal(context: CheckContext) -> Finding:
    calls = context.llm_calls
    if not calls:
        return not_applicable(
            NAME,
            "No language model was called, and every step ended normally.",
            reason="the trace has no llm span",
        )
    reasons = [call.finish_reason or "unknown" for call in calls]
    count = "The model call" if len(calls) == 1 else f"All {len(calls)} model calls"
    return Finding(
        check=NAME,
        status="pass",
        summary=f"{count} ended normally ({', '.join(dict.fromkeys(reasons))}).",
        span_id=(context.answer or calls[-1]).span_id,
        evidence={"finish_reasons": {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}},
    )

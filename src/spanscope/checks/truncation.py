"""Was the output cut, or the input?

The count of tokens is believed before the finish reason: some providers say `stop` or `tool_calls`
of an answer that stands exactly at its cap.  An input that fills the context window was, or will be,
cut by somebody; that needs the window's size, and only the caller knows it for certain.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from spanscope.checks._base import (
    CheckContext,
    conclude,
    known,
    label,
    not_applicable,
    rescued_by,
    unknown,
)
from spanscope.report import Finding, FindingStatus, Severity
from spanscope.semconv import TOOL_CALLS, USAGE_MISSING_REASON
from spanscope.spans import Span

NAME = "truncation"
_TOO_LONG = ("context_length_exceeded", "maximum context length", "prompt is too long", "context window")
_TOO_LONG_TYPES = frozenset({"ContextOverflowError", "ContextWindowExceededError"})


def check(context: CheckContext) -> tuple[Finding, ...]:
    """Outputs against their caps, inputs against the window, and tool arguments that do not parse."""
    if not context.llm_calls:
        return (not_applicable(NAME, "No language model was called.", reason="the trace has no llm span"),)
    outputs = [finding for call in context.answered() if (finding := _output(call, context))]
    inputs = [finding for call in context.llm_calls if (finding := _input(call, context))]
    return conclude(
        [*outputs, *inputs],
        several="{n} model calls were cut or are in doubt.",
        otherwise=lambda: _whole(context),
        also=() if inputs else _inputs_in_doubt(context),
    )


def _output(call: Span, context: CheckContext) -> Finding | None:
    """A finding when this call's output ends where its limit is, or in the middle of its JSON."""
    broken = _broken_tools(call)
    said_so = call.finish_reason == "length"
    at_cap = call.max_tokens is not None and (call.output_tokens or 0) >= call.max_tokens > 0
    if said_so or at_cap:
        return _cut(call, context, broken)
    if not broken:
        return None
    room_left = call.max_tokens is not None and call.output_tokens is not None
    return Finding(
        check=NAME,
        status="warn" if room_left else "fail",
        severity="medium" if room_left else "high",
        span_id=call.span_id,
        summary=f"{label(call)} wrote arguments for {_tools(broken)} that do not parse"
        + (", though it had tokens left: malformed rather than cut." if room_left else "; they may be cut."),
        evidence=_evidence(call, context, broken),
        suggestion="Validate the arguments before the tool runs and ask the model again."
        if room_left
        else "Set max_tokens, and record usage, so that a cut can be told from malformed JSON.",
    )


def _cut(call: Span, context: CheckContext, broken: list[str]) -> Finding:
    gave_the_answer = call is context.answer
    said_so = call.finish_reason == "length"
    again = _asked_again(call, context)
    status: FindingStatus = "fail" if gave_the_answer or broken or len(again) > 1 else "warn"
    severity: Severity = "medium" if status == "warn" else "critical" if said_so or broken else "high"
    what = (
        f"The arguments for {_tools(broken)} were cut"
        if broken
        else "The answer was cut"
        if gave_the_answer
        else "The output of a step was cut"
    )
    return Finding(
        check=NAME,
        status=status,
        severity=severity,
        span_id=call.span_id,
        summary=f"{what}: {label(call)} {_where_it_stopped(call)}"
        + (f", and was asked the same again {_times(len(again))}." if again else "."),
        evidence=_evidence(call, context, broken)
        | known(asked_again=[span.span_id for span in again] or None),
        suggestion=_remedy(call),
    )


def _asked_again(cut: Span, context: CheckContext) -> list[Span]:
    """Later calls with the same messages and no higher limit, as of a loop that takes a cut for a failure."""
    if cut.messages_hash is None or cut.end_ns is None:
        return []
    return [
        call
        for call in context.llm_calls
        if call.messages_hash == cut.messages_hash
        and call.start_ns >= cut.end_ns
        and (call.max_tokens or 0) <= (cut.max_tokens or 0)
    ]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _where_it_stopped(call: Span) -> str:
    reason = f"finish reason {call.finish_reason}" if call.finish_reason else "no finish reason given"
    if call.max_tokens is not None and (call.output_tokens or 0) >= call.max_tokens:
        return f"stopped at its limit of {call.max_tokens} output tokens ({reason})"
    after = f" after {call.output_tokens} output tokens" if call.output_tokens is not None else ""
    limit = f", below its max_tokens of {call.max_tokens}" if call.max_tokens is not None else ""
    return f"stopped{after}{limit} ({reason})"


def _remedy(call: Span) -> str:
    if (share := _reasoning_share(call)) is not None and share >= 0.5:
        return (
            f"Reasoning took {call.reasoning_tokens} of the {call.output_tokens} tokens ({share:.0%}): "
            "raise max_tokens, or lower the reasoning effort."
        )
    if call.max_tokens is not None and (call.output_tokens or 0) < call.max_tokens:
        return (
            "The limit was not max_tokens: look at the size of the context window, "
            "or at a cap of the server's own."
        )
    above = f"raise max_tokens above {call.max_tokens}" if call.max_tokens else "set a higher max_tokens"
    return f"{above[0].upper()}{above[1:]}, or ask for a shorter answer."


def _reasoning_share(call: Span) -> float | None:
    """How much of the output was reasoning, from 0 to 1; None where there was none."""
    if not call.reasoning_tokens or not call.output_tokens:
        return None
    return round(call.reasoning_tokens / call.output_tokens, 3)


def _broken_tools(call: Span) -> list[str]:
    calls = call.attributes.get(TOOL_CALLS) or ()
    broken = (each for each in calls if isinstance(each, Mapping) and each.get("args_valid") is False)
    return [str(each.get("name") or "a tool") for each in broken]


def _tools(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _input(call: Span, context: CheckContext) -> Finding | None:
    """A finding when the input was refused as too long, or fills the window."""
    if call.status == "error":
        return _refused(call, context) if _was_too_long(call) else None
    window, used = context.max_context_tokens, call.input_tokens
    if window is None or used is None:
        return None
    if used < window and used + (call.output_tokens or 0) < window:
        return None
    full = used >= window
    answered = call is context.answer
    return Finding(
        check=NAME,
        status="fail" if answered else "warn",
        severity="high" if answered else "medium",
        span_id=call.span_id,
        summary=f"The input of {label(call)} fills the context window: {used} of {window} tokens, "
        "so its beginning or end was cut."
        if full
        else f"Input and output of {label(call)} fill the context window together: "
        f"{used} + {call.output_tokens} of {window} tokens.",
        evidence=_evidence(call, context, []),
        suggestion="Send fewer documents or a shorter history, or use a model with a larger window "
        "(for Ollama: raise num_ctx).",
    )


def _was_too_long(call: Span) -> bool:
    message = (call.error_message or "").lower()
    return call.error_type in _TOO_LONG_TYPES or any(words in message for words in _TOO_LONG)


def _refused(call: Span, context: CheckContext) -> Finding:
    other = rescued_by(context.trace, call)
    return Finding(
        check=NAME,
        status="warn" if other else "fail",
        severity="medium" if other else "critical",
        span_id=call.span_id,
        summary=f"{label(call)} refused its input as longer than its context window"
        + (f"; {label(other)} answered instead." if other else "."),
        evidence=known(
            error_type=call.error_type,
            error_message=call.error_message,
            max_context_tokens=context.max_context_tokens,
            answered_span_id=other.span_id if other else None,
        ),
        suggestion="Send fewer documents or a shorter history, or use a model with a larger window.",
    )


def _inputs_in_doubt(context: CheckContext) -> list[Finding]:
    """The half of the question that could not be answered."""
    calls = list(context.answered())
    if context.max_context_tokens is None:
        return [
            unknown(
                NAME,
                "Whether the input fitted the context window is not known.",
                reason="the size of the window was not given",
                largest_input_tokens=max((call.input_tokens or 0 for call in calls), default=0) or None,
                suggestion="Give max_context_tokens= to debug_trace, or --max-context-tokens, "
                "to have the input checked.",
            )
        ]
    unsaid = [call.span_id for call in calls if call.input_tokens is None]
    if not unsaid:
        return []
    return [
        unknown(
            NAME,
            f"Whether the input fitted the context window is not known for {len(unsaid)} of "
            f"{len(calls)} calls.",
            reason="no input tokens were reported",
            suggestion=_why_unsaid(calls),
            span_ids=unsaid,
        )
    ]


def _why_unsaid(calls: Iterable[Span]) -> str | None:
    """Why the first call without a count has none, and the switch that would give it."""
    reasons = (call.attributes.get(USAGE_MISSING_REASON) for call in calls if call.input_tokens is None)
    reason = next((each for each in reasons if isinstance(each, str) and each), None)
    return f"{reason[0].upper()}{reason[1:]}." if reason else None


def _whole(context: CheckContext) -> Finding:
    """No call was seen to be cut; whether that means anything depends on what the calls say."""
    calls = list(context.answered())
    if not calls:
        return unknown(NAME, "No model call came to an answer that could be cut.", reason="no call answered")
    silent = [
        call.span_id
        for call in calls
        if call.finish_reason in {None, "unknown"} and (call.max_tokens is None or call.output_tokens is None)
    ]
    if silent:
        return unknown(
            NAME,
            f"Whether the output was cut is not known for {len(silent)} of {len(calls)} model calls.",
            reason="neither a finish reason nor a count of tokens against a limit was reported",
            suggestion=_why_unsaid(calls),
            span_ids=silent,
        )
    last = context.answer or calls[-1]
    return Finding(
        check=NAME,
        status="pass",
        summary="No output was cut."
        + (f" {len(calls)} model calls stayed below their limits." if len(calls) > 1 else ""),
        span_id=last.span_id,
        evidence=_evidence(last, context, []) | {"calls": len(calls)},
    )


def _evidence(call: Span, context: CheckContext, broken: list[str]) -> dict[str, Any]:
    return known(
        finish_reason=call.finish_reason,
        finish_reason_raw=call.finish_reason_raw,
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        reasoning_tokens=call.reasoning_tokens,
        reasoning_share=_reasoning_share(call),
        max_tokens=call.max_tokens,
        max_context_tokens=context.max_context_tokens,
        output_chars=call.output_chars,
        tools_with_broken_arguments=broken or None,
        gave_the_answer=call is context.answer,
    )

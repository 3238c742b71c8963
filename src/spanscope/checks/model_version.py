"""Was the expected model used?

Compares what was asked for, what answered, and what the caller expected.  A helper call that got the
model it asked for is judged mildly; the call that gave the trace its answer is judged strictly.
"""

from spanscope.checks._base import (
    CheckContext,
    conclude,
    known,
    label,
    named,
    not_applicable,
    rescued_by,
    unknown,
)
from spanscope.checks.model_names import compare
from spanscope.report import Finding
from spanscope.spans import Span

NAME = "model_version"


def check(context: CheckContext) -> tuple[Finding, ...]:
    """Requested against answered model, against `expected_model`, and who answered for whom."""
    if not context.llm_calls:
        return (not_applicable(NAME, "No language model was called.", reason="the trace has no llm span"),)
    offenders, unsaid, right = list(_fallbacks(context)), list[Span](), list[Span]()
    for call in context.answered():
        if finding := _misplaced(call, context):
            offenders.append(finding)
        elif call.response_model is None or (call.request_model is None and context.expected_model is None):
            unsaid.append(call)
        else:
            right.append(call)
    return conclude(
        offenders,
        several="{n} model calls were not answered as expected.",
        otherwise=lambda: (
            _unsaid(unsaid, len(right)) if unsaid or not right else _as_expected(right, context)
        ),
        also=[_unsaid(unsaid, len(right))] if unsaid and offenders else (),
    )


def _misplaced(call: Span, context: CheckContext) -> Finding | None:
    """A finding when this call was answered by, or even asked for, another model than it should be."""
    asked, answered = call.request_model, call.response_model
    if asked and answered and (likeness := compare(asked, answered)) != "same":
        # An Azure deployment may be called anything, so its name proves nothing.
        a_deployment = "azure" in (call.provider or "").lower()
        if not (a_deployment and context.expected_model):
            return Finding(
                check=NAME,
                status="warn" if a_deployment else "fail",
                severity="low" if a_deployment else "medium" if likeness == "other_version" else "high",
                span_id=call.span_id,
                summary=f"{call.name} asked for {named(asked)} and {named(answered)} answered.",
                evidence=_evidence(call, context),
                suggestion="Ask the provider or gateway why it routes "
                f"{named(asked)} to {named(answered)}, or pin the model that you want.",
            )
    used = answered or asked
    if not context.expected_model or not used or compare(context.expected_model, used) == "same":
        return None
    gave_the_answer = call is context.answer
    verb = "was answered by" if answered else "asked for"
    return Finding(
        check=NAME,
        status="fail" if gave_the_answer else "warn",
        severity="high" if gave_the_answer else "low",
        span_id=call.span_id,
        summary=f"{call.name} {verb} {named(used)} where {named(context.expected_model)} was expected.",
        evidence=_evidence(call, context),
        suggestion=f"Set the model of {call.name} to {named(context.expected_model)}, "
        "or correct expected_model if the change is meant.",
    )


def _fallbacks(context: CheckContext) -> list[Finding]:
    """One finding for each failed call that a call to another model answered."""
    found = []
    for call in context.llm_calls:
        if call.status != "error" or (other := rescued_by(context.trace, call)) is None:
            continue
        asked, instead = call.request_model, other.request_model or other.response_model
        if not asked or not instead or compare(asked, instead) == "same":
            continue
        found.append(
            Finding(
                check=NAME,
                status="warn",
                severity="medium",
                span_id=call.span_id,
                summary=f"{label(call)} failed ({call.error_type or 'error'}) and "
                f"{label(other)} answered in its place.",
                evidence=known(
                    failed_model=asked,
                    error_type=call.error_type,
                    error_message=call.error_message,
                    answered_by=instead,
                    answered_span_id=other.span_id,
                ),
                suggestion=f"Find out why {named(asked)} failed ({call.error_type or 'error'}); "
                "until then answers come from the fallback.",
            )
        )
    return found


def _unsaid(calls: list[Span], right: int) -> Finding:
    if not calls:
        return unknown(
            NAME, "No model call came to an answer, so no model can be judged.", reason="no call answered"
        )
    of_how_many = f"{len(calls)} of {len(calls) + right} model calls" if right else label(calls[0])
    verb = "do" if right and len(calls) > 1 else "does"
    return unknown(
        NAME,
        f"Which model answered is not known: {of_how_many} {verb} not say.",
        reason="the response, or the request, names no model",
        span_ids=[call.span_id for call in calls],
        request_models=sorted({call.request_model for call in calls if call.request_model}),
        response_models=sorted({call.response_model for call in calls if call.response_model}),
    )


def _as_expected(calls: list[Span], context: CheckContext) -> Finding:
    answered = sorted({call.response_model or "" for call in calls})
    against = f"expected was {named(context.expected_model)}" if context.expected_model else "as asked for"
    return Finding(
        check=NAME,
        status="pass",
        summary=f"{', '.join(map(named, answered))} answered; {against}."
        if context.expected_model
        else f"{', '.join(map(named, answered))} answered, {against}.",
        span_id=calls[-1].span_id,
        evidence=known(
            calls=len(calls),
            request_models=sorted({call.request_model for call in calls if call.request_model}),
            response_models=answered,
            expected_model=context.expected_model,
        ),
    )


def _evidence(call: Span, context: CheckContext) -> dict[str, object]:
    return known(
        request_model=call.request_model,
        response_model=call.response_model,
        expected_model=context.expected_model,
        provider=call.provider,
        gave_the_answer=call is context.answer,
    )

"""What every check is given, and the few questions about a trace that several of them ask.

A check is a function from a `CheckContext` to findings, the overall answer first.  Everything here
is pure and reads only the trace; `answer_call`, `rescued_by` and `contained_in` are readings of the
tree that a check names in its evidence, so that a reader can disagree.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from spanscope.report import SEVERITIES, STATUS_ORDER, Finding
from spanscope.semconv import LATE
from spanscope.spans import Span
from spanscope.trace import Trace

FAILED: Final = frozenset({"error", "cancelled", "abandoned"})
"""Statuses of a span whose result never came."""
_NAME_CHARS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptUse:
    """Which prompt an earlier trace of the same route used."""

    trace_id: str
    prompt_name: str | None = None
    prompt_version: str | None = None
    prompt_hash: str | None = None


@dataclass(frozen=True, kw_only=True)
class CheckContext:
    """One trace, and what the caller says it should have been."""

    trace: Trace
    expected_model: str | None = None
    """A family (`gpt-4o`) or one version of it (`gpt-4o-2024-08-06`)."""
    prompt_version: str | None = None
    max_context_tokens: int | None = None
    history: Callable[[], Sequence[PromptUse]] | None = field(default=None, repr=False)
    """Earlier traces of the same route, newest first; None when there is no store to ask."""

    @cached_property
    def llm_calls(self) -> tuple[Span, ...]:
        return tuple(call for call in self.trace.model_calls if call.kind == "llm")

    @cached_property
    def answer(self) -> Span | None:
        return answer_call(self.trace)

    def answered(self) -> Iterable[Span]:
        """Model calls that came to an end, whatever it was; failed ones have no answer to judge."""
        return (call for call in self.llm_calls if call.status not in FAILED and call.end_ns is not None)


Check = Callable[[CheckContext], tuple[Finding, ...]]


def answer_call(trace: Trace) -> Span | None:
    """The model call whose answer became the trace's answer; None when no call answered.

    The call whose text begins the root's output; where no text was kept, or the answer was reworked
    on its way up, the last call to end.  Evaluations and late calls come after the answer.
    """
    calls = [
        call
        for call in trace.model_calls
        if call.kind == "llm"
        and call.end_ns is not None
        and (call.status not in FAILED or call.output_preview)
        and not _beside_the_answer(trace, call)
    ]
    said = [call for call in calls if _same_beginning(call.output_preview, trace.root.output_preview)]
    return max(said or calls, key=lambda call: (call.end_ns or 0, call.start_ns, call.span_id), default=None)


def _beside_the_answer(trace: Trace, call: Span) -> bool:
    around = (call, *trace.ancestors(call))
    return any(span.attributes.get(LATE) or span.kind in {"evaluator", "guardrail"} for span in around)


def _same_beginning(one: str | None, other: str | None) -> bool:
    if not one or not other:
        return False
    # Previews are cut, and either may end with the mark of the cut.
    one, other = one.rstrip("… \n"), other.rstrip("… \n")
    return bool(one and other) and (one.startswith(other) or other.startswith(one))


def contained_in(trace: Trace, span: Span) -> Span | None:
    """The nearest span around a failed one that did not fail with it; None when all failed."""
    return next((above for above in trace.ancestors(span) if above.status not in FAILED), None)


def rescued_by(trace: Trace, failed: Span) -> Span | None:
    """The call that answered in place of a failed one (a retry or a fallback), if there was one.

    It is the first to succeed after the failure, below the nearest step that did not fail: for a model
    call any model call, for other steps one of the same name.  A tool's border is not crossed: the
    agent that goes on after its tool failed is no fallback for the model inside that tool.
    """
    if (around := contained_in(trace, failed)) is None or failed.end_ns is None:
        return None
    if any(step.kind == "tool" for step in _steps_between(trace, failed, around)):
        return None
    later = (
        span
        for span in trace.spans
        if span.kind == failed.kind
        and (span.kind == "llm" or span.name == failed.name)
        and span.start_ns >= failed.end_ns
        and span.status not in FAILED
        and around in (between := list(trace.ancestors(span)))
        and not any(step.kind == "tool" for step in between[: between.index(around)])
    )
    return next(later, None)


def _steps_between(trace: Trace, below: Span, above: Span) -> list[Span]:
    path = list(trace.ancestors(below))
    return path[: path.index(above)]


def origins(trace: Trace, status: str) -> list[Span]:
    """The spans where a status began: those whose own children do not account for it.

    An exception marks every span on its way up.  A parent is accounted for by a child with the same
    status that failed in the same way, or that was the last thing the parent did.
    """
    found = []
    for span in trace.spans:
        children = trace.children(span)
        explained = any(
            child.status == status and (child.error_type == span.error_type or child is children[-1])
            for child in children
        )
        if span.status == status and not explained:
            found.append(span)
    return found


def distance(trace: Trace, one: Span, other: Span) -> int:
    """Steps from one span to the other through the tree."""
    up = [one.span_id, *(span.span_id for span in trace.ancestors(one))]
    for steps, span_id in enumerate([other.span_id, *(span.span_id for span in trace.ancestors(other))]):
        if span_id in up:
            return up.index(span_id) + steps
    return len(trace.spans)  # joined by nothing, as in a cycle of parents


def named(text: str | None) -> str:
    """A model, a version or an id within a sentence: in backticks, on one line, of bounded length."""
    return f"`{_one_line(text)}`" if text else "an unnamed one"


def label(span: Span) -> str:
    """A span within a sentence: its name, and its model where it has one."""
    name = _one_line(span.name) or span.kind
    return f"{name} {named(span.model)}" if span.model and span.model != span.name else name


def _one_line(text: str) -> str:
    line = " ".join(text.replace("`", "'").split())
    return line if len(line) <= _NAME_CHARS else line[: _NAME_CHARS - 1] + "…"


def gravest(findings: Iterable[Finding]) -> Finding:
    """The first of the worst: by status, then by severity."""
    return min(findings, key=lambda each: (STATUS_ORDER.index(each.status), -SEVERITIES.index(each.severity)))


def conclude(
    offenders: Sequence[Finding],
    *,
    several: str,
    otherwise: Callable[[], Finding],
    also: Sequence[Finding] = (),
) -> tuple[Finding, ...]:
    """One overall answer, first: the only offender, a summary of several, or `otherwise()`.

    `several` is the sentence for more than one, with `{n}` in it.  `also` are parts that do not
    change the answer, such as a half that could not be checked.
    """
    also = [replace(each, detail=True) for each in also]
    if not offenders:
        return (otherwise(), *also)
    if len(offenders) == 1:
        return (offenders[0], *also)
    worst = gravest(offenders)
    overall = replace(
        worst,
        summary=several.format(n=len(offenders)) + f" The gravest: {worst.summary}",
        evidence={"count": len(offenders), "span_ids": [each.span_id for each in offenders]},
        suggestion=None,  # each part has its own
    )
    return (overall, *(replace(each, detail=True) for each in offenders), *also)


def known(**facts: Any) -> dict[str, Any]:
    """Evidence without the facts that are not known."""
    return {key: value for key, value in facts.items() if value is not None}


def unknown(check: str, summary: str, *, reason: str, suggestion: str | None = None, **facts: Any) -> Finding:
    """The question could not be answered, and `reason` says why."""
    return Finding(
        check=check,
        status="unknown",
        summary=summary,
        evidence={"reason": reason, **known(**facts)},
        suggestion=suggestion,
    )


def not_applicable(check: str, summary: str, *, reason: str) -> Finding:
    """The question does not arise in this trace, and `reason` says why."""
    return Finding(check=check, status="not_applicable", summary=summary, evidence={"reason": reason})

"""Was the right prompt deployed?

Against `prompt_version` when the caller gives it, else against what this route (the trace's name and
the prompt's name) used before.  Where a prompt has no version, the hash of its template stands for it.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spanscope.checks._base import CheckContext, PromptUse, conclude, known, label, named, unknown
from spanscope.report import Finding
from spanscope.spans import Span

NAME = "prompt_version"
HISTORY: Final = 20
"""How many earlier traces of the route count."""
_HASH_DIGITS = 8
_SET_IT = 'Give ObsHandler(prompt_name=…, prompt_version=…), or metadata={"prompt_version": …} with the call.'


@dataclass(frozen=True, slots=True)
class _Prompt:
    """One prompt of the trace, with the span that stands for it."""

    span: Span
    name: str | None
    version: str | None
    hash: str | None

    @property
    def mark(self) -> str | None:
        return self.version or self.hash


def check(context: CheckContext) -> tuple[Finding, ...]:
    """The versions of this trace's prompts against the expected one, or the route's usual one."""
    prompts = _prompts(context)
    if not prompts:
        return (
            unknown(
                NAME,
                "Which prompt was used is not known.",
                reason="no span carries a prompt version or a template hash",
                suggestion=_SET_IT,
                expected_version=context.prompt_version,
            ),
        )
    if context.prompt_version is not None:
        return _against_expected(prompts, context, context.prompt_version)
    return _against_history(prompts, context)


def _prompts(context: CheckContext) -> list[_Prompt]:
    """Each prompt once, the one of the answer first; a versioned one hides the bare hash of the same call."""
    spans = sorted(
        (span for span in context.trace.spans if span.prompt_version or span.prompt_hash),
        key=lambda span: (span is not context.answer, span.kind != "llm"),
    )
    if any(span.prompt_version for span in spans):
        spans = [span for span in spans if span.prompt_version]
    prompts: dict[tuple[str | None, str | None], _Prompt] = {}
    for span in spans:
        prompt = _Prompt(span, span.prompt_name, span.prompt_version, span.prompt_hash)
        prompts.setdefault((prompt.name, prompt.mark), prompt)
    return list(prompts.values())


def _against_expected(
    prompts: Sequence[_Prompt], context: CheckContext, expected: str
) -> tuple[Finding, ...]:
    right = [prompt for prompt in prompts if _is(prompt, expected)]
    wrong = [prompt for prompt in prompts if not _is(prompt, expected)]
    if not any(prompt.version for prompt in prompts) and not right:
        return (
            unknown(
                NAME,
                f"Whether prompt version {named(expected)} was used is not known.",
                reason="the prompts carry a template hash, and no version",
                suggestion=_SET_IT,
                prompt_hashes=[prompt.hash for prompt in prompts],
                expected_version=expected,
            ),
        )
    # Where the right one is there too, the others may well be other prompts with versions of their own.
    other_prompts = bool(right) and right[0] is prompts[0]
    offenders = [
        Finding(
            check=NAME,
            status="warn" if other_prompts else "fail",
            severity="low" if other_prompts else "high",
            span_id=prompt.span.span_id,
            summary=f"{label(prompt.span)} used prompt {_told(prompt)}"
            + (
                f" beside the expected {named(expected)}."
                if other_prompts
                else f" where {named(expected)} was expected."
            ),
            evidence=_evidence(prompt) | {"expected_version": expected},
            suggestion=f"Deploy prompt version {named(expected)}, "
            "or correct prompt_version if the change is meant.",
        )
        for prompt in wrong
    ]
    return conclude(
        offenders,
        several="{n} prompts were not the expected version.",
        otherwise=lambda: Finding(
            check=NAME,
            status="pass",
            summary=f"Prompt {_told(prompts[0])} was used, as expected.",
            span_id=prompts[0].span.span_id,
            evidence=_evidence(prompts[0]) | {"expected_version": expected},
        ),
    )


def _is(prompt: _Prompt, expected: str) -> bool:
    """By version, or by the beginning of the template's hash."""
    by_hash = len(expected) >= _HASH_DIGITS and (prompt.hash or "").startswith(expected)
    return prompt.version == expected or by_hash


def _against_history(prompts: Sequence[_Prompt], context: CheckContext) -> tuple[Finding, ...]:
    if context.history is None:
        return (_no_history(prompts[0], "there is no store to ask for earlier traces"),)
    past = list(context.history())
    offenders, usual, open_questions = list[Finding](), list[Finding](), list[Finding]()
    own_marks = {prompt.mark for prompt in prompts}
    for prompt in prompts:
        finding = _against_past(prompt, _marks_by_trace(prompt, past), own_marks, context)
        {"pass": usual, "warn": offenders}.get(finding.status, open_questions).append(finding)
    return conclude(
        offenders,
        several="{n} prompts are not the ones that this route used before.",
        otherwise=lambda: (open_questions or usual)[0],
        also=open_questions if offenders else (),
    )


def _marks_by_trace(prompt: _Prompt, past: Sequence[PromptUse]) -> dict[str, set[str]]:
    """The versions (or hashes) under this prompt's name in each of the route's last traces."""
    by_trace: dict[str, set[str]] = {}
    for use in past:
        mark = use.prompt_version if prompt.version else use.prompt_hash
        if mark and use.prompt_name == prompt.name:
            by_trace.setdefault(use.trace_id, set()).add(mark)
    return dict(list(by_trace.items())[:HISTORY])


def _against_past(
    prompt: _Prompt, by_trace: Mapping[str, set[str]], own_marks: set[str | None], context: CheckContext
) -> Finding:
    """One prompt against the most common one of the route's last traces."""
    if not by_trace:
        return _no_history(prompt, f"no earlier trace named {context.trace.name!r} used this prompt's name")
    counts = Counter(mark for marks in by_trace.values() for mark in sorted(marks))
    seen, traces = counts[prompt.mark or ""], _last(by_trace)
    # A trace may use several prompts without a name; one that stands beside this one does not rival it.
    rivals = Counter({mark: times for mark, times in counts.items() if mark not in own_marks})
    usual, times = rivals.most_common(1)[0] if rivals else ("", 0)
    if seen >= times and seen * 2 >= len(by_trace):
        return Finding(
            check=NAME,
            status="pass",
            summary=f"Prompt {_told(prompt)} is the one that this route used before ({seen} of {traces}).",
            span_id=prompt.span.span_id,
            evidence=_evidence(prompt) | _usual(prompt.mark or "", seen, by_trace),
        )
    if times * 2 <= len(by_trace):
        return unknown(
            NAME,
            "This route has no usual prompt to compare with.",
            reason=f"{traces} used {len(counts)} different ones, none of them mostly",
            suggestion=_SET_IT
            if prompt.version is None
            else "Give prompt_version= to debug_trace, or --prompt-version.",
            **_evidence(prompt),
        )
    return Finding(
        check=NAME,
        status="warn",
        severity="low" if seen else "medium",
        span_id=prompt.span.span_id,
        summary=f"Prompt {_told(prompt)} was used where this route mostly used {named(_short(usual))} "
        f"({times} of {traces}).",
        evidence=_evidence(prompt) | _usual(usual, times, by_trace) | {"this_one_before": seen},
        suggestion="If the change is meant, give prompt_version= to debug_trace, or --prompt-version; "
        "if not, look at what was deployed.",
    )


def _usual(mark: str, times: int, by_trace: Mapping[str, set[str]]) -> dict[str, object]:
    return {
        "usual": mark,
        "usual_in": f"{times} of {_last(by_trace)}",
        "usual_trace_ids": [trace_id for trace_id, marks in by_trace.items() if mark in marks][:3],
    }


def _last(by_trace: Mapping[str, set[str]]) -> str:
    return f"the last {len(by_trace)} traces" if len(by_trace) > 1 else "the 1 trace before"


def _no_history(prompt: _Prompt, reason: str) -> Finding:
    return unknown(
        NAME,
        f"Whether {_told(prompt)} is the right prompt is not known.",
        reason=reason,
        suggestion="Give prompt_version= to debug_trace, or --prompt-version, to say which one is right.",
        **_evidence(prompt),
    )


def _told(prompt: _Prompt) -> str:
    mark = prompt.version if prompt.version else f"hash {_short(prompt.hash or '')}"
    return f"{named(prompt.name)} {named(mark)}" if prompt.name else named(mark)


def _short(mark: str) -> str:
    return mark if len(mark) <= 20 else mark[:12] + "…"


def _evidence(prompt: _Prompt) -> dict[str, str]:
    return known(prompt_name=prompt.name, prompt_version=prompt.version, prompt_hash=prompt.hash)

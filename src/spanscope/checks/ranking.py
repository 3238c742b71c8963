"""Pick the finding that explains the others, and say the verdict in one sentence.

The order is fixed, so that the same trace always gets the same verdict: failures before warnings,
then severity, then closeness to the call that gave the answer, then time.

Fed by `run_checks`; feeds `report`.
"""

from collections.abc import Sequence

from spanscope.checks._base import answer_call, distance
from spanscope.report import SEVERITIES, Finding, FindingStatus
from spanscope.trace import Trace


def root_cause(findings: Sequence[Finding], trace: Trace) -> Finding | None:
    """The most telling finding; None when nothing is worse than a remark (a mild warning)."""
    in_parts = {finding.check for finding in findings if finding.detail and _is_cause(finding)}
    causes = [
        finding
        for finding in findings
        # The overall answer of a check with several offenders only sums them up.
        if _is_cause(finding) and (finding.detail or finding.check not in in_parts)
    ]
    goal = answer_call(trace) or trace.root

    def telling(position: int) -> tuple[int | str, ...]:
        finding = causes[position]
        span = trace.get(finding.span_id or "")
        return (
            0 if finding.status == "fail" else 1,
            -SEVERITIES.index(finding.severity),
            distance(trace, span, goal) if span else len(trace.spans),
            span.start_ns if span else 0,
            position,
        )

    return causes[min(range(len(causes)), key=telling)] if causes else None


def _is_cause(finding: Finding) -> bool:
    return finding.status == "fail" or (finding.status == "warn" and finding.severity not in {"info", "low"})


def verdict(findings: Sequence[Finding], cause: Finding | None) -> str:
    """One sentence: the root cause, else what was asked and what stayed open."""
    if cause:
        return cause.summary
    answers = [finding for finding in findings if not finding.detail]
    remarks = [finding for finding in answers if finding.status == "warn"]
    if remarks:
        more = f" (and {len(remarks) - 1} more)" if len(remarks) > 1 else ""
        return f"Nothing failed, with one remark{more}: {remarks[0].summary}"
    asked = "1 check" if len(answers) == 1 else f"{len(answers)} checks"
    sentence = f"Nothing wrong was found in {asked}"
    if answers and not _names(answers, "pass"):
        sentence = f"Nothing was there to judge for {asked}"
    for status, words in (("unknown", "could not be answered"), ("not_applicable", "{do} not apply")):
        if names := _names(answers, status):  # type: ignore[arg-type]
            do = "does" if len(names) == 1 else "do"
            sentence += f"; {len(names)} {words.format(do=do)} ({', '.join(names)})"
    return sentence + "."


def _names(findings: Sequence[Finding], status: FindingStatus) -> list[str]:
    return [finding.check for finding in findings if finding.status == status]

"""What was found in one trace: the findings, the one that explains the rest, and a sentence about it.

Plain records and their JSON form.  Checks make the findings, `checks.ranking` picks the root cause,
`debug` puts them together, and the renderers are called only when somebody looks.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from spanscope.spans import Span
from spanscope.trace import Trace

FindingStatus = Literal["pass", "fail", "warn", "unknown", "not_applicable"]
Severity = Literal["info", "low", "medium", "high", "critical"]

STATUS_ORDER: Final[tuple[FindingStatus, ...]] = ("fail", "warn", "unknown", "pass", "not_applicable")
"""The gravest first: the overall answer of a check has the first status that occurs."""
SEVERITIES: Final[tuple[Severity, ...]] = ("info", "low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One answer of one check, with what it rests on."""

    check: str
    """The question, by its name in the registry (`truncation`, …)."""
    status: FindingStatus
    severity: Severity = "info"
    summary: str
    """One sentence; names of models and versions stand in backticks."""
    span_id: str | None = None
    """The span it is about; None when it is about the whole trace, and `evidence["reason"]` says why."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Small facts (numbers, ids, names) by which a reader can check the sentence by hand."""
    suggestion: str | None = None
    """What to do about it, if anything can be done."""
    detail: bool = False
    """True for one part of an answer; the overall answer of the check stands before it."""

    def to_dict(self) -> dict[str, Any]:
        """All fields, ready for JSON."""
        return {each.name: json_ready(getattr(self, each.name)) for each in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Report:
    """The verdict on one trace.  Printing it shows the tree, the verdict and every finding."""

    trace: Trace
    findings: tuple[Finding, ...]
    """Every check's answer, pass or not, in the order of the registry."""
    root_cause: Finding | None
    """The finding that best explains what went wrong; None when nothing did."""
    verdict: str
    """One sentence."""
    linked: tuple[Trace, ...] = ()
    """The traces that this one resumes or that resume it (same LangGraph thread)."""

    def answer(self, check: str) -> Finding:
        """The overall answer of one check.  Raises `KeyError` for a check that was not run."""
        for finding in self.findings:
            if finding.check == check and not finding.detail:
                return finding
        raise KeyError(check)

    def to_dict(self) -> dict[str, Any]:
        """Verdict, findings, totals and spans, ready for JSON: amounts of money are strings."""
        return {
            "trace_id": self.trace.trace_id,
            "verdict": self.verdict,
            "root_cause": self.root_cause.to_dict() if self.root_cause else None,
            "findings": [finding.to_dict() for finding in self.findings],
            "trace": trace_to_dict(self.trace),
            "linked_traces": [trace.trace_id for trace in self.linked],
        }

    def to_json(self, *, indent: int | None = 2) -> str:
        return json.dumps(self.to_dict(), indent=indent, ensure_ascii=False)

    def to_markdown(self) -> str:
        """The report for a ticket or a pull request; whatever the trace holds is escaped."""
        from spanscope.render.markdown import report_to_markdown

        return report_to_markdown(self)

    def to_html(self) -> str:
        """One self-contained fragment, readable on light and dark pages; everything is escaped."""
        from spanscope.render.html import report_to_html

        return report_to_html(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def __rich__(self) -> Any:
        from spanscope.render.text import render_report

        return render_report(self)

    def __str__(self) -> str:
        from spanscope.render.text import report_to_text

        return report_to_text(self)

    def __repr__(self) -> str:
        return f"<Report {self.trace.trace_id} {self.verdict!r}>"


def trace_to_dict(trace: Trace) -> dict[str, Any]:
    """A trace with its totals and its spans in tree order, ready for JSON."""
    totals = trace.totals
    return {
        "trace_id": trace.trace_id,
        "name": trace.name,
        "status": trace.status,
        "started_at": trace.root.started_at.isoformat(),
        "duration_ms": trace.duration_ms,
        "resumed_from": trace.resumed_from,
        "resumed_by": trace.resumed_by,
        "totals": {each.name: json_ready(getattr(totals, each.name)) for each in fields(totals)},
        "spans": [span_to_dict(span) | {"depth": depth} for depth, span in trace.walk()],
    }


def span_to_dict(span: Span) -> dict[str, Any]:
    """A span's fields that are known, ready for JSON; a fact not known is left out."""
    facts: dict[str, Any] = {"started_at": span.started_at.isoformat(), "duration_ms": span.duration_ms}
    facts |= {each.name: getattr(span, each.name) for each in fields(span)}
    return {key: json_ready(value) for key, value in facts.items() if value is not None and value != ()}


def json_ready(value: Any) -> Any:
    """The same value in JSON's types; a type that JSON has no word for becomes a string."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            # NaN and the infinities are not JSON.
            return value if value - value == 0 else str(value)
        case Mapping():
            return {str(key): json_ready(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_ready(item) for item in value]
        case datetime():
            return value.isoformat()
        case Decimal():
            return str(value)
        case _ if hasattr(value, "__dataclass_fields__"):
            return {each.name: json_ready(getattr(value, each.name)) for each in fields(value)}
        case _:
            return str(value)

"""Write a report as Markdown, for a ticket, a pull request or another model to read.

Names, previews and errors come from outside, so they can neither open a code block, nor break a
table, nor smuggle in HTML, a link or an image.

Fed by `report`.
"""

import re

from spanscope.render.text import tree_to_text
from spanscope.render.words import FINDING_SIGNS, clean, evidence_text, totals_line
from spanscope.report import Finding, Report
from spanscope.trace import Trace

_MEANS_SOMETHING = re.compile(r"([\\`*\[\]#!|~<>&@]|(?<![^\W_])_|_(?![^\W_]))")
"""An underscore within a word means nothing, and names are full of them."""
_CODE = re.compile(r"(`[^`]+`)")
_TREE_WIDTH = 110


def report_to_markdown(report: Report) -> str:
    """Verdict, tree and findings."""
    cause = report.root_cause
    parts = [f"# {escape(clean(report.trace.name, 80))}", f"> **{sentence(report.verdict)}**"]
    if cause and cause.suggestion:
        parts.append(f"→ {sentence(cause.suggestion)}")
    parts.append(_facts(report.trace))
    parts += ["## Trace", _tree(report.trace, cause.span_id if cause else None)]
    for linked in report.linked:
        relation = "Resumes" if linked.trace_id == report.trace.resumed_from else "Resumed by"
        parts += [f"### {relation} {code(linked.trace_id)}", _tree(linked, None)]
    parts.append("## Findings")
    parts += [_finding(finding) for finding in report.findings]
    return "\n\n".join(parts) + "\n"


def _facts(trace: Trace) -> str:
    root = trace.root
    lines = [
        f"- Trace {code(trace.trace_id)}, {root.started_at:%Y-%m-%d %H:%M:%S} UTC",
        f"- {escape(totals_line(trace))}",
    ]
    for words, said in (("Asked", root.input_preview), ("Answered", root.output_preview)):
        if said:
            lines.append(f"- {words}: {escape(clean(said, 300))}")
    return "\n".join(lines)


def _tree(trace: Trace, cause_span_id: str | None) -> str:
    tree = tree_to_text(trace, width=_TREE_WIDTH, cause_span_id=cause_span_id)
    # A fence longer than any run of backticks inside cannot be closed from inside.
    longest = max((len(run) for run in re.findall(r"`+", tree)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{tree}\n{fence}"


def _finding(finding: Finding) -> str:
    sign, word, _ = FINDING_SIGNS[finding.status]
    heading = f"#### {sign} {code(finding.check)}: {word}" + (" (part)" if finding.detail else "")
    parts = [heading, sentence(finding.summary)]
    if finding.suggestion and finding.status != "pass":
        parts.append(f"→ {sentence(finding.suggestion)}")
    rows = [(key, evidence_text(value)) for key, value in finding.evidence.items()]
    if finding.span_id:
        rows.append(("span_id", finding.span_id))
    if rows:
        table = ["| evidence | value |", "| --- | --- |"]
        table += [f"| {code(key)} | {escape(value)} |" for key, value in rows]
        parts.append("\n".join(table))
    return "\n\n".join(parts)


def escape(text: str) -> str:
    """Text as text, wherever it stands in a line."""
    escaped = _within(clean(text))
    # At the start of a line these make a list, a rule, or underline a heading.
    return re.sub(r"^(\d*)([.)=+-])(?=[\s=-]|$)", r"\1\\\2", escaped)


def sentence(text: str) -> str:
    """A sentence of ours: what stands in backticks stays code, all else is text."""
    parts = _CODE.split(clean(text))
    return "".join(code(part[1:-1]) if _CODE.fullmatch(part) else _within(part) for part in parts)


def _within(text: str) -> str:
    return _MEANS_SOMETHING.sub(r"\\\1", text)


def code(text: str) -> str:
    """Inline code that cannot be left early, not even by a table's border."""
    inner = clean(text).replace("`", "'").replace("|", "\N{BROKEN BAR}")
    return f"`{inner or ' '}`"

"""Write a report as one HTML fragment, for notebooks and for pages of one's own.

No script, no file besides, nothing fetched.  Text takes the page's own colour and the background is
the page's; the few colours of ours have enough contrast on white and on black, so that light and dark
themes need no telling apart.  Every word from outside is escaped in one place, `_e`.

Fed by `report`.
"""

import html
import re
from typing import Final

from spanscope.render.words import (
    FINDING_SIGNS,
    NOTES,
    SpanLine,
    clean,
    evidence_text,
    span_lines,
    totals_line,
)
from spanscope.report import Finding, Report
from spanscope.trace import Trace

_STYLE: Final = """
.spanscope{font:13px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif;color:inherit;max-width:1100px;
 --bad:#dd3333;--warn:#b0700a;--good:#2b8a3e;--llm:#9c5fd0;--tool:#0c8599;--get:#1c7ed6;--dim:#7d7d7d;
 --line:rgba(128,128,128,.28);--tint:rgba(128,128,128,.09)}
.spanscope *{box-sizing:border-box}
.spanscope code,.spanscope .ss-mono{font-family:ui-monospace,"SF Mono",Menlo,Consolas,monospace;
 font-size:.93em;background:none;color:inherit;padding:0}
.spanscope h3{font-size:1.25em;margin:.2em 0 0;font-weight:600}
.spanscope h4{font-size:1em;margin:1.1em 0 .3em;font-weight:600}
.spanscope .ss-dim{color:var(--dim)} .spanscope .ss-bad{color:var(--bad)}
.spanscope .ss-warn{color:var(--warn)} .spanscope .ss-good{color:var(--good)}
.spanscope .ss-said{display:grid;grid-template-columns:max-content 1fr;gap:0 .9em;margin:.4em 0}
.spanscope .ss-verdict{border:1px solid var(--line);border-left:4px solid var(--c);border-radius:4px;
 padding:.55em .9em;margin:.8em 0;background:var(--tint)}
.spanscope .ss-verdict b{font-weight:600;font-size:1.08em}
.spanscope .ss-tree{overflow-x:auto}
.spanscope table{border-collapse:collapse;width:100%;min-width:820px;margin:0;font-size:1em;border:0}
.spanscope td{padding:.16em .6em;border:0;text-align:left;vertical-align:top;white-space:nowrap;
 background:none;max-width:none}
.spanscope .ss-tree tr{background:none}
.spanscope .ss-tree tr:hover{background:var(--tint)}
.spanscope .ss-tree td:nth-child(1){padding-left:.2em}
.spanscope .ss-tree tr.ss-cause{background:rgba(221,51,51,.13)}
.spanscope .ss-num{text-align:right!important;font-variant-numeric:tabular-nums}
.spanscope .ss-name{display:inline-block;border-left:0}
.spanscope .ss-i{display:inline-block;width:1.15em;height:1.5em;margin:-.16em 0;vertical-align:top;
 border-left:1px solid var(--line)}
.spanscope .ss-kind{display:inline-block;width:1.3em;text-align:center;color:var(--dim)}
.spanscope .ss-time{position:relative;width:110px;min-width:110px;color:var(--dim)}
.spanscope .ss-llm{color:var(--llm)} .spanscope .ss-tool{color:var(--tool)}
.spanscope .ss-retriever,.spanscope .ss-embedding,.spanscope .ss-reranker{color:var(--get)}
.spanscope .ss-time i{position:absolute;top:.72em;height:.32em;min-width:2px;border-radius:2px;
 background:currentColor;opacity:.75}
.spanscope .ss-notes{max-width:0;width:42%;overflow:hidden;text-overflow:ellipsis}
.spanscope .ss-preview{color:var(--dim);margin-left:.7em}
.spanscope .ss-preview:first-child{margin-left:0}
.spanscope details{border-top:1px solid var(--line);padding:.3em 0}
.spanscope summary{cursor:pointer;display:grid;grid-template-columns:6.2em 11em 1fr;gap:.6em;
 list-style:none}
.spanscope summary::-webkit-details-marker{display:none}
.spanscope .ss-body{padding:.25em 0 .4em 18.4em}
.spanscope .ss-body .ss-facts{display:grid;grid-template-columns:max-content 1fr;gap:0 1em;
 overflow-wrap:anywhere}
@media (max-width:700px){.spanscope summary{grid-template-columns:6.2em 1fr}
 .spanscope summary span:nth-child(3){grid-column:1/-1}.spanscope .ss-body{padding-left:1em}}
"""
_TONES: Final = {"bad": "ss-bad", "warn": "ss-warn", "good": "ss-good", "dim": "ss-dim", "plain": ""}


def report_to_html(report: Report) -> str:
    """Verdict, tree and findings as a `<div>` with its own style."""
    cause = report.root_cause
    parts = [
        '<div class="spanscope">',
        f"<style>{_STYLE}</style>",
        _heading(report.trace),
        _verdict(report),
        _tree(report.trace, cause.span_id if cause else None),
    ]
    for linked in report.linked:
        relation = "Resumes" if linked.trace_id == report.trace.resumed_from else "Resumed by"
        parts += [f"<h4>{relation} <code>{_e(linked.trace_id)}</code></h4>", _tree(linked, None)]
    parts.append("<h4>Findings</h4>")
    parts += [_finding(finding) for finding in report.findings]
    parts.append("</div>")
    return "\n".join(parts)


def _e(text: str) -> str:
    """The one way for words into the page."""
    return html.escape(clean(text), quote=True)


def _meaning(note: str) -> str:
    """Of a note too short to speak for itself, when the mouse rests on it."""
    return f' title="{_e(NOTES[note])}"' if note in NOTES else ""


def _sentence(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _e(text))


def _heading(trace: Trace) -> str:
    root = trace.root
    facts = (
        ("started", f"{root.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("asked", root.input_preview),
        ("answered", root.output_preview),
    )
    rows = "".join(
        f'<span class="ss-dim">{words}</span><span>{_e(said)}</span>' for words, said in facts if said
    )
    return (
        f'<h3>{_e(trace.name)} <code class="ss-dim">{_e(trace.trace_id)}</code></h3>'
        f'<div class="ss-dim">{_e(totals_line(trace))}</div><div class="ss-said">{rows}</div>'
    )


def _verdict(report: Report) -> str:
    cause = report.root_cause
    if cause:
        colour = "bad" if cause.status == "fail" else "warn"
    else:
        colour = "warn" if any(each.status in {"warn", "fail"} for each in report.findings) else "good"
    lines = [f"<b>{_sentence(report.verdict)}</b>"]
    if cause and cause.suggestion:
        lines.append(f"<div>→ {_sentence(cause.suggestion)}</div>")
    if cause:
        where = f" · span <code>{_e(cause.span_id)}</code>" if cause.span_id else ""
        lines.append(f'<div class="ss-dim">{_e(cause.check)}{where}</div>')
    return f'<div class="ss-verdict" style="--c:var(--{colour})">{"".join(lines)}</div>'


def _tree(trace: Trace, cause_span_id: str | None) -> str:
    rows = "".join(_row(line, trace) for line in span_lines(trace, cause_span_id))
    return f'<div class="ss-tree"><table><tbody>{rows}</tbody></table></div>'


def _row(line: SpanLine, trace: Trace) -> str:
    emphasis = _TONES[line.tone] if line.tone in {"bad", "warn"} else ""
    name = f'<span class="{emphasis}">{_e(line.name)}</span>'
    indent = '<span class="ss-i"></span>' * min(line.depth, 24)
    kind = _e(line.span.kind)
    notes = " · ".join(
        f'<span class="{_TONES[tone]}"{_meaning(words)}>{_e(words)}</span>' for words, tone in line.notes
    )
    preview = f'<span class="ss-preview">{_e(line.preview)}</span>' if line.preview else ""
    cells = (
        f'<td title="span {_e(line.span.span_id)}">{indent}'
        f'<span class="ss-kind ss-{kind}" title="{kind}">{line.symbol}</span>{name}</td>'
        f'<td class="ss-time ss-{kind}">{_bar(line, trace)}</td>'
        f'<td class="ss-num">{_e(line.duration)}</td>'
        f"<td>{_e(line.model)}</td>"
        f'<td class="ss-num">{_e(line.tokens)}</td>'
        f'<td class="ss-num">{_e(line.cost)}</td>'
        f'<td class="ss-notes" title="{_e(line.preview)}">{notes}{preview}</td>'
    )
    css_class = ' class="ss-cause"' if line.is_cause else ""
    return f"<tr{css_class}>{cells}</tr>"


def _bar(line: SpanLine, trace: Trace) -> str:
    """When the span ran, in percent of the trace's time."""
    start, total = trace.spans[0].start_ns, (trace.duration_ms or 0) * 1_000_000
    if not total or line.span.end_ns is None:
        return ""
    left = min(max((line.span.start_ns - start) / total * 100, 0), 99)
    width = min(max((line.span.end_ns - line.span.start_ns) / total * 100, 0.5), 100 - left)
    return f'<i style="left:{left:.1f}%;width:{width:.1f}%"></i>'


def _finding(finding: Finding) -> str:
    sign, word, tone = FINDING_SIGNS[finding.status]
    facts = [(key, evidence_text(value, limit=600)) for key, value in finding.evidence.items()]
    if finding.span_id:
        facts.append(("span_id", finding.span_id))
    rows = "".join(f'<code class="ss-dim">{_e(key)}</code><span>{_e(value)}</span>' for key, value in facts)
    advice = (
        f"<div>→ {_sentence(finding.suggestion)}</div>"
        if finding.suggestion and finding.status != "pass"
        else ""
    )
    check = f'<span class="ss-dim">└ {_e(finding.check)}</span>' if finding.detail else _e(finding.check)
    return (
        f"<details{' open' if finding.status in {'fail', 'warn'} else ''}>"
        f'<summary><span class="{_TONES[tone]}">{sign} {_e(word)}</span>'
        f"<span>{check}</span><span>{_sentence(finding.summary)}</span></summary>"
        f'<div class="ss-body">{advice}<div class="ss-facts">{rows}</div></div></details>'
    )

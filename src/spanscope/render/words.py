"""What a reader sees of a span, in words: the part that text, Markdown and HTML have in common.

Numbers that are not known are a dash or left out, never 0.  Names and previews come from outside, so
they are made harmless for a terminal here; escaping for Markdown and HTML is their renderers' work.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from spanscope.semconv import DOCUMENT_COUNT, LATE, MODEL_KINDS
from spanscope.spans import Span
from spanscope.trace import Trace

Tone = Literal["bad", "warn", "good", "plain", "dim"]

UNKNOWN: Final = "–"  # noqa: RUF001
SYMBOLS: Final[Mapping[str, str]] = {
    "chain": "○",
    "agent": "◆",
    "graph": "◇",
    "llm": "●",
    "embedding": "∿",
    "retriever": "≡",
    "reranker": "≋",
    "tool": "▸",
    "prompt": "¶",
    "parser": "»",
    "guardrail": "△",
    "evaluator": "≈",
    "span": "▪",
}
"""One column wide each, and present in common terminal fonts."""
STATUS_WORDS: Final[Mapping[str, tuple[str, Tone]]] = {
    "error": ("✗ error", "bad"),
    "cancelled": ("✗ cancelled", "bad"),
    "abandoned": ("✗ never ended", "bad"),
    "open": ("… still open", "warn"),
    "closed_early": ("! closed early", "warn"),
    "interrupted": ("‖ interrupted", "warn"),
    "handoff": ("↷ handed off", "dim"),
}
_LATE: Final = "late"
_AMBIENT: Final = "ambient"
NOTES: Final[Mapping[str, str]] = {
    _LATE: "ended after the topmost step had",
    _AMBIENT: "hangs below what was open around it, not by the framework's word",
}
"""What the shortest notes of a span mean."""
FINDING_SIGNS: Final[Mapping[str, tuple[str, str, Tone]]] = {
    "pass": ("✓", "pass", "good"),
    "fail": ("✗", "fail", "bad"),
    "warn": ("!", "warn", "warn"),
    "unknown": ("?", "unknown", "plain"),
    "not_applicable": ("–", "n/a", "dim"),  # noqa: RUF001
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLine:
    """One span as it is shown, with its place in the tree."""

    span: Span
    depth: int
    guides: tuple[bool, ...]
    """For each level above: whether its line goes on below this span.  The last one is the span's own."""
    has_children: bool
    name: str
    symbol: str
    duration: str
    model: str
    tokens: str
    cost: str
    notes: tuple[tuple[str, Tone], ...]
    preview: str
    """What it said, or why it failed; empty for steps that only pass things on."""
    is_cause: bool

    @property
    def tone(self) -> Tone:
        return STATUS_WORDS.get(self.span.status, ("", "plain"))[1]


def span_lines(trace: Trace, cause_span_id: str | None = None) -> list[SpanLine]:
    """Every span of a trace in tree order, put into words."""
    walked = list(trace.walk())
    lines: list[SpanLine] = []
    below: set[int] = set()  # the depths at which a line goes on, seen from the end
    for position in range(len(walked) - 1, -1, -1):
        depth, span = walked[position]
        has_children = position + 1 < len(walked) and walked[position + 1][0] > depth
        is_cause = span.span_id == cause_span_id
        lines.append(
            SpanLine(
                span=span,
                depth=depth,
                guides=tuple(level in below for level in range(1, depth + 1)),
                has_children=has_children,
                name=clean(span.name, 120) or span.kind,
                symbol=SYMBOLS.get(span.kind, "▪"),
                duration=duration(span.duration_ms),
                model=clean(span.model or "", 60),
                tokens=_tokens(span),
                cost=money(span.cost_usd) if span.cost_usd is not None else "",
                notes=tuple(_notes(span, is_cause=is_cause)),
                preview=_preview(span, is_leaf=not has_children or is_cause),
                is_cause=is_cause,
            )
        )
        below = {level for level in below if level <= depth} | {depth}
    return lines[::-1]


def _tokens(span: Span) -> str:
    if span.kind not in MODEL_KINDS or (span.usage_in_children and span.total_tokens is None):
        return ""
    if span.input_tokens is None and span.output_tokens is None:
        return UNKNOWN if span.total_tokens is None else count(span.total_tokens)
    if span.kind == "embedding":
        return count(span.input_tokens)
    return f"{count(span.input_tokens)} → {count(span.output_tokens)}"


def _notes(span: Span, *, is_cause: bool) -> list[tuple[str, Tone]]:
    notes: list[tuple[str, Tone]] = [("◀ root cause", "bad")] if is_cause else []
    if span.status in STATUS_WORDS:
        words, tone = STATUS_WORDS[span.status]
        notes.append((f"{words} {clean(span.error_type or '', 60)}".rstrip(), tone))
    if span.tool_names:
        notes.append((f"calls {_tool_names(span.tool_names)}", "dim"))
    if span.finish_reason not in {None, "stop", "tool_calls"}:
        notes.append((f"finish {span.finish_reason}", "dim" if span.finish_reason == "unknown" else "bad"))
    if isinstance(found := span.attributes.get(DOCUMENT_COUNT), int):
        words = f"{found} {'document' if found == 1 else 'documents'}"
        notes.append((words, "dim" if found else "warn"))
    if span.time_to_first_token_ms is not None:
        notes.append((f"first token {duration(span.time_to_first_token_ms)}", "dim"))
    if span.cache_hit:
        notes.append(("cached", "dim"))
    if span.attributes.get(LATE):
        notes.append((_LATE, "warn"))
    if span.parent_source == "ambient":
        notes.append((_AMBIENT, "dim"))
    return notes


def _tool_names(names: Sequence[str]) -> str:
    times = {name: names.count(name) for name in names}
    return ", ".join(clean(name, 40) + (f" ×{n}" if n > 1 else "") for name, n in times.items())  # noqa: RUF001


def _preview(span: Span, *, is_leaf: bool) -> str:
    if not is_leaf:
        return ""
    if span.status == "error" and span.error_message:
        return clean(span.error_message, 300)
    if span.kind in {"llm", "tool", "span"}:
        return clean(span.output_preview or "", 300)
    return ""


def totals_line(trace: Trace) -> str:
    """`9 spans · 2.31 s · 3 model calls · 1,204 → 64 tokens · $0.00021`."""
    totals = trace.totals
    parts = [_plural(totals.spans, "span")]
    if trace.duration_ms is not None:
        parts.append(duration(trace.duration_ms))
    if totals.llm_calls:
        parts.append(_plural(totals.llm_calls, "model call"))
    if totals.tool_calls:
        parts.append(_plural(totals.tool_calls, "tool call"))
    if totals.input_tokens is not None or totals.output_tokens is not None:
        at_least = "at least " if totals.calls_without_usage else ""
        parts.append(f"{at_least}{count(totals.input_tokens)} → {count(totals.output_tokens)} tokens")
    if totals.cost_usd is not None:
        parts.append(("at least " if totals.calls_without_cost else "") + money(totals.cost_usd))
    if totals.errors:
        parts.append(_plural(totals.errors, "error"))
    return " · ".join(parts)


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def count(number: int | None) -> str:
    """`1,204`, or a dash for what is not known."""
    return UNKNOWN if number is None else f"{number:,}"


def duration(ms: float | None) -> str:
    """`0.4 ms`, `12 ms`, `1.23 s`, `2 m 05 s`; a dash while it is not known."""
    if ms is None or ms != ms:
        return UNKNOWN
    if ms < 0:
        return "-" + duration(-ms)
    if ms < 9.95:
        return f"{ms:.1f} ms"
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 59_995:
        return f"{ms / 1000:.2f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} m {seconds:02d} s"


def money(usd: Decimal) -> str:
    """Dollars with at least two significant digits: `$1.20`, `$0.012`, `$0.00021`."""
    if usd == 0:
        return "$0"
    if not usd.is_finite():
        return UNKNOWN
    digits = max(2, 1 - usd.adjusted()) if abs(usd) < 1 else 2
    return f"${usd:.{digits}f}"


def evidence_text(value: Any, *, limit: int = 160) -> str:
    """One fact of a finding on one line."""
    match value:
        case None:
            text = UNKNOWN
        case bool():
            text = "yes" if value else "no"
        case float():
            text = f"{value:.4g}"
        case Mapping():
            text = ", ".join(f"{key}: {evidence_text(item, limit=60)}" for key, item in value.items())
        case list() | tuple():
            text = ", ".join(evidence_text(item, limit=60) for item in value) or "none"
        case _:
            text = str(value)
    return clean(text, limit)


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_HIDDEN = re.compile(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean(text: str, limit: int | None = None) -> str:
    """One line that can do a terminal no harm: no escape sequences, no change of direction."""
    if not (text.isascii() and text.isprintable()):
        text = _HIDDEN.sub("", unicodedata.normalize("NFC", text))
    line = _CONTROLS.sub(" ", text).strip()
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"

"""Show a trace as a tree and a report below it, in a terminal or as plain text.

The columns are laid out by hand, because a tree whose lines wrap cannot be read: what does not fit
on a span's line goes to a second, dim one below it, and what does not fit there is cut.

Fed by `report`; uses rich.
"""

import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from spanscope.render.words import (
    FINDING_SIGNS,
    NOTES,
    SYMBOLS,
    SpanLine,
    Tone,
    clean,
    evidence_text,
    span_lines,
    totals_line,
)
from spanscope.report import Finding, Report
from spanscope.trace import Trace

_STYLES: Final[dict[Tone, str]] = {
    "bad": "bold red",
    "warn": "yellow",
    "good": "green",
    "plain": "",
    "dim": "dim",
}
_KIND_STYLES: Final = {"llm": "magenta", "tool": "cyan", "retriever": "blue", "embedding": "blue"}
_ASCII: Final = str.maketrans("│├└─○◆◇●∿≡≋▸¶»△≈▪…–→◀▶✗✓‖↷━·“”×", '||`-o@#*~=~>P>^~.~-><>xv|>=.""x')  # noqa: RUF001
"""For consoles that know no more; one character for one, so that the columns stay."""
_PLAIN_WIDTH = 100
_WIDEST = 160
_BAR = 14
_NAME = 24
"""The least width of the column of names; figures are dropped to keep it."""
_DEEPEST = 14
"""Levels of the tree that are drawn; deeper ones are counted."""
_BESIDE = 100
"""From this width on, findings stand beside their check instead of below it."""


def render_tree(
    trace: Trace, *, console_width: int | None = None, cause_span_id: str | None = None
) -> RenderableType:
    """The tree of a trace, one line for each span; as wide as the console unless told otherwise."""
    return _Legible(_Tree(trace, console_width, cause_span_id))


def render_report(report: Report) -> RenderableType:
    """Tree, verdict and findings.  Prints at the width of the console."""
    cause = report.root_cause.span_id if report.root_cause else None
    parts: list[RenderableType] = [_heading(report.trace), Text()]
    parts.append(render_tree(report.trace, cause_span_id=cause))
    for linked in report.linked:
        relation = "resumes" if linked.trace_id == report.trace.resumed_from else "is resumed by"
        parts += [Text(), Text(f"This trace {relation}", style="bold"), _heading(linked), Text()]
        parts.append(render_tree(linked))
    parts += [Text(), _verdict(report), Text(), _Findings(report.findings)]
    return _Legible(Group(*parts))


def report_to_text(report: Report, *, width: int | None = None, colour: bool | None = None) -> str:
    """The report as a string: coloured when the standard output is a terminal, unless told otherwise."""
    # No standard output at all is what programs without a console have.
    stdout = sys.stdout or io.StringIO()
    on_terminal = stdout.isatty() if colour is None else colour
    columns = width or min(shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns, _WIDEST)
    console = Console(
        file=_Encoded(stdout.encoding),
        width=columns,
        force_terminal=on_terminal,
        color_system="auto" if on_terminal else None,
        legacy_windows=False,
    )
    with console.capture() as captured:
        console.print(render_report(report))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def tree_to_text(trace: Trace, *, width: int = _PLAIN_WIDTH, cause_span_id: str | None = None) -> str:
    """The tree alone, without colour: for Markdown, logs and tests."""
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(render_tree(trace, console_width=width, cause_span_id=cause_span_id))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


@dataclass(frozen=True)
class _Legible:
    """Says it in ASCII where the console's encoding has no more, so that printing can not fail."""

    renderable: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for text, style, control in console.render(self.renderable, options):
            plain = options.ascii_only and not control
            shown = text.translate(_ASCII).encode("ascii", "replace").decode() if plain else text
            yield Segment(shown, style, control)


class _Encoded(io.StringIO):
    """Collects what will be printed elsewhere, and names that place's encoding."""

    def __init__(self, encoding: str | None) -> None:
        super().__init__()
        self._encoding = encoding or "utf-8"

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding


# --- the tree ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Columns:
    """Widths in cells; 0 leaves a column out."""

    name: int
    bar: int
    duration: int
    model: int
    tokens: int
    cost: int

    @property
    def deepest(self) -> int:
        """How many levels are drawn, so that half of the column is left for the name."""
        return max(2, min(_DEEPEST, self.name // 4))

    @property
    def width(self) -> int:
        used = [self.name, self.bar, self.duration, self.model, self.tokens, self.cost]
        return _GUTTER + sum(width + _GAP for width in used if width)


_GUTTER = 2
_GAP = 2


@dataclass(frozen=True)
class _Tree:
    trace: Trace
    width: int | None
    cause_span_id: str | None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        width = max(40, min(self.width or options.max_width, _WIDEST))
        lines = span_lines(self.trace, self.cause_span_id)
        columns = _fit(lines, width)
        shown = [text for line in lines for text in _line(line, columns, width, self.trace)]
        if len(lines) > 1:
            shown += _legend(lines)
        yield from console.render(Group(*shown), options.update(width=width))


def _fit(lines: Sequence[SpanLine], width: int) -> _Columns:
    """Give each column what it needs and the name what is left; drop what the name cannot spare."""

    def widest(texts: Iterator[str], limit: int) -> int:
        return min(max(map(cell_len, texts), default=0), limit)

    wide = width >= 110
    columns = _Columns(
        name=0,
        bar=_BAR if wide and len(lines) > 1 else 0,
        duration=widest((line.duration for line in lines), 10),
        model=widest((line.model for line in lines), 26 if wide else 18),
        tokens=widest((line.tokens for line in lines), 17),
        cost=widest((line.cost for line in lines), 10),
    )
    names = max(2 * min(line.depth, _DEEPEST) + 2 + cell_len(line.name) for line in lines)
    for dropped in ("cost", "tokens", "model"):
        if width - columns.width - _GAP >= min(names, _NAME):
            break
        columns = replace(columns, **{dropped: 0})
    return replace(columns, name=min(names, width - columns.width - _GAP))


def _branch(line: SpanLine, deepest: int) -> str:
    """`│ ├ ` before a span's own name; levels too deep to draw are counted instead."""
    if not line.depth:
        return ""
    guides = line.guides[-deepest:]
    above = "".join("│ " if goes_on else "  " for goes_on in guides[:-1])
    if line.depth > deepest:
        skipped = f"…{line.depth - deepest}".ljust(4)
        above = skipped + above[len(skipped) :]
    return above + ("├ " if guides[-1] else "└ ")


def _below(line: SpanLine, deepest: int) -> str:
    """The guides on the second line of a span."""
    guides = "".join("│ " if goes_on else "  " for goes_on in line.guides[-deepest:])
    return guides + ("│ " if line.has_children else "  ")


def _line(line: SpanLine, columns: _Columns, width: int, trace: Trace) -> Iterator[Text]:
    """A span's figures, and below them what did not fit beside them."""
    text, notes = _figures(line, columns, trace), _notes(line)
    fits = text.cell_len + _GAP + notes.cell_len <= width
    if notes and fits:
        # To the right of all columns when there is room, so that notes stand below one another.
        beside = columns.width + notes.cell_len <= width
        text.append(" " * max(_GAP, columns.width - text.cell_len if beside else _GAP))
        text.append_text(notes)
    yield _one_line(text)
    rest = [part for part in (None if fits else notes, _said(line)) if part]
    if rest:
        start = Text.assemble("  ", (_below(line, columns.deepest), "dim"), "  ")
        yield _one_line(start.append_text(Text("  ").join(rest)))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _figures(line: SpanLine, columns: _Columns, trace: Trace) -> Text:
    emphasis = "bold red" if line.is_cause else _STYLES[line.tone] if line.tone in {"bad", "warn"} else ""
    text = Text.assemble(("▶ " if line.is_cause else "  ", "bold red"))
    name = Text.assemble(
        (_branch(line, columns.deepest), "dim"),
        (line.symbol + " ", _KIND_STYLES.get(line.span.kind, "dim")),
        (line.name, emphasis or ("bold" if not line.depth else "")),
    )
    name.truncate(columns.name, overflow="ellipsis", pad=True)
    text.append_text(name)
    if columns.bar:
        text.append("  ").append_text(_bar(line, trace))
    for value, size, style, right in (
        (line.duration, columns.duration, "", True),
        (line.model, columns.model, "magenta", False),
        (line.tokens, columns.tokens, "", True),
        (line.cost, columns.cost, "green", True),
    ):
        if size:
            cell = Text(value, style=style)
            cell.truncate(size, overflow="ellipsis")
            gap = " " * (size - cell.cell_len)
            text.append("  " + gap if right else "  ").append_text(cell).append("" if right else gap)
    text.rstrip()
    return text


def _notes(line: SpanLine) -> Text:
    return _joined([Text(words, style=_STYLES[tone]) for words, tone in line.notes])


def _joined(parts: Sequence[Text]) -> Text:
    """Parts with a dim dot between; rich's own join spreads the separator's style over them."""
    text = Text()
    for part in parts:
        text.append_text(Text(" · ", style="dim") if text else Text()).append_text(part)
    return text


def _said(line: SpanLine) -> Text | None:
    if not line.preview:
        return None
    if line.span.status == "error":
        return Text(line.preview, style="red")
    return Text(f"“{line.preview}”", style="dim italic")


def _bar(line: SpanLine, trace: Trace) -> Text:
    """When the span ran, as a piece of the whole trace's time."""
    start, total = trace.spans[0].start_ns, (trace.duration_ms or 0) * 1_000_000
    if not total or line.span.end_ns is None:
        return Text(" " * _BAR)
    first = min(int((line.span.start_ns - start) / total * _BAR), _BAR - 1)
    length = max(1, round((line.span.end_ns - line.span.start_ns) / total * _BAR))
    first, length = max(first, 0), min(length, _BAR - max(first, 0))
    style = "red" if line.is_cause or line.tone == "bad" else _KIND_STYLES.get(line.span.kind, "")
    bar = Text(" " * first).append("━" * length, style=style or "dim")
    return bar.append(" " * (_BAR - first - length))


def _legend(lines: Sequence[SpanLine]) -> Iterator[Text]:
    kinds = dict.fromkeys(line.span.kind for line in lines)
    legend = Text("  ", style="dim")
    for kind in kinds:
        legend.append(f"{SYMBOLS.get(kind, '▪')} {kind}   ")
    yield _one_line(legend)
    noted = {words for line in lines for words, _ in line.notes}
    for words, meaning in NOTES.items():
        if words in noted:
            yield _one_line(Text(f"  {words}: {meaning}", style="dim"))


# --- the report -------------------------------------------------------------------------------------


def _heading(trace: Trace) -> RenderableType:
    root = trace.root
    lines = [
        Text.assemble((clean(trace.name, 80), "bold"), "  ", (trace.trace_id, "dim")),
        Text(totals_line(trace), style="dim"),
    ]
    facts = (
        ("started", f"{root.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("asked", root.input_preview),
        ("answered", root.output_preview),
    )
    lines += [
        Text.assemble((f"{words:<8}  ", "dim"), clean(said, 300), no_wrap=True, overflow="ellipsis")
        for words, said in facts
        if said
    ]
    return Group(*lines)


def _verdict(report: Report) -> RenderableType:
    cause = report.root_cause
    gravest = {finding.status for finding in report.findings}
    tone: Tone = "good"
    if cause:
        tone = "bad" if cause.status == "fail" else "warn"
    elif gravest & {"warn", "fail"}:
        tone = "warn"
    body = Text().append_text(_sentence(report.verdict, "bold"))
    if cause and cause.suggestion:
        body.append("\n→ ", style="dim").append_text(_sentence(cause.suggestion))
    footer = None
    if cause:
        where = f" · span {cause.span_id}" if cause.span_id else ""
        footer = Text(f"{cause.check}{where}", style="dim")
    style = _STYLES[tone]
    return Panel(
        body,
        title=Text("Verdict", style=style),
        title_align="left",
        subtitle=footer,
        subtitle_align="right",
        border_style=style.replace("bold ", ""),
        padding=(0, 1),
    )


@dataclass(frozen=True)
class _Findings:
    """The findings as a table; in a narrow console each body stands below its heading."""

    findings: Sequence[Finding]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        table = Table.grid(padding=(0, 2, 0, 0))
        beside = options.max_width >= _BESIDE
        for _ in range(2 if beside else 0):
            table.add_column(no_wrap=True)
        table.add_column(overflow="fold")
        for finding in self.findings:
            sign, word, tone = FINDING_SIGNS[finding.status]
            status = Text(f"{sign} {word}", style=_STYLES[tone])
            name = Text(finding.check, style="dim" if finding.detail else "bold")
            if beside:
                table.add_row(status, Text("└ part", style="dim") if finding.detail else name, _body(finding))
            else:
                gap = " " * (11 - status.cell_len)
                part = " (part)" if finding.detail else ""
                table.add_row(Text.assemble(status, gap, name, (part, "dim")))
                table.add_row(Padding(_body(finding), (0, 0, 0, 4)))
        yield Padding(table, (0, 0, 0, 2))


def _body(finding: Finding) -> Text:
    body = _sentence(finding.summary)
    facts = [
        Text.assemble((f"{key}=", "dim"), evidence_text(value)) for key, value in finding.evidence.items()
    ]
    if finding.span_id and "span_ids" not in finding.evidence:
        facts.append(Text.assemble(("span=", "dim"), finding.span_id))
    if facts:
        body.append("\n").append_text(_joined(facts))
    if finding.suggestion and finding.status != "pass":
        body.append("\n→ ", style="dim").append_text(_sentence(finding.suggestion))
    return body


def _sentence(sentence: str, style: str = "") -> Text:
    """A sentence with what stands in backticks set off."""
    text = Text(clean(sentence), style=style)
    text.highlight_regex(r"`[^`]+`", "cyan")
    return text

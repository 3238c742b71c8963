"""The tree and the report as text, Markdown and HTML."""

import io
import os
import re
import subprocess
import sys
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from rich.cells import cell_len
from rich.console import Console
from trace_building import TRACE_ID, TraceBuilder, documents, traces

from spanscope import semconv
from spanscope.debug import judge
from spanscope.render.markdown import escape
from spanscope.render.text import render_tree, report_to_text, tree_to_text
from spanscope.render.words import clean, count, duration, money
from spanscope.report import Report
from spanscope.trace import Trace

HOSTILE = "<script>alert(1)</script> a|b `c` ```d \x1b[31m\u202e![x](javascript:y) <img src=x>"


def rag() -> Trace:
    build = TraceBuilder(
        "rag_chain", input_preview="What is the return policy?", output_preview="Opened items"
    )
    build.retriever(documents(0.8, 0.7, 0.6), ms=30)
    build.llm(
        finish_reason="length",
        output_tokens=64,
        max_tokens=64,
        input_tokens=1204,
        total_tokens=1268,
        cost_usd=Decimal("0.000219"),
        time_to_first_token_ms=412.0,
        output_preview="Opened items",
        ms=1980,
    )
    build.add("parser", "StrOutputParser", ms=0.5)
    return build.trace()


def hostile() -> Report:
    build = TraceBuilder(HOSTILE, input_preview=HOSTILE, output_preview=HOSTILE)
    build.retriever([{"id": HOSTILE, "score": 0.1, "source": HOSTILE}])
    build.failed_llm(request_model=HOSTILE, error_type=HOSTILE, error_message=HOSTILE, name=HOSTILE)
    build.llm(
        name=HOSTILE,
        request_model=HOSTILE,
        response_model=HOSTILE + "2",
        output_preview=HOSTILE,
        prompt_name=HOSTILE,
        prompt_version=HOSTILE,
        finish_reason="unknown",
        finish_reason_raw=HOSTILE,
        tool_names=(HOSTILE,),
    )
    return judge(build.trace())


def line_of(name: str, tree: str) -> str:
    return next(line for line in tree.splitlines() if name in line)


# --- text -----------------------------------------------------------------------------------------------


def test_each_span_has_one_line_with_its_figures():
    tree = tree_to_text(rag(), width=120)

    call = line_of("ChatOpenAI", tree)
    assert re.search(r"1\.98 s +gpt-4o-2024-08-06 +1,204 → 64 +\$0\.00022", call)
    assert "finish length · first token 412 ms" in tree
    assert "3 documents" in line_of("VectorStoreRetriever", tree)
    assert "“Opened items”" in tree
    assert line_of("StrOutputParser", tree).startswith("  └ »")


def test_columns_stand_below_one_another():
    build = TraceBuilder()
    for name in ("short", "a much longer name", "漢字の名前"):
        build.llm(name, ms=12)
    tree = tree_to_text(build.trace(), width=100)

    starts = {cell_len(line[: line.index("gpt-4o")]) for line in tree.splitlines() if "gpt-4o" in line}
    assert len(starts) == 1


def test_unknown_figures_are_a_dash_and_never_zero():
    build = TraceBuilder()
    build.llm(input_tokens=None, output_tokens=None, total_tokens=None)
    build.llm("Half", input_tokens=None, output_tokens=7, ms=None, status="open")

    tree = tree_to_text(build.trace(), width=100)

    assert re.search(r"gpt-4o-2024-08-\S+ +–$", line_of("ChatOpenAI", tree))  # noqa: RUF001
    assert re.search(r"Half +– +gpt-4o-2024-08-\S+ +– → 7", tree)  # noqa: RUF001
    assert " 0" not in tree
    assert "$" not in tree


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("error", "✗ error ValueError"),
        ("cancelled", "✗ cancelled"),
        ("abandoned", "✗ never ended"),
        ("open", "… still open"),
        ("closed_early", "! closed early"),
        ("interrupted", "‖ interrupted"),
        ("handoff", "↷ handed off"),
    ],
)
def test_a_status_other_than_ok_is_a_word_and_not_only_a_colour(status, word):
    build = TraceBuilder()
    build.add("tool", "step", status=status, error_type="ValueError" if status == "error" else None)

    assert word in tree_to_text(build.trace())


def test_late_and_ambient_spans_and_repeated_tools_are_marked():
    build = TraceBuilder()
    build.add("tool", "log", parent_source="ambient", attributes={semconv.LATE: True})
    build.llm(tool_names=("search", "search", "add"))

    tree = tree_to_text(build.trace(), width=120)

    assert line_of("log", tree).endswith("late · ambient")
    assert line_of("late:", tree).strip() == "late: ended after the topmost step had"
    assert line_of("ambient:", tree).strip().startswith("ambient: hangs below what was open around it")
    assert "calls search ×2, add" in tree  # noqa: RUF001


def test_the_root_cause_is_pointed_at():
    report = judge(rag())

    text = report_to_text(report, width=120, colour=False)

    assert line_of("ChatOpenAI", text).startswith("▶")
    assert "◀ root cause" in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_is_wider_than_the_console(width):
    build = TraceBuilder("a root with quite a long name of its own " * 3)
    parent = build.root
    for depth in range(30):
        parent = build.add("chain", f"level {depth} " * 4, parent=parent, at_ms=depth)
    build.llm("ChatOpenAI" * 5, parent=parent, output_preview="word " * 200)

    tree = tree_to_text(build.trace(), width=width)

    assert all(cell_len(line) <= width for line in tree.splitlines())
    assert "level 29" in tree
    wider = Console(file=io.StringIO(), width=200)
    with wider.capture() as captured:
        wider.print(render_tree(build.trace(), console_width=width))
    assert max(len(line.rstrip()) for line in captured.get().splitlines()) <= width


def test_colour_goes_only_where_it_is_wanted():
    report = judge(rag())

    assert "\x1b" not in str(report)
    assert "\x1b[" in report_to_text(report, colour=True)


def test_printing_shows_tree_verdict_and_every_check():
    text = str(judge(rag()))

    for expected in ("rag_chain", TRACE_ID, "Verdict", "The answer was cut", "→ Raise max_tokens above 64"):
        assert expected in text
    for check in ("model_version", "prompt_version", "retrieved_context", "truncation", "finish_reason"):
        assert check in text
    assert "asked     What is the return policy?" in text


def test_names_from_outside_can_not_steer_the_terminal():
    text = report_to_text(hostile(), width=100, colour=False)

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<script>" in text  # shown as it is: a terminal does not mind


def test_a_console_that_knows_only_ascii_gets_ascii():
    raw = io.BytesIO()
    console = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=100)

    console.print(render_tree(rag()))
    console.file.flush()

    assert b"| * ChatOpenAI" in raw.getvalue()


def test_printing_a_report_can_not_fail_on_a_narrow_encoding():
    """A Windows pipe speaks cp1252; the signs become ASCII, what is left a question mark."""
    script = "import sys; sys.path.insert(0, 'tests'); from test_render import hostile; print(hostile())"

    printed = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    ).stdout

    assert b"Verdict" in printed
    assert printed.isascii()


def test_a_resumed_trace_shows_the_one_before():
    before = TraceBuilder("asking", trace_id="a" * 32, status="interrupted").trace()
    build = TraceBuilder("answering")
    trace = build.trace(resumed_from="a" * 32)

    report = judge(trace, linked=[before])

    for shown in (report_to_text(report, colour=False), report.to_markdown(), report.to_html()):
        assert "asking" in shown
        assert "a" * 32 in shown


@settings(max_examples=30, deadline=None)
@given(traces())
def test_any_trace_can_be_shown_in_every_form(trace):
    report = judge(trace)

    text = report_to_text(report, width=80, colour=False)
    assert all(cell_len(line) <= 80 for line in text.splitlines())
    for shown in (text, report.to_markdown(), report.to_html()):
        shown.encode()
        assert "\x1b" not in shown


# --- Markdown -------------------------------------------------------------------------------------------


def outside_code(markdown: str) -> str:
    """What a Markdown reader takes for text: without fenced blocks and inline code."""
    return re.sub(r"`[^`\n]+`", "", re.sub(r"(?ms)^(`{3,})text$.*?^\1$", "", markdown))


def test_markdown_has_the_verdict_the_tree_and_a_table_for_each_finding():
    markdown = judge(rag()).to_markdown()

    assert "# rag\\_chain" in markdown or "# rag_chain" in markdown
    assert "> **The answer was cut: ChatOpenAI `gpt-4o-2024-08-06` stopped" in markdown
    assert "```text\n" in markdown
    assert "| `max_tokens` | 64 |" in markdown


def test_hostile_names_can_neither_open_html_nor_links_nor_break_a_table():
    text = outside_code(hostile().to_markdown())

    assert not re.search(r"(?<!\\)<", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert not re.search(r"(?<!\\)`", text)
    rows = [line for line in hostile().to_markdown().splitlines() if line.startswith("| ")]
    assert rows
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_a_preview_can_not_close_the_fence_of_the_tree():
    markdown = hostile().to_markdown()

    fence = re.search(r"(?m)^(`+)text$", markdown)
    assert fence is not None
    assert markdown.count(fence.group(1)) == 2


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", r"a\|b"),
        ("`x`", r"\`x\`"),
        ("1. one", r"1\. one"),
        ("- item", r"\- item"),
        ("0.8, 0.7", "0.8, 0.7"),
        ("snake_case _it_", r"snake_case \_it\_"),
        ("<b>", r"\<b\>"),
    ],
)
def test_what_means_something_to_markdown_is_escaped(text, escaped):
    assert escape(text) == escaped


# --- HTML -----------------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """Collects what a browser would: the tags, and the text outside the style."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


def read(html: str) -> Reader:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader


def test_html_is_one_fragment_that_fetches_nothing():
    html = judge(rag())._repr_html_()

    assert html.startswith('<div class="spanscope">')
    assert html.endswith("</div>")
    assert not re.search(r"https?://|url\(|@import|src=|href=", html)
    assert "The answer was cut" in read(html).text


def test_whatever_a_trace_holds_is_text_in_html():
    page = read(hostile().to_html())

    assert {"script", "img", "a"}.isdisjoint(page.tags)
    assert page.attributes <= {"class", "style", "title", "open"}
    assert "<script>alert(1)</script>" in page.text


def test_html_marks_the_row_of_the_root_cause():
    html = judge(rag()).to_html()

    row = re.search(r'<tr class="ss-cause">.*?</tr>', html)
    assert row is not None
    assert "ChatOpenAI" in row.group()
    assert html.count("ss-cause") == 2  # in the style, and in the row


def test_colours_are_readable_on_white_and_on_black():
    """Text takes the page's colour; of ours, each has a contrast of at least 4 on both."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    html = judge(rag()).to_html()
    colours = set(re.findall(r"--\w+:(#\w{6})", html))

    assert len(colours) >= 6
    for colour in colours:
        on_white = 1.05 / (luminance(colour) + 0.05)
        on_black = (luminance(colour) + 0.05) / (luminance("#111111") + 0.05)
        assert min(on_white, on_black) >= 4, colour


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (None, "–"),  # noqa: RUF001
        (0.0, "0.0 ms"),
        (0.44, "0.4 ms"),
        (9.96, "10 ms"),
        (999.4, "999 ms"),
        (999.6, "1.00 s"),
        (59_990, "59.99 s"),
        (59_999, "1 m 00 s"),
        (125_000, "2 m 05 s"),
    ],
)
def test_durations_in_words(ms, words):
    assert duration(ms) == words


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        ("0", "$0"),
        ("1.2", "$1.20"),
        ("12.346", "$12.35"),
        ("0.5", "$0.50"),
        ("0.0123", "$0.012"),
        ("0.000219", "$0.00022"),
    ],
)
def test_money_in_words(usd, words):
    assert money(Decimal(usd)) == words


def test_counts_in_words():
    assert (count(None), count(0), count(1204)) == ("–", "0", "1,204")  # noqa: RUF001


def test_cleaning_leaves_one_harmless_line():
    assert clean("a\r\n\tb\x1b[2J\u2028c\u200b\ud800") == "a b [2J c"
    assert clean("x" * 10, 5) == "xxxx…"

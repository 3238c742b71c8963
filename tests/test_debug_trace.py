"""`debug_trace` from an id and a store to a report, with real SQLite files."""

import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from trace_building import NOON_NS, TRACE_ID, TraceBuilder

from spanscope import semconv
from spanscope.backends.sql import SqlBackend
from spanscope.debug import debug_trace
from spanscope.exceptions import StoreError, TraceNotFound
from spanscope.spans import Span
from spanscope.store import open_store

HOUR_NS = 3_600_000_000_000


def write(path: Path, *traces: Iterable[Span]) -> Path:
    backend = SqlBackend(path)
    for spans in traces:
        backend.export(list(spans))
    assert backend.flush(5)
    backend.shutdown()
    return path


def cut_answer(trace_id: str = TRACE_ID) -> list[Span]:
    build = TraceBuilder("rag", trace_id=trace_id)
    build.llm(finish_reason="length", output_tokens=64, max_tokens=64)
    return build.spans


def versioned(number: int, version: str | None, *, name: str = "rag", **fields: str) -> list[Span]:
    """The trace of `number` hours before the one that is looked at."""
    build = TraceBuilder(name, trace_id=f"{number:08x}" * 4, at_ns=NOON_NS - number * HOUR_NS)
    build.llm(prompt_name="returns", prompt_version=version, **fields)
    return build.spans


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


def test_a_stored_trace_gets_its_verdict(path):
    write(path, cut_answer())

    report = debug_trace(TRACE_ID, store=path)

    assert report.trace.trace_id == TRACE_ID
    assert report.root_cause is not None
    assert report.root_cause.check == "truncation"
    assert "cut" in report.verdict


@pytest.mark.parametrize("prefix", [TRACE_ID[:6], TRACE_ID.upper()])
def test_the_beginning_of_an_id_is_enough(path, prefix):
    write(path, cut_answer())

    assert debug_trace(prefix, str(path)).trace.trace_id == TRACE_ID


def test_a_store_may_be_a_url_or_already_open_and_then_stays_open(path):
    write(path, cut_answer())

    assert debug_trace(TRACE_ID, f"sqlite:///{path}").root_cause
    with open_store(path) as store:
        assert debug_trace(TRACE_ID, store).root_cause
        assert store.trace(TRACE_ID)


def test_an_unknown_id_lists_the_nearest(path):
    write(path, cut_answer())
    almost = TRACE_ID[:-1] + "0"

    with pytest.raises(TraceNotFound) as caught:
        debug_trace(almost, path)

    assert caught.value.nearest == (TRACE_ID,)
    assert TRACE_ID in str(caught.value)


def test_a_store_that_is_not_there_says_so(tmp_path):
    with pytest.raises(StoreError):
        debug_trace(TRACE_ID, tmp_path / "nothing.db")


def test_what_was_expected_is_compared(path):
    write(path, versioned(0, "v7"))

    report = debug_trace(
        "0" * 32, path, expected_model="gpt-4o-mini", prompt_version="v8", max_context_tokens=100
    )

    failed = {finding.check for finding in report.findings if finding.status == "fail"}
    assert failed == {"model_version", "prompt_version", "truncation"}


def test_the_version_that_the_route_used_before_is_found_in_the_store(path):
    write(path, versioned(0, "v8"), *(versioned(n, "v7") for n in (1, 2, 3)))

    finding = debug_trace("0" * 32, path).answer("prompt_version")

    assert finding.status == "warn"
    assert finding.evidence["usual"] == "v7"
    assert finding.evidence["usual_trace_ids"] == [f"{n:08x}" * 4 for n in (1, 2, 3)]


def test_only_earlier_traces_of_the_same_route_count(path):
    """Not the trace itself, not later ones, and not those in which a step happens to have its name."""
    inner = TraceBuilder("other", trace_id="e" * 32, at_ns=NOON_NS - HOUR_NS)
    inner.add("chain", "rag")
    inner.llm(prompt_name="returns", prompt_version="v1")
    later = [replace(span, start_ns=span.start_ns + 9 * HOUR_NS) for span in versioned(5, "v9")]
    write(path, versioned(0, "v8"), inner.spans, later, versioned(2, "v6", name="another"))

    assert debug_trace("0" * 32, path).answer("prompt_version").status == "unknown"


def test_the_template_hash_is_compared_where_no_version_was_given(path):
    hashes = (versioned(n, None, prompt_hash="aaaabbbb") for n in (1, 2))
    write(path, versioned(0, None, prompt_hash="aaaabbbb"), *hashes)

    assert debug_trace("0" * 32, path).answer("prompt_version").status == "pass"


def test_a_resumed_run_shows_the_interrupted_one_and_the_other_way_round(path):
    first = TraceBuilder(
        "graph", trace_id="a" * 32, at_ns=NOON_NS - HOUR_NS, status="interrupted", thread_id="t1"
    )
    first.add(
        "chain", "ask", status="interrupted", thread_id="t1", attributes={semconv.CHECKPOINT_NS: "ask:1"}
    )
    second = TraceBuilder("graph", trace_id="b" * 32, thread_id="t1", attributes={semconv.RESUMED: True})
    second.add("chain", "ask", thread_id="t1", attributes={semconv.CHECKPOINT_NS: "ask:1"})
    write(path, first.spans, second.spans)

    assert [each.trace_id for each in debug_trace("b" * 32, path).linked] == ["a" * 32]
    before = debug_trace("a" * 32, path)
    assert [each.trace_id for each in before.linked] == ["b" * 32]
    assert before.answer("finish_reason").status == "not_applicable"


def test_a_terminal_gets_colour_and_a_pipe_does_not(path):
    write(path, cut_answer())
    script = f"from spanscope.debug import debug_trace; print(debug_trace({TRACE_ID!r}, {str(path)!r}))"

    piped = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, encoding="utf-8"
    ).stdout

    assert "The answer was cut" in piped
    assert "\x1b" not in piped


def test_asking_for_the_function_does_not_load_the_database_driver():
    script = "import sys, spanscope.debug; print('sqlalchemy' in sys.modules, 'rich' in sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert loaded.split() == ["False", "False"]

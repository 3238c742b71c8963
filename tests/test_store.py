"""The store as its reader sees it: what was recorded comes back, and is found."""

import json
import math
import random
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies_spans import (
    BASE_NS,
    TRACE_ID,
    forests,
    make_content,
    make_llm,
    make_rag_trace,
    make_span,
    spans,
)

from spanscope import semconv
from spanscope.backends.sql import SqlBackend
from spanscope.exceptions import ConfigError, TraceNotFound
from spanscope.redaction.pseudonyms import load_key
from spanscope.spans import Span
from spanscope.spans import make_span as from_facts
from spanscope.store import Store, TraceSummary, open_store, rows
from spanscope.store.migrations import NEWEST

in_one_file = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


in_files_of_their_own = settings(in_one_file, max_examples=25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


@pytest.fixture
def backend(path: Path):
    backend = SqlBackend(path)
    yield backend
    backend.shutdown()


@pytest.fixture
def store(backend: SqlBackend, path: Path):
    with open_store(path) as store:
        yield store


def ids(summaries: list[TraceSummary]) -> list[str]:
    return [summary.trace_id for summary in summaries]


def trace_id(number: int) -> str:
    return f"{number:032x}"


# --- what was written is what is read ----------------------------------------------------------------


@in_one_file
@given(span=spans())
def test_a_span_comes_back_equal(backend: SqlBackend, store: Store, span: Span):
    # Under an id of its own, for the one before may have ended already.
    span = replace(span, span_id=make_span().span_id)
    backend.export([span])

    assert store.trace(span.trace_id).get(span.span_id) == span


@in_one_file
@given(span=spans(), random=st.randoms())
def test_fields_without_a_value_need_not_be_set_nor_stand_in_one_order(backend, store, span, random):
    """The seal sets what it knows, in the order in which it came."""
    given = [(name, value) for name, value in vars(span).items() if value != getattr(Span, name, {})]
    random.shuffle(given)
    sparse = from_facts(dict(given) | {"span_id": make_span().span_id})
    backend.export([sparse])

    assert store.trace(sparse.trace_id).get(sparse.span_id) == sparse


def test_a_whole_trace_comes_back_as_a_tree(backend: SqlBackend, store: Store):
    recorded = make_rag_trace()
    backend.export(recorded)

    trace = store.trace(TRACE_ID)

    assert trace.root == recorded[0]
    assert trace.children(trace.root) == tuple(recorded[1:])


def test_a_cost_comes_back_to_the_last_nano_dollar(backend: SqlBackend, store: Store):
    backend.export([make_llm(cost_usd=Decimal("0.000000001")), make_llm(cost_usd=Decimal("12345.678901234"))])

    assert store.trace(TRACE_ID).totals.cost_usd == Decimal("12345.678901235")
    assert store.traces()[0].cost_usd == Decimal("12345.678901235")


def test_an_open_span_is_replaced_by_its_end(backend: SqlBackend, store: Store):
    ended = make_span()
    backend.export([make_span(span_id=ended.span_id, status="open", end_ns=None)])
    backend.export([ended])

    assert store.trace(TRACE_ID).spans == (ended,)


def test_an_open_record_that_comes_late_does_not_open_the_span_again(backend: SqlBackend, store: Store):
    ended = make_span()
    still_open = make_span(span_id=ended.span_id, status="open", end_ns=None)
    backend.export([ended])
    backend.export([still_open])
    backend.export([ended, still_open])

    assert store.trace(TRACE_ID).spans == (ended,)


def test_a_value_that_is_gone_in_the_later_record_is_gone_in_the_store(backend: SqlBackend, store: Store):
    first = make_span(error_type="ValueError", amended=True, tags=("a",))
    later = make_span(span_id=first.span_id, start_ns=first.start_ns)
    backend.export([first])
    backend.export([later])

    assert store.trace(TRACE_ID).spans == (later,)


def test_a_message_is_stored_once_however_often_it_is_sent(backend: SqlBackend, store: Store):
    history = tuple(make_content(f"turn {number}") for number in range(5))
    backend.export([make_llm(inputs=history[: number + 1]) for number in range(5)])

    assert store.counts()["contents"] == 5
    assert store.trace(TRACE_ID).spans[-1].inputs == history


@pytest.mark.parametrize(
    "texts", [["whole text", "whole"], ["whole", "whole text"], [None, "w"], ["w", None]]
)
def test_the_longer_text_of_a_message_is_kept(path: Path, texts: list[str | None]):
    longest = max(texts, key=lambda text: len(text or ""))
    content = make_content("whole text")
    for text in texts:
        # A backend each, as of two processes: what one remembers the other does not.
        backend = SqlBackend(path)
        backend.export(
            [make_span(inputs=(type(content)(content_id="c" * 32, role="ai", chars=10, text=text),))]
        )
        backend.shutdown()

    with open_store(path) as store:
        assert {span.inputs[0].text for span in store.spans()} == {longest}


def test_a_message_that_the_store_lost_keeps_its_place(backend: SqlBackend, store: Store, path: Path):
    backend.export([make_span(inputs=(make_content("kept"), make_content("lost")))])
    with sqlite3.connect(path) as connection:
        connection.execute("DELETE FROM contents WHERE text = 'lost'")

    kept, lost = store.trace(TRACE_ID).root.inputs
    assert (kept.text, lost.text, lost.role) == ("kept", None, "unknown")


def test_what_no_database_can_hold_does_not_cost_the_batch(backend: SqlBackend, store: Store):
    """Half an emoji at the end of a stream, a count beyond 64 bits."""
    backend.export(
        [make_span(name="half \ud83d", max_tokens=10**30, attributes={"k": "\ud83d"}), make_span()]
    )

    first, second = store.trace(TRACE_ID).spans
    assert (first.name, first.max_tokens, first.attributes) == ("half ?", None, {"k": "?"})
    assert second.name == "step"


def test_an_attribute_that_is_not_json_is_withheld_and_named_by_its_type(backend: SqlBackend, store: Store):
    loop: list[object] = []
    loop.append(loop)
    backend.export([make_span(attributes={"a": object(), "b": {1, 2}, "c": Decimal(1), "d": math.nan})])
    backend.export([make_span(attributes={"loop": loop, ("a", 1): 2})])

    first, second = store.trace(TRACE_ID).spans
    assert first.attributes == {"a": "<object>", "b": [1, 2], "c": 1.0, "d": None}
    assert second.attributes["<tuple>"] == 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.uuids(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_the_encoder_that_is_always_there_says_the_same_as_the_fast_one(value):
    assert json.loads(rows.dumps(value)) == json.loads(rows.dumps_without_help(value))


# --- the row of a trace ------------------------------------------------------------------------------


def rows_of_traces(path: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT * FROM traces ORDER BY trace_id").fetchall()


@in_files_of_their_own
@given(forest=forests(), random=st.randoms(use_true_random=False))
def test_the_order_of_writes_does_not_matter(tmp_path_factory, forest: list[Span], random: random.Random):
    """Open records and ends, one by one or in batches, in any order: the same rows of traces."""
    records = [*forest, *(make_open(span) for span in forest)]
    random.shuffle(records)
    at_once, shuffled = (tmp_path_factory.mktemp("order") / "spans.db" for _ in range(2))
    for file, batches in ((at_once, [forest]), (shuffled, in_batches(records, random))):
        backend = SqlBackend(file)
        for batch in batches:
            backend.export(batch)
        backend.shutdown()

    assert rows_of_traces(shuffled) == rows_of_traces(at_once)


def make_open(span: Span) -> Span:
    return make_span(
        trace_id=span.trace_id,
        span_id=span.span_id,
        parent_id=span.parent_id,
        start_ns=span.start_ns,
        status="open",
        end_ns=None,
        kind=span.kind,
        name=span.name,
    )


def in_batches(records: list[Span], random: random.Random) -> list[list[Span]]:
    cut = random.randint(0, len(records))
    return [batch for batch in (records[:cut], records[cut:]) if batch]


@in_files_of_their_own
@given(forest=forests())
def test_the_row_of_a_trace_says_what_its_tree_says(tmp_path_factory, forest: list[Span]):
    backend = SqlBackend(tmp_path_factory.mktemp("sums") / "spans.db")
    backend.export(forest)
    backend.shutdown()

    with open_store(backend.path) as store:
        for summary in store.traces(limit=None):
            trace = store.trace(summary.trace_id)
            assert (summary.name, summary.status, summary.root_span_id) == (
                trace.name,
                trace.status,
                trace.root.span_id,
            )
            assert summary.duration_ms == trace.duration_ms
            assert (summary.span_count, summary.error_count) == (trace.totals.spans, trace.totals.errors)


def test_sums_are_over_the_calls_that_were_paid_for(backend: SqlBackend, store: Store):
    """A call within a call counts once, a cached answer costs nothing, an embedding costs."""
    root = make_span()
    outer = make_llm(parent_id=root.span_id, usage_in_children=True)
    backend.export(
        [
            root,
            outer,
            make_llm(parent_id=outer.span_id),
            make_llm(parent_id=root.span_id, cache_hit=True),
            make_llm(parent_id=root.span_id, kind="embedding", output_tokens=None, response_model="embed"),
            make_llm(
                parent_id=root.span_id,
                input_tokens=None,
                output_tokens=None,
                total_tokens=None,
                cost_usd=None,
            ),
        ]
    )

    summary, totals = store.traces()[0], store.trace(TRACE_ID).totals
    for sums in (summary, totals):
        assert (sums.llm_calls, sums.input_tokens, sums.output_tokens, sums.total_tokens) == (3, 200, 20, 240)
        assert sums.cost_usd == Decimal("0.0009")
    assert summary.models == ("gpt-4o-2024-08-06", "embed")


def test_a_sum_of_nothing_known_is_unknown(backend: SqlBackend, store: Store):
    backend.export([make_span(end_ns=None, status="open")])

    summary = store.traces()[0]
    assert (summary.total_tokens, summary.cost_usd, summary.duration_ms, summary.llm_calls) == (
        None,
        None,
        None,
        0,
    )


def test_labels_of_any_span_are_promoted_to_the_trace_the_first_one_wins(backend: SqlBackend, store: Store):
    """Session and user are often given at the model only."""
    root = make_span()
    backend.export(
        [make_span(parent_id=root.span_id, start_ns=BASE_NS + 10**12, session_id="late", tags=("b", "a"))]
    )
    backend.export([root, make_llm(parent_id=root.span_id, session_id="s1", user_id="u", tags=("a",))])

    summary = store.traces()[0]
    assert (summary.session_id, summary.user_id, summary.tags) == ("s1", "u", ("a", "b"))


def test_a_span_that_moves_to_another_trace_leaves_nothing_behind(backend: SqlBackend, store: Store):
    first, second = make_span(trace_id=trace_id(1)), make_span(trace_id=trace_id(1))
    backend.export([first, second])
    moved = [replace(span, trace_id=trace_id(2), amended=True) for span in (first, second)]

    backend.export(moved[:1])
    assert {one.trace_id: one.span_count for one in store.traces()} == {trace_id(1): 1, trace_id(2): 1}
    backend.export(moved[1:])
    assert {one.trace_id: one.span_count for one in store.traces()} == {trace_id(2): 2}


def test_equal_span_ids_in_two_traces_are_two_spans(backend: SqlBackend, store: Store):
    """Span ids are unique within a trace; another service may have drawn the same one."""
    one = make_span(trace_id=trace_id(1))
    backend.export([one])
    backend.export([replace(one, trace_id=trace_id(2))])

    assert len(store.traces()) == 2


def test_spans_that_are_each_others_parents_still_make_a_trace(backend: SqlBackend, store: Store):
    backend.export(
        [make_span(span_id="1" * 16, parent_id="2" * 16), make_span(span_id="2" * 16, parent_id="1" * 16)]
    )

    assert store.traces()[0].root_span_id == store.trace(TRACE_ID).root.span_id == "1" * 16


# --- finding traces ----------------------------------------------------------------------------------


def test_traces_come_newest_first(backend: SqlBackend, store: Store):
    for number in (2, 1, 3):
        backend.export(make_rag_trace(trace_id(number), start_ns=BASE_NS + number * 10**9))

    assert ids(store.traces()) == [trace_id(3), trace_id(2), trace_id(1)]
    assert ids(store.traces(limit=1)) == [trace_id(3)]
    latest = store.latest()
    assert latest is not None
    assert latest.trace_id == trace_id(3)


@pytest.mark.parametrize(
    ("wanted", "condition"),
    [
        ({"session_id": "s1"}, {"session_id": "s1"}),
        ({"user_id": "u1"}, {"user_id": "u1"}),
        ({"thread_id": "t1"}, {"thread_id": "t1"}),
        ({"status": "error"}, {"status": "error"}),
        ({"environment": "prod"}, {"environment": "prod"}),
        ({"prompt_version": "7"}, {"prompt_version": "7"}),
        ({"tags": ("blue", "sky")}, {"tag": "sky"}),
        ({"name": "route"}, {"name": "route"}),
        ({"request_model": "m-1", "kind": "llm"}, {"model": "m-1"}),
        ({"response_model": "m-1-2026", "kind": "llm"}, {"model": "m-1-2026"}),
        ({"input_preview": "Where is my Order?"}, {"text": "my order"}),
        ({"output_preview": "100% sure_ly"}, {"text": "0% SURE_"}),
        ({"output_preview": "Der Kaffee kostet ÄRGER"}, {"text": "ärger"}),
    ],
)
def test_a_condition_finds_the_trace_that_meets_it(backend, store, wanted, condition):
    backend.export([make_span(trace_id=trace_id(1), **wanted), make_span(trace_id=trace_id(2))])

    assert ids(store.traces(**condition)) == [trace_id(1)]
    if "thread_id" not in condition:
        assert [span.trace_id for span in store.spans(**condition)] == [trace_id(1)]


@pytest.mark.parametrize(
    "condition",
    [
        {"tag": "Sky"},
        {"tag": "sk"},
        {"text": "100_ sure"},
        {"text": "%"},
        {"text": "örger"},
        {"session_id": "S1"},
    ],
)
def test_what_only_looks_alike_is_not_found(backend, store, condition):
    backend.export([make_span(tags=("sky",), output_preview="1000 sure ärger", session_id="s1")])

    assert store.traces(**condition) == []


def test_all_conditions_must_hold(backend: SqlBackend, store: Store):
    backend.export([make_span(session_id="s1", status="error")])

    assert len(store.traces(session_id="s1", status="error")) == 1
    assert store.traces(session_id="s1", status="ok") == []


def test_a_trace_is_found_by_the_name_model_or_text_of_a_step(backend: SqlBackend, store: Store):
    backend.export(make_rag_trace(trace_id(1)))
    backend.export([make_span(trace_id=trace_id(2))])

    assert ids(store.traces(name="search")) == [trace_id(1)]
    assert ids(store.traces(model="gpt-4o")) == [trace_id(1)]
    assert [span.kind for span in store.spans(kind="llm")] == ["llm"]


def test_times_bound_a_list_from_below_inclusive_to_above_exclusive(backend: SqlBackend, store: Store):
    start = datetime(2026, 1, 31, 12, 0, 0, 123456, UTC)
    start_ns = int(start.timestamp()) * 10**9 + 123_456_000
    backend.export([make_span(start_ns=start_ns)])

    assert len(store.traces(since=start)) == len(store.spans(since=start)) == 1
    assert store.traces(until=start) == []
    assert len(store.traces(until=start + timedelta(microseconds=1))) == 1
    assert store.traces(since=start + timedelta(microseconds=1)) == []


@pytest.mark.parametrize("since", ["2026-01-31", "2026-01-31T00:00+00:00", "10000w"])
def test_a_time_may_be_text(backend: SqlBackend, store: Store, since: str):
    backend.export([make_span(start_ns=int(datetime(2026, 2, 2, tzinfo=UTC).timestamp()) * 10**9)])

    assert len(store.traces(since=since)) == len(store.spans(since=since)) == 1
    assert store.traces(until=since) == []


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"since": "yesterday"}, "since 'yesterday' is no time: write 30m, 12h"),
        ({"until": 1_700_000_000}, "until takes a datetime or text .*, not int"),
        ({"status": "eror"}, r"status 'eror' is unknown \(did you mean 'error'\?\): known are abandoned"),
        ({"status": "succeeded"}, r"status 'succeeded' is unknown: known are .*ok"),
    ],
)
def test_a_condition_that_can_match_nothing_is_refused_with_the_remedy(store, backend, condition, message):
    with pytest.raises(ConfigError, match=message):
        store.traces(**condition)
    with pytest.raises(ConfigError, match=message):
        store.spans(**condition)


def test_a_kind_that_there_is_not_is_refused(backend: SqlBackend, store: Store):
    with pytest.raises(ConfigError, match=r"kind 'model' is unknown: known are agent"):
        store.spans(kind="model")


def test_a_naive_time_is_local(backend: SqlBackend, store: Store):
    backend.export([make_span()])
    started_at = store.traces()[0].started_at

    assert len(store.traces(since=started_at.astimezone().replace(tzinfo=None))) == 1
    assert started_at.tzinfo is not None


def test_a_user_is_found_by_the_id_that_was_given_and_by_the_pseudonym(backend, store, path, monkeypatch):
    monkeypatch.delenv("SPANSCOPE_KEY", raising=False)
    assert store.traces(user_id="alice") == []
    assert not (path.parent / "key").exists(), "a question must not make a key"

    alice = load_key(path.parent).user("alice")
    backend.export([make_span(user_id=alice)])

    assert len(store.traces(user_id="alice")) == len(store.traces(user_id=alice)) == 1
    assert len(store.spans(user_id="alice")) == 1
    assert store.traces(user_id="bob") == []


def test_another_pseudonym_may_be_given(backend: SqlBackend, path: Path):
    backend.export([make_span(user_id="ECILA")])

    with open_store(path, pseudonym=lambda user: user.upper()[::-1]) as store:
        assert len(store.traces(user_id="alice")) == 1


# --- one trace ---------------------------------------------------------------------------------------


def test_a_trace_is_found_by_the_beginning_of_its_id(backend: SqlBackend, store: Store):
    backend.export([make_span(trace_id="abc1" + "0" * 28), make_span(trace_id="abc2" + "0" * 28)])

    assert store.trace("abc1").trace_id == "abc1" + "0" * 28
    assert store.trace("ABC10000-0000-0000-0000-000000000000").trace_id == "abc1" + "0" * 28
    assert len(store.traces(trace_id_prefix="abc")) == 2


def test_an_ambiguous_beginning_names_the_candidates(backend: SqlBackend, store: Store):
    backend.export([make_span(trace_id="abc1" + "0" * 28), make_span(trace_id="abc2" + "0" * 28)])

    with pytest.raises(TraceNotFound) as caught:
        store.trace("abc")
    assert set(caught.value.nearest) == {"abc1" + "0" * 28, "abc2" + "0" * 28}


def test_an_unknown_id_is_answered_with_the_nearest(backend: SqlBackend, store: Store):
    backend.export([make_span(trace_id=one * 32) for one in "0123456789"])
    backend.export([make_span(trace_id="77777777aaaaaaaa" + "0" * 16)])

    with pytest.raises(TraceNotFound, match="77777777aaaaaaaa") as caught:
        store.trace("77777777aaaabbbb" + "0" * 16)
    assert caught.value.nearest[0] == "77777777aaaaaaaa" + "0" * 16
    assert len(caught.value.nearest) == 3


def test_an_unknown_id_in_an_empty_store_says_so(store: Store):
    with pytest.raises(TraceNotFound, match="holds no traces yet"):
        store.trace("abc")
    assert store.latest() is None


# --- interrupted and resumed -------------------------------------------------------------------------


def run_of_thread(
    number: int, *, interrupted: bool = False, resumed: bool = False, thread: str = "t"
) -> Span:
    return make_span(
        trace_id=trace_id(number),
        thread_id=thread,
        start_ns=BASE_NS + number * 10**9,
        status="interrupted" if interrupted else "ok",
        attributes={semconv.RESUMED: True} if resumed else {},
    )


def test_an_interrupted_trace_and_its_resumption_know_each_other(backend: SqlBackend, store: Store):
    backend.export(
        [
            run_of_thread(1, interrupted=True),
            run_of_thread(2, interrupted=True, resumed=True),
            run_of_thread(3, interrupted=True, resumed=True, thread="another"),
            run_of_thread(4, resumed=True),
            run_of_thread(5),
        ]
    )

    links = {
        n: (store.trace(trace_id(n)).resumed_from, store.trace(trace_id(n)).resumed_by) for n in range(1, 6)
    }
    assert links == {
        1: (None, trace_id(2)),
        2: (trace_id(1), trace_id(4)),
        3: (None, None),
        4: (trace_id(2), None),
        5: (None, None),
    }


def test_an_interrupt_that_was_never_answered_is_not_claimed_by_a_later_answer(
    backend: SqlBackend, store: Store
):
    backend.export(
        [
            run_of_thread(1, interrupted=True),
            run_of_thread(2, interrupted=True),
            run_of_thread(3, resumed=True),
        ]
    )

    assert store.trace(trace_id(1)).resumed_by is None
    assert store.trace(trace_id(2)).resumed_by == trace_id(3)


# --- the file ----------------------------------------------------------------------------------------


def test_only_the_user_may_read_the_files(backend: SqlBackend, path: Path):
    backend.export([make_span()])

    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("spans.db*")}
    assert modes == {"spans.db": 0o600, "spans.db-wal": 0o600, "spans.db-shm": 0o600}


def test_an_empty_file_that_stands_ready_is_closed_to_others(path: Path):
    path.touch(mode=0o644)
    SqlBackend(path).shutdown()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_folder_of_ours_is_private_and_stays_out_of_git(tmp_path: Path):
    SqlBackend(tmp_path / "a" / "b" / "spans.db").shutdown()

    folder = tmp_path / "a" / "b"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_a_folder_of_the_users_is_left_as_it_is(tmp_path: Path):
    before = tmp_path.stat().st_mode
    SqlBackend(tmp_path / "spans.db").shutdown()

    assert tmp_path.stat().st_mode == before
    assert not (tmp_path / ".gitignore").exists()


def test_the_place_is_the_default_unless_the_environment_names_one(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SPANSCOPE_STORE", raising=False)
    SqlBackend().shutdown()
    assert (tmp_path / ".spanscope" / "spans.db").exists()
    assert (tmp_path / ".spanscope" / ".gitignore").read_text() == "*\n"

    monkeypatch.setenv("SPANSCOPE_STORE", "sqlite:///else.db")
    SqlBackend().shutdown()
    with open_store() as store:
        assert (store.where, store.traces()) == ("else.db", [])


def test_stats_tell_place_size_and_counts(backend: SqlBackend, store: Store, path: Path):
    backend.export(make_rag_trace())

    stats = store.stats()
    assert (stats["place"], stats["traces"], stats["spans"], stats["contents"]) == (str(path), 1, 4, 2)
    assert stats["size_bytes"] > 10_000
    assert stats["schema"] == NEWEST


def test_reading_does_not_hinder_writing_nor_writing_reading(backend: SqlBackend, store: Store):
    backend.export([make_span()])
    with store._reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM spans").scalar() == 1
        backend.export([make_span()])
        assert connection.exec_driver_sql("SELECT count(*) FROM spans").scalar() == 1
    assert store.counts()["spans"] == 2


def test_the_applications_own_tables_are_not_ours():
    """An application may define its tables with SQLModel too, and even call one of them `spans`."""
    program = """
from sqlmodel import SQLModel, Field
import spanscope.store
assert not SQLModel.metadata.tables, list(SQLModel.metadata.tables)
class Mine(SQLModel, table=True):
    __tablename__ = "spans"
    id: int = Field(primary_key=True)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# --- speed -------------------------------------------------------------------------------------------


def test_labels_and_times_are_found_by_an_index(backend: SqlBackend, path: Path):
    with sqlite3.connect(path) as connection:
        for label in ("session_id", "user_id", "thread_id"):
            plan = connection.execute(
                f"EXPLAIN QUERY PLAN SELECT * FROM traces WHERE {label} IN ('a', 'b') ORDER BY start_ns DESC"
            ).fetchall()
            assert f"ix_traces_{label}" in plan[0][3]
        newest = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM traces ORDER BY start_ns DESC, trace_id"
        )
        assert "ix_traces_start_ns" in newest.fetchall()[0][3]

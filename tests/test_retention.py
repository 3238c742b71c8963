"""Letting go: what is old goes in tiers, the daily sums stay true, and a dry run tells what would be."""

import itertools
import json
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from commands import command_line
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies_spans import forests, make_content, make_llm, make_rag_trace

from spanscope.backends.sql import SqlBackend
from spanscope.cli.prune import parse_age, parse_size
from spanscope.exceptions import ConfigError
from spanscope.redaction.vault import Vault
from spanscope.store import Store, open_store

DAY_NS = 86_400 * 10**9
NOW_NS = (datetime.now(UTC) - datetime.fromtimestamp(0, UTC)) // timedelta(microseconds=1) * 1000
FEW = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
LONG = "A long question about parcels and their whereabouts. " * 5


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "spans.db"


@pytest.fixture
def backend(path):
    backend = SqlBackend(path)
    yield backend
    backend.shutdown()


@pytest.fixture
def store(backend, path):
    with open_store(path) as store:
        yield store


def aged(number: int, days: float, **labels):
    """A trace of four spans that ended so many days ago, with a text of its own."""
    start_ns = NOW_NS - int(days * DAY_NS)
    own = make_content(f"{number}: {LONG}")
    spans = make_rag_trace(f"{number:032x}", start_ns=start_ns, **labels)
    return [replace(span, inputs=(own,)) for span in spans]


def kept(store: Store) -> set[int]:
    return {int(one.trace_id, 16) for one in store.traces(limit=None)}


# --- the tiers ---------------------------------------------------------------------------------------


def test_spans_go_after_ninety_days_and_texts_are_cut_after_seven(backend, store):
    backend.export([*aged(1, 91), *aged(2, 8), *aged(3, 6)])
    gone = store.prune()
    assert kept(store) == {2, 3}
    assert (gone.traces, gone.spans, gone.contents, gone.texts_cut) == (1, 4, 1, 1)
    cut, whole = store.trace(f"{2:032x}").root.inputs[0], store.trace(f"{3:032x}").root.inputs[0]
    assert cut.text == f"2: {LONG}"[:100]
    assert cut.chars == len(f"2: {LONG}")
    assert whole.text == f"3: {LONG}"


def test_a_text_that_a_young_trace_refers_to_stays_whole(backend, store):
    shared = make_content(LONG)
    old, young = aged(1, 100), aged(2, 1)
    backend.export([replace(span, inputs=(shared,)) for span in (*old, *young)])
    gone = store.prune()
    assert (gone.contents, gone.texts_cut) == (0, 0)
    assert store.trace(f"{2:032x}").root.inputs[0].text == LONG


def test_a_second_pruning_finds_nothing(backend, store):
    backend.export([*aged(1, 91), *aged(2, 8)])
    store.prune()
    again = store.prune()
    assert (again.traces, again.spans, again.contents, again.texts_cut, again.daily_kept) == (0, 0, 0, 0, 0)


def test_none_keeps_for_ever(backend, store):
    backend.export(aged(1, 4000))
    gone = store.prune(content_days=None, spans_days=None, daily_days=None)
    assert (gone.traces, gone.texts_cut) == (0, 0)
    assert store.trace(f"{1:032x}").root.inputs[0].text == f"1: {LONG}"


def test_a_trace_is_as_old_as_its_last_step(backend, store):
    """One that has been running for a hundred days is not old."""
    spans = aged(1, 100)
    backend.export([replace(spans[0], end_ns=NOW_NS), *spans[1:]])
    assert store.prune().traces == 0


@pytest.mark.parametrize(
    ("condition", "left"),
    [({"status": "error"}, {1, 3, 4}), ({"tag": "trial"}, {1, 2, 4}), ({"environment": "dev"}, {1, 2, 3})],
)
def test_only_traces_of_a_status_tag_or_environment_go(backend, store, condition, left):
    backend.export(
        [
            *aged(1, 2, environment="prod"),
            *[replace(span, status="error") for span in aged(2, 2)],
            *aged(3, 2, tags=("trial", "x")),
            *aged(4, 2, environment="dev"),
        ]
    )
    assert store.prune(spans_days=1, **condition).traces == 1
    assert kept(store) == left


def test_a_limit_that_is_none_is_a_mistake(backend, store):
    with pytest.raises(ConfigError, match="spans_days is -1"):
        store.prune(spans_days=-1)
    with pytest.raises(ConfigError, match="unknown status 'broken'"):
        store.prune(status="broken")


def test_over_a_size_the_oldest_go_and_the_space_is_given_back(backend, path):
    for number in range(1, 201):
        backend.export(aged(number, 6 - number / 100))
    backend.shutdown()
    whole = path.stat().st_size
    with open_store(path) as store:
        gone = store.prune(max_bytes=whole // 2)
        assert 80 <= gone.traces <= 120
        assert kept(store) == set(range(gone.traces + 1, 201))
        assert gone.bytes_before == whole
        assert gone.bytes_after < whole * 0.65


def test_what_expired_in_the_vault_and_what_lost_its_spans_goes(backend, store, path):
    moment = itertools.count(NOW_NS, 10**9)
    vault = Vault(path.parent / "vault.db", now_ns=lambda: next(moment), keep_for=timedelta(days=300))
    backend.export([*aged(1, 91), *aged(2, 1)])
    for number in (1, 2):
        vault.keep(f"{number:032x}", f"{number:016x}", "input", [(f"{number}" * 32, "human", "raw")])
    assert vault.commit()
    assert store.prune(dry_run=True).vault_items == 1
    assert store.prune().vault_items == 1
    assert vault.stats()["items"] == 1
    vault.close()


def test_a_recorder_that_goes_on_writes_a_pruned_text_whole_again(backend, store):
    """Its writer remembers the text as stored, and must learn that it was cut."""
    shared = make_content(LONG)
    backend.export([replace(aged(1, 8)[0], inputs=(shared,))])
    assert store.prune().texts_cut == 1
    backend.export([replace(aged(2, 0)[0], inputs=(shared,))])
    assert store.trace(f"{2:032x}").root.inputs[0].text == LONG


def test_a_writer_beside_a_pruning_loses_no_text_and_no_batch(path):
    """Each batch refers to a text that the pruning takes away again and again."""
    shared = make_content(LONG)
    writer, failures = SqlBackend(path), []

    def write() -> None:
        try:
            for number in range(1, 61):
                writer.export([make_llm(trace_id=f"{number:032x}", inputs=(shared,))])
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    with open_store(path) as store:
        while thread.is_alive():
            store.prune(spans_days=0, content_days=None, daily_days=None)
        thread.join()
        writer.export([make_llm(trace_id="f" * 32, inputs=(shared,))])
        assert failures == []
        assert "f" * 32 in {one.trace_id for one in store.traces(limit=None)}
        for summary in store.traces(limit=None):
            assert store.trace(summary.trace_id).root.inputs == (shared,)
        assert sum(day.calls for day in store.daily()) == 61
    writer.shutdown()


# --- daily sums --------------------------------------------------------------------------------------


def day(number: int) -> int:
    """Noon of a day in 2025, so that nothing straddles midnight."""
    return (20_200 + number) * DAY_NS + DAY_NS // 2


def test_daily_sums_tell_calls_tokens_cost_and_latency(backend, store):
    labels = {"environment": "prod", "service": "shop"}
    took = (5, 20, 700, 900_000)
    backend.export(
        [make_llm(start_ns=day(0) + n, end_ns=day(0) + n + ms * 10**6, **labels) for n, ms in enumerate(took)]
        + [make_llm(start_ns=day(0), status="error", end_ns=None, cost_usd=None, input_tokens=None, **labels)]
    )
    bad, good = sorted(store.daily(), key=lambda one: one.status)
    assert (good.day, good.kind, good.model) == (date(2025, 4, 22), "llm", "gpt-4o-2024-08-06")
    assert (good.environment, good.service, good.status) == ("prod", "shop", "ok")
    assert (good.calls, good.priced, good.timed, good.errors) == (4, 4, 4, 0)
    assert (good.input_tokens, good.output_tokens, good.total_tokens) == (400, 80, 480)
    assert good.cost_usd == Decimal("0.0018")
    assert good.duration_ms == pytest.approx(sum(took))
    assert good.histogram == (1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1)
    assert (bad.calls, bad.errors, bad.priced, bad.timed) == (1, 1, 0, 0)
    assert (bad.input_tokens, bad.cost_usd, bad.output_tokens) == (None, None, 20)


def test_an_inner_calls_usage_and_a_cached_answer_count_as_in_totals(backend, store):
    outer = make_llm(start_ns=day(0), usage_in_children=True)
    cached = make_llm(start_ns=day(0), cache_hit=True)
    backend.export([outer, cached, make_llm(start_ns=day(0), parent_id=outer.span_id)])
    (sums,) = store.daily()
    assert (sums.calls, sums.total_tokens, sums.priced) == (2, 120, 1)


def test_pruning_in_parts_leaves_the_daily_sums_as_they_were(backend, store):
    backend.export([*aged(1, 400), *aged(2, 200), *aged(3, 1)])
    before = store.daily()
    for days in (300, 100, 0):
        store.prune(spans_days=days)
        assert store.daily() == before
    assert kept(store) == set()
    assert sum(one.calls for one in before) == 12


@FEW
@given(forests(), st.integers(0, 3))
def test_daily_sums_are_the_same_before_and_after_pruning(tmp_path_factory, spans, older):
    path = tmp_path_factory.mktemp("daily") / "spans.db"
    backend = SqlBackend(path)
    backend.export([replace(span, start_ns=span.start_ns - older * DAY_NS) for span in spans])
    backend.shutdown()
    with open_store(path) as store:
        before = store.daily()
        store.prune(spans_days=0, daily_days=None)
        assert store.counts() == {"traces": 0, "spans": 0, "contents": 0}
        assert store.daily() == before


@FEW
@given(st.lists(st.tuples(st.integers(0, 120), st.integers(0, 3)), min_size=1, max_size=8))
def test_a_dry_run_tells_what_is_done(tmp_path_factory, traces):
    """Traces of many ages that share texts: what one keeps, the other must not take."""
    path = tmp_path_factory.mktemp("dry") / "spans.db"
    backend = SqlBackend(path)
    for number, (days, text) in enumerate(traces, 1):
        shared = make_content(f"{text} {LONG}")
        backend.export([replace(span, inputs=(shared,)) for span in aged(number, days)])
    backend.shutdown()
    with open_store(path) as store:
        before = store.counts()
        told = store.prune(dry_run=True)
        assert store.counts() == before
        done = store.prune()
        assert replace(done, dry_run=True, daily_kept=0) == told
        assert {
            len(c.text or "") > 100
            for t in store.traces(limit=None)
            for s in store.trace(t.trace_id).spans
            for c in s.inputs
            if t.started_at > datetime.now(UTC) - timedelta(days=6)
        } <= {True}


def test_daily_sums_go_after_two_years_unless_only_some_traces_are_meant(backend, store):
    backend.export([*aged(1, 800), *aged(2, 100)])
    store.prune(daily_days=None)
    assert len({one.day for one in store.daily()}) == 2
    assert store.prune(status="ok").daily_removed == 0
    assert store.prune(dry_run=True).daily_removed == store.prune().daily_removed > 0
    assert len({one.day for one in store.daily()}) == 1


def test_pruning_is_on_record_without_values(backend, store, path):
    backend.export(aged(1, 91, tags=("alice",)))
    store.prune(tag="alice")
    with store._reading() as connection:
        (row,) = connection.exec_driver_sql("SELECT action, conditions, counts FROM clearings").all()
    assert row[0] == "prune"
    assert row[1] == "content_days 7, spans_days 90, daily_days 730, tag"
    assert json.loads(row[2])["traces"] == 1


# --- the command -------------------------------------------------------------------------------------


@pytest.fixture
def run(path, monkeypatch, capsys):
    monkeypatch.setenv("SPANSCOPE_STORE", str(path))
    return command_line(capsys)


def test_the_command_prunes_as_it_is_told(backend, run):
    backend.export([*aged(1, 40), *aged(2, 20)])
    code, out, _ = run("prune", "--spans", "30d", "--content", "never", "--dry-run", "--json")
    assert code == 0
    assert (json.loads(out)["traces"], json.loads(out)["texts_cut"]) == (1, 0)
    code, out, _ = run("prune", "--spans", "4w", "--vacuum")
    assert code == 0
    assert out.startswith("gone: 1 trace, 4 spans, 1 text, ")
    assert "cut: 1 text; the file had" in out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--spans", "soon"], "--spans 'soon' is no age"),
        (["--max-size", "huge"], "--max-size 'huge' is no size"),
        (["--status", "broken"], "unknown status"),
    ],
)
def test_a_limit_that_cannot_be_read_is_said_in_one_line(backend, run, args, said):
    code, _, err = run("prune", *args)
    assert code == 2
    assert said in err


def test_sizes_and_ages_are_read_as_people_write_them():
    assert [parse_size(text) for text in ("500MB", "2 GB", "1.5g", "42")] == [
        5 * 10**8,
        2 * 10**9,
        15 * 10**8,
        42,
    ]
    assert [parse_age(text, "--x") for text in ("12h", "7d", "2w", "1y", "never")] == [0.5, 7, 14, 365, None]

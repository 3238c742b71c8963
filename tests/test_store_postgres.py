"""The same store in PostgreSQL: a private server is started where its programs are installed."""

import os
import random
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
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
from spanscope.exceptions import StoreError, TraceNotFound
from spanscope.pricing import Pricing
from spanscope.redaction.pseudonyms import load_key
from spanscope.spans import Span
from spanscope.store import open_store
from spanscope.store.migrations import NEWEST

psycopg = pytest.importorskip(
    "psycopg", reason="the PostgreSQL driver is not installed (spanscope[postgres])"
)

FEW = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def server_programs() -> Path | None:
    """The folder of `initdb` and `postgres`; distributions keep it off the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return next((folder for folder in reversed(folders) if (folder / "initdb").exists()), None)


@pytest.fixture(scope="module")
def server() -> Iterator[Path]:
    """The folder of the server's socket."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed here (no initdb)")
    # The server refuses to run as root.
    owner = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="spanscope-pg-", dir="/tmp"))
    if owner:
        shutil.chown(folder, **owner)
    data = folder / "data"

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        # A file and not a pipe, which the server would keep open.
        with (folder / "output").open("a") as output:
            subprocess.run(command, check=True, stdout=output, stderr=output, cwd=folder, **owner)

    run(
        "initdb",
        "-D",
        str(data),
        "-U",
        "tester",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    )
    options = f"-k {folder} -c listen_addresses='' -c fsync=off -c deadlock_timeout=100ms"
    run("pg_ctl", "-D", str(data), "-w", "-o", options, "-l", str(folder / "log"), "start")
    try:
        yield folder
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder)


def new_database(server: Path) -> str:
    name = f"db_{uuid.uuid4().hex}"
    with psycopg.connect(host=str(server), user="tester", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql://tester@/{name}?host={server}"


@pytest.fixture
def url(server: Path) -> str:
    return new_database(server)


@pytest.fixture
def backend(url: str) -> Iterator[SqlBackend]:
    backend = SqlBackend(url)
    yield backend
    backend.shutdown()


def summaries(url: str) -> list[object]:
    with open_store(url) as store:
        return sorted(store.traces(limit=None), key=lambda summary: summary.trace_id)


@FEW
@given(span=spans())
def test_a_span_comes_back_equal(url: str, backend: SqlBackend, span: Span):
    """Save that PostgreSQL takes no NUL in a text."""
    span = replace(span, span_id=make_span().span_id)
    backend.export([span])
    with open_store(url) as store:
        found = store.trace(span.trace_id).get(span.span_id)

    if "\0" not in repr_of_texts(span):
        assert found == span


def repr_of_texts(span: Span) -> str:
    texts = (getattr(span, field.name) for field in fields(span))
    contents = (content.text for content in (*span.inputs, *span.outputs))
    return "".join(value for value in (*texts, *contents) if isinstance(value, str))


@FEW
@given(forest=forests(), random=st.randoms(use_true_random=False))
def test_the_order_of_writes_does_not_matter(url, backend, forest: list[Span], random: random.Random):
    shuffled = list(forest)
    random.shuffle(shuffled)
    results = []
    for batches in ([forest], [[span] for span in shuffled]):
        with backend._engine.begin() as connection:
            connection.execute(text("TRUNCATE spans, traces"))
        for batch in batches:
            backend.export(batch)
        results.append(summaries(url))

    assert results[0] == results[1]


def test_a_trace_is_written_replaced_moved_and_read(url: str, backend: SqlBackend):
    recorded = make_rag_trace(session_id="s", tags=("blue",))
    backend.export([replace(recorded[0], status="open", end_ns=None)])
    backend.export(recorded)
    backend.export([replace(span, trace_id="b" * 32, amended=True) for span in recorded])

    with open_store(url) as store:
        assert [summary.trace_id for summary in store.traces()] == ["b" * 32]
        assert store.trace("bbb").root.name == "rag"
        assert store.traces()[0].cost_usd == Decimal("0.000450")
        assert store.counts() == {"traces": 1, "spans": 4, "contents": 2}
        assert store.stats()["size_bytes"] is None
        with pytest.raises(TraceNotFound, match="b" * 32):
            store.trace("c" * 32)


@pytest.mark.parametrize(
    "condition",
    [
        {"session_id": "s"},
        {"tag": "blue"},
        {"text": "ÄRGER"},
        {"text": "100% s"},
        {"name": "rag"},
        {"model": "gpt-4o"},
        {"trace_id_prefix": "aaa"},
    ],
)
def test_conditions_find_what_meets_them(url: str, backend: SqlBackend, condition: dict[str, str]):
    backend.export(
        [*make_rag_trace(session_id="s", tags=("blue",)), make_span(input_preview="100% sure ärger")]
    )
    backend.export([make_span(trace_id="b" * 32, input_preview="1000 sure", tags=("Blue",))])

    with open_store(url) as store:
        assert [summary.trace_id for summary in store.traces(**condition)] == [TRACE_ID]


def test_an_interrupt_and_its_resumption_know_each_other(url: str, backend: SqlBackend):
    backend.export(
        [
            make_span(thread_id="t", status="interrupted", start_ns=BASE_NS),
            make_span(
                trace_id="b" * 32, thread_id="t", start_ns=BASE_NS + 1, attributes={semconv.RESUMED: True}
            ),
        ]
    )

    with open_store(url) as store:
        assert (store.trace(TRACE_ID).resumed_by, store.trace("b" * 32).resumed_from) == ("b" * 32, TRACE_ID)


def test_what_the_database_cannot_hold_does_not_cost_the_batch(url: str, backend: SqlBackend):
    backend.export([make_span(name="nul \0 and half \ud83d", max_tokens=10**30), make_span()])

    with open_store(url) as store:
        assert store.latest().spans[0].name == "nul \ufffd and half ?"
        assert store.counts()["spans"] == 2


def test_services_may_start_at_once_and_write_the_same_messages(url: str):
    history = [make_content(f"turn {number}") for number in range(50)]
    faults: list[BaseException] = []

    def service(seed: int) -> None:
        try:
            backend = SqlBackend(url)
            for _ in range(10):
                turns = list(history)
                random.Random(seed).shuffle(turns)
                backend.export([make_llm(trace_id=f"{seed:032x}", inputs=tuple(turns))])
                backend._writer._stored.clear()
            backend.shutdown()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=service, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert len(summaries(url)) == 4


def test_our_tables_stay_out_of_the_way_of_others(url: str):
    """Other programs call their tables `traces` and `spans` too."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE spans (mine int)"))
    SqlBackend(url).shutdown()

    with engine.begin() as connection:
        assert connection.execute(text("SELECT * FROM public.spans")).keys() == {"mine"}
        assert connection.scalar(text("SELECT count(*) FROM spanscope.migrations")) == NEWEST
    engine.dispose()


def test_where_nothing_was_recorded_reading_says_so_and_makes_nothing(url: str):
    for _ in range(2):
        with pytest.raises(StoreError, match="nothing has been recorded"):
            open_store(url)


def test_a_server_that_is_not_there_is_named_without_the_password(server: Path):
    with pytest.raises(StoreError, match="check that the server runs") as caught:
        SqlBackend(f"postgresql://user:secret@/nowhere?host={server}/not")
    assert "secret" not in str(caught.value)


def test_a_store_of_a_newer_version_is_refused(url: str, backend: SqlBackend):
    with backend._engine.begin() as connection:
        connection.execute(text("INSERT INTO migrations VALUES (99, 'tomorrow', '2030')"))

    for opening in (SqlBackend, open_store):
        with pytest.raises(StoreError, match="newer spanscope"):
            opening(url)


def test_a_connection_that_the_server_dropped_is_made_again(url: str, backend: SqlBackend):
    backend.export([make_span()])
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        others = "pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    engine.dispose()
    backend.export([make_span()])

    assert summaries(url)[0].span_count == 2


# --- letting go ------------------------------------------------------------------------------------------


def test_a_user_is_erased_and_the_sinks_are_named(url: str, backend: SqlBackend, monkeypatch):
    monkeypatch.setenv("SPANSCOPE_KEY", "a phrase of many words")
    who = load_key(None).user("alice")
    backend.record_sinks(["structlog"])
    backend.record_sinks(["structlog", "datadog"])
    backend.export([*make_rag_trace(user_id=who), make_llm(trace_id="b" * 32, inputs=(make_content("own"),))])
    with open_store(url) as store:
        told = store.erase(user="alice", dry_run=True)
        gone = store.erase(user="alice")
        assert (
            (told.traces, told.spans, told.contents) == (gone.traces, gone.spans, gone.contents) == (1, 4, 2)
        )
        assert store.counts() == {"traces": 1, "spans": 1, "contents": 1}
        assert store.erase(user="alice").found is False
    assert gone.absent_from_file is None
    assert "PostgreSQL keeps" in gone.notes[0]
    assert [sink["name"] for sink in gone.unreachable] == ["datadog", "structlog"]


def test_pruning_keeps_daily_sums_and_a_dry_run_tells_what_is_done(url: str, backend: SqlBackend):
    """The traces are of 2025, so they are older than any tier but the last."""
    long = make_content("a long text " * 20)
    backend.export([replace(span, inputs=(long,)) for span in make_rag_trace()])
    backend.export(
        [make_llm(trace_id="b" * 32, inputs=(long, make_content("other " * 40)), environment="dev")]
    )
    with open_store(url) as store:
        before = store.daily()
        assert store.prune(spans_days=None, dry_run=True).texts_cut == 2
        assert store.prune(spans_days=None).texts_cut == 2
        told = store.prune(environment="dev", dry_run=True)
        done = store.prune(environment="dev")
        assert replace(done, dry_run=True, daily_kept=0) == told
        assert (done.traces, done.spans, done.contents) == (1, 1, 1)
        assert store.prune(max_bytes=1).traces == 1
        assert store.counts() == {"traces": 0, "spans": 0, "contents": 0}
        assert store.daily() == before
        assert sum(day.calls for day in before) == 5


def test_a_writer_beside_a_pruning_loses_no_text(url: str):
    """Each batch refers to a text that the pruning takes away again and again."""
    text_of_all = make_content("prompt of all " * 20)
    writer = SqlBackend(url)
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(60):
                old = make_llm(trace_id=f"{number + 1:032x}", inputs=(text_of_all,))
                writer.export([old])
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    with open_store(url) as store:
        while thread.is_alive():
            store.prune(spans_days=0, content_days=None, daily_days=None)
        thread.join()
        last = make_llm(trace_id="f" * 32, inputs=(text_of_all,))
        writer.export([last])
        assert failures == []
        for summary in store.traces(limit=None):
            assert store.trace(summary.trace_id).root.inputs == (text_of_all,)
    writer.shutdown()


def test_costs_are_computed_anew_and_prompts_compared_as_in_sqlite(url, backend, tmp_path):
    """One call of a version with a name, one of a template, one of a model without a price."""
    next_model = {"request_model": "gpt-next", "response_model": "gpt-next"}
    root, named, other = make_span(), make_span(), make_span()
    prompt = make_span(kind="prompt", parent_id=root.span_id, prompt_hash="ab" * 8, start_ns=BASE_NS)
    batch = [
        root,
        prompt,
        make_llm(parent_id=root.span_id, request_model="gpt-4o", response_model=None, start_ns=BASE_NS + 9),
        named,
        make_llm(parent_id=named.span_id, prompt_name="faq", prompt_version="2"),
        other,
        make_llm(parent_id=other.span_id, provider=None, cost_usd=None, **next_model),
    ]
    own = {"gpt-4o": {"input": 5, "output": 20}, "gpt-4o-2024-08-06": {"input": 5, "output": 20}}
    lite = SqlBackend(tmp_path / "spans.db")
    found = []
    for place, writer in ((url, backend), (tmp_path / "spans.db", lite)):
        writer.export(batch)
        with open_store(place) as store:
            missing = store.models_without_price()
            change = store.reprice(Pricing(own, {}))
            costs = [
                (span.span_id, span.cost_usd, span.cost_source) for span in store.spans(None, kind="llm")
            ]
            found.append((missing, change.to_dict(), sorted(costs), store.prompts(), store.traces(None)))
    lite.shutdown()
    assert found[0] == found[1]
    missing, change, _, versions, _ = found[0]
    assert missing == {"?/gpt-next": 1}
    assert (change["calls"], change["changed"]) == (3, 2)
    assert {one.known_by for one in versions} == {"name", "template"}

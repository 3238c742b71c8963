"""The store as a sink: batches, forks, locks, and files that vanish."""

import gc
import multiprocessing
import os
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from strategies_spans import TRACE_ID, make_content, make_rag_trace, make_span

from spanscope.backends.sql import SqlBackend
from spanscope.exceptions import StoreError
from spanscope.protocols import Backend
from spanscope.store import open_store, writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


@pytest.fixture
def backend(path: Path):
    backend = SqlBackend(path, busy_timeout_s=0.05)
    yield backend
    backend.shutdown()


def count(path: Path, table: str = "spans") -> int:
    with open_store(path) as store:
        return store.counts()[table]


def test_it_is_a_backend_that_takes_updates(backend: SqlBackend):
    assert isinstance(backend, Backend)
    assert backend.accepts_updates is True


def test_what_export_returned_from_is_committed(backend: SqlBackend, path: Path):
    backend.export(make_rag_trace())

    assert count(path) == 4
    assert backend.flush(1.0) is True


def test_an_empty_batch_is_nothing(backend: SqlBackend, path: Path):
    backend.export([])
    assert count(path) == 0


def test_a_batch_larger_than_a_statement_takes_is_written_whole(backend: SqlBackend, path: Path):
    backend.export([make_span(trace_id=f"{number:032x}") for number in range(3_000)])

    assert count(path) == count(path, "traces") == 3_000


def test_a_locked_store_is_waited_for_and_then_refused_and_nothing_is_half_written(backend, path):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    content = make_content("hello")
    began = time.monotonic()
    with pytest.raises(StoreError, match="locked by another process"):
        backend.export([make_span(inputs=(content,))])
    assert time.monotonic() - began >= 0.05
    other.execute("ROLLBACK")
    other.close()

    backend.export([make_span(inputs=(content,))])
    with open_store(path) as store:
        assert store.latest().root.inputs == (content,), "a message of a lost batch counts as not written"
    assert count(path) == 1


def test_a_store_that_was_deleted_is_made_again(backend: SqlBackend, path: Path, tmp_path: Path):
    """In a notebook people delete the folder while the kernel lives."""
    content = make_content("hello")
    backend.export([make_span(inputs=(content,))])
    for file in tmp_path.iterdir():
        file.unlink()
    backend.export([make_span(inputs=(content,))])

    with open_store(path) as store:
        assert store.latest().root.inputs == (content,)
    assert count(path) == 1


def test_a_folder_that_was_deleted_is_made_again(tmp_path: Path):
    backend = SqlBackend(tmp_path / "own" / "spans.db")
    shutil.rmtree(tmp_path / "own")
    backend.export([make_span()])
    backend.shutdown()

    assert count(tmp_path / "own" / "spans.db") == 1
    assert (tmp_path / "own" / ".gitignore").exists()


def test_after_shutdown_nothing_is_taken_nor_promised(path: Path):
    backend = SqlBackend(path)
    backend.shutdown()
    backend.shutdown()

    assert backend.flush(1.0) is False
    with pytest.raises(StoreError, match="was shut down"):
        backend.export([make_span()])


def test_a_closed_store_leaves_one_file(backend: SqlBackend, path: Path):
    backend.export([make_span()])
    backend.shutdown()

    assert [file.name for file in path.parent.iterdir()] == ["spans.db"]


def test_threads_may_share_it(backend: SqlBackend, path: Path):
    threads = [
        threading.Thread(target=backend.export, args=([make_span() for _ in range(5)],)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert count(path) == 40


def test_two_backends_share_a_file(path: Path):
    backends = [SqlBackend(path), SqlBackend(path)]
    threads = [
        threading.Thread(target=lambda one=one: [one.export(make_rag_trace()) for _ in range(10)])
        for one in backends
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for one in backends:
        one.shutdown()

    assert count(path) == 80
    with open_store(path) as store:
        assert store.traces()[0].span_count == 80


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_parent_and_child_both_write_after_a_fork(backend: SqlBackend, path: Path):
    backend.export([make_span()])

    def child() -> None:
        backend.reset_after_fork()
        gc.collect()
        backend.export([make_span(span_id="c" * 16)])
        backend.shutdown()

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    backend.export([make_span()])
    process.join(20)
    backend.export([make_span()])

    assert process.exitcode == 0
    assert count(path) == 4
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_child_leaves_the_connection_of_its_parent_open(backend: SqlBackend):
    """To close it could check the parent's write-ahead log in and remove it."""
    pooled = backend._engine.raw_connection()
    inherited = pooled.driver_connection
    pooled.close()
    backend.reset_after_fork()
    gc.collect()

    assert inherited.execute("SELECT count(*) FROM spans").fetchone() == (0,)


def test_memory_of_written_messages_is_bounded(backend: SqlBackend, path: Path, monkeypatch):
    monkeypatch.setattr(writer, "REMEMBERED_CONTENTS", 3)
    first = make_content("first")
    for number in range(10):
        backend.export([make_span(inputs=(first, make_content(str(number))))])
        again = backend._writer._unseen([make_span(inputs=(first,))])
        assert again == {}, "what is used again and again is not forgotten"

    assert len(backend._writer._stored) == 3
    assert count(path, "contents") == 11


def test_a_history_sent_again_writes_nothing_new(backend: SqlBackend, path: Path):
    history = tuple(make_content(f"turn {number}") for number in range(50))
    backend.export([make_span(inputs=history)])

    assert backend._writer._unseen([make_span(inputs=history)]) == {}
    assert list(backend._writer._unseen([make_span(inputs=(*history, make_content("new")))])) == [
        make_content("new").content_id
    ]


def test_the_first_trace_is_readable_while_the_backend_lives(backend: SqlBackend, path: Path):
    backend.export(make_rag_trace())

    with open_store(path) as store:
        assert store.trace(TRACE_ID[:8]).name == "rag"

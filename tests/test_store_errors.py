"""A store that cannot be used says at set-up what is wrong with which file, and what to do."""

import os
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect
from strategies_spans import make_rag_trace, make_span

from spanscope.backends.sql import SqlBackend
from spanscope.exceptions import ConfigError, MissingExtra, StoreError
from spanscope.store import open_store
from spanscope.store.location import locate
from spanscope.store.migrations import NEWEST, STEPS, Unfit, migrate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spans.db"


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder that the current user can reach; root, whom no mode stops, becomes nobody for the while."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        root = os.geteuid() == 0
        if root:
            os.chown(folder, 65534, 65534)
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o755)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program in the middle of a write."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.execute("ROLLBACK")
    other.close()


def refusal(store: object, **options: float) -> str:
    with pytest.raises(StoreError) as caught:
        SqlBackend(store, **options)  # type: ignore[arg-type]
    return str(caught.value)


# --- places ------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX modes")
def test_a_folder_that_may_not_be_written():
    with unprivileged() as folder:
        folder.chmod(0o555)
        said = refusal(folder / "spans.db")
        assert "make it and its folder" in said
        assert str(folder) in said
        assert "SPANSCOPE_STORE" in said
        assert "cannot be written" in refusal(folder / "below" / "spans.db")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX modes")
def test_a_file_that_may_only_be_read():
    with unprivileged() as folder:
        path = folder / "spans.db"
        SqlBackend(path).shutdown()
        path.chmod(0o400)

        assert "the file is read-only; make it and its folder" in refusal(path)


def test_a_path_that_is_a_folder(tmp_path: Path):
    assert f"is a folder: name a file in it, such as {tmp_path}" in refusal(tmp_path)
    with pytest.raises(StoreError, match="is a folder"):
        open_store(tmp_path)


def test_a_folder_that_is_a_file(path: Path):
    path.write_text("not a folder")

    assert "cannot be written" in refusal(path / "spans.db")


@pytest.mark.parametrize("url", ["mysql://u:secret@host/db", "http://host/x", "redis://x"])
def test_an_unknown_scheme_names_those_that_are_known(url: str):
    said = refusal(url)
    assert "sqlite:///path" in said
    assert "postgresql://" in said
    assert "secret" not in said


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", ":memory:"])
def test_a_store_in_memory_could_not_be_read_back(url: str):
    assert "cannot be read back" in refusal(url)


@pytest.mark.parametrize("url", ["sqlite://spans.db", "sqlite:///a.db?mode=ro"])
def test_an_sqlite_url_that_says_something_else_than_it_means(url: str):
    assert "takes a path and nothing else" in refusal(url)


def test_an_empty_place():
    assert "is empty" in refusal(" ")


def test_a_postgres_url_that_cannot_be_read_is_not_repeated():
    said = refusal("postgresql://user:secret@host:port/db")
    assert "cannot be read" in said
    assert "secret" not in said


def test_a_password_is_never_shown():
    assert "secret" not in str(locate("postgresql://user:secret@host/db"))


@pytest.mark.parametrize("url", ["postgres://h/d", "postgresql://h/d", "postgresql+psycopg://h/d"])
def test_every_spelling_of_postgres_takes_the_same_driver(url: str):
    assert locate(url).url.drivername == "postgresql+psycopg"


def test_a_home_folder_is_understood(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert locate("~/spans.db").path == tmp_path / "spans.db"


def test_a_driver_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingExtra, match=r"pip install 'spanscope\[postgres\]'"):
        SqlBackend("postgresql://localhost/nowhere")


# --- files -------------------------------------------------------------------------------------------


def test_a_file_that_is_no_database(path: Path):
    path.write_text("these are my notes, and they are longer than the header of a database is. " * 9)

    said = refusal(path)
    assert "is damaged or not an SQLite database" in said
    assert f"mv {path} {path}.broken" in said
    assert path.read_text().startswith("these are my notes")
    with pytest.raises(StoreError, match="not an SQLite database"):
        open_store(path)


def test_a_damaged_store(path: Path):
    backend = SqlBackend(path)
    for number in range(30):
        backend.export(make_rag_trace(f"{number:032x}"))
    backend.shutdown()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3996)

    assert "is damaged" in refusal(path)
    with pytest.raises(StoreError, match="is damaged"):
        open_store(path)


def test_damage_that_only_a_query_meets(path: Path):
    backend = SqlBackend(path)
    for number in range(200):
        backend.export(make_rag_trace(f"{number:032x}"))
    backend.shutdown()
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096 * 20)
        file.write(b"\xff" * (size - 4096 * 20))

    with open_store(path) as store, pytest.raises(StoreError, match=r"is damaged .*\(mv "):
        store.spans(limit=None)


def test_the_database_of_another_program_is_left_alone(path: Path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE recipes (name)")

    assert "another program (it has a table 'recipes')" in refusal(path)
    with pytest.raises(StoreError, match="another program"):
        open_store(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("recipes",)]


def test_a_store_of_a_newer_version(path: Path):
    SqlBackend(path).shutdown()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO migrations VALUES (99, 'tomorrow', '2030-01-01')")

    said = refusal(path)
    assert f"newer spanscope (its schema is 99, this one knows {NEWEST})" in said
    assert "pip install -U spanscope" in said
    with pytest.raises(StoreError, match="newer spanscope"):
        open_store(path)


def test_a_store_that_another_process_keeps_locked(path: Path):
    SqlBackend(path).shutdown()
    with locked(path):
        assert "is locked by another process" in refusal(path, busy_timeout_s=0.05)


def test_a_lock_that_goes_away_in_time_is_waited_for(path: Path):
    SqlBackend(path).shutdown()
    lock = locked(path)
    lock.__enter__()
    waiter = threading.Thread(target=lambda: SqlBackend(path, busy_timeout_s=5).shutdown())
    waiter.start()
    lock.__exit__(None, None, None)
    waiter.join(5)
    assert not waiter.is_alive()


def test_reading_goes_on_while_another_process_writes(path: Path):
    backend = SqlBackend(path)
    backend.export([make_span()])
    with locked(path), open_store(path) as store:
        assert store.counts()["spans"] == 1
    backend.shutdown()


@pytest.mark.parametrize("prepare", [lambda path: None, Path.touch], ids=["no file", "an empty file"])
def test_where_nothing_was_recorded_reading_says_how_to_and_makes_nothing(path: Path, prepare):
    prepare(path)
    before = sorted(path.parent.iterdir())

    with pytest.raises(StoreError, match=r"nothing has been recorded in .*spans\.db.*ObsHandler\(\)"):
        open_store(path)
    assert [file for file in sorted(path.parent.iterdir()) if file.stat().st_size] == []
    assert set(before) <= set(path.parent.iterdir())


def test_a_reader_cannot_write(path: Path):
    SqlBackend(path).shutdown()
    with open_store(path) as store, pytest.raises(StoreError), store._reading() as connection:
        connection.exec_driver_sql("DELETE FROM spans")


def test_a_bad_key_beside_the_store_speaks(path: Path, monkeypatch):
    monkeypatch.delenv("SPANSCOPE_KEY", raising=False)
    SqlBackend(path).shutdown()
    (path.parent / "key").write_text("short")

    with open_store(path) as store, pytest.raises(ConfigError, match="at least"):
        store.traces(user_id="alice")


# --- migrations --------------------------------------------------------------------------------------


def test_a_new_store_notes_every_step_and_when(path: Path):
    SqlBackend(path).shutdown()

    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT number, name, applied_at FROM migrations").fetchall()
    assert [row[:2] for row in rows] == [(1, "first_tables"), (2, "tables_for_retention")]
    assert rows[0][2].endswith("+00:00")


def test_an_older_store_takes_the_steps_that_it_lacks_and_keeps_its_spans(path: Path):
    backend = SqlBackend(path)
    backend.export([make_span()])
    backend.shutdown()

    def add_a_column(connection):
        connection.exec_driver_sql("ALTER TABLE traces ADD COLUMN mood TEXT")

    engine = create_engine(f"sqlite:///{path}")
    for _ in range(2):  # the second time there is nothing left to do
        with engine.begin() as connection:
            migrate(connection, steps=(*STEPS, add_a_column))
    with engine.connect() as connection:
        assert "mood" in {column["name"] for column in inspect(connection).get_columns("traces")}
        assert connection.exec_driver_sql("SELECT number FROM migrations").scalars().all() == list(
            range(1, NEWEST + 2)
        )
        assert connection.exec_driver_sql("SELECT count(*) FROM spans").scalar() == 1


def test_a_step_that_fails_leaves_the_store_as_it_was(path: Path):
    backend = SqlBackend(path)

    def half(connection):
        connection.exec_driver_sql("ALTER TABLE traces ADD COLUMN mood TEXT")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError), backend._engine.begin() as connection:
        migrate(connection, steps=(*STEPS, half))
    with backend._engine.begin() as connection:
        assert "mood" not in {column["name"] for column in inspect(connection).get_columns("traces")}
        with pytest.raises(Unfit, match="newer"):
            migrate(connection, steps=())
    backend.shutdown()


def test_many_processes_may_make_the_same_store_at_once(tmp_path: Path):
    path = tmp_path / "new" / "spans.db"
    with ThreadPoolExecutor(8) as pool:
        for backend in pool.map(lambda _: SqlBackend(path), range(8)):
            backend.shutdown()

    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM migrations").fetchone() == (NEWEST,)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

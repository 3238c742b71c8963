"""Erasing: nothing of a person stays in a table, in the vault or in the file, and what may stay is named."""

import json
import logging
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from commands import command_line
from langchain_core.runnables import RunnableLambda
from strategies_spans import make_content, make_llm, make_rag_trace, make_span

from spanscope import ObsHandler
from spanscope.backends.sql import SqlBackend
from spanscope.exceptions import ConfigError, TraceNotFound, VaultError
from spanscope.redaction import load_key
from spanscope.redaction.pseudonyms import KEY
from spanscope.redaction.vault import Vault
from spanscope.store import Store, clearing, open_store

SYSTEM = make_content("You are a shop assistant.", role="system")


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("SPANSCOPE_KEY", raising=False)


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "spans.db"


@pytest.fixture
def backend(path):
    backend = SqlBackend(path)
    yield backend
    backend.shutdown()


def conversation(path: Path, number: int, user: str, **facts):
    """A trace of three spans, in which a text of the user's own and one of everybody stand."""
    own = make_content(f"the own words of {user}, number {number}")
    who = load_key(path.parent).user(user)
    spans = make_rag_trace(f"{number:032x}", user_id=who, **facts)
    return [replace(span, inputs=(SYSTEM, own), input_preview=own.text) for span in spans]


def file_bytes(path: Path) -> bytes:
    return b"".join(one.read_bytes() for one in sorted(path.parent.glob(f"{path.name}*")))


def test_a_user_is_removed_from_all_tables_and_others_stay(backend, path):
    backend.export(
        [*conversation(path, 1, "alice"), *conversation(path, 2, "alice"), *conversation(path, 3, "bob")]
    )
    with open_store(path) as store:
        gone = store.erase(user="alice")
        assert (gone.traces, gone.spans, gone.contents) == (2, 8, 2)
        assert (gone.found, gone.remaining) == (True, 0)
        assert [one.trace_id for one in store.traces()] == [f"{3:032x}"]
        kept = store.trace(f"{3:032x}")
    assert {content.text for span in kept.spans for content in span.inputs} == {
        SYSTEM.text,
        "the own words of bob, number 3",
    }


def test_the_second_call_counts_nothing(backend, path):
    backend.export(conversation(path, 1, "alice"))
    with open_store(path) as store:
        store.erase(user="alice")
        again = store.erase(user="alice")
    assert (again.found, again.traces, again.spans, again.contents, again.vault_items) == (False, 0, 0, 0, 0)


def test_no_byte_is_left_in_the_file(backend, path):
    backend.export([*conversation(path, 1, "alice"), *conversation(path, 2, "bob")])
    backend.shutdown()
    who = load_key(path.parent).user("alice").encode()
    assert who in file_bytes(path)
    with open_store(path) as store:
        gone = store.erase(user="alice")
    assert gone.absent_from_file is True
    left = file_bytes(path)
    assert who not in left
    assert b"own words of alice" not in left
    assert b"own words of bob" in left


def test_it_is_found_out_when_bytes_stay_because_another_reads(backend, path):
    """A reader in the middle of a transaction keeps the old pages alive."""
    backend.export([*conversation(path, 1, "alice"), *conversation(path, 2, "bob")])
    with sqlite3.connect(path, isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM spans").fetchone()
        with Store(path, busy_timeout_s=0.1) as store:
            gone = store.erase(user="alice")
        reader.execute("COMMIT")
    assert gone.traces == 1
    assert gone.remaining == 0
    assert gone.absent_from_file is False
    assert "in use" in gone.notes[0]


def test_an_erasure_is_reported_though_a_writer_keeps_the_file_from_being_written_anew(
    backend, path, monkeypatch
):
    backend.export([*conversation(path, 1, "alice"), *conversation(path, 2, "bob")])
    with sqlite3.connect(path, isolation_level=None) as writer:

        def vacuum(engine):
            writer.execute("BEGIN IMMEDIATE")
            try:
                return clearing_vacuum(engine)
            finally:
                writer.execute("ROLLBACK")

        clearing_vacuum = clearing.vacuum
        monkeypatch.setattr(clearing, "vacuum", vacuum)
        with Store(path, busy_timeout_s=0.1) as store:
            gone = store.erase(user="alice")
    assert (gone.traces, gone.remaining, gone.absent_from_file) == (1, 0, False)
    assert "in use" in gone.notes[0]


def test_a_dry_run_tells_the_same_and_changes_nothing(backend, path):
    backend.export([*conversation(path, 1, "alice"), *conversation(path, 2, "bob")])
    with open_store(path) as store:
        before = store.counts()
        told = store.erase(user="alice", dry_run=True)
        assert store.counts() == before
        done = store.erase(user="alice")
    assert (told.traces, told.spans, told.contents) == (done.traces, done.spans, done.contents) == (1, 4, 1)


def test_a_user_is_erased_under_every_key(backend, path):
    backend.export(conversation(path, 1, "alice"))
    KEY.rotate(path.parent)
    backend.export(conversation(path, 2, "alice"))
    with open_store(path) as store:
        assert store.erase(user="alice").traces == 2


def test_keys_that_are_not_here_are_named(backend, path):
    backend.export(conversation(path, 1, "alice"))
    lost = load_key(path.parent).key_id
    (path.parent / "key").unlink()
    backend.export(conversation(path, 2, "bob"))
    with open_store(path) as store:
        gone = store.erase(user="alice")
    assert gone.traces == 0
    assert gone.unknown_keys == (lost,)


def test_without_a_key_nobody_can_be_looked_up_but_a_pseudonym_can(backend, path):
    backend.export(conversation(path, 1, "alice"))
    who = load_key(path.parent).user("alice")
    (path.parent / "key").unlink()
    with open_store(path) as store:
        with pytest.raises(ConfigError, match="no key is known"):
            store.erase(user="alice")
        assert store.erase(user=who).traces == 1


def test_a_session_named_after_the_user_goes_with_them_but_not_the_other_way_round(backend, path):
    names = load_key(path.parent)
    mail = "alice@example.org"
    backend.export(
        [
            make_span(trace_id="1" * 32, session_id=names.session(mail)),
            make_span(trace_id="2" * 32, user_id=names.user(mail), attributes={"by": names.user(mail)}),
        ]
    )
    with open_store(path) as store:
        assert store.erase(session=mail, dry_run=True).traces == 1
        assert store.erase(user=mail).traces == 2


def test_users_of_another_naming_are_erased_by_it(backend, path):
    """A store that somebody else writes may have pseudonyms of their own."""
    backend.export([make_span(user_id="ECILA")])
    with open_store(path, pseudonym=lambda user: user.upper()[::-1]) as store:
        assert store.erase(user="bob").traces == 0
        assert store.erase(user="alice").traces == 1


def test_a_trace_goes_where_the_user_stands_in_one_span_or_only_in_its_metadata(backend, path):
    who = load_key(path.parent).user("alice")
    root = make_span(trace_id="1" * 32, user_id="somebody else")
    backend.export(
        [
            root,
            make_span(trace_id="1" * 32, parent_id=root.span_id, user_id=who),
            make_span(trace_id="2" * 32, attributes={"metadata": {"reviewer": who}}),
            make_span(trace_id="3" * 32, tags=("vip", who)),
            make_span(trace_id="4" * 32, events=({"name": "seen", "by": who},)),
            make_span(trace_id="5" * 32),
        ]
    )
    with open_store(path) as store:
        assert store.erase(user="alice").traces == 4
        assert [one.trace_id for one in store.traces()] == ["5" * 32]
    assert who.encode() not in file_bytes(path)


def test_a_session_or_a_trace_is_erased_and_conditions_add_up(backend, path):
    for number, user, session in ((1, "alice", "s-1"), (2, "alice", "s-2"), (3, "bob", "s-1")):
        backend.export(conversation(path, number, user, session_id=session))
    with open_store(path) as store:
        assert store.erase(user="alice", session="s-1").traces == 1
        assert store.erase(session="s-1").traces == 1
        assert store.erase(trace=f"{2:032x}").traces == 1
        assert store.traces() == []


def test_a_trace_that_does_not_exist_is_a_mistake_and_nobody_is_one_too(backend, path):
    backend.export(conversation(path, 1, "alice"))
    with open_store(path) as store:
        with pytest.raises(TraceNotFound):
            store.erase(trace="f" * 32)
        with pytest.raises(ConfigError, match="say what"):
            store.erase()


def test_a_recorder_that_goes_on_writes_again_what_was_erased_with_the_user(backend, path):
    """The writer remembers what it has stored; a prompt that went with its last user must come back."""
    alone = make_content("prompt of the shop", role="system")
    who = load_key(path.parent).user("alice")
    backend.export([make_llm(trace_id="1" * 32, user_id=who, inputs=(alone,))])
    with open_store(path) as store:
        assert store.erase(user="alice").contents == 1
        backend.export([make_llm(trace_id="2" * 32, inputs=(alone,))])
        assert store.trace("2" * 32).root.inputs == (alone,)


def test_the_vault_is_erased_too(backend, path):
    vault = Vault(path.parent / "vault.db")
    for number, user in ((1, "alice"), (2, "bob")):
        backend.export(conversation(path, number, user))
        texts = [("e" * 32, "system", "of all"), (f"{number}" * 32, "human", f"raw words of {user}")]
        vault.keep(f"{number:032x}", f"{number:016x}", "input", texts)
    assert vault.commit()
    with open_store(path) as store:
        assert store.erase(user="alice", dry_run=True).vault_items == 1
        assert store.erase(user="alice").vault_items == 1
    assert vault.open(f"{1:016x}", reason="is it gone?") == []
    assert [one.text for one in vault.open(f"{2:016x}", reason="is it there?")] == [
        "of all",
        "raw words of bob",
    ]
    assert [line.action for line in vault.log()] == ["erase", "open", "open"]
    vault.close()


def test_a_vault_whose_key_is_lost_is_no_obstacle_once_it_is_removed(path, tmp_path):
    handler = ObsHandler(store=path, content="vault", user_id="alice")
    RunnableLambda(str.upper).invoke("mine", {"callbacks": [handler]})
    assert handler.runtime.shutdown()
    (tmp_path / "vault.key").unlink()
    with open_store(path) as store:
        with pytest.raises(VaultError, match=r"remove .*vault\.db and try again"):
            store.erase(user="alice")
        (tmp_path / "vault.db").unlink()
        assert store.erase(user="alice").traces == 1


def test_the_erasure_is_on_record_without_a_word_of_whom(backend, path, caplog):
    caplog.set_level(logging.INFO, "spanscope")
    backend.export(conversation(path, 1, "alice"))
    who = load_key(path.parent).user("alice")
    with open_store(path) as store:
        store.erase(user="alice")
    with sqlite3.connect(path) as connection:
        (row,) = connection.execute("SELECT action, conditions, counts FROM clearings").fetchall()
    assert row[:2] == ("erase", "user")
    assert json.loads(row[2]) == {"contents": 3, "spans": 4, "traces": 1}
    assert "erased by user: traces 1" in caplog.text
    assert not [word for word in ("alice", who) if word in caplog.text + str(row)]


# --- the command -------------------------------------------------------------------------------------


@pytest.fixture
def run(path, monkeypatch, capsys):
    monkeypatch.setenv("SPANSCOPE_STORE", str(path))
    return command_line(capsys)


def test_the_command_counts_proves_and_names_what_it_cannot_reach(backend, path, run):
    backend.export(conversation(path, 1, "alice"))
    backend.record_sinks(["datadog", "structlog"])
    code, out, _ = run("erase", "--user", "alice", "--dry-run")
    assert (code, out.splitlines()[0]) == (
        0,
        "would be erased: 1 trace, 4 spans, 3 texts, 0 texts of the vault",
    )
    code, out, _ = run("erase", "--user", "alice")
    assert code == 0
    assert "erased: 1 trace, 4 spans, 3 texts" in out
    assert "a second search finds 0 traces" in out
    assert "no byte of it is left" in out
    assert "not reached: datadog" in out
    assert "not reached: structlog" in out
    assert "not reached: backups" in out


def test_the_command_names_its_own_options_when_nothing_was_chosen(backend, path, run):
    backend.export(conversation(path, 1, "alice"))
    code, _, err = run("erase")
    assert code == 2
    assert "--user, --session or --trace" in err


def test_the_command_says_that_a_user_is_unknown(backend, path, run):
    backend.export(conversation(path, 1, "alice"))
    code, out, err = run("erase", "--user", "mallory")
    assert (code, out) == (1, "")
    assert "Nothing of this user" in err
    assert "nothing was erased" in err
    assert "mallory" not in err
    code, out, _ = run("erase", "--user", "mallory", "--json")
    assert code == 1
    assert json.loads(out)["found"] is False

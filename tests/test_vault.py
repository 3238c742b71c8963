"""The vault: raw texts encrypted, for a while, behind one door with a book beside it."""

import json
import logging
import os
import sqlite3
import stat
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest
from commands import command_line
from hypothesis import given
from hypothesis import strategies as st
from recording import recorded, settled

import spanscope
from spanscope import ObsHandler, open_store
from spanscope.exceptions import ConfigError, MissingExtra, VaultError
from spanscope.redaction.ciphers import Ciphers
from spanscope.redaction.vault import KEY, MAX_CHARS, Vault
from spanscope.store.vaults import open_vault
from spanscope.testing import MemoryBackend, ScriptedChatModel

pytest.importorskip("cryptography", reason="the vault needs spanscope[vault]")

RAW = "I am canary.alice@example.com and my card is 4242 4242 4242 4242"
SPAN, OTHER = "a" * 16, "ab" + "b" * 14


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch):
    for name in ("SPANSCOPE_KEY", "SPANSCOPE_VAULT_KEY", "SPANSCOPE_VAULT", "SPANSCOPE_VAULT_DAYS"):
        monkeypatch.delenv(name, raising=False)


class Time:
    """Nanoseconds that stand still until they are told to go on."""

    def __init__(self) -> None:
        self.ns = 1_800_000_000 * 10**9

    def __call__(self) -> int:
        return self.ns

    def advance(self, step: timedelta) -> None:
        self.ns += step // timedelta(microseconds=1) * 1000


@pytest.fixture
def time_ns():
    return Time()


@pytest.fixture
def vault(tmp_path, time_ns):
    vault = Vault(tmp_path / "vault.db", keep_for=timedelta(days=7), now_ns=time_ns)
    yield vault
    vault.close()


def texts(*raw: str, role: str = "human"):
    return [(f"{hash(one) % 2**64:016x}" * 2, role, one) for one in raw]


def put(
    vault: Vault, *raw: str, span_id: str = SPAN, direction: str = "input", trace_id: str = "1" * 32
) -> bool:
    vault.keep(trace_id, span_id, direction, texts(*raw))
    return vault.commit()


def read(vault: Vault, span_id: str = SPAN) -> list[str | None]:
    return [one.text for one in vault.open(span_id, reason="a test")]


# --- sealing and opening -----------------------------------------------------------------------------


def test_what_was_sealed_is_opened_in_its_order_inputs_first(vault):
    assert put(vault, "an answer", direction="output")
    assert put(vault, "first", "second")
    found = vault.open(SPAN, reason="a test")
    assert [(one.direction, one.position, one.role, one.text) for one in found] == [
        ("input", 0, "human", "first"),
        ("input", 1, "human", "second"),
        ("output", 0, "human", "an answer"),
    ]


@given(st.text(), st.text(max_size=5))
def test_any_text_comes_back_as_it_was(text, role):
    ciphers = Ciphers([b"k" * 32])
    sealed = ciphers.seal(text, place=role)
    assert ciphers.open(sealed, key_id=ciphers.key_ids[0], place=role) == text
    assert len(text) < 4 or text.encode() not in sealed


def test_half_an_emoji_and_a_role_of_two_lines_are_kept(vault):
    vault.keep("1" * 32, SPAN, "input", [("c" * 32, "a\nb", "half \ud83d\nnext")])
    assert vault.commit()
    (one,) = vault.open(SPAN, reason="a test")
    assert (one.role, one.text) == ("a b", "half \ud83d\nnext")


def test_no_byte_of_the_raw_text_is_in_the_file(vault, tmp_path):
    put(vault, RAW)
    held = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert not [piece for piece in (b"canary", b"4242", b"example.com") if piece in held]


def test_file_and_key_are_the_owners_alone(vault, tmp_path):
    put(vault, RAW)
    assert {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()} == {0o600}
    assert {"vault.db", "vault.key"} <= {one.name for one in tmp_path.iterdir()}


def test_the_same_text_is_kept_once_however_often_it_is_sent(vault):
    for number in range(20):
        put(vault, *[f"message {n}" for n in range(number + 1)], span_id=f"{number:016x}")
    assert vault.stats()["items"] == 20
    assert len(read(vault, f"{19:016x}")) == 20


def test_a_text_that_is_too_long_is_not_kept_and_counted(tmp_path):
    counted: dict[str, int] = {}
    vault = Vault(tmp_path / "vault.db", count=lambda name, by: counted.update({name: by}))
    assert put(vault, "x" * (MAX_CHARS + 1)) is False
    assert counted == {"vault_items_lost": 1}
    assert vault.commit() is True
    vault.close()


def test_a_row_that_was_changed_or_moved_does_not_open(vault, tmp_path):
    put(vault, "one", "two")
    with sqlite3.connect(tmp_path / "vault.db") as thief:
        thief.execute("UPDATE items SET expires_ns = expires_ns + 1 WHERE rowid = 1")
    one, two = vault.open(SPAN, reason="a test")
    assert {(one.text, one.problem), (two.text, two.problem)} & {
        (None, "its row was changed after it was written")
    }
    assert (one.text is None) != (two.text is None)


def test_without_its_key_nothing_opens_and_no_new_key_is_made(vault, tmp_path):
    put(vault, RAW)
    (tmp_path / "vault.key").unlink()
    with pytest.raises(VaultError, match="key of the vault"):
        Vault(tmp_path / "vault.db", create=False)
    assert not (tmp_path / "vault.key").exists()


def test_another_key_opens_nothing_and_says_which_is_missing(vault, tmp_path, monkeypatch):
    put(vault, RAW)
    monkeypatch.setenv("SPANSCOPE_VAULT_KEY", "another phrase of many words")
    other = Vault(tmp_path / "vault.db")
    (one,) = other.open(SPAN, reason="a test")
    assert one.text is None
    assert vault.key_ids[0] in (one.problem or "")
    other.close()


def test_a_database_of_another_program_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "vault.db") as connection:
        connection.execute("CREATE TABLE songs (name)")
    with pytest.raises(VaultError, match="another program"):
        Vault(tmp_path / "vault.db")


def test_a_missing_package_is_named_with_its_extra(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"spanscope\[vault\]"):
        Vault(tmp_path / "vault.db")


# --- expiry ------------------------------------------------------------------------------------------


def test_each_item_expires_by_itself_and_is_gone(vault, time_ns, tmp_path):
    put(vault, "old")
    time_ns.advance(timedelta(days=5))
    put(vault, "young", span_id=OTHER)
    time_ns.advance(timedelta(days=2, seconds=1))
    assert read(vault) == []
    assert read(vault, OTHER) == ["young"]
    assert vault.stats()["items"] == 1
    with sqlite3.connect(tmp_path / "vault.db") as connection:
        assert connection.execute("SELECT count(*) FROM links").fetchone() == (1,)


def test_a_text_that_is_sent_again_lives_on(vault, time_ns):
    put(vault, "system prompt")
    time_ns.advance(timedelta(days=5))
    put(vault, "system prompt", span_id=OTHER)
    time_ns.advance(timedelta(days=5))
    assert read(vault, OTHER) == ["system prompt"]


def test_the_recorder_purges_as_it_goes(vault, time_ns):
    put(vault, "old")
    time_ns.advance(timedelta(days=8))
    assert vault.purge() == 1
    assert vault.purge() == 0


# --- the book ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_without_a_reason_the_door_stays_shut(vault, reason):
    put(vault, RAW)
    with pytest.raises(VaultError, match="say why"):
        vault.open(SPAN, reason=reason)
    assert vault.log() == []


def test_each_opening_is_written_down_also_one_that_finds_nothing(vault):
    put(vault, RAW)
    vault.open(SPAN, reason="ticket 4711 of canary.alice@example.com")
    vault.open("c" * 16, reason="curious")
    one, two = vault.log()
    assert (one.action, one.span_id, one.items, one.reason) == ("open", SPAN, 1, "ticket 4711 of [EMAIL]")
    assert (two.span_id, two.items) == ("c" * 16, 0)
    assert one.pid == os.getpid()
    assert vault.flaws() == []


def test_when_the_book_cannot_be_written_nothing_is_opened(vault, tmp_path):
    put(vault, RAW)
    with sqlite3.connect(tmp_path / "vault.db") as connection:
        connection.execute(
            "CREATE TRIGGER no_ink BEFORE INSERT ON access_log BEGIN SELECT RAISE(ABORT, 'no ink'); END"
        )
    with pytest.raises(VaultError, match="no ink"):
        vault.open(SPAN, reason="a test")


@pytest.mark.parametrize("statement", ["UPDATE access_log SET who = 'nobody'", "DELETE FROM access_log"])
def test_a_line_is_neither_changed_nor_removed(vault, tmp_path, statement):
    vault.open(SPAN, reason="a test")
    with sqlite3.connect(tmp_path / "vault.db") as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "flaw"),
    [
        ("UPDATE access_log SET reason = 'nothing much' WHERE number = 2", "line 2 is not as it was"),
        ("DELETE FROM access_log WHERE number = 2", "lines 2 to 2 are missing"),
        ("DELETE FROM access_log WHERE number = 3", "lines 3 to 3 are missing"),
        ("INSERT INTO access_log SELECT 4, at, who, pid, action, span_id, items, reason, key_id, link "
         "FROM access_log WHERE number = 3", "line 4 is not as it was"),
    ],
)  # fmt: skip
def test_whoever_gets_around_the_triggers_is_found_out(vault, tmp_path, statement, flaw):
    for number in range(3):
        vault.open(SPAN, reason=f"reason {number}")
    with sqlite3.connect(tmp_path / "vault.db") as connection:
        connection.execute("DROP TRIGGER access_log_is_not_changed")
        connection.execute("DROP TRIGGER access_log_is_not_removed")
        connection.execute(statement)
    assert flaw in vault.flaws()[0]


def test_a_span_may_be_named_by_its_beginning(vault):
    put(vault, "one")
    put(vault, "two", span_id=OTHER)
    put(vault, "three", span_id="ab" + "c" * 14)
    assert read(vault, "AAAA") == ["one"]
    assert read(vault, "abbb") == ["two"]
    for bad, said in (("ab", "is no span id"), ("not hex!", "is no span id")):
        with pytest.raises(VaultError, match=said):
            vault.open(bad, reason="a test")


# --- keys --------------------------------------------------------------------------------------------


def test_after_a_rotation_everything_is_sealed_anew_and_opens(vault, tmp_path):
    put(vault, "before")
    old = vault.key_ids[0]
    assert vault.rotate() == 1
    put(vault, "after", direction="output")
    assert read(vault) == ["before", "after"]
    assert vault.key_ids == (KEY_ID_AFTER(tmp_path), old)
    assert vault.stats()["keys"] == [vault.key_ids[0]]
    assert vault.log()[0].action == "rotate"
    assert vault.flaws() == []


def KEY_ID_AFTER(folder: Path) -> str:  # noqa: N802  what the file says now
    return Ciphers(KEY.keys(folder, create=False)).key_ids[0]


def test_a_process_that_knows_only_the_old_key_goes_on(vault, tmp_path, time_ns):
    running = Vault(tmp_path / "vault.db", now_ns=time_ns)
    vault.rotate()
    put(running, "sealed with the old key", span_id=OTHER)
    assert read(vault, OTHER) == ["sealed with the old key"]
    running.close()


# --- recording ---------------------------------------------------------------------------------------


def ask(handler: ObsHandler, text: str = RAW, **config):
    ScriptedChatModel(replies=["Hello canary.alice@example.com"]).invoke(
        text, config={"callbacks": [handler], **config}
    )


def handler_in(folder: Path, **settings) -> ObsHandler:
    return ObsHandler(store=folder / "spans.db", backends=[MemoryBackend()], **settings)


def test_a_recorded_call_is_redacted_in_the_store_and_raw_in_the_vault(tmp_path):
    handler = handler_in(tmp_path, content="vault")
    ask(handler)
    call = recorded(handler).root
    assert call.inputs[0].text == "I am [EMAIL] and my card is [CARD]"
    vault = open_vault(tmp_path / "spans.db")
    assert [one.text for one in vault.open(call.span_id, reason="a test")] == [
        RAW,
        "Hello canary.alice@example.com",
    ]
    vault.close()


def test_only_the_kinds_that_ask_for_it_are_sealed(tmp_path):
    handler = handler_in(tmp_path, content={"default": "hash", "tool": "vault"})
    mail = "canary.alice@example.com"
    with (
        spanscope.span("work", input=f"raw of the work {mail}", handler=handler),
        spanscope.span("search", kind="tool", input=f"raw of the tool {mail}"),
    ):
        pass
    trace = recorded(handler)
    kinds = {span.kind: span for span in trace.spans}
    assert kinds["span"].inputs[0].text is None
    assert kinds["tool"].inputs[0].text == "raw of the tool [EMAIL]"
    vault = open_vault(tmp_path / "spans.db")
    assert vault.open(kinds["span"].span_id, reason="a test") == []
    assert (
        vault.open(kinds["tool"].span_id, reason="a test")[0].text
        == "raw of the tool canary.alice@example.com"
    )
    vault.close()


def test_the_call_goes_before_the_block_and_the_block_before_the_handler(tmp_path):
    handler = handler_in(tmp_path, content="redacted")
    long = "word " * 60

    def kept(**config) -> int | None:
        ask(handler, f"{long}{len(config)}{config}", **config)
        text = recorded(handler).root.inputs[0].text
        return None if text is None else len(text)

    assert (kept() or 0) > 300
    with spanscope.context(content={"llm": "preview"}):
        assert kept(tags=["x"]) == 100
        assert kept(metadata={"spanscope_content": "hash"}) is None
    with spanscope.context(content={"tool": "hash"}):
        assert (kept(tags=["y"]) or 0) > 300
    assert kept(metadata={"spanscope_content": "everything!"}) is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("all", "unknown content policy 'all'"),
        ({"llm": "all"}, "unknown content policy"),
        ({"lm": "hash"}, "no kind"),
    ],
)
def test_a_policy_or_kind_that_there_is_not_speaks_at_once(tmp_path, content, said):
    with pytest.raises(ConfigError, match=said):
        handler_in(tmp_path, content=content)
    with pytest.raises(ConfigError, match=said), spanscope.context(content=content):
        pass


def test_a_call_may_ask_for_the_vault_where_no_handler_did(tmp_path):
    handler = handler_in(tmp_path)
    assert not (tmp_path / "vault.db").exists()
    ask(handler, metadata={"spanscope_content": "vault"})
    call = recorded(handler).root
    vault = open_vault(tmp_path / "spans.db")
    assert vault.open(call.span_id, reason="a test")[0].text == RAW
    vault.close()


def test_an_error_is_kept_raw_too(tmp_path):
    handler = handler_in(tmp_path, content="vault")
    with pytest.raises(ValueError), spanscope.span("work", handler=handler):
        raise ValueError("no such person: canary.alice@example.com")
    call = recorded(handler).root
    assert call.error_message == "no such person: [EMAIL]"
    vault = open_vault(tmp_path / "spans.db")
    (error,) = vault.open(call.span_id, reason="a test")
    assert (error.direction, error.text) == ("error", "no such person: canary.alice@example.com")
    vault.close()


def test_what_the_vault_cannot_write_is_written_nowhere_counted_and_not_acknowledged(tmp_path, caplog):
    handler = handler_in(tmp_path, content="vault")
    ask(handler, "fine")
    settled(handler)
    with sqlite3.connect(tmp_path / "vault.db") as connection:
        connection.execute("DROP TABLE items")
    caplog.set_level(logging.DEBUG)
    ask(handler)
    assert handler.flush(10) is False
    assert handler.runtime.health.counters["vault_items_lost"] == 2
    assert handler.runtime.health.faults["vault"] == 1
    with open_store(tmp_path / "spans.db") as store:
        assert store.trace(handler.last_trace_id).root.inputs[0].text == "I am [EMAIL] and my card is [CARD]"
    handler.runtime.shutdown(10)
    everywhere = b"".join(one.read_bytes() for one in tmp_path.iterdir()) + caplog.text.encode()
    assert b"canary" not in everywhere


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_seals_on_its_own_and_the_parent_goes_on(tmp_path):
    handler = handler_in(tmp_path, content="vault")
    ask(handler, "of the parent, before")
    settled(handler)
    child = os.fork()
    if child == 0:
        ask(handler, "of the child")
        os._exit(0 if handler.flush(10) and not handler.runtime.health.faults else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    ask(handler, "of the parent, after")
    settled(handler)
    vault = open_vault(tmp_path / "spans.db")
    with open_store(tmp_path / "spans.db") as store:
        said = {vault.open(one.root_span_id, reason="a test")[0].text for one in store.traces()}
    assert said == {"of the parent, before", "of the child", "of the parent, after"}
    vault.close()


def test_a_fork_does_not_wait_for_whoever_writes_the_vault(vault, tmp_path):
    with sqlite3.connect(tmp_path / "vault.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        vault.reset_after_fork()
        assert time.monotonic() - started < 1
        other.execute("ROLLBACK")
    vault.keep("1" * 32, SPAN, "input", [("c1", "human", RAW)])
    assert vault.commit()
    assert vault.open(SPAN, reason="a test")[0].text == RAW


def test_a_full_disk_is_named_as_what_it_is_and_the_vault_goes_on_when_there_is_room(tmp_path):
    faults = []
    vault = Vault(tmp_path / "vault.db", fault=lambda stage, error: faults.append(str(error)))
    pages = vault._connected().execute("PRAGMA page_count").fetchone()[0]
    vault._connected().execute(f"PRAGMA max_page_count = {pages + 2}")
    vault.keep("1" * 32, SPAN, "input", [("c1", "human", os.urandom(50_000).hex())])
    assert not vault.commit()
    assert faults == ["database or disk is full"]
    vault._connected().execute("PRAGMA max_page_count = 100000")
    vault.keep("1" * 32, SPAN, "input", [("c2", "human", RAW)])
    assert vault.commit()
    vault.close()


def test_without_a_file_the_vault_needs_a_place(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="SPANSCOPE_VAULT"):
        ObsHandler(store=False, backends=[MemoryBackend()], content="vault")
    monkeypatch.setenv("SPANSCOPE_VAULT", str(tmp_path / "elsewhere" / "raw.db"))
    memory = MemoryBackend()
    handler = ObsHandler(store=False, backends=[memory], content="vault")
    ask(handler)
    settled(handler)
    vault = Vault(tmp_path / "elsewhere" / "raw.db", create=False)
    assert vault.open(memory.spans[0].span_id, reason="a test")[0].text == RAW
    vault.close()


def test_days_that_are_none_speak_at_once(tmp_path, monkeypatch):
    monkeypatch.setenv("SPANSCOPE_VAULT_DAYS", "a week")
    with pytest.raises(ConfigError, match="SPANSCOPE_VAULT_DAYS"):
        handler_in(tmp_path)


# --- the command -------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPANSCOPE_STORE", str(tmp_path / "spans.db"))
    return command_line(capsys)


def test_the_commands_open_tell_and_rotate(tmp_path, run):
    handler = handler_in(tmp_path, content="vault")
    ask(handler)
    span_id = recorded(handler).root.span_id
    code, out, _ = run("vault", "open", span_id, "--reason", "a complaint")
    assert code == 0
    assert RAW in out
    assert run("vault", "open", span_id)[0] == 2
    assert run("vault", "open", span_id, "--reason", " ")[0] == 2
    assert run("vault", "open", "f" * 16, "--reason", "x")[:2] == (1, "")
    code, out, _ = run("vault", "log")
    assert code == 0
    assert f"open {span_id}  2 texts  a complaint" in out
    assert "sealed again: 2 texts" in run("vault", "rotate")[1]
    assert json.loads(run("vault", "status", "--json")[1])["items"] == 2
    assert len(json.loads(run("vault", "log", "--json")[1])["lines"]) == 3


def test_where_there_is_no_vault_the_command_says_so_and_makes_none(tmp_path, run):
    code, _, err = run("vault", "open", SPAN, "--reason", "x")
    assert code == 2
    assert "there is no vault" in err
    assert list(tmp_path.iterdir()) == []

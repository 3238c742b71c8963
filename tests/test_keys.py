"""Keys: they are the owner's alone, they can be changed, and what old ones named is still found."""

import json
import stat
from pathlib import Path

import pytest
from commands import command_line
from strategies_spans import make_span

from spanscope import ObsHandler, span
from spanscope.backends.sql import SqlBackend
from spanscope.exceptions import ConfigError
from spanscope.redaction import keys, known_keys, load_key
from spanscope.redaction.pseudonyms import KEY, Pseudonyms, key_id_of
from spanscope.store import open_store


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("SPANSCOPE_KEY", raising=False)


def record(path: Path, *users: str) -> None:
    """One trace for each user, named by the key beside the store."""
    backend = SqlBackend(path)
    names = load_key(path.parent)
    backend.export(
        [
            make_span(trace_id=f"{number:032x}", user_id=names.user(user))
            for number, user in enumerate(users, 1)
        ]
    )
    backend.shutdown()


def trace_id_after(path: Path, user: str, number: int) -> str:
    backend = SqlBackend(path)
    trace_id = f"{number:032x}"
    backend.export([make_span(trace_id=trace_id, user_id=load_key(path.parent).user(user))])
    backend.shutdown()
    return trace_id


def test_a_pseudonym_names_its_key():
    names = Pseudonyms(b"k" * 32)
    assert key_id_of(names.user("alice")) == key_id_of(names.session("alice")) == names.key_id
    assert key_id_of("alice") is None
    assert names.token("EMAIL", "a@b.example").startswith(f"{names.key_id}.")


def test_a_value_has_another_token_as_another_kind_and_under_another_key():
    names, others = Pseudonyms(b"k" * 32), Pseudonyms(b"o" * 32)
    value = "4111 1111 1111 1111"
    assert len({names.token("CARD", value), names.token("PHONE", value), others.token("CARD", value)}) == 3
    assert names.token("CARD", value) == names.token("CARD", value)


def test_a_user_is_found_under_every_key_after_a_rotation(tmp_path):
    path = tmp_path / "spans.db"
    record(path, "alice", "bob")
    old = load_key(tmp_path).key_id
    KEY.rotate(tmp_path)
    later = trace_id_after(path, "alice", 3)

    assert load_key(tmp_path).key_id != old
    with open_store(path) as store:
        assert {one.trace_id for one in store.traces(user_id="alice")} == {f"{1:032x}", later}
        assert store.pseudonym("alice") == store.trace(later).root.user_id
        assert [key_id_of(name) for name in store.pseudonyms("alice")] == [load_key(tmp_path).key_id, old]
        assert store.users_by_key() == {old: 2, load_key(tmp_path).key_id: 1}


def test_a_rotated_file_is_still_the_owners_alone_and_leaves_nothing_beside_it(tmp_path):
    load_key(tmp_path)
    KEY.rotate(tmp_path)
    KEY.rotate(tmp_path)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["key"]
    assert len(known_keys(tmp_path)) == 3


def test_of_two_rotations_at_once_the_second_is_refused_and_no_key_is_lost(tmp_path):
    load_key(tmp_path)
    (tmp_path / "key.new").write_text("half written")
    with pytest.raises(ConfigError, match="another rotation"):
        KEY.rotate(tmp_path)
    assert len(known_keys(tmp_path)) == 1


def test_a_rotation_loses_no_key_that_another_makes_while_it_reads(tmp_path, monkeypatch):
    """Without its key nobody could be looked up any more whom the other process has named meanwhile."""
    load_key(tmp_path)
    made = []

    def parsed(lines, *, where):
        monkeypatch.undo()
        try:
            KEY.rotate(tmp_path)  # the other process
            made.append(load_key(tmp_path).key_id)
        except ConfigError as refused:
            made.append(str(refused))
        return keys.parsed(lines, where=where)

    monkeypatch.setattr(keys, "parsed", parsed)
    monkeypatch.setattr(keys.KeyPlace, "from_environment", lambda place: [])
    KEY.rotate(tmp_path)
    assert "another rotation" in made[0]
    assert len(known_keys(tmp_path)) == 2


def test_a_rotation_that_fails_leaves_the_keys_and_nothing_beside_them(tmp_path):
    load_key(tmp_path)
    file = tmp_path / "key"
    file.write_text(file.read_text() + "short\n")
    before = file.read_text()
    with pytest.raises(ConfigError, match="5 characters"):
        KEY.rotate(tmp_path)
    assert file.read_text() == before
    assert [one.name for one in tmp_path.iterdir()] == ["key"]


def test_a_rotation_needs_a_key_to_follow(tmp_path):
    with pytest.raises(ConfigError, match="nothing has been recorded"):
        KEY.rotate(tmp_path)


def test_keys_of_the_environment_are_rotated_there(tmp_path, monkeypatch):
    monkeypatch.setenv("SPANSCOPE_KEY", f"{'cd' * 32},{'ab' * 32}")
    assert load_key(None).key_id == Pseudonyms(bytes.fromhex("cd" * 32)).key_id
    assert known_keys(None).ids[1] == Pseudonyms(bytes.fromhex("ab" * 32)).key_id
    with pytest.raises(ConfigError, match=r"SPANSCOPE_KEY.*comma"):
        KEY.rotate(tmp_path)


def test_a_key_may_be_given_to_the_reader(tmp_path):
    path = tmp_path / "spans.db"
    key = "a phrase of many words"
    backend = SqlBackend(path)
    backend.export([make_span(user_id=load_key(None, key=key).user("alice"))])
    backend.shutdown()
    with open_store(path) as without, open_store(path, key=key) as given:
        assert without.traces(user_id="alice") == []
        assert without.pseudonym("alice") is None
        assert len(given.traces(user_id="alice")) == 1


def test_a_key_may_be_given_to_the_handler(tmp_path):
    key = "a phrase of many words"
    handler = ObsHandler(store=tmp_path / "spans.db", key=key, user_id="alice")
    with span("work", handler=handler):
        pass
    assert handler.flush(10)
    assert key not in repr(handler.settings)
    assert not (tmp_path / "key").exists()
    with open_store(tmp_path / "spans.db", key=key) as store:
        assert store.traces(user_id="alice")[0].user_id == load_key(None, key=key).user("alice")


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_a_file_without_a_key_speaks(tmp_path, text):
    (tmp_path / "key").write_text(text)
    with pytest.raises(ConfigError, match="holds no key"):
        load_key(tmp_path)


# --- the commands ------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SPANSCOPE_STORE", str(tmp_path / "spans.db"))
    return command_line(capsys)


def test_the_command_rotates_and_never_prints_a_key(tmp_path, run):
    record(tmp_path / "spans.db", "alice")
    old = load_key(tmp_path).key_id
    code, out, _ = run("key", "rotate")
    assert code == 0
    assert out.startswith(load_key(tmp_path).key_id)
    assert f"{old} can still be looked up" in out
    _, listed, _ = run("key", "list", "--json")
    secret = [line for line in (tmp_path / "key").read_text().splitlines() if not line.startswith("#")]
    assert not [key for key in secret if key in out + listed]
    assert json.loads(listed) == [
        {"key": load_key(tmp_path).key_id, "known": True, "current": True, "users": 0},
        {"key": old, "known": True, "current": False, "users": 1},
    ]


def test_the_command_names_keys_that_are_not_here(tmp_path, run):
    record(tmp_path / "spans.db", "alice")
    (tmp_path / "key").unlink()
    _, out, _ = run("key", "list")
    assert "cannot be looked up" in out


def test_the_command_tells_what_a_user_is_called(tmp_path, run):
    record(tmp_path / "spans.db", "alice", "alice", "bob")
    KEY.rotate(tmp_path)
    code, out, _ = run("user", "alice", "--json")
    assert code == 0
    assert json.loads(out) == [
        {"pseudonym": name, "traces": traces}
        for name, traces in zip(known_keys(tmp_path).users("alice"), (0, 2), strict=True)
    ]


def test_without_a_key_nobody_can_be_looked_up(tmp_path, run):
    record(tmp_path / "spans.db", "alice")
    (tmp_path / "key").unlink()
    code, _, err = run("user", "alice")
    assert code == 2
    assert "no key is known" in err

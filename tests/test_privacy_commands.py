"""`spanscope redact` and what `doctor` says of keys, vault and retention."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from commands import command_line
from strategies_spans import make_span

from spanscope import ObsHandler
from spanscope.backends.sql import SqlBackend
from spanscope.redaction import load_key
from spanscope.redaction.engine import Redactor
from spanscope.redaction.pseudonyms import KEY
from spanscope.redaction.trial import trial
from spanscope.store import open_store
from spanscope.testing import Canary, MemoryBackend, ScriptedChatModel


@pytest.fixture
def path(tmp_path, monkeypatch):
    for name in ("SPANSCOPE_KEY", "SPANSCOPE_VAULT", "SPANSCOPE_VAULT_KEY", "SPANSCOPE_REDACTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPANSCOPE_STORE", str(tmp_path / "spans.db"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path / "spans.db"


@pytest.fixture
def run(path, capsys):
    return command_line(capsys)


# --- redact ------------------------------------------------------------------------------------------


def test_a_file_is_printed_as_the_redactor_leaves_it(run, tmp_path):
    file = tmp_path / "talk.txt"
    file.write_text("mail sam.carter@example.org\n")
    assert run("redact", str(file)) == (0, "mail [EMAIL]\n", "")
    assert file.read_text() == "mail sam.carter@example.org\n"


def test_a_dry_run_counts_by_type_and_shows_masked_samples_only(run, tmp_path):
    canary = Canary()
    file = tmp_path / "talk.txt"
    file.write_text("\n".join([canary.text("one"), "nothing here", canary.text("two")]))
    code, out, _ = run("redact", "--dry-run", str(file), "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["texts"], told["changed"], told["withheld"]) == (1, 1, 0)
    assert told["chars"] == len(file.read_text())
    assert told["seconds"] > 0
    found = {one["type"]: one for one in told["types"]}
    assert (found["EMAIL"]["count"], found["PHONE"]["count"], found["CARD"]["count"]) == (2, 2, 2)
    assert "one [EMAIL];" in found["EMAIL"]["samples"][0]
    _, table, _ = run("redact", "--dry-run", str(file))
    assert "1 of 1 texts would change" in table
    canary.assert_absent(out, table)


def test_a_store_is_searched_for_what_todays_rules_find(run, path):
    backend = SqlBackend(path)
    backend.export([make_span(input_preview="from before: sam.carter@example.org", error_message="fine")])
    backend.shutdown()
    code, out, _ = run("redact", "--dry-run", "--store", str(path))
    assert code == 0
    assert "from before: [EMAIL]" in out
    assert "1 of 2 texts would change" in out


def test_rules_of_ones_own_are_tried(run, tmp_path):
    file, rules = tmp_path / "talk.txt", tmp_path / "rules.toml"
    file.write_text("ticket TCK-123456, mail desk@example.org")
    rules.write_text(
        "allow = ['desk@example.org']\n[[rules]]\nname = 'ticket'\ntype = 'TICKET'\n"
        "pattern = 'TCK-[0-9]{6}'\nkeywords = ['tck-']\n"
    )
    _, out, _ = run("redact", "--dry-run", str(file), "--rules", str(rules), "--json")
    assert [(one["type"], one["count"]) for one in json.loads(out)["types"]] == [("TICKET", 1)]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "name one thing"),
        (["--store", "spans.db"], "a store is not rewritten"),
        (["--dry-run", "no such file"], "cannot be read"),
    ],
)
def test_mistakes_are_one_line(run, args, said):
    code, _, err = run("redact", *args)
    assert code == 2
    assert said in err


def test_a_text_that_cannot_be_searched_counts_as_withheld():
    class Tired(Redactor):
        def find(self, text):
            raise TimeoutError(text)

    told = trial(Tired(), ["one", "two"])
    assert (told.texts, told.changed, told.withheld) == (2, 0, 2)


# --- doctor ------------------------------------------------------------------------------------------


def test_doctor_tells_of_keys_vault_retention_and_other_sinks(run, path, tmp_path):
    old = datetime.now(UTC) - timedelta(days=100)
    backend = SqlBackend(path)
    backend.export([make_span(start_ns=int(old.timestamp()) * 10**9)])
    backend.shutdown()
    handler = ObsHandler(content="vault", user_id="alice", backends=[MemoryBackend(), "datadog"])
    ScriptedChatModel(replies=["x"]).invoke("hi", config={"callbacks": [handler]})
    assert handler.flush(10)
    KEY.rotate(tmp_path)
    code, out, _ = run("doctor")
    assert code == 0, out
    assert f"{load_key(tmp_path).key_id}, and 1 old" in out
    assert "2 texts, the first until" in out
    assert "the oldest trace is 100 days old; never pruned" in out
    assert "datadog: an erasure does not reach them" in out
    with open_store() as store:
        store.prune()
    assert "last pruned 20" in run("doctor")[1]


def test_doctor_names_users_whose_key_is_not_here(run, path, tmp_path):
    backend = SqlBackend(path)
    names = load_key(tmp_path)
    backend.export([make_span(user_id=names.user("alice"))])
    backend.shutdown()
    (tmp_path / "key").unlink()
    _, out, _ = run("doctor")
    assert "none is known here" in out
    assert f"{names.key_id}, which named 1 user" in out
    assert not (tmp_path / "key").exists()


def test_doctor_ends_with_1_when_others_may_read_a_key_or_the_vaults_log_was_changed(run, path, tmp_path):
    handler = ObsHandler(content="vault", backends=[MemoryBackend()])
    ScriptedChatModel(replies=["x"]).invoke("hi", config={"callbacks": [handler]})
    assert handler.flush(10)
    assert run("vault", "open", "f" * 16, "--reason", "a test")[0] == 1
    (tmp_path / "key").chmod(0o640)
    with sqlite3.connect(tmp_path / "vault.db") as connection:
        connection.execute("DROP TRIGGER access_log_is_not_changed")
        connection.execute("UPDATE access_log SET reason = 'nothing much'")
    code, out, _ = run("doctor", "--json")
    problems = json.loads(out)["problems"]
    assert code == 1
    assert f"other users may read {tmp_path / 'key'}" in problems[0]
    assert "access log" in problems[1]
    assert "line 1 is not as it was written" in problems[1]

"""What a user may choose: operators, what stays, own rules; and that a mistake speaks at once."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanscope import ObsHandler
from spanscope.exceptions import ConfigError
from spanscope.redaction import Pseudonyms, Redactor, redactor_from

KEY = Pseudonyms(b"k" * 32)
TEXT = "ada@example.com paid with 4242 4242 4242 4242"


def test_each_type_can_have_its_operator():
    redactor = Redactor(operators={"EMAIL": "drop", "CARD": "keep 4"})
    assert redactor.redact(TEXT) == " paid with [CARD …4242]"
    assert Redactor(operators={"default": "drop"}).redact(TEXT) == " paid with "


def test_a_hash_is_the_same_for_the_same_value_however_it_is_written():
    hashed = Redactor(operators={"default": "hash"}, pseudonyms=KEY).redact
    one, other = hashed("Ada@Example.com"), hashed("ada@example.com")
    assert one == other
    assert re.fullmatch(rf"\[EMAIL:{KEY.key_id}\.[0-9a-f]{{16}}\]", one)
    assert hashed("4242 4242 4242 4242") == hashed("4242424242424242")
    assert hashed("bob@example.com") != one


def test_another_key_gives_another_hash_and_no_key_a_mask():
    """A plain hash of an address is as good as the address."""
    one = Redactor(operators={"EMAIL": "hash"}, pseudonyms=KEY).redact("ada@example.com")
    other = Redactor(operators={"EMAIL": "hash"}, pseudonyms=Pseudonyms(b"o" * 32)).redact("ada@example.com")
    assert one != other
    assert Redactor(operators={"EMAIL": "hash"}).redact("ada@example.com") == "[EMAIL]"


@given(st.from_regex(r"[a-f0-9]{4,20}@[a-f0-9]{4,12}\.(?:de|cafe)", fullmatch=True))
def test_a_placeholder_holds_no_four_characters_of_what_it_hides(value):
    """Hexadecimal addresses, which a hash could happen to repeat."""
    for operators in ({}, {"EMAIL": "hash"}):
        out = Redactor(operators=operators, pseudonyms=KEY).redact(value).lower().replace(KEY.key_id, "")
        assert not [value[at : at + 4] for at in range(len(value) - 3) if value[at : at + 4] in out]


def test_what_is_allowed_stays():
    redactor = Redactor(allow=["Support@Example.com", re.compile(r".*@acme\.org")])
    assert (
        redactor.redact("support@example.com eve@acme.org x@y.zone")
        == "support@example.com eve@acme.org [EMAIL]"
    )


def test_rules_can_be_switched_off_by_type_and_by_name():
    assert Redactor(disable=["EMAIL"]).redact(TEXT) == "ada@example.com paid with [CARD]"
    assert Redactor(disable=["ipv4"]).redact("203.0.113.9 2001:db8:1:2:3:4:5:6") == "203.0.113.9 [IP]"


def test_own_rules_go_first():
    rules = [
        {"name": "ticket", "type": "TICKET", "pattern": r"TCK-(\d{6})", "group": 1, "keywords": ["tck-"]}
    ]
    assert Redactor(rules=rules).redact("see TCK-123456") == "see TCK-[TICKET]"
    assert Redactor(rules=rules, operators={"TICKET": "drop"}).redact("see TCK-123456") == "see TCK-"


def test_redaction_that_is_off_still_takes_secrets_out():
    off = redactor_from(False)
    assert off.redact("ada@example.com sk-proj-Abc123Def456Ghi789") == "ada@example.com [SECRET]"
    assert off.redact_value({"api_key": "x", "mail": "ada@example.com"}) == {
        "api_key": "[SECRET]",
        "mail": "ada@example.com",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"operators": {"EMIAL": "mask"}}, "unknown type 'EMIAL'"),
        ({"operators": {"EMAIL": "shred"}}, "known are mask, hash, drop, keep N"),
        ({"operators": ["EMAIL"]}, "must be a table"),
        ({"operators": {"EMAIL": "keep 0"}}, "keep N"),
        ({"disable": ["emails"]}, "unknown emails"),
        ({"disable": "EMAIL"}, "must be a list"),
        ({"allow": "x"}, "must be a list"),
        ({"allow": [1]}, "neither text nor pattern"),
        ({"rules": [{"type": "X1", "pattern": "x"}]}, "needs a name"),
        ({"rules": [{"name": "x", "type": "lower", "pattern": "x"}]}, "upper-case"),
        ({"rules": [{"name": "x", "type": "X1", "pattern": "("}]}, "no regular expression"),
        ({"rules": [{"name": "x", "type": "X1", "pattern": "(a+)+b"}]}, "exponential"),
        ({"rules": [{"name": "x", "type": "X1", "pattern": "a*"}]}, "empty text"),
        ({"rules": [{"name": "x", "type": "X1", "pattern": "x", "words": []}]}, "unknown words"),
        ({"rules": [{"name": "x", "type": "X1", "pattern": "x", "group": 2}]}, "0 groups"),
        ({"detectors": [object()]}, "no detect"),
        ({"time_limit_s": 0}, "above 0"),
        ({"max_depth": "deep"}, "whole number"),
        ({"operator": {}}, "operator"),
    ],
)
def test_a_mistake_speaks_when_the_redactor_is_made(arguments, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        redactor_from(arguments)


def test_a_file_says_the_same(tmp_path, monkeypatch):
    file = tmp_path / "redaction.toml"
    file.write_text(
        'allow_patterns = [\'.*@acme\\.org\']\ndisable = ["CARD"]\n[operators]\nEMAIL = "keep 3"\n'
        '[[rules]]\nname = "ticket"\ntype = "TICKET"\npattern = \'TCK-[0-9]{6}\'\n'
    )
    monkeypatch.setenv("SPANSCOPE_REDACTION", str(file))
    redactor = redactor_from(None)
    assert redactor.redact("TCK-123456 a@acme.org ada@example.com") == "[TICKET] a@acme.org [EMAIL …com]"


@pytest.mark.parametrize("content", ["operators = 3", "colour = 1", "= ", "allow = 7"])
def test_a_file_with_a_mistake_is_refused(tmp_path, content):
    file = tmp_path / "redaction.toml"
    file.write_text(content)
    with pytest.raises(ConfigError):
        redactor_from(file)
    with pytest.raises(ConfigError, match="cannot be read"):
        redactor_from(tmp_path / "missing.toml")


def test_a_handler_takes_the_settings_and_lends_its_key(tmp_path):
    handler = ObsHandler(store=tmp_path / "s.db", redaction={"operators": {"EMAIL": "hash"}})
    shown = handler.runtime._seal._redactor.redact("ada@example.com")
    assert re.fullmatch(r"\[EMAIL:[0-9a-f]{8}\.[0-9a-f]{16}\]", shown)
    handler.runtime.shutdown()
    with pytest.raises(ConfigError):
        ObsHandler(store=tmp_path / "t.db", redaction={"disable": ["nothing"]})
    assert not (tmp_path / "t.db").exists()


def test_what_would_be_replaced_can_be_asked():
    assert [(one.type, one.rule) for one in Redactor().find(TEXT)] == [("EMAIL", "e-mail"), ("CARD", "card")]


def test_it_counts_what_it_replaces():
    redactor = Redactor()
    redactor.redact(TEXT)
    assert redactor.counts == {"EMAIL": 1, "CARD": 1}


def test_provider_state_and_embeddings_become_type_and_size():
    value = {
        "encrypted_content": "gAAAA" * 20,
        "signature": "def f(x) -> int",
        "v": [0.25] * 64,
        "few": [0.5, 0.25],
    }
    assert Redactor().redact_value(value) == {
        "encrypted_content": "[opaque, 100 bytes]",
        "signature": "def f(x) -> int",
        "v": "[embedding, 64 numbers]",
        "few": [0.5, 0.25],
    }
    assert Redactor(digest=lambda text: "h").redact_value([1.5] * 64) == "[embedding, 64 numbers, h]"


def test_a_history_that_is_sent_again_is_searched_once(monkeypatch):
    redactor = Redactor()
    history = [f"message {number} from ada@example.com " * 20 for number in range(5)]
    calls = []
    searched = redactor._searched
    monkeypatch.setattr(redactor, "_searched", lambda text: calls.append(text) or searched(text))
    for _ in range(20):
        for message in history:
            redactor.redact(message)
    assert len(calls) == len(history)

"""What the redactor takes out, what it leaves, and that nothing makes it slow or makes it raise."""

import dataclasses
import enum
import json
import math
import threading
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, SecretStr
from pydantic.v1 import BaseModel as BaseModelV1

from spanscope.redaction import Redactor
from spanscope.redaction.cards import is_card_number
from spanscope.redaction.values import Limits

redact = Redactor().redact
redact_value = Redactor().redact_value

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\nqwerty\n-----END RSA PRIVATE KEY-----"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"

SECRETS = [
    ("alice.smith+news@mail.example.co.uk", "[EMAIL]"),
    ("jörg.müller@bücher.example", "[EMAIL]"),
    ("alice%40example.com", "[EMAIL]"),
    ("+1 (555) 867-5309", "[PHONE]"),
    ("+44 20 7946 0958", "[PHONE]"),
    ("+4915112345678", "[PHONE]"),
    ("555-867-5309", "[PHONE]"),
    ("(555) 867-5309", "[PHONE]"),
    ("555.867.5309", "[PHONE]"),
    ("020 7946 0958", "[PHONE]"),
    ("01 42 68 53 00", "[PHONE]"),
    ("4242 4242 4242 4242", "[CARD]"),
    ("4111111111111111", "[CARD]"),
    ("3782-822463-10005", "[CARD]"),
    ("5555-5555-5555-4444", "[CARD]"),
    ("123-45-6789", "[SSN]"),
    ("sk-proj-Abc123Def456Ghi789Jkl012", "[SECRET]"),
    ("sk-ant-api03-Abc123Def456-Ghi789", "[SECRET]"),
    ("sk-abcdefghijklmnop1234567890ABCDEFGH", "[SECRET]"),
    ("AKIAIOSFODNN7EXAMPLE", "[SECRET]"),
    ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "[SECRET]"),
    ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[SECRET]"),
    ("github_pat_11ABCDEFG0abcdefghijkl", "[SECRET]"),
    ("xoxb-1234567890-abcdefghij", "[SECRET]"),
    ("sk_live_abcdefghijklmnop1234", "[SECRET]"),
    ("hf_AbCdEfGhIjKlMnOpQrStUvWxYz", "[SECRET]"),
    ("lsv2_pt_0123456789abcdef0123456789abcdef_0123456789", "[SECRET]"),
    (JWT, "[SECRET]"),
    (PEM, "[SECRET]"),
]

IN_CONTEXT = [
    ("Authorization: Bearer abc.def-123", "Authorization: [SECRET]"),
    ("sent Bearer abc.def-123, refused", "sent Bearer [SECRET], refused"),
    ("sent Basic dXNlcjpodW50ZXIy then", "sent Basic [SECRET] then"),
    ("OPENAI_API_KEY='abc def'", "OPENAI_API_KEY='[SECRET]'"),
    ('{"api_key": "hunter", "n": 1}', '{"api_key": "[SECRET]", "n": 1}'),
    (r"{\"password\": \"hunter\"}", r"{\"password\": \"[SECRET]\"}"),
    ("password=hunter next", "password=[SECRET] next"),
    ("the password is hunter2!", "the password is [SECRET]"),
    ("client_secret: s3cr3t", "client_secret: [SECRET]"),
    ("postgres://bob:p@ss@db.host/x", "postgres://[SECRET]@db.host/x"),
    ("https://x.y/z?key=abcdef&page=2", "https://x.y/z?key=[SECRET]&page=2"),
    ("Cookie: sid=abc; theme=dark", "Cookie: [SECRET]"),
    ("call me at 5558675309", "call me at [PHONE]"),
    ("SSN 123456789", "SSN [SSN]"),
    ("12 4242 4242 4242 4242 34", "12 [CARD] 34"),
]

HARMLESS = [
    "550e8400-e29b-41d4-a716-446655440000",
    "d41d8cd98f00b204e9800998ecf8427e",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "2024-01-15T08:30:00.123456+00:00",
    "01.02.2024 12:30 and 01/02/2024 10 items",
    "version 1.2.3.4 at 10.0.0.1:8080",
    "order 112-3456789-1234567",
    "order #1234567890",
    "price $1,234.56 and 1 299.00 EUR",
    "at 1700000000 or 1700000000123",
    "ISBN 978-3-16-148410-0",
    "0.123456789 0.987654321",
    "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
    "gpt-4o-mini-2024-07-18 and claude-sonnet-4-20250514",
    "max_tokens=100, input_tokens: 20, tokens: 512",
    "the session, the auth and the env",
    "a basic understanding of bearer certificates",
    "the secret: practise daily",
    "risk-management-2024-report and task-1234567890abcdef",
    "call 12 functions in 2024",
    "http://localhost:8000/v1/chat?page=2",
    "temperature=0.2 top_p=0.95",
]


@pytest.mark.parametrize(("secret", "placeholder"), SECRETS)
def test_a_secret_is_replaced_by_its_kind(secret, placeholder):
    assert redact(f"before {secret} after") == f"before {placeholder} after"


@pytest.mark.parametrize(("secret", "placeholder"), SECRETS)
def test_no_piece_of_a_secret_is_left(secret, placeholder):
    """Not even four characters of it, whatever it is embedded in."""
    for text in (
        secret,
        f"<{secret}>",
        f'"{secret}"',
        f"({secret})",
        f"x={secret};",
        f"a,{secret},b",
        f"{secret}.\n",
    ):
        out = redact(text).replace(placeholder, "")
        assert not [secret[i : i + 4] for i in range(len(secret) - 3) if secret[i : i + 4] in out]


@pytest.mark.parametrize(("text", "expected"), IN_CONTEXT)
def test_a_secret_is_known_by_what_stands_beside_it(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_stays(text):
    assert redact(text) == text


def test_a_card_number_needs_issuer_length_and_checksum():
    assert is_card_number("4242424242424242")
    assert not is_card_number("4242424242424241")  # checksum
    assert not is_card_number("424242424242424")  # length
    assert not is_card_number("9999999999999995")  # nobody issues these


def test_a_key_cut_off_before_its_end_is_still_a_key():
    assert redact("see -----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg") == "see [SECRET]"


def test_images_become_their_type_and_size():
    assert redact("look: data:image/png;base64," + "A" * 4000 + " ok") == "look: [image/png, 3000 bytes] ok"
    assert redact("blob " + "QUJD" * 500) == "blob [base64, 1500 bytes]"


def test_equal_images_are_told_by_a_keyed_hash():
    with_hash = Redactor(digest=lambda body: f"h{len(body)}")
    assert with_hash.redact("data:image/png;base64," + "A" * 400) == "[image/png, 300 bytes, h400]"


def test_what_no_sink_can_write_is_replaced():
    redact("a\ud800b\0c é").encode()
    assert "\0" not in redact("a\0b") + redact("1\0b")


@given(st.text(max_size=300))
def test_any_text_gives_text_that_can_be_written(text):
    redact(text).encode()


@given(st.text(max_size=60), st.sampled_from([s for s, _ in SECRETS]), st.text(max_size=60))
def test_a_secret_between_any_two_texts_is_found(before, secret, after):
    assert secret not in redact(f"{before} {secret} {after}")


@pytest.mark.parametrize("cut_at", range(0, 60, 3))
@pytest.mark.parametrize(
    "secret", ["alice.smith@example.com", "4242 4242 4242 4242", "sk-proj-Abc123Def456Ghi789Jkl0"]
)
def test_a_preview_shows_no_half_of_what_it_cuts(secret, cut_at):
    text = "x" * 25 + " " + secret + " " + "and so on " * 200
    preview = Redactor().preview(text, cut_at)
    assert len(preview) <= cut_at
    assert not [secret[i : i + 5] for i in range(len(secret) - 4) if secret[i : i + 5] in preview]


def test_a_preview_withholds_a_word_too_long_to_be_judged():
    """An address of a thousand letters is still an address, and its `@` is out of sight."""
    preview = Redactor().preview("see " + "a" * 2000 + "@example.com", 100)
    assert preview == "see [withheld: long word]"


def test_plain_prose_is_let_through_without_a_scan(monkeypatch):
    """Most text is prose, and the rules cost ten times as much as the look that spares them."""
    redactor = Redactor()
    monkeypatch.setattr(redactor, "_searched", None)
    prose = "The quick brown fox is lazy today; it sleeps (or seems to) until the next morning, doesn't it?"
    assert redactor.redact(prose) == prose


HOSTILE = {
    "dots": "a.",
    "dots and an at": "a.b.c@",
    "key prefixes": "sk-",
    "digits": "1",
    "spaced digits": "1 ",
    "card groups": "4444 ",
    "ats": "@",
    "jwt": "eyJ.",
    "urls": "://a@",
    "pem": "-----BEGIN PRIVATE KEY-----",
    "phones": "011 ",
    "plus": "+1 2 3 4",
    "names": "key is ",
    "quotes": 'token="',
    "data": "data:a/b;",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_takes_linear_time(unit):
    """Eight times the text takes about eight times as long; quadratic would be sixty-four."""

    def seconds(chars):
        text = unit * (chars // len(unit)) + "@"
        started = time.perf_counter()
        redact(text)
        return time.perf_counter() - started

    small = min(seconds(20_000) for _ in range(3))
    assert min(seconds(160_000) for _ in range(2)) < max(30 * small, 0.1)


# --- values ------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = "alice@example.com"


@dataclasses.dataclass
class Login:
    user: str
    password: str
    hidden: str = dataclasses.field(default="hidden-value", repr=False)


class Model(BaseModel):
    mail: str
    key: SecretStr = SecretStr("hunter2")
    quiet: str = Field(default="quiet-value", repr=False)


class ModelV1(BaseModelV1):
    mail: str


class Wild:
    """Everything that a careless walk would call raises."""

    def __getattr__(self, name):
        raise RuntimeError("alice@example.com")

    def __repr__(self):
        raise RuntimeError("alice@example.com")

    def __iter__(self):
        raise RuntimeError("alice@example.com")

    def model_dump(self):
        raise RuntimeError("alice@example.com")


class WildDict(dict):
    def items(self):
        raise RuntimeError

    def __len__(self):
        raise RuntimeError


class Loud(str):
    def __str__(self):
        return "alice@example.com"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (4242424242424242, "[CARD]"),
        (1700000000000000000, 1700000000000000000),
        (10**5000, f"[withheld: integer of {(10**5000).bit_length()} bits]"),
        (b"secret", "[bytes, 6 bytes]"),
        (Decimal("1.50"), "1.50"),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        (UUID(int=5), str(UUID(int=5))),
        (Path("/home/x"), "/home/x"),
        (Colour.RED, "[EMAIL]"),
        (("a@b.example", {3}), ["[EMAIL]", [3]]),
        ({"a@b.example": 1}, {"[EMAIL]": 1}),
        ({"a@b.example": 1, "c@d.example": 2}, {"[EMAIL]": 1, "[EMAIL]'": 2}),
        ({1: "x", None: "y"}, {"1": "x", "None": "y"}),
        (
            Login("bob", "hunter2"),
            {"user": "bob", "password": "[SECRET]", "hidden": "[withheld: not shown by its class]"},
        ),
        (
            Model(mail="a@b.example"),
            {"mail": "[EMAIL]", "key": "<SecretStr>", "quiet": "[withheld: not shown by its class]"},
        ),
        (ModelV1(mail="a@b.example"), {"mail": "[EMAIL]"}),
        (Wild(), "<Wild>"),
        (WildDict(a=1), {"a": 1}),
        (Loud("quiet"), "quiet"),
        (object, "<type>"),
        (threading.Lock(), "<lock>"),
        ((n for n in range(3)), "<generator>"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_becomes_plain_and_redacted(value, expected):
    assert redact_value(value) == expected


@pytest.mark.parametrize(
    "name",
    [
        "api_key",
        "OPENAI_API_KEY",
        "x-api-key",
        "apiKey",
        "password",
        "DB_PASSWORD",
        "Authorization",
        "token",
        "accessToken",
        "client_secret",
        "cookie",
        "Set-Cookie",
        "aws_secret_access_key",
        "private_key",
        "credentials",
    ],
)
def test_a_value_under_a_secret_name_is_secret(name):
    assert redact_value({"deep": [{name: "plain"}]}) == {"deep": [{name: "[SECRET]"}]}
    assert redact_value({name: ["plain"]}) == {name: "[SECRET]"}


@pytest.mark.parametrize(
    "name", ["max_tokens", "input_tokens", "monkey", "session", "author", "keyboard", "environment"]
)
def test_a_name_that_only_resembles_a_secret_one_is_none(name):
    assert redact_value({name: "plain"}) == {name: "plain"}


def test_a_value_that_holds_itself_ends():
    loop = {"name": "x"}
    loop["self"] = loop
    assert redact_value(loop) == {"name": "x", "self": "[withheld: circular]"}


def test_depth_and_size_are_bounded():
    deep = "bottom"
    for _ in range(10_000):
        deep = [deep]
    assert "too deep" in json.dumps(redact_value(deep))
    assert redact_value(list(range(1000)))[100:] == ["[cut, 900 more of 1000]"]
    wide = [[["words " * 10] * 100] * 100] * 100
    assert len(json.dumps(redact_value(wide))) < 500_000
    assert redact_value("y " * 5000).endswith("… [cut, 10000 chars]")


def test_a_field_that_raises_is_withheld_alone_and_told():
    class Broken:
        @property
        def field(self):
            raise RuntimeError

    broken = dataclasses.make_dataclass("Broken", ["good", "bad"])(1, 2)
    type(broken).bad = property(Broken.field.fget)
    faults = []
    redactor = Redactor(on_fault=faults.append)
    assert redactor.redact_value({"a": broken, "b": 2}) == {"a": "[withheld: unreadable]", "b": 2}
    assert [type(fault) for fault in faults] == [RuntimeError]


def test_the_limits_can_be_chosen():
    assert Redactor(limits=Limits(items=1)).redact_value([1, 2]) == [1, "[cut, 1 more of 2]"]


def test_the_original_is_left_as_it_was():
    original = {"mail": ["a@b.example"]}
    redact_value(original)
    assert original == {"mail": ["a@b.example"]}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=5)
    | st.uuids(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=10) | st.integers(), inner, max_size=4)
        | st.tuples(inner, inner)
    ),
    max_leaves=15,
)


@given(values)
def test_any_value_gives_json(value):
    json.dumps(redact_value(value), allow_nan=False).encode()


@given(
    st.dictionaries(
        st.sampled_from(["name", "user_id", "api_key", "note"]),
        st.sampled_from(
            ["plain", "sam@example.org", "sam", 4111111111111111, 7, -7, 0.5, math.nan, True, None, ["x"], {}]
        ),
    ),
    st.sampled_from([None, "plain", "sam"]),
)
def test_a_mapping_comes_out_the_same_when_all_of_it_was_seen_before(value, user):
    """The short way for what is known to be clean must not let through what a walk would change."""
    fresh, used = Redactor(), Redactor()
    for word in ("name", "user_id", "api_key", "note", "plain", "sam", "x"):
        used.label(word)

    def redacted(redactor):
        return repr(redactor.redact_value(value, user=user, pseudonym=lambda who: f"u_{who}"))

    assert redacted(used) == redacted(fresh)

"""Records of any shape with planted secrets: no sink holds any of them, nor a piece of four characters."""

import io
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from spanscope import semconv
from spanscope.backends.structlog import StructlogBackend
from spanscope.drafts import Draft, Message
from spanscope.health import Health
from spanscope.metrics import points
from spanscope.redaction import Pseudonyms, Redactor, Seal

# Made of letters that no word of ours has next to each other, so that any four of them are a leak.
PLANTED = (
    "zqxj.vkwq@qzvxjk.zw",
    "sk-proj-ZQXJvkwqZJX7qzvw9XQJ",
    "ghp_QZXJ7vkwqzJXQ9zvwkxqjZVKWX8qzjxvkw",
    "redis://vwkq:XJQZvkw9@host",
    "Bearer ZXQJ7.vkwq9-JZXQvw",
    "DB_PASSWORD=vkwqZXJ9qz",
    "-----BEGIN PRIVATE KEY-----\nZXQJvkwqJZXQ\n-----END PRIVATE KEY-----",
)
_OURS = (
    *("sk-proj-", "ghp_", "Bearer ", "DB_PASSWORD=", "redis://", "@host"),
    *("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----"),
)


def _pieces() -> frozenset[str]:
    """All runs of four characters of the planted values, but for what anybody may know."""
    found = set()
    for planted_value in PLANTED:
        value = planted_value
        for known in _OURS:
            value = value.replace(known, "\0")
        found |= {
            part
            for at in range(len(value) - 3)
            if "\0" not in (part := value[at : at + 4]) and "\n" not in part
        }
    return frozenset(found)


PIECES = _pieces()
planted = st.builds(
    lambda before, value, after: f"{before} {value} {after}",
    st.sampled_from(["", "see", "(", '{"a": "x",', "é", "a=b;", "|"]),
    st.sampled_from(PLANTED),
    st.sampled_from(["", "there", ")", "\n", "."]),
)
scalars = (
    planted
    | st.sampled_from(PLANTED)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=3)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            planted | st.sampled_from(["note", "api_key", "user_id", "signature"]), inner, max_size=3
        )
        | st.tuples(inner, inner)
    ),
    max_leaves=8,
)
FACTS = (
    "name",
    "request_model",
    "finish_reason_raw",
    "tags",
    "tool_names",
    "error_message",
    "session_id",
    "user_id",
)
drafts = st.builds(
    Draft,
    trace_id=scalars,
    span_id=scalars,
    start_ns=st.integers(),
    status=st.just("ok"),
    facts=st.dictionaries(st.sampled_from(FACTS), anything, max_size=6),
    attributes=st.dictionaries(
        st.sampled_from([semconv.METADATA, semconv.DOCUMENTS]) | planted, anything, max_size=4
    ),
    events=st.lists(
        st.dictionaries(st.sampled_from(["name", "data"]) | planted, anything, max_size=3), max_size=3
    ),
    inputs=st.lists(st.builds(Message, planted, planted), max_size=3),
    outputs=st.lists(st.builds(Message, st.just("ai"), planted | anything), max_size=3),
    error=st.none() | st.builds(ValueError, planted),
    content=st.sampled_from(["hash", "preview", "redacted"]),
)
NAMES = Pseudonyms(b"k" * 32)


@settings(max_examples=200, deadline=None)
@given(drafts, st.sampled_from([{}, {"default": "hash"}, {"default": "drop"}]))
def test_no_sink_holds_a_piece_of_what_was_planted(draft, operators):
    """The span as a whole, its log line, and the names and tags of its metrics."""
    redactor = Redactor(operators=operators, pseudonyms=NAMES)
    span = Seal(redactor, NAMES, Health()).seal(draft)
    line = io.StringIO()
    StructlogBackend(file=line).export([span])
    json.loads(line.getvalue())
    left = repr(span) + line.getvalue() + repr(list(points(span)))
    assert not [piece for piece in PIECES if piece in left]


def test_the_search_for_pieces_would_find_one():
    """A test that cannot fail proves nothing."""
    assert any(piece in "see zqxj.vkwq" for piece in PIECES)
    assert len(PIECES) > 50

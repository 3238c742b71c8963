"""The choke point: whatever a draft holds, the span holds no secret, and the rest of it is still there."""

import io
import json
import multiprocessing
import stat
import threading
from dataclasses import fields
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spanscope import semconv
from spanscope.backends.structlog import StructlogBackend
from spanscope.drafts import Draft, Message
from spanscope.exceptions import ConfigError
from spanscope.health import Health
from spanscope.metrics import points
from spanscope.redaction import Pseudonyms, Redactor, Seal, load_key
from spanscope.redaction.recent import Recent
from spanscope.redaction.seal import WITHHELD_BY_POLICY
from spanscope.spans import Span, make_span

MAIL, CARD, KEY = "canary.alice@example.com", "4242 4242 4242 4242", "sk-proj-Canary0123456789abcdef"
CANARIES = (MAIL, CARD, KEY)


@pytest.fixture
def health():
    return Health()


@pytest.fixture
def names():
    return Pseudonyms(b"k" * 32)


@pytest.fixture
def seal(names, health):
    redactor = Redactor(digest=names.digest, on_fault=lambda fault: health.fault("redaction", fault))
    return Seal(redactor, names, health)


def draft(**changes):
    """A model call; `facts` are added to its own."""
    facts = {"kind": "llm", "name": "ChatModel", "end_ns": 2_000, **changes.pop("facts", {})}
    return Draft(
        **{"trace_id": "a" * 32, "span_id": "b" * 16, "start_ns": 1_000, "status": "ok", "facts": facts}
        | changes
    )


# --- content -----------------------------------------------------------------------------------------

TALK = [
    Message("system", "Be brief."),
    Message("human", f"I am {MAIL}, " + "please " * 30),
    Message("ai", "Yes?"),
]


def test_the_preview_policy_keeps_the_redacted_beginning(seal):
    span = seal.seal(draft(inputs=TALK, outputs=[Message("ai", "Done.")]))
    assert (
        span.input_preview == ("I am [EMAIL], " + "please " * 30)[:100]
    )  # the question, not the last message
    assert span.output_preview == "Done."
    assert [content.text for content in span.inputs] == ["Be brief.", span.input_preview, "Yes?"]


def test_the_redacted_policy_keeps_whole_texts_up_to_a_limit(names, health):
    seal = Seal(Redactor(), names, health, max_content_chars=1000)
    span = seal.seal(draft(content="redacted", inputs=TALK, outputs=[Message("ai", "long " * 1000)]))
    assert span.inputs[1].text == "I am [EMAIL], " + "please " * 30
    assert span.outputs[0].text.endswith("… [cut, 5000 chars]")
    assert len(span.outputs[0].text) < 1100


@pytest.mark.parametrize("policy", ["hash", "no such policy"])
def test_the_hash_policy_keeps_no_text_at_all(seal, policy):
    """A policy that nobody knows is treated as the strictest one."""
    span = seal.seal(
        draft(
            content=policy, inputs=TALK, outputs=[Message("ai", "Done.")], error=ValueError("not JSON: Done.")
        )
    )
    assert (span.input_preview, span.output_preview) == (None, None)
    assert [content.text for content in (*span.inputs, *span.outputs)] == [None] * 4
    assert span.error_message == WITHHELD_BY_POLICY
    assert "Done" not in repr(span)
    assert (span.message_count, span.output_chars, span.error_type) == (3, 5, "ValueError")


def test_sizes_are_those_of_the_raw_text(seal):
    span = seal.seal(
        draft(inputs=[Message("human", MAIL)], outputs=[Message("ai", KEY), Message("ai", "xy")])
    )
    assert span.inputs[0].chars == len(MAIL)
    assert span.output_chars == len(KEY) + 2


def test_equal_messages_have_equal_ids_and_lists_equal_hashes(seal):
    one, same = seal.seal(draft(inputs=TALK)), seal.seal(draft(inputs=TALK, content="hash"))
    longer = seal.seal(draft(inputs=[*TALK, Message("human", "Go on.")]))
    assert [content.content_id for content in same.inputs] == [content.content_id for content in one.inputs]
    assert longer.inputs[:3] == one.inputs
    assert one.messages_hash == same.messages_hash != longer.messages_hash


def test_a_role_is_part_of_what_is_hashed(seal):
    span = seal.seal(draft(inputs=[Message("human", "Hi"), Message("ai", "Hi")]))
    assert span.inputs[0].content_id != span.inputs[1].content_id


class Counting(Redactor):
    """Keeps what it was given to look at."""

    def __init__(self):
        super().__init__()
        self.scanned = []

    def preview(self, text, chars):
        self.scanned.append(text)
        return super().preview(text, chars)


def test_a_resent_history_is_scanned_once(names, health):
    seal = Seal(Counting(), names, health)
    history = [Message("human", f"Question {n}") for n in range(20)]
    for step in range(1, 21):
        seal.seal(draft(inputs=history[:step]))
    assert len(seal._redactor.scanned) == 20


def test_a_question_that_comes_under_several_roles_is_scanned_once(names, health):
    seal = Seal(Counting(), names, health)
    span = seal.seal(draft(inputs=[Message(role, f"I am {MAIL}") for role in ("query", "human", "human")]))
    assert seal._redactor.scanned == [f"I am {MAIL}"]
    assert [(content.role, content.text) for content in span.inputs] == [
        ("query", "I am [EMAIL]"),
        ("human", "I am [EMAIL]"),
        ("human", "I am [EMAIL]"),
    ]
    assert span.inputs[0].content_id != span.inputs[1].content_id == span.inputs[2].content_id


def test_nothing_that_the_seal_remembers_is_raw(seal):
    seal.seal(
        draft(inputs=TALK, outputs=[Message("ai", KEY)], facts={"tags": [MAIL]}, attributes={"note": CARD})
    )
    memories = (seal._contents, seal._texts, seal._digests, seal._labels)
    remembered = repr([*map(vars, memories), seal._redactor._clean])
    assert "Be brief." in remembered
    assert not [canary for canary in CANARIES if canary in remembered]


def test_recent_forgets_the_oldest_and_stays_bounded():
    recent = Recent(max_items=10, max_weight=1000)
    for n in range(1000):
        recent.put(n, n, weight=1)
        assert recent.get(0) == 0  # in use all the time
    assert len(recent) <= 11
    recent.put("heavy", 1, weight=501)
    assert recent.get("heavy") is None
    for n in range(100):
        recent.put(n, n, weight=100)
    assert len(recent) <= 10


# --- people -------------------------------------------------------------------------------------------


def test_a_user_is_a_pseudonym_wherever_the_id_stands(seal, names):
    span = seal.seal(
        draft(
            facts={"user_id": "alice", "tags": ["vip", "alice"]},
            attributes={
                semconv.METADATA: {"langfuse_user_id": "alice", "nested": {"user_id": 7, "who": "alice"}},
                "x": "alice",
            },
        )
    )
    assert span.user_id == names.user("alice")
    assert "alice" not in repr(span)
    assert span.attributes[semconv.METADATA]["nested"]["user_id"] == names.user("7")


def test_a_session_named_after_a_person_is_a_pseudonym_and_can_be_found(seal):
    assert seal.seal(draft(facts={"session_id": "session-17"})).session_id == "session-17"
    personal = seal.seal(draft(facts={"session_id": MAIL, "thread_id": "+1 555 867 5309"}))
    assert personal.session_id.startswith("s_")
    assert personal.thread_id.startswith("s_")
    assert personal.session_id == seal.session(MAIL) != seal.session("bob@example.com")


# --- facts --------------------------------------------------------------------------------------------


def test_known_facts_arrive_as_they_are(seal, health):
    facts = {
        "parent_id": "c" * 16,
        "parent_source": "ambient",
        "request_model": "gpt-4o",
        "temperature": 0.5,
        "max_tokens": 16,
        "input_tokens": 10,
        "cost_usd": Decimal("0.25"),
        "finish_reason": "length",
        "streamed": True,
        "tags": ("a", "b"),
        "tool_names": ["search", "search"],
        "prompt_hash": "0123456789abcdef",
    }
    span = seal.seal(draft(facts=facts))
    assert {name: getattr(span, name) for name in facts} == {**facts, "tool_names": ("search", "search")}
    assert health.snapshot() == {"counters": {}, "faults": {}}


def test_a_fact_of_the_wrong_type_is_unknown_and_the_others_stay(seal):
    span = seal.seal(
        draft(
            facts={
                "input_tokens": MAIL,
                "temperature": float("nan"),
                "finish_reason": MAIL,
                "kind": MAIL,
                "streamed": KEY,
            }
        )
    )
    assert (span.input_tokens, span.temperature, span.finish_reason, span.streamed) == (
        None,
        None,
        None,
        None,
    )
    assert (span.kind, span.name) == ("span", "ChatModel")


def test_a_fact_that_nobody_knows_does_not_get_through(seal, health):
    seal.seal(draft(facts={"nickname": MAIL}))
    assert health.counters["unknown_facts"] == 1


def test_every_field_of_a_span_has_a_rule(seal):
    made_here = {"trace_id", "span_id", "start_ns", "status", "attributes", "events", "inputs", "outputs"}
    assert set(seal._rules) | made_here == {field.name for field in fields(Span)}


@pytest.mark.parametrize("secret", [123456, 3.5, "hunter2", ["hunter2"]])
def test_a_value_under_a_secret_name_is_dropped_whatever_its_type(seal, secret):
    assert seal.seal(draft(attributes={"password": secret})).attributes == {"password": "[SECRET]"}


def test_a_graphs_namespace_keeps_its_run_ids_and_its_names_are_redacted(seal):
    run = "6f1a2b3c-1111-2222-3333-444455556666"
    sealed = seal.seal(draft(attributes={semconv.CHECKPOINT_NS: f"model:{run}|{MAIL}:{run}|{KEY}"}))
    assert sealed.attributes == {semconv.CHECKPOINT_NS: f"model:{run}|[EMAIL]:{run}|[SECRET]"}


def test_a_list_of_short_texts_is_redacted_one_by_one(seal):
    sealed = seal.seal(draft(attributes={"roles": ["human", MAIL], "mixed": ["human", 3, MAIL]}))
    assert sealed.attributes == {"roles": ["human", "[EMAIL]"], "mixed": ["human", 3, "[EMAIL]"]}


def test_a_malformed_id_is_replaced_by_one_that_is_always_the_same(seal):
    one = seal.seal(draft(trace_id=MAIL, span_id=KEY))
    other = seal.seal(draft(trace_id=MAIL, facts={"parent_id": KEY}))
    assert one.trace_id == other.trace_id
    assert one.span_id == other.parent_id
    assert len(one.trace_id) == 32


def test_a_prompt_given_instead_of_its_hash_is_hashed(seal, names):
    assert seal.seal(draft(facts={"prompt_hash": "Answer {question}"})).prompt_hash == names.digest(
        "Answer {question}"
    )


# --- attributes, events, errors -------------------------------------------------------------------------


def test_documents_keep_ids_scores_and_sizes_and_no_text(seal, names):
    found = {
        "id": "doc-1",
        "score": 0.5,
        "chars": 10,
        "source": f"/home/{MAIL}",
        "hash": "The text",
        "text": "The text",
        "x": KEY,
    }
    span = seal.seal(draft(attributes={semconv.DOCUMENTS: [found]}))
    assert span.attributes[semconv.DOCUMENTS] == [
        {
            "id": "doc-1",
            "score": 0.5,
            "chars": 10,
            "source": "/home/[EMAIL]",
            "hash": names.digest("The text"),
        }
    ]
    assert "The text" not in repr(span)


def test_events_keep_their_time(seal):
    span = seal.seal(
        draft(events=[{"name": "progress", "time_ns": 1_700_000_000_000_000_000, "data": {"to": MAIL}}])
    )
    assert span.events == (
        {"name": "progress", "data": {"to": "[EMAIL]"}, "time_ns": 1_700_000_000_000_000_000},
    )


def test_an_error_tells_its_message_its_notes_and_its_causes(seal):
    try:
        try:
            raise KeyError(f"no {MAIL}")
        except KeyError as cause:
            raise RuntimeError(f"failed with {KEY}") from cause
    except RuntimeError as error:
        error.add_note(f"card {CARD}")
        span = seal.seal(draft(status="error", error=error))
    assert span.error_type == "RuntimeError"
    assert span.error_message.splitlines() == [
        "failed with [SECRET]",
        "card [CARD]",
        "caused by KeyError: 'no [EMAIL]'",
    ]


def test_an_error_message_is_bounded_and_an_unreadable_one_withheld(seal):
    class Unreadable(Exception):
        def __str__(self):
            raise RuntimeError(MAIL)

    assert len(seal.seal(draft(error=ValueError("long " * 1_000_000))).error_message) == 500
    span = seal.seal(draft(error=Unreadable()))
    assert (span.error_type, span.error_message) == ("Unreadable", "[withheld: unreadable]")


def test_an_endless_chain_of_causes_ends(seal):
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert seal.seal(draft(error=one)).error_message == "one\ncaused by ValueError: two"


def test_a_part_that_fails_is_counted_and_the_rest_stays(seal, health):
    class Broken(dict):
        def get(self, key, default=None):
            raise RuntimeError(MAIL)

    span = seal.seal(
        draft(
            attributes={semconv.DOCUMENTS: [Broken(id=1)], "step": 3},
            inputs=[object(), Message("human", "Hi")],
        )
    )
    assert span.attributes == {semconv.DOCUMENTS: ["[withheld: redaction failed]"], "step": 3}
    assert [content.text for content in span.inputs] == ["Hi"]
    assert health.faults["redaction"] == 2


# --- no secret, whatever the shape ------------------------------------------------------------------------


class Wild:
    def __getattr__(self, name):
        raise RuntimeError(MAIL)

    def __str__(self):
        raise RuntimeError(MAIL)

    __repr__ = __iter__ = __len__ = __str__


canaries = st.sampled_from(CANARIES)
planted = st.builds(
    lambda before, canary, after: f"{before} {canary} {after}",
    st.text(max_size=8),
    canaries,
    st.text(max_size=8),
)
scalars = (
    planted
    | canaries
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=4)
    | st.builds(Wild)
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(planted | st.integers(), inner, max_size=3)
        | st.tuples(inner)
    ),
    max_leaves=6,
)
NAMES_OF_FACTS = [field.name for field in fields(Span)] + ["unknown"]
drafts = st.builds(
    Draft,
    trace_id=scalars,
    span_id=scalars,
    start_ns=scalars,
    status=scalars,
    facts=st.dictionaries(st.sampled_from(NAMES_OF_FACTS) | planted, anything, max_size=8) | anything,
    attributes=st.dictionaries(
        st.sampled_from([semconv.METADATA, semconv.DOCUMENTS, "a"]) | planted, anything, max_size=4
    )
    | anything,
    events=st.lists(
        st.dictionaries(st.sampled_from(["name", "time_ns"]) | planted, anything, max_size=3) | anything,
        max_size=3,
    )
    | anything,
    inputs=st.lists(st.builds(Message, planted, planted | anything) | anything, max_size=3) | anything,
    outputs=st.lists(st.builds(Message, planted, planted | anything), max_size=3),
    error=st.none()
    | st.builds(ValueError, planted)
    | st.builds(type, st.just("E"), st.just((KeyError,)), st.just({})).map(lambda e: e(MAIL)),
    content=st.sampled_from(["hash", "preview", "redacted"]) | planted,
)


@pytest.mark.parametrize("part", ["inputs", "outputs", "events", "attributes"])
def test_what_raises_when_asked_whether_it_is_empty_is_counted_and_the_span_made(part):
    health, names = Health(), Pseudonyms(b"k" * 32)
    span = Seal(Redactor(digest=names.digest), names, health).seal(draft(**{part: Wild()}))
    assert span.kind == "llm"
    assert sum(health.faults.values()) > 0
    assert MAIL not in repr(span)


@settings(max_examples=150, deadline=None)
@given(drafts)
def test_no_planted_secret_leaves_by_any_field_line_or_metric(draft):
    """The span as a whole, its log line, and the names and tags of its metrics."""
    names = Pseudonyms(b"k" * 32)
    span = Seal(Redactor(digest=names.digest), names, Health()).seal(draft)
    line = io.StringIO()
    StructlogBackend(file=line).export([span])
    left = repr(span) + line.getvalue() + repr(list(points(span)))
    assert not [canary for canary in (*CANARIES, CARD.replace(" ", ""), "canary", "Canary") if canary in left]
    json.loads(line.getvalue())
    hash(span.trace_id), span.duration_ms, span.started_at  # usable, not only made


# --- the fast way of attributes -------------------------------------------------------------------------

texts = st.sampled_from(["look_up", "lamp", "x" * 250, MAIL, KEY, "user-7", ""]) | st.text(max_size=8)
numbers = st.integers() | st.floats() | st.sampled_from([10**9, -(10**9), 4242424242424242])
flat = st.dictionaries(
    texts | st.sampled_from(["size", "api_key", "user_id", "signature", "note"]) | st.integers(),
    texts | numbers | st.booleans() | st.none(),
    max_size=25,
)
_names = Pseudonyms(b"k" * 32)
_seal = Seal(Redactor().bound(_names), _names, Health())


@settings(deadline=None)
@given(value=flat | st.lists(flat, min_size=1, max_size=3), user=st.none() | st.just("user-7"))
def test_what_is_left_alone_is_what_redaction_would_leave(value, user):
    """A seal that has seen much, and leaves alone what it knows, says what a walk through the value says."""
    sealed = _seal.seal(draft(facts={"user_id": user}, attributes={"state": value}))
    walked = Redactor().bound(_names).redact_value(value, user=user, pseudonym=_names.user)
    assert repr(sealed.attributes["state"]) == repr(walked)


# --- the fast way to a span -----------------------------------------------------------------------------


class Impostor(str):
    """Claims to be equal to the texts that stay as they are, and says something else."""

    def __eq__(self, other):
        return other in ("llm", "ChatModel") or str.__eq__(self, other)

    def __hash__(self):
        return hash("ChatModel")


words = st.sampled_from(("llm", "chain", "ChatModel", "prepared-1", MAIL, KEY, Impostor(MAIL), 7, None, ()))
few_facts = st.dictionaries(
    st.sampled_from(("kind", "name", "framework", "request_model", "finish_reason", "end_ns", "max_tokens")),
    words,
)


@given(st.lists(few_facts, max_size=8))
def test_what_was_sealed_before_changes_nothing(found):
    """What stays as it is is remembered; that must not let anything else through."""
    names, used = Pseudonyms(b"k" * 32), None
    for facts in found:
        fresh = Seal(Redactor(digest=names.digest), names, Health())
        used = used or Seal(Redactor(digest=names.digest), names, Health())
        one = draft()
        one.facts = facts
        span = used.seal(one)
        assert vars(span) == vars(fresh.seal(one))
        assert MAIL not in str(vars(span))
        assert KEY not in str(vars(span))


def test_what_only_claims_to_equal_a_known_text_is_read(seal):
    seal.seal(draft())
    span = seal.seal(draft(facts={"name": Impostor(MAIL)}, attributes={Impostor(KEY): Impostor(CARD)}))
    assert span.name == "[EMAIL]"
    assert not [canary for canary in CANARIES if canary in json.dumps(span.attributes)]


def test_a_span_made_fast_is_a_span_like_any_other():
    values = {
        "trace_id": "a" * 32,
        "span_id": "b" * 16,
        "kind": "llm",
        "name": "x",
        "status": "ok",
        "start_ns": 1,
    }
    fast = make_span(values)
    assert fast == Span(**values)
    assert type(fast) is Span
    with pytest.raises(AttributeError):
        fast.name = "y"


# --- keys ------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("SPANSCOPE_KEY", raising=False)


def test_one_key_gives_one_name_and_another_key_another():
    one, same, other = Pseudonyms(b"1" * 32), Pseudonyms(b"1" * 32), Pseudonyms(b"2" * 32)
    assert one.user("alice") == same.user("alice") != other.user("alice")
    assert one.key_id == same.key_id != other.key_id
    assert one.user("alice").startswith(f"u_{one.key_id}_")
    assert len(one.user("alice")) == len("u_") + 8 + len("_") + 16
    assert (len(one.digest("x")), len(one.content_id("human", "x"))) == (16, 32)


def test_a_name_for_one_purpose_is_not_the_name_for_another():
    names = Pseudonyms(b"1" * 32)
    assert (
        len({names.user("x")[2:], names.session("x")[2:], names.digest("x"), names.content_id("", "x")[:16]})
        == 4
    )


def test_role_and_text_cannot_be_shifted_into_each_other():
    names = Pseudonyms(b"1" * 32)
    assert names.content_id("ab", "c") != names.content_id("a", "bc")


def test_text_that_is_not_quite_unicode_has_a_name_too():
    assert Pseudonyms(b"1" * 32).digest("\ud800")


def test_the_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    first = load_key(tmp_path / "new")
    path = tmp_path / "new" / "key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(tmp_path / "new").key_id == first.key_id
    assert [one.name for one in path.parent.iterdir()] == ["key"]


def test_the_environment_goes_before_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("SPANSCOPE_KEY", "ab" * 32)
    from_hex = load_key(tmp_path)
    assert from_hex.key_id == Pseudonyms(bytes.fromhex("ab" * 32)).key_id
    assert not (tmp_path / "key").exists()
    monkeypatch.setenv("SPANSCOPE_KEY", "a phrase of many words")
    assert load_key(None).key_id == Pseudonyms(b"a phrase of many words").key_id


def test_a_short_key_is_refused_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setenv("SPANSCOPE_KEY", "short")
    with pytest.raises(ConfigError, match=r"SPANSCOPE_KEY.*at least 16.*token_hex") as refused:
        load_key(tmp_path)
    assert "short" not in str(refused.value).replace("SPANSCOPE", "")
    monkeypatch.delenv("SPANSCOPE_KEY")
    (tmp_path / "key").write_text("tiny")
    with pytest.raises(ConfigError, match="at least 16"):
        load_key(tmp_path)


def test_a_folder_that_cannot_hold_a_key_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="SPANSCOPE_KEY"):
        load_key(tmp_path / "file")


def test_without_a_folder_each_process_has_its_own_key():
    assert load_key(None).key_id != load_key(None).key_id


def _key_id(folder, start, found):
    start.wait()
    found.put(load_key(folder).key_id)


def test_processes_that_start_together_agree_on_one_key(tmp_path):
    context = multiprocessing.get_context("fork")
    start, found = context.Event(), context.Queue()
    workers = [context.Process(target=_key_id, args=(tmp_path, start, found)) for _ in range(4)]
    for worker in workers:
        worker.start()
    start.set()
    assert len({found.get(timeout=20) for _ in workers}) == 1
    for worker in workers:
        worker.join()


def test_threads_that_start_together_agree_on_one_key(tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(load_key(tmp_path).key_id)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1

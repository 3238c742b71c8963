"""Versions of prompts, known by name, template or system prompt; and variables that nobody filled in."""

import json
import time
from contextlib import suppress
from decimal import Decimal
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from recording import handler_in, recorded, settled

from spanscope import context, open_store, semconv
from spanscope.cli import main
from spanscope.signals import unfilled_variables
from spanscope.testing import ScriptedChatModel

OLD = ChatPromptTemplate.from_messages([("system", "You sell to {who}."), ("human", "{question}")])
NEW = ChatPromptTemplate.from_messages([("system", "You sell lamps to {who}."), ("human", "{question}")])
ASKED = {"who": "Sam", "question": "How long is the warranty?"}


def model(reply="Two years.", **more):
    if isinstance(reply, str):
        usage = {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100}
        reply = AIMessage(reply, usage_metadata=usage)
    return ScriptedChatModel(replies=[reply], provider="openai", model_name="gpt-4o", **more)


def versions(handler, **conditions):
    settled(handler)
    with open_store(handler.settings.store) as store:
        return store.prompts(**conditions)


def call_of(handler):
    (call,) = [span for span in recorded(handler).spans if span.kind == "llm"]
    return call


# --- which version a call belongs to ------------------------------------------------------------------------


def test_a_version_is_known_by_its_template_whatever_was_filled_in(tmp_path):
    handler = handler_in(tmp_path)
    for template, people in ((OLD, "ab"), (NEW, "abc")):
        for who in people:
            (template | model()).invoke(ASKED | {"who": who}, config={"callbacks": [handler]})
    old, new = versions(handler)
    assert (old.known_by, old.calls, new.known_by, new.calls) == ("template", 2, "template", 3)
    assert old.prompt_hash != new.prompt_hash
    assert old.last_used < new.first_used


def test_names_come_from_metadata_a_block_and_the_handler(tmp_path):
    named = handler_in(tmp_path, prompt_name="faq", prompt_version="1")
    chain = OLD | model()
    chain.invoke(ASKED, config={"callbacks": [named]})
    with context(prompt_name="faq", prompt_version="2"):
        chain.invoke(ASKED, config={"callbacks": [named]})
    metadata = {"prompt_name": "faq", "prompt_version": 3}
    chain.invoke(ASKED, config={"callbacks": [named], "metadata": metadata})
    found = versions(named)
    assert [(one.name, one.version, one.known_by) for one in found] == [
        ("faq", version, "name") for version in "123"
    ]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"lc_hub_owner": "shop", "lc_hub_repo": "faq", "lc_hub_commit_hash": "9f3c"}, ("faq", "9f3c")),
        ({"langfuse_prompt": SimpleNamespace(name="faq", version=7)}, ("faq", "7")),
    ],
)
def test_a_prompt_from_a_registry_names_the_call_after_it(tmp_path, metadata, expected):
    """The registry's client puts its facts on the prompt step; the model call is its neighbour."""
    handler = handler_in(tmp_path)
    pulled = OLD.model_copy(update={"metadata": metadata})
    (pulled | model()).invoke(ASKED, config={"callbacks": [handler]})
    (found,) = versions(handler)
    assert (found.name, found.version, found.calls) == (*expected, 1)


def test_without_a_template_the_system_prompt_tells_versions_apart(tmp_path):
    handler = handler_in(tmp_path)
    for text in ("Be brief.", "Be brief.", "Be very brief."):
        model().invoke([SystemMessage(text), HumanMessage("How long?")], config={"callbacks": [handler]})
    first, second = versions(handler)
    assert (first.known_by, first.calls, second.calls) == ("system prompt", 2, 1)


def test_a_call_with_neither_is_left_out(tmp_path):
    handler = handler_in(tmp_path)
    model().invoke("How long?", config={"callbacks": [handler]})
    assert versions(handler) == []


def test_the_template_is_found_around_a_fallback_too(tmp_path):
    handler = handler_in(tmp_path)
    chain = OLD | model(ValueError("no")).with_fallbacks([model()])
    chain.invoke(ASKED, config={"callbacks": [handler]})
    (found,) = versions(handler)
    assert (found.known_by, found.calls, found.errors) == ("template", 2, 1)


def test_of_two_prompts_in_a_chain_each_call_has_the_one_before_it(tmp_path):
    handler = handler_in(tmp_path)
    as_question = RunnableLambda(lambda answer: ASKED | {"question": answer.text})
    (OLD | model() | as_question | NEW | model()).invoke(ASKED, config={"callbacks": [handler]})
    assert [one.calls for one in versions(handler)] == [1, 1]


def test_a_prompt_that_was_changed_without_its_version_is_told(tmp_path):
    handler = handler_in(tmp_path, prompt_name="faq", prompt_version="1")
    for template in (OLD, NEW):
        (template | model()).invoke(ASKED, config={"callbacks": [handler]})
    (found,) = versions(handler)
    assert (found.calls, found.hashes) == (2, 2)


# --- how its calls went -----------------------------------------------------------------------------------


def test_tokens_cost_errors_and_cut_answers_are_those_of_its_calls(tmp_path):
    handler = handler_in(tmp_path, prompt_name="faq", prompt_version="1")
    for answering in (model(), model(), model("one two three four", max_tokens=2), model(ValueError("no"))):
        with suppress(ValueError):
            (OLD | answering).invoke(ASKED, config={"callbacks": [handler]})
    (found,) = versions(handler)
    assert (found.calls, found.errors, found.truncated) == (4, 1, 1)
    assert (found.error_rate, found.truncation_rate) == (0.25, 0.25)
    assert (found.input_tokens, found.output_tokens) == (3_000, 300)
    assert (found.cost_usd, found.calls_without_cost) == (Decimal("0.0105"), 1)
    assert found.models == ("gpt-4o",)
    assert found.score is None


def test_latency_is_the_median_and_the_95th_percentile(tmp_path):
    handler = handler_in(tmp_path)
    for delay_s in (0.001, 0.02, 0.06):
        (OLD | model(delay_s=delay_s)).invoke(ASKED, config={"callbacks": [handler]})
    (found,) = versions(handler)
    assert 20 <= found.latency_ms < 60 <= found.latency_p95_ms


def test_what_nobody_knows_is_none(tmp_path):
    handler = handler_in(tmp_path)
    silent = ScriptedChatModel(replies=["Two years."], report_usage=False)
    (OLD | silent).invoke(ASKED, config={"callbacks": [handler]})
    (found,) = versions(handler)
    assert (found.total_tokens, found.cost_usd, found.calls_without_cost) == (None, None, 1)


def test_versions_are_found_by_name_and_by_time(tmp_path):
    handler = handler_in(tmp_path)
    for name in ("faq", "offers"):
        metadata = {"prompt_name": name, "prompt_version": "1"}
        (OLD | model()).invoke(ASKED, config={"callbacks": [handler], "metadata": metadata})
        time.sleep(0.002)
    (offers,) = versions(handler, name="offers")
    assert [one.name for one in versions(handler, since=offers.first_used)] == ["offers"]
    assert [one.name for one in versions(handler, until=offers.first_used)] == ["faq"]


def test_the_command_lays_versions_side_by_side(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    handler = handler_in(tmp_path)
    for version in "12":
        metadata = {"prompt_name": "faq", "prompt_version": version}
        (OLD | model()).invoke(ASKED, config={"callbacks": [handler], "metadata": metadata})
    settled(handler)
    for options in ([], ["--json"]):
        with pytest.raises(SystemExit) as end:
            main(["prompts", "--store", str(tmp_path / "spans.db"), *options])
        assert end.value.code == 0
        said = capsys.readouterr().out
        if not options:
            _, first, second, note = said.splitlines()
            assert first.split()[:2] == ["faq", "1"]
            assert second.split()[0] == "2"
            assert "$0.0035" in first
            assert note == "score: none is recorded yet"
        else:
            assert [one["cost_usd"] for one in json.loads(said)] == ["0.0035", "0.0035"]


# --- what a prompt tells of itself ------------------------------------------------------------------------


def test_the_call_has_roles_count_and_hashes(tmp_path):
    handler = handler_in(tmp_path)
    messages = [
        SystemMessage("Be brief."),
        HumanMessage("Where is my order?"),
        AIMessage("", tool_calls=[{"name": "find", "args": {}, "id": "1"}]),
        ToolMessage("in Lyon", tool_call_id="1"),
        HumanMessage("Which day?"),
    ]
    model().invoke(messages, config={"callbacks": [handler]})
    call = call_of(handler)
    assert call.attributes[semconv.ROLES] == {"system": 1, "human": 2, "ai": 1, "tool": 1}
    assert (call.message_count, len(call.messages_hash), len(call.prompt_hash)) == (5, 16, 16)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Answer from {context}.", ["context"]),
        ("Hello {first_name}, {{ product.name }}!", ["first_name", "product.name"]),
        ("{question}", ["question"]),
        ("Context:\n{context}\nQuestion: {question}\nAgain {context}", ["context", "question"]),
    ],
)
def test_variables_that_nobody_filled_in_are_listed(text, names):
    assert unfilled_variables(text) == names


@pytest.mark.parametrize(
    "text",
    [
        'Answer as {"name": "…", "age": 3}',
        '{"nested": {"deep": {}}, "list": [{"a": 1}]}',
        "Give JSON: {name: string, age: number}",
        "a set {1, 2, 3} and {a, b}",
        r"\frac{a}{b} + x^{two} + \text{if}",
        "${HOME} and $(pwd) and %{time} and #{name}",
        "body {color: red} .shop{margin}",
        "```python\nprint(f'{name}')\n```",
        "call `f'{name}'` twice",
        "GET /users/{user_id}/orders",
        "{{#if x}} {{/if}} {{> part}}",
        "def f(): {} or {x}",
        "function() {return}",
    ],
)
def test_what_only_looks_like_a_variable_is_left_alone(text):
    assert unfilled_variables(text) == []


words = st.text(st.characters(exclude_characters="{}"))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner) | st.dictionaries(words, inner),
)


@given(st.dictionaries(words, json_values, min_size=1))
def test_no_json_is_taken_for_variables(value):
    """Whatever its values; braces within its texts are another matter."""
    assert unfilled_variables(json.dumps(value, ensure_ascii=False)) == []
    assert unfilled_variables(json.dumps(value, ensure_ascii=False, indent=2)) == []


def test_the_call_lists_what_its_prompt_left_open(tmp_path):
    handler = handler_in(tmp_path)
    forgotten = ChatPromptTemplate.from_messages([SystemMessage("Answer from {context}."), ("human", "{q}")])
    (forgotten | model()).invoke({"q": "How long?"}, config={"callbacks": [handler]})
    assert call_of(handler).attributes[semconv.UNFILLED_VARIABLES] == ["context"]


def test_what_models_and_tools_wrote_is_no_prompt(tmp_path):
    handler = handler_in(tmp_path)
    model().invoke([HumanMessage("Code?"), AIMessage("use {name}")], config={"callbacks": [handler]})
    assert semconv.UNFILLED_VARIABLES not in call_of(handler).attributes

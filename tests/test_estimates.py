"""Tokens that no provider counted: estimated on wish, marked as such, and never with the help of a server."""

import hashlib
import shutil
import socket
from importlib.util import find_spec
from pathlib import Path

import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from recording import handler_in, recorded, settled

from spanscope import open_store, semconv
from spanscope.drafts import Message
from spanscope.pricing import tokens
from spanscope.pricing.tokens import Estimator, by_characters, offline_encoding
from spanscope.testing import BrokenStream, ScriptedChatModel

QUESTION = "How long is the warranty of the brass lamp?"
MODEL = {"provider": "openai", "model_name": "gpt-4o", "report_usage": False}
LLAMA_INDEX = find_spec("llama_index")


@pytest.fixture(autouse=True)
def nothing_loaded():
    """Each test finds tiktoken's files, or does not, by itself."""
    tokens._counter.cache_clear()
    yield
    tokens._counter.cache_clear()


@pytest.fixture
def no_network(monkeypatch):
    """Whoever opens a connection fails the test; what was tried is listed."""
    tried = []

    def refuse(self, address):
        tried.append(address)
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    yield
    assert tried == []


@pytest.fixture
def no_files(monkeypatch, tmp_path):
    """A machine on which tiktoken has fetched nothing and nobody carries its files."""
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "empty"))
    monkeypatch.setattr(tokens, "find_spec", lambda name: None)


@pytest.fixture
def carried():
    """The files that llama-index-core carries."""
    pytest.importorskip("tiktoken")
    places = LLAMA_INDEX.submodule_search_locations if LLAMA_INDEX else ()
    found = [Path(place) / "core" / "_static" / "tiktoken_cache" for place in places]
    if not any(folder.is_dir() for folder in found):
        pytest.skip("llama-index-core is not installed")
    return next(folder for folder in found if folder.is_dir())


def ask(handler, model, messages=QUESTION):
    model.invoke(messages, config={"callbacks": [handler]})
    return recorded(handler).root


def test_without_the_wish_missing_tokens_stay_missing(tmp_path):
    call = ask(handler_in(tmp_path), ScriptedChatModel(replies=["Two years."], **MODEL))
    assert (call.input_tokens, call.output_tokens, call.usage_source) == (None, None, "missing")
    assert semconv.USAGE_METHOD not in call.attributes


def test_missing_tokens_are_estimated_and_marked(tmp_path, no_network):
    call = ask(handler_in(tmp_path, estimate_tokens=True), ScriptedChatModel(replies=["Two years."], **MODEL))
    assert call.usage_source == "estimated"
    assert call.attributes[semconv.USAGE_METHOD] in ("tiktoken/o200k_base", "characters/4")
    assert call.total_tokens == call.input_tokens + call.output_tokens
    assert call.cost_usd > 0


def test_the_environment_may_wish_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SPANSCOPE_ESTIMATE_TOKENS", "yes")
    call = ask(handler_in(tmp_path), ScriptedChatModel(replies=["Two years."], **MODEL))
    assert call.usage_source == "estimated"


def test_what_the_provider_counted_is_never_replaced(tmp_path):
    model = ScriptedChatModel(replies=["Two years."], **MODEL | {"report_usage": True})
    counted = ask(handler_in(tmp_path / "1"), model)
    call = ask(handler_in(tmp_path / "2", estimate_tokens=True), model)
    assert (call.usage_source, call.total_tokens) == ("provider", counted.total_tokens)


def test_a_failed_call_that_gave_nothing_is_not_estimated(tmp_path):
    handler = handler_in(tmp_path, estimate_tokens=True)
    model = ScriptedChatModel(replies=[RuntimeError("no")], **MODEL)
    with pytest.raises(RuntimeError):
        model.invoke(QUESTION, config={"callbacks": [handler]})
    call = recorded(handler).root
    assert (call.usage_source, call.input_tokens, call.cost_usd) == ("missing", None, None)


def test_an_abandoned_stream_is_estimated_by_what_was_seen_of_it(tmp_path):
    handler = handler_in(tmp_path, estimate_tokens=True)
    model = ScriptedChatModel(replies=["one two three four five six seven eight"], **MODEL)
    stream = model.stream(QUESTION, config={"callbacks": [handler]})
    for _ in range(3):
        next(stream)
    stream.close()
    call = recorded(handler).root
    whole = ask(handler, model)
    assert (call.status, call.usage_source) == ("closed_early", "estimated")
    assert 0 < call.output_tokens < whole.output_tokens
    assert call.input_tokens == whole.input_tokens
    assert call.cost_usd > 0


def test_a_broken_stream_is_estimated_by_what_was_seen_of_it(tmp_path):
    handler = handler_in(tmp_path, estimate_tokens=True)
    broken = BrokenStream("one two three four", ConnectionError("gone"))
    model = ScriptedChatModel(replies=[broken], **MODEL)
    with pytest.raises(ConnectionError):
        list(model.stream(QUESTION, config={"callbacks": [handler]}))
    call = recorded(handler).root
    assert (call.status, call.usage_source) == ("error", "estimated")
    assert call.output_tokens > 0


def test_an_abandoned_stream_without_the_wish_says_that_its_usage_is_missing(tmp_path):
    handler = handler_in(tmp_path)
    stream = ScriptedChatModel(replies=["one two three"], **MODEL).stream(
        QUESTION, config={"callbacks": [handler]}
    )
    next(stream)
    stream.close()
    call = recorded(handler).root
    assert (call.usage_source, call.output_tokens) == ("missing", None)
    assert call.attributes[semconv.USAGE_MISSING_REASON]


# --- how it is counted ------------------------------------------------------------------------------------


def test_tiktoken_counts_with_the_files_that_llama_index_carries(carried, no_network, monkeypatch, tmp_path):
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    counted = Estimator().texts([Message("ai", "Hello world, hello tokens!")], "gpt-4o")
    # Hello| world|,| hello| tokens|!
    assert counted == (6, "tiktoken/o200k_base")
    assert Estimator().texts([Message("ai", "Hello world")], "gpt-3.5-turbo") == (2, "tiktoken/cl100k_base")


def test_tiktokens_own_folder_is_looked_at_first(carried, no_files, no_network, monkeypatch, tmp_path):
    assert offline_encoding("o200k_base") is None
    folder = tmp_path / "mine"
    shutil.copytree(carried, folder)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    assert offline_encoding("o200k_base").encode_ordinary("Hello world") == [13225, 2375]


def test_a_damaged_file_is_neither_used_nor_removed_nor_fetched_again(
    carried, no_files, no_network, monkeypatch, tmp_path
):
    """tiktoken itself would delete it and download another."""
    folder = tmp_path / "mine"
    folder.mkdir()
    url = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    damaged = folder / hashlib.sha1(url.encode()).hexdigest()
    assert (carried / damaged.name).exists()
    damaged.write_bytes(b"IQ== 0\n")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    assert offline_encoding("o200k_base") is None
    assert damaged.read_bytes() == b"IQ== 0\n"


def test_without_files_four_characters_are_a_token(no_files, no_network):
    counted = Estimator().texts([Message("ai", "x" * 41)], "gpt-4o")
    assert counted == (11, "characters/4")


def test_the_record_says_that_characters_were_counted(tmp_path, no_files, no_network):
    handler = handler_in(tmp_path, estimate_tokens=True)
    call = ask(handler, ScriptedChatModel(replies=["x" * 40], **MODEL))
    assert (call.output_tokens, call.attributes[semconv.USAGE_METHOD]) == (10, "characters/4")


def test_each_message_of_a_chat_has_its_frame(no_files):
    estimator = Estimator()
    assert estimator.messages([Message("human", "x" * 8)] * 3, None).tokens == 3 * (2 + tokens.PER_MESSAGE)


def test_half_an_emoji_and_very_long_texts_are_counted(carried):
    estimator = Estimator()
    assert estimator.texts([Message("ai", "\ud83d broken")], "gpt-4o").tokens > 0
    long = estimator.texts([Message("ai", "word " * 200_000)], "gpt-4o").tokens
    assert 190_000 < long < 210_000


def test_a_history_that_is_sent_again_is_not_counted_again(monkeypatch):
    counted = []

    def count(text):
        counted.append(text)
        return by_characters(text)

    monkeypatch.setattr(tokens, "_counter", lambda name: ("test", count))
    estimator = Estimator()
    history = [Message("system", "Be brief."), Message("human", QUESTION)]
    for answer in ("one", "two", "three"):
        estimator.messages(history, "gpt-4o")
        history.append(Message("ai", answer))
    assert counted == ["Be brief.", QUESTION, "one", "two"]


def test_what_is_remembered_of_texts_is_bounded_and_holds_no_text(monkeypatch, no_files):
    monkeypatch.setattr(tokens, "_REMEMBERED", 10)
    estimator = Estimator()
    for number in range(100):
        estimator.texts([Message("human", f"secret {number}")], None)
    assert len(estimator._counts) <= 10
    assert "secret" not in repr(estimator._counts)


def test_a_conversation_is_estimated_on_the_worker_alone(tmp_path, monkeypatch):
    """tiktoken takes a third of a second to begin with: that must not be the caller's."""
    import threading

    threads = set()
    original = Estimator.messages

    def noting(self, messages, model):
        threads.add(threading.current_thread().name)
        return original(self, messages, model)

    monkeypatch.setattr(Estimator, "messages", noting)
    handler = handler_in(tmp_path, estimate_tokens=True)
    messages = [SystemMessage("Be brief."), HumanMessage(QUESTION)]
    ask(handler, ScriptedChatModel(replies=["Two years."], **MODEL), messages)
    assert threads == {"spanscope"}


def test_estimates_count_in_the_sums_of_the_trace(tmp_path):
    handler = handler_in(tmp_path, estimate_tokens=True)
    call = ask(handler, ScriptedChatModel(replies=["Two years."], **MODEL))
    settled(handler)
    with open_store(handler.settings.store) as store:
        (summary,) = store.traces()
    assert (summary.total_tokens, summary.cost_usd) == (call.total_tokens, call.cost_usd)

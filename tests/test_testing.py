"""The public fakes do what real providers do, in the places where LangChain keeps it."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanscope.protocols import Clock
from spanscope.testing import FakeClock, ProviderError, run_ids

pytest.importorskip("langchain_core")

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from langchain_core.vectorstores import InMemoryVectorStore

from spanscope.testing import BrokenStream, ScriptedChatModel, ScriptedEmbeddings, ScriptedLLM
from spanscope.testing.models import split_tokens


def joined(model: BaseChatModel, text: str = "hi", **kwargs: object) -> AIMessageChunk:
    """All chunks of a stream added up, as LangChain's own readers do it."""
    first, *rest = model.stream(text, **kwargs)
    for chunk in rest:
        first = first + chunk
    return first


# --- clock and ids ----------------------------------------------------------------------------------


def test_a_fake_clock_moves_only_when_told():
    clock: Clock = FakeClock()
    before = clock.monotonic_ns(), clock.wall_ns()
    time.sleep(0.002)
    assert (clock.monotonic_ns(), clock.wall_ns()) == before


def test_advancing_moves_both_clocks_by_the_sum():
    clock = FakeClock(wall_ns=100, monotonic_ns=7)
    clock.advance(s=1, ms=2.5, ns=3)
    assert clock.monotonic_ns() == 7 + 1_002_500_003
    assert clock.wall_ns() == 100 + 1_002_500_003


def test_a_fake_clock_refuses_to_run_backwards():
    with pytest.raises(ValueError, match="backwards"):
        FakeClock().advance(ms=-1)


def test_a_jump_of_the_wall_clock_leaves_durations_alone():
    clock = FakeClock(wall_ns=10**18, monotonic_ns=5)
    clock.jump(s=-3600)
    assert clock.monotonic_ns() == 5
    assert clock.wall_ns() == 10**18 - 3600 * 10**9


def test_run_ids_are_version_four_and_the_same_every_time():
    ids, again = run_ids(), run_ids()
    first = [next(ids) for _ in range(5)]
    assert first == [next(again) for _ in range(5)]
    assert len(set(first)) == 5
    assert {run_id.version for run_id in first} == {4}


def test_the_memory_backend_is_at_hand_too():
    from spanscope.protocols import Backend
    from spanscope.testing import MemoryBackend

    assert isinstance(MemoryBackend(), Backend)


def test_a_name_that_is_not_there_is_an_ordinary_mistake():
    import spanscope.testing

    with pytest.raises(AttributeError, match="NoSuchFake"):
        _ = spanscope.testing.NoSuchFake


def test_the_clock_can_be_used_where_langchain_is_not_installed():
    """A blocked import stands for a missing package; asking for a model then says what to install."""
    program = """
import sys
sys.modules["langchain_core"] = None
from spanscope.testing import FakeClock
from spanscope.exceptions import MissingExtra
FakeClock().advance(ms=1)
try:
    from spanscope.testing import ScriptedChatModel
except MissingExtra as missing:
    print(missing)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'spanscope[langchain]'" in done.stdout


# --- chat model -------------------------------------------------------------------------------------


def test_replies_come_in_order_and_then_again():
    model = ScriptedChatModel(replies=["one", "two"])
    assert [model.invoke("?").content for _ in range(3)] == ["one", "two", "one"]


def test_an_error_in_the_script_is_raised_with_its_status():
    model = ScriptedChatModel(replies=[ProviderError("too many requests", status_code=429), "fine"])
    with pytest.raises(ProviderError) as failure:
        model.invoke("?")
    assert failure.value.status_code == 429
    assert model.invoke("?").content == "fine"


def test_a_function_answers_from_the_messages():
    model = ScriptedChatModel(replies=[lambda messages: messages[-1].text.upper()])
    assert model.invoke("loud").content == "LOUD"


def test_a_script_with_something_else_in_it_says_so():
    with pytest.raises(TypeError, match="not int"):
        ScriptedChatModel(replies=[7]).invoke("?")


def test_an_empty_script_is_refused_when_the_model_is_made():
    with pytest.raises(ValueError, match="at least 1"):
        ScriptedChatModel(replies=[])


@pytest.mark.parametrize("read", [lambda model: model.invoke("How long?"), joined])
def test_whole_and_streamed_answers_carry_the_same_facts(read):
    answer = read(ScriptedChatModel(replies=["Two years."], model_name="asked", answered_by="asked-0614"))
    assert answer.text == "Two years."
    assert answer.usage_metadata["output_tokens"] == 3
    assert (
        answer.usage_metadata["total_tokens"]
        == answer.usage_metadata["input_tokens"] + answer.usage_metadata["output_tokens"]
    )
    assert answer.response_metadata["model_name"] == "asked-0614"
    assert answer.response_metadata["finish_reason"] == "stop"


def test_a_stream_opens_with_an_empty_chunk_and_ends_with_the_usage():
    chunks = list(ScriptedChatModel(replies=["one two"]).stream("?"))
    assert [chunk.text for chunk in chunks[:3]] == ["", "one", " two"]
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False] * 4 + [True]


@pytest.mark.parametrize("max_tokens", [{"max_tokens": 2}, {}])
def test_a_reply_longer_than_max_tokens_is_cut_with_finish_reason_length(max_tokens):
    model = ScriptedChatModel(replies=["one two three four"], max_tokens=3)
    for answer in (model.invoke("?", **max_tokens), joined(model, **max_tokens)):
        assert answer.text == ("one two" if max_tokens else "one two three")
        assert answer.response_metadata["finish_reason"] == "length"
        assert answer.usage_metadata["output_tokens"] == len(answer.text.split())


def test_tool_calls_arrive_whole_and_streamed():
    call = {"name": "order_status", "args": {"order": "A-7"}, "id": "call_1"}
    model = ScriptedChatModel(replies=[AIMessage("", tool_calls=[call])])
    for answer in (model.invoke("?"), joined(model)):
        assert [(c["name"], c["args"], c["id"]) for c in answer.tool_calls] == [
            ("order_status", {"order": "A-7"}, "call_1")
        ]
        assert answer.response_metadata["finish_reason"] == "tool_calls"


def test_what_a_scripted_message_says_itself_is_kept():
    usage = {
        "input_tokens": 10,
        "output_tokens": 4,
        "total_tokens": 14,
        "input_token_details": {"cache_read": 8},
    }
    reply = AIMessage("ok", usage_metadata=usage, response_metadata={"finish_reason": "content_filter"})
    answer = ScriptedChatModel(replies=[reply]).invoke("?")
    assert answer.usage_metadata == usage
    assert answer.response_metadata["finish_reason"] == "content_filter"


def test_usage_can_be_left_out_as_some_servers_do():
    model = ScriptedChatModel(replies=["ok"], report_usage=False)
    assert model.invoke("?").usage_metadata is None
    assert joined(model).usage_metadata is None


def test_a_broken_stream_gives_its_text_and_then_the_error():
    stream = ScriptedChatModel(replies=[BrokenStream("half an", ConnectionError("reset"))]).stream("?")
    assert [next(stream).text for _ in range(3)] == ["", "half", " an"]
    with pytest.raises(ConnectionError):
        next(stream)


def test_bound_tools_are_offered_in_openais_format():
    @tool
    def order_status(order: str) -> str:
        """Where an order is."""
        return order

    bound = ScriptedChatModel(replies=["ok"]).bind_tools([order_status], tool_choice="any")
    assert bound.kwargs["tools"][0]["function"]["name"] == "order_status"
    assert bound.kwargs["tool_choice"] == "any"
    assert bound.invoke("?").content == "ok"


async def test_async_calls_and_streams_follow_the_same_script():
    model = ScriptedChatModel(replies=["one", "two three"], delay_s=0.001, chunk_delay_s=0.001)
    assert (await model.ainvoke("?")).content == "one"
    assert "".join([chunk.text async for chunk in model.astream("?")]) == "two three"


def test_threads_share_a_script_without_losing_a_reply():
    model = ScriptedChatModel(replies=[str(n) for n in range(64)])
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: model.invoke("?").content, range(64)))
    assert sorted(map(int, said)) == list(range(64))


def test_provider_and_model_are_told_where_langsmith_keys_are_read():
    params = ScriptedChatModel(replies=["ok"], provider="acme", model_name="acme-1")._get_ls_params(
        max_tokens=9
    )
    assert params["ls_provider"] == "acme"
    assert params["ls_model_name"] == "acme-1"
    assert params["ls_max_tokens"] == 9


def test_the_delay_is_before_the_first_chunk():
    model = ScriptedChatModel(replies=["ok"], delay_s=0.02)
    started = time.perf_counter()
    next(iter(model.stream("?")))
    assert time.perf_counter() - started >= 0.02


def test_more_words_asked_are_more_input_tokens():
    model = ScriptedChatModel(replies=["ok"])
    short = model.invoke([HumanMessage("one")]).usage_metadata["input_tokens"]
    assert model.invoke([HumanMessage("one two three")]).usage_metadata["input_tokens"] == short + 2


@given(st.text())
def test_tokens_joined_are_the_text(text):
    assert "".join(split_tokens(text)) == text


# --- text model and embeddings ----------------------------------------------------------------------


def test_a_text_model_reports_its_usage_beside_the_answer():
    result = ScriptedLLM(replies=["one two three"], max_tokens=2).generate(["a b"])
    assert result.generations[0][0].text == "one two"
    assert result.generations[0][0].generation_info == {"finish_reason": "length"}
    assert result.llm_output["token_usage"] == {
        "prompt_tokens": 2,
        "completion_tokens": 2,
        "total_tokens": 4,
    }


def test_a_text_model_streams_its_tokens():
    assert list(ScriptedLLM(replies=["one two"]).stream("?")) == ["one", " two"]


def test_texts_that_share_words_are_found():
    store = InMemoryVectorStore(ScriptedEmbeddings())
    store.add_texts(["Kettles have a warranty of two years.", "Parcels are shipped within a day."])
    best, _ = store.similarity_search_with_score("How long is the warranty of my kettle?", k=2)
    assert best[0].page_content.startswith("Kettles")
    assert best[1] > 0.3


@given(st.text())
def test_every_text_has_a_vector_of_length_one(text):
    vector = ScriptedEmbeddings(dimensions=16).embed_query(text)
    assert sum(value * value for value in vector) == pytest.approx(1.0)

"""Streams of LlamaIndex: read to the end, closed early, never read, or broken in the middle.

The span of a streamed call returns before the first token, and a streaming query engine calls its model
only when somebody reads.
"""

import asyncio
import gc
import threading
from typing import Any

import pytest
from llama import Scripted, index, recording
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, LLMMetadata
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.llms import CustomLLM, MockLLM
from llama_index.core.llms.callbacks import llm_chat_callback
from recording import all_traces, recorded

from spanscope.semconv import STREAM_CHUNKS, STREAM_STATE, USAGE_MISSING_REASON

REPLY = "You may return it within thirty days."


@pytest.fixture
def handler(tmp_path):
    with recording(tmp_path, content="redacted") as attached:
        yield attached


@pytest.fixture
def model():
    return Scripted(replies=[REPLY])


def asked(text: str = "How long?") -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def of_kind(trace: Any, kind: str) -> list[Any]:
    return [one for one in trace.spans if one.kind == kind]


def forget(handler: Any) -> None:
    """An hour later: what has ended is written and no longer known."""
    assert handler.flush(10)
    handler.runtime.assembler._forget(handler.recorder.now() + 3_600_000_000_000)


def streaming(model: Any) -> Any:
    return index().as_query_engine(streaming=True, llm=model)


# --- one call of a model -----------------------------------------------------------------------------------


def test_a_stream_that_is_read_is_completed_by_its_events(handler, model):
    said = "".join(chunk.delta for chunk in model.stream_chat(asked()))

    (call,) = recorded(handler).spans
    assert said == REPLY == call.output_preview
    assert (call.status, call.streamed, call.attributes[STREAM_CHUNKS]) == ("ok", True, 7)
    assert (call.input_tokens, call.output_tokens, call.finish_reason) == (30, 4, "stop")
    assert 0 < call.time_to_first_token_ms <= call.duration_ms
    assert STREAM_STATE not in call.attributes


async def test_an_async_stream_is_completed_by_its_events(handler, model):
    async for _ in await model.astream_chat(asked()):
        pass
    (call,) = recorded(handler).spans
    assert (call.output_preview, call.status, call.total_tokens) == (REPLY, "ok", 34)


async def test_an_async_stream_read_by_one_task_for_each_chunk_is_one_call(handler, model):
    stream = await model.astream_complete("How long?")
    while True:
        try:
            await asyncio.create_task(anext(stream))
        except StopAsyncIteration:
            break
    (call,) = recorded(handler).spans
    assert (call.output_preview, call.attributes[STREAM_CHUNKS]) == (REPLY, 7)


def test_a_stream_passed_through_three_methods_is_one_call_and_its_tokens_count_once(handler, model):
    for _ in model.stream_complete("How long?"):
        pass
    (call,) = recorded(handler).spans
    assert (call.attributes[STREAM_CHUNKS], call.total_tokens) == (7, 34)


def test_events_that_name_the_inner_half_are_told_apart_however_late_they_come(handler):
    """The method of the base class sends the events, and its own span has long returned."""

    class Derived(Scripted):
        def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
            return super().stream_chat(messages, **kwargs)

    stream = Derived(replies=[REPLY]).stream_chat(asked())
    forget(handler)
    for _ in stream:
        assert handler.flush(10)
    (call,) = recorded(handler).spans
    assert (call.status, call.output_preview, call.total_tokens) == ("ok", REPLY, 34)
    assert handler.runtime.health.counters["unmatched_events"] == 0
    assert all(run.end_ns is not None for run in handler.recorder.runs.values())


def test_the_application_gets_the_very_generator_and_nothing_of_it_was_read(handler):
    read = []

    class Watched(Scripted):
        @llm_chat_callback()
        def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
            def chunks() -> Any:
                read.append("begun")
                yield ChatResponse(message=ChatMessage(role="assistant", content="a"), delta="a")

            return chunks()

    stream = Watched(replies=["a"]).stream_chat(asked())
    assert handler.flush(10)
    assert read == []
    assert len(list(stream)) == 1


def test_a_stream_that_is_closed_early_is_no_error_and_keeps_what_came(handler, model):
    stream = model.stream_chat(asked())
    next(stream), next(stream)
    stream.close()

    (call,) = recorded(handler).spans
    assert (call.status, call.error_type) == ("closed_early", None)
    assert (call.output_preview, call.attributes[STREAM_CHUNKS]) == ("You may", 2)
    assert call.usage_source == "missing"
    assert call.attributes[USAGE_MISSING_REASON] == "the stream ended before its usage came"


def test_a_stream_that_is_dropped_half_read_is_closed_early(handler, model):
    stream = model.stream_chat(asked())
    next(stream)
    del stream
    gc.collect()
    (call,) = recorded(handler).spans
    assert (call.status, call.output_preview) == ("closed_early", "You")


def test_a_stream_that_is_dropped_unread_says_so(handler, model):
    model.stream_chat(asked())
    gc.collect()
    (call,) = recorded(handler).spans
    assert (call.status, call.attributes[STREAM_STATE]) == ("closed_early", "not_consumed")
    assert call.input_preview == "How long?"
    assert call.attributes[USAGE_MISSING_REASON] == "the stream was never read"


def test_a_stream_that_is_kept_unread_is_open_and_says_so(handler, model):
    stream = model.stream_chat(asked())
    (call,) = recorded(handler).spans
    assert (call.status, call.attributes[STREAM_STATE]) == ("open", "not_consumed")
    for _ in stream:
        pass
    (call,) = recorded(handler).spans
    assert call.status == "ok"
    assert STREAM_STATE not in call.attributes


async def test_an_async_stream_that_is_never_read_says_so(handler, model):
    await model.astream_chat(asked())
    gc.collect()
    (call,) = recorded(handler).spans
    assert call.attributes[STREAM_STATE] == "not_consumed"


def test_a_stream_that_breaks_is_an_error_with_what_came_until_then(handler):
    class Breaking(Scripted):
        @llm_chat_callback()
        def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
            def chunks() -> Any:
                yield ChatResponse(message=ChatMessage(role="assistant", content="You may"), delta="You may")
                raise ConnectionError("the line is dead")

            return chunks()

    with pytest.raises(ConnectionError):
        list(Breaking(replies=["x"]).stream_chat(asked()))
    (call,) = recorded(handler).spans
    assert (call.status, call.error_type) == ("error", "ConnectionError")
    assert call.output_preview == "You may"


def test_of_a_model_that_sends_no_events_the_stream_is_not_said_to_be_unread(handler):
    class Silent(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name="silent")

        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            raise NotImplementedError

        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            return iter_of(["a", "b"])

    def iter_of(words: list[str]) -> Any:
        yield from words

    assert list(Silent().stream_complete("How long?")) == ["a", "b"]
    gc.collect()
    (call,) = recorded(handler).spans
    assert (call.status, call.attributes[STREAM_STATE]) == ("ok", "unobserved")
    assert call.input_preview == "How long?"


def test_a_generator_of_the_applications_own_is_left_alone(handler):
    dispatcher = get_dispatcher(__name__)

    @dispatcher.span
    def numbers() -> Any:
        yield from (1, 2, 3)

    assert list(numbers()) == [1, 2, 3]
    gc.collect()
    (only,) = recorded(handler).spans
    assert (only.status, only.output_preview) == ("ok", None)


def test_a_thread_may_read_what_another_has_asked_for(handler, model):
    stream = model.stream_chat(asked())
    reader = threading.Thread(target=lambda: list(stream))
    reader.start()
    reader.join()
    (call,) = recorded(handler).spans
    assert (call.output_preview, call.parent_id) == (REPLY, None)


# --- query engines -----------------------------------------------------------------------------------------


def test_the_model_of_a_streaming_query_hangs_below_the_query(handler, model):
    """It is called when the answer is read, in no span of LlamaIndex, and that may be much later."""
    answer = streaming(model).query("How long?")
    forget(handler)
    for _ in answer.response_gen:
        assert handler.flush(10)

    trace = recorded(handler)
    (call,) = of_kind(trace, "llm")
    names = {one.span_id: one.name for one in trace.spans}
    assert names[call.parent_id] == "CompactAndRefine.synthesize"
    assert trace.root.output_preview == call.output_preview == REPLY
    assert trace.root.end_ns >= call.end_ns
    assert [one.root.kind for one in all_traces(handler)].count("llm") == 0


async def test_the_model_of_an_async_streaming_query_hangs_below_the_query(handler, model):
    answer = await streaming(model).aquery("How long?")
    forget(handler)
    async for _ in answer.async_response_gen():
        pass
    trace = recorded(handler)
    assert [one.output_preview for one in of_kind(trace, "llm")] == [REPLY]
    assert trace.root.output_preview == REPLY


def test_two_streams_that_are_read_by_turns_keep_their_models(handler):
    first = streaming(Scripted(replies=["first answer here"])).query("first?").response_gen
    second = streaming(Scripted(replies=["second answer here"])).query("second?").response_gen
    for _ in zip(first, second, strict=True):
        pass
    list(first), list(second)

    queries = [one for one in all_traces(handler) if one.root.name == "RetrieverQueryEngine.query"]
    assert {one.root.input_preview: of_kind(one, "llm")[0].output_preview for one in queries} == {
        "first?": "first answer here",
        "second?": "second answer here",
    }


def test_a_streamed_answer_that_nobody_reads_is_recorded_as_such(handler, model):
    streaming(model).query("How long?")
    gc.collect()
    trace = recorded(handler)
    assert (trace.root.status, trace.root.attributes[STREAM_STATE]) == ("closed_early", "not_consumed")
    assert trace.root.input_preview == "How long?"
    assert of_kind(trace, "llm") == []
    assert of_kind(trace, "retriever")[0].status == "ok"


def test_a_streamed_answer_that_is_left_half_read_is_closed_early_on_every_level(handler, model):
    answer = streaming(model).query("How long?")
    next(answer.response_gen)
    forget(handler)
    del answer
    gc.collect()
    trace = recorded(handler)
    assert trace.root.status == "closed_early"
    assert of_kind(trace, "llm")[0].status == "closed_early"
    assert trace.root.error_type is None


def test_printing_an_answer_is_left_to_the_application(handler, model):
    """`str()` of a streaming answer reads it, so nobody but the application may call it."""
    answer = streaming(model).query("How long?")
    assert handler.flush(10)
    assert answer.response_txt is None
    assert str(answer) == REPLY


# --- chat engines ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["context", "simple", "condense_question"])
def test_a_streaming_chat_is_over_when_its_writer_is(handler, mode):
    engine = index().as_chat_engine(chat_mode=mode, llm=Scripted(replies=[REPLY]))
    assert "".join(engine.stream_chat("How long?").response_gen) == REPLY
    trace = next(one for one in all_traces(handler) if one.root.name.endswith("stream_chat"))
    assert trace.root.status == "ok"
    assert trace.root.input_preview == "How long?"
    assert trace.root.output_preview == REPLY
    assert len(of_kind(trace, "llm")) == 1
    assert all(one.end_ns <= trace.root.end_ns for one in trace.spans)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_streaming_chat_whose_model_breaks_is_an_error_on_every_level(handler):
    """The writer in the background catches it and hands it to the reader."""
    engine = index().as_chat_engine(chat_mode="simple", llm=Scripted(replies=[ConnectionError("dead line")]))
    before = set(threading.enumerate())
    answer = engine.stream_chat("How long?")
    with pytest.raises(ConnectionError):
        list(answer.response_gen)
    for thread in set(threading.enumerate()) - before:
        thread.join(5)
    trace = recorded(handler)
    assert (trace.root.status, trace.root.error_type) == ("error", "ConnectionError")
    assert of_kind(trace, "llm")[0].status == "error"
    assert handler.runtime.assembler.open == {}


async def test_an_async_streaming_chat_is_one_tree(handler, model):
    engine = index().as_chat_engine(chat_mode="context", llm=model)
    answer = await engine.astream_chat("How long?")
    forget(handler)
    async for _ in answer.async_response_gen():
        pass
    await asyncio.sleep(0.05)
    trace = recorded(handler)
    assert (trace.root.status, trace.root.output_preview) == ("ok", REPLY)
    assert len(of_kind(trace, "llm")) == 1


# --- many at once, and an end ----------------------------------------------------------------------------


def test_fifty_streams_leave_nothing_behind(handler):
    model = MockLLM(max_tokens=4)
    for number in range(50):
        stream = model.stream_chat(asked(f"q{number}"))
        if number % 3 == 0:
            list(stream)
        elif number % 3 == 1:
            next(stream)
        del stream
    gc.collect()
    assert len(all_traces(handler)) == 50
    assert all(run.end_ns is not None for run in handler.recorder.runs.values())


def test_detaching_ends_what_nobody_will_tell_of(handler, model):
    stream = model.stream_chat(asked())
    handler.detach()
    (call,) = recorded(handler).spans
    assert call.attributes[STREAM_STATE] == "unobserved"
    assert len(list(stream)) == 7

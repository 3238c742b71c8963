"""LlamaIndex applications as they are written, and the trees and facts that come of them."""

import asyncio
import inspect
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llama import PAGES, USAGE, Scripted, index, mock, openai_raw, recording
from llama_index.core import PromptTemplate
from llama_index.core.base.llms.types import (
    ChatMessage,
    CompletionResponse,
    ImageBlock,
    LLMMetadata,
    TextBlock,
)
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.span import active_span_id
from llama_index.core.llms import CustomLLM, MockLLM
from llama_index_instrumentation.base import BaseEvent
from pydantic import BaseModel
from recording import all_traces, recorded

from spanscope import current_span, span
from spanscope.llama_index import ObsHandler
from spanscope.semconv import (
    DOC_ID,
    DOCUMENTS,
    STRUCTURED_OUTPUT,
    USAGE_MISSING_REASON,
)


@pytest.fixture
def handler(tmp_path):
    with recording(tmp_path, content="redacted") as attached:
        yield attached


def kinds(trace: Any) -> list[str]:
    return [one.kind for one in trace.spans]


def of_kind(trace: Any, kind: str) -> list[Any]:
    return [one for one in trace.spans if one.kind == kind]


# --- trees --------------------------------------------------------------------------------------------------


def test_a_query_is_one_tree_with_question_and_answer_at_its_root(handler):
    engine = index().as_query_engine(llm=Scripted(replies=["Within 30 days."]))
    answer = engine.query("When may I return a lamp?")

    trace = recorded(handler)
    assert trace.root.name == "RetrieverQueryEngine.query"
    assert trace.root.input_preview == "When may I return a lamp?"
    assert trace.root.output_preview == str(answer) == "Within 30 days."
    assert sorted(k for k in kinds(trace) if k != "chain") == ["embedding", "llm", "retriever"]
    assert {one.framework for one in trace.spans} == {"llama_index"}
    (retriever,) = of_kind(trace, "retriever")
    assert [child.kind for child in trace.children(retriever)] == ["embedding"]


def test_a_retriever_and_an_embedding_are_one_span_each_whatever_their_base_class_calls(handler):
    """The base class has a span for the public method and one for what the subclass implements."""
    index().as_retriever(similarity_top_k=2).retrieve("lamps")
    trace = recorded(handler)
    assert sorted(kinds(trace)) == ["embedding", "retriever"]


async def test_the_async_half_is_one_span_too(handler):
    await index().as_retriever().aretrieve("lamps")
    assert sorted(kinds(recorded(handler))) == ["embedding", "retriever"]


@pytest.mark.parametrize("method", ["chat", "complete", "predict"])
def test_a_model_that_answers_by_another_of_its_methods_is_one_call(handler, method):
    model = Scripted(replies=["Yes."])
    match method:
        case "chat":
            model.chat([ChatMessage(role="user", content="Is it?")])
        case "complete":
            model.complete("Is it?")
        case _:
            model.predict(PromptTemplate("Is {what}?"), what="it")
    trace = recorded(handler)
    (only,) = trace.spans
    assert (only.kind, only.input_tokens, only.output_tokens) == ("llm", 30, 4)
    assert trace.totals.llm_calls == 1
    assert trace.totals.total_tokens == 34


async def test_an_async_model_that_calls_its_sync_half_is_one_call(handler):
    await MockLLM(max_tokens=2).achat([ChatMessage(role="user", content="Is it?")])
    assert kinds(recorded(handler)) == ["llm"]


def test_a_model_that_asks_another_model_counts_its_tokens_once(handler):
    inner = Scripted(replies=["Yes."])

    class Wrapper(CustomLLM):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name="wrapper")

        def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
            return inner.complete(prompt)

        def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
            raise NotImplementedError

    Wrapper().complete("Is it?")
    trace = recorded(handler)
    assert kinds(trace) == ["llm", "llm"]
    assert trace.totals.total_tokens == 34


def test_ten_threads_give_ten_trees(handler):
    """One handler, one engine, one dispatcher: each question stays with its own answer."""
    engine = index().as_query_engine(llm=mock())
    barrier = threading.Barrier(10)

    def ask(number: int) -> None:
        barrier.wait()
        for turn in range(3):
            engine.query(f"question {number}.{turn}")

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(ask, range(10)))
    traces = all_traces(handler)
    assert {trace.root.input_preview for trace in traces[1:]} >= {f"question {n}.2" for n in range(10)}
    queries = [trace for trace in traces if trace.root.name == "RetrieverQueryEngine.query"]
    assert len(queries) == 30
    for trace in queries:
        (retriever,) = of_kind(trace, "retriever")
        assert retriever.input_preview == trace.root.input_preview
        assert len(trace.spans) == len(queries[0].spans)


async def test_twenty_tasks_of_one_call_are_twenty_children(handler):
    dispatcher = get_dispatcher(__name__)
    model = Scripted(replies=["Yes."])

    @dispatcher.span
    async def fan_out() -> None:
        await asyncio.gather(*[asyncio.create_task(model.acomplete(f"q{n}")) for n in range(20)])

    await fan_out()
    trace = recorded(handler)
    children = trace.children(trace.root)
    assert len(children) == 20
    assert {child.input_preview for child in children} == {f"q{n}" for n in range(20)}


def test_a_block_of_ours_makes_one_trace_of_several_calls(handler):
    """`from_documents` splits and embeds in two calls that know nothing of each other."""
    with span("indexing"):
        index()
    (trace,) = all_traces(handler)
    assert trace.root.name == "indexing"
    assert "embedding" in kinds(trace)


def test_the_current_span_inside_a_call_is_that_call(handler):
    dispatcher = get_dispatcher(__name__)
    seen = []

    @dispatcher.span
    def work() -> None:
        seen.append(current_span().span_id)

    work()
    assert seen == [recorded(handler).root.span_id]


def test_the_frameworks_own_variable_is_left_alone(handler):
    before = active_span_id.get()
    index().as_query_engine(llm=mock()).query("what?")
    assert active_span_id.get() is before


@given(
    shape=st.lists(st.integers(0, 20), max_size=12),
    failing=st.sets(st.integers(0, 12)),
    random=st.randoms(use_true_random=False),
)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_whatever_order_calls_end_the_tree_is_that_of_their_starts(handler, shape, failing, random):
    """Tasks and threads end as they like; each call keeps its parent, and nothing stays open."""
    dispatcher = get_dispatcher(__name__)
    nothing = inspect.signature(lambda: None).bind()
    ids = [f"step_{number}-{uuid.uuid4()}" for number in range(len(shape) + 1)]
    parents = [None, *[ids[above % (number + 1)] for number, above in enumerate(shape)]]
    order = random.sample(ids, len(ids))
    for own, above in zip(ids, parents, strict=True):
        dispatcher.span_enter(id_=own, bound_args=nothing, parent_id=above)
    for own in order:
        if ids.index(own) in failing:
            dispatcher.span_drop(id_=own, bound_args=nothing, err=LookupError("x"))
        else:
            dispatcher.span_exit(id_=own, bound_args=nothing, result=None)

    trace = recorded(handler)
    by_id = {one.span_id: one.name for one in trace.spans}
    assert {one.name: by_id.get(one.parent_id) for one in trace.spans} == {
        own[:-37]: above[:-37] if above else None for own, above in zip(ids, parents, strict=True)
    }
    assert {one.name for one in trace.spans if one.status == "error"} == {
        f"step_{number}" for number in failing if number < len(ids)
    }
    assert handler.runtime.assembler.open == {}


# --- facts of model calls -----------------------------------------------------------------------------------


class Told(CustomLLM):
    """Answers with what it is made of."""

    answer: Any

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="told-1")

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return self.answer

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError


def ask(handler: ObsHandler, answer: CompletionResponse) -> Any:
    Told(answer=answer).complete("Is it?")
    return recorded(handler).root


def test_usage_comes_from_the_providers_response(handler):
    call = ask(handler, CompletionResponse(text="Yes.", raw=openai_raw("Yes.", "length")))
    assert (call.input_tokens, call.output_tokens, call.total_tokens) == (30, 4, 34)
    assert (call.usage_source, call.response_model) == ("provider", "scripted-2026")
    assert (call.finish_reason, call.finish_reason_raw) == ("length", "length")


def test_usage_may_stand_beside_the_response_instead(handler):
    call = ask(handler, CompletionResponse(text="Yes.", additional_kwargs=USAGE))
    assert (call.input_tokens, call.output_tokens) == (30, 4)


def test_usage_that_nobody_gives_is_unknown_with_a_reason(handler):
    call = ask(handler, CompletionResponse(text="Yes.", raw={"model": "m"}))
    assert (call.input_tokens, call.output_tokens, call.total_tokens) == (None, None, None)
    assert call.usage_source == "missing"
    assert call.attributes[USAGE_MISSING_REASON] == "the response carries no usage"


def test_a_conversation_has_roles_and_the_words_of_both_sides(handler):
    model = Scripted(replies=["Two years."])
    model.chat(
        [
            ChatMessage(role="system", content="Be brief."),
            ChatMessage(role="user", content="How long is the warranty?"),
        ],
        temperature=0.25,
        max_tokens=64,
    )
    (call,) = recorded(handler).spans
    assert [(said.role, said.text) for said in call.inputs] == [
        ("system", "Be brief."),
        ("human", "How long is the warranty?"),
    ]
    assert [(said.role, said.text) for said in call.outputs] == [("ai", "Two years.")]
    assert (call.request_model, call.temperature, call.max_tokens) == ("scripted-1", 0.25, 64)
    assert call.prompt_hash is not None
    assert call.streamed is False


def test_a_message_changed_afterwards_is_kept_as_it_was(handler):
    message = ChatMessage(role="user", content="before")
    Scripted(replies=["Yes."]).chat([message])
    message.blocks[0].text = "after"
    message.blocks.append(TextBlock(text="more"))
    assert recorded(handler).root.input_preview == "before"


def test_of_an_image_type_and_size_are_kept_and_nothing_else(handler, tmp_path):
    picture = b"\x89PNG\r\n\x1a\n" + b"secret-pixels" * 20
    model = Scripted(replies=["A lamp."])
    block = ImageBlock(image=picture, image_mimetype="image/png")
    model.chat([ChatMessage(role="user", blocks=[TextBlock(text="What is it? "), block])])
    (call,) = recorded(handler).spans
    assert call.input_preview == f"What is it? [image: image/png, {len(block.image)} bytes]"
    handler.runtime.shutdown(2.0)
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    assert block.image[20:60] not in stored
    assert b"secret-pixels" not in stored


def test_with_the_policy_hash_no_word_is_stored(tmp_path):
    with recording(tmp_path, content="hash") as handler:
        index().as_query_engine(llm=Scripted(replies=["Zanzibar."])).query("Where is Kilimanjaro?")
        trace = recorded(handler)
        assert trace.root.input_preview is None
        assert of_kind(trace, "retriever")[0].attributes[DOCUMENTS][0][DOC_ID]
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())
    for word in (b"Zanzibar", b"Kilimanjaro", PAGES["warranty"].encode()):
        assert word not in stored


def test_a_structured_prediction_shows_the_call_below_and_what_came_of_it(handler):
    class Page(BaseModel):
        days: int

    answer = CompletionResponse(text='{"days": 30}', raw=openai_raw('{"days": 30}'))
    page = Told(answer=answer).structured_predict(Page, PromptTemplate("How long?"))

    trace = recorded(handler)
    assert page.days == 30
    assert trace.root.attributes[STRUCTURED_OUTPUT] is True
    assert trace.root.output_preview == '{"days": 30}'
    assert sorted(set(kinds(trace))) == ["chain", "llm", "parser"]
    assert trace.totals.total_tokens == 34


# --- errors -------------------------------------------------------------------------------------------------


def test_an_error_is_on_each_span_that_it_passed_and_leaves_nothing_open(handler):
    engine = index().as_query_engine(llm=Scripted(replies=[RuntimeError("no such model")]))
    with pytest.raises(RuntimeError, match="no such model"):
        engine.query("what?")

    trace = recorded(handler)
    assert (trace.root.status, trace.root.error_type) == ("error", "RuntimeError")
    (call,) = of_kind(trace, "llm")
    assert (call.status, call.error_message) == ("error", "no such model")
    assert of_kind(trace, "retriever")[0].status == "ok"
    assert all(run.end_ns is not None for run in handler.recorder.runs.values())
    assert handler.runtime.assembler.open == {}


async def test_a_cancelled_call_is_cancelled_and_no_error(handler):
    class Slow(Scripted):
        async def achat(self, messages: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(30)

    task = asyncio.create_task(Slow(replies=["x"]).achat([]))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert recorded(handler).root.status == "cancelled"


def test_a_fault_of_ours_never_reaches_the_application(handler, monkeypatch):
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(handler.recorder, "start", broken)
    assert str(index().as_query_engine(llm=Scripted(replies=["Yes."])).query("what?")) == "Yes."
    assert handler.runtime.health.faults["hook.span_enter"] > 0
    handler.runtime.health.faults.clear()


def test_events_of_spans_that_nobody_knows_are_counted(handler):
    class Odd(BaseEvent):
        pass

    get_dispatcher(__name__).event(Odd(span_id="gone-00000000-0000-0000-0000-000000000000"))
    assert handler.runtime.health.counters["unmatched_events"] == 1


def test_an_event_of_the_applications_own_stands_in_its_span(handler):
    class CacheMissed(BaseEvent):
        pass

    dispatcher = get_dispatcher(__name__)

    @dispatcher.span
    def work() -> None:
        dispatcher.event(CacheMissed())

    work()
    assert [event["name"] for event in recorded(handler).root.events] == ["CacheMissed"]


def test_an_event_of_a_span_that_is_written_already_is_added_to_it(handler):
    """A thread of the application's speaks up when the span that it was begun in is over."""

    class CacheMissed(BaseEvent):
        pass

    dispatcher = get_dispatcher(__name__)

    @dispatcher.span
    def work() -> Any:
        return copy_context()

    inside = work()
    assert recorded(handler).root.events == ()
    thread = threading.Thread(target=inside.run, args=(lambda: dispatcher.event(CacheMissed()),))
    thread.start()
    thread.join()

    (span,) = recorded(handler).spans
    assert [event["name"] for event in span.events] == ["CacheMissed"]
    assert (span.status, span.amended) == ("ok", True)
    counters = handler.runtime.health.counters
    assert (counters["unmatched_events"], counters["spans_recorded"]) == (0, 1)


def test_what_is_kept_for_late_events_is_let_go_after_a_while(handler):
    model = Scripted(replies=["Two years."])
    for _ in range(300):
        model.complete("How long?")
    assert handler.flush(10)
    loaded = [run for run in handler.recorder.runs.values() if run.options is not None]
    assert 0 < len(loaded) <= 256
    handler.runtime.assembler._forget(handler.recorder.now() + 10_000_000_000)
    assert all(run.options is None for run in loaded)
    assert not handler.runtime.assembler._with_payload

"""Spans of other instrumentations, by way of OpenTelemetry: real SDK, real instrumentations, real server."""

import asyncio
import gc
import time
import weakref

import openai
import pytest
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI
from openai_server import TEXT, OpenAIServer
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
from opentelemetry import trace as otel
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor as OpenAIv2
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags
from recording import all_traces, handler_in, named, recorded, settled, tree

from spanscope import ObsHandler, open_store, span
from spanscope.exceptions import ConfigError
from spanscope.handlers import _known
from spanscope.openai import wrap
from spanscope.opentelemetry import SpanscopeSpanProcessor
from spanscope.testing import MemoryBackend

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How long?"}]
CHAT = {"gen_ai.operation.name": "chat"}
USAGE = {"stream_options": {"include_usage": True}}


@pytest.fixture(scope="module")
def server():
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def handler(tmp_path):
    handler = handler_in(tmp_path, content="redacted")
    yield handler
    handler.runtime.shutdown()


@pytest.fixture
def provider(handler):
    provider = TracerProvider()
    provider.add_span_processor(SpanscopeSpanProcessor(handler))
    return provider


@pytest.fixture
def tracer(provider):
    return provider.get_tracer("tests")


@pytest.fixture
def client(server):
    return openai.OpenAI(base_url=server.url, api_key="sk-test", max_retries=0)


@pytest.fixture
def openinference(provider):
    instrumentor = OpenInference()
    instrumentor.instrument(tracer_provider=provider)
    yield
    instrumentor.uninstrument()


@pytest.fixture(params=["gen_ai_latest_experimental", ""], ids=["latest", "1.30"])
def openai_v2(provider, request, monkeypatch):
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", request.param)
    content = "span_only" if request.param else "true"
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", content)
    from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability as Stability

    monkeypatch.setattr(Stability, "_initialized", False)
    instrumentor = OpenAIv2()
    instrumentor.instrument(tracer_provider=provider)
    yield request.param
    instrumentor.uninstrument()


@pytest.fixture
def langchain_traced(provider):
    instrumentor = LangChainInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    yield
    instrumentor.uninstrument()


def said(contents):
    return [(content.role, content.text) for content in contents]


def finished(tracer, name="s", events=(), **attributes):
    """A span with these attributes, begun and ended."""
    with tracer.start_as_current_span(name, attributes=attributes) as one:
        for event, facts in events:
            one.add_event(event, facts)
    return one


# --- what the instrumentations of the openai client tell ---------------------------------------------


def test_a_call_that_openinference_instruments_is_recorded(client, handler, openinference):
    client.chat.completions.create(model="gpt-tools", messages=QUESTION, temperature=0.1, max_tokens=50)
    call = recorded(handler).root
    assert (call.kind, call.name, call.framework, call.status) == (
        "llm",
        "ChatCompletion",
        "opentelemetry",
        "ok",
    )
    assert (call.request_model, call.response_model) == ("gpt-tools", "gpt-tools-2024-07-18")
    assert (call.provider, call.temperature, call.max_tokens) == ("openai", 0.1, 50)
    assert (call.input_tokens, call.output_tokens, call.total_tokens) == (20, 8, 28)
    assert (call.cache_read_tokens, call.reasoning_tokens, call.usage_source) == (12, 3, "provider")
    assert (call.finish_reason, call.tool_names) == ("tool_calls", ("price_of", "stock_of"))
    assert said(call.inputs) == [("system", "Be brief."), ("human", "How long?")]
    assert call.outputs[0].text == 'price_of({"item": "kettle"})\nstock_of({"item": "kettle"})'
    assert call.attributes["otel.scope.name"] == "openinference.instrumentation.openai"
    assert "spanscope.extract_errors" not in call.attributes


def test_a_stream_that_openinference_instruments_is_recorded(client, handler, openinference):
    list(client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True, **USAGE))
    call = recorded(handler).root
    assert (call.streamed, call.output_preview, call.total_tokens) == (True, TEXT, 28)
    assert 0 < call.time_to_first_token_ms <= call.duration_ms


def test_a_response_and_embeddings_are_recorded(client, handler, openinference):
    client.responses.create(model="gpt-4o-mini", input="How long?")
    client.embeddings.create(model="text-embedding-3-small", input=["kettle"])
    response, embedding = (trace.root for trace in all_traces(handler))
    assert (response.kind, response.output_preview, response.total_tokens) == ("llm", TEXT, 28)
    assert (embedding.kind, embedding.request_model) == ("embedding", "text-embedding-3-small")
    assert (embedding.input_tokens, said(embedding.inputs)) == (6, [("text", "kettle")])
    assert embedding.outputs == ()


def test_an_error_is_recorded_without_its_secret(client, handler, openinference):
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="gpt-busy", messages=QUESTION)
    call = recorded(handler).root
    assert (call.status, call.error_type) == ("error", "RateLimitError")
    assert "429" in call.error_message
    assert "sk-proj" not in call.error_message
    assert [event["name"] for event in call.events] == ["exception"]
    with open_store(handler.settings.store) as store:
        assert "sk-proj" not in repr(store.trace(call.trace_id).spans)


def test_a_call_that_openai_v2_instruments_is_recorded(client, handler, openai_v2):
    client.chat.completions.create(model="gpt-tools", messages=QUESTION, temperature=0.1, max_tokens=50)
    call = recorded(handler).root
    assert (call.kind, call.name, call.status) == ("llm", "chat gpt-tools", "ok")
    assert (call.provider, call.request_model, call.temperature) == ("openai", "gpt-tools", 0.1)
    assert call.response_model == "gpt-tools-2024-07-18"
    assert (call.input_tokens, call.output_tokens, call.total_tokens) == (20, 8, 28)
    assert (call.finish_reason, call.finish_reason_raw) == ("tool_calls", "tool_calls")
    assert call.attributes["server.address"] == "127.0.0.1"
    if openai_v2:
        assert said(call.inputs) == [("system", "Be brief."), ("human", "How long?")]
        assert call.tool_names == ("price_of", "stock_of")


def test_the_errors_and_embeddings_of_openai_v2_are_recorded(client, handler, openai_v2):
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="gpt-busy", messages=QUESTION)
    client.embeddings.create(model="text-embedding-3-small", input=["kettle"])
    busy, embedding = (trace.root for trace in all_traces(handler))
    assert (busy.status, busy.error_type, busy.usage_source) == ("error", "RateLimitError", "missing")
    assert (embedding.kind, embedding.input_tokens) == ("embedding", 6)


# --- ids, times, places -------------------------------------------------------------------------------


def test_ids_and_times_are_opentelemetrys(tracer, handler):
    begun = time.time_ns() - 5_000_000_000
    one = tracer.start_span("chat m", start_time=begun, attributes={"gen_ai.operation.name": "chat"})
    one.end(begun + 1_234_000_000)
    call = recorded(handler).root
    context = one.get_span_context()
    assert call.trace_id == format(context.trace_id, "032x")
    assert call.span_id == format(context.span_id, "016x")
    assert (call.start_ns, call.end_ns) == (begun, begun + 1_234_000_000)
    assert call.parent_id is None


def test_other_spans_are_left_out_and_do_not_break_the_tree(tracer, handler):
    with (
        tracer.start_as_current_span("GET /ask"),
        tracer.start_as_current_span("invoke_agent a", attributes={"gen_ai.operation.name": "invoke_agent"}),
        tracer.start_as_current_span("POST"),
        tracer.start_as_current_span("execute_tool t", attributes={"gen_ai.operation.name": "execute_tool"}),
        tracer.start_as_current_span("SELECT"),
    ):
        finished(tracer, "chat m", **{"gen_ai.operation.name": "chat"})
    assert tree(recorded(handler)) == ("invoke_agent a", [("execute_tool t", [("chat m", [])])])


def test_all_spans_are_kept_when_asked_for(handler):
    provider = TracerProvider()
    provider.add_span_processor(SpanscopeSpanProcessor(handler, all_spans=True))
    tracer = provider.get_tracer("tests")
    with tracer.start_as_current_span("GET /ask"):
        finished(tracer, "chat m", **{"gen_ai.operation.name": "chat"})
    trace = recorded(handler)
    assert tree(trace) == ("GET /ask", [("chat m", [])])
    assert trace.root.kind == "span"


def test_a_scope_can_be_ignored(handler):
    provider = TracerProvider()
    provider.add_span_processor(SpanscopeSpanProcessor(handler, ignore_scopes=["noisy"]))
    finished(provider.get_tracer("noisy"), "chat m", **{"gen_ai.operation.name": "chat"})
    settled(handler)
    assert handler.last_trace_id is None


def test_a_parent_in_another_process_is_kept(tracer, handler):
    above = SpanContext(trace_id=0xA1, span_id=0xB2, is_remote=True, trace_flags=TraceFlags(1))
    with otel.use_span(NonRecordingSpan(above)):
        finished(tracer, "chat m", **{"gen_ai.operation.name": "chat"})
    call = recorded(handler).root
    assert (call.trace_id, call.parent_id) == (format(0xA1, "032x"), format(0xB2, "016x"))
    assert call.parent_source == "remote"


def test_a_span_hangs_below_ours_in_which_it_was_made(tracer, handler):
    def node(text: str) -> str:
        finished(tracer, "chat m", **{"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 3})
        return text

    chain = RunnableLambda(node).with_config(run_name="node") | RunnableLambda(str).with_config(
        run_name="end"
    )
    with tracer.start_as_current_span("POST /ask"):
        chain.with_config(run_name="chain").invoke("?", config={"callbacks": [handler]})
    chain.with_config(run_name="chain").invoke("?", config={"callbacks": [handler]})
    for trace in all_traces(handler):
        assert tree(trace) == ("chain", [("node", [("chat m", [])]), ("end", [])])


def test_ours_hangs_below_a_span_in_which_it_was_made(tracer, handler):
    with tracer.start_as_current_span("invoke_agent a", attributes={"gen_ai.operation.name": "invoke_agent"}):
        RunnableLambda(str).with_config(run_name="chain").invoke("?", config={"callbacks": [handler]})
        with span("block", handler=handler):
            finished(tracer, "chat m", **{"gen_ai.operation.name": "chat"})
    (trace,) = all_traces(handler)
    assert tree(trace) == ("invoke_agent a", [("chain", []), ("block", [("chat m", [])])])


async def test_concurrent_requests_keep_their_own_trees(tracer, handler):
    async def request(number: int) -> None:
        with tracer.start_as_current_span(f"agent {number}", attributes={"openinference.span.kind": "AGENT"}):
            await asyncio.sleep(0)
            finished(tracer, f"chat {number}", **{"gen_ai.operation.name": "chat"})

    await asyncio.gather(*[request(number) for number in range(50)])
    traces = all_traces(handler)
    assert len(traces) == 50
    assert {tree(trace)[1][0][0].split()[1] == trace.root.name.split()[1] for trace in traces} == {True}


# --- counted once ---------------------------------------------------------------------------------------


def test_a_langchain_call_that_an_instrumentation_records_too_counts_once(server, handler, openinference):
    model = ChatOpenAI(model="gpt-4o-mini", base_url=server.url, api_key="k", stream_usage=True)
    chain = (RunnableLambda(str) | model).with_config(run_name="chain")
    chain.invoke("?", config={"callbacks": [handler]})
    list(chain.stream("?", config={"callbacks": [handler]}))
    traces = all_traces(handler)
    assert len(traces) == 2
    for trace in traces:
        outer, inner = named(trace, "ChatOpenAI"), named(trace, "ChatCompletion")
        assert inner.parent_id == outer.span_id
        assert (trace.totals.llm_calls, trace.totals.total_tokens) == (1, 28)
    with open_store(handler.settings.store) as store:
        assert {(found.llm_calls, found.total_tokens) for found in store.traces()} == {(1, 28)}


def test_langchain_recorded_by_two_is_one_tree(server, handler, langchain_traced):
    """OpenInference's own spans of LangChain say what our handler says already."""
    model = ChatOpenAI(model="gpt-4o-mini", base_url=server.url, api_key="k")
    chain = (RunnableLambda(str).with_config(run_name="step") | model).with_config(run_name="chain")
    chain.invoke("?", config={"callbacks": [handler]})
    (trace,) = all_traces(handler)
    assert tree(trace) == ("chain", [("step", []), ("ChatOpenAI", [])])
    assert trace.totals.total_tokens == 28


def test_langchain_without_a_handler_of_ours_is_recorded_by_the_bridge(server, handler, langchain_traced):
    model = ChatOpenAI(model="gpt-4o-mini", base_url=server.url, api_key="k")
    (RunnableLambda(str).with_config(run_name="step") | model).with_config(run_name="chain").invoke("?")
    (trace,) = all_traces(handler)
    assert tree(trace) == ("chain", [("step", []), ("ChatOpenAI", [])])
    assert trace.totals.total_tokens == 28


def test_a_wrapped_client_that_is_instrumented_too_counts_once(client, handler, openinference):
    wrap(client, handler=handler).chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    (trace,) = all_traces(handler)
    assert (len(trace.spans), trace.totals.llm_calls, trace.totals.total_tokens) == (2, 1, 28)


def test_a_call_of_openai_v2_around_a_wrapped_client_counts_once(client, handler, openai_v2):
    wrap(client, handler=handler).chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    (trace,) = all_traces(handler)
    assert (len(trace.spans), trace.totals.llm_calls, trace.totals.total_tokens) == (2, 1, 28)


# --- dialects ----------------------------------------------------------------------------------------------


def test_traceloops_spans_are_understood(tracer, handler):
    with tracer.start_as_current_span("joke.workflow", attributes={"traceloop.span.kind": "workflow"}):
        finished(
            tracer,
            "openai.chat",
            **{
                "llm.request.type": "chat",
                "gen_ai.system": "OpenAI",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.prompt.0.role": "user",
                "gen_ai.prompt.0.content": "A joke?",
                "gen_ai.completion.0.role": "assistant",
                "gen_ai.completion.0.content": "No.",
                "gen_ai.completion.0.finish_reason": "length",
                "gen_ai.usage.prompt_tokens": 7,
                "gen_ai.usage.completion_tokens": 2,
                "llm.usage.total_tokens": 9,
                "llm.request.functions.0.name": "tell",
            },
        )
    trace = recorded(handler)
    call = named(trace, "openai.chat")
    assert trace.root.kind == "chain"
    assert (call.kind, call.provider, call.finish_reason, call.total_tokens) == ("llm", "openai", "length", 9)
    assert (said(call.inputs), said(call.outputs)) == ([("human", "A joke?")], [("ai", "No.")])
    assert call.attributes["llm.tools_offered"] == ["tell"]


def test_messages_in_events_are_understood(tracer, handler):
    finished(
        tracer,
        "chat m",
        events=[
            ("gen_ai.system.message", {"content": "Be brief."}),
            ("gen_ai.user.message", {"content": "How long?"}),
            ("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": '{"content": "Two years."}'}),
        ],
        **{"gen_ai.operation.name": "chat", "gen_ai.system": "az.ai.openai"},
    )
    call = recorded(handler).root
    assert said(call.inputs) == [("system", "Be brief."), ("human", "How long?")]
    assert said(call.outputs) == [("ai", "Two years.")]
    assert (call.provider, call.finish_reason) == ("azure", "stop")


def test_cached_tokens_are_a_part_of_the_input(tracer, handler):
    """Some instrumentations pass on Anthropic's count, in which they stand beside it."""
    finished(
        tracer,
        "chat m",
        **{
            "gen_ai.operation.name": "chat",
            "gen_ai.usage.input_tokens": 5,
            "gen_ai.usage.output_tokens": 1,
            "gen_ai.usage.cache_read.input_tokens": 100,
        },
    )
    call = recorded(handler).root
    assert (call.input_tokens, call.cache_read_tokens, call.total_tokens) == (105, 100, 106)


def test_retrieved_documents_have_ids_scores_and_sizes(tracer, handler):
    finished(
        tracer,
        "retrieve",
        **{
            "openinference.span.kind": "RETRIEVER",
            "input.value": "warranty",
            "retrieval.documents.0.document.id": "d-1",
            "retrieval.documents.0.document.score": 0.75,
            "retrieval.documents.0.document.content": "Two years.",
            "retrieval.documents.1.document.id": "d-2",
            "retrieval.documents.1.document.content": "None.",
        },
    )
    found = recorded(handler).root
    assert (found.kind, found.attributes["retrieval.document_count"]) == ("retriever", 2)
    first, second = found.attributes["retrieval.documents"]
    assert (first["id"], first["score"], first["chars"]) == ("d-1", 0.75, 10)
    assert (second["id"], "score" in second) == ("d-2", False)
    assert [content.text for content in found.outputs] == ["Two years.", "None."]


def test_a_tool_has_its_arguments_and_result(tracer, handler):
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": '{"item": "kettle"}'}
    finished(tracer, "execute_tool price_of", **attributes, **{"gen_ai.tool.call.result": "79"})
    tool = recorded(handler).root
    assert (tool.kind, tool.input_preview, tool.output_preview) == ("tool", '{"item": "kettle"}', "79")


def test_what_a_span_says_of_session_and_user_is_kept(tracer, handler):
    finished(tracer, "chat m", **{"gen_ai.operation.name": "chat", "session.id": "s-1", "user.id": "u-1"})
    call = recorded(handler).root
    assert call.session_id == "s-1"
    assert call.user_id not in (None, "u-1")


@pytest.mark.parametrize("content", ["hash", "preview"])
def test_content_follows_the_policy(tmp_path, content):
    handler = handler_in(tmp_path, content=content)
    provider = TracerProvider()
    provider.add_span_processor(SpanscopeSpanProcessor(handler))
    secret = "sk-proj-abcdefghijklmnopqrstuvwx0123"
    finished(
        provider.get_tracer("tests"),
        "chat m",
        **{"gen_ai.operation.name": "chat", "input.value": f"key {secret}", "x": secret},
    )
    call = recorded(handler).root
    assert (call.input_preview is None) == (content == "hash")
    assert secret not in repr(call)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("could not tell Jane Roe of her illness", "Error"),
        ("Jane Roe: her illness", "Error"),
        ("RateLimitError: slow down, Jane Roe", "RateLimitError"),
    ],
)
def test_words_of_a_status_are_never_taken_for_the_type_of_an_error(tmp_path, said, found):
    handler = handler_in(tmp_path, content="hash")
    provider = TracerProvider()
    provider.add_span_processor(SpanscopeSpanProcessor(handler))
    with provider.get_tracer("tests").start_as_current_span("chat", attributes=CHAT) as made:
        made.set_status(Status(StatusCode.ERROR, said))
    call = recorded(handler).root
    assert (call.status, call.error_type) == ("error", found)
    assert "Jane" not in str(call)
    handler.runtime.shutdown()


def test_a_cancelled_span_is_no_error(tracer, handler):
    one = tracer.start_span("chat m", attributes={"gen_ai.operation.name": "chat"})
    one.record_exception(asyncio.CancelledError())
    one.set_status(Status(StatusCode.ERROR, "CancelledError"))
    one.end()
    assert recorded(handler).root.status == "cancelled"


# --- a processor as OpenTelemetry wants it ----------------------------------------------------------------


def test_flush_and_shutdown_do_what_they_say(handler):
    processor = SpanscopeSpanProcessor(handler)
    provider = TracerProvider()
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("tests")
    finished(tracer, "first", **{"gen_ai.operation.name": "chat"})
    assert provider.force_flush(5_000)
    with open_store(handler.settings.store) as store:
        assert len(store.traces()) == 1
    provider.shutdown()
    processor.on_start(tracer.start_span("second"))
    assert len(all_traces(handler)) == 1


def test_a_fault_of_ours_never_reaches_the_application(tracer, handler, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("ours")

    monkeypatch.setattr(handler.recorder, "start", fails)
    finished(tracer, "chat m", **{"gen_ai.operation.name": "chat"})
    assert handler.runtime.health.faults == {"opentelemetry": 1}


def test_settings_are_checked_at_once(handler):
    with pytest.raises(ConfigError, match="not both"):
        SpanscopeSpanProcessor(handler, store=False)
    with pytest.raises(ConfigError, match="one string"):
        SpanscopeSpanProcessor(handler, ignore_scopes="noisy")


def test_recording_holds_nothing_of_a_span_that_is_over(tracer, handler):
    for _ in range(5):
        with tracer.start_as_current_span("GET"):
            finished(tracer, "chat m", **{"gen_ai.operation.name": "chat"})
    settled(handler)
    assert handler.runtime.assembler.open == {}
    runs = handler.recorder.runs.values()
    assert {(run.output, run.options) for run in runs} <= {(None, None)}


def test_handlers_made_for_each_request_are_not_kept(tmp_path):
    processor = SpanscopeSpanProcessor()
    provider = TracerProvider()
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("tests")
    ended, sinks = [], [MemoryBackend()]
    for _ in range(10):
        handler = ObsHandler(store=tmp_path / "spans.db", backends=sinks)
        ended.append(weakref.ref(handler))
        with span("request", handler=handler), tracer.start_as_current_span("chat", attributes=CHAT):
            pass
    assert processor.force_flush()
    assert [one.name for one in recorded(handler).spans] == ["request", "chat"]
    handler.runtime.shutdown()
    del handler
    gc.collect()
    assert sum(one() is not None for one in ended) <= 1  # the newest, which speaks for its runtime


def test_a_default_handler_that_cannot_be_made_is_tried_once_and_said(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SPANSCOPE_STORE", str(tmp_path))  # a folder
    monkeypatch.setattr(_known, "default_handler", lambda: None)
    monkeypatch.setattr("spanscope.handlers._calling._given_up", set())
    provider = TracerProvider()
    provider.add_span_processor(SpanscopeSpanProcessor())
    for _ in range(3):
        with provider.get_tracer("tests").start_as_current_span("chat", attributes=CHAT):
            pass
    assert len([one for one in caplog.records if "is a folder" in one.message]) == 1

"""A wrapped `openai` client: the same for its user, and every call of it in the record.

The real SDK talks to a real server on loopback (`openai_server`).
"""

import asyncio
import gc
import inspect
import json
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from llama_index.llms.openai import OpenAI as LlamaIndexOpenAI
from openai_server import CALLS, TEXT, VECTOR, OpenAIServer
from pydantic import BaseModel
from recording import all_traces, handler_in, named, recorded, settled, tree

from spanscope import ObsHandler, context, observe, open_store, span
from spanscope.exceptions import ConfigError
from spanscope.llama_index import ObsHandler as LlamaIndexHandler
from spanscope.openai import wrap
from spanscope.spans import Span
from spanscope.testing import MemoryBackend

QUESTION = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "How long is the warranty?"},
]
USAGE = {"stream_options": {"include_usage": True}}
TOOL = {
    "type": "function",
    "function": {"name": "price_of", "parameters": {"type": "object", "properties": {}}},
}


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
def client(server, handler):
    return wrap(openai.OpenAI(base_url=server.url, api_key="sk-test", max_retries=0), handler=handler)


@pytest.fixture
def async_client(server, handler):
    return wrap(openai.AsyncOpenAI(base_url=server.url, api_key="sk-test", max_retries=0), handler=handler)


def the_call(handler: ObsHandler) -> Span:
    """The only span of the trace that was begun last."""
    trace = recorded(handler)
    assert len(trace.spans) == 1
    return trace.root


def said(contents) -> list[tuple[str, str | None]]:
    return [(content.role, content.text) for content in contents]


# --- the record ------------------------------------------------------------------------------------


def test_a_chat_completion_is_recorded_with_all_its_facts(client, handler):
    client.chat.completions.create(
        model="gpt-4o-mini",
        messages=QUESTION,
        temperature=0.2,
        max_completion_tokens=50,
        stop=["END"],
        tools=[TOOL],
    )
    call = the_call(handler)
    assert (call.kind, call.name, call.framework, call.status) == ("llm", "chat gpt-4o-mini", "openai", "ok")
    assert (call.provider, call.request_model) == ("openai", "gpt-4o-mini")
    assert call.response_model == "gpt-4o-mini-2024-07-18"
    assert (call.temperature, call.max_tokens) == (0.2, 50)
    assert (call.input_tokens, call.output_tokens, call.total_tokens) == (20, 8, 28)
    assert (call.cache_read_tokens, call.reasoning_tokens, call.usage_source) == (12, 3, "provider")
    assert (call.finish_reason, call.finish_reason_raw) == ("stop", "stop")
    assert call.attributes["gen_ai.request.stop_sequences"] == ["END"]
    assert call.attributes["llm.tools_offered"] == ["price_of"]
    assert call.streamed is False
    assert said(call.inputs) == [("system", "Be brief."), ("human", "How long is the warranty?")]
    assert said(call.outputs) == [("ai", TEXT)]
    assert call.prompt_hash is not None
    assert "spanscope.extract_errors" not in call.attributes


def test_a_call_has_the_facts_that_langchain_gives_for_it(client, handler, server, tmp_path):
    """Code without a framework has the same record, down to the ids of its messages."""
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, temperature=0.2, max_tokens=50)
    own = the_call(handler)
    model = ChatOpenAI(
        model="gpt-4o-mini", base_url=server.url, api_key="sk-test", temperature=0.2, max_tokens=50
    )
    model.invoke(QUESTION, config={"callbacks": [handler]})
    theirs = the_call(handler)
    for name in (
        *("kind", "status", "provider", "request_model", "response_model", "temperature", "max_tokens"),
        *("input_tokens", "output_tokens", "total_tokens", "cache_read_tokens", "reasoning_tokens"),
        *("usage_source", "finish_reason", "finish_reason_raw", "tool_names", "streamed", "cost_usd"),
        *("messages_hash", "message_count", "prompt_hash", "inputs", "outputs", "output_chars"),
    ):
        assert getattr(own, name) == getattr(theirs, name), name


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_the_tools_that_an_answer_calls_are_named(client, handler, stream):
    answer = client.chat.completions.create(model="gpt-tools", messages=QUESTION, stream=stream)
    if stream:
        list(answer)
    call = the_call(handler)
    assert call.tool_names == tuple(name for name, _ in CALLS)
    assert (call.finish_reason, call.finish_reason_raw) == ("tool_calls", "tool_calls")
    assert call.attributes["llm.tool_calls"] == [{"name": name, "args_valid": True} for name, _ in CALLS]
    assert call.outputs[0].text == 'price_of({"item": "kettle"})\nstock_of({"item": "kettle"})'


@pytest.mark.parametrize(("model", "reason"), [("gpt-long", "length"), ("gpt-refuses", "refusal")])
def test_the_reason_why_an_answer_ended_is_normalised(client, handler, model, reason):
    client.chat.completions.create(model=model, messages=QUESTION)
    assert the_call(handler).finish_reason == reason


def test_a_response_is_recorded(client, handler):
    client.responses.create(
        model="gpt-4o-mini", instructions="Be brief.", input="How long?", max_output_tokens=70
    )
    call = the_call(handler)
    assert (call.kind, call.response_model, call.max_tokens) == ("llm", "gpt-4o-mini-2024-07-18", 70)
    assert (call.input_tokens, call.output_tokens, call.cache_read_tokens, call.reasoning_tokens) == (
        20,
        8,
        12,
        3,
    )
    assert (call.finish_reason, call.finish_reason_raw) == ("stop", "completed")
    assert said(call.inputs) == [("system", "Be brief."), ("human", "How long?")]
    assert said(call.outputs) == [("ai", TEXT)]
    assert call.attributes["llm.service_tier"] == "default"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("model", "reason"), [("gpt-tools", "tool_calls"), ("gpt-long", "length")])
def test_what_a_response_ended_with_is_recorded(client, handler, model, reason, stream):
    answer = client.responses.create(model=model, input="How long?", stream=stream)
    if stream:
        list(answer)
    call = the_call(handler)
    assert call.finish_reason == reason
    assert call.total_tokens == 28
    assert bool(call.tool_names) == (model == "gpt-tools")


def test_the_items_of_a_conversation_are_its_messages(client, handler):
    """A response's own output is sent back to it, as the SDK's guides do."""
    first = client.responses.create(model="gpt-tools", input="How long?")
    settled(handler)
    items = [{"role": "user", "content": [{"type": "input_text", "text": "How long?"}]}, *first.output]
    items.append({"type": "function_call_output", "call_id": "call_0", "output": "79 euros"})
    client.responses.create(model="gpt-4o-mini", input=items)
    assert said(the_call(handler).inputs) == [
        ("human", "How long?"),
        ("ai", 'price_of({"item": "kettle"})'),
        ("ai", 'stock_of({"item": "kettle"})'),
        ("tool", "79 euros"),
    ]


def test_embeddings_are_recorded(client, handler):
    answer = client.embeddings.create(model="text-embedding-3-small", input=["kettle", "toaster"])
    assert answer.data[0].embedding == VECTOR
    call = the_call(handler)
    assert (call.kind, call.input_tokens, call.total_tokens) == ("embedding", 6, 6)
    assert call.attributes["embedding.vectors"] == 2
    assert said(call.inputs) == [("text", "kettle"), ("text", "toaster")]
    assert call.outputs == ()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_legacy_completions_are_recorded(client, handler, stream):
    answer = client.completions.create(model="gpt-3.5-turbo-instruct", prompt="Warranty:", stream=stream)
    if stream:
        list(answer)
    call = the_call(handler)
    assert (call.finish_reason, call.output_preview) == ("stop", TEXT)
    assert said(call.inputs) == [("prompt", "Warranty:")]


def test_an_image_is_named_but_not_kept(client, handler):
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUg"}}
    client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": [{"type": "text", "text": "What? "}, image]}],
    )
    assert said(the_call(handler).inputs) == [("human", "What? [image_url]")]


def test_every_choice_is_an_output_and_the_usage_counts_once(client, handler):
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, n=3)
    call = the_call(handler)
    assert len(call.outputs) == 3
    assert call.total_tokens == 28


def test_a_call_that_failed_has_the_http_status_and_no_secret(client, handler):
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="gpt-busy", messages=QUESTION)
    call = the_call(handler)
    assert (call.status, call.error_type) == ("error", "RateLimitError")
    assert call.attributes["http.response.status_code"] == 429
    assert call.input_tokens is None
    assert call.attributes["llm.usage_missing_reason"] == "the call failed before it answered"
    assert "sk-proj" not in call.error_message


def test_the_requests_that_the_sdk_repeats_are_one_call(server, handler):
    def answers(statuses):
        return lambda request: httpx.Response(
            next(statuses), json={"choices": [], "model": "m"}, headers={"retry-after-ms": "1"}
        )

    http = httpx.Client(transport=httpx.MockTransport(answers(iter([500, 500, 200]))))
    client = wrap(openai.OpenAI(api_key="sk-test", http_client=http, max_retries=3), handler=handler)
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    call = the_call(handler)
    assert (call.status, call.attributes["retry.count"]) == ("ok", 2)
    assert call.attributes["server.address"] == "api.openai.com"


@pytest.mark.parametrize("error", [openai.InternalServerError, openai.APIConnectionError])
def test_a_call_that_failed_for_good_says_how_often_it_was_repeated(handler, error):
    def fail(request):
        if error is openai.APIConnectionError:
            raise httpx.ReadError("reset by peer")
        return httpx.Response(500, json={}, headers={"retry-after-ms": "1"})

    http = httpx.Client(transport=httpx.MockTransport(fail))
    client = wrap(openai.OpenAI(api_key="sk-test", http_client=http, max_retries=1), handler=handler)
    with pytest.raises(error):
        client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    call = the_call(handler)
    assert (call.error_type, call.attributes["retry.count"]) == (error.__name__, 1)


async def test_an_async_call_that_failed_for_good_says_how_often_it_was_repeated(handler):
    def fail(request):
        return httpx.Response(500, json={}, headers={"retry-after-ms": "1"})

    http = httpx.AsyncClient(transport=httpx.MockTransport(fail))
    client = wrap(openai.AsyncOpenAI(api_key="sk-test", http_client=http, max_retries=1), handler=handler)
    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert the_call(handler).attributes["retry.count"] == 1


def test_an_answer_that_is_no_json_is_not_taken_for_one_that_nobody_read(handler):
    def gateway(request):
        return httpx.Response(200, html="<h1>Please log in</h1>")

    http = httpx.Client(transport=httpx.MockTransport(gateway))
    client = wrap(openai.OpenAI(api_key="sk-test", http_client=http), handler=handler)
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert the_call(handler).attributes["llm.usage_missing_reason"] == "the answer could not be understood"


# --- streams ---------------------------------------------------------------------------------------


def test_a_stream_is_recorded_when_it_has_been_read(client, handler):
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True, **USAGE)
    assert isinstance(stream, openai.Stream)
    assert isinstance(stream.response, httpx.Response)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    assert text == TEXT
    call = the_call(handler)
    assert (call.status, call.streamed, call.total_tokens, call.usage_source) == ("ok", True, 28, "provider")
    assert said(call.outputs) == [("ai", TEXT)]
    assert call.attributes["llm.stream_chunks"] == 6
    assert 0 < call.time_to_first_token_ms <= call.duration_ms


def test_the_first_token_is_the_first_that_says_something(client, handler, server):
    """The role comes at once, the text waits for the gate; pieces that came are there all the while."""
    server.gate.clear()
    stream = client.chat.completions.create(model="gpt-waits", messages=QUESTION, stream=True)
    chunks = [next(stream), next(stream)]
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", TEXT[:10]]
    handler.flush(10)
    with open_store(handler.settings.store) as store:
        opened = store.trace(handler.last_trace_id).root
    assert (opened.status, opened.output_preview) == ("open", TEXT[:10])
    server.gate.set()
    list(stream)
    call = the_call(handler)
    assert call.status == "ok"
    assert call.time_to_first_token_ms == opened.time_to_first_token_ms


def test_without_usage_in_the_stream_the_reason_names_the_switch(client, handler):
    list(client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True))
    call = the_call(handler)
    assert (call.input_tokens, call.usage_source) == (None, "missing")
    assert "include_usage" in call.attributes["llm.usage_missing_reason"]


def leave_the_loop(stream):
    for _ in stream:
        break


def close_it(stream):
    next(stream)
    next(stream)
    stream.close()


def leave_the_block(stream):
    with stream:
        next(stream)


@pytest.mark.parametrize("leave", [leave_the_loop, close_it, leave_the_block, id], ids=lambda f: f.__name__)
def test_a_stream_that_is_not_read_to_its_end_is_closed_early(client, handler, leave):
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True)
    leave(stream)
    del stream
    call = the_call(handler)
    assert (call.status, call.error_type) == ("closed_early", None)
    assert (call.attributes.get("llm.stream_state") == "not_consumed") == (leave is id)
    if leave is not id:
        assert call.attributes["llm.usage_missing_reason"] == "the stream ended before its usage came"


def test_a_stream_that_the_sdk_cannot_read_is_an_error_and_keeps_what_came(handler):
    begun = b'data: {"id": "1", "choices": [{"index": 0, "delta": {"content": "Two"}}]}\n\n'

    def garbled(request):
        return httpx.Response(
            200, content=iter([begun, b"data: {garbled\n\n"]), headers={"content-type": "text/event-stream"}
        )

    http = httpx.Client(transport=httpx.MockTransport(garbled))
    client = wrap(openai.OpenAI(api_key="sk-test", http_client=http), handler=handler)
    with pytest.raises(json.JSONDecodeError):
        list(client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True))
    call = the_call(handler)
    assert (call.status, call.error_type, call.output_preview) == ("error", "JSONDecodeError", "Two")


def test_a_stream_that_is_closed_while_the_application_handles_an_error_is_no_error(client, handler):
    stream = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True)
    next(stream)
    with pytest.raises(KeyError), stream:
        raise KeyError("the application's own")
    call = the_call(handler)
    assert (call.status, call.error_type) == ("closed_early", None)
    assert call.end_ns is not None
    assert call.output_preview in (None, TEXT[:10])


def test_a_broken_connection_is_an_error_and_keeps_what_came(client, handler):
    stream = client.chat.completions.create(model="gpt-breaks", messages=QUESTION, stream=True)
    with pytest.raises(httpx.RemoteProtocolError):
        list(stream)
    call = the_call(handler)
    assert (call.status, call.error_type) == ("error", "RemoteProtocolError")
    assert said(call.outputs) == [("ai", TEXT[:20])]


def test_an_error_in_the_middle_of_a_stream_is_an_error(client, handler):
    """The status was 200 by then."""
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(model="gpt-fails", messages=QUESTION, stream=True))
    call = the_call(handler)
    assert (call.status, call.error_type, call.error_message) == ("error", "APIError", "the backend is gone")
    assert call.output_preview == TEXT[:20]


def test_the_helper_for_chat_streams_is_recorded(client, handler):
    with client.chat.completions.stream(model="gpt-4o-mini", messages=QUESTION, **USAGE) as stream:
        kinds = {event.type for event in stream}
        assert stream.get_final_completion().choices[0].message.content == TEXT
    assert "content.delta" in kinds
    call = the_call(handler)
    assert (call.status, call.output_preview, call.total_tokens) == ("ok", TEXT, 28)


def test_the_helper_for_responses_is_recorded(client, handler):
    with client.responses.stream(model="gpt-4o-mini", input="How long?") as stream:
        for _ in stream:
            pass
        assert stream.get_final_response().output_text == TEXT
    call = the_call(handler)
    assert (call.status, call.output_preview, call.total_tokens) == ("ok", TEXT, 28)
    assert call.time_to_first_token_ms > 0


def test_a_response_closed_early_keeps_the_text_so_far(client, handler):
    with client.responses.stream(model="gpt-4o-mini", input="How long?") as stream:
        for event in stream:
            if event.type == "response.output_text.delta":
                break
    call = the_call(handler)
    assert (call.status, call.output_preview) == ("closed_early", TEXT[:10])
    assert call.response_model == "gpt-4o-mini-2024-07-18"


async def test_an_async_stream_is_recorded(async_client, handler):
    stream = await async_client.chat.completions.create(
        model="gpt-4o-mini", messages=QUESTION, stream=True, **USAGE
    )
    assert isinstance(stream, openai.AsyncStream)
    text = "".join([c.choices[0].delta.content or "" async for c in stream if c.choices])
    assert text == TEXT
    call = the_call(handler)
    assert (call.status, call.output_preview, call.total_tokens) == ("ok", TEXT, 28)


async def test_an_async_stream_read_by_one_task_per_chunk_is_one_call(async_client, handler):
    stream = await async_client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True)
    texts = []
    while (chunk := await asyncio.create_task(anext(stream, None))) is not None:  # type: ignore[arg-type]
        texts.append(chunk.choices[0].delta.content or "")
    assert "".join(texts) == TEXT
    assert the_call(handler).output_preview == TEXT


async def test_an_async_stream_closed_early_is_closed_early(async_client, handler):
    async with await async_client.chat.completions.create(
        model="gpt-4o-mini", messages=QUESTION, stream=True
    ) as stream:
        await anext(stream)
        await anext(stream)
    call = the_call(handler)
    assert (call.status, call.output_preview) == ("closed_early", TEXT[:10])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_cancelled_call_is_cancelled(async_client, handler, server, stream):
    server.gate.clear()

    async def ask():
        model = "gpt-waits" if stream else "gpt-silent"
        answer = await async_client.chat.completions.create(model=model, messages=QUESTION, stream=stream)
        async for _ in answer:
            pass

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(ask(), 0.3)
    server.gate.set()
    call = the_call(handler)
    assert (call.status, call.error_type) == ("cancelled", None)
    assert call.output_preview == (TEXT[:20] if stream else None)


async def test_the_async_helper_is_recorded(async_client, handler):
    async with async_client.chat.completions.stream(model="gpt-4o-mini", messages=QUESTION) as stream:
        async for _ in stream:
            pass
    assert the_call(handler).output_preview == TEXT


# --- parsed and raw --------------------------------------------------------------------------------


class Warranty(BaseModel):
    answer: str


def test_parsed_answers_are_recorded(client, handler):
    parsed = client.chat.completions.parse(model="gpt-json", messages=QUESTION, response_format=Warranty)
    assert parsed.choices[0].message.parsed == Warranty(answer="two")
    call = the_call(handler)
    assert call.attributes["llm.structured_output"] is True
    assert call.output_preview == '{"answer": "two"}'


def test_parsed_responses_are_recorded(client, handler):
    parsed = client.responses.parse(model="gpt-json", input="How long?", text_format=Warranty)
    assert parsed.output_parsed == Warranty(answer="two")
    assert the_call(handler).attributes["llm.structured_output"] is True


def test_an_answer_that_could_not_be_parsed_is_kept_beside_the_error(client, handler):
    """The SDK raises after the provider was paid."""
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model="gpt-long", messages=QUESTION, response_format=Warranty)
    call = the_call(handler)
    assert (call.status, call.error_type) == ("error", "LengthFinishReasonError")
    assert (call.total_tokens, call.finish_reason, call.output_preview) == (28, "length", TEXT)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_raw_response_is_recorded(client, handler, stream):
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=QUESTION, stream=stream
    )
    if stream:
        assert list(raw.parse())[-1].choices[0].finish_reason == "stop"
    else:
        assert raw.headers["x-request-id"] == "req_test"
        assert raw.parse().choices[0].message.content == TEXT
    call = the_call(handler)
    assert (call.status, call.output_preview) == ("ok", TEXT)


def by_parsing(response):
    assert response.parse().choices[0].message.content == TEXT


def by_lines(response):
    assert TEXT in "".join(response.iter_lines())


def by_reading(response):
    assert TEXT.encode() in response.read()


@pytest.mark.parametrize("read", [by_parsing, by_lines, by_reading], ids=lambda f: f.__name__)
def test_a_streaming_response_is_recorded_however_it_is_read(client, handler, read):
    create = client.chat.completions.with_streaming_response.create
    with create(model="gpt-4o-mini", messages=QUESTION) as response:
        read(response)
    call = the_call(handler)
    assert (call.status, call.output_preview, call.total_tokens) == ("ok", TEXT, 28)


def test_a_streaming_response_that_nobody_read_was_closed_early(client, handler):
    create = client.chat.completions.with_streaming_response.create
    with create(model="gpt-4o-mini", messages=QUESTION) as response:
        assert response.headers["x-request-id"] == "req_test"
    assert the_call(handler).status == "closed_early"


async def test_async_raw_and_streaming_responses_are_recorded(async_client, handler):
    completions = async_client.chat.completions
    raw = await completions.with_raw_response.create(model="gpt-4o-mini", messages=QUESTION)
    assert raw.parse().choices[0].message.content == TEXT
    async with completions.with_streaming_response.create(model="gpt-4o-mini", messages=QUESTION) as response:
        assert (await response.parse()).choices[0].message.content == TEXT
    assert [trace.root.output_preview for trace in all_traces(handler)] == [TEXT, TEXT]


# --- the client stays what it is -------------------------------------------------------------------


def test_a_wrapped_client_is_the_same_object_of_the_same_class(server):
    client = openai.OpenAI(base_url=server.url, api_key="sk-test")
    completions = client.chat.completions
    assert wrap(client, store=False, backends=[MemoryBackend()]) is client
    assert isinstance(client, openai.OpenAI)
    assert type(client).__name__ == "OpenAI"
    assert client.user_agent.startswith("OpenAI/Python")
    assert client.chat.completions is completions
    assert inspect.signature(client.chat.completions.create) == inspect.signature(completions.create)


def test_parts_that_were_taken_from_the_client_before_are_recorded(server, handler):
    client = openai.OpenAI(base_url=server.url, api_key="sk-test")
    create = client.chat.completions.create
    wrap(client, handler=handler)
    create(model="gpt-4o-mini", messages=QUESTION)
    assert the_call(handler).status == "ok"


def test_a_client_wrapped_twice_is_recorded_once(client, handler):
    wrap(wrap(client, handler=handler))
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert the_call(handler).status == "ok"


def test_a_client_with_other_options_is_recorded_too(client, handler):
    client.with_options(timeout=5).copy(max_retries=1).chat.completions.create(
        model="gpt-4o-mini", messages=QUESTION
    )
    assert the_call(handler).status == "ok"


def test_azure_is_named_with_its_deployment(server, handler):
    client = wrap(
        openai.AzureOpenAI(azure_endpoint=server.host, api_key="k", api_version="2024-10-21"), handler=handler
    )
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    call = the_call(handler)
    assert (call.provider, call.request_model, call.status) == ("azure", "gpt-4o-mini", "ok")
    assert server.requests[-1][0] == "/openai/deployments/gpt-4o-mini/chat/completions"


async def test_async_azure_is_recorded(server, handler):
    client = wrap(
        openai.AsyncAzureOpenAI(azure_endpoint=server.host, api_key="k", api_version="2024-10-21"),
        handler=handler,
    )
    await client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert the_call(handler).provider == "azure"


def test_the_request_on_the_wire_is_what_it_would_be(server, handler):
    plain = openai.OpenAI(base_url=server.url, api_key="sk-test")
    seen = []
    transport = httpx.MockTransport(
        lambda request: seen.append(request) or httpx.Response(200, json={"choices": []})
    )
    for client in (plain.copy(http_client=httpx.Client(transport=transport)),) * 2:
        client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        wrap(client, handler=handler)
    first, second = seen
    assert first.content == second.content
    assert set(first.headers) == set(second.headers)


def test_what_the_user_does_with_messages_afterwards_changes_nothing(client, handler):
    messages = [{"role": "user", "content": [{"type": "text", "text": "How long?"}]}]
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages)
    messages[0]["content"][0]["text"] = "changed"
    messages.append({"role": "user", "content": "added"})
    answer.choices[0].message.content = "changed too"
    call = the_call(handler)
    assert said(call.inputs) == [("human", "How long?")]
    assert said(call.outputs) == [("ai", TEXT)]


def test_requests_that_ask_no_model_are_not_recorded(server, handler):
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"data": [], "object": "list"}))
    client = wrap(openai.OpenAI(api_key="k", http_client=httpx.Client(transport=transport)), handler=handler)
    client.models.list()
    client.moderations.create(input="hello")
    settled(handler)
    assert handler.last_trace_id is None


@pytest.mark.parametrize("other", [object(), openai.resources.chat.Completions, "client"])
def test_wrap_says_what_it_takes(other):
    with pytest.raises(ConfigError, match="wrap takes a client"):
        wrap(other)


def test_wrap_takes_a_handler_or_settings(server, handler):
    with pytest.raises(ConfigError, match="not both"):
        wrap(openai.OpenAI(api_key="k"), handler=handler, store=False)


def test_a_fault_of_ours_never_reaches_the_application(client, handler, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("ours")

    monkeypatch.setattr(handler.recorder, "start", fails)
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    assert answer.choices[0].message.content == TEXT
    assert handler.runtime.health.faults == {"openai": 1}


def test_recording_holds_nothing_of_a_call_that_is_over(client, handler):
    for _ in range(5):
        for _ in client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True):
            break
        # The SDK's stream is a cycle: collected in the middle of a request, it closes a connection there, and
        # httpcore waits for its own lock for ever, with and without us.
        gc.collect()
        client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    settled(handler)
    assert handler.runtime.assembler.open == {}
    assert {run.payload for run in handler.recorder.runs.values()} <= {None}


# --- where calls go, and what they hang below ------------------------------------------------------


def test_settings_make_a_handler(server, tmp_path):
    client = wrap(
        openai.OpenAI(base_url=server.url, api_key="k"),
        store=tmp_path / "own.db",
        user_id="u-1",
        tags=["shop"],
    )
    client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
    client._spanscope.handler.flush(10)
    with open_store(tmp_path / "own.db") as store:
        (found,) = store.traces()
        assert store.trace(found.trace_id).root.tags == ("shop",)


def test_a_call_hangs_below_the_chain_and_goes_to_its_handler(server, tmp_path):
    client = wrap(openai.OpenAI(base_url=server.url, api_key="k"))
    handler, _ = handler_in(tmp_path / "first"), handler_in(tmp_path / "last")

    @observe(name="ask")
    def ask(text: str) -> str:
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION)
        return answer.choices[0].message.content

    chain = RunnableLambda(ask).with_config(run_name="chain")
    with context(session_id="s-1"):
        assert chain.invoke("?", config={"callbacks": [handler]}) == TEXT
    trace = recorded(handler)
    assert tree(trace) == ("chain", [("ask", [("chat gpt-4o-mini", [])])])
    assert named(trace, "chat gpt-4o-mini").session_id == "s-1"
    assert trace.totals.total_tokens == 28


def test_what_runs_inside_a_call_does_not_outlast_it(client, handler):
    with span("block", handler=handler):
        list(client.chat.completions.create(model="gpt-4o-mini", messages=QUESTION, stream=True))
        client.embeddings.create(model="text-embedding-3-small", input="kettle")
    trace = recorded(handler)
    assert {child.name for child in trace.children(trace.root)} == {
        "chat gpt-4o-mini",
        "embeddings text-embedding-3-small",
    }


def test_without_anything_said_a_default_handler_is_made_with_the_first_call(server, tmp_path):
    script = f"""
import openai, spanscope
from spanscope.openai import wrap
client = wrap(openai.OpenAI(base_url={server.url!r}, api_key="k"))
client.chat.completions.create(model="gpt-4o-mini", messages=[{{"role": "user", "content": "?"}}])
assert spanscope.flush(10)
with spanscope.open_store() as store:
    assert len(store.traces()) == 1
"""
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / ".spanscope" / "spans.db").exists()


def test_importing_spanscope_does_not_import_openai():
    script = "import sys, spanscope; assert 'openai' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


async def test_concurrent_calls_each_hang_below_their_own_span(async_client, handler):
    async def ask(number: int) -> None:
        with span(f"request {number}", handler=handler):
            await asyncio.sleep(0)
            await async_client.chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": f"marker {number}"}]
            )

    await asyncio.gather(*[ask(number) for number in range(50)])
    traces = all_traces(handler)
    assert len(traces) == 50
    for trace in traces:
        (call,) = trace.children(trace.root)
        assert call.input_preview == trace.root.name.replace("request", "marker")


# --- beneath LangChain -----------------------------------------------------------------------------


def langchain_model(server: OpenAIServer, handler: ObsHandler, **options) -> ChatOpenAI:
    """A model of LangChain's on wrapped clients."""
    sync = wrap(openai.OpenAI(base_url=server.url, api_key="k"), handler=handler)
    later = wrap(openai.AsyncOpenAI(base_url=server.url, api_key="k"), handler=handler)
    return ChatOpenAI(
        model="gpt-4o-mini", api_key="k", base_url=server.url, stream_usage=True,
        client=sync.chat.completions, async_client=later.chat.completions,
        root_client=sync, root_async_client=later, **options,
    )  # fmt: skip


def counted_once(handler: ObsHandler, calls: int = 1) -> None:
    """Each call is seen twice, one inside the other, and counts once."""
    for trace in all_traces(handler):
        outer = [one for one in trace.spans if one.name == "ChatOpenAI"]
        inner = [one for one in trace.spans if one.framework == "openai"]
        assert len(outer) == len(inner) == calls
        assert {one.parent_id for one in inner} == {one.span_id for one in outer}
        assert all(one.usage_in_children for one in outer)
        assert (trace.totals.llm_calls, trace.totals.total_tokens) == (calls, 28 * calls)
    with open_store(handler.settings.store) as store:
        assert {(found.llm_calls, found.total_tokens) for found in store.traces()} == {(calls, 28 * calls)}


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_langchains_use_of_a_wrapped_client_counts_once(server, handler, api):
    model = langchain_model(server, handler, use_responses_api=api == "responses")
    model.invoke("?", config={"callbacks": [handler]})
    assert "".join(str(c.text) for c in model.stream("?", config={"callbacks": [handler]})) == TEXT
    counted_once(handler)


async def test_langchains_async_use_of_a_wrapped_client_counts_once(server, handler):
    model = langchain_model(server, handler)
    chain = RunnableLambda(lambda text: text) | model
    await asyncio.gather(*[chain.ainvoke(f"{n}?", config={"callbacks": [handler]}) for n in range(20)])
    async for _ in chain.astream("?", config={"callbacks": [handler]}):
        pass
    assert len(all_traces(handler)) == 21
    counted_once(handler)


def test_a_batch_of_langchains_counts_once(server, handler):
    model = langchain_model(server, handler)
    chain = RunnableLambda(lambda text: model.batch([text, text, text])).with_config(run_name="three")
    chain.invoke("?", config={"callbacks": [handler]})
    counted_once(handler, calls=3)


def test_langchains_embeddings_on_a_wrapped_client_are_seen(server, handler):
    """LangChain itself tells nobody of its embeddings."""
    client = wrap(openai.OpenAI(base_url=server.url, api_key="k"), handler=handler)
    embeddings = OpenAIEmbeddings(
        model="text-embedding-3-small",
        api_key="k",
        client=client.embeddings,
        check_embedding_ctx_length=False,
    )
    embeddings.embed_documents(["kettle", "toaster"])
    assert the_call(handler).attributes["embedding.vectors"] == 2


# --- beneath LlamaIndex ------------------------------------------------------------------------------


@pytest.fixture
def llama_handler(tmp_path):
    with LlamaIndexHandler(store=tmp_path / "llama.db", backends=[MemoryBackend()]) as handler:
        yield handler
    handler.runtime.shutdown()


def test_llama_indexs_use_of_a_wrapped_client_counts_once(server, llama_handler):
    client = wrap(openai.OpenAI(base_url=server.url, api_key="k"), handler=llama_handler)
    model = LlamaIndexOpenAI(model="gpt-4o-mini", api_key="k", api_base=server.url, openai_client=client)
    model.complete("?")
    stream = model.stream_complete("?")
    with span("reads later", handler=llama_handler):
        assert [part.text for part in stream][-1] == TEXT
    for trace in all_traces(llama_handler):
        if trace.root.name != "reads later":
            (inner,) = [one for one in trace.spans if one.framework == "openai"]
            assert trace.get(inner.parent_id).framework == "llama_index"
            assert trace.totals.llm_calls == 1


def test_an_embedding_within_an_embedding_counts_once(client, handler, server):
    """As when a framework that records its embeddings uses a wrapped client."""
    with span("embed", kind="embedding", handler=handler) as outer:
        outer.set("input_tokens", 6)
        client.embeddings.create(model="text-embedding-3-small", input="kettle")
    trace = recorded(handler)
    assert trace.root.usage_in_children
    assert trace.totals.input_tokens == 6
    with open_store(handler.settings.store) as store:
        assert store.traces()[0].input_tokens == 6


def test_threads_share_a_client(client, handler):
    barrier = threading.Barrier(8)

    def ask(number: int) -> None:
        barrier.wait(10)
        client.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": f"marker {number}"}]
        )

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    assert sorted(trace.root.input_preview for trace in all_traces(handler)) == [
        f"marker {number}" for number in range(8)
    ]


def test_reasoning_stops_the_first_clock_and_text_the_second(handler):
    """Providers of reasoning models stream it under a name of its own."""

    def pieces():
        for delta in ({"role": "assistant"}, {"reasoning_content": "Hm."}, {"content": "Two."}):
            chunk = {"model": "m", "choices": [{"index": 0, "delta": delta}]}
            yield f"data: {json.dumps(chunk)}\n\n".encode()
            time.sleep(0.02)
        yield b"data: [DONE]\n\n"

    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=pieces()))
    http = httpx.Client(transport=transport)
    client = wrap(openai.OpenAI(api_key="k", http_client=http), handler=handler)
    list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))
    call = the_call(handler)
    assert call.attributes["llm.time_to_first_text_ms"] > call.time_to_first_token_ms > 0
    assert said(call.outputs) == [("ai", "Two.")]

"""Where a provider or its client says something that is not so, or leaves something out."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from langchain_core.caches import InMemoryCache
from pydantic import BaseModel

from spanscope import ObsHandler, semconv

from . import clients, wire
from .cases import TRIED, expected
from .conftest import watched
from .server import Reply
from .wire import Said


def changed(reply: Reply, change) -> Reply:
    """The same reply, with its JSON changed in place."""
    body = json.loads(reply.body)
    change(body)
    return Reply(body=json.dumps(body).encode(), headers=reply.headers)


# --- tokens ---------------------------------------------------------------------------------------------


def test_a_stream_without_usage_has_none_and_says_which_switch_gives_it(call, provider):
    model = clients.openai(provider.url, stream_usage=False)
    span = call("openai", wire.chat_stream(Said(), None), streamed=True, model=model)
    assert (span.input_tokens, span.output_tokens, span.total_tokens) == (None, None, None)
    assert span.usage_source == "missing"
    assert "stream_usage=True" in span.attributes[semconv.USAGE_MISSING_REASON]
    assert span.cost_usd is None


def test_several_answers_share_one_usage(call, provider):
    """Each of the generations carries the whole usage."""
    model = clients.openai(provider.url, n=3)
    span = call("openai", wire.chat_whole(Said(), answers=3), model=model)
    assert (span.input_tokens, span.output_tokens) == (47, 12)
    assert (span.response_model, span.finish_reason) == ("model-that-answered", "stop")


def test_a_streamed_count_of_zero_is_no_count(call):
    """Some proxies of Anthropic leave the input out, and LangChain says 0."""
    said = Said(uncached=0, read=0, finish="end_turn")
    span = call("anthropic", wire.anthropic_stream(said, input_at_end=False), streamed=True)
    assert (span.input_tokens, span.output_tokens, span.total_tokens) == (None, 12, None)


@pytest.mark.parametrize("streamed", [False, True])
def test_cache_writes_are_counted_once(call, streamed):
    """The sum stands under its own name, under those of its parts, or both."""
    reply = (wire.ANTHROPIC.stream if streamed else wire.ANTHROPIC.whole)(Said(written=8, finish="end_turn"))
    span = call("anthropic", reply, streamed=streamed)
    assert (span.cache_write_tokens, span.cache_read_tokens, span.input_tokens) == (8, 16, 55)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("tier", ["flex", "priority"])
@pytest.mark.parametrize("name", ["openai", "openai responses"])
def test_a_service_tier_is_read_and_hides_no_part(call, name, tier, streamed):
    said = Said(tier=tier, reasoning=5, written=8, finish="stop" if name == "openai" else "completed")
    formats = {"openai": wire.CHAT, "openai responses": wire.RESPONSES}[name]
    span = call(name, (formats.stream if streamed else formats.whole)(said), streamed=streamed)
    assert span.attributes[semconv.SERVICE_TIER] == tier
    assert (span.input_tokens, span.cache_read_tokens, span.cache_write_tokens) == (55, 16, 8)
    assert span.reasoning_tokens == 5


def test_a_tier_that_is_only_asked_for_is_not_served(call):
    """Groq's client repeats it from the request."""
    assert semconv.SERVICE_TIER not in call("groq", wire.GROQ.whole(Said())).attributes


def test_audio_is_a_part_of_both_sides(call):
    def speak(body):
        body["usage"]["prompt_tokens_details"]["audio_tokens"] = 9
        body["usage"]["completion_tokens_details"]["audio_tokens"] = 7

    span = call("openai", changed(wire.CHAT.whole(Said()), speak))
    assert span.attributes[semconv.INPUT_AUDIO_TOKENS] == 9
    assert span.attributes[semconv.OUTPUT_AUDIO_TOKENS] == 7
    assert span.input_tokens == 47


def test_reasoning_that_xai_counts_already_is_not_added_again(call):
    span = call("xai", wire.CHAT.whole(Said(made=30, reasoning=18)))
    assert (span.output_tokens, span.reasoning_tokens, span.total_tokens) == (30, 18, 77)


@pytest.mark.parametrize(
    ("left_out", "taken", "made"), [("prompt_eval_count", None, 12), ("eval_count", 47, None)]
)
def test_ollama_counts_what_it_evaluated(call, left_out, taken, made):
    """A prompt that Ollama knows already is not evaluated, and has no count."""
    span = call("ollama", wire.ollama_stream(Said(), left_out), streamed=True)
    assert (span.input_tokens, span.output_tokens, span.total_tokens) == (taken, made, None)


def test_billed_units_are_not_tokens(call):
    """Cohere's client hands on nothing else of a stream."""
    span = call("cohere", wire.COHERE.stream(Said(finish="COMPLETE")), streamed=True)
    assert (span.input_tokens, span.usage_source) == (None, "missing")
    assert span.attributes[semconv.BILLED_INPUT] == 38
    assert span.attributes[semconv.BILLED_OUTPUT] == 10
    assert "billed" in span.attributes[semconv.USAGE_MISSING_REASON]


def test_a_cached_answer_costs_nothing_and_says_what_it_saved(provider, handler: ObsHandler):
    model = clients.openai(provider.url, model="gpt-4o-mini", cache=InMemoryCache())
    provider.reply = wire.CHAT.whole(Said(model="gpt-4o-mini", uncached=1_000_000, read=0, made=0))
    with watched(handler) as spans:
        for _ in range(2):
            model.invoke("the same question", {"callbacks": [handler]})
    bought, cached = spans
    assert (bought.cache_hit, bought.usage_source) == (None, "provider")
    assert (cached.cache_hit, cached.usage_source, cached.cost_usd) == (True, "cache", Decimal(0))
    assert cached.input_tokens == 1_000_000
    assert cached.attributes[semconv.COST_SAVED] == pytest.approx(float(bought.cost_usd))


def test_a_stream_that_broke_keeps_what_had_come(failed_call):
    """The connection is gone in the middle: no finish reason, no usage, and the text that was seen."""
    whole = wire.CHAT.stream(Said())
    broken = Reply(parts=(*whole.parts[:3], b"data: {\n\n"), content_type=whole.content_type)
    span = failed_call("openai", broken, streamed=True)
    assert (span.status, span.finish_reason, span.usage_source) == ("error", None, "missing")
    assert span.output_preview == "It rains in Paris."
    assert semconv.HTTP_STATUS_CODE not in span.attributes


def test_a_stream_that_ends_early_and_cleanly_says_that_it_is_not_whole(call):
    whole = wire.CHAT.stream(Said())
    span = call("openai", replace(whole, parts=whole.parts[:3]), streamed=True)
    assert (span.status, span.finish_reason, span.usage_source) == ("ok", None, "missing")
    assert span.attributes[semconv.USAGE_MISSING_REASON] == "the stream ended before its usage came"


@pytest.mark.parametrize("name", ["openai", "anthropic", "google", "mistral", "groq", "cohere", "ollama"])
async def test_asynchronous_streams_say_the_same(provider, handler, name):
    tried = TRIED[name]
    said = Said(finish=tried.stop, **tried.said)
    provider.reply = tried.wire.stream(said)
    with watched(handler) as spans:
        model = clients.fresh(name, provider.url)  # its connections belong to this event loop
        _ = [piece async for piece in model.astream("hi", {"callbacks": [handler]})]
    (span,) = spans
    wanted = expected(tried, said, "stop", streamed=True)
    assert {fact: getattr(span, fact) for fact, value in wanted.items() if value} == {
        fact: value for fact, value in wanted.items() if value
    }
    assert 0 < span.time_to_first_token_ms <= span.duration_ms


# --- models ---------------------------------------------------------------------------------------------


def test_a_text_completion_repeats_the_request_as_its_model(call, provider):
    """`llm_output` of the older kind of model holds the name that was asked for."""
    from langchain_openai import OpenAI

    model = OpenAI(model="model-asked-for", base_url=provider.url, api_key="no-key", max_retries=0)
    choice = {"index": 0, "text": "It rains.", "finish_reason": "length", "logprobs": None}
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    body = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "model-that-answered"}
    span = call(
        "", Reply(body=json.dumps({**body, "choices": [choice], "usage": usage}).encode()), model=model
    )
    assert (span.request_model, span.response_model) == ("model-asked-for", None)
    assert (span.finish_reason, span.input_tokens, span.output_tokens) == ("length", 5, 3)


@pytest.mark.parametrize(("word", "ours"), [("FINISH", "stop"), ("LENGTH", "length")])
def test_an_older_model_of_bedrock_is_read_as_far_as_it_is_handed_on(call, provider, word, ours):
    from langchain_aws import ChatBedrock

    name = "amazon.titan-text-express-v1"
    model = ChatBedrock(
        model_id=name, client=clients.boto(provider.url), bedrock_client=clients.boto(provider.url)
    )
    span = call("", wire.titan_whole(Said(finish=word)), model=model)
    assert (span.request_model, span.response_model, span.provider) == (name, None, "amazon_bedrock")
    assert (span.input_tokens, span.output_tokens, span.usage_source) == (None, None, "missing")
    assert span.finish_reason in (ours, None)


def test_what_the_response_says_beats_the_default_of_the_wrapper(call, provider):
    """Nobody asked for a model: the wrapper's default is the request, and never the answer."""
    from langchain_openai import ChatOpenAI

    model = ChatOpenAI(base_url=provider.url, api_key="no-key", max_retries=0)
    span = call("", wire.CHAT.whole(Said(model="gpt-4o-mini-2024-07-18")), model=model)
    assert (span.request_model, span.response_model) == (model.model_name, "gpt-4o-mini-2024-07-18")
    assert span.model == "gpt-4o-mini-2024-07-18"


def test_a_map_of_deployments_wins_over_what_azure_answers(provider):
    """Azure says `gpt-4` for a deployment of a turbo model; its price is that of the model behind it."""
    from spanscope.testing import MemoryBackend

    prices = {"azure/gpt-4": {"input": 30, "output": 60}, "azure/gpt-4-turbo": {"input": 10, "output": 30}}
    handler = ObsHandler(
        store=False, backends=[MemoryBackend()], deployments={"shop": "gpt-4-turbo"},
        prices={"prices": prices},
    )  # fmt: skip
    provider.reply = wire.CHAT.whole(Said(model="gpt-4", uncached=1_000_000, read=0, made=0))
    with watched(handler) as spans:
        clients.client("azure", provider.url).invoke("hi", {"callbacks": [handler]})
    (span,) = spans
    handler.runtime.shutdown()
    assert (span.request_model, span.response_model) == ("shop", "gpt-4")
    assert span.attributes[semconv.PRICED_MODEL].endswith("gpt-4-turbo")
    assert span.cost_usd == 10


def test_a_cost_that_the_provider_reports_is_taken(call):
    """OpenRouter says what the call cost; its client puts that beside the model's name."""
    from langchain_core.language_models import FakeMessagesListChatModel
    from langchain_core.messages import AIMessage

    answer = AIMessage("It rains.", response_metadata={"cost": 0.00042, "model_name": "openai/gpt-4o"})
    span = call("", Reply(), model=FakeMessagesListChatModel(responses=[answer]))
    assert (span.cost_usd, span.cost_source) == (Decimal("0.00042"), "provider")


# --- ends -----------------------------------------------------------------------------------------------


def test_a_prompt_that_google_refuses_is_filtered(call):
    span = call("google", wire.google_blocked(Said(finish="PROHIBITED_CONTENT")))
    assert (span.finish_reason, span.finish_reason_raw) == ("content_filter", "PROHIBITED_CONTENT")


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ["openai", "openai responses", "groq", "fireworks", "xai", "deepseek"])
def test_arguments_that_were_cut_are_not_valid(call, name, streamed):
    """Whatever the reason says; LangChain mends the JSON of a stream, which hides it."""
    formats = {"openai responses": wire.RESPONSES, "groq": wire.GROQ}.get(name, wire.CHAT)
    tools = (("look_up", '{"city": "Rome"}'), ("look_up", '{"city": "Par'))
    said = Said(
        text="", tools=tools, finish="completed" if formats is wire.RESPONSES else "tool_calls", made=64
    )
    span = call(name, (formats.stream if streamed else formats.whole)(said), streamed=streamed, tools=True)
    assert span.tool_names == ("look_up", "look_up")
    assert [made["args_valid"] for made in span.attributes[semconv.TOOL_CALLS]] == [True, False]
    assert (span.finish_reason, span.output_tokens, span.max_tokens) == ("tool_calls", 64, 64)


def test_cohere_streams_each_call_twice_and_it_counts_once(call):
    tools = (("look_up", '{"city": "Rome"}'), ("look_up", '{"city": "Par'))
    said = Said(text="", tools=tools, finish="TOOL_CALL")
    span = call("cohere", wire.COHERE.stream(said), streamed=True, tools=True)
    assert span.tool_names == ("look_up", "look_up")
    assert [made["args_valid"] for made in span.attributes[semconv.TOOL_CALLS]] == [True, False]


# --- what else is told ----------------------------------------------------------------------------------


def test_ids_limits_and_the_mark_of_the_backend_are_kept(call, provider):
    model = clients.openai(provider.url, include_response_headers=True)
    headers = {"x-request-id": "req_7", "x-ratelimit-remaining-tokens": "149"}
    span = call("openai", replace(wire.CHAT.whole(Said()), headers=headers), model=model)
    assert span.attributes[semconv.REQUEST_ID] == "req_7"
    assert span.attributes[semconv.RATE_LIMITS] == {"x-ratelimit-remaining-tokens": "149"}
    assert span.attributes[semconv.RESPONSE_ID] == "chatcmpl-1"
    assert span.attributes[semconv.SYSTEM_FINGERPRINT] == "fp_1"


def test_bedrock_gives_the_request_id_unasked(call):
    assert call("bedrock converse", wire.CONVERSE.whole(Said())).attributes[semconv.REQUEST_ID] == "req_1"


@pytest.mark.parametrize("name", ["openai", "azure", "anthropic", "groq", "fireworks", "mistral"])
def test_the_address_tells_compatible_hosts_apart(call, provider, name):
    """Hosts that copy OpenAI all call themselves OpenAI."""
    span = call(name, TRIED[name].wire.whole(Said(finish=TRIED[name].stop)))
    assert span.attributes[semconv.SERVER_ADDRESS] == provider.url.removeprefix("http://")


def test_stop_sequences_are_kept(call, provider):
    span = call("openai", wire.CHAT.whole(Said()), model=clients.openai(provider.url, stop=["END"]))
    assert span.attributes[semconv.REQUEST_STOP] == ["END"]


class Weather(BaseModel):
    """What the weather is."""

    city: str


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_is_still_a_model_call(provider, handler, method):
    said = Said(text='{"city": "Paris"}')
    if method == "function_calling":
        said = Said(text="", tools=(("Weather", '{"city": "Paris"}'),), finish="stop")
    provider.reply = wire.CHAT.whole(said)
    model = clients.openai(provider.url).with_structured_output(Weather, method=method)
    with watched(handler) as spans:
        assert model.invoke("Weather as JSON?", {"callbacks": [handler]}) == Weather(city="Paris")
    (span,) = [span for span in spans if span.kind == "llm"]
    assert span.attributes[semconv.STRUCTURED_OUTPUT] is True
    assert span.attributes[semconv.OUTPUT_SCHEMA] == "Weather"
    assert (span.input_tokens, span.response_model) == (47, "model-that-answered")

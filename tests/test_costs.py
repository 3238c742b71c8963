"""Costs of recorded runs: on each call, on the trace, in the metrics, and the reason where there is none."""

from decimal import Decimal

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import CallbackManager
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from recording import all_traces, handler_in, recorded

from spanscope import ObsHandler, open_store, semconv
from spanscope.cli import listing
from spanscope.cli.doctor import examine
from spanscope.drafts import Draft
from spanscope.exceptions import ConfigError
from spanscope.health import Health
from spanscope.metrics import points
from spanscope.pricing import Pricing
from spanscope.pricing.stage import PricingStage
from spanscope.testing import MemoryBackend, ScriptedChatModel

GPT_4O = {"provider": "openai", "model_name": "gpt-4o"}


def message(taken, made, **details):
    usage = {"input_tokens": taken, "output_tokens": made, "total_tokens": taken + made, **details}
    return AIMessage("Two years.", usage_metadata=usage)


def ask(model, handler):
    model.invoke("How long is the warranty?", config={"callbacks": [handler]})
    return recorded(handler).root


def priced(facts=None, attributes=None, *, pricing=None, **draft):
    """A draft of a model call after its price was looked for, and the counters."""
    health = Health(strict=True)
    base = {"kind": "llm", "provider": "openai", "request_model": "gpt-4o"}
    made = Draft(
        trace_id="a" * 32,
        span_id="b" * 16,
        start_ns=1_790_000_000_000_000_000,
        status=draft.pop("status", "ok"),
        facts=base | (facts or {}),
        attributes=attributes or {},
        pricing=pricing or Pricing({}, {}),
        **draft,
    )
    return PricingStage(health).price(made), health.counters


def test_a_call_has_its_cost_its_source_and_the_version_of_the_table(tmp_path):
    call = ask(ScriptedChatModel(replies=[message(1_000, 100)], **GPT_4O), handler_in(tmp_path))
    assert (call.cost_usd, call.cost_source) == (Decimal("0.0035"), "genai-prices")
    assert call.attributes[semconv.PRICE_TABLE].startswith("genai-prices ")
    assert call.attributes[semconv.PRICED_MODEL] == "openai/gpt-4o"


def test_the_reader_of_cached_tokens_and_the_price_agree(tmp_path):
    details = {"input_token_details": {"cache_read": 400}}
    model = ScriptedChatModel(replies=[message(1_000, 100, **details)], **GPT_4O)
    assert ask(model, handler_in(tmp_path)).cost_usd == Decimal("0.003")


def test_handlers_with_prices_of_their_own_share_a_tree(tmp_path):
    """Prices belong to the handler, not to the store that it shares with others."""
    sink = MemoryBackend()
    outer = ObsHandler(store=tmp_path / "spans.db", backends=[sink])
    inner = ObsHandler(
        store=tmp_path / "spans.db", backends=[sink], prices={"gpt-4o": {"input": 1, "output": 1}}
    )
    model = ScriptedChatModel(replies=[message(1_000_000, 0)], **GPT_4O)
    asking = RunnableLambda(lambda text: model.invoke(text, config={"callbacks": [inner]}))
    asking.invoke("hello", config={"callbacks": [outer]})
    model.invoke("hello", config={"callbacks": [outer]})

    nested, alone = all_traces(outer)
    assert [span.kind for span in nested.spans] == ["chain", "llm"]
    assert (nested.totals.cost_usd, alone.totals.cost_usd) == (Decimal(1), Decimal("2.5"))


def test_own_prices_and_deployments_are_given_to_the_handler(tmp_path):
    handler = handler_in(
        tmp_path,
        prices={"azure/gpt-4-turbo": {"input": 9, "output": 9}},
        deployments={"shop-turbo": "gpt-4-turbo"},
    )
    model = ScriptedChatModel(
        replies=[message(1_000_000, 0)], provider="azure", model_name="shop-turbo", answered_by="gpt-4"
    )
    call = ask(model, handler)
    assert (call.cost_usd, call.cost_source) == (Decimal(9), "user")
    assert call.response_model == "gpt-4"


@pytest.mark.parametrize(
    "mistake",
    [
        {"prices": {"m": {"inputs": 1}}},
        {"deployments": {"d": 3}},
        {"estimate_tokens": "yes"},
        {"prices": "missing.toml"},
    ],
)
def test_a_mistake_speaks_when_the_handler_is_made(tmp_path, mistake):
    with pytest.raises(ConfigError):
        ObsHandler(store=tmp_path / "spans.db", **mistake)


def test_an_unknown_word_for_the_estimate_speaks_too(tmp_path, monkeypatch):
    monkeypatch.setenv("SPANSCOPE_ESTIMATE_TOKENS", "perhaps")
    with pytest.raises(ConfigError, match="SPANSCOPE_ESTIMATE_TOKENS='perhaps' is neither 1"):
        ObsHandler(store=tmp_path / "spans.db")


# --- no price ----------------------------------------------------------------------------------------------


def test_an_unknown_price_is_none_with_a_reason_a_counter_and_a_metric(tmp_path):
    handler = handler_in(tmp_path)
    call = ask(ScriptedChatModel(replies=[message(10, 1)], provider="openai", model_name="gpt-next"), handler)
    assert call.cost_usd is None
    assert "no price for openai/gpt-next" in call.attributes[semconv.COST_MISSING_REASON]
    assert handler.runtime.health.counters["price_missing"] == 1
    (missing,) = [point for point in points(call) if point.name == "llm.price_missing"]
    assert dict(missing.tags)["model"] == "gpt-next"


def test_the_doctor_names_the_models_without_a_price(tmp_path):
    handler = handler_in(tmp_path)
    model = ScriptedChatModel(replies=[message(10, 1)], provider="openai", model_name="gpt-next")
    for _ in range(3):
        ask(model, handler)
    found = examine(str(tmp_path / "spans.db"))
    assert found.store["models_without_price"] == {"openai/gpt-next": 3}
    assert not found.problems  # it is worth knowing, and nothing is broken


def test_unknown_tokens_are_a_reason_of_their_own_and_no_missing_price(tmp_path):
    handler = handler_in(tmp_path)
    call = ask(ScriptedChatModel(replies=["Two years."], report_usage=False, **GPT_4O), handler)
    assert call.cost_usd is None
    assert call.attributes[semconv.COST_MISSING_REASON] == "the token counts are not known"
    assert "llm.price_missing" not in {point.name for point in points(call)}
    assert handler.runtime.health.counters["price_missing"] == 0


def test_a_price_that_cannot_be_computed_costs_the_call_nothing_else():
    health = Health()
    draft = Draft(
        trace_id="a" * 32, span_id="b" * 16, start_ns=0, status="ok", facts={"kind": "llm"}, pricing=object()
    )
    PricingStage(health).price(draft)
    assert health.faults == {"pricing": 1}


# --- costs that are given ----------------------------------------------------------------------------------


def test_a_cost_that_the_provider_reported_stands():
    draft, _ = priced({"cost_usd": 0.00042, "input_tokens": 10, "output_tokens": 10})
    assert (draft.facts["cost_usd"], draft.facts["cost_source"]) == (0.00042, "provider")


def test_openrouters_real_cost_is_taken(tmp_path):
    reply = message(1_000, 100)
    reply.response_metadata = {"cost": 0.00123}
    model = ScriptedChatModel(replies=[reply], provider="openrouter", model_name="openai/gpt-4o")
    call = ask(model, handler_in(tmp_path))
    assert (call.cost_usd, call.cost_source) == (Decimal("0.00123"), "provider")


def test_a_local_model_costs_nothing_by_rule(tmp_path):
    model = ScriptedChatModel(replies=[message(10, 1)], provider="ollama", model_name="gpt-4o")
    call = ask(model, handler_in(tmp_path))
    assert (call.cost_usd, call.cost_source) == (Decimal(0), "local")


def test_an_answer_from_the_cache_costs_nothing_and_says_what_it_saved(tmp_path):
    handler = handler_in(tmp_path)
    model = ScriptedChatModel(replies=[message(1_000, 100)], cache=InMemoryCache(), **GPT_4O)
    bought, cached = ask(model, handler), ask(model, handler)
    assert (bought.cost_usd, bought.cache_hit) == (Decimal("0.0035"), None)
    assert (cached.cost_usd, cached.cost_source, cached.cache_hit) == (Decimal(0), "cache", True)
    assert cached.attributes[semconv.COST_SAVED] == 0.0035
    assert [trace.totals.cost_usd for trace in all_traces(handler)] == [Decimal("0.0035"), Decimal(0)]


def test_the_service_tier_and_the_parts_of_a_call_are_read_from_its_draft():
    draft, _ = priced(
        {"request_model": "gpt-5", "input_tokens": 1_000, "output_tokens": 2_000, "cache_read_tokens": 400},
        {semconv.SERVICE_TIER: "flex"},
    )
    assert draft.facts["cost_usd"] == Decimal("0.0104")
    draft, _ = priced(
        {"request_model": "gpt-4o-mini-realtime-preview", "input_tokens": 1_000, "output_tokens": 200},
        {semconv.INPUT_AUDIO_TOKENS: 300, semconv.OUTPUT_AUDIO_TOKENS: 150},
    )
    assert draft.facts["cost_usd"] == Decimal("0.00654")
    draft, _ = priced(
        {
            "provider": "anthropic",
            "request_model": "claude-sonnet-4-5",
            "input_tokens": 10_000,
            "output_tokens": 0,
            "cache_write_tokens": 10_000,
        },
        {semconv.CACHE_WRITE_1H_TOKENS: 10_000},
    )
    assert draft.facts["cost_usd"] == Decimal("0.06")


def test_counts_that_a_client_gives_as_floats_are_counts():
    draft, _ = priced({"input_tokens": 1_000.0, "output_tokens": 100.0})
    assert draft.facts["cost_usd"] == Decimal("0.0035")


def test_an_open_call_has_no_cost_yet():
    draft, counters = priced({"input_tokens": 1_000, "output_tokens": 100}, status="open")
    assert "cost_usd" not in draft.facts
    assert draft.attributes == {}
    assert not counters


def test_embeddings_have_no_output_and_a_cost():
    draft, _ = priced(
        {"kind": "embedding", "request_model": "text-embedding-3-small", "input_tokens": 1_000_000}
    )
    assert draft.facts["cost_usd"] == Decimal("0.02")


@pytest.mark.parametrize(
    ("usd", "shown"),
    [("0", "$0"), ("0.0125", "$0.0125"), ("0.0000214", "$0.000021"), ("0.5", "$0.5000"), ("12.5", "$12.50")],
)
def test_a_small_cost_does_not_look_like_none(usd, shown):
    assert listing.cost(Decimal(usd)) == shown


# --- sums -------------------------------------------------------------------------------------------------


@pytest.fixture
def agent_run(tmp_path):
    """An agent that asks a model, calls a tool which asks another, and asks again."""
    inner = ScriptedChatModel(replies=[message(2_000, 10)], provider="openai", model_name="gpt-4o-mini")
    outer = ScriptedChatModel(replies=[message(1_000, 100), message(3_000, 50)], **GPT_4O)
    tool = RunnableLambda(inner.invoke).with_config(run_name="look_up")

    def act(text):
        outer.invoke(text)
        tool.invoke(text)
        return outer.invoke(text)

    handler = handler_in(tmp_path)
    RunnableLambda(act).with_config(run_name="agent").invoke("hello", config={"callbacks": [handler]})
    return handler


def test_a_trace_has_the_sum_over_its_leaves_and_no_wrapper_adds_to_it(agent_run):
    # 1 000 x 2.5 + 100 x 10, 2 000 x 0.15 + 10 x 0.6, 3 000 x 2.5 + 50 x 10
    trace = recorded(agent_run)
    totals = trace.totals
    assert totals.cost_usd == Decimal("0.0035") + Decimal("0.000306") + Decimal("0.008")
    assert (totals.llm_calls, totals.total_tokens, totals.calls_without_cost) == (3, 6_160, 0)
    assert trace.root.cost_usd is None  # its own; what is below it is in the totals


def test_the_list_of_traces_has_total_tokens_cost_and_calls(agent_run):
    trace = recorded(agent_run)
    with open_store(agent_run.settings.store) as store:
        (summary,) = store.traces()
    assert summary.cost_usd == trace.totals.cost_usd == Decimal("0.011806")
    assert (summary.llm_calls, summary.total_tokens) == (3, 6_160)


def test_the_metrics_of_a_trace_add_up_to_its_cost(agent_run):
    spent = [
        point.value
        for span in recorded(agent_run).spans
        for point in points(span)
        if point.name == "llm.cost_usd"
    ]
    assert sum(map(Decimal, map(str, spent))) == Decimal("0.011806")


def test_a_call_inside_a_call_of_the_same_request_is_paid_once(tmp_path):
    """A model whose class asks another model: the inner call was bought, the outer one is its wrapper."""
    bought = ScriptedChatModel(replies=[message(1_000, 100)], **GPT_4O)

    class Wrapper(GenericFakeChatModel):
        def _generate(self, messages, stop=None, run_manager=None, **kwargs):
            below = CallbackManager([handler], parent_run_id=run_manager.run_id)
            answer = bought.invoke(messages, config={"callbacks": below})
            result = super()._generate(messages, stop=stop, run_manager=run_manager, **kwargs)
            result.generations[0].message.usage_metadata = answer.usage_metadata
            return result

        def _get_ls_params(self, stop=None, **kwargs):
            return {"ls_provider": "openai", "ls_model_name": "gpt-4o", "ls_model_type": "chat"}

    handler = handler_in(tmp_path)
    Wrapper(messages=iter([AIMessage("Two years.")])).invoke("hello", config={"callbacks": [handler]})
    trace = recorded(handler)
    assert [span.cost_usd for span in trace.spans] == [None, Decimal("0.0035")]
    assert trace.totals.cost_usd == Decimal("0.0035")


def test_what_the_store_keeps_differs_from_the_cost_by_less_than_a_nano_dollar(tmp_path):
    """19 cached tokens of Gemini at 0.01875 dollars a million are 356.25 nano-dollars."""
    sink = MemoryBackend()
    handler = ObsHandler(store=tmp_path / "spans.db", backends=[sink])
    details = {"input_token_details": {"cache_read": 19}}
    own = {"input": "0.075", "output": "0.3", "cache_read": "0.01875"}
    handler = ObsHandler(store=tmp_path / "spans.db", backends=[sink], prices={"gemini-small": own})
    model = ScriptedChatModel(
        replies=[message(19, 0, **details)], provider="google_genai", model_name="gemini-small"
    )
    stored = ask(model, handler)
    (sent,) = [span for span in sink.spans if span.kind == "llm"]
    assert sent.cost_usd == Decimal("0.00000035625")
    assert abs(stored.cost_usd - sent.cost_usd) <= Decimal("0.0000000005")

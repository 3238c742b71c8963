"""What a call costs: to the last digit, by the right line of the right table, or not at all and why."""

import re
import subprocess
import sys
import time
from datetime import UTC, datetime
from decimal import Decimal, Inexact, getcontext, localcontext

import pytest
from genai_prices import Usage as LibraryUsage
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given
from hypothesis import strategies as st

from spanscope.exceptions import ConfigError
from spanscope.pricing import Pricing, Usage
from spanscope.pricing.library import Entry, library
from spanscope.pricing.names import is_local
from spanscope.pricing.rates import Unpriceable, rates_from

NOW_NS = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 10**9


@pytest.fixture(scope="module")
def pricing():
    return Pricing(prices={}, deployments={})


def cost(pricing, usage, provider, model, **more):
    quote = pricing.quote(usage, provider=provider, response_model=model, at_ns=NOW_NS, **more)
    assert quote.cost is not None, quote.reason
    return quote.cost


# --- tiers, caches, parts: each figure computed by hand ------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "model", "usage", "expected"),
    [
        # 200 000 x 3 + 1 000 x 15; one token more and all pay 6 and 22.5
        ("anthropic", "claude-sonnet-4-5", Usage(200_000, 1_000), "0.615"),
        ("anthropic", "claude-sonnet-4-5", Usage(200_001, 1_000), "1.222506"),
        # 200 000 x 1.25 + 1 000 x 10; 200 001 x 2.5 + 1 000 x 15
        ("google_genai", "gemini-2.5-pro", Usage(200_000, 1_000), "0.26"),
        ("google_genai", "gemini-2.5-pro", Usage(200_001, 1_000), "0.5150025"),
        # cached tokens count for the limit, and pay its rate: 50 000 x 6 + 200 000 x 0.6
        ("anthropic", "claude-sonnet-4-5", Usage(250_000, 0, cache_read=200_000), "0.42"),
        # 10 000 x 3 + 60 000 x 0.3 + 20 000 x 3.75 + 10 000 x 6 + 500 x 15
        (
            "anthropic",
            "claude-sonnet-4-5",
            Usage(100_000, 500, cache_read=60_000, cache_write=30_000, cache_write_1h=10_000),
            "0.1905",
        ),
        # 600 x 2.5 + 400 x 1.25 + 100 x 10
        ("openai", "gpt-4o-2024-08-06", Usage(1_000, 100, cache_read=400), "0.003"),
        # 700 x 0.6 + 300 x 10 + 50 x 2.4 + 150 x 20: audio in, audio out
        (
            "openai",
            "gpt-4o-mini-realtime-preview",
            Usage(1_000, 200, input_audio=300, output_audio=150),
            "0.00654",
        ),
        # reasoning is output: 100 x 1.1 + 900 x 4.4
        ("openai", "o4-mini", Usage(100, 900, reasoning=800), "0.00407"),
        # one token of embedding, two hundredths of a millionth
        ("openai", "text-embedding-3-small", Usage(1, 0), "0.00000002"),
        # a price per request beside that of the tokens: 12 / 1 000 + 100 x 1 + 100 x 1
        ("perplexity", "sonar", Usage(100, 100), "0.0122"),
    ],
)
def test_the_cost_is_right_to_the_last_digit(pricing, provider, model, usage, expected):
    assert cost(pricing, usage, provider, model) == Decimal(expected)


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        # 600 uncached, 400 cached, 2 000 out of which 1 500 are reasoning
        (None, "0.0208"),  # 600 x 1.25  + 400 x 0.125  + 2 000 x 10
        ("default", "0.0208"),
        ("flex", "0.0104"),  # 600 x 0.625 + 400 x 0.0625 + 2 000 x 5
        ("priority", "0.0416"),  # 600 x 2.5 + 400 x 0.25 + 2 000 x 20
        ("batch", "0.0104"),
    ],
)
def test_a_service_tier_holds_for_every_part_also_for_reasoning(pricing, tier, expected):
    usage = Usage(1_000, 2_000, cache_read=400, reasoning=1_500)
    assert cost(pricing, usage, "openai", "gpt-5", tier=tier) == Decimal(expected).normalize()


def test_a_tier_that_the_table_does_not_have_gives_no_cost(pricing):
    quote = pricing.quote(Usage(1, 1), provider="openai", response_model="gpt-4o", tier="flex", at_ns=NOW_NS)
    assert quote.cost is None
    assert quote.reason == "the price table has no flex tier for openai/gpt-4o"


def test_a_tier_was_served_before_the_table_began_to_know_its_price(pricing):
    usage = Usage(1_000_000, 0)
    quote = pricing.quote(usage, provider="openai", response_model="gpt-5", tier="flex", at_ns=10**18)
    assert quote.cost == Decimal("0.625")


def test_who_resells_a_model_has_its_price_and_not_its_tiers(pricing):
    """Azure's own table lacks it, OpenAI's has it with a batch price that is OpenAI's alone."""
    borrowed = next(
        model.id
        for model in get_snapshot().find_provider(None, "openai", None).models
        if model.price_variants
        and library().find("azure", model.id).borrowed
        and library().find("openai", model.id).model is model
    )
    assert cost(pricing, Usage(1, 0), "azure", borrowed) > 0
    quote = pricing.quote(Usage(1, 0), provider="azure", response_model=borrowed, tier="batch")
    assert (quote.cost, quote.reason) == (None, f"the price table has no batch tier for azure/{borrowed}")


def test_groq_sells_flex_at_its_usual_price(pricing):
    usage, model = Usage(1_000_000, 0), "llama-3.3-70b-versatile"
    assert cost(pricing, usage, "groq", model, tier="flex") == cost(pricing, usage, "groq", model)


def test_parts_that_are_more_than_the_whole_give_no_cost(pricing):
    quote = pricing.quote(Usage(10, 1, cache_read=11), provider="openai", response_model="gpt-4o")
    assert quote.cost is None
    assert quote.reason == "the parts of the input are more than the input itself"


def test_a_price_that_changes_with_the_hour_is_that_of_the_call(pricing):
    """DeepSeek sold its models for less in the small hours."""
    hours = {hour: cost_at(pricing, datetime(2025, 6, 1, hour, 0, tzinfo=UTC)) for hour in (12, 16, 17, 23)}
    assert hours[12] == hours[16] > hours[17] == hours[23]


def cost_at(pricing, moment):
    at_ns = int(moment.timestamp()) * 10**9
    return pricing.quote(
        Usage(1_000_000, 0), provider="deepseek", response_model="deepseek-chat", at_ns=at_ns
    ).cost


def test_the_whole_table_gives_what_the_library_itself_computes():
    """Every model, several mixes of tokens; ours is fifty times as fast and must not differ in a digit."""
    moment = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
    table, compared = library(), 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            entry = Entry(f"{provider.id}/{model.id}", provider.id, model, changes=True, tiers_change=True)
            try:
                rates = table.rates(entry, "", int(moment.timestamp()) * 10**9)
            except Unpriceable:
                continue
            for usage in (
                Usage(1_234, 567),
                Usage(200_000, 1),
                Usage(200_001, 1, cache_read=150_000, cache_write=20_001, cache_write_1h=7),
                Usage(5_000, 901, reasoning=333, input_audio=1_001, output_audio=77),
            ):
                try:
                    ours = rates.cost(usage)
                except Unpriceable:
                    continue
                theirs = model.calc_price(
                    LibraryUsage(
                        input_tokens=usage.input,
                        output_tokens=usage.output,
                        cache_read_tokens=usage.cache_read,
                        cache_write_tokens=usage.cache_write,
                        cache_write_1h_tokens=usage.cache_write_1h,
                        output_reasoning_tokens=usage.reasoning,
                        input_audio_tokens=usage.input_audio,
                        output_audio_tokens=usage.output_audio,
                    ),
                    provider,
                    genai_request_timestamp=moment,
                )
                assert ours == theirs.total_price, (entry.name, usage)
                compared += 1
    assert compared > 5_000


amounts = st.decimals(min_value=0, max_value=1_000, places=6)
counts = st.integers(min_value=0, max_value=2**62)


@given(amounts, amounts, amounts, counts, counts, st.integers(min_value=0, max_value=100))
def test_sums_are_exact_whatever_the_figures(rate_in, rate_out, rate_read, taken, made, share):
    rates = rates_from({-1: {"input": rate_in, "output": rate_out, "cache_read": rate_read}})
    read = taken * share // 100
    expected = [rate_in * 10**6, rate_read * 10**6, rate_out * 10**6]
    whole = int(expected[0]) * (taken - read) + int(expected[1]) * read + int(expected[2]) * made
    assert rates.cost(Usage(taken, made, cache_read=read)) * 10**12 == exactly(whole)


def exactly(number):
    with localcontext() as context:
        context.prec = 100
        return Decimal(number)


def test_the_application_may_have_decimals_of_its_own_precision(pricing):
    before = getcontext().copy()
    try:
        getcontext().prec = 2
        getcontext().traps[Inexact] = True
        assert cost(pricing, Usage(123_457, 7), "openai", "gpt-4o") == Decimal("0.3087125")
    finally:
        getcontext().prec = before.prec
        getcontext().traps[Inexact] = False


# --- whose line of the table ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "per_million_in"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "0.25"),
        ("eu.anthropic.claude-3-haiku-20240307-v1:0", "0.25"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "3.3"),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "3"),
        ("us-gov.anthropic.claude-3-5-sonnet-20240620-v1:0", "3"),
        ("apac.amazon.nova-micro-v1:0", "0.035"),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-3-haiku-20240307-v1:0",
            "0.25",
        ),
    ],
)
def test_regions_and_versions_in_the_names_of_bedrock_are_understood(pricing, model, per_million_in):
    assert cost(pricing, Usage(1_000_000, 0), "amazon_bedrock", model) == Decimal(per_million_in)


@pytest.mark.parametrize(
    ("provider", "model", "priced"),
    [
        ("google_genai", "models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("google_vertexai", "publishers/google/models/gemini-2.5-flash", "google/gemini-2.5-flash"),
        ("azure", "gpt-35-turbo", "azure/gpt-3.5-turbo"),
        ("mistralai", "mistral-large-latest", "mistral/mistral-large"),
        ("xai", "grok-4", "x-ai/grok-4-0709"),
        ("litellm", "azure/gpt-4o", "azure/gpt-4o"),
        (None, "openai/gpt-4o", "openai/gpt-4o"),
        ("azure.ai.openai", "gpt-4o", "azure/gpt-4o"),
    ],
)
def test_a_model_is_found_under_the_names_that_clients_give_it(pricing, provider, model, priced):
    quote = pricing.quote(Usage(1, 1), provider=provider, request_model=model, at_ns=NOW_NS)
    assert (quote.model, quote.source) == (priced, "genai-prices")


def test_the_same_model_costs_something_else_elsewhere(pricing):
    usage, name = Usage(1_000_000, 0), "claude-sonnet-4-5-20250929"
    at_home = cost(pricing, usage, "anthropic", name)
    at_aws = cost(pricing, usage, "bedrock", f"us.anthropic.{name}-v1:0")
    assert (at_home, at_aws) == (Decimal(6), Decimal("3.3"))


@pytest.mark.parametrize("provider", ["ollama", "llama.cpp", "vllm", "Ollama", "huggingface_pipeline"])
def test_a_local_model_costs_nothing_whatever_it_is_called(pricing, provider):
    quote = pricing.quote(Usage(1_000, 1_000), provider=provider, request_model="gpt-4o")
    assert (quote.cost, quote.source) == (Decimal(0), "local")


def test_ollamas_rented_models_are_not_local():
    assert is_local("ollama", "llama3.2")
    assert not is_local("ollama", "gpt-oss:120b-cloud")


def test_the_answering_model_goes_before_the_one_asked_for(pricing):
    quote = pricing.quote(
        Usage(1, 1), provider="openai", request_model="gpt-4o", response_model="gpt-4o-mini-2024-07-18"
    )
    assert quote.model == "openai/gpt-4o-mini"


def test_a_host_that_speaks_like_openai_has_prices_of_its_own(pricing):
    quote = pricing.quote(
        Usage(1_000_000, 0),
        provider="openai",
        request_model="deepseek-chat",
        address="api.deepseek.com",
        at_ns=NOW_NS,
    )
    assert quote.model == "deepseek/deepseek-chat"


@pytest.mark.parametrize(
    ("provider", "model", "reason"),
    [
        ("openai", "gpt-next", "genai-prices .* has no price for openai/gpt-next: give prices="),
        ("nobody", "gpt-4o", "genai-prices .* has no price for nobody/gpt-4o: give prices="),
        (None, "gpt-4o", "nobody says who serves the model gpt-4o"),
        ("openai", None, "neither the response nor the request names a model"),
        ("openai", "whisper-1", "openai/whisper-1 is not sold by the token .*"),
    ],
)
def test_an_unknown_price_is_none_and_says_why(pricing, provider, model, reason):
    quote = pricing.quote(Usage(10, 10), provider=provider, request_model=model)
    assert quote.cost is None
    assert re.fullmatch(reason, quote.reason), quote.reason


def test_each_quote_names_its_table(pricing):
    from importlib.metadata import version

    quote = pricing.quote(Usage(1, 1), provider="openai", request_model="gpt-4o")
    assert quote.table == f"genai-prices {version('genai-prices')}"


# --- own prices and deployments ---------------------------------------------------------------------------

OWN = {
    "openai/gpt-house": {"input": 3, "output": "12.5", "cache_read": 0.1},
    "gpt-longer": {
        "input": 2,
        "output": 8,
        "request": 0.005,
        "long_context": [{"above": 200_000, "input": 4, "output": 12}],
        "tiers": {"flex": 0.5, "batch": {"input": 1, "output": 4}},
    },
}
TOML = """
version = "2026-10"

[deployments]
"shop-turbo" = "gpt-4-turbo"

[prices."openai/gpt-house"]
input = 3
output = 12.5
cache_read = 0.1

[prices."gpt-longer"]
input = 2
output = 8
request = 0.005
long_context = [{ above = 200_000, input = 4, output = 12 }]
tiers = { flex = 0.5, batch = { input = 1, output = 4 } }
"""


@pytest.fixture(params=["mapping", "file", "variable"])
def own(request, tmp_path, monkeypatch):
    """The same prices, given in each of the ways."""
    monkeypatch.delenv("SPANSCOPE_PRICES", raising=False)
    if request.param == "mapping":
        return Pricing(OWN, {"shop-turbo": "gpt-4-turbo"})
    path = tmp_path / "prices.toml"
    path.write_text(TOML)
    if request.param == "file":
        return Pricing(path)
    monkeypatch.setenv("SPANSCOPE_PRICES", str(path))
    return Pricing()


@pytest.mark.parametrize(
    ("provider", "model", "usage", "tier", "expected"),
    [
        ("openai", "gpt-house", Usage(1_000, 10, cache_read=400), None, "0.001965"),
        ("anyone", "GPT-longer", Usage(200_000, 1_000), None, "0.413"),
        ("anyone", "gpt-longer", Usage(200_001, 1_000), None, "0.817004"),
        ("anyone", "gpt-longer", Usage(200_001, 1_000), "flex", "0.408502"),
        ("anyone", "gpt-longer", Usage(1_000_000, 1_000), "batch", "1.004"),
    ],
)
def test_own_prices_are_taken_however_they_are_given(own, provider, model, usage, tier, expected):
    quote = own.quote(usage, provider=provider, request_model=model, tier=tier)
    assert (quote.cost, quote.source) == (Decimal(expected), "user")


def test_own_prices_hold_for_their_provider_alone(own):
    quote = own.quote(Usage(1, 1), provider="azure", request_model="gpt-house")
    assert quote.cost is None


def test_own_prices_go_before_the_table_and_before_the_rule_for_local_models():
    own = Pricing({"gpt-4o": {"input": 1, "output": 1}})
    for provider in ("openai", "ollama"):
        quote = own.quote(Usage(1_000_000, 0), provider=provider, request_model="gpt-4o")
        assert (quote.cost, quote.source) == (Decimal(1), "user")


def test_a_deployment_goes_before_the_name_in_the_response(own):
    """Azure answers `gpt-4` for a deployment of gpt-4-turbo, which costs a third of it."""
    usage = Usage(1_000_000, 0)
    asked = {"provider": "azure", "response_model": "gpt-4"}
    assert own.quote(usage, request_model="shop-turbo", **asked).cost == Decimal(10)
    assert own.quote(usage, request_model="shop-other", **asked).cost == Decimal(30)


def test_a_deployment_may_name_another_provider():
    own = Pricing(deployments={"gateway-large": "anthropic/claude-sonnet-4-5"})
    quote = own.quote(Usage(1, 1), provider="openai", request_model="gateway-large")
    assert quote.model == "anthropic/claude-sonnet-4-5"


def test_a_table_is_named_by_its_version_or_by_a_hash_of_its_prices(tmp_path):
    def table(prices):
        return Pricing(prices).quote(Usage(1, 1), provider="p", request_model="m").table

    path = tmp_path / "prices.toml"
    path.write_text('version = "2026-10"\n[prices.m]\ninput = 1\noutput = 1\n')
    assert table(path) == "user 2026-10"
    assert table({"m": {"input": 1, "output": 1}}) == table({"m": {"output": 1.0, "input": "1"}})
    assert table({"m": {"input": 1, "output": 1}}) != table({"m": {"input": 1, "output": 2}})


@pytest.mark.parametrize(
    ("prices", "said"),
    [
        ({"m": {"inputs": 1}}, "m: unknown rate 'inputs': known are input, output"),
        ({"m": {}}, "m: no rate is given"),
        ({"m": 3}, "m: give rates such as"),
        ({"m": {"input": -1}}, "m, input: -1 is no amount"),
        ({"m": {"input": "free"}}, "m, input: 'free' is no amount"),
        ({"m": {"input": float("nan")}}, "m, input: nan is no amount"),
        ({"m": {"input": True}}, "m, input: True is no amount"),
        ({"m": {"input": 1, "tiers": {"flex": "half"}}}, "m, tier flex: 'half' is no amount"),
        ({"m": {"input": 1, "long_context": [{"input": 2}]}}, "m: long_context is a list such as"),
        ({3: {"input": 1}}, "a model is named by a string, not 3"),
        (["m"], "prices= is a mapping or the path of a TOML file, not list"),
        ("/nowhere/prices.toml", "the price table /nowhere/prices.toml cannot be read: No such file"),
    ],
)
def test_a_mistake_in_own_prices_speaks_at_set_up(prices, said):
    with pytest.raises(ConfigError) as mistake:
        Pricing(prices)
    assert said in str(mistake.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[prices", "is not TOML"),
        ("[price.m]\ninput = 1", "unknown section 'price'"),
        ("[deployments]\nx = 3", "deployment 'x' needs the name of a model, not 3"),
        ("[prices.m]\noutput = 'x'", "prices.toml: m, output: 'x' is no amount"),
    ],
)
def test_a_mistake_in_a_file_names_the_file_and_the_line_of_the_table(tmp_path, text, said):
    path = tmp_path / "prices.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as mistake:
        Pricing(path)
    assert str(path) in str(mistake.value)
    assert said in str(mistake.value)


# --- speed ------------------------------------------------------------------------------------------------


def test_what_was_looked_up_once_is_not_looked_up_again(pricing):
    """A tenth of the look-ups, with room for a busy machine; benchmarks/prices.py measures the figure."""
    names = [model.id for model in get_snapshot().find_provider(None, "openai", None).models[:20]]
    begun = time.process_time()
    for number in range(10_000):
        pricing.quote(
            Usage(number, 10), provider="openai", response_model=names[number % 20], at_ns=NOW_NS + number
        )
    assert time.process_time() - begun < 1


# --- importing the table -------------------------------------------------------------------------------


def test_the_table_is_imported_without_the_http_client_that_others_would_see_half_imported():
    # OpenAI's SDK takes `httpx2` out of `sys.modules` with each call, complete or not.
    program = (
        "import sys\n"
        "from spanscope.pricing.library import library\n"
        "assert library().find('openai', 'gpt-4o') is not None\n"
        "assert 'httpx2' not in sys.modules\n"
        "import genai_prices, httpx2\n"
        "assert isinstance(genai_prices.UpdatePrices().request_timeout, httpx2.Timeout)\n"
        "assert not [one for one in sys.meta_path if 'spanscope' in getattr(one, '__module__', '')]\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_rented_model_that_answers_under_its_bare_name_is_not_taken_for_a_local_one():
    quote = Pricing().quote(
        Usage(1_000, 10), provider="ollama", request_model="m:120b-cloud", response_model="m:120b"
    )
    assert (quote.cost, quote.source) == (None, None)

"""Stored costs computed anew: calls, traces and the report agree, and a dry run leaves all as it was."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from recording import handler_in, settled

from spanscope import open_store, semconv
from spanscope.cli import main
from spanscope.pricing import Pricing
from spanscope.store import repricing
from spanscope.testing import ScriptedChatModel

DOUBLE = {"openai/gpt-4o": {"input": 5, "output": 20}}


def model(provider, name, **metadata):
    usage = {"input_tokens": 1_000, "output_tokens": 100, "total_tokens": 1_100}
    reply = AIMessage("Two years.", usage_metadata=usage, response_metadata=metadata)
    return ScriptedChatModel(replies=[reply], provider=provider, model_name=name)


@pytest.fixture
def store(tmp_path):
    """Three calls of gpt-4o (0.0035 dollars each) in two traces, one of an unknown model, one real cost."""
    handler = handler_in(tmp_path)
    known = model("openai", "gpt-4o")
    config = {"callbacks": [handler]}
    RunnableLambda(lambda text: [known.invoke(text), known.invoke(text)]).invoke("hello", config=config)
    known.invoke("hello", config=config)
    model("openai", "gpt-next").invoke("hello", config=config)
    model("openrouter", "openai/gpt-4o", cost=0.5).invoke("hello", config=config)
    settled(handler)
    with open_store(tmp_path / "spans.db") as opened:
        yield opened


def costs(store):
    """Every call's cost, and every trace's: as stored and as added up anew."""
    spans = {span.span_id: (span.cost_usd, span.cost_source) for span in store.spans(None, kind="llm")}
    listed = {one.trace_id: one.cost_usd for one in store.traces(None)}
    added = {trace_id: store.trace(trace_id).totals.cost_usd for trace_id in listed}
    assert listed == added
    return spans, listed


def test_nothing_changes_when_no_price_has_changed(store):
    before = costs(store)
    change = store.reprice(Pricing({}, {}))
    assert (change.calls, change.changed, change.difference_usd) == (5, 0, 0)
    assert costs(store) == before


def test_new_prices_reach_calls_and_traces_alike(store):
    change = store.reprice(Pricing(DOUBLE))
    spans, traces = costs(store)
    assert sorted(map(str, (cost for cost, source in spans.values() if source == "user"))) == ["0.007"] * 3
    assert sum(cost for cost in traces.values() if cost) == Decimal("0.021") + Decimal("0.5")
    assert (change.changed, change.traces_changed) == (3, 2)


def test_the_report_gives_the_difference_by_model(store):
    change = store.reprice(Pricing(DOUBLE), dry_run=True)
    by_model = {m.model: (m.calls, m.changed, m.unpriced, m.difference_usd) for m in change.models}
    assert by_model == {
        "openai/gpt-4o": (3, 3, 0, Decimal("0.0105")),
        "openai/gpt-next": (1, 0, 1, 0),
        "openrouter/openai/gpt-4o": (1, 0, 0, 0),
    }
    assert change.models[0].model == "openai/gpt-4o"  # the greatest difference first
    assert {m.model for m in change.models if m.before_usd is None} == {"openai/gpt-next"}
    assert change.difference_usd == change.after_usd - change.before_usd == Decimal("0.0105")
    assert {table.split()[0] for table in change.tables} == {"user", "genai-prices"}


def test_a_dry_run_leaves_everything_as_it_was(store):
    before = costs(store)
    assert store.reprice(Pricing(DOUBLE), dry_run=True).changed == 3
    assert costs(store) == before


def test_a_dry_run_promises_what_the_true_run_does(store):
    promised = store.reprice(Pricing(DOUBLE), dry_run=True).to_dict()
    assert store.reprice(Pricing(DOUBLE)).to_dict() == promised | {"dry_run": False}
    assert store.reprice(Pricing(DOUBLE)).changed == 0


def test_a_model_gets_its_first_price(store):
    (before,) = store.spans(model="gpt-next")
    assert before.attributes[semconv.PRICE_MISSING] is True
    store.reprice(Pricing({"gpt-next": {"input": 1, "output": 1}}))
    (after,) = store.spans(model="gpt-next")
    assert (after.cost_usd, after.cost_source) == (Decimal("0.0011"), "user")
    assert semconv.PRICE_MISSING not in after.attributes
    assert semconv.COST_MISSING_REASON not in after.attributes
    assert after.attributes[semconv.PRICE_TABLE].startswith("user ")
    assert after.attributes[semconv.ROLES] == before.attributes[semconv.ROLES]


def test_what_a_provider_reported_stays(store):
    own = Pricing({"openai/gpt-4o": {"input": 9, "output": 9}, "openrouter/openai/gpt-4o": {"input": 9}})
    store.reprice(own)
    (real,) = [span for span in store.spans() if span.provider == "openrouter"]
    assert (real.cost_usd, real.cost_source) == (Decimal("0.5"), "provider")


def test_a_known_cost_is_not_given_up_for_an_unknown_one(store):
    store.reprice(Pricing({"gpt-next": {"input": 1, "output": 1}}))
    change = store.reprice(Pricing({}, {}))
    (kept,) = store.spans(model="gpt-next")
    assert kept.cost_usd == Decimal("0.0011")
    assert (change.unpriced, change.changed) == (1, 0)


def test_cached_answers_stay_free(tmp_path):
    handler = handler_in(tmp_path)
    cached = model("openai", "gpt-4o").model_copy(update={"cache": InMemoryCache()})
    for _ in range(2):
        cached.invoke("hello", config={"callbacks": [handler]})
    settled(handler)
    with open_store(tmp_path / "spans.db") as store:
        assert store.reprice(Pricing(DOUBLE)).changed == 1
        assert [span.cost_usd for span in store.spans()] == [0, Decimal("0.007")]


def test_only_calls_of_the_period_are_priced(store):
    later = datetime.now(UTC) + timedelta(hours=1)
    assert store.reprice(Pricing(DOUBLE), since=later).calls == 0
    assert store.reprice(Pricing(DOUBLE), until=later, since="2h", dry_run=True).changed == 3


def test_a_large_store_is_done_page_by_page(store, monkeypatch):
    monkeypatch.setattr(repricing, "PAGE", 2)
    change = store.reprice(Pricing(DOUBLE))
    assert (change.calls, change.changed, change.traces_changed) == (5, 3, 2)
    costs(store)


def test_the_store_can_be_written_to_meanwhile(store, tmp_path):
    """Somebody else's handler goes on recording between and after."""
    handler = handler_in(tmp_path)
    model("openai", "gpt-4o").invoke("hello", config={"callbacks": [handler]})
    assert store.reprice(Pricing(DOUBLE)).calls == 5
    settled(handler)
    assert store.reprice(Pricing(DOUBLE)).changed == 1


def run(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code, capsys.readouterr()


def test_the_command_prints_the_difference_and_changes_the_store(store, tmp_path, capsys):
    prices = tmp_path / "prices.toml"
    prices.write_text('[prices."openai/gpt-4o"]\ninput = 5\noutput = 20\n')
    options = ["reprice", "--store", str(tmp_path / "spans.db"), "--prices", str(prices), "--json"]
    code, said = run([*options, "--dry-run"], capsys)
    assert (code, json.loads(said.out)["difference_usd"]) == (0, "0.0105")
    code, said = run(options, capsys)
    assert json.loads(said.out)["models"][0]["after_usd"] == "0.021"
    assert {span.cost_usd for span in store.spans(model="gpt-4o")} == {Decimal("0.007")}


def test_the_command_says_in_words_what_it_did(store, tmp_path, capsys):
    code, said = run(["reprice", "--store", str(tmp_path / "spans.db")], capsys)
    assert code == 0
    assert re.search(r"openai/gpt-4o +3 +0 +0 +\$0\.0105 +\$0\.0105 +\$0\.00", said.out)
    assert "0 of 5 calls changed, in 0 traces: $0.00" in said.out
    assert re.search(r"openai/gpt-next +1 +0 +1 +- +- +\$0\.00", said.out)  # not known, hence no sum
    assert "No price in the table for 1 call;" in said.out


def test_a_mistake_in_the_prices_is_one_line(store, tmp_path, capsys):
    code, said = run(["reprice", "--store", str(tmp_path / "spans.db"), "--prices", "/nowhere.toml"], capsys)
    assert code == 2
    assert said.err.startswith("spanscope: the price table /nowhere.toml cannot be read")

"""The stage of the worker thread: gives a model call's draft its cost, and on wish its missing token counts.

A cost that the provider reported stands.  An answer from a cache costs nothing, and says what it saved.  All
else is asked of `quotes`; where there is no answer, the draft says why, and `health` counts it.

Between `assembler` and `redaction`, so it still sees raw texts; it keeps none.
"""

from decimal import Decimal
from typing import Any, Final

from spanscope import semconv
from spanscope.drafts import Draft
from spanscope.health import Health
from spanscope.pricing.facts import said_of, usage_of
from spanscope.pricing.quotes import Pricing, Quote, default_pricing
from spanscope.pricing.tokens import Estimator

STAGE: Final = "pricing"
NO_USAGE: Final = "the token counts are not known"
_FREE: Final = Decimal(0)


class PricingStage:
    """Prices drafts.  For one thread."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._estimator = Estimator()
        self._by_environment: Pricing | None = None

    def price(self, draft: Draft) -> Draft:
        """The same draft, with its cost or a reason for none.  Never raises."""
        if draft.facts.get("kind") in semconv.MODEL_KINDS and draft.status != "open":
            try:
                self._price(draft, draft.pricing or self._default())
            except Exception as fault:  # noqa: BLE001  the boundary of `pricing`: the span goes on without a cost
                self._health.fault(STAGE, fault)
        return draft

    def _price(self, draft: Draft, pricing: Pricing) -> None:
        facts, attributes = draft.facts, draft.attributes
        if facts.get("usage_in_children"):
            return  # The call below it was bought, and has the cost.
        if facts.get("cost_usd") is not None:
            facts.setdefault("cost_source", "provider")
            return
        if facts.get("cache_hit"):
            facts["cost_usd"], facts["cost_source"] = _FREE, "cache"
            saved = quote_of(draft, pricing)
            if saved is not None and saved.cost is not None:
                attributes[semconv.COST_SAVED] = float(saved.cost)
                attributes[semconv.PRICE_TABLE] = saved.table
            return
        if pricing.estimate_tokens:
            self._estimate(draft)
        quote = quote_of(draft, pricing)
        if quote is None:
            attributes[semconv.COST_MISSING_REASON] = NO_USAGE
            return
        attributes.update(said_of(quote))
        if quote.cost is not None:
            facts["cost_usd"], facts["cost_source"] = quote.cost, quote.source
        elif not facts.get("amended"):
            self._health.count("price_missing")

    def _default(self) -> Pricing:
        """For drafts of sources that were told nothing."""
        if self._by_environment is None:
            self._by_environment = default_pricing()
        return self._by_environment

    def _estimate(self, draft: Draft) -> None:
        """Fill in the counts that are not known, and say that they are estimates."""
        facts = draft.facts
        if draft.status == "error" and not draft.outputs:
            return  # A call that failed before it answered: nothing says that anything was bought.
        model = facts.get("response_model") or facts.get("request_model")
        embeds = facts["kind"] == "embedding"
        method = None
        if facts.get("input_tokens") is None and draft.inputs:
            count = self._estimator.texts if embeds else self._estimator.messages
            facts["input_tokens"], method = count(draft.inputs, model)
        if facts.get("output_tokens") is None and draft.outputs and not embeds:
            facts["output_tokens"], method = self._estimator.texts(draft.outputs, model)
        if method is None:
            return
        facts["usage_source"] = "estimated"
        draft.attributes[semconv.USAGE_METHOD] = method
        if facts.get("total_tokens") is None and (embeds or facts.get("output_tokens") is not None):
            facts["total_tokens"] = facts["input_tokens"] + (facts.get("output_tokens") or 0)


def quote_of(draft: Draft, pricing: Pricing) -> Quote | None:
    """What the call of this draft costs; None when its tokens are not known."""
    facts = draft.facts
    usage = usage_of(facts["kind"], facts.get, draft.attributes.get)
    if usage is None:
        return None
    return pricing.quote(
        usage,
        provider=_text(facts.get("provider")),
        request_model=_text(facts.get("request_model")),
        response_model=_text(facts.get("response_model")),
        tier=_text(draft.attributes.get(semconv.SERVICE_TIER)),
        at_ns=draft.start_ns,
        address=_text(draft.attributes.get(semconv.SERVER_ADDRESS)),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None

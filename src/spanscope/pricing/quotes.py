"""The price of one call: whose table, which line of it, which tier, and the sum.

Asked in this order: the user's own prices; nothing to pay for a model on the user's own machine; the library.
The model is the one that the user's deployments name, else the one that answered, else the one asked for; the
provider is part of the question, for the same model costs something else elsewhere.

Looking a model up takes a fifth of a millisecond, and an application calls few models: answers are kept.

Used by `stage` on the worker thread and by `Store.reprice`; for one thread at a time.
"""

import time
from decimal import Decimal
from typing import Final, NamedTuple

from spanscope.pricing import library as price_library
from spanscope.pricing.names import canonical, is_local, named_provider, split_route
from spanscope.pricing.own import OwnPrice, PriceSource, PricingSettings, pricing_settings
from spanscope.pricing.rates import FREE, Rates, Unpriceable, Usage

MINUTE_NS: Final = 60_000_000_000
_REMEMBERED: Final = 20_000
_OURS: Final = "by rule"


class Quote(NamedTuple):
    """What a call costs, or why that is not known."""

    cost: Decimal | None
    """US dollars, exact."""
    source: str | None = None
    """`user`, `genai-prices` or `local`."""
    table: str | None = None
    """The price table and its version."""
    model: str | None = None
    """`provider/model` of the line that was taken."""
    reason: str | None = None
    """Why there is no cost."""


class _Plan(NamedTuple):
    """What is known of a model before the tokens are: rates, or why there are none."""

    rates: Rates | None
    source: str | None
    table: str | None
    model: str | None
    reason: str | None


class _Match(NamedTuple):
    """Where a model was found: in the user's table or in the library, or (neither) why not."""

    own: OwnPrice | None
    entry: price_library.Entry | None
    model: str | None
    local: bool = False
    reason: str | None = None


class Pricing:
    """Prices with the user's own on top.  Keeps its answers, so one object serves a whole process.

    `prices` is a mapping of `provider/model` to rates or the path of a TOML file, `deployments` maps the
    names of deployments to models; `estimate_tokens` has missing token counts estimated.  What is None is
    taken from SPANSCOPE_PRICES and SPANSCOPE_ESTIMATE_TOKENS.  Raises `ConfigError` for a mistake in them.
    """

    def __init__(
        self,
        prices: PriceSource = None,
        deployments: PriceSource = None,
        *,
        estimate_tokens: bool | None = None,
        settings: PricingSettings | None = None,
    ) -> None:
        self.settings = settings or pricing_settings(prices, deployments, estimate_tokens)
        self.estimate_tokens = self.settings.estimate_tokens
        self._table = self.settings.table
        self._library: price_library.Library | None = None
        self._matches: dict[tuple[str | None, str | None, str | None, str | None], _Match] = {}
        self._plans: dict[tuple[_Key, str, int], _Plan] = {}

    def quote(
        self,
        usage: Usage,
        *,
        provider: str | None,
        request_model: str | None = None,
        response_model: str | None = None,
        tier: str | None = None,
        at_ns: int | None = None,
        address: str | None = None,
    ) -> Quote:
        """The cost of a call of these tokens, made at `at_ns` (nanoseconds since the epoch; None: now).

        `tier` is the service tier that the provider says it used; `address` the host that answered, which
        tells apart the providers that a client takes for OpenAI.
        """
        if self._library is not None and not self._library.is_current():
            self._forget()
        key = (provider, request_model, response_model, address)
        match = self._matches.get(key)
        if match is None:
            match = self._remember(key)
        tier = tier.lower() if tier else ""
        entry = match.entry
        timed = entry is not None and (entry.changes or (entry.tiers_change and tier != ""))
        if at_ns is None:
            at_ns = time.time_ns()
        minute = at_ns // MINUTE_NS if timed else 0
        plan = self._plans.get((key, tier, minute))
        if plan is None:
            if len(self._plans) >= _REMEMBERED:
                self._plans.clear()
            plan = self._plans[key, tier, minute] = self._plan(match, tier, at_ns)
        if plan.rates is None:
            return Quote(None, None, plan.table, plan.model, plan.reason)
        try:
            return Quote(plan.rates.cost(usage), plan.source, plan.table, plan.model)
        except Unpriceable as reason:
            return Quote(None, None, plan.table, plan.model, str(reason))

    def _forget(self) -> None:
        self._library = None
        self._matches.clear()
        self._plans.clear()

    def _remember(self, key: "_Key") -> _Match:
        if len(self._matches) >= _REMEMBERED:
            self._matches.clear()
        found = self._matches[key] = self._match(*key)
        return found

    # --- which line of which table ------------------------------------------------------------------

    def _match(
        self, provider: str | None, request_model: str | None, response_model: str | None, address: str | None
    ) -> _Match:
        names = self._names(provider, request_model, response_model)
        if not names:
            return _Match(None, None, None, reason="neither the response nor the request names a model")
        for whose, name in names:
            for spelled in (f"{whose}/{name}", f"{canonical(whose or '')}/{name}", name):
                if (own := self._table.prices.get(spelled.lower())) is not None:
                    return _Match(own, None, spelled.lower())
        first = f"{names[0][0]}/{names[0][1]}"
        if names[0][0] is None:
            return _Match(None, None, None, reason=f"nobody says who serves the model {names[0][1]}")
        if all(whose is None or is_local(whose, name) for whose, name in names):
            return _Match(None, None, first, local=True)
        try:
            table = self._opened()
        except ImportError as fault:
            return _Match(
                None, None, first, reason=f"genai-prices cannot be imported ({type(fault).__name__})"
            )
        for whose, name in names:
            if (
                whose is not None
                and (entry := table.find(_served_by(table, whose, address), name)) is not None
            ):
                return _Match(None, entry, entry.name)
        return _Match(None, None, first, reason=f"{table.version} has no price for {first}: give prices=")

    def _names(
        self, provider: str | None, request_model: str | None, response_model: str | None
    ) -> list[tuple[str | None, str]]:
        """Provider and model as they may stand in a table, in the order of trust."""
        if (behind := self._behind(provider, request_model, response_model)) is not None:
            # What the user says is behind a deployment may name another provider as well.
            return [routed] if (routed := named_provider(behind)) else [(provider, behind)]
        given = dict.fromkeys(name for name in (response_model, request_model) if name)
        return [split_route(provider, name) for name in given]

    def _behind(self, provider: str | None, *names: str | None) -> str | None:
        deployments = self._table.deployments
        if not deployments:
            return None
        for name in names:
            if name:
                for spelled in (f"{provider}/{name}", name):
                    if (model := deployments.get(spelled.lower())) is not None:
                        return model
        return None

    def _opened(self) -> price_library.Library:
        if self._library is None:
            self._library = price_library.library()
        return self._library

    # --- its rates ------------------------------------------------------------------------------------

    def _plan(self, match: _Match, tier: str, at_ns: int) -> _Plan:
        if match.own is not None:
            own = match.own
            rates = own.tiers.get(tier)
            if rates is None and tier in ("flex", "priority", "batch", "fast"):
                reason = f"your prices have no {tier} tier for {match.model}"
                return _Plan(None, None, self._table.version, match.model, reason)
            return _Plan(rates or own.standard, "user", self._table.version, match.model, None)
        if match.local:
            return _Plan(FREE, "local", _OURS, match.model, None)
        if match.entry is None:
            table = self._library.version if self._library is not None else None
            return _Plan(None, None, table, match.model, match.reason)
        library = self._opened()
        try:
            found = library.rates(match.entry, tier, at_ns)
        except Unpriceable as unknown:
            return _Plan(None, None, library.version, match.model, str(unknown))
        return _Plan(found, "genai-prices", library.version, match.model, None)


_Key = tuple[str | None, str | None, str | None, str | None]

_shared: Final[dict[str, Pricing]] = {}


def pricing_for(settings: PricingSettings) -> Pricing:
    """One object for all who ask for the same, so that a model is looked up once in a process."""
    found = _shared.get(settings.key)
    if found is None or found.settings != settings:
        found = _shared[settings.key] = Pricing(settings=settings)
    return found


def default_pricing() -> Pricing:
    """As the environment says."""
    return pricing_for(pricing_settings())


def _served_by(table: price_library.Library, provider: str, address: str | None) -> str:
    """Clients for OpenAI's protocol say `openai` whoever answers; the host knows better."""
    if address and canonical(provider) == "openai":
        return table.provider_at(address) or provider
    return provider

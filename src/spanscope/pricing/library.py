"""The maintained price table, genai-prices, as rates by provider and model.

Imported when it is first asked (a third of a second, on the worker thread).  It never fetches anything: where
the application itself keeps genai-prices up to date, those prices are taken, and named by their date.

A price may change on a day or with the hour, so the time of the call is part of the question; answers are
kept by minute for such models, and for good for all others.

Used by `quotes`.
"""

import builtins
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from importlib import import_module
from importlib.machinery import PathFinder
from typing import Any, Final, NamedTuple

from spanscope.pricing.names import canonical, spellings
from spanscope.pricing.rates import FREE, Rates, Unpriceable, rates_from

_BUCKETS: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_reasoning_mtok": "reasoning",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
}
"""The table's words for rates -> ours.  What else it prices (searches, images, hours) no client reports."""
_REQUESTS: Final = "requests_kcount"

_NO_TIER: Final = frozenset({"", "default", "standard", "standard_only", "auto", "on_demand"})
_TIERS: Final[dict[str, dict[str, str]]] = {
    "batch": {"processing": "batch"},
    "fast": {"service_tier": "fast", "speed": "fast"},
}
_SAME_PRICE: Final = frozenset({("groq", "flex"), ("groq", "performance")})
"""Tiers that differ in something else than the price."""


class Entry(NamedTuple):
    """A line of the table: `model` is the library's object."""

    name: str
    provider: str
    model: Any
    changes: bool
    """Its price depends on the time."""
    tiers_change: bool
    """Those of its service tiers do."""
    borrowed: bool = False
    """The line of another provider's table: who resells a model need not resell its service tiers."""


class Library:
    """One state of the price table.  Raises ImportError when genai-prices cannot be imported."""

    def __init__(self) -> None:
        with _without_http_client():
            import genai_prices
            from genai_prices import data_snapshot

        self._module = data_snapshot
        self._release: str = genai_prices.__version__
        self._snapshot = data_snapshot.get_snapshot()

    @property
    def version(self) -> str:
        """`genai-prices` and its release, or the day on which the application fetched newer prices."""
        if self._snapshot.from_auto_update:
            return f"genai-prices {self._snapshot.timestamp:%Y-%m-%d}"
        return f"genai-prices {self._release}"

    def is_current(self) -> bool:
        """False once the application has fetched newer prices."""
        return self._module.get_snapshot() is self._snapshot

    def find(self, provider: str, model: str) -> Entry | None:
        """The table's line for this model of this provider, in whatever spelling; None when it has none."""
        name = canonical(provider)
        for spelling in spellings(model, name):
            try:
                owner, found = self._snapshot.find_provider_model(spelling, None, name, None)
            except LookupError:
                continue
            variants = found.price_variants or ()
            return Entry(
                f"{name}/{found.id}",
                name,
                found,
                changes=isinstance(found.prices, list),
                tiers_change=any(variant.constraint is not None for variant in variants),
                borrowed=all(found is not one for one in owner.models),
            )
        return None

    def provider_at(self, address: str) -> str | None:
        """The provider whose servers are at this host; None when the table knows none there."""
        try:
            found: str = self._snapshot.find_provider(None, None, f"https://{address}").id
        except LookupError:
            return None
        return found

    def rates(self, entry: Entry, tier: str, at_ns: int) -> Rates:
        """The rates that held then.  Raises `Unpriceable` for a tier that the table does not have."""
        moment = datetime.fromtimestamp(at_ns / 1_000_000_000, UTC)
        prices = dict(_given(entry.model.get_prices(moment)))
        if tier not in _NO_TIER and (entry.provider, tier) not in _SAME_PRICE:
            prices |= _tier_prices(entry, tier, moment)
        if not prices and entry.model.id.endswith(":free"):
            return FREE
        return _rates(prices, entry)


def _given(prices: Any) -> Iterator[tuple[str, Any]]:
    """The prices that stand in a line, by the table's words."""
    return ((word, price) for word, price in vars(prices).items() if price is not None and word[0] != "_")


def _tier_prices(entry: Entry, tier: str, moment: datetime) -> Mapping[str, Any]:
    """What differs in this tier.  Before the first day that the table knows of, that day's prices."""
    context = _TIERS.get(tier, {"service_tier": tier})
    fitting = [
        variant
        for variant in entry.model.price_variants or ()
        if not entry.borrowed and all(context.get(word) == value for word, value in variant.when.items())
    ]
    if not fitting:
        raise Unpriceable(f"the price table has no {tier} tier for {entry.name}")
    active = [one for one in fitting if one.constraint is None or one.constraint.active(moment)]
    found: dict[str, Any] = {}
    for variant in active or fitting:
        for word, price in _given(variant.prices):
            found.setdefault(word, price)
    return found


def _rates(prices: Mapping[str, Any], entry: Entry) -> Rates:
    ours = {_BUCKETS[word]: price for word, price in prices.items() if word in _BUCKETS}
    if not ours:
        sold_by = ", ".join(sorted(prices)) or "nothing"
        raise Unpriceable(f"{entry.name} is not sold by the token (the price table lists {sold_by})")
    limits = {-1} | {tier.start for price in ours.values() for tier in getattr(price, "tiers", ())}
    request = prices.get(_REQUESTS, Decimal(0))
    return rates_from(
        {limit: {bucket: _at(price, limit) for bucket, price in ours.items()} for limit in limits},
        getattr(request, "base", request) / 1000,
    )


def _at(price: Any, limit: int) -> Decimal:
    """The price for inputs just above this limit."""
    found: Decimal = getattr(price, "base", price)
    for tier in getattr(price, "tiers", ()):
        if tier.start <= limit:
            found = tier.price
    return found


# --- importing it -------------------------------------------------------------------------------------

_CLIENT: Final = "httpx2"
_FETCHER: Final = "genai_prices.update_prices"


class _Later:
    """Stands for genai-prices' HTTP client until somebody fetches prices with it, which we never do."""

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(_CLIENT), name)


class _Fetcher:
    """Finds the module of genai-prices that fetches, and has it import its HTTP client when it is used."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        spec = PathFinder.find_spec(name, path, target) if name == _FETCHER else None
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def patiently(module: Any) -> None:
            module.__builtins__ = {**vars(builtins), "__import__": _imported}
            execute(module)

        spec.loader.exec_module = patiently  # type: ignore[method-assign]
        return spec


def _imported(name: str, *context: Any, **more: Any) -> Any:
    if name == _CLIENT and name not in sys.modules:
        return _Later()
    return __import__(name, *context, **more)


@contextmanager
def _without_http_client() -> Iterator[None]:
    """Here genai-prices is imported without its HTTP client, which would be seen before it is complete.

    The SDK of OpenAI looks for that module in `sys.modules` with each call, and does not wait for another
    thread, such as ours, that is importing it: the application's call would fail with an AttributeError.
    """
    sys.meta_path.insert(0, _Fetcher)
    try:
        yield
    finally:
        sys.meta_path.remove(_Fetcher)


@lru_cache(maxsize=1)
def _load() -> Library:
    return Library()


def library() -> Library:
    """The table as it is now.  Raises ImportError when it is not there."""
    current = _load()
    if current.is_current():
        return current
    _load.cache_clear()
    return _load()

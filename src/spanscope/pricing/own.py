"""The user's own prices and deployments, from a mapping or a TOML file.

    version = "2026-10"                     # what each record says of this table; else a hash of it

    [deployments]
    "shop-turbo" = "gpt-4-turbo"            # deployment -> the model behind it; wins over the response's name

    [prices."openai/gpt-house"]             # provider/model, or the model alone for any provider
    input = 3                               # US dollars per million tokens
    output = 12
    cache_read = 0.75
    long_context = [{ above = 200_000, input = 6, output = 18 }]
    tiers = { flex = 0.5, batch = { input = 1, output = 4 } }   # a factor for every rate, or rates

Checked when a handler is made: a mistake speaks at once and names the line it is in.

Read by `quotes`.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from spanscope.exceptions import ConfigError
from spanscope.pricing.rates import BUCKETS, Rates, rates_from

PRICES_VARIABLE: Final = "SPANSCOPE_PRICES"
ESTIMATE_VARIABLE: Final = "SPANSCOPE_ESTIMATE_TOKENS"
_SECTIONS: Final = frozenset({"version", "prices", "deployments"})
_MOST: Final = Decimal(10) ** 9
_FINEST: Final = -18
_WORDS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off", ""), False),
}

PriceSource = Mapping[str, Any] | str | os.PathLike[str] | None


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """One model of the user's table: its rates, and those of its service tiers."""

    standard: Rates
    tiers: Mapping[str, Rates] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OwnTable:
    """The user's table.  `version` is `user` and its version or hash; empty for no table at all."""

    prices: Mapping[str, OwnPrice] = field(default_factory=dict)
    deployments: Mapping[str, str] = field(default_factory=dict)
    version: str = ""


@dataclass(frozen=True, slots=True)
class PricingSettings:
    """What was asked of pricing, checked.  Equal for equal arguments."""

    table: OwnTable
    key: str
    estimate_tokens: bool = False


def pricing_settings(
    prices: PriceSource = None, deployments: PriceSource = None, estimate_tokens: bool | None = None
) -> PricingSettings:
    """What these arguments, and where they are None the environment, say.  Raises `ConfigError`."""
    if prices is None:
        prices = os.environ.get(PRICES_VARIABLE) or None
    document, where = _document(prices, "prices")
    given, place = _document(deployments, "deployments")
    renamed = _deployments(document.get("deployments", {}), where) | _deployments(
        given.get("deployments", {}), place
    )
    table = OwnTable(_prices(document.get("prices", {}), where), renamed, _version(document, renamed))
    estimate = _truth(estimate_tokens)
    return PricingSettings(table, f"{table.version}|{_digest(sorted(renamed.items()))}|{estimate}", estimate)


def _document(source: PriceSource, section: str) -> tuple[Mapping[str, Any], str]:
    """The sections of a table, and its name in error messages."""
    if source is None:
        return {}, section
    if isinstance(source, Mapping):
        where = f"{section}={{…}}"
        whole = section in source and isinstance(source[section], Mapping) and _SECTIONS.issuperset(source)
        return (source if whole else {section: source}), where
    if not isinstance(source, str | os.PathLike):
        raise ConfigError(f"{section}= is a mapping or the path of a TOML file, not {type(source).__name__}")
    path = Path(source).expanduser()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as fault:
        reason = fault.strerror or type(fault).__name__
        raise ConfigError(f"the price table {path} cannot be read: {reason}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError(f"the price table {path} is not TOML: {fault}") from None
    if unknown := sorted(document.keys() - _SECTIONS):
        raise ConfigError(
            f'{path}: unknown section {unknown[0]!r}: known are version, [prices."…"] and [deployments]'
        )
    return document, str(path)


def _deployments(given: Any, where: str) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: deployments are names and models, not {type(given).__name__}")
    for name, model in given.items():
        if not (isinstance(name, str) and isinstance(model, str) and name and model):
            raise ConfigError(f"{where}: deployment {name!r} needs the name of a model, not {model!r}")
    return {name.lower(): model for name, model in given.items()}


def _prices(given: Any, where: str) -> dict[str, OwnPrice]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{where}: prices are models and their rates, not {type(given).__name__}")
    return {_model_name(name, where): _price(rates, f"{where}: {name}") for name, rates in given.items()}


def _model_name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"{where}: a model is named by a string, not {name!r}")
    return name.strip().lower()


def _price(given: Any, where: str) -> OwnPrice:
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{where}: give rates such as {{'input': 3, 'output': 12}} (US dollars per million tokens)"
        )
    tiers = given.get("tiers", {})
    if not isinstance(tiers, Mapping):
        raise ConfigError(f"{where}: tiers are names and a factor or rates, not {type(tiers).__name__}")
    standard = _rates({key: rate for key, rate in given.items() if key != "tiers"}, where)
    return OwnPrice(
        standard,
        {
            str(name).lower(): _rates(tier, f"{where}, tier {name}")
            if isinstance(tier, Mapping)
            else standard.times(_amount(tier, f"{where}, tier {name}"))
            for name, tier in tiers.items()
        },
    )


def _rates(given: Mapping[str, Any], where: str) -> Rates:
    base = {key: _amount(rate, f"{where}, {key}") for key, rate in given.items() if key in BUCKETS}
    if unknown := [key for key in given if key not in (*BUCKETS, "request", "long_context")]:
        known = ", ".join((*BUCKETS, "request", "long_context", "tiers"))
        raise ConfigError(f"{where}: unknown rate {unknown[0]!r}: known are {known}")
    if not base:
        raise ConfigError(f"{where}: no rate is given: at least input, in US dollars per million tokens")
    levels: dict[int, Mapping[str, Decimal | None]] = {-1: base}
    longer = given.get("long_context", [])
    for level in longer if isinstance(longer, list | tuple) else [longer]:
        above = level.get("above") if isinstance(level, Mapping) else None
        if type(above) is not int or above < 0:
            raise ConfigError(
                f"{where}: long_context is a list such as [{{'above': 200_000, 'input': 6, 'output': 18}}]"
            )
        own = {key: rate for key, rate in level.items() if key != "above"}
        if unknown := [key for key in own if key not in BUCKETS]:
            raise ConfigError(f"{where}, above {above}: unknown rate {unknown[0]!r}")
        # What a level does not name stays as it is.
        levels[above] = base | {k: _amount(rate, f"{where}, above {above}, {k}") for k, rate in own.items()}
    return rates_from(levels, _amount(given.get("request", 0), f"{where}, request"))


def _amount(given: Any, where: str) -> Decimal:
    """A price or factor; a float by its shortest spelling, so that 0.1 is 0.1."""
    if isinstance(given, int | float | Decimal | str) and not isinstance(given, bool):
        try:
            amount = Decimal(str(given))
        except ArithmeticError:
            amount = Decimal("NaN")
        if amount.is_finite() and 0 <= amount < _MOST and amount.as_tuple().exponent >= _FINEST:  # type: ignore[operator]
            return amount
    raise ConfigError(f"{where}: {given!r} is no amount: give a number from 0 on, with at most 18 decimals")


def _version(document: Mapping[str, Any], deployments: Mapping[str, str]) -> str:
    if (stated := document.get("version")) is not None:
        return f"user {stated}"
    if not document.get("prices"):
        return ""
    return f"user {_digest(_plain(document['prices']))}"


def _plain(value: Any) -> Any:
    """Equal for equal prices, in whatever order and spelling they were given."""
    if isinstance(value, Mapping):
        return sorted((str(key).lower(), _plain(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(Decimal(str(value)).normalize()) if isinstance(value, int | float | Decimal) else str(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:8]


def _truth(given: bool | None) -> bool:
    if given is not None:
        if not isinstance(given, bool):
            raise ConfigError(f"estimate_tokens= is True or False, not {given!r}")
        return given
    word = os.environ.get(ESTIMATE_VARIABLE, "").strip().lower()
    if word not in _WORDS:
        raise ConfigError(f"{ESTIMATE_VARIABLE}={word!r} is neither 1 (true, yes, on) nor 0 (false, no, off)")
    return _WORDS[word]

"""What a model's tokens cost, and the sum for one call: exact, whatever the figures.

A rate is in US dollars per million tokens.  Long-context levels are cliffs: a call whose input is longer than
a level's limit pays that level's rates for all of its tokens, not for those above the limit alone.

Used by `own` and `library`, which make `Rates`, and by `quotes`, which asks them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from typing import Final, NamedTuple

EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation, Overflow])
"""Rounds never: a figure that does not fit raises.  A context of ours, for an application may set its own."""

_ONE: Final = Decimal(1)

BUCKETS: Final = (
    *("input", "output", "cache_read", "cache_write", "cache_write_1h"),
    *("reasoning", "input_audio", "output_audio"),
)
"""What a rate may be given for.  One that has none is paid at the rate of what it is a part of."""


class Usage(NamedTuple):
    """Token counts of one call.  All but the first two are parts of them."""

    input: int
    output: int
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    reasoning: int = 0
    input_audio: int = 0
    output_audio: int = 0


class Unpriceable(Exception):
    """This usage has no price by these rates; the message says why."""


class Level(NamedTuple):
    """The rates that hold for inputs longer than `above` tokens; None where there is none."""

    above: int
    input: Decimal | None = None
    output: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    reasoning: Decimal | None = None
    input_audio: Decimal | None = None
    output_audio: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Rates:
    """All levels of one model, the highest first, and what each request costs beside its tokens."""

    levels: tuple[Level, ...]
    request: Decimal = Decimal(0)

    def cost(self, usage: Usage) -> Decimal:
        """US dollars for one call.  Raises `Unpriceable`."""
        for level in self.levels:
            if usage.input > level.above:
                break
        total = _side(
            "output",
            usage.output,
            level.output,
            ((usage.reasoning, level.reasoning), (usage.output_audio, level.output_audio)),
        )
        # Without a rate of their own, writes for an hour are writes, and writes are input.
        one_hour = usage.cache_write_1h if level.cache_write_1h is not None else 0
        # Audio may have been read from the cache, and then was counted there.
        uncached = max(0, usage.input - usage.cache_read - usage.cache_write)
        parts = (
            (usage.cache_read, level.cache_read),
            (max(0, usage.cache_write - one_hour), level.cache_write),
            (one_hour, level.cache_write_1h),
            (min(usage.input_audio, uncached), level.input_audio),
        )
        total = EXACT.add(total, _side("input", usage.input, level.input, parts))
        return tidy(EXACT.add(EXACT.scaleb(total, -6), self.request))

    def times(self, factor: Decimal) -> "Rates":
        """Every rate multiplied: a service tier that gives the same discount on everything."""
        levels = tuple(
            Level(
                level.above,
                *(None if rate is None else EXACT.multiply(rate, factor) for rate in level[1:]),
            )
            for level in self.levels
        )
        return Rates(levels, EXACT.multiply(self.request, factor))


def _side(
    name: str, whole: int, rate: Decimal | None, parts: Iterable[tuple[int, Decimal | None]]
) -> Decimal:
    """Micro-dollars for all input or all output: parts with a rate of their own, and the rest."""
    total = Decimal(0)
    rest = whole
    for count, own in parts:
        if count and own is not None:
            rest -= count
            total = EXACT.fma(own, count, total)
    if rest < 0:
        raise Unpriceable(f"the parts of the {name} are more than the {name} itself")
    if not rest:
        return total
    if rate is None:
        raise Unpriceable(f"the price table has no price for {name} tokens of this model")
    return EXACT.fma(rate, rest, total)


def rates_from(levels: Mapping[int, Mapping[str, Decimal | None]], request: Decimal = Decimal(0)) -> Rates:
    """Rates by bucket, under the number of input tokens above which they hold (-1: always)."""
    ordered = sorted(levels.items(), reverse=True)
    return Rates(tuple(Level(above, **rates) for above, rates in ordered), request)


FREE: Final = rates_from({-1: {"input": Decimal(0), "output": Decimal(0)}})


def tidy(amount: Decimal) -> Decimal:
    """Without trailing zeros and without an exponent: 0.0025, 0, 10."""
    short = EXACT.normalize(amount)
    return EXACT.quantize(short, _ONE) if short.as_tuple().exponent > 0 else short  # type: ignore[operator]

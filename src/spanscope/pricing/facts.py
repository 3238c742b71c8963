"""The token counts of a call, read for pricing, and what is said of its price.

The same for a draft on its way to the store (`stage`) and for a span that is in it (`Store.reprice`).
"""

from collections.abc import Callable
from typing import Any

from spanscope import semconv
from spanscope.pricing.quotes import Quote
from spanscope.pricing.rates import Usage


def usage_of(kind: str, fact: Callable[[str], Any], attribute: Callable[[str], Any]) -> Usage | None:
    """Token counts by `fact(name)` and `attribute(key)`; None when input or output is not known."""
    taken, made = _count(fact("input_tokens")), _count(fact("output_tokens"))
    if made is None and kind == "embedding":
        made = 0
    if taken is None or made is None:
        return None
    return Usage(
        input=taken,
        output=made,
        cache_read=_count(fact("cache_read_tokens")) or 0,
        cache_write=_count(fact("cache_write_tokens")) or 0,
        cache_write_1h=_count(attribute(semconv.CACHE_WRITE_1H_TOKENS)) or 0,
        reasoning=_count(fact("reasoning_tokens")) or 0,
        input_audio=_count(attribute(semconv.INPUT_AUDIO_TOKENS)) or 0,
        output_audio=_count(attribute(semconv.OUTPUT_AUDIO_TOKENS)) or 0,
    )


def said_of(quote: Quote) -> dict[str, Any]:
    """The attributes that say where a cost comes from, or why there is none."""
    said: dict[str, Any] = {}
    if quote.table is not None:
        said[semconv.PRICE_TABLE] = quote.table
    if quote.cost is not None:
        said[semconv.PRICED_MODEL] = quote.model
    else:
        said[semconv.PRICE_MISSING] = True
        said[semconv.COST_MISSING_REASON] = quote.reason
    return said


def _count(value: Any) -> int | None:
    """A count of tokens; some clients give whole numbers as floats."""
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 0 else None
    return int(value) if isinstance(value, float) and value.is_integer() and value >= 0 else None

"""What a price costs: 100 000 calls of 20 models, priced with answers kept and without.

    python benchmarks/prices.py           # some seconds
    python benchmarks/prices.py --check   # exit code 1 when it takes a second or more

Without keeping, the price library is asked anew for each call: with its own memory of names, and without.  A
part of those calls is measured and scaled up.  CPU time, so that neighbours on a machine do not count.
"""

import argparse
import sys
import time
from collections.abc import Callable
from decimal import Decimal

from genai_prices import Usage as LibraryUsage
from genai_prices import calc_price

from spanscope.pricing import Pricing, Usage

CALLS = 100_000
PART = 2_000
LIMIT_S = 1.0
ROUNDS = 5
MODELS = (
    ("openai", "gpt-4o-2024-08-06"),
    ("openai", "gpt-4o-mini-2024-07-18"),
    ("openai", "gpt-4.1-2025-04-14"),
    ("openai", "gpt-5"),
    ("openai", "o3"),
    ("openai", "o4-mini"),
    ("openai", "text-embedding-3-small"),
    ("azure", "gpt-4o"),
    ("azure", "gpt-35-turbo"),
    ("anthropic", "claude-sonnet-4-5"),
    ("anthropic", "claude-3-5-haiku-20241022"),
    ("anthropic", "claude-3-haiku-20240307"),
    ("google", "gemini-2.5-pro"),
    ("google", "gemini-2.5-flash"),
    ("aws", "eu.anthropic.claude-3-5-sonnet-20240620-v1:0"),
    ("aws", "amazon.nova-pro-v1:0"),
    ("mistral", "mistral-large-latest"),
    ("deepseek", "deepseek-chat"),
    ("groq", "llama-3.3-70b-versatile"),
    ("cohere", "command-r-plus"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what a price costs.")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 from {LIMIT_S:g} s on")
    options = parser.parse_args()
    first_s, ours_sum = kept()
    ours_s = min(kept()[0] for _ in range(ROUNDS))
    warm_s, warm_sum = library(forgetting=False)
    cold_s, cold_sum = library(forgetting=True)
    if not ours_sum == warm_sum == cold_sum:
        print(f"the sums differ: {ours_sum}, {warm_sum}, {cold_sum}", file=sys.stderr)
        return 1
    print(f"{CALLS:,} calls of {len(MODELS)} models, limit {LIMIT_S:g} s")
    for name, seconds in (
        ("spanscope", ours_s),
        ("spanscope, the first time", first_s),
        ("the library, which remembers names", warm_s),
        ("the library, looking up each", cold_s),
    ):
        each_us, times = seconds / CALLS * 1e6, seconds / ours_s
        print(f"  {name:<36}{seconds:7.2f} s {each_us:7.1f} µs a call {times:6.1f} times")
    return 1 if options.check and ours_s >= LIMIT_S else 0


def kept() -> tuple[float, Decimal]:
    """CPU seconds for all calls by a `Pricing` of its own, and what the first of them cost in sum."""
    pricing = Pricing({}, {})
    now_ns = time.time_ns()

    def one(number: int, provider: str, model: str, taken: int, made: int) -> Decimal:
        usage = Usage(taken, made)
        cost = pricing.quote(usage, provider=provider, response_model=model, at_ns=now_ns + number).cost
        assert cost is not None, model
        return cost

    return _timed(one, CALLS)


def library(*, forgetting: bool) -> tuple[float, Decimal]:
    """CPU seconds by the library alone, scaled from a part of the calls."""
    from genai_prices import data_snapshot

    snapshot = data_snapshot.get_snapshot()

    def one(_: int, provider: str, model: str, taken: int, made: int) -> Decimal:
        if forgetting:
            snapshot._lookup_cache.clear()
            snapshot._provider_cache.clear()
        usage = LibraryUsage(input_tokens=taken, output_tokens=made)
        return calc_price(usage, model, provider_id=provider).total_price

    seconds, spent = _timed(one, PART)
    return seconds * CALLS / PART, spent


def _timed(one: Callable[[int, str, str, int, int], Decimal], calls: int) -> tuple[float, Decimal]:
    spent = Decimal(0)
    begun = time.process_time()
    for number in range(calls):
        provider, model = MODELS[number % len(MODELS)]
        made = 0 if "embedding" in model else 100
        cost = one(number, provider, model, 1_000 + number, made)
        if number < PART:
            spent += cost
    return time.process_time() - begun, spent


if __name__ == "__main__":
    sys.exit(main())

"""Usage becomes a cost, with where the price came from, or a reason why there is none.

    own prices, deployments (own.py) ─┐
    genai-prices (library.py) ────────┼─► Pricing.quote (quotes.py) ─► stage.py, on the worker thread
    names of providers (names.py) ────┘        │
                                               └─► `Store.reprice`, on what is stored
    facts.py reads the tokens of a call, and says what is said of its price
    tokens.py counts what no provider counted, on wish

Money is `Decimal` throughout, and sums are exact.  The price library takes a third of a second to import, so
it is imported by the first quote that needs it, never by `import spanscope`.

Between `assembler` and `redaction`; knows neither.
"""

from spanscope.pricing.own import PriceSource, pricing_settings
from spanscope.pricing.quotes import Pricing, Quote, default_pricing, pricing_for
from spanscope.pricing.rates import Usage

__all__ = ["PriceSource", "Pricing", "Quote", "Usage", "default_pricing", "pricing_for", "pricing_settings"]

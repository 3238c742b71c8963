"""Record what other instrumentations tell OpenTelemetry: `add_span_processor(SpanscopeSpanProcessor())`.

The public name of what `handlers.opentelemetry` does.
"""

from spanscope.handlers.opentelemetry import SpanscopeSpanProcessor

__all__ = ["SpanscopeSpanProcessor"]

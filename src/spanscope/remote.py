"""What a trace continues that began elsewhere: in OpenTelemetry, or in the process that called us.

Asked by `recorder` when a trace begins.
"""

import sys
from typing import Any

from spanscope.runs import Remote
from spanscope.scope import Scope, parse_traceparent


def active_opentelemetry_span() -> Remote | None:
    """Trace id and span id of the span that is active in OpenTelemetry, if that is in use."""
    context, api = sys.modules.get("opentelemetry.context"), sys.modules.get("opentelemetry.trace")
    try:
        if context is None or api is None or not context.get_current():
            return None  # as nearly always; to ask for a span that is not there takes ten times as long
        found = api.get_current_span().get_span_context()
    except AttributeError:
        return None  # another thread is importing it just now
    return (format(found.trace_id, "032x"), format(found.span_id, "016x")) if found.is_valid else None


def remote_of(scope: Scope | None, metadata: Any) -> Remote | None:
    """What the call's metadata names, else the block around it."""
    header = metadata.get("traceparent") if isinstance(metadata, dict) else None
    if header is None and scope is not None:
        header = scope.traceparent
    return parse_traceparent(header) if isinstance(header, str) else None

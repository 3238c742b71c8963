"""Where model providers put the facts of a call: pure functions over plain values.

The same fact stands in a different place, under a different name and sometimes with a different meaning
at each provider.  This package knows those places, and no framework: a raw response (a mapping or an
SDK's object), an exception and a set of headers are all it looks at, and it reads them by key or
attribute alone, never by calling their methods.

    facts_of_response(raw) -> Found(facts, attributes, failed)     a raw response or final stream event
    usage_of(raw) -> Usage | None                                  a raw usage object, in normal form
    finish(raw_reason, calls_tools=…, refused=…) -> FinishReason   a raw finish reason, in our words
    http_status(error), facts_of_error(error)                      what a client's exception carries
    rate_limits(headers), request_id_of(headers)                   what the headers say

Used by the handlers of LangChain, LlamaIndex and the clients themselves, on the worker thread.
"""

from spanscope.providers.errors import facts_of_error, http_status, rate_limits, request_id_of
from spanscope.providers.finish import FINISH, finish
from spanscope.providers.response import Found, ToolCall, facts_of_response, whole_arguments
from spanscope.providers.usage import Usage, normal, usage_of

__all__ = [
    "FINISH",
    "Found",
    "ToolCall",
    "Usage",
    "facts_of_error",
    "facts_of_response",
    "finish",
    "http_status",
    "normal",
    "rate_limits",
    "request_id_of",
    "usage_of",
    "whole_arguments",
]

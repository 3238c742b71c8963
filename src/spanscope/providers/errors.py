"""What an exception of a provider's client, and the headers of a response, tell.

Every client keeps status, headers and request id at a place of its own: the exception, its response,
its cause, or the JSON in its arguments.  The message itself is never looked into: it may quote anything.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from spanscope import semconv
from spanscope.providers.reading import get as read

_STATUS_NAMES: Final = ("status_code", "code", "http_status", "status")
_REQUEST_IDS: Final = (
    *("x-request-id", "request-id", "x-amzn-requestid", "apim-request-id", "x-groq-request-id"),
    *("mistral-correlation-id", "x-goog-request-id", "cf-ray"),
)
_RATE_PREFIXES: Final = ("x-ratelimit-", "anthropic-ratelimit-", "ratelimit-")


def http_status(error: BaseException) -> int | None:
    """The HTTP status that an exception carries, wherever its client keeps it; None for none."""
    for holder in _holders(error):
        if type(holder).__module__ == "aiohttp.http_exceptions":
            continue  # It calls a body that broke off 400, whatever the provider had said.
        for name in _STATUS_NAMES:
            found = _get(holder, name)
            if isinstance(found, int) and not isinstance(found, bool) and 100 <= found <= 599:
                return int(found)
        found = _get(_get(holder, "ResponseMetadata"), "HTTPStatusCode")  # boto
        if isinstance(found, int):
            return found
    return None


def facts_of_error(error: BaseException) -> dict[str, Any]:
    """Attributes that an exception gives: status, request id and rate limits, as far as they are there."""
    found: dict[str, Any] = {}
    if (status := http_status(error)) is not None:
        found[semconv.HTTP_STATUS_CODE] = status
    for holder in _holders(error):
        asked = _get(holder, "request_id") or _get(_get(holder, "ResponseMetadata"), "RequestId")
        headers = _get(holder, "headers") or _get(_get(holder, "ResponseMetadata"), "HTTPHeaders")
        if not asked and headers is not None:
            asked = request_id_of(headers)
        if isinstance(asked, str) and asked:
            found.setdefault(semconv.REQUEST_ID, asked)
        if headers is not None and (limits := rate_limits(headers)):
            found.setdefault(semconv.RATE_LIMITS, limits)
    return found


def _holders(error: BaseException) -> Iterator[Any]:
    """The exception, its response, and the same of what caused it: LangChain wraps some."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen and len(seen) < 4:
        seen.add(id(one))
        yield one
        if (response := _get(one, "response")) is not None:
            yield response
        one = one.__cause__


def _get(holder: Any, name: str) -> Any:
    """A part of an exception; some are properties that raise when there is nothing to give."""
    try:
        return read(holder, name)
    except Exception:  # noqa: BLE001  the boundary of a fact: what cannot be read is not known
        return None


def request_id_of(headers: Any) -> str | None:
    """The id by which the provider finds a request again, from a response's headers."""
    if not isinstance(headers, Mapping):
        return None
    for name in _REQUEST_IDS:
        if isinstance(found := headers.get(name), str) and found:
            return found
    return None


def rate_limits(headers: Any) -> dict[str, str]:
    """What the headers say about rate limits, by their own names: limits, what remains, and when to retry."""
    if not isinstance(headers, Mapping):
        return {}
    return {
        name.lower(): str(value)
        for name, value in headers.items()
        if isinstance(name, str)
        and (name.lower() == "retry-after" or name.lower().startswith(_RATE_PREFIXES))
    }

"""The facts of a raw response: one fact, one small function, each tried at the places where it may stand.

A raw response is what the provider's own client gave (an SDK's object) or what stood in the body (a
mapping): whole, or the last event of a stream, which holds less.  A reader that fails loses its own
fact and is named in `failed`; the others stay.
"""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Final, NamedTuple

from spanscope import semconv
from spanscope.providers.errors import request_id_of
from spanscope.providers.finish import finish
from spanscope.providers.reading import first, get, items, path, text
from spanscope.providers.usage import usage_of

Facts = dict[str, Any]
_decode: Final = json.JSONDecoder().decode


class ToolCall(NamedTuple):
    """One call that the answer asks for."""

    name: str | None
    args_valid: bool | None
    """Whether the arguments are a JSON object; None where they are not given whole."""


class Found(NamedTuple):
    """What a response says.  What it does not say is left out, except `usage_source="missing"`."""

    facts: Facts
    """Fields of `Span` by name: `response_model`, `finish_reason`, `input_tokens`, `tool_names` …"""
    attributes: Facts
    """Attributes by their `semconv` key: request id, service tier, tool calls …"""
    failed: list[str]
    """Names of the readers that raised, for `semconv.EXTRACT_ERRORS`."""


def facts_of_response(raw: Any) -> Found:
    """All facts that a raw response tells.  Never raises.

    `raw` is a response of any provider that the package knows, as a mapping or as an object: OpenAI's
    `ChatCompletion`, `Response`, `Completion` and the last event of their streams
    (`ChatCompletionChunk`, `ResponseCompletedEvent`), Anthropic's `Message`, Google's
    `GenerateContentResponse`, the answer of Bedrock's `converse`, and so on.
    """
    found = Found({}, {}, [])
    try:
        response = _whole(raw)
    except Exception:  # noqa: BLE001  the boundary of a fact: nothing can be read of this one
        return Found({"usage_source": "missing"}, {}, ["response"])
    for read in READERS:
        try:
            facts, attributes = read(response)
        except Exception:  # noqa: BLE001  the boundary of a fact: it is lost and named, the others stay
            found.failed.append(read.__name__)
            continue
        found.facts.update(facts)
        found.attributes.update(attributes)
    found.facts.setdefault("usage_source", "missing")
    return found


def _whole(raw: Any) -> Any:
    """The response in the last event of a stream: OpenAI's and Anthropic's wrap it."""
    kind = get(raw, "type")
    if isinstance(kind, str):
        if kind.startswith("response."):
            return get(raw, "response")
        if kind == "message_start":
            return get(raw, "message")
    return raw


def model(raw: Any) -> tuple[Facts, Facts]:
    """The model that says it answered; Bedrock's and Cohere's never say."""
    found = first(raw, "model", "model_version", "modelVersion", "model_id")
    return ({"response_model": found} if isinstance(found, str) and found else {}), {}


def usage(raw: Any) -> tuple[Facts, Facts]:
    for holder in _usage_holders(raw):
        if holder is not None and (found := usage_of(holder)) is not None:
            return found.facts(), found.attributes()
    return {}, {}


def _usage_holders(raw: Any) -> Iterator[Any]:
    yield get(raw, "usage")
    yield first(raw, "usage_metadata", "usageMetadata")
    yield get(raw, "meta")  # Cohere, first version
    yield path(raw, "delta", "usage")  # Cohere's last event
    yield first(raw, "metrics", "amazon-bedrock-invocationMetrics")
    yield path(raw, "x_groq", "usage")
    yield raw


def finish_reason(raw: Any) -> tuple[Facts, Facts]:
    word = raw_finish_reason(raw)
    if word is None:
        return {}, {}
    ours = finish(word)
    if ours == "stop":
        ours = finish(word, calls_tools=next(_calls(raw), None) is not None, refused=_refused(raw))
    return {"finish_reason": ours, "finish_reason_raw": word}, {}


def raw_finish_reason(raw: Any) -> str | None:
    """The provider's word for why it stopped.  Where several answers were asked for, the first's."""
    for holder, names in _finish_places(raw):
        if holder is not None and (found := text(first(holder, *names))) is not None:
            return found
    return None


def _finish_places(raw: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    yield _only(get(raw, "choices")), ("finish_reason",)
    yield raw, ("stop_reason", "stopReason")
    yield get(raw, "incomplete_details"), ("reason",)
    yield _only(get(raw, "candidates")), ("finish_reason", "finishReason")
    yield raw, ("finish_reason", "done_reason", "stop_type")
    yield first(raw, "prompt_feedback", "promptFeedback"), ("block_reason", "blockReason")
    yield get(raw, "delta"), ("stop_reason", "finish_reason")
    yield get(raw, "details"), ("finish_reason",)
    yield _only(get(raw, "results")), ("stop_reason", "completionReason")
    yield _only(get(raw, "outputs")), ("stop_reason",)
    yield _only(get(raw, "generations")), ("finish_reason",)
    if get(raw, "output") is not None:
        yield raw, ("status",)


def _only(several: Any) -> Any:
    found = items(several)
    return found[0] if found else None


def _refused(raw: Any) -> bool:
    """OpenAI's refusal has a field of its own, and a finish reason that says `stop`."""
    if path(_only(get(raw, "choices")), "message", "refusal"):
        return True
    return any(
        get(part, "type") == "refusal"
        for item in items(get(raw, "output"))
        for part in items(get(item, "content"))
    )


def tool_calls(raw: Any) -> tuple[Facts, Facts]:
    calls = list(_calls(raw))
    return tool_facts(calls) if calls else ({}, {})


def tool_facts(calls: list[ToolCall]) -> tuple[Facts, Facts]:
    """Names and validity of the calls, in order, as they stand in a span."""
    names = tuple([call.name or "?" for call in calls])
    return {"tool_names": names}, {semconv.TOOL_CALLS: [call._asdict() for call in calls]}


def _calls(raw: Any) -> Iterator[ToolCall]:
    if choices := items(get(raw, "choices")):
        yield from _in_message(get(choices[0], "message"))
        return
    yield from _in_message(get(raw, "message"))
    yield from _in_message(raw)
    output = get(raw, "output")
    for block in (*items(output), *items(get(raw, "content")), *items(path(output, "message", "content"))):
        yield from _in_block(block)
    for part in items(path(_only(get(raw, "candidates")), "content", "parts")):
        if (called := first(part, "function_call", "functionCall")) is not None:
            yield ToolCall(text(get(called, "name")), whole_arguments(get(called, "args")))


def _in_message(message: Any) -> Iterator[ToolCall]:
    """OpenAI's message, and those of Mistral, Cohere, Ollama … that look like it."""
    for call in items(get(message, "tool_calls")):
        inner = first(call, "function", "custom") or call
        if get(call, "type") == "custom":
            yield ToolCall(text(get(inner, "name")), True)  # Its input is any text.
        else:
            yield ToolCall(text(get(inner, "name")), whole_arguments(first(inner, "arguments", "parameters")))
    if (called := get(message, "function_call")) is not None:
        yield ToolCall(text(get(called, "name")), whole_arguments(get(called, "arguments")))


def _in_block(block: Any) -> Iterator[ToolCall]:
    """A block of Anthropic's or Bedrock's content, or an item of OpenAI's output."""
    kind = get(block, "type")
    if kind == "tool_use":
        yield ToolCall(text(get(block, "name")), whole_arguments(get(block, "input")))
    elif kind == "function_call":
        yield ToolCall(text(get(block, "name")), whole_arguments(get(block, "arguments")))
    elif kind == "custom_tool_call":
        yield ToolCall(text(get(block, "name")), True)
    elif (used := get(block, "toolUse")) is not None:
        yield ToolCall(text(get(used, "name")), whole_arguments(get(used, "input")))


def whole_arguments(arguments: Any) -> bool:
    """Whether the arguments of a call are a JSON object; without parameters they may be an empty text."""
    if not isinstance(arguments, str):
        return True
    if not arguments:
        return True
    try:
        return isinstance(_decode(arguments), dict)
    except (ValueError, RecursionError):
        return False


def ids(raw: Any) -> tuple[Facts, Facts]:
    """By which the provider finds this call again."""
    attributes = {}
    if (own := first(raw, "id", "response_id", "responseId")) is not None and isinstance(own, str):
        attributes[semconv.RESPONSE_ID] = own
    meta = get(raw, "ResponseMetadata")
    headers = get(meta, "HTTPHeaders")
    asked = get(raw, "_request_id") or get(meta, "RequestId") or (headers and request_id_of(headers))
    if isinstance(asked, str) and asked:
        attributes[semconv.REQUEST_ID] = asked
    return {}, attributes


def tier(raw: Any) -> tuple[Facts, Facts]:
    """The service tier that the provider says it served the call with."""
    for holder in (raw, get(raw, "usage"), first(raw, "usage_metadata", "usageMetadata")):
        found = first(holder, "service_tier", "serviceTier") if holder is not None else None
        if found is not None:
            word = get(found, "type") if isinstance(found, dict) else text(found)
            return {}, {semconv.SERVICE_TIER: word} if isinstance(word, str) else {}
    return {}, {}


def fingerprint(raw: Any) -> tuple[Facts, Facts]:
    """The provider's mark of the backend's configuration, by which a silent change shows."""
    found = get(raw, "system_fingerprint")
    return {}, {semconv.SYSTEM_FINGERPRINT: found} if isinstance(found, str) and found else {}


def cost(raw: Any) -> tuple[Facts, Facts]:
    """What OpenRouter says that the call cost, in dollars, beside the tokens."""
    found = path(raw, "usage", "cost")
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < float("inf"):
        return {}, {}
    return {"cost_usd": Decimal(str(found)), "cost_source": "provider"}, {}


READERS: Final[tuple[Callable[[Any], tuple[Facts, Facts]], ...]] = (
    *(model, usage, cost, finish_reason, tool_calls, ids, tier, fingerprint),
)

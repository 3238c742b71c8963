"""Facts of a model call, read from what LangChain hands over: one fact, one small function.

Providers put the same fact in different places; each function tries them in the order of trust.  A
function that fails loses its own fact and nothing else.  Pure; runs on the worker thread.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from spanscope.semconv import FinishReason


class Answer(NamedTuple):
    """An LLMResult as it was when the call ended."""

    message: Any
    content: Any
    usage: Any
    response_metadata: Mapping[str, Any]
    tool_calls: Any
    invalid_tool_calls: Any
    generation_info: Mapping[str, Any]
    llm_output: Mapping[str, Any]


class Call(NamedTuple):
    """One model call: what was asked for, and the answer as far as there is one."""

    params: Mapping[str, Any]
    metadata: Mapping[str, Any]
    answer: Answer | None


FINISH: Final[dict[str, FinishReason]] = {
    **dict.fromkeys(
        ("stop", "end_turn", "stop_sequence", "eos", "eos_token", "complete", "completed"), "stop"
    ),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length", "token_limit"), "length"),
    **dict.fromkeys(("model_context_window_exceeded", "error_limit", "max_length"), "length"),
    **dict.fromkeys(("tool_calls", "tool_use", "function_call", "tool_call"), "tool_calls"),
    **dict.fromkeys(("content_filter", "content_filtered", "safety", "recitation"), "content_filter"),
    **dict.fromkeys(("blocklist", "prohibited_content", "spii", "guardrail_intervened"), "content_filter"),
    **dict.fromkeys(("error_toxic", "image_safety"), "content_filter"),
    "refusal": "refusal",
    **dict.fromkeys(("pause_turn", "pause"), "pause"),
    **dict.fromkeys(
        ("error", "malformed_function_call", "malformed_tool_use", "insufficient_system_resource"), "error"
    ),
}


def request_model(call: Call) -> dict[str, Any]:
    for source, keys in (
        (call.metadata, ("ls_model_name",)),
        (call.params, ("model", "model_name", "model_id", "deployment_name")),
    ):
        for key in keys:
            if isinstance(found := source.get(key), str) and found:
                return {"request_model": found}
    return {}


def response_model(call: Call) -> dict[str, Any]:
    if call.answer is None:
        return {}
    for source in (call.answer.response_metadata, call.answer.llm_output):
        for key in ("model_name", "model"):
            if isinstance(found := source.get(key), str) and found:
                return {"response_model": found}
    return {}


def provider(call: Call) -> dict[str, Any]:
    found = call.metadata.get("ls_provider")
    if not found and call.answer is not None:
        found = call.answer.response_metadata.get("model_provider")
    return {"provider": found} if isinstance(found, str) and found else {}


def temperature(call: Call) -> dict[str, Any]:
    return _number("temperature", call.metadata.get("ls_temperature"), call.params.get("temperature"))


def max_tokens(call: Call) -> dict[str, Any]:
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict")
    return _number(
        "max_tokens", call.metadata.get("ls_max_tokens"), *(call.params.get(name) for name in names)
    )


def _number(name: str, *found: Any) -> dict[str, Any]:
    for value in found:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return {name: value}
    return {}


def usage(call: Call) -> dict[str, Any]:
    """Token counts as the provider gave them: a count not given is unknown, not zero."""
    if call.answer is None:
        return {"usage_source": "missing"}
    given = call.answer.usage
    if isinstance(given, Mapping) and given:
        if "total_cost" in given:
            return {"usage_source": "cache", "cache_hit": True}
        return _from_usage_metadata(given)
    for key in ("token_usage", "usage"):
        raw = call.answer.llm_output.get(key) or call.answer.response_metadata.get(key)
        if isinstance(raw, Mapping) and raw.get("prompt_tokens") is not None:
            return _counts(raw.get("prompt_tokens"), raw.get("completion_tokens"), raw.get("total_tokens"))
    return {"usage_source": "missing"}


def _from_usage_metadata(given: Mapping[str, Any]) -> dict[str, Any]:
    taken, made = given.get("input_tokens"), given.get("output_tokens")
    if taken == 0 and made:
        taken = None  # Nothing was asked and yet answered: the provider left the number out.
    total = given.get("total_tokens") if taken is not None else None
    facts = _counts(taken, made, total)
    details = given.get("input_token_details") or {}
    facts["cache_read_tokens"] = _detail(details, "cache_read")
    # The sum may stand under its own name, under the parts' names, or both.
    parts = [v for k, v in details.items() if k.startswith("ephemeral_") and isinstance(v, int)]
    written = details.get("cache_creation")
    if parts or written is not None:
        facts["cache_write_tokens"] = max(written or 0, sum(parts))
    facts["reasoning_tokens"] = _detail(given.get("output_token_details") or {}, "reasoning")
    return facts


def _detail(details: Mapping[str, Any], name: str) -> int | None:
    """A part of the tokens; under a service tier its key is prefixed (`flex_cache_read`)."""
    for key in (name, f"flex_{name}", f"priority_{name}"):
        if isinstance(found := details.get(key), int):
            return found
    return None


def _counts(taken: Any, made: Any, total: Any) -> dict[str, Any]:
    if total is None and taken is not None and made is not None:
        total = taken + made
    return {"input_tokens": taken, "output_tokens": made, "total_tokens": total, "usage_source": "provider"}


def finish_reason(call: Call) -> dict[str, Any]:
    if call.answer is None:
        return {}
    raw = _raw_finish_reason(call.answer)
    if raw is None:
        return {}
    reason: FinishReason = FINISH.get(raw.rpartition(".")[2].lower(), "unknown")
    if reason == "stop" and call.answer.tool_calls:
        reason = "tool_calls"  # Some providers say `stop` for a turn that ends in tool calls.
    return {"finish_reason": reason, "finish_reason_raw": raw}


def _raw_finish_reason(answer: Answer) -> str | None:
    details = answer.response_metadata.get("incomplete_details")
    if isinstance(details, Mapping) and isinstance(details.get("reason"), str):
        return str(details["reason"])
    keys = ("finish_reason", "stop_reason", "done_reason", "stopReason", "finishReason", "status")
    for source in (answer.response_metadata, answer.generation_info, answer.llm_output):
        for key in keys:
            if (found := source.get(key)) is not None:
                return str(getattr(found, "name", found))
    return None


def tool_calls(call: Call) -> dict[str, Any]:
    if call.answer is None:
        return {}
    names = [made.get("name") for made in call.answer.tool_calls or () if made.get("name")]
    names += [made.get("name") or "?" for made in call.answer.invalid_tool_calls or ()]
    return {"tool_names": tuple(names)} if names else {}


FACTS: Final[tuple[Callable[[Call], dict[str, Any]], ...]] = (
    request_model,
    response_model,
    provider,
    temperature,
    max_tokens,
    usage,
    finish_reason,
    tool_calls,
)


def http_status(error: BaseException) -> int | None:
    """The HTTP status that an exception of a provider's client carries, wherever it keeps it."""
    for found in (error, getattr(error, "response", None), error.__cause__):
        for name in ("status_code", "code", "http_status"):
            if isinstance(status := getattr(found, name, None), int) and 100 <= status <= 599:
                return status
    response = getattr(error, "response", None)
    if isinstance(response, Mapping):
        status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
        return status if isinstance(status, int) else None
    return None

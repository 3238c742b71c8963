"""Facts of a model call, read from what LangChain hands over: one fact, one small function.

Clients put the same fact in different places; each reader tries them in the order of trust.  What is
true of the provider itself (words, shapes, headers) is in `providers`; here is where LangChain's
clients put it, and what they get wrong.  A reader that fails loses its own fact and nothing else.

Pure; runs on the worker thread, called by `_langchain_payload`.
"""

from collections.abc import Callable, Collection, Mapping, Set
from decimal import Decimal
from typing import Any, Final

from spanscope import semconv
from spanscope.handlers._langchain_request import (
    NAMES,
    NOTHING,
    Answer,
    Call,
    Facts,
    field,
    is_number,
    max_tokens,
    provider,
    request_model,
    server,
    stop_sequences,
    structured_output,
    temperature,
    text_at,
    tools_offered,
)
from spanscope.handlers._langchain_usage import usage_facts
from spanscope.providers import finish, rate_limits, request_id_of, whole_arguments
from spanscope.providers.reading import MAPPINGS, get, text

__all__ = ["ATTRIBUTES", "BOTH", "FACTS", "Answer", "Call", "read"]


_REPEATS_REQUEST: Final = frozenset(
    {
        *("groq", "fireworks", "bedrock", "bedrock_converse", "amazon_bedrock", "huggingface"),
        *("google_vertexai", "litellm"),
    }
)
"""Clients that put the model asked for where others put the one that answered: it proves nothing."""


def response_model(call: Call) -> Facts:
    """The model that the provider says has answered; what a client filled in from the request is not that."""
    answer = call.answer
    if answer is None:
        return NOTHING
    metadata, lump = answer.response_metadata, answer.llm_output
    if answer.message is None:
        # A text completion: its `llm_output` repeats the request; of the response there may be this.
        metadata, lump = answer.generation_info, NOTHING
    served_by = metadata.get("model_provider") or call.metadata.get("ls_provider")
    if served_by in _REPEATS_REQUEST:
        return NOTHING
    if served_by in ("mistralai", "mistral") and ("token_usage" in metadata or "token_usage" in lump):
        return NOTHING  # The whole answer; a streamed one tells.
    for source in (metadata, lump):
        if (found := text_at(source, ("model_name", "model"))) is not None:
            return {"response_model": found}
    return NOTHING


def usage(call: Call) -> tuple[Facts, Facts]:
    return usage_facts(call.answer, call.metadata.get("ls_provider"))


def finish_reason(call: Call) -> Facts:
    answer = call.answer
    if answer is None:
        return NOTHING
    raw = _raw_finish_reason(answer)
    if raw is None:
        return NOTHING
    ours = finish(
        raw,
        calls_tools=bool(answer.tool_calls or answer.invalid_tool_calls),
        refused=_refused(answer),
    )
    return {"finish_reason": ours, "finish_reason_raw": raw}


_FINISH_KEYS: Final = (
    *("finish_reason", "stop_reason", "done_reason", "stopReason", "finishReason", "completion_reason"),
)


def _raw_finish_reason(answer: Answer) -> str | None:
    metadata = answer.response_metadata
    details = metadata.get("incomplete_details")
    if details is not None and (found := text(get(details, "reason"))) is not None:
        return found
    for source in (metadata, answer.generation_info, answer.llm_output):
        for key in _FINISH_KEYS:
            if (held := source.get(key)) is not None and (found := text(held)) is not None:
                return found
    feedback = metadata.get("prompt_feedback") or answer.llm_output.get("prompt_feedback")
    if isinstance(feedback, MAPPINGS) and (found := text(feedback.get("block_reason"))) is not None:
        return found  # Google: the prompt itself was refused, so there is no candidate.
    return text(metadata.get("status"))  # OpenAI's responses


def _refused(answer: Answer) -> bool:
    """OpenAI's refusal: a field of a chat completion, a block of a response."""
    if (field(answer.message, "additional_kwargs") or NOTHING).get("refusal"):
        return True
    content = answer.content
    return isinstance(content, list) and any(
        isinstance(block, dict) and (block.get("type") == "refusal" or block.get("refusal"))
        for block in content
    )


def tool_calls(call: Call) -> tuple[Facts, Facts]:
    """The calls in the order of the answer, and whether their arguments are whole JSON.

    LangChain mends the arguments of a stream that was cut, and keeps calls that parse and calls that do not
    in two lists, so the pieces are believed first; a piece without a name is not a call.
    """
    answer = call.answer
    if answer is None:
        return NOTHING, NOTHING
    if not (answer.tool_calls or answer.invalid_tool_calls):
        # OpenAI's older form, which LangChain does not take for a call of a tool.
        called = (field(answer.message, "additional_kwargs") or NOTHING).get("function_call")
        if not isinstance(called, MAPPINGS) or not called.get("name"):
            return NOTHING, NOTHING
        whole = whole_arguments(called.get("arguments"))
        valid = [{"name": called["name"], "args_valid": whole}]
        return {"tool_names": (called["name"],)}, {semconv.TOOL_CALLS: valid}
    made = [(name, whole_arguments(given)) for name, given in _pieces(answer) if name]
    if not made:
        made = [(one.get("name"), True) for one in answer.tool_calls or () if one.get("name")]
        made += [(one.get("name") or "?", False) for one in answer.invalid_tool_calls or ()]
    if not made:
        return NOTHING, NOTHING
    valid = [{"name": name, "args_valid": whole} for name, whole in made]
    return {"tool_names": tuple([name for name, _ in made])}, {semconv.TOOL_CALLS: valid}


def _pieces(answer: Answer) -> list[tuple[Any, Any]]:
    """Name and text of the arguments of each call; nothing for a whole answer whose calls all parse."""
    info, message = answer.generation_info, answer.message
    if "token_count" in info and isinstance(listed := info.get("tool_calls"), list):
        return list(map(_piece, listed))  # Cohere's stream adds every call twice, once in pieces.
    streamed = field(message, "tool_call_chunks")
    if streamed and (len(streamed) == 1 or all(one.get("name") for one in streamed)):
        return list(map(_piece, streamed))
    if streamed or answer.invalid_tool_calls:
        raw = (field(message, "additional_kwargs") or NOTHING).get("tool_calls")
        return list(map(_piece, raw)) if isinstance(raw, list) else list(map(_piece, streamed or ()))
    return []


def _piece(given: Any) -> tuple[Any, Any]:
    if not isinstance(given, MAPPINGS):
        return None, None
    inner = given.get("function")
    if inner is not None:
        return get(inner, "name"), get(inner, "arguments")
    return given.get("name"), given.get("args")


def service_tier(call: Call) -> Facts:
    """The tier that the provider says it served the call with.  LangChain also puts it into usage keys."""
    answer = call.answer
    if answer is None:
        return NOTHING
    metadata = answer.response_metadata
    if metadata.get("model_provider") == "groq":
        return NOTHING  # Its client repeats what was asked for.
    found = metadata.get("service_tier") or answer.llm_output.get("service_tier")
    if found is None:
        if (raw := metadata.get("usage")) is not None:
            found = get(raw, "service_tier")  # Anthropic
        elif (raw := metadata.get("serviceTier")) is not None:
            found = get(raw, "type")  # Bedrock
    if found is None and answer.usage and (inside := answer.usage.get("input_token_details")):
        found = next((tier for tier in ("flex", "priority") if tier in inside), None)
    return {semconv.SERVICE_TIER: found} if isinstance(found, str) and found else NOTHING


def response_id(call: Call) -> Facts:
    """The provider's id of the answer; ids that LangChain itself made up do not count."""
    answer = call.answer
    if answer is None:
        return NOTHING
    found = answer.response_metadata.get("id") or answer.llm_output.get("id")
    if not found:
        found = field(answer.message, "id")
        if not isinstance(found, str) or found.startswith(("run-", "lc_")):
            return NOTHING
    return {semconv.RESPONSE_ID: found} if isinstance(found, str) else NOTHING


def headers(call: Call) -> Facts:
    """What came with the answer: the id of the request, rate limits, and how often the client tried again.

    Bedrock's client hands it on unasked, OpenAI's with `include_response_headers`.
    """
    if call.answer is None:
        return NOTHING
    metadata = call.answer.response_metadata
    given, meta = metadata.get("headers"), metadata.get("ResponseMetadata")
    if given is None and meta is None:
        return NOTHING
    facts: Facts = {}
    if isinstance(meta, MAPPINGS):
        given = given or meta.get("HTTPHeaders")
        if tried := meta.get("RetryAttempts"):
            facts[semconv.CLIENT_RETRIES] = tried
        if isinstance(found := meta.get("RequestId"), str):
            facts[semconv.REQUEST_ID] = found
    if isinstance(given, MAPPINGS):
        if semconv.REQUEST_ID not in facts and (found := request_id_of(given)) is not None:
            facts[semconv.REQUEST_ID] = found
        if said := rate_limits(given):
            facts[semconv.RATE_LIMITS] = said
    return facts


def fingerprint(call: Call) -> Facts:
    if call.answer is None:
        return NOTHING
    found = call.answer.response_metadata.get("system_fingerprint")
    found = found or call.answer.llm_output.get("system_fingerprint")
    return {semconv.SYSTEM_FINGERPRINT: found} if isinstance(found, str) and found else NOTHING


def reported_cost(call: Call) -> Facts:
    """What OpenRouter says that the call cost, in dollars; through OpenAI's client, beside the tokens."""
    if call.answer is None:
        return NOTHING
    metadata = call.answer.response_metadata
    if (found := metadata.get("cost")) is None and (held := metadata.get("token_usage")) is not None:
        found = get(held, "cost")
    if found is None or not is_number(found) or not 0 <= found < float("inf"):
        return NOTHING
    return {"cost_usd": Decimal(str(found)), "cost_source": "provider"}


FACTS: Final[tuple[Callable[[Call], Facts], ...]] = (
    *(request_model, response_model, provider, temperature, max_tokens, finish_reason, reported_cost),
)
"""Readers that give fields of a span."""
ATTRIBUTES: Final[tuple[Callable[[Call], Facts], ...]] = (
    *(stop_sequences, tools_offered, structured_output, server, service_tier, response_id, headers),
    fingerprint,
)
"""Readers that give attributes, by their `semconv` keys."""
BOTH: Final[tuple[Callable[[Call], tuple[Facts, Facts]], ...]] = (usage, tool_calls)
"""Readers that give fields and attributes."""


_NAMES: Final[Mapping[Callable[[Call], Facts], Set[str]]] = {
    **NAMES,
    reported_cost: {"cost", "token_usage"},
    service_tier: {"service_tier", "serviceTier", "usage", "input_token_details"},
    headers: {"headers", "ResponseMetadata"},
    fingerprint: {"system_fingerprint"},
}
"""Readers that find nothing where none of these names stands in the call or its answer."""
_Readers = tuple[Callable[[Call], Facts], ...]
_chosen: dict[tuple[Any, ...], tuple[_Readers, _Readers]] = {}
"""The readers for calls in which these names stand; a client's calls and answers have few sets of them."""


def _readers(call: Call) -> tuple[_Readers, _Readers]:
    """Those of `FACTS` and `ATTRIBUTES` that may find something."""
    answer = call.answer
    try:
        names: tuple[Any, ...] = (*call.params, *call.metadata)
        if answer is not None:
            names = (*names, *answer.response_metadata, *answer.llm_output, *(answer.usage or ()))
    except Exception:  # noqa: BLE001  what cannot be looked over: each reader fails for itself, or does not
        return FACTS, ATTRIBUTES
    found = _chosen.get(names)
    if found is None:
        if len(_chosen) >= 256:
            _chosen.clear()
        found = _chosen[names] = _finding(names, FACTS), _finding(names, ATTRIBUTES)
    return found


def _finding(names: Collection[Any], readers: _Readers) -> _Readers:
    return tuple(one for one in readers if one not in _NAMES or not _NAMES[one].isdisjoint(names))


def read(call: Call, facts: Facts, attributes: Facts) -> list[str]:
    """Put all facts of the call where they belong; the names of the readers that failed."""
    failed: list[str] = []
    of_facts, of_attributes = _readers(call)
    for readers, keep in ((of_facts, facts.update), (of_attributes, attributes.update)):
        for reader in readers:
            try:
                if found := reader(call):
                    keep(found)
            except Exception:  # noqa: BLE001  the boundary of a fact: it is lost and named, the others stay
                failed.append(reader.__name__)
    for read_both in BOTH:
        try:
            more_facts, more_attributes = read_both(call)
            facts.update(more_facts)
            attributes.update(more_attributes)
        except Exception:  # noqa: BLE001  as above
            failed.append(read_both.__name__)
    return failed

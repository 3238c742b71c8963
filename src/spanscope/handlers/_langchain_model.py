"""Facts of a model call, read from what LangChain hands over: one fact, one small function.

Clients put the same fact in different places; each reader tries them in the order of trust.  What is
true of the provider itself (words, shapes, headers) is in `providers`; here is where LangChain's
clients put it, and what they get wrong.  A reader that fails loses its own fact and nothing else.

Pure; runs on the worker thread, called by `_langchain_payload`.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar

from spanscope import semconv
from spanscope.handlers._langchain_usage import usage_facts
from spanscope.providers import finish, rate_limits, request_id_of, whole_arguments
from spanscope.providers.reading import MAPPINGS, get, text

Facts = dict[str, Any]
NOTHING: Final[Facts] = {}
T = TypeVar("T")


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
    serialized: Any = None
    options: Any = None
    """What LangChain knows about the request besides the provider's parameters."""


# --- what was asked for -------------------------------------------------------------------------------


def request_model(call: Call) -> Facts:
    """LangChain's own word first: a client's default in `serialized` is what nobody asked for."""
    if (found := _text_at(call.metadata, ("ls_model_name",))) is None:
        found = _text_at(
            call.params, ("model", "model_name", "model_id", "azure_deployment", "deployment_name")
        )
        if found is None and isinstance(call.serialized, MAPPINGS):
            found = _text_at(call.serialized.get("kwargs") or NOTHING, ("model", "model_name", "model_id"))
    return {"request_model": found} if found is not None else NOTHING


def provider(call: Call) -> Facts:
    found = call.metadata.get("ls_provider")
    if not found and call.answer is not None:
        found = call.answer.response_metadata.get("model_provider")
    return {"provider": found} if isinstance(found, str) and found else NOTHING


def temperature(call: Call) -> Facts:
    return _number("temperature", call, "ls_temperature", ("temperature",))


def max_tokens(call: Call) -> Facts:
    return _number("max_tokens", call, "ls_max_tokens", _LIMITS)


_LIMITS: Final = (
    *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "num_predict"),
    *("maxTokens", "max_tokens_to_sample"),
)
_NESTED: Final = ("generation_config", "inferenceConfig", "options", "params", "model_kwargs", "parameters")
"""Under which some clients put what others give directly."""


def _number(name: str, call: Call, official: str, names: tuple[str, ...]) -> Facts:
    if _is_number(value := call.metadata.get(official)):
        return {name: value}
    params = call.params
    for key in names:
        if _is_number(value := params.get(key)):
            return {name: value}
    for key in _NESTED:
        if isinstance(inner := params.get(key), Mapping):
            for own in names:
                if _is_number(value := inner.get(own)):
                    return {name: value}
    return NOTHING


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def stop_sequences(call: Call) -> Facts:
    found = call.metadata.get("ls_stop") or call.params.get("stop") or call.params.get("stop_sequences")
    if isinstance(found, str):
        found = [found]
    return {semconv.REQUEST_STOP: list(found)} if isinstance(found, list | tuple) and found else NOTHING


def tools_offered(call: Call) -> Facts:
    tools = call.params.get("tools") or call.params.get("functions")
    if tools is None:
        held = call.params.get("toolConfig") or call.params.get("tool_config")
        tools = held.get("tools") if isinstance(held, MAPPINGS) else None
    if not isinstance(tools, list | tuple) or not tools:
        return NOTHING
    names: list[str] = []
    for tool in tools[:100]:
        inner = tool.get("function") if type(tool) is dict else None
        if type(inner) is dict:
            names.append(str(inner.get("name")))
        else:
            names += _tool_names(tool)
    return {semconv.TOOLS_OFFERED: names}


def _tool_names(tool: Any) -> list[str]:
    """The name of a tool in Anthropic's, Bedrock's or Cohere's form; Google's hold several."""
    if not isinstance(tool, MAPPINGS):
        declared = getattr(tool, "function_declarations", None)
        if declared:
            return [str(declaration.name) for declaration in declared]
        held = getattr(tool, "function", None) or tool  # Cohere's
        return [tool if isinstance(tool, str) else str(getattr(held, "name", type(tool).__name__))]
    if (declared := tool.get("function_declarations") or tool.get("functionDeclarations")) is not None:
        return [str(declaration.get("name")) for declaration in declared]
    inner = next((held for key in ("function", "toolSpec", "custom") if (held := tool.get(key))), None)
    name = inner.get("name") if isinstance(inner, MAPPINGS) else tool.get("name") or tool.get("type")
    return [str(name)]


def structured_output(call: Call) -> Facts:
    """Whether an answer in a given form was asked for, and the name of the form."""
    asked = get(call.options, "ls_structured_output_format")
    form = call.params.get("response_format") or call.params.get("response_schema")
    if not asked and not form:
        return NOTHING
    facts: Facts = {semconv.STRUCTURED_OUTPUT: True}
    if (name := _schema_name(asked) or _schema_name(form)) is not None:
        facts[semconv.OUTPUT_SCHEMA] = name
    return facts


def _schema_name(form: Any) -> str | None:
    """The title or name of a schema, where LangChain or the provider's parameter gives one."""
    if isinstance(form, type):
        return form.__name__
    for _ in range(4):
        if not isinstance(form, MAPPINGS):
            return None
        for key in ("name", "title"):
            if isinstance(found := form.get(key), str):
                return found
        form = form.get("schema") or form.get("json_schema") or form.get("function")
    return None


_ADDRESSES: Final = (
    *("openai_api_base", "base_url", "azure_endpoint", "anthropic_api_url", "groq_api_base", "endpoint_url"),
    *("fireworks_api_base", "xai_api_base", "api_base", "endpoint"),
)


def server(call: Call) -> Facts:
    """Where the request went, when the client was told: by that alone compatible hosts are told apart."""
    kwargs = call.serialized.get("kwargs") if isinstance(call.serialized, MAPPINGS) else None
    if not isinstance(kwargs, MAPPINGS):
        return NOTHING
    found = _text_at(kwargs, _ADDRESSES)
    if found is None or "://" not in found:
        return NOTHING
    host = found.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return {semconv.SERVER_ADDRESS: host} if host else NOTHING


# --- what was answered ----------------------------------------------------------------------------------

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
        if (found := _text_at(source, ("model_name", "model"))) is not None:
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
    if (getattr(answer.message, "additional_kwargs", None) or NOTHING).get("refusal"):
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
    if answer is None or not (answer.tool_calls or answer.invalid_tool_calls):
        return NOTHING, NOTHING
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
    streamed = getattr(message, "tool_call_chunks", None)
    if streamed and (len(streamed) == 1 or all(one.get("name") for one in streamed)):
        return list(map(_piece, streamed))
    if streamed or answer.invalid_tool_calls:
        raw = (getattr(message, "additional_kwargs", None) or NOTHING).get("tool_calls")
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
        found = getattr(answer.message, "id", None)
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
    """What OpenRouter says that the call cost, in dollars."""
    if call.answer is None or "cost" not in (metadata := call.answer.response_metadata):
        return NOTHING
    found = metadata["cost"]
    if not _is_number(found) or found < 0:
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


def read(call: Call, facts: Facts, attributes: Facts) -> list[str]:
    """Put all facts of the call where they belong; the names of the readers that failed."""
    failed: list[str] = []

    def keep(both: tuple[Facts, Facts]) -> None:
        facts.update(both[0])
        attributes.update(both[1])

    _fill(FACTS, call, facts.update, failed)
    _fill(ATTRIBUTES, call, attributes.update, failed)
    _fill(BOTH, call, keep, failed)
    return failed


def _fill(
    readers: tuple[Callable[[Call], T], ...], call: Call, keep: Callable[[T], None], failed: list[str]
) -> None:
    for reader in readers:
        try:
            if found := reader(call):
                keep(found)
        except Exception:  # noqa: BLE001  the boundary of a fact: it is lost and named, the others stay
            failed.append(reader.__name__)


def _text_at(source: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if isinstance(found := source.get(key), str) and found:
            return found
    return None

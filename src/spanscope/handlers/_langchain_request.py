"""What was asked of a model, as LangChain says when the call starts: one fact, one small function.

Also what a call is, for these readers and those of the answer in `_langchain_model`.  Pure; runs on the
worker thread.
"""

from collections.abc import Callable, Mapping, Set
from typing import Any, Final, NamedTuple

from spanscope import semconv
from spanscope.providers.reading import MAPPINGS, get

Facts = dict[str, Any]
NOTHING: Final[Facts] = {}


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


def request_model(call: Call) -> Facts:
    """LangChain's own word first: a client's default in `serialized` is what nobody asked for."""
    if (found := text_at(call.metadata, ("ls_model_name",))) is None:
        found = text_at(
            call.params, ("model", "model_name", "model_id", "azure_deployment", "deployment_name")
        )
        if found is None and isinstance(call.serialized, MAPPINGS):
            found = text_at(call.serialized.get("kwargs") or NOTHING, ("model", "model_name", "model_id"))
    return {"request_model": found} if found is not None else NOTHING


def provider(call: Call) -> Facts:
    found = call.metadata.get("ls_provider")
    if not found and call.answer is not None:
        found = call.answer.response_metadata.get("model_provider")
    return {"provider": found} if isinstance(found, str) and found else NOTHING


def temperature(call: Call) -> Facts:
    return _number("temperature", call, "ls_temperature", _TEMPERATURE)


def max_tokens(call: Call) -> Facts:
    return _number("max_tokens", call, "ls_max_tokens", _LIMITS)


_TEMPERATURE: Final = {"temperature": None}
_LIMITS: Final = dict.fromkeys(
    (
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "max_new_tokens", "num_predict"),
        *("maxTokens", "max_tokens_to_sample"),
    )
)
"""Names in the order of trust; as keys, so that one look says whether any of them was given."""
_NESTED: Final = dict.fromkeys(
    ("generation_config", "inferenceConfig", "options", "params", "model_kwargs", "parameters")
)
"""Under which some clients put what others give directly."""


def _number(name: str, call: Call, official: str, names: Mapping[str, None]) -> Facts:
    if is_number(value := call.metadata.get(official)):
        return {name: value}
    params = call.params
    found = _number_under(names, params)
    if found is None and not _NESTED.keys().isdisjoint(params):
        inner = (params[key] for key in _NESTED if isinstance(params.get(key), MAPPINGS))
        found = next((one for held in inner if (one := _number_under(names, held)) is not None), None)
    return NOTHING if found is None else {name: found}


def _number_under(names: Mapping[str, None], params: Mapping[str, Any]) -> int | float | None:
    if names.keys().isdisjoint(params):
        return None
    return next((params[key] for key in names if is_number(params.get(key))), None)


_NUMBERS: Final = (int, float)


def is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


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
    found = text_at(kwargs, _ADDRESSES)
    if found is None or "://" not in found:
        return NOTHING
    host = found.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return {semconv.SERVER_ADDRESS: host} if host else NOTHING


NAMES: Final[Mapping[Callable[[Call], Facts], Set[str]]] = {
    temperature: {"ls_temperature", *_TEMPERATURE, *_NESTED},
    max_tokens: {"ls_max_tokens", *_LIMITS, *_NESTED},
    stop_sequences: {"ls_stop", "stop", "stop_sequences"},
    tools_offered: {"tools", "functions", "toolConfig", "tool_config"},
}
"""Readers that find nothing where none of these names stands in what was asked."""


def field(message: Any, name: str) -> Any:
    """A field of a message, or None.  Not as an attribute: pydantic takes 2 µs to say that it has none."""
    return getattr(message, "__dict__", NOTHING).get(name)


def text_at(source: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if isinstance(found := source.get(key), str) and found:
            return found
    return None

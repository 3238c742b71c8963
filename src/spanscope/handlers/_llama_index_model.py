"""Facts of a model call, as LlamaIndex hands them over: nearly all stand in the provider's own response.

Of a stream LlamaIndex keeps no whole response.  The last chunk may have the usage and no finish reason, the
one before it the reverse, and the first alone the model; so these three are read, in this order, and what
a later one says counts.  Pure; runs on the worker thread.

Called by `_llama_index_payload`, which does the other kinds of steps.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from spanscope import semconv
from spanscope.drafts import Draft, Message
from spanscope.handlers import _llama_index_held as held
from spanscope.handlers._llama_index_call import Call
from spanscope.handlers._llama_index_held import Answered
from spanscope.handlers._llama_index_text import message_of, said_text, tool_calls
from spanscope.handlers._timing import tell_times
from spanscope.providers import Found, ToolCall, facts_of_response, finish, usage_of
from spanscope.runs import Run

Part = Callable[[Run, Call, Draft], None]


def llm(run: Run, call: Call, draft: Draft) -> None:
    """All facts of the call.  A reader that fails loses its own and is named, the others stay."""
    draft.facts["usage_source"] = "missing"
    failed: list[str] = []
    for part in PARTS:
        try:
            part(run, call, draft)
        except Exception:  # noqa: BLE001  the boundary of a fact
            failed.append(part.__name__.strip("_"))
    if failed:
        draft.attributes.setdefault(semconv.EXTRACT_ERRORS, []).extend(failed)


# --- what was asked --------------------------------------------------------------------------------------


def _model_asked(run: Run, call: Call, draft: Draft) -> None:
    facts = draft.facts
    for source, keys in (
        (_options(call), ("model", "model_name")),
        (call.described, ("model_name", "model")),
    ):
        for key in keys:
            found = source.get(key) if isinstance(source, Mapping) else None
            if isinstance(found, str) and found and found != "unknown":
                facts.setdefault("request_model", found)
    if "request_model" not in facts and isinstance(name := getattr(call.instance, "model", None), str):
        facts["request_model"] = name
    if call.plan.provider is not None:
        facts["provider"] = call.plan.provider


def _parameters(run: Run, call: Call, draft: Draft) -> None:
    """Those of the call win over those of the object, as they do in its request."""
    own = getattr(call.instance, "__dict__", {})
    more = own.get("additional_kwargs")
    for name, keys in _PARAMETERS.items():
        for source in (_options(call), more, own):
            value = next((source[k] for k in keys if source.get(k) is not None), None) if source else None
            if isinstance(value, int | float) and not isinstance(value, bool):
                draft.facts.setdefault(name, value)


_PARAMETERS: Final = {
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"),
}


def _offered(run: Run, call: Call, draft: Draft) -> None:
    tools = _options(call).get("tools")
    if isinstance(tools, list) and tools:
        draft.attributes[semconv.TOOLS_OFFERED] = [_tool_name(tool) for tool in tools[:100]]
    if _options(call).get("response_format") or call.structured:
        draft.attributes[semconv.STRUCTURED_OUTPUT] = True


def _options(call: Call) -> Mapping[str, Any]:
    return call.options if isinstance(call.options, Mapping) else {}


def _tool_name(tool: Any) -> str:
    if isinstance(tool, str):
        return tool
    if isinstance(tool, Mapping):
        inner = tool.get("function")
        return str((inner if isinstance(inner, Mapping) else tool).get("name") or tool.get("type"))
    return str(getattr(getattr(tool, "metadata", tool), "name", type(tool).__name__))


def _asked(run: Run, call: Call, draft: Draft) -> None:
    messages = call.messages
    if messages is None and isinstance(call.asked, Mapping):
        messages = _in_arguments(call.asked)
    for one in messages or ():
        draft.inputs.append(Message("prompt", one) if isinstance(one, str) else message_of(one))
    system = [said.text for said in draft.inputs if said.role in ("system", "developer")]
    if (template := _template_text(call.template)) is not None:
        draft.facts["prompt_hash"] = template
    elif system:
        draft.facts["prompt_hash"] = "\n".join(system)


def _in_arguments(arguments: Mapping[str, Any]) -> list[Any]:
    """Of a model that sends no events: what its method was called with."""
    found = arguments.get("messages", arguments.get("prompt"))
    if found is None and (args := arguments.get("args")):
        found = args[0]
    if isinstance(found, str):
        return [found]
    return list(held.messages(found)) if isinstance(found, list | tuple) else []


def _template_text(template: Any) -> str | None:
    """The text of a prompt template, of which the hash is kept."""
    for holder in (template, getattr(template, "default_template", None)):
        if isinstance(text := getattr(holder, "template", None), str):
            return text
        if isinstance(said := getattr(holder, "message_templates", None), list):
            return "\n".join(said_text(one) for one in held.messages(said))
    return None


# --- what was answered -----------------------------------------------------------------------------------


def _response(run: Run, call: Call, draft: Draft) -> None:
    answer = _answer(call)
    for raw in _raws(call, answer):
        _take(facts_of_response(raw), draft)
    if draft.facts.get("usage_source") == "missing" and answer is not None:
        for holder in (answer.extra, answer.said.extra):
            usage = usage_of(holder) or usage_of(_under(holder, "usage"))
            if usage is not None:
                draft.facts.update(usage.facts())
                draft.attributes.update(usage.attributes())
                break
    if draft.status != "ok" and draft.facts.get("usage_source") == "provider":
        draft.facts["usage_source"] = "partial"


def _answer(call: Call) -> Answered | None:
    """The whole answer, else what had arrived of it."""
    if isinstance(call.answer, Answered):
        return call.answer
    return held.response(call.tail[-1]) if call.tail else None


def _raws(call: Call, answer: Answered | None) -> Iterator[Any]:
    """The provider's responses, the first one first."""
    seen: list[Any] = []
    for raw in (
        getattr(call.first, "raw", None),
        *[getattr(response, "raw", None) for response in tuple(call.tail)],
        answer.raw if answer is not None else None,
    ):
        if raw is not None and not any(raw is other for other in seen):
            seen.append(raw)
            yield raw


def _take(found: Found, draft: Draft) -> None:
    """What this response says, and does not take back what an earlier one said."""
    told = {name: value for name, value in found.facts.items() if value is not None}
    if told.get("usage_source") == "missing":
        told.pop("usage_source")
    draft.facts.update(told)
    draft.attributes.update(found.attributes)
    if found.failed:
        draft.attributes.setdefault(semconv.EXTRACT_ERRORS, []).extend(found.failed)


def _under(holder: Any, key: str) -> Any:
    return holder.get(key) if isinstance(holder, Mapping) else None


def _answered(run: Run, call: Call, draft: Draft) -> None:
    answer = _answer(call)
    if answer is None:
        return
    text = said_text(answer.said)
    if text or draft.status == "ok":
        draft.outputs.append(Message("ai", text))
    calls = [ToolCall(name, valid) for name, _, valid in tool_calls(answer.said)]
    if calls:
        # LlamaIndex has put the pieces of a stream together, which no single chunk shows.
        if all(one.name not in (None, "", "?") for one in calls):
            # It mixes up calls whose pieces come by turns: one is lost, and pieces without a name are left.
            draft.facts["tool_names"] = tuple(one.name for one in calls)
        else:
            draft.facts.pop("tool_names", None)
        draft.attributes[semconv.TOOL_CALLS] = [one._asdict() for one in calls]
        raw = draft.facts.get("finish_reason_raw")
        if isinstance(raw, str):
            draft.facts["finish_reason"] = finish(raw, calls_tools=True)


# --- time, and what is not known ---------------------------------------------------------------------------


def _timing(run: Run, call: Call, draft: Draft) -> None:
    if run.chunks or call.awaiting or draft.status != "error":
        draft.facts["streamed"] = run.chunks > 0 or call.awaiting
    if run.chunks:
        draft.attributes[semconv.STREAM_CHUNKS] = run.chunks // run.deliveries or 1
    tell_times(draft, run.start_ns, run.end_ns, run.first_token_ns)


def _why_no_usage(run: Run, call: Call, draft: Draft) -> None:
    if draft.facts.get("usage_source") != "missing":
        return
    if run.end_ns is None:
        reason = "the call has not ended"
    elif call.state == "not_consumed":
        reason = "the stream was never read"
    elif call.awaiting and not call.started:
        reason = "the model's class tells nothing of its streams"
    elif _answer(call) is None:
        reason = "the call failed before it answered"
    elif run.chunks and draft.status != "ok":
        reason = "the stream ended before its usage came"
    elif run.chunks:
        reason = (
            'the provider sends no usage with a stream unless asked: stream_options={"include_usage": True}'
        )
    else:
        reason = "the response carries no usage"
    draft.attributes[semconv.USAGE_MISSING_REASON] = reason


PARTS: Final[tuple[Part, ...]] = (
    *(_model_asked, _parameters, _offered, _asked, _response, _answered, _timing, _why_no_usage),
)

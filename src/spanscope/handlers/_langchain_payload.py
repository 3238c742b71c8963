"""Turn a LangChain run into a draft.  Pure functions on the worker thread, one for each kind of run.

Fed with the `Run`s that `handlers.langchain` noted; called by `assembler`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from spanscope import semconv
from spanscope.drafts import Draft, Message
from spanscope.handlers import _langchain_model as model
from spanscope.handlers._documents import ID_KEYS, SCORE_KEYS, SOURCE_KEYS
from spanscope.handlers._freeze import FrozenMessage, FrozenMessages
from spanscope.handlers._langchain_merged import taken_once
from spanscope.handlers._langchain_text import (
    block_text,
    input_text,
    message_of,
    messages_in,
    output_text,
    to_json,
)
from spanscope.handlers._langgraph import handoff_target, interrupt_values, status_of
from spanscope.handlers._timing import tell_times
from spanscope.providers import facts_of_error, http_status
from spanscope.providers.reading import MAPPINGS
from spanscope.runs import Run

FRAMEWORK: Final = "langchain"
RETRY_TAG: Final = "retry:attempt:"
_SESSION_KEYS = ("session_id", "langfuse_session_id", "conversation_id", "thread_id")
_USER_KEYS = ("user_id", "langfuse_user_id")
_FACTS: Final = {
    "session_id": _SESSION_KEYS,
    "user_id": _USER_KEYS,
    "thread_id": ("thread_id",),
    "prompt_name": ("prompt_name", "lc_hub_repo"),
    "prompt_version": ("prompt_version", "lc_hub_commit_hash"),
    **{name: (name,) for name in ("environment", "service", "release")},
}
_FACT_KEYS: Final = frozenset({"langfuse_prompt", *(key for keys in _FACTS.values() for key in keys)})
_LANGGRAPH_KEYS = ("langgraph_node", "langgraph_step", "langgraph_checkpoint_ns", "checkpoint_ns")
_KNOWN_METADATA: Final = frozenset(
    {
        *(_FACT_KEYS - {"lc_hub_repo", "lc_hub_commit_hash"}),
        *(*_LANGGRAPH_KEYS, "langgraph_triggers", "langgraph_path", "langgraph_request_id", "traceparent"),
        *("lc_versions", "versions", "ls_integration", "ls_agent_type"),
        *("ls_provider", "ls_model_name", "ls_model_type", "ls_temperature", "ls_max_tokens", "ls_stop"),
    }
)
"""Keys whose values stand elsewhere in a span, or say nothing about the run."""


def facts_of(metadata: Any) -> dict[str, Any]:
    """Session, user, prompt and place as people write them in metadata, for us or for other tools."""
    if not isinstance(metadata, MAPPINGS) or _FACT_KEYS.isdisjoint(metadata):
        return {}
    facts = {name: found for name, keys in _FACTS.items() if (found := _first(metadata, keys)) is not None}
    managed = metadata.get("langfuse_prompt")
    if managed is not None:
        for name, attribute in (("prompt_name", "name"), ("prompt_version", "version")):
            if name not in facts and (found := _text(getattr(managed, attribute, None))) is not None:
                facts[name] = found
    return facts


def _first(metadata: Mapping[str, Any], keys: tuple[str, ...]) -> str | None:
    for key in keys:
        if (found := _text(metadata.get(key))) is not None:
            return found
    return None


def _text(value: Any) -> str | None:
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def own_metadata(metadata: Any, above: Any) -> dict[str, Any]:
    """The user's own keys, without what the parent has too and what stands elsewhere in the span."""
    if not isinstance(metadata, MAPPINGS) or _KNOWN_METADATA.issuperset(metadata):
        return {}
    inherited = above if isinstance(above, MAPPINGS) else {}
    return {
        key: value
        for key, value in metadata.items()
        if key not in _KNOWN_METADATA and not (key in inherited and inherited[key] is value)
    }


_INTERNAL_TAGS = ("seq:step:", "graph:step:", "map:key:", "condition:", "branch:", RETRY_TAG, "langsmith:")


def own_tags(tags: Any) -> list[str]:
    """The user's own tags, without those by which LangChain numbers its steps."""
    return [tag for tag in tags or () if isinstance(tag, str) and not tag.startswith(_INTERNAL_TAGS)]


# --- all kinds -----------------------------------------------------------------------------------------


def _common(run: Run, draft: Draft, kind: str, options: Mapping[str, Any]) -> None:
    """What runs of all kinds may have."""
    facts, metadata, error = draft.facts, run.metadata, run.error
    facts["kind"], facts["framework"] = kind, FRAMEWORK
    name = options.get("name")
    facts["name"] = name if type(name) is str and name else _class_name(run.serialized) or kind
    if metadata and "langgraph_node" in metadata and isinstance(metadata, MAPPINGS):
        attributes = draft.attributes
        attributes[semconv.GRAPH_NODE] = metadata["langgraph_node"]
        attributes[semconv.GRAPH_STEP] = metadata.get("langgraph_step")
        if (namespace := metadata.get("langgraph_checkpoint_ns")) is not None:
            attributes[semconv.CHECKPOINT_NS] = namespace
    if run.tags:
        for tag in run.tags:
            if isinstance(tag, str) and tag.startswith(RETRY_TAG):
                draft.attributes[semconv.ATTEMPT] = int(tag.removeprefix(RETRY_TAG))
    if error is not None:
        draft.status = status_of(error, is_root=run.parent is None)
        _failure(error, draft)


def _failure(error: BaseException, draft: Draft) -> None:
    match draft.status:
        case "error":
            if (status := http_status(error)) is not None:
                draft.attributes[semconv.HTTP_STATUS_CODE] = status
        case "interrupted":
            draft.error = None
            if values := interrupt_values(error):
                draft.outputs.append(Message("interrupt", to_json(values[0] if len(values) == 1 else values)))
        case "handoff":
            draft.error = None
            draft.attributes[semconv.HANDOFF_TARGET] = handoff_target(error)
        case _:
            draft.error = None


def _metadata(run: Run) -> Mapping[str, Any]:
    return run.metadata if isinstance(run.metadata, MAPPINGS) else {}


def _class_name(serialized: Any) -> str | None:
    if not isinstance(serialized, MAPPINGS):
        return None
    if isinstance(name := serialized.get("name"), str):
        return name
    path = serialized.get("id")
    return path[-1] if isinstance(path, list) and path and isinstance(path[-1], str) else None


def _options(run: Run) -> Mapping[str, Any]:
    return run.options if isinstance(run.options, MAPPINGS) else {}


# --- chains, graphs, prompts, parsers ----------------------------------------------------------------------

_RUN_TYPES: Final = ("prompt", "parser", "retriever", "tool", "llm")


def chain(run: Run, draft: Draft) -> None:
    options = _options(run)
    kind = options.get("run_type")
    if kind not in _RUN_TYPES:
        kind = run.kind or "chain"
        if kind == "graph" and _metadata(run).get("ls_integration") == "langchain_create_agent":
            kind = "agent"
    _common(run, draft, kind, options)
    if kind == "prompt" and run.serialized is not None:
        draft.facts["prompt_hash"] = _template_text(run.serialized)
    attributes, outermost, asked, answered = draft.attributes, run.parent is None, run.payload, run.output
    if type(asked) is tuple:
        asked, content = asked
        if outermost and content is not None and (said := input_text(content)) is not None:
            draft.inputs.append(said)
    if asked is not None:
        attributes[semconv.INPUT_SHAPE] = asked
    if run.interrupted and draft.status == "ok":
        draft.status = "interrupted"
    if run.resumed:
        attributes[semconv.RESUMED] = True
    if type(answered) is tuple:
        answered, content = answered
        if outermost and content is not None and (said := output_text(content)) is not None:
            draft.outputs.append(said)
    if answered is not None:
        attributes[semconv.OUTPUT_SHAPE] = answered


_templates: dict[int, tuple[Any, str]] = {}


def _template_text(serialized: Any) -> str:
    """The template's serialised form, as the text that its hash is taken of; the last 64 are kept."""
    known = _templates.get(id(serialized))
    if known is not None and known[0] is serialized:
        return known[1]
    text = json.dumps(serialized, sort_keys=True, default=lambda value: type(value).__name__)
    if len(_templates) >= 64:
        _templates.clear()
    _templates[id(serialized)] = (serialized, text)
    return text


# --- model calls ----------------------------------------------------------------------------------------


def llm(run: Run, draft: Draft) -> None:
    options = _options(run)
    params = options.get("invocation_params")
    params = params if isinstance(params, MAPPINGS) else {}
    metadata = _metadata(run)
    _common(run, draft, "llm", options)
    answer = run.output if isinstance(run.output, model.Answer) else None
    if answer is not None and run.chunks:
        answer = taken_once(answer, run.usage, run.usages)
    call = model.Call(params, metadata, answer, run.serialized, options.get("options"))
    failed = model.read(call, draft.facts, draft.attributes)
    if draft.status != "ok" and draft.facts.get("usage_source") == "provider":
        draft.facts["usage_source"] = "partial"
        if not draft.facts.get("output_tokens"):
            # Something had been said: Google's client gives 0 for a count that has not come yet.
            draft.facts["output_tokens"] = draft.facts["total_tokens"] = None
    for part in (_asked, _answered, _failed, _tried_again, _timing, _why_no_usage):
        try:
            part(run, draft, call)
        except Exception:  # noqa: BLE001  as above
            failed.append(part.__name__.strip("_"))
    if failed:
        draft.attributes[semconv.EXTRACT_ERRORS] = failed


def _asked(run: Run, draft: Draft, call: model.Call) -> None:
    if not run.payload:
        return
    if not isinstance(run.payload, FrozenMessages):
        draft.inputs = [Message("prompt", text) for text in run.payload]
        return
    draft.inputs = messages_in(run.payload)


def _answered(run: Run, draft: Draft, call: model.Call) -> None:
    answer = call.answer
    if answer is None:
        return
    if answer.message is not None:
        said = message_of(FrozenMessage(answer.message, answer.content))
    else:
        said = Message("ai", block_text(answer.content))
    if said.text or draft.status == "ok":
        draft.outputs.append(Message("ai", said.text))


def _failed(run: Run, draft: Draft, call: model.Call) -> None:
    if run.error is not None and draft.status == "error":
        draft.attributes.update(facts_of_error(run.error))


def _tried_again(run: Run, draft: Draft, call: model.Call) -> None:
    """Some clients of LangChain tell when they send the request again."""
    if run.events and (again := sum(event.get("name") == "retry" for event in run.events)):
        draft.attributes[semconv.CLIENT_RETRIES] = again


def _timing(run: Run, draft: Draft, call: model.Call) -> None:
    facts, attributes = draft.facts, draft.attributes
    if run.chunks or draft.status != "error":  # Of what failed before its first piece nobody knows.
        facts["streamed"] = run.chunks > 0
    if run.chunks:
        attributes[semconv.STREAM_CHUNKS] = run.chunks // run.deliveries or 1
    first, text = run.first_token_ns, run.first_text_ns
    tell_times(draft, run.start_ns, run.end_ns, first, text)
    made = facts.get("output_tokens")
    if not made or first is None or run.end_ns is None or run.end_ns <= run.start_ns:
        return
    if text == first:
        # Reasoning that nobody saw was over when the first token came.
        made -= facts.get("reasoning_tokens") or 0
    if made > 1:
        attributes[semconv.TIME_PER_TOKEN_MS] = (run.end_ns - first) / (made - 1) / 1_000_000


def _why_no_usage(run: Run, draft: Draft, call: model.Call) -> None:
    if draft.facts.get("usage_source") != "missing" or semconv.USAGE_MISSING_REASON in draft.attributes:
        return
    if run.end_ns is None:
        reason = "the call has not ended"
    elif call.answer is None or (run.error is not None and not run.chunks):
        reason = "the call failed before it answered"
    elif run.chunks and "finish_reason" not in draft.facts:
        reason = "the stream ended before its usage came"
    elif run.chunks:
        reason = "the provider sends no usage with a stream unless asked: stream_usage=True"
    else:
        reason = "the response carries no usage"
    draft.attributes[semconv.USAGE_MISSING_REASON] = reason


# --- tools and retrievers ---------------------------------------------------------------------------------


def tool(run: Run, draft: Draft) -> None:
    options = _options(run)
    _common(run, draft, "tool", options)
    if call_id := options.get("tool_call_id"):
        draft.attributes[semconv.TOOL_CALL_ID] = call_id
    asked = run.payload
    if asked is not None:
        draft.inputs.append(Message("tool_input", asked if isinstance(asked, str) else to_json(asked)))
    result = run.output
    if result is None:
        return
    if isinstance(result, FrozenMessage):
        if getattr(result.message, "status", None) == "error" and draft.status == "ok":
            draft.status = "error"
            draft.facts["error_type"] = "ToolError"
            draft.facts["error_message"] = block_text(result.content)
        result = block_text(result.content)
    draft.outputs.append(Message("tool", result if isinstance(result, str) else to_json(result)))


def retriever(run: Run, draft: Draft) -> None:
    _common(run, draft, "retriever", _options(run))
    if isinstance(run.payload, str):
        draft.inputs.append(Message("query", run.payload))
    if run.output is None:
        return
    draft.attributes[semconv.DOCUMENT_COUNT] = run.output[0]
    draft.attributes[semconv.DOCUMENTS] = [_document(found) for found in run.output[1]]
    draft.outputs = [Message("document", text) for _, text, _ in run.output[1]]


_SCORES: Final = frozenset(SCORE_KEYS)


def _document(found: tuple[Any, str, Any]) -> dict[str, Any]:
    doc_id, text, metadata = found
    facts = {semconv.DOC_CHARS: len(text), semconv.DOC_HASH: text}
    metadata = metadata if isinstance(metadata, MAPPINGS) else {}
    if (name := _text(doc_id) or _first(metadata, ID_KEYS)) is not None:
        facts[semconv.DOC_ID] = name
    if not _SCORES.isdisjoint(metadata):
        score = next((metadata[key] for key in SCORE_KEYS if metadata.get(key) is not None), None)
        if score is not None:
            facts[semconv.DOC_SCORE] = float(score)
    if (source := _first(metadata, SOURCE_KEYS)) is not None:
        facts[semconv.DOC_SOURCE] = source
    return facts

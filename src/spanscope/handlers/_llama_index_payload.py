"""Turn a LlamaIndex call into a draft.  Pure functions on the worker thread, one for each kind of step.

Fed with the `Call`s that `handlers.llama_index` noted; called by `assembler`.  What belongs to calls of
models is in `_llama_index_model`.
"""

from collections.abc import Mapping
from typing import Any, Final

from spanscope import semconv
from spanscope.drafts import Draft, Message
from spanscope.handlers import _documents
from spanscope.handlers import _llama_index_model as model
from spanscope.handlers._langchain_payload import facts_of as facts_of
from spanscope.handlers._langgraph import status_of
from spanscope.handlers._llama_index_call import Call
from spanscope.handlers._llama_index_held import Answered, Said
from spanscope.handlers._llama_index_plans import ToolTurn, Turn
from spanscope.handlers._llama_index_text import message_of, said_text, to_json
from spanscope.providers import facts_of_error
from spanscope.runs import Run

FRAMEWORK: Final = "llama_index"
_MAX_TEXTS: Final = 100
_INTERNAL: Final = "llamaindex."
"""Tags by which workflows pass their ids and the text of their events on: content, and no labels."""
_LABELS: Final = frozenset(
    {
        *("session_id", "langfuse_session_id", "conversation_id", "thread_id", "user_id", "langfuse_user_id"),
        *("prompt_name", "prompt_version", "environment", "service", "release", "traceparent", "tags"),
    }
)


def own_metadata(metadata: Any, above: Any) -> dict[str, Any]:
    """The user's own instrument tags, without what the parent has too and what stands elsewhere."""
    if not isinstance(metadata, Mapping):
        return {}
    inherited = above if isinstance(above, Mapping) else {}
    return {
        key: value
        for key, value in metadata.items()
        if isinstance(key, str)
        and not key.startswith(_INTERNAL)
        and key not in _LABELS
        and not (key in inherited and inherited[key] is value)
    }


def translate(run: Run, draft: Draft) -> None:
    """Fill the draft with what is known of the call by now."""
    call = run.options
    draft.facts["framework"] = FRAMEWORK
    if type(call) is not Call:
        draft.facts.setdefault("kind", run.kind or "chain")
        return
    kind = run.kind or call.plan.kind
    draft.facts["kind"], draft.facts["name"] = kind, call.plan.name
    _outcome(run, call, draft)
    _tags(run, draft)
    match kind:
        case "llm":
            model.llm(run, call, draft)
        case "embedding":
            _embedding(run, call, draft)
        case "retriever":
            _retriever(call, draft)
        case "tool":
            _tool(run, call, draft)
        case _ if call.plan.family == "postprocessor":
            _postprocessor(call, draft)
        case _:
            _chain(run, call, draft)


def _outcome(run: Run, call: Call, draft: Draft) -> None:
    draft.status = status_of(run.error, is_root=run.parent is None)
    match call.state:
        case "not_consumed":
            draft.status = "closed_early"
            draft.attributes[semconv.STREAM_STATE] = "not_consumed"
        case "unobserved":
            draft.attributes[semconv.STREAM_STATE] = "unobserved"
        case "cancelled":
            draft.status = "cancelled"
        case _ if call.awaiting and run.end_ns is None and not call.touched:
            draft.attributes[semconv.STREAM_STATE] = "not_consumed"
    if draft.status != "error":
        draft.error = None
    elif run.error is not None:
        draft.attributes.update(facts_of_error(run.error))


def _tags(run: Run, draft: Draft) -> None:
    """`instrument_tags({"tags": [...]})`: the labels of the outermost call that has them."""
    given = run.metadata.get("tags") if isinstance(run.metadata, Mapping) else None
    if isinstance(given, list | tuple):
        known = draft.facts.get("tags", ())
        draft.facts["tags"] = tuple(dict.fromkeys([*known, *(tag for tag in given if isinstance(tag, str))]))


# --- chains, graphs, agents, workflow steps --------------------------------------------------------------


def _chain(run: Run, call: Call, draft: Draft) -> None:
    shaped, asked = call.asked if isinstance(call.asked, tuple) else (None, None)
    if shaped:
        draft.attributes[semconv.INPUT_SHAPE] = shaped
    if call.shaped is not None:
        draft.attributes[semconv.OUTPUT_SHAPE] = call.shaped
    if call.structured:
        draft.attributes[semconv.STRUCTURED_OUTPUT] = True
    if isinstance(asked, Turn):
        draft.attributes[semconv.AGENT_NAME] = asked.agent
        if call.plan.method == "run_agent_step":
            draft.facts["kind"], draft.facts["name"] = "agent", asked.agent
            draft.inputs = [message_of(said) for said in asked.messages]
    elif asked is not None and not isinstance(asked, ToolTurn):
        draft.inputs.append(_question(asked))
    answered = call.result if call.result is not None else _late_answer(call)
    if answered is not None:
        draft.outputs.append(_answer(answered))


def _late_answer(call: Call) -> Any:
    """What the stream that this call returned has said, where the model below it told."""
    found = call.answer
    return found.said if isinstance(found, Answered) else None


def _question(asked: Any) -> Message:
    match asked:
        case str():
            return Message("human", asked)
        case Said():
            return message_of(asked)
        case {"user_msg": str(text), **rest} if not any(rest.values()):
            return Message("human", text)
        case {"input": str(text)} | {"query": str(text)} | {"question": str(text)}:
            return Message("human", text)
    return Message("state", to_json(asked))


def _answer(result: Any) -> Message:
    match result:
        case str():
            return Message("ai", result)
        case Said():
            return Message("ai", said_text(result))
        case Answered():
            return Message("ai", said_text(result.said))
    return Message("state", to_json(result))


# --- embeddings, retrievers, rerankers, tools -------------------------------------------------------------


def _embedding(run: Run, call: Call, draft: Draft) -> None:
    described = call.described if isinstance(call.described, Mapping) else {}
    name = described.get("model_name") or getattr(call.instance, "model_name", None)
    if isinstance(name, str) and name != "unknown":
        draft.facts["request_model"] = name
    if call.plan.provider is not None:
        draft.facts["provider"] = call.plan.provider
    texts = call.texts if call.texts is not None else call.asked
    if isinstance(texts, list):
        draft.inputs = [Message("text", text) for text in texts[:_MAX_TEXTS] if isinstance(text, str)]
    if call.vectors is not None:
        draft.attributes[semconv.VECTORS], dimensions = call.vectors
        if dimensions is not None:
            draft.attributes[semconv.EMBEDDING_DIMENSIONS] = dimensions
    draft.facts["usage_source"] = "missing"
    draft.attributes[semconv.USAGE_MISSING_REASON] = "LlamaIndex hands over no usage of embeddings"


def _retriever(call: Call, draft: Draft) -> None:
    if isinstance(call.asked, str):
        draft.inputs.append(Message("query", call.asked))
    for name in ("similarity_top_k", "_similarity_top_k", "top_k"):
        if isinstance(top_k := getattr(call.instance, name, None), int):
            draft.attributes[semconv.TOP_K] = top_k
            break
    _found(call, draft)


def _found(call: Call, draft: Draft) -> None:
    if call.found is None:
        return
    total, found = call.found
    draft.attributes[semconv.DOCUMENT_COUNT] = total
    draft.attributes[semconv.DOCUMENTS] = [_documents.facts(one) for one in found]
    draft.outputs = [Message("document", one.text) for one in found]


def _postprocessor(call: Call, draft: Draft) -> None:
    """A reranker, or another step that filters and orders nodes."""
    asked, before = call.asked if isinstance(call.asked, tuple) else (None, None)
    top_n, name = getattr(call.instance, "top_n", None), None
    if call.rerank is not None:
        draft.facts["kind"] = "reranker"
        told, told_before, top_n, name = call.rerank
        asked, before = asked or told, before or told_before
    if draft.facts["kind"] == "reranker":
        name = name or getattr(call.instance, "model", None) or getattr(call.instance, "model_name", None)
        if isinstance(name, str):
            draft.facts["request_model"] = name
    if isinstance(top_n, int):
        draft.attributes[semconv.TOP_N] = top_n
    if isinstance(asked, str):
        draft.inputs.append(Message("query", asked))
    if before is not None:
        draft.attributes[semconv.DOCUMENT_COUNT_BEFORE] = before[0]
        draft.attributes[semconv.DOCUMENTS_BEFORE] = [_documents.facts(one) for one in before[1]]
    _found(call, draft)


def _tool(run: Run, call: Call, draft: Draft) -> None:
    metadata = getattr(call.instance, "metadata", None)
    if isinstance(name := getattr(metadata, "name", None), str) and name:
        draft.facts["name"] = name
    above = run.parent.options if run.parent is not None else None
    if type(above) is Call and isinstance(above.asked, tuple) and isinstance(above.asked[1], ToolTurn):
        draft.attributes[semconv.TOOL_CALL_ID] = above.asked[1].call_id
    if call.asked is not None:
        given = call.asked
        draft.inputs.append(Message("tool_input", given if isinstance(given, str) else to_json(given)))
    if call.result is None:
        return
    text = said_text(call.result) if isinstance(call.result, Said) else to_json(call.result)
    if call.failed and draft.status == "ok":
        draft.status = "error"
        draft.facts["error_type"], draft.facts["error_message"] = "ToolError", text
    draft.outputs.append(Message("tool", text))

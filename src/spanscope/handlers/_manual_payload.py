"""Turn a block of the user's own into a draft.  Pure functions on the worker thread.

Fed with the `Run`s that `handlers.manual` and `handlers.observed` noted; called by `assembler`.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from spanscope import semconv
from spanscope.drafts import Draft, Message
from spanscope.handlers import _documents
from spanscope.handlers._documents import Documents
from spanscope.handlers._freeze import FrozenMessage, freeze
from spanscope.handlers._langchain_text import message_of, messages_in, to_json
from spanscope.handlers._langgraph import status_of
from spanscope.runs import Run

FINDERS: Final = frozenset({"retriever", "reranker"})
_TEXT: Final = (str,)
_NUMBER: Final = (int, float)
FIELDS: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("provider", "request_model", "response_model"), _TEXT),
    **dict.fromkeys(("prompt_name", "prompt_version"), _TEXT),
    **dict.fromkeys(("finish_reason", "finish_reason_raw"), _TEXT),
    **dict.fromkeys(("input_tokens", "output_tokens", "total_tokens", "max_tokens"), (int,)),
    **dict.fromkeys(("cache_read_tokens", "cache_write_tokens", "reasoning_tokens"), (int,)),
    **dict.fromkeys(("temperature", "time_to_first_token_ms"), _NUMBER),
    "cost_usd": (*_NUMBER, Decimal),
    **dict.fromkeys(("streamed", "cache_hit"), (bool,)),
    "tool_names": (list,),
}
"""Fields of a span that its user may set by their names, and what they may be."""
_USAGE: Final = ("input_tokens", "output_tokens", "total_tokens")


def frozen_result(value: Any, kind: str | None) -> Any:
    """What a step gave, as it is now; the documents of a retriever keep their ids and scores."""
    if kind in FINDERS and (found := _documents.frozen(value)) is not None:
        return found
    return freeze(value)


def block(run: Run, draft: Draft) -> None:
    """Name, kind, status, content, and the fields that were set by name."""
    kind = run.kind or "span"
    draft.facts["kind"] = kind
    draft.facts["name"] = run.options["name"]
    draft.status = status_of(run.error, is_root=run.parent is None)
    if draft.status != "error":
        draft.error = None
    if run.payload is not None:
        draft.inputs += _said(_given(run.payload, draft), kind, "text")
    if isinstance(run.output, Documents):
        _retrieved(run.output, draft)
    elif run.output is not None:
        draft.outputs += _said(run.output, kind, "ai" if kind == "llm" else "text")
    if run.chunks:
        _streamed(run, kind, draft)
    if run.extra or kind == "llm":
        _set_by_name(run, draft, kind)


def _said(frozen: Any, kind: str, role: str) -> list[Message]:
    """Text as it is, a model's messages one by one, anything else as JSON."""
    if kind == "llm":
        messages = frozen.get("messages") if isinstance(frozen, dict) else frozen
        if isinstance(messages, list) and messages and len(said := messages_in(messages)) == len(messages):
            return said
        if isinstance(frozen, str) and role == "text":
            return [Message("user", frozen)]
    if isinstance(frozen, FrozenMessage):
        return [message_of(frozen)]
    return [Message(role, frozen if isinstance(frozen, str) else to_json(frozen))]


def _given(frozen: Any, draft: Draft) -> Any:
    """What went in; of the documents that a reranker was given the texts, and beside them ids and scores."""
    if not isinstance(frozen, dict):
        return frozen
    before = next((value for value in frozen.values() if isinstance(value, Documents)), None)
    if before is None:
        return frozen
    draft.attributes[semconv.DOCUMENT_COUNT_BEFORE] = before.total
    draft.attributes[semconv.DOCUMENTS_BEFORE] = [_documents.facts(found) for found in before.found]
    return {name: _texts(value) if isinstance(value, Documents) else value for name, value in frozen.items()}


def _texts(documents: Documents) -> list[str]:
    return [found.text for found in documents.found]


def _retrieved(given: Documents, draft: Draft) -> None:
    draft.attributes[semconv.DOCUMENT_COUNT] = given.total
    draft.attributes[semconv.DOCUMENTS] = [_documents.facts(found) for found in given.found]
    draft.outputs = [Message("document", found.text) for found in given.found]


def _streamed(run: Run, kind: str, draft: Draft) -> None:
    """What a generator says of itself: how many items it gave, and for a model when the first came."""
    draft.attributes[semconv.ITEMS] = run.chunks
    if kind == "llm":
        draft.facts["streamed"] = True
        draft.attributes[semconv.STREAM_CHUNKS] = run.chunks
        if run.first_token_ns is not None:
            draft.facts["time_to_first_token_ms"] = (run.first_token_ns - run.start_ns) / 1_000_000


def _set_by_name(run: Run, draft: Draft, kind: str) -> None:
    """Fields that the user set go where the fields are; a value of the wrong type stays an attribute."""
    attributes, facts = draft.attributes, draft.facts
    for name, types in FIELDS.items():
        if _fits(attributes.get(name), types):
            facts[name] = attributes.pop(name)
    reason = facts.get("finish_reason")
    if reason is not None and reason not in semconv.FINISH_REASONS:
        facts.setdefault("finish_reason_raw", reason)
        facts["finish_reason"] = "unknown"
    if any(name in facts for name in _USAGE):
        facts["usage_source"] = "given"
        if "input_tokens" in facts and "output_tokens" in facts:
            facts.setdefault("total_tokens", facts["input_tokens"] + facts["output_tokens"])
    elif kind == "llm" and not run.inner_call:
        facts["usage_source"] = "missing"
        draft.attributes[semconv.USAGE_MISSING_REASON] = (
            "the span was told none" if run.end_ns is not None else "the call has not ended"
        )
    if "cost_usd" in facts:
        facts["cost_source"] = "given"
    made, ends = facts.get("output_tokens"), facts.get("end_ns")
    if kind == "llm" and made and ends is not None and ends > draft.start_ns:
        facts["tokens_per_second"] = made / ((ends - draft.start_ns) / 1_000_000_000)


def _fits(value: Any, types: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in types
    return isinstance(value, types) and not (isinstance(value, int | float | Decimal) and value < 0)

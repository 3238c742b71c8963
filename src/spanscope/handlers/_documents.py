"""What a retriever or reranker of one's own gave: documents in any of the forms people hold them in.

LangChain documents, LlamaIndex nodes, either with a score beside it, and plain dictionaries.  `frozen`
runs on the caller's thread, `facts` on the worker.

Used by `_manual_payload`; `_langchain_payload` looks under the same keys.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from spanscope import semconv
from spanscope.handlers._freeze import MAX_ITEMS

_TEXT_KEYS: Final = ("page_content", "text", "content")
ID_KEYS: Final = ("id", "doc_id", "_id")
SCORE_KEYS: Final = ("score", "relevance_score", "similarity", "similarity_score", "_score")
SOURCE_KEYS: Final = ("source", "url", "file_path", "file_name", "title")


class Found(NamedTuple):
    """One document as it was when it was found."""

    doc_id: Any
    text: str
    score: Any
    metadata: Mapping[str, Any]


class Documents(NamedTuple):
    """How many there were in all, and the first of them."""

    total: int
    found: list[Found]


def frozen(value: Any) -> Documents | None:
    """The documents of this list; None when it is no list of documents."""
    if not isinstance(value, list | tuple) or not value:
        return None
    found = [_document(one) for one in value[:MAX_ITEMS]]
    return None if None in found else Documents(len(value), [one for one in found if one is not None])


def _document(value: Any, score: Any = None) -> Found | None:
    match value:
        case (document, int() | float() as beside) if score is None:
            return _document(document, beside)
        case dict():
            return _mapping(value, score)
        case _ if hasattr(value, "node") and hasattr(value, "score"):  # LlamaIndex's NodeWithScore
            return _document(value.node, value.score)
    text = getattr(value, "page_content", None) or getattr(value, "text", None)
    if not isinstance(text, str):
        return None
    doc_id = getattr(value, "node_id", None) or getattr(value, "id", None)
    metadata = getattr(value, "metadata", None)
    return Found(doc_id, text, score, dict(metadata) if isinstance(metadata, dict) else {})


def _mapping(value: dict[str, Any], score: Any) -> Found | None:
    text = _first(value, _TEXT_KEYS)
    if not isinstance(text, str):
        return None
    inner = value.get("metadata")
    return Found(_first(value, ID_KEYS), text, score, {**(inner if isinstance(inner, dict) else {}), **value})


def facts(found: Found) -> dict[str, Any]:
    """Id, score, source and size; of the text itself only its hash."""
    described: dict[str, Any] = {semconv.DOC_CHARS: len(found.text), semconv.DOC_HASH: found.text}
    if (doc_id := found.doc_id or _first(found.metadata, ID_KEYS)) is not None:
        described[semconv.DOC_ID] = str(doc_id)
    score = found.score if found.score is not None else _first(found.metadata, SCORE_KEYS)
    if isinstance(score, int | float):
        described[semconv.DOC_SCORE] = float(score)
    if isinstance(source := _first(found.metadata, SOURCE_KEYS), str):
        described[semconv.DOC_SOURCE] = source
    return described


def _first(values: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((values[key] for key in keys if values.get(key) is not None), None)

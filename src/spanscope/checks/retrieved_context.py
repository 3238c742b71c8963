"""Were documents retrieved, and do they look relevant?

Judges counts, scores and repetitions of every retriever and reranker.  Whether the documents reached
the prompt is another question.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from spanscope.checks._base import (
    FAILED,
    CheckContext,
    conclude,
    known,
    label,
    not_applicable,
    rescued_by,
    unknown,
)
from spanscope.report import Finding
from spanscope.semconv import (
    DOC_CHARS,
    DOC_HASH,
    DOC_ID,
    DOC_SCORE,
    DOC_SOURCE,
    DOCUMENT_COUNT,
    DOCUMENTS,
)
from spanscope.spans import Span

NAME = "retrieved_context"
LOW_SIMILARITY: Final = 0.3
"""Cosine similarities of unrelated texts lie below this with the common embedding models."""
_SHOWN = 10


def check(context: CheckContext) -> tuple[Finding, ...]:
    """How many documents each retrieval gave, and whether that can carry an answer."""
    searches = [span for span in context.trace.spans if span.kind in {"retriever", "reranker"}]
    if not searches:
        return (not_applicable(NAME, "Nothing was retrieved.", reason="the trace has no retriever span"),)
    counts = {span.span_id: _count(span) for span in searches if span.status not in FAILED}
    something_came = any(counts.values())
    offenders, unsaid = list[Finding](), list[Span]()
    for span in searches:
        if span.status in FAILED:
            offenders.append(_failed(span, context))
        elif (count := counts[span.span_id]) is None:
            unsaid.append(span)
        elif count == 0:
            offenders.append(_empty(span, something_came=something_came))
        else:
            offenders += _doubtful(span, count)
    return conclude(
        offenders,
        several="{n} things are wrong with what was retrieved.",
        otherwise=lambda: _unsaid(unsaid) if unsaid else _fine(searches, counts),
        also=[_unsaid(unsaid)] if unsaid and offenders else (),
    )


def _count(span: Span) -> int | None:
    count = span.attributes.get(DOCUMENT_COUNT)
    if isinstance(count, int):
        return count
    return len(span.attributes[DOCUMENTS]) if DOCUMENTS in span.attributes else None


def _documents(span: Span) -> list[Mapping[str, Any]]:
    listed = span.attributes.get(DOCUMENTS)
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, Sequence) else []


def _failed(span: Span, context: CheckContext) -> Finding:
    retried = rescued_by(context.trace, span)
    what = f"{label(span)} {_how_it_ended(span)}"
    return Finding(
        check=NAME,
        status="warn" if retried else "fail",
        severity="low" if retried else "high",
        span_id=span.span_id,
        summary=f"{what}, and a later attempt brought documents."
        if retried
        else f"{what}, so the answer had no documents from it.",
        evidence=known(
            status=span.status,
            error_type=span.error_type,
            error_message=span.error_message,
            retried_span_id=retried.span_id if retried else None,
        ),
        suggestion=None if retried else "Mend the index or the connection to it, then ask again.",
    )


def _how_it_ended(span: Span) -> str:
    if span.status == "error":
        return f"failed ({span.error_type or 'error'})"
    return "was cancelled" if span.status == "cancelled" else "never ended"


def _empty(span: Span, *, something_came: bool) -> Finding:
    return Finding(
        check=NAME,
        status="warn" if something_came else "fail",
        severity="medium" if something_came else "high",
        span_id=span.span_id,
        summary=f"{label(span)} found no documents"
        + ("; other retrievals did." if something_came else ": the model had nothing to answer from."),
        evidence={"documents": 0, "other_retrievals_found_some": something_came},
        suggestion="Look at the query that reached the retriever, at its filters and threshold, "
        "and at whether the index is filled.",
    )


def _doubtful(span: Span, count: int) -> list[Finding]:
    documents, found = _documents(span), list[Finding]()
    scores = [float(each[DOC_SCORE]) for each in documents if _is_number(each.get(DOC_SCORE))]
    if _look_like_similarities(scores) and max(scores) < LOW_SIMILARITY:
        found.append(
            Finding(
                check=NAME,
                status="warn",
                severity="medium",
                span_id=span.span_id,
                summary=f"{label(span)} found {count} documents, none of them close: "
                f"the best score is {max(scores):.2f}.",
                evidence={**_listed(span, count), "threshold": LOW_SIMILARITY, "read_as": "similarities"},
                suggestion="Check that query and index use the same embedding model, and whether the "
                "index holds an answer at all.",
            )
        )
    if repeated := _repeated(documents):
        found.append(
            Finding(
                check=NAME,
                status="warn",
                severity="low",
                span_id=span.span_id,
                summary=f"{label(span)} gave {sum(repeated.values()) - len(repeated)} of its {count} "
                "documents more than once.",
                evidence={"documents": count, "repeated": repeated},
                suggestion="Remove doubles from the index, or raise k so that others have room.",
            )
        )
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value


def _look_like_similarities(scores: Sequence[float]) -> bool:
    """Within 0 and 1 and best first.  Rising scores are distances, where small means close."""
    within = bool(scores) and all(0 <= score <= 1 for score in scores)
    return within and list(scores) == sorted(scores, reverse=True)


def _repeated(documents: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    # A hash tells copies under several ids; an id alone may name a file of many pieces.
    keys = (each.get(DOC_HASH) or each.get(DOC_ID) for each in documents)
    return {str(key): times for key, times in Counter(keys).items() if key is not None and times > 1}


def _listed(span: Span, count: int) -> dict[str, Any]:
    """The documents of one retrieval as facts: the first ids, scores and sizes."""
    documents = _documents(span)[:_SHOWN]

    def column(key: str) -> list[Any] | None:
        values = [each.get(key) for each in documents]
        return values if any(value is not None for value in values) else None

    return known(
        documents=count,
        ids=column(DOC_ID) or column(DOC_HASH),
        sources=column(DOC_SOURCE),
        scores=column(DOC_SCORE),
        chars=column(DOC_CHARS),
    )


def _unsaid(spans: Sequence[Span]) -> Finding:
    return unknown(
        NAME,
        f"What {label(spans[0])} retrieved is not known.",
        reason="the span carries no documents and no count"
        + ("; it has not ended" if spans[0].end_ns is None else ""),
        span_ids=[span.span_id for span in spans],
    )


def _fine(spans: Sequence[Span], counts: Mapping[str, int | None]) -> Finding:
    total = sum(count or 0 for count in counts.values())
    if len(spans) == 1:
        span = spans[0]
        scored = any(each.get(DOC_SCORE) is not None for each in _documents(span))
        note = {} if scored else {"scores": "not given by the retriever"}
        summary = f"{label(span)} found {_documents_of(total)}."
        return Finding(
            check=NAME,
            status="pass",
            summary=summary,
            span_id=span.span_id,
            evidence=_listed(span, total) | note,
        )
    by_span = {span.span_id: _listed(span, counts[span.span_id] or 0) for span in spans}
    return Finding(
        check=NAME,
        status="pass",
        summary=f"{len(spans)} retrievals found {_documents_of(total)}.",
        evidence={"documents": total, "by_span": by_span},
    )


def _documents_of(count: int) -> str:
    return "1 document" if count == 1 else f"{count} documents"

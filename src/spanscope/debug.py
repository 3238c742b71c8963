"""Ask what went wrong in one trace, and get an answer that cites its evidence.

The read side from end to end: `store` → `trace` → `checks` → `report`.  Nothing here writes, calls a
model or leaves the machine.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from spanscope.checks import CheckContext, PromptUse, run_checks
from spanscope.checks.prompt_version import HISTORY
from spanscope.checks.ranking import root_cause, verdict
from spanscope.exceptions import TraceNotFound
from spanscope.report import Report
from spanscope.trace import Trace

if TYPE_CHECKING:
    from spanscope.store import Store


def debug_trace(
    trace_id: str,
    store: "str | os.PathLike[str] | Store | None" = None,
    expected_model: str | None = None,
    prompt_version: str | None = None,
    max_context_tokens: int | None = None,
) -> Report:
    """Read one trace and judge it.

    `trace_id` may be a beginning that only one trace has.  `store` is a URL, a path or an open store;
    without it the default store is read.  The other arguments say what should have been: a model (a
    family such as `gpt-4o`, or one version of it), a prompt version, and the size of the context
    window in tokens.  A question whose answer the trace does not hold is answered `unknown`.

    Raises `TraceNotFound` (with the nearest ids) and `StoreError`.
    """
    from spanscope.store import open_store

    given_open = hasattr(store, "trace") and hasattr(store, "traces")
    opened: Any = nullcontext(store) if given_open else open_store(store)  # type: ignore[arg-type]
    with opened as source:
        trace = source.trace(trace_id)
        return judge(
            trace,
            expected_model=expected_model,
            prompt_version=prompt_version,
            max_context_tokens=max_context_tokens,
            history=lambda: _earlier_prompts(source, trace),
            linked=_linked(source, trace),
        )


def judge(
    trace: Trace,
    *,
    expected_model: str | None = None,
    prompt_version: str | None = None,
    max_context_tokens: int | None = None,
    history: Callable[[], Sequence[PromptUse]] | None = None,
    linked: Sequence[Trace] = (),
) -> Report:
    """Judge a trace that is already in hand; without `history` nothing is compared with the past."""
    context = CheckContext(
        trace=trace,
        expected_model=expected_model,
        prompt_version=prompt_version,
        max_context_tokens=max_context_tokens,
        history=history,
    )
    findings = run_checks(context)
    cause = root_cause(findings, trace)
    return Report(
        trace=trace,
        findings=findings,
        root_cause=cause,
        verdict=verdict(findings, cause),
        linked=tuple(linked),
    )


def _linked(store: "Store", trace: Trace) -> list[Trace]:
    """The trace before an interrupt and the one after it, where they are still kept."""
    found = []
    for trace_id in (trace.resumed_from, trace.resumed_by):
        try:
            if trace_id:
                found.append(store.trace(trace_id))
        except TraceNotFound:
            continue  # deleted since; its id still stands in the trace
    return found


def _earlier_prompts(store: "Store", trace: Trace) -> list[PromptUse]:
    """What the traces before this one, of the same name, used as their prompt; newest first."""
    # A filter by name also finds traces that only hold a span of that name, hence more than are needed.
    before = store.traces(limit=4 * HISTORY, name=trace.name, until=trace.spans[0].started_at)
    route = [past for past in before if past.name == trace.name and past.trace_id != trace.trace_id]
    uses: dict[PromptUse, None] = {}
    for past in route[:HISTORY]:
        for span in store.spans(limit=None, trace_id=past.trace_id):
            if span.prompt_version or span.prompt_hash:
                use = PromptUse(
                    trace_id=past.trace_id,
                    prompt_name=span.prompt_name,
                    prompt_version=span.prompt_version,
                    prompt_hash=span.prompt_hash,
                )
                uses[use] = None
    return list(uses)

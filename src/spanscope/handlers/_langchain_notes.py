"""What LangChain's hooks have noted, made into runs: each function here is called with one note.

A hook on the application's thread says what it was given, when, and what was around it; what that means
for the tree is found out here, in the order of the notes, by whoever catches up with them first (see
`recorder`), which nearly always is the worker.

Noted by `langchain`; feeds `recorder`.
"""

from typing import Any

from spanscope.handlers import _ambient
from spanscope.handlers._langchain_stream import ANSWER, says
from spanscope.handlers._langgraph import HIDDEN_TAG
from spanscope.handlers._source import Source
from spanscope.runs import Run, TraceRef, Translate
from spanscope.scope import Scope


def parent_in(config: Any) -> Any:
    """The id of the run that LangChain's own context says its reader is in."""
    return None if config is None else getattr(config.get("callbacks"), "parent_run_id", None)


def start(
    handler: Source,
    at_ns: int,
    translate: Translate,
    kind: str | None,
    run_id: Any,
    parent_run_id: Any,
    top: TraceRef | None,
    config: Any,
    others: list[Any] | None,
    block: Run | None,
    scope: Scope | None,
    tags: Any,
    metadata: Any,
    serialized: Any,
    options: Any,
    payload: Any,
) -> None:
    """A run began.  `config` is what LangChain had in its context, `others` what other frameworks said."""
    recorder = handler.recorder
    ambient = parent_in(config)
    if others is not None:
        ambient = _ambient.latest(recorder.placed, [ambient, *others])
    run = recorder.place(
        at_ns, run_id, parent_run_id, handler, translate, ambient, block, scope,
        tags, metadata, serialized, options, top,
    )  # fmt: skip
    if top is not None:
        placed = recorder.placed.get(run_id.int)
        if placed is not None and placed.trace is not top:
            top.into = placed.trace
    if run is not None:
        run.kind = kind
        run.payload = payload
        if tags and HIDDEN_TAG in tags:
            run.hidden = True


def inputs(handler: Source, run_id: Any, payload: Any) -> None:
    """What went into a chain was told when it ended."""
    run = handler.recorder.placed.get(run_id.int)
    if run is not None and run.parent is None and run.end_ns is None:
        run.payload = payload


def end(handler: Source, at_ns: int, run_id: Any, output: Any, error: BaseException | None) -> None:
    """A run ended."""
    recorder = handler.recorder
    run = recorder.placed.get(run_id.int)
    if run is None:
        recorder.health.count("unmatched_events")
    else:
        recorder.finish(run, output, error, at_ns)


def token(handler: Source, at_ns: int, run_id: Any, text: Any, chunk: Any) -> None:
    """A piece of a stream arrived."""
    run = handler.recorder.placed.get(run_id.int)
    if run is None:
        handler.recorder.health.count("unmatched_events")
        return
    run.chunks += 1
    run.last_ns = at_ns
    usage = getattr(getattr(chunk, "message", None), "usage_metadata", None)
    if usage and usage is not run.usage:  # the same again: delivered twice
        run.usage = usage
        run.usages += 1
    if run.first_text_ns is None and (said := says(text, chunk)):
        if said is ANSWER:
            run.first_text_ns = at_ns
        if run.first_token_ns is None:
            run.first_token_ns = at_ns


def event(handler: Source, at_ns: int, run_id: Any, name: str, facts: dict[str, Any]) -> None:
    """Something happened within a run."""
    run = handler.recorder.open_run(run_id)
    if run is not None:
        handler.recorder.event(run, name, facts, at_ns)


def interrupt(handler: Source, at_ns: int, run_id: Any, values: Any) -> None:
    """A graph paused; its run ends as `interrupted`, and not as an error."""
    run = handler.recorder.open_run(run_id)
    if run is not None:
        run.interrupted = True
        handler.recorder.event(run, "interrupt", {"value": values}, at_ns)


def resume(handler: Source, at_ns: int, run_id: Any, checkpoint_id: str) -> None:
    """A graph goes on from a checkpoint of an earlier run."""
    run = handler.recorder.open_run(run_id)
    if run is not None:
        run.resumed = True
        handler.recorder.event(run, "resume", {"checkpoint_id": checkpoint_id}, at_ns)

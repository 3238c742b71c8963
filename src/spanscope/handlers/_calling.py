"""Which recorded run the code that runs here and now was called by, when no context says so.

LangChain's context names the chain or tool around a model call, never the call itself.  But whatever a
model class does is called by a function that holds the run's `run_manager`, so the innermost one on the
stack tells the run, exactly and under any concurrency.  LlamaIndex calls a streaming model when the answer is
read, in the reader's context; its generator holds the `span_id`.  Likewise a tracer that LangChain calls has
the `run_id` on its stack.  Costs a microsecond where LangChain is in use, and nothing elsewhere.

Used by handlers whose spans are made inside other frameworks' calls.
"""

import logging
import sys
import uuid
from types import FrameType
from typing import Any, Final

from spanscope.handlers import _known, manual
from spanscope.handlers._ambient import run_id_of
from spanscope.handlers._source import Handler, Source
from spanscope.runs import Run
from spanscope.runtime import runtimes

logger = logging.getLogger("spanscope")
_given_up: Final[set[str]] = set()
"""What is not recorded, for there is no default handler: to try again with each call takes time."""
_MAX_FRAMES: Final = 40
_LLAMA_INDEX: Final = "llama_index.core.llms.callbacks"
_TRACERS: Final = "langchain_core.tracers."


def default_source(records: str, remedy: str) -> Source | None:
    """Where goes what nothing around it and no setting places; None, said once, where it cannot be made.

    `records` are what is lost then, in a word or two.
    """
    found = _known.default_handler()
    if found is not None or records in _given_up:
        return found
    try:
        return Handler()
    except Exception as fault:  # noqa: BLE001  the boundary of a call: it is made unrecorded
        _given_up.add(records)
        logger.warning("spanscope records no %s: %s; %s", records, fault, remedy)
        return None


def innermost_run() -> Run | None:
    """What is open around the caller and was started last: a framework's run, or a block of ours."""
    found = nearer(manual._around()[0])
    key = _active_opentelemetry_span()
    run = known(key) if key is not None else None
    if run is not None and run.end_ns is None and (found is None or run.start_ns >= found.start_ns):
        return run
    return found


def nearer(found: Run | None) -> Run | None:
    """What the stack tells of the caller, unless `found` is inside that."""
    for key in (_managed_run(), _streaming_run()):
        run = known(key) if key is not None else None
        if run is not None and run.end_ns is None and (found is None or not found.is_below(run)):
            found = run
    return found


def known(key: int) -> Run | None:
    """The run of this id in any runtime of the process."""
    for runtime in runtimes():
        if (run := runtime.recorder.runs.get(key)) is not None:
            return run
    return None


def _streaming_run() -> int | None:
    """The id of the LlamaIndex model call whose answer is being made."""
    if _LLAMA_INDEX not in sys.modules:
        return None
    span_id = _local("span_id", _LLAMA_INDEX)
    return run_id_of(span_id).int if isinstance(span_id, str) else None


def _managed_run() -> int | None:
    """The id of the LangChain run whose own code is running."""
    if "langchain_core.callbacks.manager" not in sys.modules:
        return None
    found = _local("run_manager", "")
    run_id = getattr(found, "run_id", None)
    return run_id.int if isinstance(run_id, uuid.UUID) else None


def traced_run() -> int | None:
    """The id of the LangChain run that a tracer of another tool is being told about right now."""
    if "langchain_core.tracers.core" not in sys.modules:
        return None
    found = _local("run_id", _TRACERS)
    return found.int if isinstance(found, uuid.UUID) else None


def _local(name: str, module: str) -> Any:
    """The variable of this name of the nearest caller that has one, in a module that begins so."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return None
        code = frame.f_code
        if (name in code.co_varnames or name in code.co_freevars or name in code.co_cellvars) and (
            not module or str(frame.f_globals.get("__name__")).startswith(module)
        ):
            found = frame.f_locals.get(name)
            if found is not None:
                return found
        frame = frame.f_back
    return None


def _active_opentelemetry_span() -> int | None:
    """The id of OpenTelemetry's active span: `handlers.opentelemetry` keeps its runs under it."""
    api = sys.modules.get("opentelemetry.trace")
    current = getattr(api, "get_current_span", None)
    if current is None:
        return None
    context = current().get_span_context()
    return context.span_id if context.is_valid else None

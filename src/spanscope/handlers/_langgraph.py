"""What LangGraph's exceptions and metadata say: pauses and hand-offs are not errors.

LangGraph steers by raising; only instances of its own classes count, never a class of the same name.
Each symbol is looked up alone, so that an older LangGraph, or none, takes nothing else away.
"""

import asyncio
import sys
from typing import Any, Final

from spanscope.semconv import Status

STEP_TAG: Final = "graph:step:"
HIDDEN_TAG: Final = "langsmith:hidden"


def status_of(error: BaseException | None, *, is_root: bool) -> Status:
    """The status that this end means."""
    if error is None:
        return "ok"
    if isinstance(error, asyncio.CancelledError | KeyboardInterrupt):
        return "cancelled"
    if isinstance(error, GeneratorExit):
        return "closed_early"
    if _is(error, "GraphInterrupt") or _is(error, "GraphDrained"):
        return "interrupted"
    # One that leaves the outermost graph found nobody to hand over to.
    if _is(error, "ParentCommand") and not is_root:
        return "handoff"
    return "error"


def interrupt_values(error: BaseException) -> list[Any]:
    """The values that a `GraphInterrupt` carries to whoever resumes the graph."""
    if not _is(error, "GraphInterrupt") or not error.args or not isinstance(error.args[0], list | tuple):
        return []
    return [getattr(found, "value", None) for found in error.args[0]]


def handoff_target(error: BaseException) -> str | None:
    """The node that a `ParentCommand` goes to."""
    goto = getattr(error.args[0], "goto", None) if error.args else None
    return goto if isinstance(goto, str) else getattr(goto, "node", None)


def _is(error: BaseException, name: str) -> bool:
    module = sys.modules.get("langgraph.errors")
    cls = getattr(module, name, None)
    return isinstance(cls, type) and isinstance(error, cls)

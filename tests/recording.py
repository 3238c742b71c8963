"""Handlers that write to a file of their own, and what they recorded, read back from it.

Every look at the results flushes first and insists that nothing of ours went wrong on the way.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spanscope import ObsHandler, open_store
from spanscope.spans import Content, Span
from spanscope.testing import MemoryBackend
from spanscope.trace import Trace


def handler_in(folder: Path, **settings: Any) -> ObsHandler:
    """A handler with a store in `folder` and a runtime that no other test shares."""
    return ObsHandler(store=folder / "spans.db", backends=[MemoryBackend()], **settings)


@contextmanager
def handlers_in(folder: Path) -> Iterator[Callable[..., ObsHandler]]:
    """A function that makes handlers, each in a folder of its name; all are shut down afterwards."""
    made: list[ObsHandler] = []

    def handler(name: str = "one", **given: Any) -> ObsHandler:
        (folder / name).mkdir(exist_ok=True)
        made.append(handler_in(folder / name, **given))
        return made[-1]

    yield handler
    for one in made:
        one.runtime.shutdown(2.0)


def settled(handler: ObsHandler) -> None:
    """All that was recorded is in the store, and no fault of ours was contained."""
    assert handler.flush(10)
    assert handler.runtime.health.faults == {}


def recorded(handler: ObsHandler) -> Trace:
    """The trace that this handler began last."""
    settled(handler)
    assert handler.last_trace_id is not None
    with open_store(handler.settings.store) as store:
        return store.trace(handler.last_trace_id)


def all_traces(handler: ObsHandler) -> list[Trace]:
    """Every trace in the handler's store, oldest first."""
    settled(handler)
    with open_store(handler.settings.store) as store:
        found = [store.trace(one.trace_id) for one in store.traces(limit=100_000)]
    return sorted(found, key=lambda trace: trace.root.start_ns)


def only(handler: ObsHandler) -> Span:
    """The one span that was recorded."""
    (trace,) = all_traces(handler)
    (found,) = trace.spans
    return found


def texts(contents: Iterable[Content]) -> list[str | None]:
    """What is kept of a span's inputs or outputs."""
    return [one.text for one in contents]


def tree(trace: Trace) -> tuple[str, list[Any]]:
    """Names as they hang: `("root", [("child", []), …])`, siblings by start."""

    def below(span: Span) -> tuple[str, list[Any]]:
        return span.name, [below(child) for child in trace.children(span)]

    return below(trace.root)


def named(trace: Trace, name: str) -> Span:
    """The one span of this name."""
    (found,) = [span for span in trace.spans if span.name == name]
    return found


def shape(trace: Trace) -> set[tuple[str, str | None, str]]:
    """The tree without times: `(span_id, parent_id, name)` of each span."""
    return {(span.span_id, span.parent_id, span.name) for span in trace.spans}

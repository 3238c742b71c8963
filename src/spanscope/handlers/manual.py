"""Your own spans, and the span that the calling code runs in.

`with span("rerank", kind="reranker") as s:` records a block; `current_span()` gives the innermost
span around the caller: a block of yours, or the chain, node or tool that a framework runs.

Feeds `recorder`, like a framework's handler.
"""

import functools
import inspect
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from spanscope import semconv
from spanscope.drafts import Draft, Message
from spanscope.exceptions import ConfigError
from spanscope.handlers._freeze import freeze
from spanscope.handlers._langchain_text import to_json
from spanscope.handlers._langgraph import status_of
from spanscope.handlers._source import Source
from spanscope.recorder import Run, current_block
from spanscope.runtime import Runtime, runtimes
from spanscope.scope import Scope, current_scope

F = TypeVar("F", bound=Callable[..., Any])
_sources: Final[dict[int, Source]] = {}


class SpanHandle:
    """A span while it is open.  False, and without effect, where nothing is being recorded."""

    def __init__(self, run: Run | None, runtime: Runtime | None) -> None:
        self._run = run
        self._runtime = runtime

    def __bool__(self) -> bool:
        return self._run is not None

    @property
    def trace_id(self) -> str | None:
        return self._run.trace_id if self._run is not None else None

    @property
    def span_id(self) -> str | None:
        return self._run.span_id if self._run is not None else None

    @property
    def traceparent(self) -> str | None:
        """The W3C header that makes another process continue this trace below this span."""
        return f"00-{self.trace_id}-{self.span_id}-01" if self._run is not None else None

    def set(self, key: str, value: Any) -> None:
        """Set an attribute; it is redacted like everything else."""
        if self._run is not None:
            if self._run.extra is None:
                self._run.extra = {}
            self._run.extra[key] = self._frozen(value)

    def add_event(self, name: str, **facts: Any) -> None:
        """Note something that happened now."""
        if self._run is not None and self._runtime is not None:
            self._runtime.recorder.event(
                self._run, name, {key: self._frozen(fact) for key, fact in facts.items()}
            )

    def set_output(self, value: Any) -> None:
        """What the step gave, kept by the content policy."""
        if self._run is not None:
            self._run.output = self._frozen(value)

    def _frozen(self, value: Any) -> Any:
        """A value of the application's may be changed by another thread meanwhile: the block goes on."""
        try:
            return freeze(value)
        except Exception as fault:  # noqa: BLE001  the boundary of a block
            if self._runtime is not None:
                self._runtime.health.fault("span", fault)
            return f"<{type(value).__name__}>"


@contextmanager
def span(name: str, *, kind: str = "span", input: Any = None) -> Iterator[SpanHandle]:
    """Record the block as a span under whatever runs around it, or as a trace of its own.

    It goes where the surrounding run goes, else where the handler made last does; without any handler
    nothing is recorded.  Raises `ConfigError` for an unknown kind; exceptions of the block pass through.
    """
    if kind not in semconv.KINDS:
        raise ConfigError(f"unknown kind {kind!r}: known are {', '.join(sorted(semconv.KINDS))}")
    run, runtime = _begin(name, kind, input)
    if run is None or runtime is None:
        yield SpanHandle(None, None)
        return
    token = current_block.set(run)
    error: BaseException | None = None
    try:
        yield SpanHandle(run, runtime)
    except BaseException as raised:
        error = raised
        raise
    finally:
        runtime.recorder.end(uuid.UUID(int=run.key), run.output, error)
        try:
            current_block.reset(token)
        except ValueError:
            current_block.set(None)  # closed in another context: a generator that was dropped


def observe(function: F | None = None, *, name: str | None = None, kind: str = "span") -> Any:
    """Record each call of a function or coroutine function as a span: `@observe` or `@observe(kind=…)`."""
    if function is None:
        return functools.partial(observe, name=name, kind=kind)
    label = name or function.__qualname__
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with span(label, kind=kind, input={"args": args, **kwargs}) as handle:
                result = await function(*args, **kwargs)
                handle.set_output(result)
                return result

        return awaited
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError(f"observe does not take generators yet: use `with span({label!r})` inside it")

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        with span(label, kind=kind, input={"args": args, **kwargs}) as handle:
            result = function(*args, **kwargs)
            handle.set_output(result)
            return result

    return called


def current_span() -> SpanHandle:
    """The innermost span around the caller; a handle that is False where there is none."""
    run, runtime = _around()
    return SpanHandle(run, runtime)


def current_trace_id() -> str | None:
    """The trace that the caller runs in; else the last begun in this `with context(...)`; else None."""
    run, _ = _around()
    if run is not None:
        return run.trace_id
    scope = current_scope()
    return scope.trace_id if scope is not None else None


def traceparent() -> str | None:
    """The W3C `traceparent` header for calls to other services from here; None outside any span."""
    return current_span().traceparent


def _begin(name: str, kind: str, given: Any) -> tuple[Run | None, Runtime | None]:
    _, runtime = _around()
    if runtime is None:
        living = [found for found in runtimes() if not found.closed]
        if not living:
            return None, None
        runtime = living[-1]
    source = _sources.get(id(runtime))
    if source is None or source.runtime is not runtime:
        source = _sources[id(runtime)] = Source(runtime.settings, Scope())
    try:
        run = runtime.recorder.start(
            uuid.uuid4(), None, source, _translate, ambient=_ambient_run_id(), options={"name": name}
        )
        if run is not None:
            run.kind = kind
            run.payload = freeze(given)
        return run, runtime
    except Exception as fault:  # noqa: BLE001  the boundary of a block: it runs unrecorded
        runtime.health.fault("span", fault)
        return None, None


def _around() -> tuple[Run | None, Runtime | None]:
    ambient = _ambient_run_id()
    block = current_block.get()
    if block is not None and block.end_ns is not None:
        block = None
    for runtime in runtimes():
        run = runtime.recorder.runs.get(ambient.int) if ambient is not None else None
        if run is not None and (block is None or block.start_ns < run.start_ns):
            return run, runtime
    return (block, block.handler.runtime) if block is not None else (None, None)


def _ambient_run_id() -> Any:
    """The run that LangChain says we are in, if LangChain is in use at all."""
    module = sys.modules.get("langchain_core.runnables.config")
    variable = getattr(module, "var_child_runnable_config", None)  # absent while it is being imported
    config = variable.get() if variable is not None else None
    return getattr(config.get("callbacks"), "parent_run_id", None) if config else None


def _translate(run: Run, draft: Draft) -> None:
    draft.facts["kind"] = run.kind
    draft.facts["name"] = run.options["name"] if run.options else "span"
    draft.status = status_of(run.error, is_root=run.parent is None)
    if draft.status != "error":
        draft.error = None
    if run.payload is not None:
        draft.inputs.append(Message("text", _text(run.payload)))
    if run.output is not None:
        draft.outputs.append(Message("text", _text(run.output)))


def _text(frozen: Any) -> str:
    return frozen if isinstance(frozen, str) else to_json(frozen)

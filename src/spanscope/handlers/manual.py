"""Your own spans, and the span that the calling code runs in.

`with span("rerank", kind="reranker") as s:` records a block; `current_span()` gives the innermost
span around the caller: a block of yours, or the chain, node or tool that a framework runs.

Feeds `recorder`, like a framework's handler.  `observed` records whole functions by means of it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from random import Random
from types import TracebackType
from typing import Any, Final

from spanscope import semconv
from spanscope.exceptions import ConfigError
from spanscope.handlers import _known
from spanscope.handlers import _manual_payload as payload
from spanscope.handlers._ambient import RunId, innermost
from spanscope.handlers._source import Handler
from spanscope.runs import Run, current_block
from spanscope.runtime import Runtime, runtimes
from spanscope.scope import current_scope

_ids: Final = Random()
"""Ours alone: the application may have seeded that of `random`, and the system takes ten times as long."""


class SpanHandle:
    """A span while it is open.  False, and without effect, where nothing is being recorded."""

    __slots__ = ("_run", "_runtime")

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
        """Set an attribute, or a field of the span such as `input_tokens`; it is redacted like all else.

        The fields: `provider request_model response_model temperature max_tokens input_tokens output_tokens
        total_tokens cache_read_tokens cache_write_tokens reasoning_tokens cost_usd finish_reason
        finish_reason_raw time_to_first_token_ms prompt_name prompt_version streamed cache_hit tool_names`,
        for blocks of your own.  A value that the field can not hold stays an attribute of that name.
        """
        if self._run is not None:
            if self._run.extra is None:
                self._run.extra = {}
            self._run.extra[key] = self.frozen(value)

    def add_event(self, name: str, **facts: Any) -> None:
        """Note something that happened now."""
        if self._run is not None and self._runtime is not None:
            self._runtime.recorder.note_event(
                self._run, name, {key: self.frozen(fact) for key, fact in facts.items()}
            )

    def set_output(self, value: Any) -> None:
        """What the step gave, kept by the content policy.

        For the kinds `retriever` and `reranker` a list of documents (LangChain's, LlamaIndex's, dictionaries
        with a text, each alone or with its score) is read as such: ids, scores and sizes.
        """
        if self._run is not None:
            self._run.output = self.frozen(value, kind=self._run.kind)

    def frozen_input(self, given: Any) -> Any:
        """Arguments as they are now, by name; the documents that a reranker is given keep ids and scores."""
        if self._run is not None and self._run.kind == "reranker" and type(given) is dict:
            return {name: self.frozen(value, kind="reranker") for name, value in given.items()}
        return self.frozen(given)

    def frozen(self, value: Any, *, kind: str | None = None) -> Any:
        """The value as it is now; with a kind, the result of such a step.  Never raises.

        Another thread of the application's may be changing it meanwhile: the block goes on.
        """
        try:
            return value if type(value) is Decimal else payload.frozen_result(value, kind)
        except Exception as fault:  # noqa: BLE001  the boundary of a block
            if self._runtime is not None:
                self._runtime.health.fault("span", fault)
            return f"<{type(value).__name__}>"


class Block:
    """A span of ours that is open, and whether the code that runs here and now is inside it.

    `with block:` makes it the innermost span of this context, any number of times: a generator is inside
    while its body runs, and outside while its consumer does.  What was innermost when the body was left
    (a span that it holds open over a `yield`) is so again when it is entered.
    """

    __slots__ = ("_before", "_innermost", "_token", "handle", "run")

    def __init__(self, run: Run, handle: SpanHandle) -> None:
        self.run = run
        self.handle = handle
        self._innermost: Run | None = run
        self._before: Run | None = None
        self._token: Any = None

    def __enter__(self) -> SpanHandle:
        self._before = current_block.get()
        self._token = current_block.set(self._innermost)
        return self.handle

    def __exit__(self, *_: object) -> None:
        innermost = current_block.get()
        try:
            current_block.reset(self._token)
        except ValueError:
            # Left in another context than entered: a generator read by several tasks, or closed by a garbage
            # collector.  What is innermost here is ours to change only if it is this span.
            if innermost is self.run:
                current_block.set(self._before)
            return
        self._innermost = innermost

    def end(self, error: BaseException | None = None) -> None:
        """The span is over, by this error if any."""
        self.run.handler.recorder.finish(self.run, self.run.output, error)


class Unrecorded:
    """Stands for a block where nothing is recorded."""

    handle = SpanHandle(None, None)
    run: Run | None = None

    def __enter__(self) -> SpanHandle:
        return self.handle

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing was changed."""

    def end(self, error: BaseException | None = None) -> None:
        """Nothing was begun."""


UNRECORDED = Unrecorded()


@contextmanager
def span(
    name: str, *, kind: str = "span", input: Any = None, handler: Handler | None = None
) -> Iterator[SpanHandle]:
    """Record the block as a span under whatever runs around it, or as a trace of its own.

    It goes to `handler` if one is given; else to the handler that records what is around it (of two, the one
    made first); else, with nothing around it, to the one of `instrument()`, or to the handler made last.
    Without any handler nothing is recorded.

    Raises `ConfigError` for an unknown kind; exceptions of the block pass through.
    """
    block = begin(name, kind, input, handler)
    try:
        with block as handle:
            yield handle
    except BaseException as raised:
        block.end(raised)
        raise
    block.end()


def check(kind: str, handler: object) -> None:
    """Raise `ConfigError` for a kind that there is not, and for a handler that is none of ours."""
    if kind not in semconv.KINDS:
        raise ConfigError(f"unknown kind {kind!r}: known are {', '.join(sorted(semconv.KINDS))}")
    if handler is not None and not isinstance(handler, Handler):
        raise ConfigError(f"handler= takes an ObsHandler of spanscope, not {type(handler).__name__}")


def begin(name: str, kind: str, given: Any, handler: Handler | None = None) -> Block | Unrecorded:
    """Open a span under what is around the caller; it is not current yet.  Raises only `ConfigError`."""
    check(kind, handler)
    source = handler
    try:
        around, _ = _around()
        source = source or (around.handler if around is not None else _known.default_handler())
        if source is None:
            return UNRECORDED
        if around is not None and around.handler.recorder is source.recorder:
            ambient: Any = RunId(around.key)
        else:
            ambient = innermost(source.recorder.runs)
        run = source.recorder.start(
            RunId(_ids.getrandbits(128)), None, source, payload.block, ambient, options={"name": name}
        )
        if run is None:
            return UNRECORDED
        run.kind = kind
        handle = SpanHandle(run, source.runtime)
        run.payload = handle.frozen_input(given)
        return Block(run, handle)
    except Exception as fault:  # noqa: BLE001  the boundary of a block: it runs unrecorded
        for runtime in [source.runtime] if source is not None else runtimes():
            runtime.health.fault("span", fault)
        return UNRECORDED


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


def _around() -> tuple[Run | None, Runtime | None]:
    block = current_block.get()
    if block is not None and block.end_ns is not None:
        block = None
    for runtime in runtimes():
        runs = runtime.recorder.runs
        ambient = innermost(runs)
        run = runs.get(ambient.int) if ambient is not None else None
        if run is not None and (block is None or block.start_ns < run.start_ns):
            # What is set on a run that is not stored would be lost.
            return (run.visible_parent() or run if run.hidden else run), runtime
    return (block, block.handler.runtime) if block is not None else (None, None)


def _after_fork_in_child() -> None:
    # A pool's process inherits the block in which its first job was submitted, and would keep it for all.
    current_block.set(None)
    _ids.seed()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

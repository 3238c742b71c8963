"""The LangChain and LangGraph handler: `callbacks=[ObsHandler()]`.

Each hook notes what happened and returns; what the payload means is found out on the worker thread
(`_langchain_payload`).  No hook raises, blocks, does I/O or sets a context variable.

Feeds `recorder`.
"""

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from spanscope.exceptions import MissingExtra

try:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.runnables.config import var_child_runnable_config
except ModuleNotFoundError as missing:
    raise MissingExtra("ObsHandler", "langchain") from missing

from spanscope.handlers import _ambient
from spanscope.handlers import _langchain_payload as payload
from spanscope.handlers._ambient import frameworks, innermost
from spanscope.handlers._freeze import freeze, freeze_message, freeze_messages, is_message, shape
from spanscope.handlers._langchain_model import Answer
from spanscope.handlers._langchain_stream import ANSWER, says
from spanscope.handlers._langgraph import HIDDEN_TAG, STEP_TAG
from spanscope.handlers._source import Handler
from spanscope.recorder import Run, Translate

_child_config = var_child_runnable_config.get
Hook = TypeVar("Hook", bound=Callable[..., None])

if TYPE_CHECKING:
    _Base = BaseCallbackHandler
else:
    # LangGraph tells of interrupts and resumes only those who have this base.
    try:
        _Base = importlib.import_module("langgraph.callbacks").GraphCallbackHandler
    except (ImportError, AttributeError):
        _Base = BaseCallbackHandler


def _contained(hook: Hook) -> Hook:
    """The boundary of a hook: a fault of ours is counted and the application goes on.

    The hooks of every chain and model call have theirs written out: passing arguments through costs more
    than noting them.
    """
    stage = f"hook.{hook.__name__}"

    @functools.wraps(hook)
    def guarded(self: "ObsHandler", *args: Any, **kwargs: Any) -> None:
        try:
            hook(self, *args, **kwargs)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.runtime.health.fault(stage, fault)

    return guarded  # type: ignore[return-value]


@_ambient.source
def _around() -> Any:
    """The id of the run that LangChain's own context says we are in."""
    config = _child_config()
    return None if config is None else getattr(config.get("callbacks"), "parent_run_id", None)


class ObsHandler(Handler, _Base):
    """Records every run that it is attached to, into the store and the backends named.

    Raises `StoreError`, `ConfigError` or `MissingExtra` here when something is wrong with the
    settings; afterwards nothing that goes wrong with recording reaches the application.

    `store` is a path or URL (default: SPANSCOPE_STORE, else `.spanscope/spans.db`; False: none),
    `backends` more sinks by name (`"structlog"`, `"datadog"`) or as objects, `content` how much text is
    kept (`"hash"`, `"preview"`, `"redacted"`).  `prices` are prices of your own and `deployments` the models
    behind names (mappings, or TOML files), `estimate_tokens` has missing token counts estimated.  The rest
    describes the runs; metadata of a call wins.
    """

    run_inline = True
    raise_error = False
    ignore_llm = ignore_chat_model = ignore_chain = ignore_agent = False
    ignore_retriever = ignore_retry = ignore_custom_event = False

    # --- what the assembler asks --------------------------------------------------------------------

    def facts_of(self, metadata: Any) -> dict[str, Any]:
        return payload.facts_of(metadata)

    def own_metadata(self, metadata: Any, above: Any) -> dict[str, Any]:
        return payload.own_metadata(metadata, above)

    def own_tags(self, tags: Any) -> list[str]:
        return payload.own_tags(tags)

    def is_step(self, run: Run) -> bool:
        return isinstance(run.tags, list) and any(str(tag).startswith(STEP_TAG) for tag in run.tags)

    # --- starts ---------------------------------------------------------------------------------------

    def _begin(
        self,
        translate: Translate,
        run_id: Any,
        parent_run_id: Any,
        tags: Any,
        metadata: Any,
        serialized: Any,
        options: Any,
    ) -> Run | None:
        if len(frameworks) > 1:
            around = innermost(self._runs)
        else:
            # `_around` written out, for it is asked at each run.
            config = _child_config()
            around = None if config is None else getattr(config.get("callbacks"), "parent_run_id", None)
        return self._start(
            run_id, parent_run_id, self, translate, around, tags, metadata, serialized, options
        )

    # Whatever they are called with is taken: a wrong signature would raise before its boundary.

    def on_chain_start(
        self, serialized: Any = None, inputs: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        try:
            run = self._begin(payload.chain, run_id, parent_run_id, tags, metadata, serialized, kwargs)
            if run is not None:
                run.payload = (shape(inputs), freeze(inputs) if run.parent is None else None)
                if tags and HIDDEN_TAG in tags:
                    run.hidden = True
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.runtime.health.fault("hook.on_chain_start", fault)

    def on_chat_model_start(
        self, serialized: Any = None, messages: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        try:
            run = self._begin(payload.llm, run_id, parent_run_id, tags, metadata, serialized, kwargs)
            if run is not None:
                run.kind = "llm"
                run.payload = freeze_messages(messages[0]) if messages else []
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.runtime.health.fault("hook.on_chat_model_start", fault)

    def on_llm_start(
        self, serialized: Any = None, prompts: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        try:
            run = self._begin(payload.llm, run_id, parent_run_id, tags, metadata, serialized, kwargs)
            if run is not None:
                run.kind = "llm"
                run.payload = list(prompts)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.runtime.health.fault("hook.on_llm_start", fault)

    def on_tool_start(
        self, serialized: Any = None, input_str: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, inputs: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        try:
            run = self._begin(payload.tool, run_id, parent_run_id, tags, metadata, serialized, kwargs)
            if run is not None:
                run.payload = freeze(inputs) if inputs is not None else freeze(input_str)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.runtime.health.fault("hook.on_tool_start", fault)

    def on_retriever_start(
        self, serialized: Any = None, query: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        try:
            run = self._begin(payload.retriever, run_id, parent_run_id, tags, metadata, serialized, kwargs)
            if run is not None:
                run.payload = freeze(query)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.runtime.health.fault("hook.on_retriever_start", fault)

    # --- ends -----------------------------------------------------------------------------------------
    # An end whose payload could not be read is still an end, else its run would stay open for ever.

    def on_chain_end(self, outputs: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        try:
            run = self._runs.get(run_id.int)
            if run is None:
                self._end(run_id)
            elif run.parent is not None:
                self._finish(run, (shape(outputs), None))
            else:
                self._late_input(run, kwargs)
                self._finish(run, (shape(outputs), freeze(outputs)))
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._end_unread("hook.on_chain_end", fault, run_id)

    def on_llm_end(self, response: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        try:
            self._end(run_id, _answer(response))
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._end_unread("hook.on_llm_end", fault, run_id)

    def on_tool_end(self, output: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        try:
            self._end(run_id, freeze_message(output) if is_message(output) else freeze(output))
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._end_unread("hook.on_tool_end", fault, run_id)

    def on_retriever_end(self, documents: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        try:
            found = [(getattr(doc, "id", None), doc.page_content, doc.metadata) for doc in documents[:200]]
            self._end(run_id, (len(documents), found))
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._end_unread("hook.on_retriever_end", fault, run_id)

    def on_chain_error(self, error: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        try:
            run = self._runs.get(run_id.int)
            if run is not None and run.parent is None:
                self._late_input(run, kwargs)
            self._end(run_id, None, error)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._end_unread("hook.on_chain_error", fault, run_id, error)

    def _late_input(self, run: Run, options: Mapping[str, Any]) -> None:
        """A streamed chain starts with a placeholder; what went in is told when it ends."""
        if (inputs := options.get("inputs")) is not None and run.end_ns is None:
            run.payload = (shape(inputs), freeze(inputs))

    def on_llm_error(self, error: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        try:
            # A stream that broke or was closed carries what had arrived until then.
            self._end(run_id, _answer(kwargs.get("response")), error)
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._end_unread("hook.on_llm_error", fault, run_id, error)

    @_contained
    def on_tool_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        self._end(run_id, None, error)

    @_contained
    def on_retriever_error(self, error: BaseException, *, run_id: Any, **kwargs: Any) -> None:
        self._end(run_id, None, error)

    def _end_unread(
        self, stage: str, fault: Exception, run_id: Any, error: BaseException | None = None
    ) -> None:
        self.runtime.health.fault(stage, fault)
        run = self._runs.get(getattr(run_id, "int", -1))
        if run is not None and run.end_ns is None:
            self._end(run_id, None, error)

    # --- in between -----------------------------------------------------------------------------------

    def on_llm_new_token(
        self,
        token: Any = "",
        *_: Any,
        chunk: Any = None,
        run_id: Any = None,
        parent_run_id: Any = None,
        tags: Any = None,
        **kwargs: Any,
    ) -> None:
        # Called for every token: it does nothing that can wait.
        try:
            run = self._runs[run_id.int]
            run.chunks += 1
            run.last_ns = self._now()
            usage = getattr(getattr(chunk, "message", None), "usage_metadata", None)
            if usage and usage is not run.usage:  # the same again: delivered twice
                run.usage = usage
                run.usages += 1
            if run.first_text_ns is None and (said := says(token, chunk)):
                if said is ANSWER:
                    run.first_text_ns = run.last_ns
                if run.first_token_ns is None:
                    run.first_token_ns = run.last_ns
        except KeyError:
            self.runtime.health.count("unmatched_events")
        except Exception as fault:  # noqa: BLE001  the named boundary
            self.runtime.health.fault("hook.on_llm_new_token", fault)

    @_contained
    def on_stream_event(self, event: Any, *, run_id: Any, **kwargs: Any) -> None:
        run = self.recorder.open_run(run_id)
        if run is None or event.get("event") != "content-block-delta":
            return
        run.chunks += 1
        run.last_ns = self.recorder.now()
        if run.first_text_ns is None and (said := says([event.get("delta")], None)):
            if said is ANSWER:
                run.first_text_ns = run.last_ns
            if run.first_token_ns is None:
                run.first_token_ns = run.last_ns

    @_contained
    def on_retry(self, retry_state: Any, *, run_id: Any, **kwargs: Any) -> None:
        outcome = getattr(retry_state, "outcome", None)
        failure = outcome.exception() if outcome is not None and outcome.failed else None
        self._note(
            run_id,
            "retry",
            attempt=getattr(retry_state, "attempt_number", None),
            error_type=type(failure).__name__ if failure is not None else None,
        )

    @_contained
    def on_agent_action(self, action: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._note(run_id, "agent_action", tool=getattr(action, "tool", None))

    @_contained
    def on_agent_finish(self, finish: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._note(run_id, "agent_finish")

    @_contained
    def on_text(self, text: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._note(run_id, "text", chars=len(text) if isinstance(text, str) else None)

    @_contained
    def on_custom_event(self, name: str, data: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._note(run_id, name, data=freeze(data))

    @_contained
    def on_interrupt(self, event: Any) -> None:
        """A graph paused; its run ends as `interrupted`, and not as an error."""
        run = self.recorder.open_run(event.run_id)
        if run is not None:
            run.interrupted = True
            self.recorder.event(run, "interrupt", {"value": freeze([i.value for i in event.interrupts])})

    @_contained
    def on_resume(self, event: Any) -> None:
        """A graph goes on from a checkpoint of an earlier run."""
        run = self.recorder.open_run(event.run_id)
        if run is not None:
            run.resumed = True
            self.recorder.event(run, "resume", {"checkpoint_id": str(event.checkpoint_id)})

    def _note(self, run_id: Any, name: str, **facts: Any) -> None:
        run = self.recorder.open_run(run_id)
        if run is not None:
            self.recorder.event(run, name, facts)


def _answer(response: Any) -> Answer | None:
    """What an LLMResult says now; its message belongs to the application, which may change it."""
    generations = getattr(response, "generations", None)
    if not generations or not generations[0]:
        return None
    first = generations[0][0]
    message = getattr(first, "message", None)
    info = getattr(first, "generation_info", None) or {}
    lump = getattr(response, "llm_output", None) or {}
    if message is None:
        return Answer(None, first.text, None, {}, None, None, info, lump)
    frozen = freeze_message(message)
    return Answer(
        message,
        frozen.content,
        getattr(message, "usage_metadata", None),
        getattr(message, "response_metadata", None) or {},
        getattr(message, "tool_calls", None),
        getattr(message, "invalid_tool_calls", None),
        info,
        lump,
    )

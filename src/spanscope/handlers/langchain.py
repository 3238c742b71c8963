"""The LangChain and LangGraph handler: `callbacks=[ObsHandler()]`.

Each hook notes what happened and returns; where the run belongs (`_langchain_notes`) and what the payload
means (`_langchain_payload`) is found out on the worker thread.  No hook raises, blocks, does I/O or sets a
context variable.

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
from spanscope.handlers import _langchain_notes as notes
from spanscope.handlers import _langchain_payload as payload
from spanscope.handlers._ambient import frameworks
from spanscope.handlers._freeze import freeze, freeze_message, freeze_messages, is_message, shape, whole
from spanscope.handlers._langchain_model import Answer
from spanscope.handlers._langgraph import STEP_TAG
from spanscope.handlers._source import Handler
from spanscope.runs import Run, Translate, current_block
from spanscope.scope import current_scope

_child_config = var_child_runnable_config.get
_block = current_block.get
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
    """The boundary of a hook: a fault of ours is counted and the application goes on."""
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
    return notes.parent_in(_child_config())


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
        if isinstance(run.tags, list):
            for tag in run.tags:
                if isinstance(tag, str) and tag.startswith(STEP_TAG):
                    return True
        return False

    # --- starts ---------------------------------------------------------------------------------------
    # Whatever a hook is called with is taken: a wrong signature would raise before its boundary.

    def _begin(
        self,
        stage: str,
        translate: Translate,
        kind: str | None,
        read: Callable[[Any], Any],
        given: Any,
        run_id: Any,
        parent_run_id: Any,
        tags: Any,
        metadata: Any,
        serialized: Any,
        options: Any,
    ) -> None:
        """Note that a run began, with what `read` makes of what it was given, and what is around it."""
        try:
            at_ns, scope, top = self._now(), current_scope(), None
            if parent_run_id is None or parent_run_id.int not in self._seen:
                top = self.recorder.new_trace(self, scope)
                read = whole if read is shape else read
                # Nothing else says where it belongs, and a node may change the dictionary, which is its own.
                config: Any = {"callbacks": (_child_config() or {}).get("callbacks")}
            else:
                config = _child_config()
            self._seen.add(run_id.int)
            try:
                asked = read(given)
            except Exception as fault:  # noqa: BLE001  the run is recorded without it
                asked = None
                self._unread(stage, fault)
            others = None if len(frameworks) == 1 else _others()
            self._note((
                notes.start, self, at_ns, translate, kind, run_id, parent_run_id, top, config, others,
                _block(), scope, tags, metadata, serialized, options, asked,
            ))  # fmt: skip
            if len(self._log) > self.recorder.patience:
                self.recorder.attend()
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._unread(stage, fault)

    def _unread(self, stage: str, fault: Exception) -> None:
        self.runtime.health.fault(f"hook.{stage}", fault)

    def on_chain_start(
        self, serialized: Any = None, inputs: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self._begin(
            "on_chain_start", payload.chain, None, shape, inputs,
            run_id, parent_run_id, tags, metadata, serialized, kwargs,
        )  # fmt: skip

    def on_chat_model_start(
        self, serialized: Any = None, messages: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self._begin(
            "on_chat_model_start", payload.llm, "llm", _conversation, messages,
            run_id, parent_run_id, tags, metadata, serialized, kwargs,
        )  # fmt: skip

    def on_llm_start(
        self, serialized: Any = None, prompts: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self._begin(
            "on_llm_start", payload.llm, "llm", list, prompts,
            run_id, parent_run_id, tags, metadata, serialized, kwargs,
        )  # fmt: skip

    def on_tool_start(
        self, serialized: Any = None, input_str: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, inputs: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self._begin(
            "on_tool_start", payload.tool, None, freeze, input_str if inputs is None else inputs,
            run_id, parent_run_id, tags, metadata, serialized, kwargs,
        )  # fmt: skip

    def on_retriever_start(
        self, serialized: Any = None, query: Any = None, /, *_: Any, run_id: Any = None,
        parent_run_id: Any = None, tags: Any = None, metadata: Any = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        self._begin(
            "on_retriever_start", payload.retriever, None, freeze, query,
            run_id, parent_run_id, tags, metadata, serialized, kwargs,
        )  # fmt: skip

    # --- ends -----------------------------------------------------------------------------------------
    # An end whose payload could not be read is still an end, else its run would stay open for ever.

    def _over(
        self,
        stage: str,
        read: Callable[[Any], Any],
        given: Any,
        run_id: Any,
        error: BaseException | None = None,
    ) -> None:
        """Note that a run ended, with what `read` makes of what it gave."""
        try:
            at_ns = self._now()
            try:
                output = read(given)
            except Exception as fault:  # noqa: BLE001  the run ends without it
                output = None
                self._unread(stage, fault)
            self._note((notes.end, self, at_ns, run_id, output, error))
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._unread(stage, fault)

    def on_chain_end(
        self, outputs: Any = None, /, *_: Any, run_id: Any = None, parent_run_id: Any = None, **kwargs: Any
    ) -> None:
        try:
            if parent_run_id is not None and parent_run_id.int in self._seen:
                # `_over` written out: it is called more often than all other ends together.
                self._note((notes.end, self, self._now(), run_id, shape(outputs), None))
                return
            self._asked_late(run_id, kwargs)
            self._over("on_chain_end", whole, outputs, run_id)
            if len(self._log) > self.recorder.patience:
                self.recorder.attend()  # of a handler that was shut down, nobody else does
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._unread("on_chain_end", fault)
            self._over("on_chain_end", _nothing, None, run_id)

    def on_chain_error(self, error: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        self._asked_late(run_id, kwargs)
        self._over("on_chain_error", _nothing, None, run_id, error)

    def _asked_late(self, run_id: Any, options: Mapping[str, Any]) -> None:
        """A streamed chain starts with a placeholder; what went in is told when it ends."""
        if (inputs := options.get("inputs")) is not None:
            try:
                self._note((notes.inputs, self, run_id, whole(inputs)))
            except Exception as fault:  # noqa: BLE001  the named boundary
                self._unread("on_chain_end", fault)

    def on_llm_end(self, response: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        self._over("on_llm_end", _answer, response, run_id)

    def on_llm_error(self, error: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        # A stream that broke or was closed carries what had arrived until then.
        self._over("on_llm_error", _answer, kwargs.get("response"), run_id, error)

    def on_tool_end(self, output: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        self._over("on_tool_end", _result, output, run_id)

    def on_tool_error(self, error: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        self._over("on_tool_error", _nothing, None, run_id, error)

    def on_retriever_end(self, documents: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        self._over("on_retriever_end", _found, documents, run_id)

    def on_retriever_error(self, error: Any = None, /, *_: Any, run_id: Any = None, **kwargs: Any) -> None:
        self._over("on_retriever_error", _nothing, None, run_id, error)

    # --- in between -----------------------------------------------------------------------------------

    def on_llm_new_token(
        self, token: Any = "", *_: Any, chunk: Any = None, run_id: Any = None, **kwargs: Any
    ) -> None:
        # Called for every token: it does nothing that can wait.
        try:
            self._note((notes.token, self, self._now(), run_id, token, chunk))
            if len(self._log) > self.recorder.patience:
                self.recorder.attend()
        except Exception as fault:  # noqa: BLE001  the named boundary
            self._unread("on_llm_new_token", fault)

    @_contained
    def on_stream_event(self, event: Any, *, run_id: Any, **kwargs: Any) -> None:
        if event.get("event") == "content-block-delta":
            self.on_llm_new_token([event.get("delta")], run_id=run_id)

    @_contained
    def on_retry(self, retry_state: Any, *, run_id: Any, **kwargs: Any) -> None:
        outcome = getattr(retry_state, "outcome", None)
        failure = outcome.exception() if outcome is not None and outcome.failed else None
        self._happened(
            run_id,
            "retry",
            attempt=getattr(retry_state, "attempt_number", None),
            error_type=type(failure).__name__ if failure is not None else None,
        )

    @_contained
    def on_agent_action(self, action: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._happened(run_id, "agent_action", tool=getattr(action, "tool", None))

    @_contained
    def on_agent_finish(self, finish: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._happened(run_id, "agent_finish")

    @_contained
    def on_text(self, text: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._happened(run_id, "text", chars=len(text) if isinstance(text, str) else None)

    @_contained
    def on_custom_event(self, name: str, data: Any, *, run_id: Any, **kwargs: Any) -> None:
        self._happened(run_id, name, data=freeze(data))

    def _happened(self, run_id: Any, name: str, **facts: Any) -> None:
        self.recorder.note(notes.event, self, self._now(), run_id, name, facts)

    @_contained
    def on_interrupt(self, event: Any) -> None:
        values = freeze([one.value for one in event.interrupts])
        self._note((notes.interrupt, self, self._now(), event.run_id, values))

    @_contained
    def on_resume(self, event: Any) -> None:
        self._note((notes.resume, self, self._now(), event.run_id, str(event.checkpoint_id)))


def _others() -> list[Any]:
    """The ids of the runs that the contexts of other frameworks say we are in."""
    return [named() for named in frameworks if named is not _around]


def _conversation(messages: Any) -> Any:
    return freeze_messages(messages[0]) if messages else []


def _found(documents: Any) -> tuple[int, list[tuple[Any, Any, Any]]]:
    """How many documents, and of each its id, text and metadata."""
    kept = [(getattr(one, "id", None), one.page_content, one.metadata) for one in documents[:200]]
    return len(documents), kept


def _result(output: Any) -> Any:
    return freeze_message(output) if is_message(output) else freeze(output)


def _nothing(_: Any) -> None:
    """What a run that failed gave."""


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

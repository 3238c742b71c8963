"""What every source of events has in common: settings, a scope, and the last trace it began.

The frameworks' handlers and `handlers.manual` build on it; the assembler asks it about runs.
"""

import asyncio
import threading
import weakref
from collections.abc import Mapping, Sequence
from os import environ
from typing import Any, Self

from spanscope.config import ContentSetting, Settings, StoreSetting, settings_from
from spanscope.handlers import _known
from spanscope.pricing import PriceSource, pricing_for, pricing_settings
from spanscope.recorder import Recorder
from spanscope.runs import Run, TraceRef
from spanscope.runtime import Runtime, runtime_for
from spanscope.scope import Scope, check_labels


class Source:
    """Settings and scope of one handler, joined to the runtime that it shares with its equals."""

    tells_late = False
    """Whether its framework may tell more of a call that is over."""

    def __init__(self, settings: Settings, scope: Scope) -> None:
        self.settings = settings
        self.scope = scope
        self.runtime: Runtime = runtime_for(settings)
        self.recorder: Recorder = self.runtime.recorder
        # Looked up once, for the hooks that are called for every run and every token.
        self._log = self.recorder.log
        self._note = self.recorder.log.append
        self._seen = self.recorder.seen
        self._now = self.recorder.now
        self._last: TraceRef | None = None
        self._by_thread = threading.local()
        self._by_task: weakref.WeakKeyDictionary[Any, TraceRef] = weakref.WeakKeyDictionary()

    def began(self, trace: TraceRef) -> None:
        """A trace began in this thread and task.  (No context variable: a callback must set none.)"""
        self._last = self._by_thread.trace = trace
        task = _current_task()
        if task is not None:
            self._by_task[task] = trace

    @property
    def last_trace_id(self) -> str | None:
        """The last trace begun by this task, else by this thread, else by anyone; None before the first."""
        task = _current_task()
        own = self._by_task.get(task) if task is not None else None
        trace = own or getattr(self._by_thread, "trace", None) or self._last
        return trace.asked() if trace is not None else None

    # What the assembler asks; a source whose framework says nothing keeps these answers.

    def facts_of(self, metadata: Any) -> dict[str, Any]:
        """Session, user, prompt … as they stand in a run's metadata."""
        return {}

    def own_metadata(self, metadata: Any, above: Any) -> dict[str, Any]:
        """What of a run's metadata is worth keeping and is not its parent's."""
        return {}

    def own_tags(self, tags: Any) -> list[str]:
        """What of a run's tags the user has set."""
        return [tag for tag in tags or () if isinstance(tag, str)]

    def is_step(self, run: Run) -> bool:
        """Whether the run is a node of the graph above it."""
        return False

    def is_model_call(self, run: Run) -> bool:
        return run.kind == "llm"


class Handler(Source):
    """The part of every framework's handler that its user sees."""

    def __init__(
        self,
        store: StoreSetting = None,
        backends: Sequence[Any] | Any = (),
        content: ContentSetting = None,
        session_id: str | None = None,
        user_id: str | None = None,
        environment: str | None = None,
        service: str | None = None,
        release: str | None = None,
        prompt_name: str | None = None,
        prompt_version: str | None = None,
        tags: Sequence[str] = (),
        metadata: Mapping[str, Any] | None = None,
        estimate_tokens: bool | None = None,
        prices: PriceSource = None,
        deployments: PriceSource = None,
        key: str | None = None,
        redaction: Any = None,
    ) -> None:
        check_labels(tags, metadata)
        pricing = pricing_for(pricing_settings(prices, deployments, estimate_tokens))
        scope = Scope(
            session_id=session_id,
            user_id=user_id,
            environment=environment or environ.get("SPANSCOPE_ENVIRONMENT"),
            service=service or environ.get("SPANSCOPE_SERVICE"),
            release=release or environ.get("SPANSCOPE_RELEASE"),
            prompt_name=prompt_name,
            prompt_version=prompt_version,
            tags=tuple(tags),
            metadata=dict(metadata or {}),
        )
        super().__init__(settings_from(store, backends, content, pricing, key, redaction), scope)
        _known.note(self)

    def flush(self, timeout: float = 5.0) -> bool:
        """Push out all that was recorded; true only when every backend acknowledged in time (seconds)."""
        return self.runtime.flush(timeout)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self  # Frameworks copy configurations; a recorder is one thing.


def _current_task() -> Any:
    # Asking without a running loop would raise, which costs more than all else at a root's start.
    return asyncio.current_task() if asyncio._get_running_loop() is not None else None

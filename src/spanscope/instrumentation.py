"""Record every run of the process, without passing a handler anywhere.

LangChain asks registered hooks for handlers whenever a run is set up.  The hook can not be taken out
again, so it stays and has nothing to offer after `uninstrument()`.
"""

import threading
from typing import TYPE_CHECKING, Any, cast

from spanscope.handlers import _known

if TYPE_CHECKING:
    from contextvars import ContextVar

    from spanscope.handlers.langchain import ObsHandler

_changing = threading.Lock()


class _ProcessWide:
    """Looks like the context variable that LangChain reads, and is the same in every context."""

    def __init__(self) -> None:
        self.handler: ObsHandler | None = None
        self.registered = False

    def get(self) -> "ObsHandler | None":
        return self.handler


_attached = _ProcessWide()


def instrument(store: Any = None, backends: Any = (), **settings: Any) -> "ObsHandler":
    """Attach one handler to every LangChain and LangGraph run of this process; gives that handler.

    Takes what `ObsHandler` takes.  A run that has a handler of its own is not recorded twice.  Called
    again, the new settings replace the old ones.  Raises what the constructor raises.
    """
    from langchain_core.tracers.context import register_configure_hook

    from spanscope.handlers.langchain import ObsHandler

    handler = ObsHandler(store=store, backends=backends, **settings)
    with _changing:
        _attached.handler = handler
        _known.speak_for_process(handler)
        if not _attached.registered:
            variable = cast("ContextVar[ObsHandler | None]", _attached)
            register_configure_hook(variable, inheritable=True, handle_class=ObsHandler)
            _attached.registered = True
    return handler


def uninstrument() -> None:
    """Stop recording runs that have no handler of their own.  Harmless when nothing was attached."""
    _attached.handler = None
    _known.speak_for_process(None)

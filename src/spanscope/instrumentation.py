"""Record every run of the process, in each framework that is installed, without passing a handler anywhere.

LangChain asks registered hooks for handlers whenever a run is set up.  The hook can not be taken out
again, so it stays and has nothing to offer after `uninstrument()`.  LlamaIndex has a dispatcher for the
whole process, to which a handler is attached and from which it is taken again.
"""

import os
import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from spanscope.exceptions import MissingExtra
from spanscope.handlers import _known

if TYPE_CHECKING:
    from contextvars import ContextVar

    from spanscope.handlers import langchain, llama_index
    from spanscope.handlers._source import Handler

_changing = threading.Lock()


class _ProcessWide:
    """Looks like the context variable that LangChain reads, and is the same in every context."""

    def __init__(self) -> None:
        self.handler: langchain.ObsHandler | None = None
        self.registered = False
        self.llama_index: llama_index.ObsHandler | None = None

    def get(self) -> "langchain.ObsHandler | None":
        return self.handler


_attached = _ProcessWide()


def instrument(store: Any = None, backends: Any = (), **settings: Any) -> "Handler":
    """Attach one handler to every LangChain, LangGraph and LlamaIndex run of this process; gives it.

    Takes what `ObsHandler` takes.  A LangChain run that has a handler of its own is not recorded twice.
    Called again, the new settings replace the old ones.  Raises what the constructor raises, and
    `MissingExtra` when neither framework is installed.
    """
    settings = {"store": store, "backends": backends, **settings}
    here = {name: find_spec(name) is not None for name in ("langchain_core", "llama_index_instrumentation")}
    chains = _langchain_handler(settings) if here["langchain_core"] else None
    indexes = _llama_index_handler(settings) if here["llama_index_instrumentation"] else None
    handler: Handler | None = chains or indexes
    if handler is None:
        raise MissingExtra("instrument()", "langchain' or 'spanscope[llama-index]")
    with _changing:
        former = _attached.llama_index
        _attached.handler, _attached.llama_index = chains, indexes
        _known.speak_for_process(*[one for one in (chains, indexes) if one is not None])
        if chains is not None:
            _register(type(chains))
    if indexes is not None:
        indexes.partner = chains
        indexes.attach()
    if former is not None:
        former.detach()
    return handler


def uninstrument() -> None:
    """Stop recording runs that have no handler of their own.  Harmless when nothing was attached."""
    with _changing:
        former = _attached.llama_index
        _attached.handler = _attached.llama_index = None
        _known.speak_for_process()
    if former is not None:
        former.detach()


def _langchain_handler(settings: dict[str, Any]) -> "langchain.ObsHandler":
    from spanscope.handlers.langchain import ObsHandler

    return ObsHandler(**settings)


def _llama_index_handler(settings: dict[str, Any]) -> "llama_index.ObsHandler":
    from spanscope.handlers.llama_index import ObsHandler

    return ObsHandler(**settings)


def _register(kind: Any) -> None:
    """Tell LangChain, once, where to ask for the handler."""
    from langchain_core.tracers.context import register_configure_hook

    if not _attached.registered:
        variable = cast("ContextVar[Any]", _attached)
        register_configure_hook(variable, inheritable=True, handle_class=kind)
        _attached.registered = True


def _after_fork_in_child() -> None:
    """Another thread of the parent may have held the lock."""
    global _changing  # noqa: PLW0603
    _changing = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)

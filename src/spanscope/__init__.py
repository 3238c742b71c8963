"""spanscope: a flight recorder for LangChain, LangGraph and LlamaIndex applications.

    from spanscope import ObsHandler, debug_trace

    handler = ObsHandler()
    chain.invoke(question, config={"callbacks": [handler]})
    handler.flush()
    print(debug_trace(handler.last_trace_id))

The map: `handlers` note what frameworks do, on the caller's thread; `runtime` joins the stages that
work it up on one daemon thread (`assembler`, `redaction`, `pipeline`) and hand it to `backends`;
`store` reads it back as a `trace`, and `debug` runs the `checks` over it and makes a `report`.

Names are imported when first used: `import spanscope` alone loads no framework and no database.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spanscope.debug import debug_trace
    from spanscope.handlers.langchain import ObsHandler
    from spanscope.handlers.manual import current_span, current_trace_id, span, traceparent
    from spanscope.handlers.observed import observe
    from spanscope.instrumentation import instrument, uninstrument
    from spanscope.runtime import flush
    from spanscope.scope import context
    from spanscope.store import open_store
    from spanscope.threads import ThreadPoolExecutor, wrap

__all__ = [
    "ObsHandler",
    "ThreadPoolExecutor",
    "context",
    "current_span",
    "current_trace_id",
    "debug_trace",
    "flush",
    "instrument",
    "observe",
    "open_store",
    "span",
    "traceparent",
    "uninstrument",
    "wrap",
]

_WHERE = {
    "ObsHandler": "handlers.langchain",
    "ThreadPoolExecutor": "threads",
    "context": "scope",
    "current_span": "handlers.manual",
    "current_trace_id": "handlers.manual",
    "debug_trace": "debug",
    "flush": "runtime",
    "instrument": "instrumentation",
    "observe": "handlers.observed",
    "open_store": "store",
    "span": "handlers.manual",
    "traceparent": "handlers.manual",
    "uninstrument": "instrumentation",
    "wrap": "threads",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

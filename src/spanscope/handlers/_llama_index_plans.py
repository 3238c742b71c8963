"""What to note of a LlamaIndex call, decided once for each class and method.

LlamaIndex opens a span for nearly every method, so for one model call there are up to four: `predict`,
`achat`, `chat`, `complete`, each calling the next on the same object.  A plan says what kind of step a
method is, what is read of its arguments and result, and with which calls on the same object it is one.

Used by `handlers.llama_index` on the caller's thread; the payload modules read its names.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from spanscope.handlers import _llama_index_held as held
from spanscope.handlers._freeze import freeze, shape

UUID_SUFFIX: Final = 37
"""Length of `-` and the UUID that LlamaIndex appends to the name of a span."""

MODEL_METHODS: Final = frozenset(
    {
        *("chat", "complete", "stream_chat", "stream_complete", "predict", "stream"),
        *("achat", "acomplete", "astream_chat", "astream_complete", "apredict", "astream"),
        *("chat_with_tools", "achat_with_tools", "stream_chat_with_tools", "astream_chat_with_tools"),
    }
)
WRITERS: Final = frozenset({"write_response_to_history", "awrite_response_to_history"})
"""Methods that read a chat engine's stream in the background and so complete its span."""
_STREAM_OWNERS: Final = (
    "BaseLLM",
    "BaseQueryEngine",
    "BaseSynthesizer",
    "BaseChatEngine",
    "BasePydanticProgram",
)
_OURS: Final = ("llama_index", "workflows", "llama_agents")


class Plan(NamedTuple):
    """How the calls of one method of one class are recorded."""

    kind: str
    name: str
    method: str
    """Without the underscore of its inner half."""
    inner: bool
    """The part of a public method that a subclass implements."""
    family: str | None
    """Calls of one family on the same object are one step."""
    ask: Callable[[Any, bool], Any]
    """`(arguments, is_root)`: what to hold of the arguments."""
    streams: bool
    """A generator that it returns is the answer, read later, and reading it is noted by events."""
    bare: bool
    """Says nothing that its caller does not say: never a step of its own."""
    provider: str | None

    def continues(self, above: "Plan") -> bool:
        """Whether a call of this plan, made by one of `above` on the same object, is that same step."""
        if self.bare or self.inner or (self.family is not None and self.family == above.family):
            return True
        return self.method.removeprefix("a") == above.method.removeprefix("a")


def _make_plan(cls: type, label: str) -> Plan:
    """The plan for spans of this name on objects of this class (`NoneType` for functions)."""
    bases = [base.__name__ for base in cls.__mro__ if base.__module__.startswith(_OURS)]
    written = label.rpartition(".")[2]
    method = written.lstrip("_") if not written.startswith("__") else written
    inner = written.startswith("_") and not written.startswith("__")
    family, kind, ask, name = None, "chain", _shape, _short(label)
    if "BaseLLM" in bases:
        if method in MODEL_METHODS:
            family, kind, ask = "llm", "llm", _arguments
    elif "BaseEmbedding" in bases or "BaseSparseEmbedding" in bases:
        family, kind, ask = "embedding", "embedding", _texts
    elif "BaseRetriever" in bases and method in ("retrieve", "aretrieve"):
        family, kind, ask = "retriever", "retriever", _query
    elif "BaseNodePostprocessor" in bases:
        reranks = any("rerank" in base.__name__.lower() for base in cls.__mro__)
        family, kind, ask = "postprocessor", "reranker" if reranks else "chain", _candidates
    elif "BaseTool" in bases and method in ("__call__", "call", "acall"):
        family, kind, ask = "tool", "tool", _tool_input
    elif "BaseSynthesizer" in bases:
        family = "synthesizer"
    elif "BaseOutputParser" in bases:
        kind = "parser"
    elif "BaseEvaluator" in bases:
        family, kind = "evaluator", "evaluator"
    elif "Workflow" in bases and method == "run":
        kind = "agent" if "BaseWorkflowAgent" in bases else "graph"
        ask = _start_event
    elif any(base in bases for base in ("BaseAgent", "BaseAgentRunner", "AgentRunner")):
        kind = "agent"
    elif cls is type(None):
        ask = _step_input
    return Plan(
        kind=kind,
        name=name,
        method=method,
        inner=inner and cls is not type(None),
        family=family,
        ask=ask,
        streams=any(base in bases for base in _STREAM_OWNERS),
        bare="BaseLLM" in bases and inner,
        provider=_provider(cls) if family in ("llm", "embedding") else None,
    )


# It keeps classes alive that an application makes anew, so it is bounded.
plan_for: Callable[[type, str], Plan] = lru_cache(maxsize=4096)(_make_plan)


def _short(label: str) -> str:
    """`Class.method`, without the functions that the class is defined in."""
    return label.rpartition("<locals>.")[2]


_PROVIDERS: Final = {
    "azure_openai": "azure",
    "bedrock_converse": "amazon_bedrock",
    "bedrock": "amazon_bedrock",
    "gemini": "google_genai",
    "mistralai": "mistral",
    "openai_like": "openai",
}


def _provider(cls: type) -> str | None:
    """The provider that an integration package is for: `llama_index.llms.<name>`."""
    for base in cls.__mro__:
        path = base.__module__.split(".")
        if path[:1] == ["llama_index"] and len(path) > 2 and path[1] in ("llms", "embeddings"):
            return _PROVIDERS.get(path[2], path[2])
    return None


# --- what is held of the arguments -----------------------------------------------------------------------


def _shape(arguments: Any, is_root: bool) -> Any:
    """Keys and sizes; of the outermost call also what was asked."""
    return shape(arguments), held.hold(_asked(arguments)) if is_root else None


_QUESTION_KEYS: Final = (
    "str_or_query_bundle",
    "query_bundle",
    "query",
    "query_str",
    "message",
    "user_msg",
    "input",
)


def _asked(arguments: Any) -> Any:
    for key in _QUESTION_KEYS:
        if (found := arguments.get(key)) is not None:
            return found
    return dict(arguments)


def _arguments(arguments: Any, is_root: bool) -> Any:
    """Of a model call the event that follows at once says what was asked; else it is read at the end."""
    return arguments


def _texts(arguments: Any, is_root: bool) -> Any:
    for value in arguments.values():
        if isinstance(value, str):
            return [value]
        if isinstance(value, list | tuple):
            if value and not isinstance(value[0], str):
                return [found.text for found in (held.nodes(value) or (0, []))[1]]
            return list(value)
    return []


def _query(arguments: Any, is_root: bool) -> Any:
    return next((text for value in arguments.values() if (text := held.query(value)) is not None), None)


def _candidates(arguments: Any, is_root: bool) -> Any:
    """What there was before: a reranker changes scores in place."""
    asked = held.query(arguments.get("query_bundle") or arguments.get("query_str"))
    return asked, held.nodes(arguments.get("nodes"))


def _tool_input(arguments: Any, is_root: bool) -> Any:
    args, kwargs = arguments.get("args"), arguments.get("kwargs")
    if args is None and kwargs is None:
        rest = dict(arguments)
        return freeze(rest["input"] if list(rest) == ["input"] else rest)
    given = dict(kwargs) if isinstance(kwargs, dict) else {}
    if not given and args and len(args) == 1:
        return freeze(args[0])
    return freeze({**given, "args": list(args)} if args else given)


def _start_event(arguments: Any, is_root: bool) -> Any:
    """A workflow's run: what it was started with."""
    event = arguments.get("start_event")
    if event is None:
        event = arguments.get("kwargs") or arguments.get("user_msg")
    return shape(arguments), held.hold(event)


def _step_input(arguments: Any, is_root: bool) -> Any:
    """A function, or the step of a workflow: of an agent's step also whose turn it is."""
    event = arguments.get("ev")
    agent = getattr(event, "current_agent_name", None)
    if agent is not None and isinstance(asked := getattr(event, "input", None), list):
        return shape(arguments), Turn(agent, held.messages(asked))
    if (call_id := getattr(event, "tool_id", None)) is not None:
        return shape(arguments), ToolTurn(call_id)
    return _shape(arguments, is_root)


class Turn(NamedTuple):
    """An agent is to go on: its name, and the conversation out of its memory."""

    agent: str
    messages: list[held.Said]


class ToolTurn(NamedTuple):
    """A tool is to be called: the id of that call."""

    call_id: str

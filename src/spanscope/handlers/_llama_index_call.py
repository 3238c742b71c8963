"""What is noted of one LlamaIndex call while it runs.

Filled by `handlers.llama_index` on the application's threads, read by `_llama_index_payload` on the
worker.
"""

from typing import Any

from spanscope.handlers._llama_index_plans import Plan
from spanscope.runs import Run


class Call:
    """One call.  What it does not come to stays as the class has it."""

    run: Run
    into: "Call | None" = None
    """The call that this one is the inner half of: whatever becomes known belongs there."""
    inner: tuple[Run, ...] = ()
    """Inner halves that returned a stream, and are over when this call is."""
    asked: Any = None
    messages: Any = None
    """What the model was asked: a list of `Said`, or of strings for a completion."""
    template: Any = None
    described: Any = None
    """The model's description of itself, from its start event."""
    options: Any = None
    """The keyword arguments of the call to the model."""
    started = False
    """The model tells of its start, tokens and end.  Without that a stream cannot be followed."""
    answer: Any = None
    first: Any = None
    tail: Any = ()
    """Of a stream: its first response, and the last two."""
    counted: str | None = None
    """The span whose tokens are counted, where one stream is passed through several."""
    texts: Any = None
    vectors: tuple[int, int | None] | None = None
    """How many embeddings came, and of how many dimensions."""
    found: Any = None
    rerank: Any = None
    structured = False
    shaped: Any = None
    result: Any = None
    failed = False
    """A tool says so in its result."""
    awaiting = False
    """Returned already, but with a stream or a future: it is over when that is."""
    over = False
    """Its stream was read to its end, maybe before it returned."""
    written = False
    """Its stream is being read in the background, by a span below it."""
    touched = False
    """Its stream has begun to be read."""
    state: str | None = None
    """`not_consumed`, `unobserved` or `cancelled`."""

    def __init__(self, plan: Plan, instance: Any) -> None:
        self.plan = plan
        self.instance = instance

    @property
    def visible(self) -> "Call":
        """The call under which this one is stored."""
        return self.into or self

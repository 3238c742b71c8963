"""The table of docs/reference/providers.md: each fact of each provider, and where it was read.

    cd tests && python -m providers.table      # writes the page anew

A call is made through the real client; then each reader reads once more, in dictionaries that note what they
were asked for.  A place is where the very value of the fact stood.
"""

from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler

from spanscope.handlers import _langchain_model as model
from spanscope.handlers.langchain import _answer

from .cases import TOOLS, TRIED, Tried
from .clients import client, look_up
from .server import Provider
from .wire import Said

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "providers.md"
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"
NOWHERE = "-"
COLUMNS = {
    "model asked for": "request_model",
    "model that answered": "response_model",
    "finish reason": "finish_reason_raw",
    "input": "input_tokens",
    "output": "output_tokens",
    "cache read": "cache_read_tokens",
    "cache write": "cache_write_tokens",
    "reasoning": "reasoning_tokens",
    "tools called": "tool_names",
}


class Noting(dict[str, Any]):
    """A dictionary that notes which of its values were read, and under which path."""

    def __init__(self, values: Any, path: str, notes: list[tuple[str, Any]]) -> None:
        super().__init__(values)
        self._path, self._notes = path, notes

    def get(self, key: str, default: Any = None) -> Any:
        value = super().get(key, default)
        if value is None:
            return None
        self._notes.append((f"{self._path}.{key}", value))
        return Noting(value, f"{self._path}.{key}", self._notes) if type(value) is dict else value


class Heard(BaseCallbackHandler):
    """Keeps what LangChain tells of one call."""

    run_inline = True

    def on_chat_model_start(self, serialized: Any, messages: Any, **told: Any) -> None:
        self.started = told

    def on_llm_end(self, response: Any, **_: Any) -> None:
        self.answer = _answer(response)


def ask(name: str, said: Said, provider: Provider, *, streamed: bool) -> Heard:
    tried = TRIED[name]
    provider.reply = (tried.wire.stream if streamed else tried.wire.whole)(said)
    heard, bound = Heard(), client(name, provider.url).bind_tools([look_up])
    _ = (
        list(bound.stream("hi", {"callbacks": [heard]}))
        if streamed
        else bound.invoke("hi", {"callbacks": [heard]})
    )
    return heard


def places(heard: Heard) -> dict[str, str]:
    """For each fact, where it stood."""
    notes: list[tuple[str, Any]] = []
    answer = heard.answer
    assert answer is not None
    answer = answer._replace(
        usage=Noting(answer.usage, "um", notes) if answer.usage else None,
        response_metadata=Noting(answer.response_metadata, "rm", notes),
        generation_info=Noting(answer.generation_info, "gi", notes),
        llm_output=Noting(answer.llm_output, "lo", notes),
    )
    started = heard.started
    params = Noting(started["invocation_params"], "params", notes)
    call = model.Call(params, Noting(started["metadata"], "metadata", notes), answer)
    facts: dict[str, Any] = {}
    assert model.read(call, facts, {}) == []
    found = {fact: _place(facts.get(fact), notes) for fact in COLUMNS.values()}
    if found["tool_names"] == NOWHERE and facts.get("tool_names"):
        pieces = getattr(answer.message, "tool_call_chunks", None)
        listed = any(path == "gi.tool_calls" for path, _ in notes)
        found["tool_names"] = "gi.tool_calls" if listed else "tool_call_chunks" if pieces else "tool_calls"
    return found


def _place(value: Any, notes: list[tuple[str, Any]]) -> str:
    if value is None or isinstance(value, tuple):
        return NOWHERE
    exact = [path for path, seen in notes if seen == value and type(seen) is not bool]
    return exact[0] if exact else "a sum"


def status_place(name: str, provider: Provider, *, streamed: bool) -> str:
    """Where an exception of this client has the HTTP status."""
    provider.reply = TRIED[name].wire.error(400)
    error = _raised_by(client(name, provider.url), streamed=streamed)
    if isinstance(getattr(error, "response", None), dict):
        return "`error.response.ResponseMetadata.HTTPStatusCode`"
    for path in (("status_code",), ("response", "status_code"), ("__cause__", "code")):
        holder: Any = error
        for step in path:
            holder = getattr(holder, step, None)
        if holder == 400:
            return f"`error.{'.'.join(path)}`"
    return NOWHERE


def _raised_by(asked: Any, *, streamed: bool) -> Exception:
    try:
        _ = list(asked.stream("hi")) if streamed else asked.invoke("hi")
    except Exception as error:
        return error
    raise AssertionError("the provider has refused the call, and nothing was raised")


def said_by(tried: Tried) -> Said:
    """An answer in which every count is another, and which has all that this provider can say."""
    return Said(
        finish=tried.tools, tools=TOOLS, text="", uncached=31, read=16, written=tried.said.get("written", 0),
        made=29, reasoning=18 if tried.reasons else 0,
    )  # fmt: skip


def rows(provider: Provider) -> list[str]:
    head = f"| Provider | | {' | '.join(COLUMNS)} | HTTP status of an error |"
    lines = [head, "| --- " * (head.count("|") - 1) + "|"]
    for name, tried in TRIED.items():
        for streamed in (False, True):
            found = places(ask(name, said_by(tried), provider, streamed=streamed))
            cells = [found[fact] for fact in COLUMNS.values()]
            cells = [cell if cell == NOWHERE else f"`{cell}`" for cell in cells]
            cells.append(status_place(name, provider, streamed=streamed))
            lines.append(f"| {name} | {'streamed' if streamed else 'whole'} | {' | '.join(cells)} |")
    return lines


def page(provider: Provider) -> str:
    """The page as it should be: its own words around the table."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join(rows(provider)) + "\n\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(page(Provider()))

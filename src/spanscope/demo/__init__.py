"""`spanscope demo`: a small shop's assistant recorded, and one of its answers explained.

Three questions are put to an ordinary LangChain application with `callbacks=[ObsHandler()]`: one where
the first model is too busy and a fallback answers, one for a tool-calling agent, one whose answer is cut
by the token limit.  Then the store is read back, as anybody would: the trees, and the verdict on the
answer that was cut.

Called by `cli`; everything it needs beyond the core is imported when it runs.
"""

import importlib.util
import shlex
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from spanscope.exceptions import MissingExtra
from spanscope.semconv import TOOLS_OFFERED

if TYPE_CHECKING:
    from rich.console import Console

    from spanscope.demo.models import Cast
    from spanscope.handlers.langchain import ObsHandler

NEEDED = ("langchain", "langgraph", "numpy")

FAQ_QUESTION = (
    "I'm sam.carter@example.org. My lamp is two years old and flickers. Is that still under warranty?"
)
AGENT_QUESTION = "The kettle from my order LO-20417 leaks at the spout. What can I do?"
STEPS_QUESTION = "How do I send a lamp back? List every step, from packing to the refund."


@dataclass(frozen=True, slots=True)
class Scene:
    """One question, how it is answered, and what to look at afterwards."""

    title: str
    question: str
    ask: Callable[[dict[str, Any]], str]
    """Config in, answer out."""
    prompt: tuple[str, str]
    """Name and version of the prompt, as they stand in the trace."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a scene gave."""

    scene: Scene
    trace_id: str | None
    answer: str
    error: Exception | None = None


def run(
    *,
    live: bool = False,
    url: str | None = None,
    model: str | None = None,
    store: str | None = None,
    console: "Console | None" = None,
) -> int:
    """Record the scenes, print their trees and the verdict on the faulty one.

    Returns the exit code: 1 when a live model failed, 0 otherwise.  Raises MissingExtra or ConfigError
    when the demo cannot begin.
    """
    if any(importlib.util.find_spec(package) is None for package in NEEDED):
        raise MissingExtra("spanscope demo", "demo")
    from rich.console import Console

    from spanscope import ObsHandler
    from spanscope.demo.models import live_cast, scripted_cast
    from spanscope.store.location import locate

    console = console or Console()
    cast = live_cast(url=url, model=model) if live or url else scripted_cast()
    handler = ObsHandler(store=store, service="shop-assistant", environment="demo", tags=("demo",))
    console.print(
        Text.assemble(("spanscope demo", "bold"), f": {cast.told}; recorded into {locate(store)}\n")
    )
    played = [_play(scene, handler, console) for scene in scenes(cast)]
    if not handler.flush(timeout=10.0):
        console.print("[yellow]The store did not take everything within 10 s: see `spanscope doctor`.[/]")
    _show(played, cast, store, console)
    _say_what_next(store, console)
    return 1 if any(one.error for one in played) else 0


def scenes(cast: "Cast") -> Iterator[Scene]:
    """The three questions, in the order in which they are asked."""
    from spanscope.demo.shop import faq_chain, order_agent

    patient = cast.busy.with_retry(stop_after_attempt=2, wait_exponential_jitter=False)
    yield Scene(
        "A RAG chain. Its model is busy (429): one retry, then a fallback answers",
        FAQ_QUESTION,
        # Called, not streamed: LangChain retries no stream.
        lambda config: _called(faq_chain(patient.with_fallbacks([cast.fallback])), FAQ_QUESTION, config),
        ("shop-faq", "3"),
    )
    yield Scene(
        "A LangGraph agent with three tools, streamed",
        AGENT_QUESTION,
        lambda config: _streamed_by_agent(order_agent(cast.agent), AGENT_QUESTION, config),
        ("shop-agent", "1"),
    )
    yield Scene(
        "The same RAG chain, streamed, with a token limit that is too low",
        STEPS_QUESTION,
        lambda config: _streamed(faq_chain(cast.cut), STEPS_QUESTION, config),
        ("shop-faq", "3"),
    )


def _play(scene: Scene, handler: "ObsHandler", console: "Console") -> Played:
    name, version = scene.prompt
    config = {
        "callbacks": [handler],
        "metadata": {
            "session_id": "demo",
            "user_id": "sam.carter",
            "prompt_name": name,
            "prompt_version": version,
        },
    }
    try:
        # A forced terminal (CI with colours) would show each turn of the spinner on a line of its own.
        with console.status(f"{scene.title} …") if console.file.isatty() else nullcontext():
            answer = scene.ask(config)
    except Exception as error:  # noqa: BLE001  a live model may fail in any way; its trace is shown all the same
        return Played(scene, handler.last_trace_id, "", error)
    return Played(scene, handler.last_trace_id, answer)


def _called(chain: Any, question: str, config: dict[str, Any]) -> str:
    answer: str = chain.invoke(question, config=config)
    return answer


def _streamed(chain: Any, question: str, config: dict[str, Any]) -> str:
    return "".join(chain.stream(question, config=config))


def _streamed_by_agent(agent: Any, question: str, config: dict[str, Any]) -> str:
    """The text of the last message, which came token by token."""
    answer: dict[str | None, str] = {}
    given = {"messages": [{"role": "user", "content": question}]}
    for chunk, facts in agent.stream(given, config=config | {"recursion_limit": 12}, stream_mode="messages"):
        if facts.get("langgraph_node") == "model":
            answer[chunk.id] = answer.get(chunk.id, "") + chunk.text
    return list(answer.values())[-1] if answer else ""


def _show(played: list[Played], cast: "Cast", store: str | None, console: "Console") -> None:
    """Print each scene's question, answer and tree, read back from the store; for the last, the verdict."""
    from spanscope import debug_trace, open_store
    from spanscope.render.text import render_tree

    for number, one in enumerate(played, start=1):
        console.print(Text(f"{number}  {one.scene.title}", style="bold"))
        console.print(_dialogue(one))
        if one.trace_id is None:
            console.print(Text("not recorded: see `spanscope doctor`\n", style="red"))
            continue
        console.print()
        if one is played[-1]:
            version = one.scene.prompt[1]
            console.print(
                debug_trace(
                    one.trace_id, store=store, expected_model=cast.expected_model, prompt_version=version
                )
            )
            continue
        with open_store(store) as opened:
            trace = opened.trace(one.trace_id)
        console.print(render_tree(trace))
        if any(span.kind == "llm" and span.attributes.get(TOOLS_OFFERED) for span in trace.spans) and not any(
            span.kind == "tool" for span in trace.spans
        ):
            console.print(Text("The model called no tool: small ones rarely do.", style="dim"))
        console.print()


def _dialogue(one: Played) -> Table:
    """The question, and the answer or the error."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row(Text("asked", style="dim"), Text(one.scene.question))
    if one.error is None:
        grid.add_row(Text("answered", style="dim"), Text(" ".join(one.answer.split()) or "(nothing)"))
    else:
        reason = " ".join(str(one.error).split())[:300]
        grid.add_row(Text("failed", style="red"), Text(f"{type(one.error).__name__}: {reason}"))
    return grid


def _say_what_next(store: str | None, console: "Console") -> None:
    option = f" --store {shlex.quote(store)}" if store else ""
    table = Table.grid(padding=(0, 2))
    for command, gives in (
        ("list", "every trace, newest first"),
        ("debug --last", "the verdict above once more (--json for a script)"),
        ("show --last", "the tree alone"),
        ("tail", "traces as they finish, while your application runs"),
        ("doctor", "what is installed, where the store is, what was lost"),
    ):
        table.add_row(Text(f"spanscope {command}{option}", style="bold cyan", no_wrap=True), gives)
    console.print("\n[bold]Next[/]")
    console.print(table)
    console.print(
        '\nIn your own code: [bold]chain.invoke(x, config={"callbacks": \\[ObsHandler()]})[/]',
        highlight=False,
    )

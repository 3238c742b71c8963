"""The `spanscope` command: read the store from a terminal or a script.

Each command reads its options, asks the read side (store, debug, render) and prints; what takes long to
import is imported by the command that needs it, so that `--help` and completion are quick.  A mistake
of the user is one line on stderr and exit code 2.

Reads through `store` and `debug`; nothing else of ours imports this package.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spanscope.cli import erase, keys, prompts, prune, redact, reprice, vault
from spanscope.cli.options import AsJson, StorePath, console, print_json, tell
from spanscope.exceptions import ConfigError, SpanscopeError

if TYPE_CHECKING:
    from spanscope.store import Store
    from spanscope.trace import Trace

app = typer.Typer(
    name="spanscope",
    help="A flight recorder for LangChain, LangGraph and LlamaIndex: "
    "read what was recorded, and what went wrong.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

TraceId = Annotated[
    str | None, typer.Argument(metavar="ID", help="Trace id, or the part of it that `list` shows.")
]
Last = Annotated[bool, typer.Option("--last", help="The newest trace.")]


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; ends with SystemExit, whose code is 2 for a mistake of the user."""
    try:
        app(args=args)
    except SpanscopeError as mistake:
        typer.echo(f"spanscope: {mistake}", err=True)
        raise SystemExit(2) from None
    except BrokenPipeError:
        # The reader (`| head`) has gone; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"spanscope {version('spanscope')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that come before a command."""


@app.command()
def demo(
    live: Annotated[
        bool, typer.Option("--live", help="Ask a real model: the first whose key is in the environment.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="Ask an OpenAI-compatible server, such as http://127.0.0.1:8080/v1.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's name: NAME, or PROVIDER:NAME.")] = None,
    store: StorePath = None,
) -> None:
    """Record a small shop's assistant, print its span trees, and explain the answer that went wrong.

    Needs no network and no key unless --live or --url is given.
    """
    from spanscope import demo as shop_demo

    if model is not None and not (live or url):
        raise ConfigError("--model says which real model to ask: add --live, or --url of a server")
    raise typer.Exit(shop_demo.run(live=live, url=url, model=model, store=store))


@app.command("list")
def list_traces(
    session: Annotated[str | None, typer.Option(help="Only this session.")] = None,
    user: Annotated[
        str | None, typer.Option(help="Only this user: the id that your application gave.")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="Only traces with this tag.")] = None,
    status: Annotated[str | None, typer.Option(help="Only this status: ok, error, cancelled, …")] = None,
    name: Annotated[
        str | None, typer.Option(help="Only traces that have this name, or a step of it.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only traces in which this model was called.")] = None,
    text: Annotated[str | None, typer.Option(help="Only traces with this text in a preview.")] = None,
    since: Annotated[
        str | None, typer.Option(help="Not older than: 30m, 12h, 7d, or a date and time.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """The newest traces: when, name, status, duration, tokens, cost, calls."""
    from spanscope.cli.listing import list_table, parse_since, summary_to_dict

    filters = {
        "session_id": session,
        "user_id": user,
        "tag": tag,
        "status": status,
        "name": name,
        "model": model,
        "text": text,
    }
    given: dict[str, Any] = {key: value for key, value in filters.items() if value is not None}
    if since is not None:
        given["since"] = parse_since(since)
    with _open(store) as opened:
        found = opened.traces(limit=limit, **given)
    if as_json:
        print_json([summary_to_dict(summary) for summary in found])
    elif found:
        terminal = console()
        terminal.print(list_table(found, width=terminal.width))
    else:
        typer.echo("No trace matches." if given else "The store holds no trace yet.", err=True)


@app.command()
def show(
    trace_id: TraceId = None, last: Last = False, store: StorePath = None, as_json: AsJson = False
) -> None:
    """One trace as a tree."""
    with _open(store) as opened:
        trace = _find(opened, trace_id, last)
    if as_json:
        from spanscope.report import trace_to_dict

        print_json(trace_to_dict(trace))
        return
    from spanscope.render.text import render_tree

    console().print(render_tree(trace))


@app.command()
def debug(
    trace_id: TraceId = None,
    last: Last = False,
    expected_model: Annotated[str | None, typer.Option(help="The model that should have answered.")] = None,
    prompt_version: Annotated[
        str | None, typer.Option(help="The prompt version that should be deployed.")
    ] = None,
    max_context_tokens: Annotated[
        int | None, typer.Option(min=1, help="The model's context window, where spanscope does not know it.")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when a check failed.")] = False,
    store: StorePath = None,
    as_json: AsJson = False,
) -> None:
    """What went wrong in one trace, where, and how spanscope knows."""
    from spanscope.debug import debug_trace

    with _open(store) as opened:
        report = debug_trace(
            _find(opened, trace_id, last).trace_id,
            store=opened,
            expected_model=expected_model,
            prompt_version=prompt_version,
            max_context_tokens=max_context_tokens,
        )
    if as_json:
        print_json(report.to_dict())
    else:
        console().print(report)
    if exit_code and any(finding.status == "fail" for finding in report.findings):
        raise typer.Exit(1)


@app.command()
def tail(
    count: Annotated[int | None, typer.Option(min=1, help="End after so many traces.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End after the next trace: --count 1.")] = False,
    store: StorePath = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print traces as they finish, until Ctrl-C."""
    from spanscope.cli.listing import list_line, summary_to_dict
    from spanscope.cli.tail import follow

    terminal = console()
    try:
        for summary in follow(store, count=1 if once else count, say=tell):
            if as_json:
                typer.echo(json.dumps(summary_to_dict(summary), ensure_ascii=False))
            else:
                terminal.print(list_line(summary))
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@app.command()
def doctor(store: StorePath = None, as_json: AsJson = False) -> None:
    """What is installed, where the store is and why, and what the last run lost.

    Exits with 1 when something is broken.
    """
    from spanscope.cli.doctor import examine, render

    found = examine(store)
    if as_json:
        print_json(found.to_dict())
    else:
        console().print(render(found), soft_wrap=True)  # paths can be copied whole
    if found.problems:
        raise typer.Exit(1)


def _open(store: str | None) -> "Store":
    from spanscope.store import open_store

    return open_store(store)


def _find(store: "Store", trace_id: str | None, last: bool) -> "Trace":
    """The trace that was asked for, by id, by part of an id, or as the newest."""
    if last == (trace_id is not None):
        raise ConfigError("name one trace: its ID, or --last for the newest")
    if trace_id is not None:
        return store.trace(trace_id)
    newest = store.latest()
    if newest is None:
        raise ConfigError(f"{store.where} holds no trace yet")
    return newest


# Whole groups of commands stand in modules of their own.
app.add_typer(keys.app, name="key")
app.command("user")(keys.user)
app.command()(erase.erase)
app.command()(prune.prune)
app.add_typer(vault.app, name="vault")
app.command()(redact.redact)
app.command()(prompts.prompts)
app.command()(reprice.reprice)

"""`spanscope doctor`: is this installation able to record, and did the last run lose anything?

Gathers plain facts first (`examine`), so that a script gets them as JSON, and then lays them out
(`render`).  It reads; it neither creates nor repairs anything.
"""

import importlib.metadata
import os
import platform
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from spanscope import health
from spanscope.cli import doctor_privacy
from spanscope.cli.options import counted
from spanscope.exceptions import SpanscopeError

PACKAGES = (
    ("langchain-core", "langchain", "record LangChain"),
    ("llama-index-core", "llama-index", "record LlamaIndex"),
    ("langgraph", "langgraph", "record LangGraph's interrupts and resumes"),
    ("openai", "openai", "record an openai client of your own"),
    ("opentelemetry-sdk", "opentelemetry", "take in spans of other instrumentations"),
    ("structlog", "structlog", "the structlog backend"),
    ("datadog", "datadog", "the Datadog backend"),
    ("psycopg", "postgres", "a store in PostgreSQL"),
    ("cryptography", "vault", "raw texts, encrypted: content='vault'"),
    ("tiktoken", "tokens", "estimates of tokens that nobody counted"),
    ("google-re2", "re2", "faster redaction"),
    ("presidio-analyzer", "presidio", "names of people and places in redaction"),
    ("langchain", "demo", "spanscope demo"),
    ("langchain-openai", "demo", "spanscope demo --url"),
)
"""Package, the extra that brings it, and what it is for."""

_NAMED = 5
"""Models without a price that are named; JSON has them all."""

LOSSES = ("spans_dropped", "events_dropped", "batches_lost", "vault_items_lost")


@dataclass(kw_only=True)
class Examination:
    """What was found.  `problems` are what makes the exit code 1, each with its remedy."""

    spanscope: str
    python: str
    platform: str
    packages: list[dict[str, str | None]] = field(default_factory=list)
    store: dict[str, Any] = field(default_factory=dict)
    privacy: dict[str, Any] = field(default_factory=dict)
    last_run: dict[str, Any] | None = None
    problems: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self)) | {"ok": not self.problems}


def examine(store: str | None = None) -> Examination:
    """Look at the installation, the store and the last run's counters.  Never raises for what is broken."""
    found = Examination(
        spanscope=importlib.metadata.version("spanscope"),
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.release()} {platform.machine()}",
        packages=[_package(*entry) for entry in PACKAGES],
    )
    try:
        _examine_store(store, found)
    except SpanscopeError as mistake:
        found.store["state"] = "broken"
        found.problems.append(str(mistake))
    return found


def _package(name: str, extra: str, purpose: str) -> dict[str, str | None]:
    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        version = None
    install = None if version else f"pip install 'spanscope[{extra}]'"
    return {"package": name, "version": version, "for": purpose, "install": install}


# --- the store and what was lost on the way to it ----------------------------------------------------


def _examine_store(store: str | None, found: Examination) -> None:
    from spanscope.store.location import ENVIRONMENT_VARIABLE, locate

    chosen = (
        "--store" if store else ENVIRONMENT_VARIABLE if os.environ.get(ENVIRONMENT_VARIABLE) else "default"
    )
    found.store["chosen_by"] = chosen
    location = locate(store)
    found.store["place"] = str(location)
    if location.path is None:
        _examine_contents(store, found)
        return
    path = location.path.absolute()
    found.store["place"] = str(path)
    _examine_last_run(path.parent / "health.json", found)
    if path.exists() and path.stat().st_size:
        _examine_file(path, found)
        _examine_contents(store, found)
    else:
        found.store["state"] = "nothing recorded yet"
        if (refusing := _unwritable(path.parent)) is not None:
            found.problems.append(
                f"nothing can be recorded: {refusing} is not writable for this user; "
                f"choose another place with store=… (--store …) or {ENVIRONMENT_VARIABLE}=…"
            )


def _examine_file(path: Path, found: Examination) -> None:
    facts = path.stat()
    if not path.is_file():
        return  # said by whoever opens it
    beside = [path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")]
    found.store["size_bytes"] = facts.st_size + sum(one.stat().st_size for one in beside if one.exists())
    found.store["mode"] = f"{stat.S_IMODE(facts.st_mode):04o}"
    if os.name == "posix" and stat.S_IMODE(facts.st_mode) & 0o077:
        found.problems.append(f"other users may read {path}: chmod 600 {path}")
    if not os.access(path, os.W_OK):
        found.problems.append(f"{path} is not writable for this user: what is recorded now is lost")


def _examine_contents(store: str | None, found: Examination) -> None:
    from spanscope.store import open_store

    with open_store(store) as opened:
        found.store |= opened.counts()
        found.privacy = doctor_privacy.examine(opened, found.problems)
        found.store["models_without_price"] = opened.models_without_price()
        newest = next(iter(opened.traces(limit=1)), None)
    found.store["newest"] = newest.started_at.isoformat() if newest else None
    found.store["state"] = "readable"


def _examine_last_run(path: Path, found: Examination) -> None:
    found.last_run = record = health.load(path)
    if record is None:
        return
    counters, faults = record.get("counters", {}), record.get("faults", {})
    for name in LOSSES:
        if counters.get(name):
            found.problems.append(f"the last run lost data: {name} {counters[name]:,}")
    for stage, times in faults.items():
        found.problems.append(f"the last run lost data in {stage}: {times:,} contained faults, see its log")


def _unwritable(folder: Path) -> Path | None:
    """The nearest existing folder from here up, where it refuses us; else None."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return None if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK) else existing


# --- laying it out -----------------------------------------------------------------------------------


def render(found: Examination) -> RenderableType:
    """The examination for a terminal: what is there, and at the end what to do."""
    return Group(*_parts(found))


def _parts(found: Examination) -> Iterator[RenderableType]:
    yield Text.assemble(
        ("spanscope ", "bold"), found.spanscope, (f"   Python {found.python}, {found.platform}", "dim")
    )
    yield _heading("Packages")
    packages = _grid()
    for entry in found.packages:
        here = Text(entry["version"] or "not installed", style="green" if entry["version"] else "dim")
        packages.add_row(entry["package"], here, Text(entry["install"] or entry["for"] or "", style="dim"))
    yield packages
    yield _heading("Store")
    yield _facts(_store_lines(found.store))
    if found.privacy:
        yield _heading("Privacy")
        yield _facts(doctor_privacy.lines(found.privacy))
    yield _heading("Last run")
    yield _facts(_last_run_lines(found.last_run))
    yield Text()
    for problem in found.problems:
        yield Text.assemble(("✗ ", "bold red"), problem)
    if not found.problems:
        yield Text.assemble(("✓ ", "bold green"), "nothing is broken")


def _store_lines(store: dict[str, Any]) -> Iterator[tuple[str, str]]:
    reasons = {"default": "the default", "--store": "given by --store"}
    yield (
        "place",
        f"{store.get('place', 'unknown')}  ({reasons.get(store['chosen_by'], 'set by $SPANSCOPE_STORE')})",
    )
    yield "state", store.get("state", "unknown")
    if "size_bytes" in store:
        yield "size", f"{store['size_bytes'] / 1_000_000:.1f} MB, mode {store['mode']}"
    if "traces" in store:
        yield "holds", f"{counted(store['traces'], 'trace')}, {counted(store['spans'], 'span')}"
    if unpriced := store.get("models_without_price"):
        named = ", ".join(f"{model} (calls: {calls:,})" for model, calls in list(unpriced.items())[:_NAMED])
        more = f" and {len(unpriced) - _NAMED} more" if len(unpriced) > _NAMED else ""
        yield "no price for", f"{named}{more}: give prices=, then spanscope reprice"
    if store.get("newest"):
        local = datetime.fromisoformat(store["newest"]).astimezone()
        yield "newest", f"{local:%Y-%m-%d %H:%M:%S}"


def _last_run_lines(record: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    if record is None:
        yield "counters", "no run has left its counters beside this store"
        return
    saved_at = record.get("saved_at")
    ended = (
        f"{datetime.fromtimestamp(saved_at).astimezone():%Y-%m-%d %H:%M:%S}" if saved_at else "unknown when"
    )
    yield "ended", f"{ended}, process {record.get('pid', 'unknown')}"
    for name, value in sorted({**record.get("counters", {}), **record.get("faults", {})}.items()):
        yield name, f"{value:,}"


def _facts(lines: Iterator[tuple[str, str]]) -> Table:
    grid = _grid()
    for label, value in lines:
        grid.add_row(Text(label, style="dim"), Text(value))
    return grid


def _grid() -> Table:
    return Table.grid(padding=(0, 2))


def _heading(title: str) -> Text:
    return Text(f"\n{title}", style="bold")

"""What recording costs: on the caller's path, in the whole process, on disk, at import.

    python benchmarks/run.py            # about a minute
    python benchmarks/run.py --quick    # some seconds, rougher
    python benchmarks/run.py --json     # for a script
    python benchmarks/run.py --check    # exit code 1 when a limit is exceeded

Prints the figures beside the limits that the project has set itself.  How they are taken is in
`measuring`, what runs is in `workloads`.
"""

import argparse
import json
import logging
import os
import platform
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

# LangChain must not send traces anywhere while we measure, whatever the environment says.
os.environ["LANGSMITH_TRACING"] = os.environ["LANGCHAIN_TRACING_V2"] = "false"

from measuring import Measured, import_ms, measure
from rich.console import Console
from rich.table import Table
from workloads import workloads
from workloads_llama import llama_workloads

WHOLE_LIMIT_US = 75.0
IMPORT_LIMIT_MS = 100.0
ROUNDS = 300
QUICK_ROUNDS = 60


def main() -> int:
    options = _options()
    logging.captureWarnings(True)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    chosen = [one for one in [*workloads(), *llama_workloads()] if options.only in one.name]
    with tempfile.TemporaryDirectory(prefix="spanscope-benchmark-") as folder:
        figures = [
            measure(workload, Path(folder) / f"{number}.db", rounds=rounds)
            for number, workload in enumerate(chosen)
        ]
    imported_ms = import_ms(runs=5 if options.quick else 9)
    exceeded = _exceeded(figures, imported_ms)
    if options.json:
        print(json.dumps(_as_dict(figures, imported_ms, rounds, exceeded), indent=2))
    else:
        _print(figures, imported_ms, rounds, exceeded)
    return 1 if options.check and exceeded else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what recording costs.")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} rounds instead of {ROUNDS}")
    parser.add_argument("--rounds", type=int, help="so many rounds")
    parser.add_argument("--only", default="", metavar="TEXT", help="only workloads with this in their name")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a limit is exceeded")
    return parser.parse_args()


def _exceeded(figures: list[Measured], imported_ms: float) -> list[str]:
    """The limits that are not kept, in words."""
    over = [f"{one.name}: caller's path" for one in figures if not one.within]
    over += [f"{one.name}: whole process" for one in figures if (one.whole_us or 0) > WHOLE_LIMIT_US]
    if imported_ms > IMPORT_LIMIT_MS:
        over.append("import")
    return over


def _machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("spanscope", "langchain-core", "langgraph"))
    return f"Python {platform.python_version()}, {os.cpu_count()} CPUs, {versions}"


def _as_dict(
    figures: list[Measured], imported_ms: float, rounds: int, exceeded: list[str]
) -> dict[str, object]:
    return {
        "machine": _machine(),
        "rounds": rounds,
        "workloads": [
            asdict(one) | {"ratio": one.ratio, "whole_us": one.whole_us, "whole_limit_us": WHOLE_LIMIT_US}
            for one in figures
        ],
        "import_ms": imported_ms,
        "import_limit_ms": IMPORT_LIMIT_MS,
        "exceeded": exceeded,
    }


def _print(figures: list[Measured], imported_ms: float, rounds: int, exceeded: list[str]) -> None:
    console = Console(width=max(Console().width, 118))
    table = Table(title="CPU that recording adds, µs per span (stream: caller's path per token)")
    table.add_column("")
    for heading in ("spans\na run", "without\na run", "empty\nhandler", "ours", "limit", "times\nempty"):
        table.add_column(heading, justify="right")
    for heading in ("ours,\nmedian", "worker", "whole\nprocess", "limit", "bytes\na span"):
        table.add_column(heading, justify="right")
    for one in figures:
        limit = (
            f"{one.limit_ratio:g} times" if one.limit_ratio else f"{one.limit_us:g}" if one.limit_us else ""
        )
        table.add_row(
            one.name,
            f"{one.spans_per_run:.0f}",
            f"{one.without_us:.0f}",
            f"{one.empty_us:.2f}",
            f"[{'green' if one.within else 'red'}]{one.ours_us:.2f}[/]",
            limit,
            f"{one.ratio:.2f}",
            f"{one.median_us:.2f}",
            f"{one.worker_us:.1f}",
            *_whole(one),
            f"{one.bytes_per_span:.0f}",
        )
    console.print(table)
    console.print(f"import spanscope: {imported_ms:.0f} ms (limit {IMPORT_LIMIT_MS:g})")
    console.print(f"{_machine()}; {rounds} rounds", style="dim")
    for words in exceeded:
        console.print(f"over its limit: {words}", style="red")


def _whole(one: Measured) -> tuple[str, str]:
    if one.whole_us is None:
        return "", ""
    return (
        f"[{'green' if one.whole_us <= WHOLE_LIMIT_US else 'red'}]{one.whole_us:.1f}[/]",
        f"{WHOLE_LIMIT_US:g}",
    )


if __name__ == "__main__":
    sys.exit(main())

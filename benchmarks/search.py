"""What a question to the store takes among 100 000 spans, answered by something or by nothing.

    python benchmarks/search.py           # some seconds
    python benchmarks/search.py --check   # exit code 1 when the 95th percentile is 200 ms or more

A chain is recorded once and copied within the database, which takes a hundredth of the time of running it.
CPU time: SQLite works in this process.
"""

import argparse
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from langchain_core.prompts import ChatPromptTemplate

import spanscope
from spanscope import ObsHandler, open_store
from spanscope.store import Store
from spanscope.testing import ScriptedChatModel

COPIES: Final = 34_000
LIMIT_MS: Final = 200.0
ROUNDS: Final = 5
QUESTIONS: Final[tuple[dict[str, Any], ...]] = (
    {},
    {"session_id": "s"},
    {"session_id": "none"},
    {"user_id": "u"},
    {"status": "error"},
    {"name": "RunnableSequence"},
    {"name": "none"},
    {"model": "scripted"},
    {"model": "none"},
    {"text": "NEEDLE"},
    {"text": "pin"},
    {"text": "nädel"},
    {"text": "pin", "session_id": "s"},
    {"tag": "none"},
    {"prompt_version": "none"},
    {"since": datetime.now(UTC)},
)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure what a question to the store takes.")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 from {LIMIT_MS:g} ms on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spans.db"
        _record(path)
        _multiply(path)
        with open_store(path) as store:
            print(f"{store.counts()['spans']:,} spans; ms of CPU a question, the slowest of {ROUNDS}")
            took = [_slowest_ms(store, question) for question in QUESTIONS]
    for question, ms in sorted(zip(QUESTIONS, took, strict=True), key=lambda one: -one[1]):
        asked = ", ".join(f"{name}={value!r}" for name, value in question.items())
        print(f"  {ms:7.1f}  {asked or 'the newest'}")
    percentile_ms = statistics.quantiles(took, n=20)[-1]
    print(f"95th percentile {percentile_ms:.0f} ms, limit {LIMIT_MS:g} ms")
    return 1 if options.check and percentile_ms >= LIMIT_MS else 0


def _record(path: Path) -> None:
    handler = ObsHandler(store=path)
    chain = ChatPromptTemplate.from_template("{q}") | ScriptedChatModel(replies=["in the hay"])
    with spanscope.context(session_id="s", user_id="u"):
        chain.invoke({"q": "Where is the needle? " + "hay " * 20}, {"callbacks": [handler]})
    if not handler.runtime.shutdown():
        raise RuntimeError("the store did not take the chain: see `spanscope doctor`")


def _multiply(path: Path) -> None:
    """Copy the trace, each copy a millisecond later and with an id of its own."""
    changed = {"trace_id": "printf('%032x', n)", "start_ns": "start_ns + n * 1000000"}
    numbers = f"numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {COPIES})"
    with sqlite3.connect(path) as connection:
        for table in ("traces", "spans"):
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(changed.get(name, name) for name in columns)
            connection.execute(
                f"WITH RECURSIVE {numbers} INSERT INTO {table} ({', '.join(columns)}) "
                f"SELECT {values} FROM numbers, {table}"
            )
    connection.close()


def _slowest_ms(store: Store, question: dict[str, Any]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        store.traces(**question)
        times.append((time.process_time() - begun) * 1000)
    return max(times)


if __name__ == "__main__":
    sys.exit(main())

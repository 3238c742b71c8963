"""`import spanscope` costs an application next to nothing until it records or reads.

How long it takes is measured by benchmarks/run.py; here stands what would make it long.
"""

import subprocess
import sys

import pytest

HEAVY = (
    "langchain",
    "langgraph",
    "langsmith",
    "llama_index",
    "opentelemetry",
    "sqlalchemy",
    "sqlmodel",
    "pydantic",
    "datadog",
    "structlog",
)


@pytest.fixture(scope="module")
def imported():
    """The modules that a fresh Python holds after `import spanscope` and did not hold before."""
    code = "import sys; before = set(sys.modules); import spanscope; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("heavy", HEAVY)
def test_importing_spanscope_brings_in_no(imported, heavy):
    """No framework and no SDK: neither the package nor one of its family, such as langchain_core."""
    assert [name for name in imported if name.startswith(heavy)] == []


def test_what_is_imported_includes_spanscope_itself(imported):
    """Guards the tests above: they would pass on an empty list."""
    assert "spanscope" in imported

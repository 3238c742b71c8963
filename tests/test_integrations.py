"""The folders under integrations/ say what to type; here it is typed."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from spanscope import open_store

INTEGRATIONS = Path(__file__).parents[1] / "integrations"
PYTHON_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def run_python(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run Python in an empty folder, where the default store then is."""
    settings = {key: value for key, value in os.environ.items() if not key.startswith("SPANSCOPE_")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=settings | {"LANGSMITH_TRACING": "false", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The LangChain example after it has run: what it printed, and the folder with its store."""
    folder = tmp_path_factory.mktemp("langchain")
    return run_python([str(INTEGRATIONS / "langchain" / "example.py")], folder), folder


def test_the_langchain_example_runs_without_a_complaint(example):
    done, _ = example
    assert (done.returncode, done.stderr) == (0, "")


def test_the_langchain_example_finds_its_planted_fault(example):
    done, _ = example
    assert "orders: 2 model calls" in done.stdout
    assert "truncation" in done.stdout
    assert "length" in done.stdout


def test_the_langchain_example_records_the_agent_and_the_chain_as_two_trees(example):
    _, folder = example
    with open_store(str(folder / ".spanscope" / "spans.db")) as store:
        trees = {found.name: store.trace(found.trace_id) for found in store.traces(limit=10)}
    assert set(trees) == {"faq", "orders"}
    assert not any(tree.strays for tree in trees.values())
    assert {span.kind for span in trees["faq"].spans} >= {"chain", "retriever", "prompt", "llm", "parser"}
    assert [span.name for span in trees["orders"].spans if span.kind == "tool"] == ["find_order"]


def test_the_langchain_example_keeps_the_user_as_a_pseudonym(example):
    _, folder = example
    with open_store(str(folder / ".spanscope" / "spans.db")) as store:
        users = {
            span.user_id for found in store.traces(limit=10) for span in store.trace(found.trace_id).spans
        }
    assert len(users) == 1
    assert None not in users
    for file in (folder / ".spanscope").iterdir():
        assert b"sam.carter" not in file.read_bytes(), file


@pytest.fixture(scope="module")
def llama_index_example(tmp_path_factory):
    """The LlamaIndex example after it has run: what it printed, and the folder with its store."""
    folder = tmp_path_factory.mktemp("llama_index")
    return run_python([str(INTEGRATIONS / "llama_index" / "example.py")], folder), folder


def test_the_llama_index_example_runs_without_a_complaint(llama_index_example):
    done, _ = llama_index_example
    assert (done.returncode, done.stderr) == (0, "")


def test_the_llama_index_example_finds_its_planted_fault(llama_index_example):
    done, _ = llama_index_example
    assert "ReActAgent.run: 2 model calls" in done.stdout
    assert "stopped at its limit of 8 output tokens" in " ".join(done.stdout.replace("│", "").split())


def test_the_llama_index_example_records_the_agent_and_the_query_as_two_trees(llama_index_example):
    _, folder = llama_index_example
    with open_store(str(folder / ".spanscope" / "spans.db")) as store:
        trees = {found.name: store.trace(found.trace_id) for found in store.traces(limit=10)}
    assert set(trees) == {"ReActAgent.run", "RetrieverQueryEngine.query"}
    assert not any(tree.strays for tree in trees.values())
    query = trees["RetrieverQueryEngine.query"]
    assert {span.kind for span in query.spans} == {"chain", "retriever", "embedding", "llm"}
    assert {span.session_id for tree in trees.values() for span in tree.spans} == {"visit-1"}
    for file in (folder / ".spanscope").iterdir():
        assert b"sam.carter" not in file.read_bytes(), file


@pytest.mark.parametrize(
    "readme", sorted(INTEGRATIONS.glob("*/README.md")), ids=lambda path: path.parent.name
)
def test_the_python_of_a_readme_runs_from_top_to_bottom(readme, tmp_path):
    """Its blocks are one program: a reader may paste one after the other."""
    blocks = PYTHON_BLOCK.findall(readme.read_text(encoding="utf-8"))
    done = run_python(["-c", "\n".join(blocks)], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert blocks == [] or done.stdout.strip()

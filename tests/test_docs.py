"""The documentation tells the truth: its examples run, and nothing that exists goes unmentioned."""

import dataclasses
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer

import spanscope
from spanscope import backends, metrics
from spanscope.checks import CHECKS
from spanscope.cli import app
from spanscope.spans import Span

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
REFERENCE = ROOT / "docs" / "reference"
BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def python_of(page: Path) -> str:
    """The page's Python blocks alone, on their own lines, so that a traceback names the page's line."""
    text = page.read_text()
    lines = [""] * len(text.splitlines())
    for block in BLOCK.finditer(text):
        if block["info"].strip() == "python":
            first = text.count("\n", 0, block.start("code"))
            for number, line in enumerate(block["code"].splitlines(), start=first):
                lines[number] = line
    return "\n".join(lines)


def label(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if python_of(page).strip()], ids=label)
def test_examples_run(page, tmp_path):
    """Each page in a process and a folder of its own, as a reader would paste it."""
    script = tmp_path / page.name
    script.write_text(python_of(page))
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SPANSCOPE_")}
    ran = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, f"{label(page)}:\n{ran.stderr}"
    assert "lost data" not in ran.stderr


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_no_example_is_left_out(page):
    """A block that looks like Python but is marked otherwise would not be run."""
    marks = {block["info"].strip() for block in BLOCK.finditer(page.read_text())}
    assert marks <= {"python", "sh", "text"}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_described_with_all_its_options(name):
    page = (REFERENCE / "cli.md").read_text()
    heading = f"\n## spanscope {name}\n"
    assert heading in page
    section = page.partition(heading)[2].partition("\n## ")[0]
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts if option[0] == "-"}
    assert {option for option in options if f"`{option}" not in section} <= {"--help", "-h"}


def test_no_command_is_described_that_does_not_exist():
    told = set(re.findall(r"spanscope (?!-)([a-z]+)", "".join(shell_of(page) for page in PAGES)))
    assert told <= set(COMMANDS)
    assert told


def shell_of(page: Path) -> str:
    return "\n".join(
        block["code"] for block in BLOCK.finditer(page.read_text()) if block["info"].strip() == "sh"
    )


def table_of(page: str) -> list[str]:
    """The rows of a page's tables, without their heads."""
    lines = [line for line in (REFERENCE / page).read_text().splitlines() if line.startswith("| `")]
    assert lines
    return lines


def test_the_table_of_metrics_is_the_catalogue():
    rows = [
        f"| `{metric.name}` | {metric.kind} | {metric.unit} | {metric.description} | "
        f"{', '.join(f'`{tag}`' for tag in metric.tags) or '-'} |"
        for metric in metrics.CATALOGUE
    ]
    assert table_of("metrics.md") == rows


def test_the_table_of_span_fields_is_complete():
    named = [line.split("`")[1] for line in table_of("spans.md")]
    properties = [name for name, value in vars(Span).items() if isinstance(value, property)]
    assert named == [field.name for field in dataclasses.fields(Span)] + properties


def test_each_extra_is_described():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    told = set(
        re.findall(r"^\| `spanscope\[([a-z0-9-]+)\]`", (REFERENCE / "settings.md").read_text(), re.MULTILINE)
    )
    assert told == set(extras)


def test_the_settings_described_are_those_that_are_read():
    source = "".join(file.read_text() for file in (ROOT / "src").rglob("*.py"))
    read = set(re.findall(r"""["'](SPANSCOPE_[A-Z_]+)["']""", source))
    page = (REFERENCE / "settings.md").read_text()
    told = set(re.findall(r"^\| `(SPANSCOPE_[A-Z_]+)`", page, re.MULTILINE))
    assert told == read


def test_each_check_is_described():
    page = (ROOT / "docs" / "explanation" / "verdict.md").read_text()
    assert re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE) == list(CHECKS)


@pytest.mark.parametrize("name", spanscope.__all__)
def test_each_public_name_has_its_entry(name):
    entries = re.findall(r"^::: spanscope\S*\.(\w+)$", (REFERENCE / "python.md").read_text(), re.MULTILINE)
    assert name in entries


@pytest.mark.parametrize("name", backends.KNOWN)
def test_each_sink_is_described(name):
    assert f'backends=["{name}"]' in (ROOT / "docs" / "how-to" / "sinks.md").read_text()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_outside_the_site_lead_somewhere(page):
    """Those within docs/ are checked when the site is built."""
    targets = re.findall(r"\]\(([^)#:]+)\)", (ROOT / page).read_text())
    assert [target for target in targets if not (ROOT / target).exists()] == []

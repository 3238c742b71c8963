"""The command line on real stores: what a person reads, what a script gets, how mistakes are said."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from commands import Run, command_line

from spanscope.backends.sql import SqlBackend
from spanscope.cli.listing import parse_since
from spanscope.exceptions import ConfigError
from spanscope.health import Health, save
from spanscope.spans import Span

NOW_NS = time.time_ns()
MINUTE_NS = 60 * 10**9


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for a store, named by the environment; nothing is there yet."""
    path = tmp_path / "kept" / "spans.db"
    monkeypatch.setenv("SPANSCOPE_STORE", str(path))
    monkeypatch.setenv("COLUMNS", "200")
    return path


@pytest.fixture
def run(store: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line: its exit code, stdout and stderr."""
    return command_line(capsys)


def span(trace: str, number: int = 1, **facts: Any) -> Span:
    """A root (`number` 1) or a model call below it; a minute ago, for 2 s, unless told otherwise."""
    given: dict[str, Any] = {
        "trace_id": trace * 32,
        "span_id": f"{trace}{number:015d}",
        "kind": "chain",
        "name": "shop_faq",
        "status": "ok",
        "start_ns": NOW_NS - MINUTE_NS + number,
        "end_ns": NOW_NS - MINUTE_NS + 2 * 10**9,
    }
    if number > 1:
        given |= {
            "parent_id": f"{trace}{1:015d}",
            "parent_source": "framework",
            "kind": "llm",
            "name": "ChatModel",
            "request_model": "shop-large",
            "response_model": "shop-large",
            "input_tokens": 1000,
            "output_tokens": 234,
            "total_tokens": 1234,
            "cost_usd": Decimal("0.0125"),
            "finish_reason": "stop",
        }
    return Span(**(given | facts))


def write(store: Path, *spans: Span) -> None:
    backend = SqlBackend(store)
    backend.export(spans)
    backend.shutdown()


@pytest.fixture
def two_traces(store: Path) -> None:
    """`a`: two hours old, failed; `b`: a minute old, good, with a model call."""
    old_ns = NOW_NS - 120 * MINUTE_NS
    failed = {"name": "order_agent", "status": "error", "error_type": "TimeoutError", "session_id": "s-1"}
    failed["tags"] = ("night",)
    write(
        store,
        span("a", start_ns=old_ns, end_ns=old_ns + 10**9, **failed),
        span("b"),
        span("b", 2, output_preview="You have 30 days."),
    )


# --- list --------------------------------------------------------------------------------------------


def test_list_shows_the_newest_first_with_what_they_cost(run, two_traces):
    code, out, _ = run("list")
    header, newest, older = out.splitlines()
    assert code == 0
    assert "tokens" in header
    assert "bbbb" in newest
    assert "1,234" in newest
    assert "$0.0125" in newest
    assert "2.00 s" in newest
    assert "error" in older


def test_what_is_not_known_is_a_dash_and_not_a_zero(run, store):
    write(store, span("a", end_ns=None, status="open"))
    row = run("list")[1].splitlines()[1].split()
    assert row.count("-") == 3  # duration, tokens, cost


def test_list_as_json_gives_whole_ids_and_exact_money(run, two_traces):
    code, out, _ = run("list", "--json")
    newest, older = json.loads(out)
    assert code == 0
    assert newest["trace_id"] == "b" * 32
    assert newest["cost_usd"] == "0.0125"
    assert newest["total_tokens"] == 1234
    assert older["status"] == "error"
    assert older["cost_usd"] is None
    assert datetime.fromisoformat(newest["started_at"]).tzinfo is not None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--status", "error"], ["a"]),
        (["--session", "s-1"], ["a"]),
        (["--name", "shop_faq"], ["b"]),
        (["--model", "shop-large"], ["b"]),
        (["--text", "30 DAYS"], ["b"]),
        (["--since", "30m"], ["b"]),
        (["--since", "5h"], ["b", "a"]),
        (["--limit", "1"], ["b"]),
        (["--user", "nobody"], []),
        (["--tag", "night"], ["a"]),
    ],
)
def test_list_can_be_narrowed(run, two_traces, options, expected):
    assert [found["trace_id"][0] for found in json.loads(run("list", "--json", *options)[1])] == expected


def test_a_search_without_a_hit_says_so_on_stderr(run, two_traces):
    code, out, err = run("list", "--name", "nothing")
    assert (code, out) == (0, "")
    assert "No trace matches" in err


def test_names_with_brackets_are_printed_as_they_are(run, store):
    """Rich would take `[red]` in a name for a colour."""
    write(store, span("a", name="[red]chain[/red]"))
    assert "[red]chain[/red]" in run("list")[1]


def test_an_unknown_status_is_a_mistake_and_no_empty_list(run, two_traces):
    code, out, err = run("list", "--status", "eror")
    assert (code, out) == (2, "")
    assert "status 'eror' is unknown (did you mean 'error'?): known are abandoned, cancelled" in err


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_no_letter_is_lost_however_narrow_the_terminal(run, store, monkeypatch, columns):
    name = "THE_LONGEST_NAME_OF_ALL_CHAINS_IN_THIS_SHOP"
    monkeypatch.setenv("COLUMNS", str(columns))
    write(store, span("a", name=name, status="closed_early"))
    rows = run("list")[1].splitlines()[1:]

    assert rows[0].startswith("a" * 16)
    assert "closed_early" in rows[0]
    assert "".join(piece for row in rows for piece in row.split() if piece in name) == name


def test_figures_are_left_out_before_names_get_too_narrow(run, two_traces, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    header = run("list")[1].splitlines()[0].split()
    assert header[:4] == ["id", "when", "name", "status"]
    assert "calls" not in header


@pytest.mark.parametrize(
    ("text", "ago"),
    [("90s", timedelta(seconds=90)), ("30m", timedelta(minutes=30)), ("2w", timedelta(weeks=2))],
)
def test_since_may_be_a_length_of_time(text, ago):
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert parse_since(text, now=now) == now - ago


def test_since_may_be_a_date_with_a_zone():
    assert parse_since("2026-01-31T14:00+02:00") == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_since_that_is_no_time_is_refused_with_examples():
    with pytest.raises(ConfigError, match="write 30m"):
        parse_since("yesterday")


# --- show and debug ----------------------------------------------------------------------------------


def test_show_prints_the_tree_of_the_newest(run, two_traces):
    code, out, _ = run("show", "--last")
    assert code == 0
    assert "shop_faq" in out
    assert "ChatModel" in out
    assert "order_agent" not in out


def test_show_takes_the_id_that_list_prints(run, two_traces):
    shown = run("list")[1].splitlines()[2].split()[0]
    assert "order_agent" in run("show", shown)[1]


def test_ids_of_one_batch_are_printed_as_far_as_it_takes_to_tell_them_apart(run, store):
    """A batch starts within a millisecond, so its ids begin with more than the usual digits in common."""
    ids = [f"01a1fd6caec57351a7564e1{rest:09x}" for rest in (0xF4B15246B, 0xEDAD54621)]
    write(
        store, *(span("a", n, trace_id=one, name=f"answer_{n}", parent_id=None) for n, one in enumerate(ids))
    )
    rows = {name: shown for shown, _, name, *_ in map(str.split, run("list")[1].splitlines()[1:])}
    assert {name: len(shown) for name, shown in rows.items()} == {"answer_0": 24, "answer_1": 24}
    for name, shown in rows.items():
        assert name in run("show", shown)[1]


def test_show_as_json_gives_every_span(run, two_traces):
    trace = json.loads(run("show", "--last", "--json")[1])
    assert [found["name"] for found in trace["spans"]] == ["shop_faq", "ChatModel"]
    assert trace["totals"]["cost_usd"] == "0.0125"


@pytest.mark.parametrize("arguments", [[], ["--last", "aaaa"]])
def test_show_wants_one_trace_and_no_more(run, two_traces, arguments):
    code, _, err = run("show", *arguments)
    assert code == 2
    assert "its ID, or --last" in err


def test_an_unknown_id_is_one_line_that_names_the_nearest(run, two_traces):
    code, out, err = run("show", "b" * 31 + "c")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "b" * 32 in err


@pytest.fixture
def cut_trace(store: Path) -> None:
    write(
        store,
        span("c"),
        span("c", 2, finish_reason="length", finish_reason_raw="length", max_tokens=234),
    )


def test_debug_prints_the_verdict_and_its_evidence(run, cut_trace):
    code, out, _ = run("debug", "--last")
    assert code == 0
    assert "234" in out
    assert "truncation" in out


def test_debug_as_json_names_the_root_cause(run, cut_trace):
    report = json.loads(run("debug", "--last", "--json")[1])
    assert report["root_cause"]["check"] == "truncation"
    assert report["trace_id"] == "c" * 32


def test_debug_ends_with_1_on_a_failed_check_only_when_asked(run, cut_trace):
    assert run("debug", "--last", "--exit-code")[0] == 1


def test_debug_with_exit_code_ends_with_0_when_nothing_failed(run, two_traces):
    assert run("debug", "--last", "--exit-code")[0] == 0


def test_debug_hands_on_what_was_expected(run, two_traces):
    report = json.loads(run("debug", "--last", "--json", "--expected-model", "another-one")[1])
    (answer,) = (f for f in report["findings"] if f["check"] == "model_version" and not f["detail"])
    assert answer["status"] == "fail"


# --- tail --------------------------------------------------------------------------------------------


def written_soon(store: Path, *spans: Span) -> threading.Thread:
    writer = threading.Thread(target=lambda: (time.sleep(0.3), write(store, *spans)))
    writer.start()
    return writer


def test_tail_prints_a_trace_when_it_has_finished_and_none_from_before(run, store, two_traces):
    writer = written_soon(store, span("d", name="late_one"))
    code, out, _ = run("tail", "--once", "--json")
    writer.join()
    assert code == 0
    assert [json.loads(line)["name"] for line in out.splitlines()] == ["late_one"]


def test_tail_waits_for_a_trace_that_was_open_when_it_began(run, store):
    write(store, span("a", status="open", end_ns=None))
    writer = written_soon(store, span("a"))
    out = run("tail", "--count", "1")[1]
    writer.join()
    assert "shop_faq" in out
    assert "ok" in out

    # The line has no head that names its figures.
    assert re.search(r"(-|\d) tokens .* \d model call", " ".join(out.split()))


def test_tail_waits_for_a_store_that_is_not_there_yet(run, store):
    writer = written_soon(store, span("a"))
    code, out, err = run("tail", "--once")
    writer.join()
    assert code == 0
    assert "shop_faq" in out
    assert "waiting" in err


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_tail_ends_cleanly_on_ctrl_c(store, two_traces):
    import signal

    command = [sys.executable, "-m", "spanscope.cli", "tail", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        writer = written_soon(store, span("d"))
        writer.join()
        assert process.stdout is not None
        deadline = time.monotonic() + 20
        number = 1
        while not (line := _read_if_any(process)) and time.monotonic() < deadline:
            number += 1  # its start-up may have taken longer than the first trace
            write(store, span("e", name=f"again_{number}", trace_id=f"{number:032x}"))
        assert json.loads(line)["status"] == "ok"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "Traceback" not in err


def _read_if_any(process: "subprocess.Popen[str]") -> str:
    import select

    ready, _, _ = select.select([process.stdout], [], [], 0.5)
    return process.stdout.readline() if ready and process.stdout else ""


# --- doctor ------------------------------------------------------------------------------------------


def test_doctor_finds_nothing_broken_before_anything_is_recorded(run, store):
    code, out, _ = run("doctor")
    assert code == 0
    assert "nothing recorded yet" in out
    assert "nothing is broken" in out
    assert not store.exists()


def test_doctor_says_where_the_store_is_and_why(run, store, two_traces):
    found = json.loads(run("doctor", "--json")[1])
    assert found["store"]["place"] == str(store)
    assert found["store"]["chosen_by"] == "SPANSCOPE_STORE"
    assert found["store"]["mode"] == "0600"
    assert (found["store"]["traces"], found["store"]["spans"]) == (2, 3)
    assert found["ok"] is True


def test_an_option_goes_before_the_environment(run, tmp_path, two_traces):
    found = json.loads(run("doctor", "--json", "--store", str(tmp_path / "other.db"))[1])
    assert found["store"]["chosen_by"] == "--store"
    assert found["store"]["state"] == "nothing recorded yet"


def test_doctor_names_versions_and_how_to_install_what_is_missing(run, store, monkeypatch):
    import importlib.metadata as metadata

    real = metadata.version

    def version(name: str) -> str:
        if name == "datadog":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    packages = {entry["package"]: entry for entry in json.loads(run("doctor", "--json")[1])["packages"]}
    assert packages["datadog"]["version"] is None
    assert packages["datadog"]["install"] == "pip install 'spanscope[datadog]'"
    assert packages["langchain-core"]["version"] == real("langchain-core")


def test_every_package_that_doctor_names_is_in_the_extra_that_it_names():
    import tomllib

    from spanscope.cli.doctor import PACKAGES

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    for package, extra, _ in PACKAGES:
        assert any(need.startswith(package) for need in project["optional-dependencies"][extra])
    assert {extra for _, extra, _ in PACKAGES} == set(project["optional-dependencies"]) - {"all"}


def test_doctor_ends_with_1_when_others_may_read_the_store(run, store, two_traces):
    store.chmod(0o644)
    code, out, _ = run("doctor")
    assert code == 1
    assert f"chmod 600 {store}" in out


def test_doctor_ends_with_1_when_the_store_is_no_database(run, store):
    store.parent.mkdir()
    store.write_text("this is not a database, it only looks like one from afar" * 20)
    store.chmod(0o600)
    code, out, _ = run("doctor")
    assert code == 1
    assert str(store) in out


def test_doctor_says_when_the_last_run_ended_as_a_time(run, store, two_traces):
    ended_s = NOW_NS / 10**9 - 3 * 86_400
    (store.parent / "health.json").write_text(json.dumps({"saved_at": ended_s, "pid": 7, "counters": {}}))
    assert f"{datetime.fromtimestamp(ended_s):%Y-%m-%d %H:%M:%S}, process 7" in run("doctor")[1]


def test_doctor_shows_what_the_last_run_lost(run, store, two_traces):
    health = Health()
    health.count("spans_recorded", 40)
    health.count("spans_dropped", 2)
    health.faults["export"] += 1
    save(store.parent / "health.json", health, facts={})
    found = run("doctor")
    assert found[0] == 1
    assert "spans_dropped 2" in found[1]
    assert "export" in found[1]


def test_counters_without_a_loss_are_no_problem(run, store, two_traces):
    health = Health()
    health.count("spans_recorded", 40)
    save(store.parent / "health.json", health, facts={})
    code, out, _ = run("doctor")
    assert code == 0
    assert "spans_recorded" in out


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_doctor_ends_with_1_when_nothing_could_be_recorded(run, tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    code, out, _ = run("doctor", "--store", str(closed / "deep" / "spans.db"))
    assert code == 1
    assert str(closed) in out


# --- mistakes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["list"], ["show", "--last"], ["debug", "--last"]])
def test_a_store_that_is_not_there_is_one_line_and_exit_code_2(run, store, command):
    code, out, err = run(*command)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("spanscope: ")
    assert str(store) in err


def test_a_model_without_live_is_refused(run):
    code, _, err = run("demo", "--model", "some-model")
    assert code == 2
    assert "--live" in err


def test_version_is_printed():
    done = subprocess.run(
        [sys.executable, "-m", "spanscope.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("spanscope 0.")


def test_help_loads_neither_database_nor_framework():
    """Completion runs this at each press of the tab key."""
    program = """
import sys
from spanscope.cli import main
try:
    main(["--help"])
except SystemExit:
    pass
heavy = {"sqlalchemy", "sqlmodel", "langchain_core", "langchain", "langgraph", "openai"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


def test_a_reader_that_goes_away_is_no_traceback(store, two_traces):
    """`spanscope list --json | head -1`."""
    with subprocess.Popen(
        [sys.executable, "-m", "spanscope.cli", "list", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()

"""The demo is the first thing anybody sees: it runs offline, and what it says is true."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("langchain", reason="the demo needs pip install 'spanscope[demo]'")

from spanscope import open_store
from spanscope.demo import models, scenes
from spanscope.exceptions import ConfigError
from spanscope.semconv import DOC_ID, DOCUMENTS, HTTP_STATUS_CODE
from spanscope.trace import Trace


class Done(NamedTuple):
    """A demo that has run: where, what it printed, and the traces it left, oldest first."""

    folder: Path
    output: str
    traces: list[Trace]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """Run once, as a newcomer does: in an empty folder, without a key, without a network."""
    folder = tmp_path_factory.mktemp("newcomer")
    kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "TMPDIR", "COVERAGE_PROCESS_START")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    # Whoever tries to reach out does not get far.
    environment |= {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9", "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-m", "spanscope.cli", "demo"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with open_store(folder / ".spanscope" / "spans.db") as store:
        newest_first = [store.trace(summary.trace_id) for summary in store.traces(limit=None)]
    return Done(folder, done.stdout, newest_first[::-1])


def named(trace: Trace, name: str) -> list[str]:
    return [span.status for span in trace.spans if span.name == name]


def test_three_traces_are_recorded_and_only_the_store_is_written(demo):
    assert len(demo.traces) == 3
    assert [entry.name for entry in demo.folder.iterdir()] == [".spanscope"]
    assert (demo.folder / ".spanscope" / ".gitignore").read_text().strip() == "*"


def test_every_span_has_ended_and_hangs_in_its_tree(demo):
    for trace in demo.traces:
        assert trace.strays == ()
        assert {span.status for span in trace.spans} <= {"ok", "error"}


def test_the_busy_model_is_tried_twice_and_then_the_fallback_answers(demo):
    calls = [span for span in demo.traces[0].spans if span.kind == "llm"]
    assert [call.status for call in calls] == ["error", "error", "ok"]
    assert [call.attributes.get(HTTP_STATUS_CODE) for call in calls] == [429, 429, None]
    assert [call.request_model for call in calls] == ["shop-large", "shop-large", "shop-small"]
    assert demo.traces[0].status == "ok"


def test_the_agent_and_the_last_chain_are_streamed(demo):
    calls = [span for trace in demo.traces[1:] for span in trace.spans if span.kind == "llm"]
    assert all(call.streamed for call in calls)
    in_words = [call for call in calls if call.finish_reason != "tool_calls"]
    assert len(in_words) == 2
    assert all(0 < call.time_to_first_token_ms < call.duration_ms for call in in_words)


def test_the_right_help_page_is_retrieved(demo):
    (retrieval,) = (span for span in demo.traces[0].spans if span.kind == "retriever")
    assert "warranty" in [document[DOC_ID] for document in retrieval.attributes[DOCUMENTS]]


def test_the_agent_calls_its_three_tools_one_after_the_other(demo):
    tools = [span.name for span in demo.traces[1].spans if span.kind == "tool"]
    assert tools == ["find_order", "warranty_ends", "open_repair"]
    assert demo.traces[1].totals.llm_calls == 4


def test_the_planted_fault_is_the_root_cause(demo):
    (call,) = (span for span in demo.traces[2].spans if span.kind == "llm")
    assert (call.finish_reason, call.output_tokens) == ("length", models.CUT_TOKENS)
    assert f"limit of {models.CUT_TOKENS} output tokens" in " ".join(demo.output.split())


def test_the_trees_are_printed_and_the_next_commands_named(demo):
    for word in (
        "shop_faq",
        "order_agent",
        "warranty_ends",
        "429",
        "Verdict",
        "spanscope list",
        "spanscope doctor",
    ):
        assert word in demo.output


def test_the_commands_that_it_names_work(demo):
    for line in demo.output.splitlines():
        words = line.split("  ")[0].split()
        if words[:1] == ["spanscope"] and words[1:2] in (["list"], ["debug"], ["show"], ["doctor"]):
            subprocess.run([sys.executable, "-m", "spanscope.cli", *words[1:]], cwd=demo.folder, check=True)


def test_the_address_in_the_question_is_not_in_the_store(demo):
    files = [path for path in (demo.folder / ".spanscope").iterdir() if path.is_file()]
    assert not [path.name for path in files if b"sam.carter" in path.read_bytes()]
    assert "[EMAIL]" in (demo.traces[0].root.input_preview or "")


def test_the_traces_know_session_user_and_prompt(demo):
    for trace, prompt in zip(demo.traces, ("shop-faq", "shop-agent", "shop-faq"), strict=True):
        (name,) = {span.prompt_name for span in trace.spans if span.kind == "llm"}
        assert name == prompt
        assert trace.root.session_id
        assert trace.root.user_id not in (None, "sam.carter")


def test_the_application_answers_the_same_without_a_recorder():
    answers = [scene.ask({}) for scene in scenes(models.scripted_cast())]
    assert answers[0].startswith("Yes. Lamps")
    assert "R-20417-1" in answers[1]
    assert answers[2].endswith("in its")


# --- real models --------------------------------------------------------------------------------------


def test_live_without_any_key_names_the_keys_and_the_url():
    with pytest.raises(ConfigError, match=r"OPENAI_API_KEY.*--url"):
        models.live_cast(environ={})


def test_a_url_without_a_model_is_refused():
    with pytest.raises(ConfigError, match="--model"):
        models.live_cast(url="http://127.0.0.1:9/v1", environ={})


def test_a_key_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install langchain-mistralai"):
        models.live_cast(environ={"MISTRAL_API_KEY": "unused"})


def test_a_provider_without_a_usual_model_asks_for_its_name():
    with pytest.raises(ConfigError, match="--model NAME"):
        models.live_cast(environ={"COHERE_API_KEY": "unused"})


def test_an_unknown_provider_is_refused_in_one_line():
    with pytest.raises(ConfigError) as refusal:
        models.live_cast(model="nobody:nothing", environ={})
    assert "nobody" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_first_key_found_decides_and_a_named_model_is_kept(monkeypatch):
    pytest.importorskip("langchain_openai")
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    cast = models.live_cast(model="my-model", environ={"OPENAI_API_KEY": "not-a-real-key"})
    assert cast.fallback.model_name == "my-model"
    assert cast.cut.max_tokens == models.LIVE_CUT_TOKENS
    assert "not-a-real-key" not in repr(cast)


def test_a_live_model_that_cannot_be_reached_fails_in_words_and_with_its_trace(tmp_path):
    pytest.importorskip("langchain_openai")
    store = tmp_path / "spans.db"
    command = ["demo", "--url", "http://127.0.0.1:9/v1", "--model", "absent", "--store", str(store)]
    done = subprocess.run(
        [sys.executable, "-m", "spanscope.cli", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "failed" in done.stdout
    with open_store(store) as opened:
        assert {summary.status for summary in opened.traces()} == {"error"}

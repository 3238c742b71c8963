"""Canaries in every field of every kind of record: none of them sings in a sink, a log line or a metric."""

import logging
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.documents import Document
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

import spanscope
from spanscope import ObsHandler
from spanscope.backends.datadog import DatadogBackend
from spanscope.backends.structlog import StructlogBackend
from spanscope.cli import main
from spanscope.redaction import Redactor
from spanscope.testing import Canary, MemoryBackend, ScriptedChatModel
from spanscope.testing.canary import Leak

POLICIES = ["hash", "preview", "redacted", "vault"]


@pytest.fixture
def canary():
    return Canary()


@pytest.fixture(autouse=True)
def no_keys_in_the_environment(monkeypatch):
    for name in ("SPANSCOPE_KEY", "SPANSCOPE_VAULT_KEY", "SPANSCOPE_VAULT", "SPANSCOPE_CONTENT"):
        monkeypatch.delenv(name, raising=False)


class Shelf(BaseRetriever):
    """Finds one document that is full of canaries."""

    document: Document

    def _get_relevant_documents(self, query, *, run_manager):
        return [self.document]


def sinks(watch, *more):
    return [
        MemoryBackend(accepts_updates=True),
        StructlogBackend(file=watch.stream),
        DatadogBackend("127.0.0.1", watch.udp_port),
        *more,
    ]


def assert_clean(canary: Canary, handler: ObsHandler, watch, folder: Path, backends) -> None:
    """Nothing in the files (store, vault, keys, health), in memory, in lines, datagrams and logs."""
    assert handler.runtime.shutdown(10)
    assert backends[0].spans
    assert watch.stream.getvalue().count("\n") > 3
    canary.assert_absent(watch, folder, backends[0].spans, handler.runtime.health.snapshot())


# --- the bird itself -----------------------------------------------------------------------------------


def test_a_canary_is_found_whole_and_in_pieces(canary, tmp_path):
    (tmp_path / "file").write_bytes(b"\x00\xff" + canary.values["GITHUB_KEY"][10:14].encode())
    mail = canary.values["EMAIL"]
    assert canary.leaks(mail.upper()) == [Leak("EMAIL", canary._pieces()["EMAIL"][0], "text")]
    assert [leak.kind for leak in canary.leaks(tmp_path)] == ["GITHUB_KEY"]
    assert [leak.kind for leak in canary.leaks({"at": ["depth", canary.values["CARD"]]})] == ["CARD"]
    assert [leak.kind for leak in canary.leaks(canary.values["CARD"].replace(" ", "")[3:12].encode())] == [
        "CARD"
    ]
    for kind, value in canary.values.items():
        assert kind in {leak.kind for leak in canary.leaks(f"… {value} …")}


def test_harmless_words_are_no_canary(canary):
    assert (
        canary.leaks("A quick brown example: Bearer password=[SECRET] sk-proj-… 2026-01-31T14:00:00.123456")
        == []
    )


def test_a_leak_is_told_without_being_repeated(canary):
    with pytest.raises(AssertionError, match="leaked: EMAIL in text") as told:
        canary.assert_absent(canary.values["EMAIL"])
    assert canary.leaks(str(told.value)) == []


def test_the_watch_hears_logs_with_their_arguments(canary):
    with canary.watch() as watch:
        logging.getLogger("some.library").debug("called with %s", canary.values["EMAIL"])
    assert [leak.where for leak in canary.leaks(watch)] == ["log"]


def test_the_same_seed_gives_the_same_flock():
    assert Canary(3).values == Canary(3).values != Canary(4).values


# --- every field, every sink ------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
def test_own_spans_of_every_kind_leak_nothing(canary, tmp_path, policy):
    with canary.watch() as watch:
        backends = sinks(watch)
        handler = ObsHandler(store=tmp_path / "spans.db", backends=backends, content=policy)
        trace_id = canary.plant(handler)
        assert handler.flush(10)
    kinds = {span.kind for span in backends[0].spans if span.trace_id == trace_id}
    assert kinds == set(spanscope.semconv.KINDS)
    assert watch.datagrams
    assert_clean(canary, handler, watch, tmp_path, backends)


def test_without_the_redactor_they_would_sing_in_every_sink(canary, tmp_path, monkeypatch):
    """So that silence means something."""
    monkeypatch.setattr(Redactor, "find", lambda self, text: [])
    with canary.watch() as watch:
        backends = sinks(watch)
        handler = ObsHandler(store=tmp_path / "spans.db", backends=backends)
        canary.plant(handler)
        assert handler.flush(10)
        handler.runtime.shutdown(10)
    sung = {leak.where for leak in canary.leaks(watch, tmp_path, backends[0].spans)}
    assert {"stream", "datagrams", "list", str(tmp_path / "spans.db")} <= sung


@pytest.mark.parametrize("policy", POLICIES)
def test_a_chain_with_retriever_tool_and_failure_leaks_nothing(canary, tmp_path, policy):
    said = canary.text("Hi")

    @tool
    def look_up(query: str) -> str:
        """Look something up."""
        if "fail" in query:
            raise canary.error()
        return said

    shelf = Shelf(document=Document(said, id=said, metadata=canary.mapping()))
    model = ScriptedChatModel(replies=[said] * 9)
    chain = (
        RunnableLambda(lambda question: {"question": question, "found": shelf.invoke(question)}).with_config(
            run_name=said
        )
        | ChatPromptTemplate.from_messages([("system", said), ("human", "{question} {found}")])
        | model.bind(stop=[said], user=said, extra_body=canary.mapping())
        | (lambda answer: look_up.invoke({"query": answer.content}))
    )
    with canary.watch() as watch:
        backends = sinks(watch)
        handler = ObsHandler(
            store=tmp_path / "spans.db", backends=backends, content=policy, user_id=said, session_id=said
        )
        config = {"callbacks": [handler], "metadata": canary.mapping(), "tags": [said], "run_name": said}
        chain.invoke(said, config=config)
        with pytest.raises(ValueError):
            look_up.invoke({"query": f"fail {said}"}, config=config)
        assert handler.flush(10)
    assert {"llm", "tool", "retriever"} <= {span.kind for span in backends[0].spans}
    assert_clean(canary, handler, watch, tmp_path, backends)


def test_what_went_wrong_with_us_is_logged_without_a_word_of_the_payload(canary, tmp_path):
    """A sink that raises what it was given, an object that raises what it holds."""

    class Broken:
        def export(self, spans):
            raise RuntimeError(canary.text())

        def flush(self, timeout_s):
            raise RuntimeError(canary.text())

        def shutdown(self):
            raise RuntimeError(canary.text())

    class Wild:
        def __getattr__(self, name):
            raise RuntimeError(canary.text())

        def __str__(self):
            raise RuntimeError(canary.text())

        __repr__ = __iter__ = __len__ = __str__

    with canary.watch() as watch:
        backends = sinks(watch, Broken())
        handler = ObsHandler(store=tmp_path / "spans.db", backends=backends)
        with spanscope.span("wild", input=Wild(), handler=handler) as step:
            step.set("attribute", Wild())
            step.set_output({"a": Wild()})
        canary.plant(handler)
        assert handler.flush(10) is False
        handler.runtime.shutdown(10)
    assert "spanscope lost data in export.Broken (RuntimeError)" in watch.log.getvalue()
    canary.assert_absent(watch, tmp_path, backends[0].spans)


@pytest.mark.parametrize(
    "command", [["list"], ["show", "--last"], ["debug", "--last"], ["doctor"], ["key", "list"]]
)
def test_no_command_prints_one(canary, tmp_path, monkeypatch, capsys, command):
    monkeypatch.setenv("SPANSCOPE_STORE", str(tmp_path / "spans.db"))
    handler = ObsHandler(content="redacted", backends=[MemoryBackend()])
    canary.plant(handler)
    assert handler.flush(10)
    with pytest.raises(SystemExit):
        main(command)
    out, err = capsys.readouterr()
    assert out
    canary.assert_absent(out, err)


# --- whatever the shape ------------------------------------------------------------------------------------

FLOCK = Canary(1)
birds = st.sampled_from(sorted(FLOCK.values.values()))
sung = st.builds("{} {} {}".format, st.text(max_size=6), birds, st.text(max_size=6))
shapes = st.recursive(
    sung | birds | st.none() | st.integers() | st.floats() | st.binary(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(sung, inner, max_size=3) | st.tuples(inner, inner)
    ),
    max_leaves=8,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.tuples(sung, shapes, shapes, st.sampled_from(POLICIES)), min_size=1, max_size=3))
def test_values_of_any_shape_leak_nothing(flight, steps):
    handler, backends, watch, folder = flight
    backends[0].clear()
    for name, given_, output, policy in steps:
        with spanscope.context(content=policy), spanscope.span(name, input=given_, handler=handler) as step:
            step.set(name, given_)
            step.add_event(name, fact=output)
            step.set_output(output)
    assert handler.flush(10)
    assert len(backends[0].spans) == len(steps)
    FLOCK.assert_absent(backends[0].spans, watch, folder)


@pytest.fixture
def flight(tmp_path):
    with FLOCK.watch() as watch:
        backends = sinks(watch)
        handler = ObsHandler(store=tmp_path / "spans.db", backends=backends)
        yield handler, backends, watch, tmp_path
        handler.runtime.shutdown(10)

"""What holds for every backend, and what each of them sends.

A new backend joins the contract by one line in `BACKENDS`: a function that makes it in a folder.
"""

import io
import json
import os
import re
import socket
import sys
import threading
import weakref
from dataclasses import fields, replace
from decimal import Decimal

import pytest
import structlog

from spanscope import semconv
from spanscope.backends import KNOWN, build
from spanscope.backends.datadog import DatadogBackend
from spanscope.backends.memory import MemoryBackend
from spanscope.backends.sql import SqlBackend
from spanscope.backends.structlog import StructlogBackend
from spanscope.exceptions import ConfigError, MissingExtra
from spanscope.health import Health
from spanscope.protocols import Backend
from spanscope.spans import Content, Span

CALL = Span(
    trace_id="a" * 32,
    span_id="b" * 16,
    parent_id="c" * 16,
    parent_source="framework",
    kind="llm",
    name="Chat",
    status="ok",
    start_ns=1_700_000_000_000_000_000,
    end_ns=1_700_000_000_250_000_000,
    response_model="gpt-4o-mini",
    provider="openai",
    environment="prod",
    input_tokens=12,
    cost_usd=Decimal("0.0005"),
    streamed=False,
    tags=("a",),
    attributes={semconv.METADATA: {"team": "search"}, "größe": [1, None]},
    events=({"name": "progress", "time_ns": 1},),
    inputs=(Content(content_id="d" * 32, role="human", chars=5, text="Hello"),),
)
ROOT = Span(
    trace_id="a" * 32,
    span_id="c" * 16,
    kind="chain",
    name="qa",
    status="error",
    error_type="Timeout",
    start_ns=0,
    end_ns=2_000_000,
)
FAILED = replace(
    CALL, status="error", error_type="RateLimitError", error_message="[EMAIL] is over quota", end_ns=None
)


def datadog_with_agent(folder):
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    backend = DatadogBackend(*listening.getsockname())
    weakref.finalize(backend, listening.close)  # open for as long as the backend is
    return backend


BACKENDS = {
    "memory": lambda folder: MemoryBackend(),
    "structlog": lambda folder: StructlogBackend(file=io.StringIO()),
    "datadog": datadog_with_agent,
    "sql": lambda folder: SqlBackend(folder / "spans.db"),
}


# --- the contract ---------------------------------------------------------------------------------


@pytest.fixture(params=BACKENDS)
def backend(request, tmp_path):
    made = BACKENDS[request.param](tmp_path)
    yield made
    made.shutdown()


def test_it_has_the_three_methods(backend):
    assert isinstance(backend, Backend)


def test_it_takes_batches_of_any_size(backend):
    backend.export([])
    backend.export([CALL])
    backend.export([replace(CALL, span_id=f"{n:016x}") for n in range(500)])


def test_it_takes_spans_of_every_kind_and_status(backend):
    for kind in semconv.KINDS:
        backend.export([replace(CALL, kind=kind)])
    for status in semconv.STATUSES:
        backend.export([replace(CALL, status=status)])


def test_it_takes_a_span_that_knows_little(backend):
    backend.export(
        [Span(trace_id="a" * 32, span_id="b" * 16, kind="span", name="x", status="abandoned", start_ns=0)]
    )


def test_it_flushes_what_it_took(backend):
    backend.export([CALL])
    assert backend.flush(1.0) is True


def test_it_can_be_flushed_and_shut_down_more_than_once(backend):
    assert backend.flush(0.1) is True
    backend.shutdown()
    backend.shutdown()


def test_it_leaves_the_spans_as_they_were(backend):
    before = replace(CALL, attributes=dict(CALL.attributes))
    backend.export([CALL])
    assert before == CALL


# --- by name --------------------------------------------------------------------------------------


def test_backends_are_made_by_name_or_taken_as_they_are():
    mine = MemoryBackend()
    made = build(["structlog", mine, "datadog"], health=Health())
    assert [type(one) for one in made] == [StructlogBackend, MemoryBackend, DatadogBackend]
    assert made[1] is mine
    assert build(()) == []
    assert len(build("structlog")) == 1
    assert len(build(["structlog", "structlog", mine, mine])) == 2


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(
        ConfigError,
        match="unknown backend 'datdog': known are datadog, memory, structlog; did you mean 'datadog'",
    ):
        build(["datdog"])


def test_an_object_that_is_no_backend_is_refused():
    class Half:
        def export(self, spans):
            """Takes them."""

    with pytest.raises(ConfigError, match="Half is no backend: it has no flush, shutdown"):
        build([Half()])
    with pytest.raises(ConfigError, match="MemoryBackend is a class"):
        build([MemoryBackend])


@pytest.mark.parametrize("name", ["structlog", "datadog"])
def test_a_missing_package_is_named_with_its_remedy(name, monkeypatch):
    for module in [one for one in sys.modules if one.split(".")[0] == name]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'spanscope\[{name}\]'"):
        build([name])


def test_every_known_name_can_be_made():
    assert len(build(KNOWN)) == len(KNOWN)


# --- memory ---------------------------------------------------------------------------------------


def test_memory_keeps_the_latest_state_of_each_span():
    memory = MemoryBackend(accepts_updates=True)
    memory.export([replace(CALL, status="open"), ROOT])
    memory.export([CALL])
    assert memory.spans == [CALL, ROOT]


def test_memory_is_bounded():
    memory = MemoryBackend(max_spans=2)
    memory.export([replace(CALL, span_id=f"{n:016x}") for n in range(5)])
    assert [one.span_id[-1] for one in memory.spans] == ["3", "4"]


# --- structlog ------------------------------------------------------------------------------------


def lines(*spans):
    file = io.StringIO()
    StructlogBackend(file=file).export(spans)
    return [json.loads(line) for line in file.getvalue().splitlines()]


def test_a_span_is_one_line_of_json_with_its_fields_as_keys():
    (line,) = lines(CALL)
    assert line["event"] == "span"
    assert line["level"] == "info"
    assert line["started_at"] == "2023-11-14T22:13:20+00:00"
    assert (line["duration_ms"], line["cost_usd"], line["streamed"]) == (250.0, 0.0005, False)
    assert (line["trace_id"], line["name"], line["tags"]) == ("a" * 32, "Chat", ["a"])
    assert line["attributes"] == {"metadata": {"team": "search"}, "größe": [1, None]}


def test_what_is_unknown_or_empty_is_left_out():
    (line,) = lines(ROOT)
    assert None not in line.values()
    assert set(line) - {"event", "level", "started_at", "duration_ms"} <= {one.name for one in fields(Span)}
    assert not {"events", "tags", "model", "output_tokens", "inputs"} & set(line)


def test_a_newline_in_a_value_stays_inside_its_line():
    assert len(lines(replace(CALL, name="a\nb"), FAILED)) == 2


def test_an_unforeseen_attribute_is_named_and_not_shown():
    class Odd:
        def __repr__(self):
            return "alice@example.com"

    assert lines(replace(CALL, attributes={"odd": Odd()}))[0]["attributes"] == {"odd": "<Odd>"}


def test_the_default_is_standard_error_since_standard_output_is_the_application_s(capsys):
    StructlogBackend().export([CALL])
    seen = capsys.readouterr()
    assert seen.out == ""
    assert json.loads(seen.err)["event"] == "span"


def test_the_application_s_structlog_configuration_is_neither_used_nor_changed():
    def refuse(logger, method, event):
        raise AssertionError("the application's processor was called")

    before = structlog.get_config()
    structlog.configure(processors=[refuse])
    try:
        assert lines(CALL)[0]["event"] == "span"
        assert structlog.get_config()["processors"] == [refuse]
    finally:
        structlog.configure(**before)


def test_a_logger_of_the_application_s_is_used_as_it_is():
    with structlog.testing.capture_logs() as captured:
        StructlogBackend(structlog.get_logger()).export([CALL])
    assert [(one["event"], one["trace_id"], one["log_level"]) for one in captured] == [
        ("span", "a" * 32, "info")
    ]


# --- datadog --------------------------------------------------------------------------------------


@pytest.fixture
def agent(monkeypatch):
    """A socket where the Datadog agent would listen, and nothing else that speaks of one."""
    for variable in [name for name in os.environ if name.startswith(("DD_", "DATADOG_"))]:
        monkeypatch.delenv(variable)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        yield listening


def port_of(agent):
    return agent.getsockname()[1]


def received(agent, count):
    """The first `count` metrics that arrive, as name → (value, kind, tags)."""
    found = {}
    while len(found) < count:
        for line in agent.recv(65536).decode().splitlines():
            name, value, kind, tags = re.fullmatch(
                r"([^:]+):([^|]+)\|(\w)(?:\|#([^|]*))?(?:\|[ce]:.*)?", line
            ).groups()
            found[name] = (float(value), kind, set(tags.split(",")) if tags else set())
    return found


def test_datagrams_hold_the_points_of_the_catalogue(agent):
    backend = DatadogBackend("127.0.0.1", port_of(agent))
    backend.export([CALL, ROOT])
    metrics = received(agent, 7)
    backend.shutdown()
    call_tags = {"model:gpt-4o-mini", "provider:openai", "span:Chat", "environment:prod"}
    assert metrics == {
        "llm.calls.total": (1.0, "c", call_tags | {"status:ok"}),
        "llm.latency_ms": (250.0, "d", call_tags | {"status:ok"}),
        "llm.tokens.input": (12.0, "c", call_tags),
        "llm.cost_usd": (0.0005, "c", call_tags),
        "trace.total": (1.0, "c", {"span:qa", "status:error"}),
        "trace.errors": (1.0, "c", {"span:qa", "error_type:Timeout"}),
        "trace.duration_ms": (2.0, "d", {"span:qa", "status:error"}),
    }


def test_namespace_and_constant_tags_go_on_every_metric(agent):
    backend = DatadogBackend("127.0.0.1", port_of(agent), namespace="shop", constant_tags=["team:search"])
    backend.export([ROOT])
    metrics = received(agent, 3)
    assert set(metrics) == {"shop.trace.total", "shop.trace.errors", "shop.trace.duration_ms"}
    assert all("team:search" in tags for _, _, tags in metrics.values())


def test_host_and_port_come_from_the_agent_s_variables(agent, monkeypatch):
    monkeypatch.setenv("DD_AGENT_HOST", "127.0.0.1")
    monkeypatch.setenv("DD_DOGSTATSD_PORT", str(port_of(agent)))
    DatadogBackend().export([ROOT])
    assert "trace.total" in received(agent, 3)


def test_lost_spans_are_sent_once(agent):
    health = Health()
    backend = DatadogBackend("127.0.0.1", port_of(agent), health=health)
    health.count("spans_dropped", 3)
    backend.export([])
    assert received(agent, 1) == {"obs.spans.dropped": (3.0, "c", set())}
    health.count("spans_dropped", 2)
    assert backend.flush(1.0)
    assert received(agent, 1)["obs.spans.dropped"][0] == 2.0


def test_late_tag_values_are_other(agent):
    backend = DatadogBackend("127.0.0.1", port_of(agent), max_tag_values=1)
    backend.export([ROOT])
    received(agent, 3)
    backend.export([replace(ROOT, name="another")])
    assert "span:other" in received(agent, 3)["trace.total"][2]


def test_a_name_cannot_forge_a_metric(agent):
    DatadogBackend("127.0.0.1", port_of(agent)).export(
        [replace(ROOT, name="x|#user:alice,admin:1\nfake:1|c")]
    )
    metrics = received(agent, 3)
    assert set(metrics) == {"trace.total", "trace.errors", "trace.duration_ms"}
    assert metrics["trace.total"][2] == {"span:x__user:alice_admin:1_fake:1_c", "status:error"}


def test_a_large_batch_is_sent_in_datagrams_that_fit(agent):
    agent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)
    DatadogBackend("127.0.0.1", port_of(agent)).export([CALL] * 100)
    total, largest = 0, 0
    while total < 400:
        datagram = agent.recv(65536)
        total += len(datagram.splitlines())
        largest = max(largest, len(datagram))
    assert (total, largest <= 1432) == (400, True)


def test_no_thread_of_the_client_runs(agent):
    before = threading.active_count()
    backend = DatadogBackend("127.0.0.1", port_of(agent))
    backend.export([CALL])
    assert threading.active_count() == before


def test_without_an_agent_nothing_breaks(agent):
    port = port_of(agent)
    agent.close()
    backend = DatadogBackend("127.0.0.1", port)
    for _ in range(3):
        backend.export([CALL])
    backend.flush(0.1)
    backend.shutdown()

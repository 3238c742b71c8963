"""The metric points of spans, sent to a Datadog agent over DogStatsD.

UDP is not acknowledged: an agent that is not there costs nothing and is not noticed.  The client's
buffer is opened for the length of one batch and sent at its end, so that no thread of the client runs.

Fed by `pipeline`; what the points are says `metrics`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from spanscope.exceptions import MissingExtra
from spanscope.health import Health
from spanscope.metrics import Point, TagLimiter, dropped, points
from spanscope.spans import Span


class DatadogBackend:
    """Sends the catalogue of `metrics` to DogStatsD.

    Host and port come from `DD_AGENT_HOST` and `DD_DOGSTATSD_PORT` (or `DD_DOGSTATSD_URL`) unless
    given, else it is localhost:8125.  `namespace` goes before every name; `constant_tags` are strings
    such as `"team:search"`.  With `health`, lost spans are sent as `obs.spans.dropped`.
    """

    def __init__(
        self,
        host: str | None = None,
        port: int | None = None,
        *,
        namespace: str | None = None,
        constant_tags: Iterable[str] = (),
        max_tag_values: int = 200,
        health: Health | None = None,
    ) -> None:
        try:
            from datadog.dogstatsd.base import DogStatsd
        except ImportError:
            raise MissingExtra("the datadog backend", "datadog") from None
        self._client: Any = DogStatsd(
            host=host,
            port=port,
            namespace=namespace,
            constant_tags=list(constant_tags),
            disable_telemetry=True,  # metrics about the client itself, which nobody asked for
            disable_buffering=True,  # else a thread of the client's would send the buffer
        )
        self._limiter = TagLimiter(max_values=max_tag_values)
        self._health = health
        self._dropped_sent = 0
        self._sent = True
        """Whether the socket took the last batch."""

    def export(self, spans: Sequence[Span]) -> None:
        self._send([point for span in spans for point in points(span)] + self._lost())

    def flush(self, timeout_s: float) -> bool:
        """True when the socket took everything; whether an agent listens, UDP does not say."""
        self._send(self._lost())
        return self._sent

    def shutdown(self) -> None:
        self._send(self._lost())
        self._client.close_socket()

    def _lost(self) -> list[Point]:
        if self._health is None:
            return []
        lost = self._health.counters["spans_dropped"] - self._dropped_sent
        self._dropped_sent += lost
        return [dropped(lost)] if lost > 0 else []

    def _send(self, batch: Sequence[Point]) -> None:
        if not batch:
            return
        client = self._client
        send = {"count": client.increment, "gauge": client.gauge, "distribution": client.distribution}
        client.open_buffer()
        try:
            for point in map(self._limiter.limit, batch):
                send[point.kind](
                    point.name, point.value, tags=[f"{tag}:{value}" for tag, value in point.tags]
                )
            # Newer clients say whether the socket took it, older ones return None.
            self._sent = client.flush() is not False
        finally:
            client.close_buffer()

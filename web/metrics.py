"""What Prometheus is told, under `/metrics`."""

import asyncio
import threading

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from voice import session_events as told
from voice.session_events import SessionEvent
from web.media.interface import MediaStatistics

_LATENCY_BUCKETS_S = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counts of one server; nothing global, so that servers can live side by side."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, documentation: str, *labels: str) -> Counter:
            return Counter(f"parley_{name}", documentation, labels, registry=self.registry)

        self.sessions = Gauge(
            "parley_sessions", "Open sessions", ["transport"], registry=self.registry
        )
        self.opened = counter("sessions_opened", "Sessions opened so far", "transport")
        self.refused = counter("requests_refused", "Requests refused", "code")
        self.errors = counter("client_errors", "Error events sent to clients", "code")
        self.responses = counter("responses", "Responses by how they ended", "status")
        self.tokens = counter("tokens", "Decoder positions", "kind")
        self.packets = counter("media_packets", "Audio packets of calls that ended", "kind")
        self.concealed = counter("media_concealed_seconds", "Audio lost and filled in")
        self.loop_lag = Gauge(
            "parley_event_loop_lag_seconds",
            "How late the event loop last was",
            registry=self.registry,
        )
        self._threads = Gauge("parley_threads", "Python threads", registry=self.registry)
        self._tasks = Gauge(
            "parley_event_loop_tasks", "Tasks of the event loop", registry=self.registry
        )
        ProcessCollector(registry=self.registry)  # memory, open files, CPU; on Linux alone
        self.latency = Histogram(
            "parley_turn_latency_seconds",
            "From the user's last voiced sample, on the clock of the samples heard",
            ["stage"],
            buckets=_LATENCY_BUCKETS_S,
            registry=self.registry,
        )

    def observe(self, event: SessionEvent) -> None:
        """Counts what a session tells."""
        match event:
            case told.LatencyMeasured():
                stages = {
                    "endpoint": event.endpoint_ms,
                    "first_token": event.first_token_ms,
                    "first_audio": event.first_audio_ms,
                    "heard": event.heard_ms,
                }
                for stage, milliseconds in stages.items():
                    if milliseconds is not None:
                        self.latency.labels(stage).observe(milliseconds / 1000)
            case told.ResponseDone(response=response):
                self.responses.labels(response.status).inc()
                if response.usage is not None:
                    self.tokens.labels("input").inc(response.usage.input_tokens)
                    self.tokens.labels("cached").inc(response.usage.cached_tokens)
                    self.tokens.labels("output").inc(response.usage.output_tokens)

    def observe_call(self, statistics: MediaStatistics) -> None:
        """Counts what a call that has ended has carried."""
        self.packets.labels("received").inc(statistics.packets)
        self.packets.labels("late").inc(statistics.late_packets)
        self.packets.labels("sent").inc(statistics.sent_packets)
        self.concealed.inc(statistics.concealed_ms / 1000)

    def exposition(self) -> bytes:
        """The text that Prometheus reads; to be asked for on the event loop."""
        self._threads.set(threading.active_count())
        self._tasks.set(len(asyncio.all_tasks()))
        return generate_latest(self.registry)

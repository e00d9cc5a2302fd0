"""What the engine counts, for Prometheus. Nothing here holds anyone's words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
COVERAGE_BUCKETS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)


class Load(Protocol):
    """How much a batcher has to do."""

    @property
    def waiting(self) -> int:
        """Items in its queue."""

    @property
    def oldest_s(self) -> float:
        """Seconds that the first of them has waited."""

    @property
    def busy_s(self) -> float:
        """Seconds in which it has run batches, since it was made."""


class _Loads(Collector):
    """The load of all batchers at the moment when somebody asks, also in the middle of a long batch."""

    def __init__(self) -> None:
        self.batchers: dict[str, Load] = {}

    def collect(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("deepgif_queue_depth", "Items that wait for a batch.", labels=("batcher",))
        oldest = GaugeMetricFamily(
            "deepgif_queue_oldest_seconds", "How long the first of those that wait has waited.", labels=("batcher",)
        )
        busy = CounterMetricFamily(
            "deepgif_busy_seconds", "Time in which batches ran; its rate is the use.", labels=("batcher",)
        )
        for name, load in self.batchers.items():
            depth.add_metric((name,), load.waiting)
            oldest.add_metric((name,), load.oldest_s)
            busy.add_metric((name,), load.busy_s)
        yield from (depth, oldest, busy)


class Metrics:
    """The counters of one engine, in a registry of their own."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "deepgif_http_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "deepgif_http_request_duration_seconds",
            "From a request's arrival to its answer.",
            ("route",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "deepgif_http_requests_in_flight", "Requests that are being answered.", ("route",), registry=self.registry
        )
        self.fits = Counter(
            "deepgif_best_fit", "Searches by how well the best GIF fits.", ("fit",), registry=self.registry
        )
        self.batch_size = Histogram(
            "deepgif_batch_size",
            "Items that went through a model at once.",
            ("batcher",),
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "deepgif_queue_seconds",
            "How long each item waited for its batch.",
            ("batcher",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._loads = _Loads()
        self.registry.register(self._loads)
        self.answers = Counter(
            "deepgif_answers", "Searches by how they were answered.", ("origin",), registry=self.registry
        )
        self.coverage = Histogram(
            "deepgif_coverage",
            "The share of the compared GIFs whose pixels had been looked at.",
            buckets=COVERAGE_BUCKETS,
            registry=self.registry,
        )
        self.calls = Gauge(
            "deepgif_provider_calls_last_hour",
            "Calls to a provider in the last 60 minutes.",
            ("provider",),
            registry=self.registry,
        )
        self.unreadable = Gauge(
            "deepgif_unreadable_files", "Files that were refused or damaged.", registry=self.registry
        )

    def gauge(self, name: str, help_text: str, value: Callable[[], float]) -> None:
        """Adds a gauge that is read when somebody asks."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def on_batch(self, batcher: str) -> Callable[[Sequence[float]], None]:
        """What a batcher of this name reports its batches to."""
        size, waited = self.batch_size.labels(batcher), self.queue_seconds.labels(batcher)

        def observe(waited_s: Sequence[float]) -> None:
            size.observe(len(waited_s))
            for one in waited_s:
                waited.observe(one)

        return observe

    def watch(self, batcher: str, load: Load) -> None:
        """Shows the load of a batcher of this name from now on."""
        self._loads.batchers[batcher] = load

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)

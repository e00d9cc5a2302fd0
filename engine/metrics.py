"""The engine's Prometheus metrics. They contain no queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from deepgif.engine.ingest.batcher import MicroBatcher

LATENCY_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0)
COVERAGE_BUCKETS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)


class _WorkerLoads(Collector):
    """The load of the batchers, read at each scrape, also in the middle of a long batch."""

    def __init__(self) -> None:
        self.batchers: dict[str, MicroBatcher[Any, Any]] = {}

    def collect(self) -> Iterator[Metric]:
        depth = GaugeMetricFamily("deepgif_queue_depth", "Items waiting for a batch.", labels=("worker",))
        oldest = GaugeMetricFamily("deepgif_queue_oldest_seconds", "Age of the oldest item.", labels=("worker",))
        busy = CounterMetricFamily(
            "deepgif_busy_seconds", "Time spent running batches; its rate is the utilization.", labels=("worker",)
        )
        for name, batcher in self.batchers.items():
            depth.add_metric((name,), batcher.waiting)
            oldest.add_metric((name,), batcher.oldest_s)
            busy.add_metric((name,), batcher.busy_s)
        yield from (depth, oldest, busy)


class Metrics:
    """The metrics of one engine, in their own registry. The label ``worker`` is ``text`` (queries) or ``image``."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "deepgif_http_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self.request_seconds = Histogram(
            "deepgif_http_request_duration_seconds",
            "Time from a request's arrival to its response.",
            ("route",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "deepgif_http_requests_in_flight", "Requests in flight.", ("route",), registry=self.registry
        )
        self.fits = Counter(
            "deepgif_best_fit", "Searches by the fit of the best GIF.", ("fit",), registry=self.registry
        )
        self.batch_size = Histogram(
            "deepgif_batch_size",
            "Items per batch.",
            ("worker",),
            buckets=BATCH_BUCKETS,
            registry=self.registry,
        )
        self.queue_seconds = Histogram(
            "deepgif_queue_seconds",
            "Time that each item waited for its batch.",
            ("worker",),
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )
        self._loads = _WorkerLoads()
        self.registry.register(self._loads)
        self.answers = Counter(
            "deepgif_answers", "Searches by the origin of their answer.", ("origin",), registry=self.registry
        )
        self.coverage = Histogram(
            "deepgif_coverage",
            "Share of the compared GIFs with embedded frames.",
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
        """Adds a gauge that is read at each scrape."""
        Gauge(name, help_text, registry=self.registry).set_function(value)

    def on_batch(self, worker: str) -> Callable[[Sequence[float]], None]:
        """A batcher's ``on_batch`` that records its batches."""
        size, waited = self.batch_size.labels(worker), self.queue_seconds.labels(worker)

        def observe(waited_s: Sequence[float]) -> None:
            size.observe(len(waited_s))
            for one in waited_s:
                waited.observe(one)

        return observe

    def watch(self, worker: str, batcher: MicroBatcher[Any, Any]) -> None:
        """Exposes the batcher's load."""
        self._loads.batchers[worker] = batcher

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)

"""A bot's metrics, for Prometheus. None of them contains a query or a user."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class BotMetrics:
    """The metrics of one bot, in their own registry. ``kind`` is a ``RequestKind``."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.acknowledge_s = self._histogram("acknowledge", "Time to store and acknowledge a request.")
        self.reply_s = self._histogram("reply", "Time to find the reply to a request.")
        self.delivery_s = self._histogram("delivery", "Time to deliver a reply to the chat platform.")
        self.requests = Counter(
            "deepgif_bot_requests",  # the client appends _total
            "Requests by kind and outcome: the kind of reply, or refused, interrupted, expired or failed.",
            ("kind", "outcome"),
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _histogram(self, name: str, description: str) -> Histogram:
        full_name = f"deepgif_bot_{name}_duration_seconds"
        return Histogram(full_name, description, ("kind",), buckets=BUCKETS_S, registry=self._registry)

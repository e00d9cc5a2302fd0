"""What a bot counts, for Prometheus. Nothing here holds anyone's words."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class BotMetrics:
    """The counters of one bot, in a registry of their own."""

    content_type = "text/plain; version=0.0.4; charset=utf-8"

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.acknowledged = self._seconds("deepgif_bot_acknowledge_seconds", "From a request's arrival to its receipt.")
        self.answered = self._seconds("deepgif_bot_answer_seconds", "What finding an answer took.")
        self.posted = self._seconds("deepgif_bot_post_seconds", "What saying the answer took.")
        self.outcomes = Counter(
            "deepgif_bot_outcomes", "Requests by what came of them.", ("kind", "outcome"), registry=self.registry
        )

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)

    def _seconds(self, name: str, help_text: str) -> Histogram:
        return Histogram(name, help_text, ("kind",), buckets=BUCKETS_S, registry=self.registry)

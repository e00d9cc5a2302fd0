"""Metrics in Prometheus's text format."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from deepgif.engine.metrics import Metrics


@dataclass
class Load:
    """In place of a batcher."""

    waiting: int = 0
    oldest_s: float = 0.0
    busy_s: float = 0.0


def samples(metrics):
    families = text_string_to_metric_families(metrics.text().decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_loads_are_read_at_each_scrape():
    """Depth, age and busy time of each batcher at that moment."""
    metrics, text, image = Metrics(), Load(), Load(3, 0.25, 12.5)
    metrics.watch("text", text)
    metrics.watch("image", image)
    assert samples(metrics)["deepgif_queue_depth", "text"] == 0
    text.waiting, text.oldest_s, text.busy_s = 7, 1.5, 2.0
    read = samples(metrics)
    assert [read[f"deepgif_{name}", "text"] for name in ("queue_depth", "queue_oldest_seconds")] == [7, 1.5]
    assert read["deepgif_busy_seconds_total", "text"] == 2
    assert [read[f"deepgif_{name}", "image"] for name in ("queue_depth", "queue_oldest_seconds")] == [3, 0.25]
    assert read["deepgif_busy_seconds_total", "image"] == 12.5


def test_batches():
    """Sizes are counted by batch, waits by item."""
    metrics = Metrics()
    observe = metrics.on_batch("text")
    observe([0.3, 0.2, 0.001])
    observe([0.7])
    read = samples(metrics)
    assert read["deepgif_batch_size_count", "text"] == 2
    assert read["deepgif_batch_size_sum", "text"] == 4
    assert read["deepgif_queue_seconds_count", "text"] == 4
    assert read["deepgif_queue_seconds_bucket", "0.5", "text"] == 3

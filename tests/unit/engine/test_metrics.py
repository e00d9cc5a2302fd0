"""What is counted, in Prometheus's own words."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from deepgif.engine.metrics import Metrics


@dataclass
class Load:
    """The load of a batcher, as it is set."""

    waiting: int = 0
    oldest_s: float = 0.0
    busy_s: float = 0.0


def samples(metrics):
    families = text_string_to_metric_families(metrics.text().decode())
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_loads_are_read_when_somebody_asks():
    """Depth, age and work of each batcher as they are at that moment."""
    metrics, queries, clips = Metrics(), Load(), Load(3, 0.25, 12.5)
    metrics.watch("queries", queries)
    metrics.watch("clips", clips)
    assert samples(metrics)["deepgif_queue_depth", "queries"] == 0
    queries.waiting, queries.oldest_s, queries.busy_s = 7, 1.5, 2.0
    read = samples(metrics)
    assert [read[f"deepgif_{name}", "queries"] for name in ("queue_depth", "queue_oldest_seconds")] == [7, 1.5]
    assert read["deepgif_busy_seconds_total", "queries"] == 2
    assert [read[f"deepgif_{name}", "clips"] for name in ("queue_depth", "queue_oldest_seconds")] == [3, 0.25]
    assert read["deepgif_busy_seconds_total", "clips"] == 12.5


def test_batches():
    """Sizes are counted by batch, waits by item."""
    metrics = Metrics()
    observe = metrics.on_batch("queries")
    observe([0.3, 0.2, 0.001])
    observe([0.7])
    read = samples(metrics)
    assert read["deepgif_batch_size_count", "queries"] == 2
    assert read["deepgif_batch_size_sum", "queries"] == 4
    assert read["deepgif_queue_seconds_count", "queries"] == 4
    assert read["deepgif_queue_seconds_bucket", "queries", "0.5"] == 3

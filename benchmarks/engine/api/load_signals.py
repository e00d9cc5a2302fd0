"""``python -m benchmarks.engine.api.load_signals``: an engine's load metrics (worker utilisation, queue latency) beside
the latency that clients see, at rising load. Queries arrive as a Poisson process (open loop), at fractions of the
throughput of closed-loop clients."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.engine.api.serve import start, stop, wait_until
from benchmarks.measure import machine, percentile, queries

SHARES = (0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9)
CLIENTS = 32
SECONDS = 12.0
WORKER = "text"


async def signals(http: aiohttp.ClientSession, origin: str) -> dict[str, float]:
    """The engine's metrics of its query batcher."""
    async with http.get(f"{origin}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
    mine = (one for family in families for one in family.samples if one.labels.get("worker") == WORKER)
    return {one.name + (f" {one.labels['le']}" if "le" in one.labels else ""): one.value for one in mine}


def quantile(share: float, grown: dict[str, float]) -> float:
    """A quantile of the queue latency in seconds, computed like Prometheus's ``histogram_quantile``."""
    name = "deepgif_queue_seconds_bucket "
    buckets = [(float(key.removeprefix(name)), value) for key, value in grown.items() if key.startswith(name)]
    wanted, lower, below = share * grown["deepgif_queue_seconds_count"], 0.0, 0.0
    for upper, count in sorted(buckets):
        if count >= wanted:
            return lower if upper == float("inf") else lower + (upper - lower) * (wanted - below) / (count - below)
        lower, below = upper, count
    return lower


async def ask(http: aiohttp.ClientSession, origin: str, query: str) -> float:
    """One search's latency in seconds."""
    started = time.perf_counter()
    async with http.get(f"{origin}/v1/search", params={"q": query}) as response:
        await response.read()
        assert response.status == 200, response.status
    return time.perf_counter() - started


async def most(http: aiohttp.ClientSession, origin: str, words: Iterator[str]) -> float:
    """Throughput of closed-loop clients, in searches per second."""
    began, answered = time.perf_counter(), 0

    async def client() -> None:
        nonlocal answered
        while time.perf_counter() < began + SECONDS:
            await ask(http, origin, next(words))
            answered += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return answered / (time.perf_counter() - began)


async def load(http: aiohttp.ClientSession, origin: str, share: float, rate: float, words: Iterator[str]) -> None:
    """Measures and prints one load."""
    before, began = await signals(http, origin), time.perf_counter()
    rng, asked = random.Random(0), []
    due = began
    while (due := due + rng.expovariate(rate)) < began + SECONDS:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        asked.append(asyncio.create_task(ask(http, origin, next(words))))
    after, took_s = await signals(http, origin), time.perf_counter() - began
    latencies = await asyncio.gather(*asked)
    grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
    size = grown["deepgif_batch_size_sum"] / grown["deepgif_batch_size_count"]
    use = grown["deepgif_busy_seconds_total"] / took_s
    p50, p95 = (1000 * percentile(latencies, percent) for percent in (50, 95))
    print(
        f"{share:.2f} of the maximum: utilisation {use:.2f}, {size:4.1f} queries per batch, "
        f"queue p95 {1000 * quantile(0.95, grown):6.1f} ms; latency p50 {p50:6.1f} ms, p95 {p95:6.1f} ms",
        flush=True,
    )


async def run(data_dir: Path) -> None:
    process, origin = await start(data_dir)
    words = cycle(queries())
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await wait_until(http, origin, complete=True)
        rate = await most(http, origin, words)
        print(f"{CLIENTS} clients: {rate:.0f} searches per second", flush=True)
        for share in SHARES:
            await load(http, origin, share, share * rate, words)
    await stop(process)


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder)))


if __name__ == "__main__":
    main()

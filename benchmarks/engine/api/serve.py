"""``python -m benchmarks.engine.api.serve``: the engine's process with the bundled GIFs: start-up time and peak memory,
then search latency and throughput over HTTP with 1, 8 and 64 clients, compared with the bare search loop."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import aiohttp

from benchmarks.measure import machine, percentile, queries
from deepgif.engine.engine import open_engine
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions
from deepgif.engine.search.fallback import POOL
from deepgif.engine.search.ranking_model import load_ranking
from deepgif.engine.search.retrieval import RetrievalQuery, Retriever, Similarity
from deepgif.engine.types import Rating
from deepgif.models.bundles.load import bundle_folder, load_bundle

REQUESTS = {1: 300, 8: 1200, 64: 2400}
BARE = 300


async def start(data_dir: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deepgif.cli",
        "serve",
        "--port",
        "0",
        env={**os.environ, "DEEPGIF_DATA_DIR": str(data_dir), "DEEPGIF_LOG_LEVEL": "warning"},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    while line := (await process.stderr.readline()).decode():
        if found := re.search(r"(http://[\w.:]+)/", line):
            return process, found[1]
    raise SystemExit("The engine did not start.")


async def stop(process: asyncio.subprocess.Process) -> int:
    """Stops it and returns its peak memory in bytes (0 if the system doesn't report it)."""
    status = Path(f"/proc/{process.pid}/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    process.terminate()
    await process.communicate()
    return 1024 * int(found[1]) if found else 0


async def wait_until(http: aiohttp.ClientSession, origin: str, *, complete: bool) -> None:
    """Waits until it answers searches; with ``complete``, until all GIFs are indexed."""
    while True:
        async with http.get(f"{origin}/readyz") as response:
            if response.status == 200:
                body = json.loads(await response.text())
                if not complete or body["embedded"] == body["total"] > 0:
                    return
        await asyncio.sleep(0.02)


async def start_up(data_dir: Path) -> None:
    for name in ("first start, nothing indexed", "later start, all indexed"):
        started = time.perf_counter()
        process, origin = await start(data_dir)
        async with aiohttp.ClientSession() as http:
            listening = time.perf_counter() - started
            await wait_until(http, origin, complete=False)
            ready = time.perf_counter() - started
            await wait_until(http, origin, complete=True)
            complete = time.perf_counter() - started
        peak = await stop(process)
        print(f"{name}: listens after {listening:.1f} s, ready {ready:.1f} s, all GIFs {complete:.1f} s, ", end="")
        print(f"peak memory {peak / 2**20:.0f} MiB", flush=True)


async def load(http: aiohttp.ClientSession, origin: str, clients: int, words: list[str]) -> tuple[list[float], float]:
    """Latencies of all requests and the total time, in seconds."""
    work = iter(islice(cycle(words), REQUESTS[clients]))
    latencies: list[float] = []

    async def client() -> None:
        for query in work:
            started = time.perf_counter()
            async with http.get(f"{origin}/v1/search", params={"q": query}) as response:
                await response.read()
                assert response.status == 200
            latencies.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return latencies, time.perf_counter() - started


def bare_loop(data_dir: Path, words: list[str]) -> float:
    """Searches per second of encoder and index alone, serially, without service or HTTP."""

    async def searches() -> float:
        options = EngineOptions(bundle_folder("small"), data_dir)
        async with open_engine(options, Metrics()) as engine:
            encoder = load_bundle(options.bundle)
            ranking, bank = load_ranking(options.bundle, encoder.space)
            similarity = Similarity(bank, ranking.hubness)
            retriever = Retriever(encoder, engine.search.collection, ranking, similarity)
            retriever.search_batch([RetrievalQuery("warm up", POOL, Rating.R)])
            started = time.perf_counter()
            for query in words[:BARE]:
                retriever.search_batch([RetrievalQuery(query, POOL, Rating.R)])
            return BARE / (time.perf_counter() - started)

    return asyncio.run(searches())


async def over_http(data_dir: Path, words: list[str], bare: float) -> None:
    process, origin = await start(data_dir)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await wait_until(http, origin, complete=True)
        for clients in REQUESTS:
            await load(http, origin, clients, words[:50])
            latencies, took_s = await load(http, origin, clients, words)
            p50, p99 = (1000 * percentile(latencies, percent) for percent in (50, 99))
            rate = len(latencies) / took_s
            print(
                f"{clients:>2} clients: p50 {p50:6.1f} ms, p99 {p99:6.1f} ms, {rate:6.1f} searches per second, "
                f"{rate / bare:.2f} of the bare loop's {bare:.1f}",
                flush=True,
            )
    await stop(process)


def main() -> None:
    print(machine())
    words = queries()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        asyncio.run(start_up(data_dir))
        asyncio.run(over_http(data_dir, words, bare_loop(data_dir, words)))


if __name__ == "__main__":
    main()

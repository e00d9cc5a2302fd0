"""One engine under load, compared with its simulation (for ``benchmarks.engine.cluster.capacity``)."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import aiohttp
import numpy as np

from benchmarks.engine.api.load_signals import ask, signals
from benchmarks.engine.api.serve import start, stop, wait_until
from benchmarks.engine.cluster.queueing import Costs, Load, simulate
from benchmarks.engine.search.fits import fit_line
from benchmarks.measure import percentile, queries

CALIBRATED_BY = (1, 4, 16, 64)  # closed-loop clients
SHARES = (0.3, 0.5, 0.7)  # of the highest closed-loop rate, for random arrivals


@dataclass(frozen=True, slots=True)
class Observed:
    """One load: the latency of each response, responses per second, CPU seconds per query of the client and of the
    engine, queries per batch, and seconds per batch."""

    took: Sequence[float]
    rate: float
    client_s: float
    engine_s: float
    size: float
    batch_s: float

    @property
    def mean_s(self) -> float:
        """The mean latency."""
        return float(np.mean(self.took))


class Engine:
    """An engine under load. Each load is measured ``rounds`` times for ``seconds``; the fastest round counts, since
    other processes may use the same cores."""

    def __init__(self, http: aiohttp.ClientSession, origin: str, pid: int, rounds: int, seconds: float) -> None:
        self._http = http
        self._origin = origin
        self._pid = pid
        self._rounds = rounds
        self._seconds = seconds
        self._words = cycle(queries())

    async def clients(self, count: int) -> Observed:
        """``count`` closed-loop clients."""
        return min([await self._seen(count=count) for _ in range(self._rounds)], key=lambda seen: seen.mean_s)

    async def at_random(self, rate: float) -> Observed:
        """Poisson arrivals at ``rate`` per second, whether or not earlier requests have finished."""
        return min([await self._seen(rate=rate) for _ in range(self._rounds)], key=lambda seen: seen.mean_s)

    async def _seen(self, count: int = 0, rate: float = 0.0) -> Observed:
        before, took = await signals(self._http, self._origin), list[float]()
        ours, theirs, began = time.process_time(), _processor_s(self._pid), time.perf_counter()
        if count:
            await asyncio.gather(*(self._client(began, took) for _ in range(count)))
        else:
            took += await asyncio.gather(*[task async for task in self._moments(began, rate)])
        took_s = time.perf_counter() - began
        ours, theirs = time.process_time() - ours, _processor_s(self._pid) - theirs
        after = await signals(self._http, self._origin)
        grown = {name: value - before.get(name, 0.0) for name, value in after.items()}
        batches = grown["deepgif_batch_size_count"]
        return Observed(
            took,
            len(took) / took_s,
            ours / len(took),
            theirs / len(took),
            grown["deepgif_batch_size_sum"] / batches,
            grown["deepgif_busy_seconds_total"] / batches,
        )

    async def _client(self, began: float, took: list[float]) -> None:
        while time.perf_counter() < began + self._seconds:
            took.append(await ask(self._http, self._origin, next(self._words)))

    async def _moments(self, began: float, rate: float) -> AsyncIterator[asyncio.Task[float]]:
        rng, due = random.Random(0), began
        while (due := due + rng.expovariate(rate)) < began + self._seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            yield asyncio.create_task(ask(self._http, self._origin, next(self._words)))


def _processor_s(pid: int) -> float:
    """CPU seconds of a process (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fitted(closed: Sequence[Observed]) -> Costs:
    """The costs fitted to closed-loop loads, the first with a single client. The engine's CPU time is linear in batches
    and queries; the event loop's share per query is the single client's latency less the batch and the client."""
    batch_s, each_s = fit_line([seen.size for seen in closed], [seen.size * seen.engine_s for seen in closed])
    first = closed[0]
    loop_s = min(each_s, max(0.0, float(np.median(first.took)) - first.batch_s - first.client_s))
    quartiles = np.percentile(first.took, (25, 75))
    spread = float((quartiles[1] - quartiles[0]) / 1.349 / np.median(first.took))  # as of a normal distribution
    return Costs(loop_s, batch_s, each_s - loop_s, spread=spread)


async def check(data_dir: Path, rounds: int, seconds: float) -> Iterator[str]:
    """Lines of Markdown: measured and simulated latencies, and the fitted costs."""
    process, origin = await start(data_dir)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        await wait_until(http, origin, complete=True)
        engine = Engine(http, origin, process.pid, rounds, seconds)
        await engine.clients(8)
        closed = [await engine.clients(count) for count in CALIBRATED_BY]
        most = max(seen.rate for seen in closed)
        at_random = [await engine.at_random(share * most) for share in SHARES]
    await stop(process)
    costs, client_s = fitted(closed), closed[0].client_s
    processor = ", ".join(f"{1000 * seen.engine_s:.2f}" for seen in closed)
    lines = [
        f"A batch takes {1000 * costs.batch_s:.2f} ms, and {1000 * costs.query_s:.2f} ms for each query;",
        f"the event loop {1000 * costs.loop_s:.2f} ms; spread {costs.spread:.2f}; the client {1000 * client_s:.2f} ms.",
        f"CPU time of the engine per query, for {CALIBRATED_BY} clients: {processor} ms.",
        "",
        "| | queries per second | simulated | p50 | simulated | p95 | simulated | queries per batch |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for count, seen in zip(CALIBRATED_BY, closed, strict=True):
        simulated = simulate(costs, Load(clients=count, client_s=client_s))
        lines.append(_line(f"{count} clients, fitted", seen, count / float(simulated.mean()), simulated))
    for share, seen in zip(SHARES, at_random, strict=True):
        simulated = simulate(costs, Load(rate=share * most, client_s=client_s))
        lines.append(_line(f"at random, {share:.0%} of the highest rate", seen, share * most, simulated))
    return iter(lines)


def _line(name: str, seen: Observed, rate: float, simulated: np.ndarray) -> str:
    cells = [name, f"{seen.rate:.0f}", f"{rate:.0f}"]
    for percent in (50, 95):
        cells += [f"{1000 * percentile(some, percent):.1f} ms" for some in (seen.took, simulated.tolist())]
    return "| " + " | ".join([*cells, f"{seen.size:.1f}"]) + " |"

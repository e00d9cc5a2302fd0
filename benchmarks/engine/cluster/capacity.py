"""``python -m benchmarks.engine.cluster.capacity index|check|plan``: the machines needed for a number of GIFs and
queries.

``index`` measures the compact index at several sizes, ``check`` compares one engine under load with its simulation on
the same machine, and ``plan`` computes machines, memory and cost from such measurements. What was not measured is an
option of ``plan``, whose help says so.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import faiss
import numpy as np
import torch
import typer

from benchmarks.engine.cluster import observed
from benchmarks.engine.cluster.planning import COSTS, Assumptions, table
from benchmarks.engine.search.fits import Point, fit_index
from benchmarks.measure import machine
from deepgif.engine.index.compact import CompactIndex
from deepgif.engine.search.fallback import POOL
from deepgif.engine.types import GifKey, Rating

app = typer.Typer(help=__doc__, add_completion=False)
DIMENSION = 1024
SIZES = [50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000]
SIZES_PLANNED = [1_000_000, 10_000_000, 100_000_000]
RATES = [10.0, 100.0, 1000.0, 10_000.0]
AT_ONCE = (1, 8, 64)
ROUNDS = 15
CHUNK = 10_000


@app.command()
def index(sizes: Annotated[list[int] | None, typer.Argument(help="GIFs, in ascending order.")] = None) -> None:
    """The fewest CPU milliseconds of a search in the compact index, for several sizes, and a fit to them.

    The vectors are random: the number of comparisons depends only on the number of vectors.
    """
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    print(f"{machine()}; {DIMENSION}-d vectors")
    rng, held, points = np.random.default_rng(0), CompactIndex(DIMENSION), list[Point]()
    asked = _unit(rng, max(AT_ONCE))
    for size in sizes or SIZES:
        while len(held) < size:
            count = min(CHUNK, size - len(held))
            keys = [GifKey("p", str(len(held) + row)) for row in range(count)]
            held.add(keys, _unit(rng, count), [Rating.G] * count)
        for count in AT_ONCE:
            seconds = []
            for _ in range(ROUNDS):
                started = time.thread_time()
                held.search(asked[:count], POOL, Rating.PG_13)
                seconds.append(time.thread_time() - started)
            points.append(Point(size, count, 1000 * min(seconds)))
            print(f"    Point({size:_}, {count}, {points[-1].ms:.2f}),", flush=True)
    fit = fit_index(points)
    print(f"weights {fit.weights}, at most {100 * fit.error(points):.0f} % off")


def _unit(rng: np.random.Generator, count: int) -> np.ndarray:
    rows = rng.standard_normal((count, DIMENSION), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@app.command()
def check(
    rounds: Annotated[int, typer.Option(help="Measurements of each load; the fastest counts.")] = 4,
    seconds: Annotated[float, typer.Option(help="Seconds per measurement.")] = 3.0,
) -> None:
    """Compare an engine with the shipped GIFs under load with its simulation.

    The costs are fitted to closed-loop clients; the queries at random times are held out of the fit. Everything runs on
    one thread, so that a batch uses one core.
    """
    os.environ |= {"DEEPGIF_THREADS": "1", "OMP_NUM_THREADS": "1"}
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for line in asyncio.run(observed.check(Path(folder), rounds, seconds)):
            print(line)


def _share(text: str) -> Any:
    return typer.Option(min=0.0, max=1.0, help=text)


@app.command("plan")
def make_plan(
    gifs: Annotated[list[int], typer.Option(help="Indexed GIFs; repeatable.")] = SIZES_PLANNED,
    qps: Annotated[list[float], typer.Option(help="Queries per second; repeatable.")] = RATES,
    goal: Annotated[float, typer.Option(help="Target p95 latency in seconds.")] = 1.0,
    use: Annotated[float, _share("Largest mean CPU utilisation of an engine.")] = 0.7,
    known: Annotated[float, _share("Share of queries answered without a provider.")] = 0.45,
    different: Annotated[int, typer.Option(help="Distinct queries.")] = 1_000_000,
    exponent: Annotated[float, typer.Option(help="Zipf exponent of their frequencies.")] = 0.9,
    new: Annotated[float, typer.Option(help="Largest number of new GIFs per provider search.")] = 5.0,
    keep_days: Annotated[float, typer.Option(help="DEEPGIF_PROVIDER_CACHE_TTL_DAYS.")] = 30.0,
    provider_ms: Annotated[float, typer.Option(help="Mean time of a provider search with its downloads.")] = 200.0,
    machine_gib: Annotated[float, typer.Option(help="Memory of an engine's two-core machine.")] = 64.0,
    redis_node_gib: Annotated[float, typer.Option(help="Memory of a Redis node.")] = 64.0,
    qdrant_node_gib: Annotated[float, typer.Option(help="Memory of a Qdrant node with 8 vCPUs.")] = 64.0,
    qdrant_ms: Annotated[float, typer.Option(help="Latency of a Qdrant search; not measured.")] = 10.0,
    qdrant_node_qps: Annotated[float, typer.Option(help="Searches per second of a Qdrant node; not measured.")] = 500.0,
    vcpu_hour: Annotated[float, typer.Option(help="Price of a vCPU hour.")] = 0.035,
    gib_hour: Annotated[float, typer.Option(help="Price of a GiB hour of memory.")] = 0.0045,
) -> None:
    """Print engines, memory and cost as a Markdown table."""
    given = Assumptions(
        COSTS,
        goal_s=goal,
        use=use,
        known=known,
        different=different,
        exponent=exponent,
        new=new,
        keep_days=keep_days,
        provider_s=provider_ms / 1000,
        machine_gib=machine_gib,
        redis_node_gib=redis_node_gib,
        qdrant_node_gib=qdrant_node_gib,
        qdrant_s=qdrant_ms / 1000,
        qdrant_node_qps=qdrant_node_qps,
        vcpu_hour=vcpu_hour,
        gib_hour=gib_hour,
    )
    for name, value in asdict(given).items():
        print(f"{name}: {value}")
    for line in table(gifs, qps, given):
        print(line, flush=True)


if __name__ == "__main__":
    app()

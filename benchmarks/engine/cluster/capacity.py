"""``python -m benchmarks.engine.cluster.capacity index|check|plan``: how many machines so many GIFs and queries need.

``index`` measures the compact index at several sizes, ``check`` one engine under load beside its simulation, on the
same machine in the same minutes; ``plan`` goes from such figures to machines, memory and cost. What was not measured is
an option of ``plan``, and its help says so.
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
def index(sizes: Annotated[list[int] | None, typer.Argument(help="How many GIFs, fewest first.")] = None) -> None:
    """Milliseconds of one core for a search of the compact index, the fewest of several, and the fit to them.

    The vectors are random: what is compared depends on how many there are, not on what they show.
    """
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    print(f"{machine()}; vectors of {DIMENSION} numbers")
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
    rounds: Annotated[int, typer.Option(help="How often each load is measured; the quietest counts.")] = 4,
    seconds: Annotated[float, typer.Option(help="For how long each time.")] = 3.0,
) -> None:
    """An engine with the shipped GIFs under load, beside the simulation.

    Its costs are fitted to clients who each wait for their answer; queries at random moments were not seen by the fit.
    Everything runs on one thread, so that a batch takes what it needs of one core.
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
    gifs: Annotated[list[int], typer.Option(help="How many GIFs are known; several may be given.")] = SIZES_PLANNED,
    qps: Annotated[list[float], typer.Option(help="Queries a second; several may be given.")] = RATES,
    goal: Annotated[float, typer.Option(help="Seconds that 95 of 100 answers may take.")] = 1.0,
    use: Annotated[float, _share("Share of an engine's cores that may be busy on average.")] = 0.7,
    known: Annotated[float, _share("Share of queries that are answered without a provider.")] = 0.45,
    different: Annotated[int, typer.Option(help="How many different queries people have.")] = 1_000_000,
    exponent: Annotated[float, typer.Option(help="Of their frequencies (Zipf).")] = 0.9,
    new: Annotated[float, typer.Option(help="Unknown GIFs that a search at a provider finds, at most.")] = 5.0,
    keep_days: Annotated[float, typer.Option(help="DEEPGIF_PROVIDER_CACHE_TTL_DAYS.")] = 30.0,
    provider_ms: Annotated[float, typer.Option(help="A search at a provider with its downloads, on average.")] = 200.0,
    machine_gib: Annotated[float, typer.Option(help="Memory of an engine's machine, which has two cores.")] = 64.0,
    redis_node_gib: Annotated[float, typer.Option(help="What one Redis node may hold.")] = 64.0,
    qdrant_node_gib: Annotated[float, typer.Option(help="What one Qdrant node of 8 vCPUs may hold.")] = 64.0,
    qdrant_ms: Annotated[float, typer.Option(help="One search of Qdrant; not measured.")] = 10.0,
    qdrant_node_qps: Annotated[float, typer.Option(help="Searches a second of a Qdrant node; not measured.")] = 500.0,
    vcpu_hour: Annotated[float, typer.Option(help="Price of a vCPU for an hour.")] = 0.035,
    gib_hour: Annotated[float, typer.Option(help="Price of a GiB of memory for an hour.")] = 0.0045,
) -> None:
    """Engines, memory and cost for so many GIFs and queries, as a table in Markdown."""
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

"""``python -m benchmarks.engine.index.index DATA [SIZE ...]``: searches in memory over real vectors, words to pictures.

Each way of holding GIFs is filled with the same vectors (``benchmarks.engine.index.vectors``) and asked the same
queries, one and 64 at once, in turns; recall is that of the ten nearest of a full comparison. Ours are ``exact`` and
``compact``; the others are faiss's flat index (float32 and half precision), its RaBitQ (signs, then half precision)
and usearch's HNSW graph (``pip install usearch``; left out where it is missing, or beyond ``GRAPH_UP_TO``). ``DATA``
holds ``flickr8k``.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import faiss
import numpy as np
import torch
import typer

from benchmarks.engine.index.vectors import Vectors, filled, real_vectors
from benchmarks.measure import alternate, machine
from deepgif.engine.index.compact import COMPARED, COMPARED_BY_ROOT, CompactIndex
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.protocols import Index
from deepgif.engine.types import GifKey, Rating

SIZES = [100_000, 1_000_000]
GRAPH_UP_TO = 100_000  # building it takes minutes
ROUNDS = {1: 15, 64: 5}  # of queries at once
NEAREST = 10
K = 50  # what a search asks for
ASKED = 512  # queries that recall is measured with


@dataclass
class Way:
    """One way of holding and searching: rows (Q, K) of the nearest, and the bytes it holds."""

    name: str
    add: Callable[[Vectors], None]
    search: Callable[[Vectors], np.ndarray]
    held: object = None


def ours(name: str, index: Index) -> Way:
    def add(part: Vectors) -> None:
        start = len(index)
        keys = [GifKey("p", f"{start + row:08}") for row in range(len(part))]
        index.add(keys, part, [Rating.G] * len(part))

    def search(queries: Vectors) -> np.ndarray:
        found = index.search(queries, K, Rating.PG_13)
        return np.array([[int(key.id) for key in hits.keys] for hits in found])

    return Way(name, add, search, index)


def theirs(name: str, index: Any) -> Way:
    return Way(name, index.add, lambda queries: index.search(queries, K)[1])


def rabitq(dimension: int, size: int) -> Way:
    """As faiss's guide has it: rotated, one bit a number, the nearest compared again in half precision."""
    signs = faiss.IndexPreTransform(
        faiss.RandomRotationMatrix(dimension, dimension),
        faiss.IndexRaBitQFastScan(dimension, faiss.METRIC_INNER_PRODUCT),
    )
    flat = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    both = faiss.IndexRefine(signs, flat)
    both.k_factor = max(COMPARED, COMPARED_BY_ROOT * size**0.5) / K  # as many as ours compares

    def add(part: Vectors) -> None:
        if not both.is_trained:
            both.train(part)
        both.add(part)

    return Way("faiss RaBitQ", add, theirs("", both).search, (signs, flat))  # faiss only refers to what it is made of


def graph(dimension: int) -> Way:
    import usearch.index as usearch

    index = usearch.Index(ndim=dimension, metric="ip", dtype="f16")

    def add(part: Vectors) -> None:
        index.add(np.arange(len(index), len(index) + len(part)), part)

    return Way("usearch HNSW, f16", add, lambda queries: index.search(queries, K).keys.reshape(len(queries), K))


def others(dimension: int, size: int) -> Iterator[Callable[[], Way]]:
    half = faiss.ScalarQuantizer.QT_fp16
    yield lambda: ours("compact", CompactIndex(dimension))
    yield lambda: theirs("faiss Flat", faiss.IndexFlatIP(dimension))
    yield lambda: theirs("faiss Flat, f16", faiss.IndexScalarQuantizer(dimension, half, faiss.METRIC_INNER_PRODUCT))
    yield lambda: rabitq(dimension, size)
    if find_spec("usearch") and size <= GRAPH_UP_TO:
        yield lambda: graph(dimension)


def resident() -> int:
    """Bytes of memory that the process has and uses."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def fill(way: Way, real: Vectors, size: int) -> str:
    """Fills it; what that took, of the process's memory and of time."""
    before, seconds = resident(), 0.0
    for part in filled(real, size):
        started = time.perf_counter()
        way.add(part)
        seconds += time.perf_counter() - started
    return f"{(resident() - before) / size:5.0f} bytes a GIF, added in {seconds:6.1f} s"


def spread_error(one: Way, exact: Way, queries: Vectors) -> str:
    """How far mean and standard deviation of the scores are off, at most, in standard deviations."""
    if not isinstance(one.held, CompactIndex) or not isinstance(exact.held, ExactIndex):
        return ""
    both = [index.search(queries, 1, Rating.R) for index in (one.held, exact.held)]
    off = [max(abs(a.mean - b.mean), abs(a.std - b.std)) / b.std for a, b in zip(*both, strict=True)]
    return f", mean and spread within {max(off):.0e} of the spread"


def run(
    data: Annotated[Path, typer.Argument(help="Folder that holds flickr8k.", exists=True)],
    sizes: Annotated[list[int] | None, typer.Argument(help="How many GIFs; 100,000 and a million by default.")] = None,
    kept: Annotated[Path, typer.Option(help="File that the real vectors are kept in.")] = Path("/tmp/deepgif-real.npz"),
) -> None:
    """Searches in memory, side by side."""
    print(machine())
    faiss.omp_set_num_threads(torch.get_num_threads())
    real = real_vectors(data, kept)
    rng = np.random.default_rng(1)
    queries = rng.permutation(real.words)[:ASKED]
    for size in sizes or SIZES:
        exact = ours("exact", ExactIndex(real.pictures.shape[1]))
        print(
            f"\n{size:,} GIFs, {len(real.pictures):,} of them real\nexact: {fill(exact, real.pictures, size)}",
            flush=True,
        )
        true = exact.search(queries)
        for make in others(real.pictures.shape[1], size):
            way = make()
            print(f"{way.name}: {fill(way, real.pictures, size)}", flush=True)
            found = way.search(queries)
            print("   recall " + ", ".join(f"@{k} {100 * recall(found, true, k):.2f} %" for k in (NEAREST, K)), end="")
            print(spread_error(way, exact, queries))
            for count, rounds in ROUNDS.items():
                times = alternate(rounds, partial(exact.search, queries[:count]), partial(way.search, queries[:count]))
                full, other = (1000 * float(np.median(seconds)) for seconds in times)
                print(
                    f"   {count:>2} queries: {other:8.2f} ms, exact {full:8.2f} ms, ratio {other / full:.3f}",
                    flush=True,
                )
            del way
            gc.collect()


def recall(found: np.ndarray, true: np.ndarray, k: int) -> float:
    """The share of the ``k`` nearest that are among the first ``k`` found."""
    return float(np.mean([len(set(a[:k]) & set(b[:k])) / k for a, b in zip(found, true, strict=True)]))


if __name__ == "__main__":
    typer.run(run)

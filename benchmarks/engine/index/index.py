"""``python -m benchmarks.engine.index.index DATA [SIZE ...]``: in-memory indexes over real vectors.

Every index has the same vectors (``benchmarks.engine.index.vectors``) and gets the same queries, one and 64 at a time,
alternating; recall is measured against exact search. DeepGIF's indexes are ``exact`` and ``compact``; the others are
faiss's flat index (float32 and float16), its RaBitQ (signs, then float16)
and usearch's HNSW graph (``pip install usearch``; skipped if it is missing, or above ``GRAPH_UP_TO``). ``DATA``
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
from deepgif.engine.index.compact import RESCORED, RESCORED_BY_ROOT, CompactIndex
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.protocols import Index
from deepgif.engine.types import GifKey, Rating

SIZES = [100_000, 1_000_000]
GRAPH_UP_TO = 100_000  # building it takes minutes
ROUNDS = {1: 15, 64: 5}  # by the queries in one call
NEAREST = 10
K = 50  # of a search
ASKED = 512  # queries for recall


@dataclass
class Candidate:
    """One index; ``search`` returns the rows (Q, K) of the nearest vectors."""

    name: str
    add: Callable[[Vectors], None]
    search: Callable[[Vectors], np.ndarray]
    held: object = None


def ours(name: str, index: Index) -> Candidate:
    def add(part: Vectors) -> None:
        start = len(index)
        keys = [GifKey("p", f"{start + row:08}") for row in range(len(part))]
        index.add(keys, part, [Rating.G] * len(part))

    def search(queries: Vectors) -> np.ndarray:
        found = index.search(queries, K, Rating.PG_13)
        return np.array([[int(key.id) for key in hits.keys] for hits in found])

    return Candidate(name, add, search, index)


def theirs(name: str, index: Any) -> Candidate:
    return Candidate(name, index.add, lambda queries: index.search(queries, K)[1])


def rabitq(dimension: int, size: int) -> Candidate:
    """As in faiss's guide: rotated, one bit per dimension, the nearest rescored in float16."""
    signs = faiss.IndexPreTransform(
        faiss.RandomRotationMatrix(dimension, dimension),
        faiss.IndexRaBitQFastScan(dimension, faiss.METRIC_INNER_PRODUCT),
    )
    flat = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    both = faiss.IndexRefine(signs, flat)
    both.k_factor = max(RESCORED, RESCORED_BY_ROOT * size**0.5) / K  # as many as the compact index rescores

    def add(part: Vectors) -> None:
        if not both.is_trained:
            both.train(part)
        both.add(part)

    return Candidate("faiss RaBitQ", add, theirs("", both).search, (signs, flat))  # faiss does not own its parts


def graph(dimension: int) -> Candidate:
    import usearch.index as usearch

    index = usearch.Index(ndim=dimension, metric="ip", dtype="f16")

    def add(part: Vectors) -> None:
        index.add(np.arange(len(index), len(index) + len(part)), part)

    return Candidate("usearch HNSW, f16", add, lambda queries: index.search(queries, K).keys.reshape(len(queries), K))


def others(dimension: int, size: int) -> Iterator[Callable[[], Candidate]]:
    half = faiss.ScalarQuantizer.QT_fp16
    yield lambda: ours("compact", CompactIndex(dimension))
    yield lambda: theirs("faiss Flat", faiss.IndexFlatIP(dimension))
    yield lambda: theirs("faiss Flat, f16", faiss.IndexScalarQuantizer(dimension, half, faiss.METRIC_INNER_PRODUCT))
    yield lambda: rabitq(dimension, size)
    if find_spec("usearch") and size <= GRAPH_UP_TO:
        yield lambda: graph(dimension)


def resident() -> int:
    """The resident bytes of the process."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def fill(way: Candidate, real: Vectors, size: int) -> str:
    """Fills the index; returns the memory and time that took."""
    before, seconds = resident(), 0.0
    for part in filled(real, size):
        started = time.perf_counter()
        way.add(part)
        seconds += time.perf_counter() - started
    return f"{(resident() - before) / size:5.0f} bytes per GIF, added in {seconds:6.1f} s"


def spread_error(one: Candidate, exact: Candidate, queries: Vectors) -> str:
    """The largest error of the scores' mean and standard deviation, in standard deviations."""
    if not isinstance(one.held, CompactIndex) or not isinstance(exact.held, ExactIndex):
        return ""
    both = [index.search(queries, 1, Rating.R) for index in (one.held, exact.held)]
    off = [max(abs(a.mean - b.mean), abs(a.std - b.std)) / b.std for a, b in zip(*both, strict=True)]
    return f", mean and standard deviation within {max(off):.0e} standard deviations"


def run(
    data: Annotated[Path, typer.Argument(help="Folder that holds flickr8k.", exists=True)],
    sizes: Annotated[list[int] | None, typer.Argument(help="How many GIFs; 100,000 and a million by default.")] = None,
    kept: Annotated[Path, typer.Option(help="Cache file for the real vectors.")] = Path("/tmp/deepgif-real.npz"),
) -> None:
    """Compare in-memory indexes."""
    print(machine())
    faiss.omp_set_num_threads(torch.get_num_threads())
    real = real_vectors(data, kept)
    rng = np.random.default_rng(1)
    queries = rng.permutation(real.queries)[:ASKED]
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
    """The share of the ``k`` nearest that are among the first ``k`` results."""
    return float(np.mean([len(set(a[:k]) & set(b[:k])) / k for a, b in zip(found, true, strict=True)]))


if __name__ == "__main__":
    typer.run(run)

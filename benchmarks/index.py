"""``python -m benchmarks.index [SIZE ...]``: exact search in memory against faiss's IndexFlatIP, same vectors and
threads, one query at a time and 64 at once."""

from __future__ import annotations

import sys

import faiss
import numpy as np
import torch

from benchmarks.measure import alternate, machine
from engine.index import MemoryIndex
from engine.types import GifKey, Rating
from models.device import choose_devices

DIMENSION = 1024
CHUNK = 10_000
SIZES = (10_000, 100_000, 1_000_000)
ROUNDS = 7
K = 20


def unit(rng: np.random.Generator, count: int) -> np.ndarray:
    vectors = rng.standard_normal((count, DIMENSION), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def main() -> None:
    print(machine())
    faiss.omp_set_num_threads(torch.get_num_threads())
    for size in [int(text) for text in sys.argv[1:]] or SIZES:
        rng = np.random.default_rng(0)
        ours, theirs = MemoryIndex(DIMENSION, choose_devices("auto")[0]), faiss.IndexFlatIP(DIMENSION)
        for start in range(0, size, CHUNK):
            part = unit(rng, min(CHUNK, size - start))
            keys = [GifKey("p", f"{start + row:08}") for row in range(len(part))]
            ours.add(keys, part, [Rating.G] * len(part))
            theirs.add(part)
        for count in (1, 64):
            queries = unit(rng, count)
            found = ours.search(queries, K, Rating.R)
            _, rows = theirs.search(queries, K)
            agree = np.mean(
                [[int(key.id) for key in hits.keys] == row.tolist() for hits, row in zip(found, rows, strict=True)]
            )
            times = alternate(
                ROUNDS, lambda q=queries: ours.search(q, K, Rating.R), lambda q=queries: theirs.search(q, K)
            )
            ours_ms, theirs_ms = (1000 * float(np.median(seconds)) for seconds in times)
            print(
                f"{size:>9,} GIFs, {count:>2} queries: {ours_ms:8.2f} ms, faiss Flat {theirs_ms:8.2f} ms, "
                f"ratio {ours_ms / theirs_ms:.2f}, same answers {100 * agree:.0f} %",
                flush=True,
            )


if __name__ == "__main__":
    main()

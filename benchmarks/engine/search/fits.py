"""What was measured of one engine, as functions of the number of GIFs and of the load (for
``benchmarks.engine.cluster.capacity``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
DAY_S = 86_400.0
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Point:
    """One measured search of an index: milliseconds for ``queries`` at once over ``gifs``."""

    gifs: int
    queries: int
    ms: float


@dataclass(frozen=True, slots=True)
class IndexFit:
    """Milliseconds of a search: weights of ``features``, none below 0."""

    weights: tuple[float, ...]

    def ms(self, gifs: float, queries: float = 1.0) -> float:
        """For ``queries`` at once over ``gifs``."""
        return float(np.dot(self.weights, _features(gifs, queries)))

    def error(self, points: Sequence[Point]) -> float:
        """The largest share by which it misses one of the points."""
        return max(abs(self.ms(one.gifs, one.queries) / one.ms - 1) for one in points)


def _features(gifs: float, queries: float) -> list[float]:
    """What a search consists of, once and for each query: something fixed, whole vectors compared (as many as the
    square root of the GIFs), and a look at every GIF."""
    parts = [1.0, math.sqrt(gifs), gifs]
    return parts + [queries * part for part in parts]


def fit_index(points: Sequence[Point]) -> IndexFit:
    """Least squares of the relative errors, with no weight below 0 (Lawson and Hanson, "Solving Least Squares
    Problems", 1974, problem NNLS; here by trying which weights are 0, as there are six only)."""
    rows = np.array([[part / one.ms for part in _features(one.gifs, one.queries)] for one in points])
    scale = rows.max(axis=0)
    best, least = np.zeros(rows.shape[1]), math.inf
    for count in range(1, rows.shape[1] + 1):
        for used in combinations(range(rows.shape[1]), count):
            columns = list(used)
            found = np.linalg.lstsq(rows[:, columns] / scale[columns], np.ones(len(rows)), rcond=None)[0]
            weights = np.zeros(rows.shape[1])
            weights[columns] = found / scale[columns]
            missed = float(((rows @ weights - 1) ** 2).sum())
            if (found >= 0).all() and missed < least - 1e-12:
                best, least = weights, missed
    return IndexFit(tuple(best.tolist()))


def fit_line(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """What a batch takes, and what each of its items adds, neither below 0; least squares of the relative errors."""
    given = np.asarray(seconds, float)
    rows = np.stack([1 / given, np.asarray(sizes, float) / given], axis=1)
    both = np.linalg.lstsq(rows, np.ones(len(given)), rcond=None)[0]
    if (both >= 0).all():
        return float(both[0]), float(both[1])
    alone = [float(column.sum() / (column**2).sum()) for column in rows.T]
    missed = [float(((column * weight - 1) ** 2).sum()) for column, weight in zip(rows.T, alone, strict=True)]
    return (alone[0], 0.0) if missed[0] < missed[1] else (0.0, alone[1])


def remembered(rate: float, kept_s: float, different: int, exponent: float) -> float:
    """The share of queries that were asked no longer than ``kept_s`` ago, where queries come ``rate`` a second and the
    rank of each among ``different`` ones is Zipf's. One that is asked r times a second is remembered for
    ``r kept_s / (1 + r kept_s)`` of its calls (renewal theory: a miss, and what comes while its answer is kept)."""
    shares: Array = np.arange(1, different + 1, dtype=float) ** -exponent
    shares /= shares.sum()
    calls = rate * kept_s * shares
    return float((shares * calls / (1 + calls)).sum())


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that were measured. Redis keeps texts and two vectors of each GIF, and a third one of those whose frames
    were looked at; an index is held for pictures and one for texts."""

    engine_base: float = 605 * 2**20  # an engine without GIFs: README, "later, all embedded"
    index_gif: float = 2851.0  # compact, of a million, 1024 numbers
    redis_gif: float = 2409.0 - 2 * 2 * 384  # beside the two vectors, from 2,409 with 384 numbers
    redis_clip: float = 800.0 - 2 * 384

    def engine(self, gifs: float) -> float:
        """Of an engine that holds everything itself."""
        return self.engine_base + 2 * self.index_gif * gifs

    def redis(self, gifs: float, dimension: int, looked_at: float) -> float:
        """Of all of Redis, where the frames of the share ``looked_at`` were looked at."""
        vector = 2.0 * dimension
        return gifs * (self.redis_gif + 2 * vector + looked_at * (self.redis_clip + vector))


def qdrant_bytes(gifs: float, dimension: int, number_bytes: float = 1.0) -> float:
    """What Qdrant's documentation (Capacity Planning) asks for vectors in memory, 1.5 times their numbers, for pictures
    and texts; with scalar quantization a number is one byte there, and the rest is on the disk. Not measured."""
    return 2 * 1.5 * number_bytes * dimension * gifs

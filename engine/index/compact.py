"""Search in memory for many GIFs: binary-quantized candidates, rescored with float16 vectors.

A vector is stored as float16 (2 D bytes) and as the signs of its differences from the mean (D / 8 bytes). The first
pass finds the GIFs with the least Hamming distance to the query (Charikar, "Similarity estimation techniques from
rounding algorithms", STOC 2002), by faiss; the second computes their inner products. Text embeddings differ from those
of pictures in directions in which pictures hardly vary, and these would dominate the query's signs. They are removed
first: with the covariance C of the GIFs, the query's signs are those of C (C + r I)^-1 q, which is the ridge regression
of the scores on the GIFs' vectors.

Mean and standard deviation of all scores come from sums over the rows: with the mean m and the second moments M, the
scores q.x have the mean q.m and the mean square q.Mq. ``python -m benchmarks.engine.index.index`` measures all this.
"""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Collection, Sequence

import faiss
import numpy as np
import torch
from numpy.typing import NDArray

from deepgif.engine.protocols import IndexHits, Vectors
from deepgif.engine.types import GifKey, Rating

RESCORED = 1000  # least number of GIFs per rating that are rescored
RESCORED_BY_ROOT = 2.0  # times the square root of their number: 2,000 of a million are rescored
ROWS_AT_ONCE = 8192
GROWTH = 1.25
CENTRED_FROM = 1024  # GIFs; fewer give no good mean
RIDGE = 0.1  # of the mean variance per dimension


class CompactIndex:
    """``Index`` on the CPU with about 2.1 D bytes per GIF. Exact up to float16 rounding for at most ``rescored`` GIFs
    of a rating; with more, it can miss hits. Searches and changes take turns."""

    def __init__(self, dimension: int, rescored: int = RESCORED) -> None:
        self._dimension = dimension
        self._rescored = rescored
        self._partitions = {rating: _Partition(dimension) for rating in Rating}
        self._locations: dict[GifKey, tuple[Rating, int]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._locations)

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs with unit vectors (N, D), or replaces the vector and rating of those that are there. Raises
        ``ValueError``, and changes nothing, if the shapes do not match."""
        if vectors.shape != (len(keys), self._dimension) or len(ratings) != len(keys):
            raise ValueError(
                f"{len(keys)} keys and {len(ratings)} ratings do not match vectors of shape {vectors.shape}"
            )
        latest = {key: position for position, key in enumerate(keys)}  # the last of equal keys wins
        by_rating: defaultdict[Rating, list[int]] = defaultdict(list)
        for position in latest.values():
            by_rating[ratings[position]].append(position)
        with self._lock:
            self._remove(latest)
            for rating, positions in by_rating.items():
                partition = self._partitions[rating]
                names = [keys[position] for position in positions]
                self._locations.update((name, (rating, row)) for row, name in enumerate(names, len(partition.keys)))
                for start in range(0, len(names), ROWS_AT_ONCE):
                    part = slice(start, start + ROWS_AT_ONCE)
                    partition.add(names[part], torch.from_numpy(vectors[positions[part]]).half())

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""
        with self._lock:
            self._remove(keys)

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,), as float16 values, of those of ``keys`` that are in the index."""
        found: dict[GifKey, NDArray[np.float32]] = {}
        with self._lock:
            for key in keys:
                if (location := self._locations.get(key)) is not None:
                    found[key] = self._partitions[location[0]].rows[location[1]].astype(np.float32)
        return found

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """The at most ``k`` nearest allowed GIFs of each row of ``queries`` (Q, D); ties are ordered by key. Mean and
        standard deviation are exact to about 1e-5."""
        wanted = np.ascontiguousarray(queries, dtype=np.float32)
        with self._lock:
            partitions = [
                partition
                for rating, partition in self._partitions.items()
                if max_rating.allows(rating) and partition.keys
            ]
            count = sum(len(partition.keys) for partition in partitions)
            if not count:
                return [IndexHits((), (), 0.0, 0.0, 0)] * len(wanted)
            candidates = [partition.nearest(wanted, max(k, self._rescored)) for partition in partitions]
            means, stds = _statistics(partitions, wanted, count)
            found: list[IndexHits] = []
            for one, query in enumerate(wanted):
                rows = [near[one] for near in candidates]
                scores = np.concatenate(
                    [partition.compare(some, query) for partition, some in zip(partitions, rows, strict=True)]
                )
                mean, std = (scores.mean(), scores.std()) if count == len(scores) else (means[one], stds[one])
                owners = np.repeat(np.arange(len(partitions)), [len(some) for some in rows])
                positions = np.concatenate(rows)
                best = np.flatnonzero(scores >= _last_of(scores, k))
                best_pairs = sorted((-float(scores[at]), partitions[owners[at]].keys[positions[at]]) for at in best)[:k]
                keys, similarities = tuple(key for _, key in best_pairs), tuple(-score for score, _ in best_pairs)
                found.append(IndexHits(keys, similarities, float(mean), float(std), count))
        return found

    def _remove(self, keys: Collection[GifKey]) -> None:
        gone: defaultdict[Rating, list[int]] = defaultdict(list)
        for key in keys:
            if (location := self._locations.pop(key, None)) is not None:
                gone[location[0]].append(location[1])
        for rating, rows in gone.items():
            for row, key in self._partitions[rating].remove(rows):
                self._locations[key] = (rating, row)


class _Partition:
    """The GIFs of one rating: keys, float16 rows (N, D), their sign bits, and the sums that mean and standard deviation
    of scores are computed from. Rows beyond the keys are spare."""

    def __init__(self, dimension: int) -> None:
        self.keys: list[GifKey] = []
        self.rows = np.empty((0, dimension), np.float16)
        self.bits = np.empty((0, -(-dimension // 8)), np.uint8)
        self.sum = torch.zeros(dimension, dtype=torch.float64)
        self.squares = torch.zeros(dimension, dimension, dtype=torch.float64)
        self._centre = torch.zeros(dimension)
        self._differing = torch.eye(dimension)  # C (C + r I)^-1
        self._centred_at = CENTRED_FROM // 2  # the number of GIFs at that time

    def add(self, keys: Sequence[GifKey], rows: torch.Tensor) -> None:
        start, size = len(self.keys), len(self.keys) + len(keys)
        if size > len(self.rows):
            capacity = max(size, int(GROWTH * len(self.rows)))
            # In place: the system can move large blocks without a copy. No view of them outlives a call.
            self.rows.resize((capacity, self.rows.shape[1]), refcheck=False)
            self.bits.resize((capacity, self.bits.shape[1]), refcheck=False)
        self.rows[start:size] = rows.numpy()
        self.keys += keys
        self._count(rows, 1.0)
        if size > 2 * self._centred_at:
            self._centre_on(size)
            start = 0
        for first in range(start, size, ROWS_AT_ONCE):
            last = min(size, first + ROWS_AT_ONCE)
            numbers = torch.from_numpy(self.rows[first:last]).float()
            self.bits[first:last] = np.packbits((numbers > self._centre).numpy(), axis=1)

    def remove(self, rows: Sequence[int]) -> list[tuple[int, GifKey]]:
        """Removes rows and fills the holes with the last ones. Returns the filled rows with their new keys."""
        for start in range(0, len(rows), ROWS_AT_ONCE):
            self._count(torch.from_numpy(self.rows[rows[start : start + ROWS_AT_ONCE]]), -1.0)
        size = len(self.keys) - len(rows)
        holes = sorted(row for row in rows if row < size)
        movers = sorted(set(range(size, len(self.keys))).difference(rows))
        self.rows[holes], self.bits[holes] = self.rows[movers], self.bits[movers]
        for hole, mover in zip(holes, movers, strict=True):
            self.keys[hole] = self.keys[mover]
        del self.keys[size:]
        return [(hole, self.keys[hole]) for hole in holes]

    def nearest(self, queries: Vectors, least: int) -> NDArray[np.int64]:
        """(Q, K) rows with the least Hamming distance to ``queries`` (Q, D), at least ``least`` of them if possible."""
        size = len(self.keys)
        most = max(least, int(RESCORED_BY_ROOT * math.sqrt(size)))
        if size <= most:
            return np.tile(np.arange(size), (len(queries), 1))
        # One query is one thread's work; more threads would only wait and cost time.
        faiss.omp_set_num_threads(min(len(queries), torch.get_num_threads()))
        _, rows = faiss.knn_hamming(
            np.packbits((torch.from_numpy(queries) @ self._differing).numpy() > 0, axis=1), self.bits[:size], most, "mc"
        )
        return np.asarray(rows)

    def compare(self, rows: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        """(K,) inner products of ``rows`` (K,) and the query (D,)."""
        numbers = torch.from_numpy(self.rows[rows]).float()
        return (numbers @ torch.from_numpy(query)).numpy()

    def _centre_on(self, size: int) -> None:
        mean = self.sum / size
        covariance = self.squares / size - torch.outer(mean, mean)
        identity = torch.eye(len(mean), dtype=torch.float64)
        ridge = max(RIDGE * float(covariance.trace()) / len(mean), 1e-9)
        self._centre = mean.float()
        self._differing = (identity - ridge * torch.linalg.inv(covariance + ridge * identity)).float()
        self._centred_at = size

    def _count(self, rows: torch.Tensor, sign: float) -> None:
        numbers = rows.float()
        self.sum += sign * numbers.sum(dim=0, dtype=torch.float64)
        self.squares += sign * (numbers.T @ numbers)


def _statistics(partitions: Sequence[_Partition], queries: Vectors, count: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation (Q,) of the scores of ``queries`` (Q, D) over all rows of the partitions."""
    wanted = torch.from_numpy(queries).double()
    mean, square = torch.zeros(2, len(queries), dtype=torch.float64)
    for partition in partitions:
        mean += wanted @ partition.sum / count
        square += ((wanted @ partition.squares) * wanted).sum(dim=1) / count
    return mean.tolist(), (square - mean**2).clamp(min=0.0).sqrt().tolist()


def _last_of(scores: NDArray[np.float32], k: int) -> float:
    """The ``k``-th best score, or the worst if there are fewer."""
    if k <= 0:
        return float("inf")
    at = max(0, len(scores) - k)
    return float(np.partition(scores, at)[at])

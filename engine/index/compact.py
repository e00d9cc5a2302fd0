"""Search in memory for many GIFs: found by one bit a number, then compared by half-precision rows.

A vector is held as its D numbers in half precision (2 D bytes) and the signs of their differences from the mean
(D / 8 bytes). The first pass counts in how many signs query and GIFs differ (Charikar, "Similarity estimation
techniques from rounding algorithms", STOC 2002), by faiss; what differs least is compared number by number. Words lie
apart from pictures, in directions in which pictures hardly differ; there a query's numbers would hide the signs of the
others, so they are taken off first: with the covariance C of the GIFs, the signs are those of C (C + r I)^-1 q, what a
ridge regression from GIFs' vectors to their scores finds.

Mean and spread of all scores come from sums over the rows, so that no row is looked at for them: with the mean m and
the second moments M, the scores q.x have the mean q.m and the mean square q.Mq. ``python -m
benchmarks.engine.index.index`` measures all this.
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

COMPARED = 1000  # GIFs of each rating, at least, that are compared number by number
COMPARED_BY_ROOT = 2.0  # so many times the square root of how many there are: 2,000 of a million
ROWS_AT_ONCE = 8192
GROWTH = 1.25
CENTRED_FROM = 1024  # GIFs; with fewer, the mean says little
RIDGE = 0.1  # of the mean variance of a number


class CompactIndex:
    """``Index`` in about 2.1 D bytes a GIF, on the CPU. Exact, but for half precision, up to ``compared`` GIFs of a
    rating; beyond, hits can be missed. Searches and changes take turns."""

    def __init__(self, dimension: int, compared: int = COMPARED) -> None:
        self._dimension = dimension
        self._compared = compared
        self._shelves = {rating: _Shelf(dimension) for rating in Rating}
        self._places: dict[GifKey, tuple[Rating, int]] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs with unit vectors (N, D); a key that is there already gets the new vector and rating. Raises
        ``ValueError``, and adds nothing, where the shapes do not fit."""
        if vectors.shape != (len(keys), self._dimension) or len(ratings) != len(keys):
            raise ValueError(f"{len(keys)} keys and {len(ratings)} ratings do not fit vectors of shape {vectors.shape}")
        latest = {key: position for position, key in enumerate(keys)}  # the last of equal keys wins
        by_rating: defaultdict[Rating, list[int]] = defaultdict(list)
        for position in latest.values():
            by_rating[ratings[position]].append(position)
        with self._lock:
            self._remove(latest)
            for rating, positions in by_rating.items():
                shelf = self._shelves[rating]
                names = [keys[position] for position in positions]
                self._places.update((name, (rating, row)) for row, name in enumerate(names, len(shelf.keys)))
                for start in range(0, len(names), ROWS_AT_ONCE):
                    part = slice(start, start + ROWS_AT_ONCE)
                    shelf.add(names[part], torch.from_numpy(vectors[positions[part]]).half())

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""
        with self._lock:
            self._remove(keys)

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,), rounded to half precision, of those of ``keys`` that it holds."""
        found: dict[GifKey, NDArray[np.float32]] = {}
        with self._lock:
            for key in keys:
                if (place := self._places.get(key)) is not None:
                    found[key] = self._shelves[place[0]].rows[place[1]].astype(np.float32)
        return found

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """The at most ``k`` nearest allowed GIFs for each of ``queries`` (Q, D). Equal scores are ordered by key. Mean
        and spread are those of all allowed GIFs, to about 1e-5."""
        wanted = np.ascontiguousarray(queries, dtype=np.float32)
        with self._lock:
            shelves = [shelf for rating, shelf in self._shelves.items() if max_rating.allows(rating) and shelf.keys]
            count = sum(len(shelf.keys) for shelf in shelves)
            if not count:
                return [IndexHits((), (), 0.0, 0.0, 0)] * len(wanted)
            candidates = [shelf.nearest(wanted, max(k, self._compared)) for shelf in shelves]
            means, stds = _spread(shelves, wanted, count)
            found: list[IndexHits] = []
            for one, query in enumerate(wanted):
                rows = [near[one] for near in candidates]
                scores = np.concatenate([shelf.compare(some, query) for shelf, some in zip(shelves, rows, strict=True)])
                mean, std = (scores.mean(), scores.std()) if count == len(scores) else (means[one], stds[one])
                owners = np.repeat(np.arange(len(shelves)), [len(some) for some in rows])
                places = np.concatenate(rows)
                best = np.flatnonzero(scores >= _last_of(scores, k))
                pairs = sorted((-float(scores[at]), shelves[owners[at]].keys[places[at]]) for at in best)[:k]
                keys, likeness = tuple(key for _, key in pairs), tuple(-score for score, _ in pairs)
                found.append(IndexHits(keys, likeness, float(mean), float(std), count))
        return found

    def _remove(self, keys: Collection[GifKey]) -> None:
        gone: defaultdict[Rating, list[int]] = defaultdict(list)
        for key in keys:
            if (place := self._places.pop(key, None)) is not None:
                gone[place[0]].append(place[1])
        for rating, rows in gone.items():
            for row, key in self._shelves[rating].remove(rows):
                self._places[key] = (rating, row)


class _Shelf:
    """The GIFs of one rating: keys, half-precision rows (N, D), signs about their mean in bits, and the sums that mean
    and spread of scores come from. Rows beyond the keys are room."""

    def __init__(self, dimension: int) -> None:
        self.keys: list[GifKey] = []
        self.rows = np.empty((0, dimension), np.float16)
        self.bits = np.empty((0, -(-dimension // 8)), np.uint8)
        self.sum = torch.zeros(dimension, dtype=torch.float64)
        self.squares = torch.zeros(dimension, dimension, dtype=torch.float64)
        self._centre = torch.zeros(dimension)
        self._differing = torch.eye(dimension)  # C (C + r I)^-1
        self._centred_at = CENTRED_FROM // 2  # how many GIFs there were then

    def add(self, keys: Sequence[GifKey], rows: torch.Tensor) -> None:
        start, size = len(self.keys), len(self.keys) + len(keys)
        if size > len(self.rows):
            capacity = max(size, int(GROWTH * len(self.rows)))
            # In place: the system moves large blocks without a copy. No view of them outlives a call.
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
        """Removes rows; the last ones fill their places. The rows that were moved so, and their keys."""
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
        """(Q, K) rows whose signs differ least from those of ``queries`` (Q, D), at least ``least`` if there are."""
        size = len(self.keys)
        most = max(least, int(COMPARED_BY_ROOT * math.sqrt(size)))
        if size <= most:
            return np.tile(np.arange(size), (len(queries), 1))
        # One query is one thread's work, and threads that wait for it cost more than it does.
        faiss.omp_set_num_threads(min(len(queries), torch.get_num_threads()))
        _, rows = faiss.knn_hamming(
            np.packbits((torch.from_numpy(queries) @ self._differing).numpy() > 0, axis=1), self.bits[:size], most, "mc"
        )
        return np.asarray(rows)

    def compare(self, rows: NDArray[np.int64], query: NDArray[np.float32]) -> NDArray[np.float32]:
        """(K,) scores of ``rows`` (K,) with the query (D,)."""
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


def _spread(shelves: Sequence[_Shelf], queries: Vectors, count: int) -> tuple[list[float], list[float]]:
    """Mean and standard deviation (Q,) of the scores of ``queries`` (Q, D) with all rows of the shelves."""
    wanted = torch.from_numpy(queries).double()
    mean, square = torch.zeros(2, len(queries), dtype=torch.float64)
    for shelf in shelves:
        mean += wanted @ shelf.sum / count
        square += ((wanted @ shelf.squares) * wanted).sum(dim=1) / count
    return mean.tolist(), (square - mean**2).clamp(min=0.0).sqrt().tolist()


def _last_of(scores: NDArray[np.float32], k: int) -> float:
    """The ``k``-th best score, or the worst where there are not so many."""
    if k <= 0:
        return float("inf")
    at = max(0, len(scores) - k)
    return float(np.partition(scores, at)[at])

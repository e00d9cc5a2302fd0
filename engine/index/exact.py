"""Exact search in memory, on the GPU if there is one."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from deepgif.engine.protocols import IndexHits, Vectors
from deepgif.engine.types import GifKey, Rating

FIRST_CAPACITY = 1024
QUERIES_AT_ONCE = 64  # bounds the score matrix: 256 MB for 64 queries and a million GIFs


class ExactIndex:
    """``Index`` over float32 rows in one tensor that doubles when it is full; the last row replaces a removed one.

    Searches and changes take turns: a search over a million GIFs is memory-bound, so two at once would not be faster.
    """

    def __init__(self, dimension: int, device: str = "cpu") -> None:
        self._device = torch.device(device)
        self._vectors = torch.empty(FIRST_CAPACITY, dimension, device=self._device)
        self._levels = torch.empty(FIRST_CAPACITY, dtype=torch.uint8, device=self._device)
        self._keys: list[GifKey] = []
        self._rows: dict[GifKey, int] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs with unit vectors (N, D), or replaces the vector and rating of those that are there. Raises
        ``ValueError``, and changes nothing, if the shapes do not match."""
        if vectors.shape != (len(keys), self._vectors.shape[1]) or len(ratings) != len(keys):
            raise ValueError(
                f"{len(keys)} keys and {len(ratings)} ratings do not match vectors of shape {vectors.shape}"
            )
        latest = {key: position for position, key in enumerate(keys)}  # the last of equal keys wins
        rows = np.ascontiguousarray(vectors[list(latest.values())], dtype=np.float32)
        levels = torch.tensor([ratings[position].level for position in latest.values()], dtype=torch.uint8)
        with self._lock:
            self._grow(len(self._keys) + sum(key not in self._rows for key in latest))
            for key in latest:
                if key not in self._rows:
                    self._rows[key] = len(self._keys)
                    self._keys.append(key)
            rows_of = torch.tensor([self._rows[key] for key in latest], device=self._device, dtype=torch.long)
            self._vectors[rows_of] = torch.from_numpy(rows).to(self._device)
            self._levels[rows_of] = levels.to(self._device)

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""
        with self._lock:
            for key in keys:
                row = self._rows.pop(key, None)
                if row is None:
                    continue
                last = self._keys.pop()
                if row < len(self._keys):
                    self._keys[row] = last
                    self._rows[last] = row
                    self._vectors[row] = self._vectors[len(self._keys)]
                    self._levels[row] = self._levels[len(self._keys)]

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that are in the index."""
        with self._lock:
            present = [key for key in keys if key in self._rows]
            rows = self._vectors[
                torch.tensor([self._rows[key] for key in present], device=self._device, dtype=torch.long)
            ]
        return dict(zip(present, rows.cpu().numpy(), strict=True))

    def chunks(self, size: int) -> Iterator[tuple[list[GifKey], Vectors, list[Rating]]]:
        """The whole index in chunks of at most ``size`` GIFs: keys, vectors (N, D) and ratings. It must not change
        meanwhile."""
        ratings = list(Rating)
        for start in range(0, len(self._keys), size):
            part = slice(start, min(start + size, len(self._keys)))
            levels = self._levels[part].tolist()
            yield self._keys[part], self._vectors[part].cpu().numpy(), [ratings[level] for level in levels]

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """The at most ``k`` nearest allowed GIFs of each row of ``queries`` (Q, D); ties are ordered by key."""
        found: list[IndexHits] = []
        batch = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32)).to(self._device)
        with self._lock, torch.inference_mode():
            size = len(self._keys)
            forbidden = self._levels[:size] > max_rating.level
            allowed = size - int(forbidden.sum())
            for part in batch.split(QUERIES_AT_ONCE):
                if allowed == 0:
                    found += [IndexHits((), (), 0.0, 0.0, 0)] * len(part)
                    continue
                scores = part @ self._vectors[:size].T  # (q, N)
                mean, std = _statistics(scores, forbidden, allowed)
                if allowed < size:
                    scores.masked_fill_(forbidden, float("-inf"))
                best, rows = (part_of.tolist() for part_of in scores.topk(min(k + 1, allowed), dim=1))
                for one, statistics in enumerate(zip(mean.tolist(), std.tolist(), strict=True)):
                    if 0 < k < len(best[one]) and best[one][k] == best[one][k - 1]:  # a tie at the end
                        rows[one] = (scores[one] >= best[one][k]).nonzero().flatten().tolist()
                        best[one] = scores[one][rows[one]].tolist()
                    found.append(self._hits(best[one], rows[one], k, *statistics, allowed))
        return found

    def _hits(self, scores: list[float], rows: list[int], k: int, mean: float, std: float, count: int) -> IndexHits:
        pairs = heapq.nsmallest(k, [(-score, self._keys[row]) for score, row in zip(scores, rows, strict=True)])
        return IndexHits(tuple(key for _, key in pairs), tuple(-score for score, _ in pairs), mean, std, count)

    def _grow(self, needed: int) -> None:
        capacity = len(self._vectors)
        if needed <= capacity:
            return
        while capacity < needed:
            capacity *= 2
        size = len(self._keys)
        vectors = torch.empty(capacity, self._vectors.shape[1], device=self._device)
        levels = torch.empty(capacity, dtype=torch.uint8, device=self._device)
        vectors[:size], levels[:size] = self._vectors[:size], self._levels[:size]
        self._vectors, self._levels = vectors, levels


def _statistics(scores: torch.Tensor, forbidden: torch.Tensor, allowed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation (q,) of the allowed scores of each query."""
    if allowed == len(forbidden):
        std, mean = torch.std_mean(scores, dim=1, correction=0)
        return mean, std
    counted = scores[:, ~forbidden]
    std, mean = torch.std_mean(counted, dim=1, correction=0)
    return mean, std

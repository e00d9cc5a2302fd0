"""An index of frames whose scores are less each GIF's hubness, top-k, mean and standard deviation included.

A vector x gets its correction h(x) as one more dimension, and a query q a -1 there: the inner product is then
q.x - h(x), in every index, with nothing to compute at search time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.protocols import Index, IndexHits, Vector, Vectors
from deepgif.engine.types import GifKey, Rating

EXTRA = 1  # dimensions that the inner index has more


class CorrectedIndex:
    """``Index`` over ``inner``, which has ``EXTRA`` more dimensions. ``correction`` maps vectors (N, D) to (N,)."""

    def __init__(self, inner: Index, correction: Callable[[Vectors], NDArray[np.float32]]) -> None:
        self._inner = inner
        self._correction = correction

    def __len__(self) -> int:
        return len(self._inner)

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs, or replaces the vector and rating of those that are there. Raises ``ValueError`` if shapes do not
        match."""
        self._inner.add(keys, np.column_stack([vectors, self._correction(vectors)]).astype(np.float32), ratings)

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""
        self._inner.remove(keys)

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, Vector]:
        """The vectors (D,) of those of ``keys`` that are in the index."""
        return {key: vector[:-EXTRA] for key, vector in self._inner.vectors(keys).items()}

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """For each row of ``queries`` (Q, D), the at most ``k`` best GIFs by corrected similarity."""
        minus_one = np.full((len(queries), EXTRA), -1.0, np.float32)
        return self._inner.search(np.column_stack([queries, minus_one]).astype(np.float32), k, max_rating)

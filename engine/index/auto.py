"""A few GIFs compared in full, many held compactly."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.protocols import Index, IndexHits, Vectors
from deepgif.engine.types import GifKey, Rating

EXACT_UP_TO = 100_000  # GIFs: 400 MB of 1024 numbers each, and about 20 ms a query on two cores
MOVED_AT_ONCE = 8192
_log = logging.getLogger(__name__)


class AutoIndex:
    """``Index`` that is a ``ExactIndex`` up to ``exact_up_to`` GIFs and a ``CompactIndex`` once there have been more.
    While it changes from one to the other, searches go on and changes wait."""

    def __init__(self, dimension: int, exact_up_to: int = EXACT_UP_TO) -> None:
        self._dimension = dimension
        self._exact_up_to = exact_up_to
        self._index: Index = ExactIndex(dimension)
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._index)

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs; a key that is there already gets the new vector and rating. Raises ``ValueError``, and adds
        nothing, where the shapes do not fit."""
        with self._changing:
            self._index.add(keys, vectors, ratings)
            if isinstance(self._index, ExactIndex) and len(self._index) > self._exact_up_to:
                self._index = self._compacted(self._index)

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""
        with self._changing:
            self._index.remove(keys)

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that it holds, rounded to half precision once it is compact."""
        return self._index.vectors(keys)

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """The at most ``k`` nearest allowed GIFs for each of ``queries`` (Q, D)."""
        return self._index.search(queries, k, max_rating)

    def _compacted(self, exact: ExactIndex) -> Index:
        from deepgif.engine.index.compact import CompactIndex  # faiss is loaded by those who need it

        compact = CompactIndex(self._dimension)
        for keys, vectors, ratings in exact.chunks(MOVED_AT_ONCE):
            compact.add(keys, vectors, ratings)
        _log.info("More than %d GIFs: from now on they are held compactly.", self._exact_up_to)
        return compact

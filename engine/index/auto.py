"""Exact search for few GIFs, compact for many."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.protocols import Index, IndexHits, Vectors
from deepgif.engine.types import GifKey, Rating

EXACT_UP_TO = 100_000  # GIFs: 400 MB at D = 1024, and about 20 ms per query on two cores
CHUNK = 8192
_log = logging.getLogger(__name__)


class AutoIndex:
    """``Index`` that becomes a ``CompactIndex`` when it has more than ``exact_up_to`` GIFs, for good. During the
    conversion, searches continue and changes wait."""

    def __init__(self, dimension: int, exact_up_to: int = EXACT_UP_TO) -> None:
        self._dimension = dimension
        self._exact_up_to = exact_up_to
        self._index: Index = ExactIndex(dimension)
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._index)

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs, or replaces the vector and rating of those that are there. Raises
        ``ValueError``, and changes nothing, if the shapes do not match."""
        with self._changing:
            self._index.add(keys, vectors, ratings)
            if isinstance(self._index, ExactIndex) and len(self._index) > self._exact_up_to:
                self._index = self._compacted(self._index)

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""
        with self._changing:
            self._index.remove(keys)

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that are in the index, as float16 values once it is compact."""
        return self._index.vectors(keys)

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """The at most ``k`` nearest allowed GIFs for each of ``queries`` (Q, D)."""
        return self._index.search(queries, k, max_rating)

    def _compacted(self, exact: ExactIndex) -> Index:
        from deepgif.engine.index.compact import CompactIndex  # loads faiss only if it is used

        compact = CompactIndex(self._dimension)
        for keys, vectors, ratings in exact.chunks(CHUNK):
            compact.add(keys, vectors, ratings)
        _log.info("The index has more than %d GIFs and is compact from now on.", self._exact_up_to)
        return compact

"""Words to nearest GIFs, many queries at a time: what the micro-batcher of queries runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.protocols import Encoder, Index, IndexHits
from engine.types import Rating


@dataclass(frozen=True, slots=True)
class Query:
    """Words, and how many GIFs up to which rating to find."""

    words: str
    count: int
    max_rating: Rating


@dataclass(frozen=True, slots=True)
class Found:
    """The unit vector (D,) of the words, the nearest GIFs, and how much of the words the encoder has learnt."""

    vector: NDArray[np.float32]
    hits: IndexHits
    understood: float


def finder(encoder: Encoder, index: Index) -> Callable[[Sequence[Query]], list[Found]]:
    """A blocking function that encodes all queries at once and searches once for each rating among them."""

    def find(queries: Sequence[Query]) -> list[Found]:
        vectors = encoder.encode_texts([query.words for query in queries])
        places: defaultdict[Rating, list[int]] = defaultdict(list)
        for place, query in enumerate(queries):
            places[query.max_rating].append(place)
        found: dict[int, Found] = {}
        for rating, rows in places.items():
            most = max(queries[row].count for row in rows)
            for row, hits in zip(rows, index.search(vectors[rows], most, rating), strict=True):
                found[row] = Found(vectors[row], hits, encoder.understands(queries[row].words))
        return [found[place] for place in range(len(queries))]

    return find

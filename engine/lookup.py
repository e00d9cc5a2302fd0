"""Words to what is known, many queries at a time: what the micro-batcher of queries runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.fitted import QueryBank
from engine.protocols import Encoder, Index, IndexHits, Vectors
from engine.ranking import Evidence, Spread
from engine.types import GifKey, Rating


@dataclass(frozen=True, slots=True)
class Query:
    """Words, and how many GIFs of each likeness to find up to which rating."""

    words: str
    count: int
    max_rating: Rating


@dataclass(frozen=True, slots=True)
class Found:
    """The unit vector (D,) of the words, the evidence for the GIFs whose pixels or texts are nearest, the spreads of
    both likenesses over all ``count`` GIFs, and how much of the words the encoder has learnt."""

    vector: NDArray[np.float32]
    evidence: tuple[Evidence, ...]
    visual: Spread
    text: Spread
    count: int
    understood: float


@dataclass(frozen=True, slots=True)
class Likeness:
    """The likeness of words and pixels, less what a GIF has with any query (``QueryBank``) times ``hubness``."""

    bank: QueryBank
    hubness: float

    def visual(self, words: NDArray[np.float32], pixels: Vectors) -> NDArray[np.float32]:
        """(N,) of the words (D,) with the pixels of N GIFs (N, D)."""
        raw = pixels @ words
        return raw - self.hubness * self.bank.hotness(pixels) if self.hubness else raw


def finder(
    encoder: Encoder, pictures: Index, texts: Index, likeness: Likeness
) -> Callable[[Sequence[Query]], list[Found]]:
    """A blocking function that encodes all queries at once and searches once for each rating among them."""

    def find(queries: Sequence[Query]) -> list[Found]:
        vectors = encoder.encode_texts([query.words for query in queries])
        places: defaultdict[Rating, list[int]] = defaultdict(list)
        for place, query in enumerate(queries):
            places[query.max_rating].append(place)
        found: dict[int, Found] = {}
        for rating, rows in places.items():
            most = max(queries[row].count for row in rows)
            seen, said = (index.search(vectors[rows], most, rating) for index in (pictures, texts))
            for row, by_pixels, by_texts in zip(rows, seen, said, strict=True):
                understood = encoder.understands(queries[row].words)
                evidence = _evidence(vectors[row], {*by_pixels.keys, *by_texts.keys})
                found[row] = Found(
                    vectors[row], evidence, _spread(by_pixels), _spread(by_texts), by_pixels.count, understood
                )
        return [found[place] for place in range(len(queries))]

    def _evidence(words: NDArray[np.float32], keys: set[GifKey]) -> tuple[Evidence, ...]:
        seen, said = pictures.vectors(keys), texts.vectors(keys)
        looks = dict(zip(seen, likeness.visual(words, np.stack(list(seen.values()))), strict=True)) if seen else {}
        return tuple(
            Evidence(
                key,
                float(looks[key]) if key in looks else None,
                float(said[key] @ words) if key in said else None,
            )
            for key in sorted(keys)
        )

    return find


def _spread(hits: IndexHits) -> Spread:
    return Spread(hits.mean, hits.std)

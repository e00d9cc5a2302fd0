"""Words to what is known, many queries at a time: what the micro-batcher of queries runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.protocols import Encoder, Index, IndexHits, Vectors
from deepgif.engine.search.ranking import ScoreStatistics, Signals
from deepgif.engine.search.ranking_model import QueryBank
from deepgif.engine.types import GifKey, Rating


@dataclass(frozen=True, slots=True)
class RetrievalQuery:
    """Words, and how many GIFs of each likeness to find up to which rating."""

    words: str
    count: int
    max_rating: Rating


@dataclass(frozen=True, slots=True)
class Hits:
    """The unit vector (D,) of the words, the evidence for the GIFs whose pixels or texts are nearest, the spreads of
    both likenesses over all ``count`` GIFs, and how much of the words the encoder has learnt."""

    vector: NDArray[np.float32]
    evidence: tuple[Signals, ...]
    visual: ScoreStatistics
    text: ScoreStatistics
    count: int
    understood: float


@dataclass(frozen=True, slots=True)
class Similarity:
    """The likeness of words and pixels, less what a GIF has with any query (``QueryBank``) times ``hubness``."""

    bank: QueryBank
    hubness: float

    def visual(self, words: NDArray[np.float32], pixels: Vectors) -> NDArray[np.float32]:
        """(N,) of the words (D,) with the pixels of N GIFs (N, D)."""
        return pixels @ words - self.common(pixels)

    def common(self, pixels: Vectors) -> NDArray[np.float32]:
        """(N,) what N GIFs (N, D) have with any query."""
        return self.hubness * self.bank.hubness(pixels) if self.hubness else np.zeros(len(pixels), np.float32)


def finder(
    encoder: Encoder, pictures: Index, texts: Index, likeness: Similarity
) -> Callable[[Sequence[RetrievalQuery]], list[Hits]]:
    """A blocking function that encodes all queries at once and searches once for each rating among them."""

    def find(queries: Sequence[RetrievalQuery]) -> list[Hits]:
        vectors = encoder.encode_texts([query.words for query in queries])
        places: defaultdict[Rating, list[int]] = defaultdict(list)
        for place, query in enumerate(queries):
            places[query.max_rating].append(place)
        hits: dict[int, tuple[IndexHits, IndexHits]] = {}
        for rating, rows in places.items():
            most = max(queries[row].count for row in rows)
            seen, said = (index.search(vectors[rows], most, rating) for index in (pictures, texts))
            hits.update(zip(rows, zip(seen, said, strict=True), strict=True))
        keys = sorted({key for both in hits.values() for one in both for key in one.keys})
        pixels = _Rows(pictures.vectors(keys))
        words = _Rows(texts.vectors(keys))
        common = likeness.common(pixels.rows)  # once for all queries: most of what they find is the same
        return [
            _found(vectors[place], hits[place], pixels, common, words, encoder.understands(query.words))
            for place, query in enumerate(queries)
        ]

    return find


class _Rows:
    """Vectors (N, D) in one piece, and which row is whose."""

    def __init__(self, vectors: dict[GifKey, NDArray[np.float32]]) -> None:
        self.place = {key: row for row, key in enumerate(vectors)}
        self.rows = np.stack(list(vectors.values())) if vectors else np.zeros((0, 1), np.float32)

    def of(self, keys: Sequence[GifKey]) -> tuple[list[GifKey], list[int]]:
        """Those of ``keys`` that there are, and their rows."""
        there = [key for key in keys if key in self.place]
        return there, [self.place[key] for key in there]


def _found(
    vector: NDArray[np.float32],
    hits: tuple[IndexHits, IndexHits],
    pixels: _Rows,
    common: NDArray[np.float32],
    words: _Rows,
    understood: float,
) -> Hits:
    by_pixels, by_texts = hits
    keys = sorted({*by_pixels.keys, *by_texts.keys})
    seen, seen_rows = pixels.of(keys)
    said, said_rows = words.of(keys)
    looks = (pixels.rows[seen_rows] @ vector - common[seen_rows]).tolist() if seen else []
    reads = (words.rows[said_rows] @ vector).tolist() if said else []
    visual, text = dict(zip(seen, looks, strict=True)), dict(zip(said, reads, strict=True))
    evidence = tuple(Signals(key, visual.get(key), text.get(key)) for key in keys)
    return Hits(vector, evidence, _spread(by_pixels), _spread(by_texts), by_pixels.count, understood)


def _spread(hits: IndexHits) -> ScoreStatistics:
    return ScoreStatistics(hits.mean, hits.std)

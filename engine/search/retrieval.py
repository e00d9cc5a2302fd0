"""First-stage retrieval: from a query to the nearest indexed GIFs, many queries in one batch."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.ingest.batcher import MicroBatcher
from deepgif.engine.protocols import Encoder, IndexHits, SentenceEncoder, Vector, Vectors
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.lexical import lexical_evidence
from deepgif.engine.search.query import NO_DEMANDS, ParsedQuery
from deepgif.engine.search.ranking import (
    Ranking,
    RankingModel,
    ScoreStatistics,
    Signals,
    confidence,
    drop_near_duplicates,
    fuse,
)
from deepgif.engine.search.ranking_model import QueryBank
from deepgif.engine.search.reactions import QueryReaction, ReactionReader
from deepgif.engine.types import GifKey, Origin, Rating

QUERIES_AT_ONCE = 64
QUERIES_WAITING = 512
KNOWN_VOCABULARY = 0.5  # with less of a query in the encoder's vocabulary, the user gets a notice
UNKNOWN_WORDS = "I don't understand some of these words yet, so the GIFs may not fit."
STILL_INDEXING = "Still indexing. Search again in a moment for better results."


@dataclass(frozen=True, slots=True)
class RetrievalQuery:
    """A query's text, how many GIFs to retrieve by frames, by text and by words each, the highest rating, and what must
    and must not be in a GIF's texts."""

    text: str
    count: int
    max_rating: Rating
    demands: ParsedQuery = NO_DEMANDS


@dataclass(frozen=True, slots=True)
class Hits:
    """The query, its unit vector (D,), the signals of the GIFs whose frames or text are nearest, the statistics of both
    similarities over all ``count`` allowed GIFs, the share of the query in the encoder's vocabulary, and the reaction
    that it asks for, None if the model does not read reactions."""

    query: str
    vector: Vector
    signals: tuple[Signals, ...]
    visual: ScoreStatistics
    text: ScoreStatistics
    count: int
    vocabulary_coverage: float
    reaction: QueryReaction | None = None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know about the query."""
        return (UNKNOWN_WORDS,) if self.vocabulary_coverage < KNOWN_VOCABULARY else ()


@dataclass(frozen=True, slots=True)
class Similarity:
    """The cosine of query and frames, less ``weight`` times the GIF's hubness (``QueryBank``)."""

    bank: QueryBank
    weight: float

    def visual(self, query: Vector, frames: Vectors) -> NDArray[np.float32]:
        """(N,) similarities of a query (D,) to N GIFs (N, D)."""
        return frames @ query - self.correction(frames)

    def correction(self, frames: Vectors) -> NDArray[np.float32]:
        """(N,) what is subtracted for N GIFs (N, D)."""
        return self.weight * self.bank.hubness(frames) if self.weight else np.zeros(len(frames), np.float32)


class Retriever:
    """Retrieves and ranks indexed GIFs. An async context manager: while it is open, concurrent searches share
    batches. ``on_batch`` is ``MicroBatcher``'s; ``reactions`` is None if the model does not read reactions."""

    def __init__(
        self,
        encoder: Encoder,
        collection: Collection,
        model: RankingModel,
        similarity: Similarity,
        on_batch: Callable[[Sequence[float]], None] = lambda waited_s: None,
        reactions: ReactionReader | None = None,
    ) -> None:
        self._encoder = encoder
        self._collection = collection
        self._model = model
        self._similarity = similarity
        self._reactions = reactions
        self.batcher = MicroBatcher[RetrievalQuery, Hits](
            self.search_batch,
            name="text",
            max_cost=QUERIES_AT_ONCE,
            max_waiting=QUERIES_WAITING,
            on_batch=on_batch,
        )

    async def __aenter__(self) -> Self:
        await self.batcher.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.batcher.__aexit__(kind, error, trace)

    async def search(self, query: RetrievalQuery) -> Hits:
        """The hits of a query. Raises ``OverloadedError`` or ``NotReadyError``."""
        return await self.batcher.submit(query)

    async def rank(self, hits: Hits) -> Ranking:
        """The ranking of the hits, without near-duplicates and without URLs."""
        coverage = await self._collection.coverage()
        scored = fuse(hits.signals, self._model.weights, hits.visual, hits.text)
        probability = confidence(scored, self._model.weights, self._model.indexed, hits.count)
        vectors = await asyncio.to_thread(self._collection.pictures.vectors, [one.signals.key for one in scored])
        indexing = (STILL_INDEXING,) if coverage.embedded < coverage.total else ()
        return Ranking(
            scored=tuple(drop_near_duplicates(scored, vectors)),
            gifs={},
            confidence=probability,
            count=hits.count,
            fetched=frozenset(),
            origin=Origin.INDEXED,
            coverage=coverage,
            notices=(*hits.notices, *indexing),
        )

    def _encode(self, queries: Sequence[str]) -> tuple[Vectors, Sequence[QueryReaction | None]]:
        """The queries' vectors (N, D) and reactions, from one run of the sentence encoder."""
        if self._reactions is None or not isinstance(self._encoder, SentenceEncoder):
            return self._encoder.encode_texts(queries), [None] * len(queries)
        features = self._encoder.text_features(queries)
        return self._encoder.embed_text_features(features), self._reactions.queries(queries, features)

    def search_batch(self, queries: Sequence[RetrievalQuery]) -> list[Hits]:
        """Encodes all queries at once, and searches once for each rating among them. Blocks."""
        pictures, texts = self._collection.pictures, self._collection.texts
        vectors, asked = self._encode([query.text for query in queries])
        by_rating: defaultdict[Rating, list[int]] = defaultdict(list)
        for row, query in enumerate(queries):
            by_rating[query.max_rating].append(row)
        hits: dict[int, tuple[IndexHits, IndexHits]] = {}
        for rating, rows in by_rating.items():
            count = max(queries[row].count for row in rows)
            nearest = (index.search(vectors[rows], count, rating) for index in (pictures, texts))
            hits.update(zip(rows, zip(*nearest, strict=True), strict=True))
        lexical = self._collection.lexical
        by_words = [lexical.search(query.text, query.count, query.max_rating) for query in queries]
        keys = sorted({key for both in hits.values() for one in both for key in one.keys}.union(*by_words))
        frame_rows, text_rows = _Rows(pictures.vectors(keys)), _Rows(texts.vectors(keys))
        correction = self._similarity.correction(frame_rows.rows)  # once: queries in a batch find much the same
        words = lexical.texts(keys)
        results = []
        for row, query in enumerate(queries):
            found = {*hits[row][0].keys, *hits[row][1].keys, *by_words[row]}
            admitted = sorted(key for key in found if query.demands.admits(words.get(key, ())))
            with_frames, rows = frame_rows.of(admitted)
            visual = frame_rows.rows[rows] @ vectors[row] - correction[rows] if rows else np.zeros(0)
            with_text, rows = text_rows.of(admitted)
            text = text_rows.rows[rows] @ vectors[row] if rows else np.zeros(0)
            documents = [words.get(key, ()) for key in admitted]
            shares = lexical_evidence(query.text, documents, lexical.frequencies)
            agreement = np.zeros(len(admitted), np.float32)
            if self._reactions is not None:
                agreement = self._reactions.evidence(asked[row], documents)
            signals = _signals(
                admitted,
                dict(zip(with_frames, visual, strict=True)),
                dict(zip(with_text, text, strict=True)),
                shares,
                agreement,
            )
            frame_statistics, text_statistics = (ScoreStatistics(one.mean, one.std) for one in hits[row])
            coverage = self._encoder.vocabulary_coverage(query.text)
            results.append(
                Hits(
                    query.text,
                    vectors[row],
                    signals,
                    frame_statistics,
                    text_statistics,
                    hits[row][0].count,
                    coverage,
                    asked[row],
                )
            )
        return results


class _Rows:
    """Vectors as one array (N, D), with each key's row."""

    def __init__(self, vectors: dict[GifKey, Vector]) -> None:
        self._row_of = {key: row for row, key in enumerate(vectors)}
        self.rows = np.stack(list(vectors.values())) if vectors else np.zeros((0, 1), np.float32)

    def of(self, keys: Sequence[GifKey]) -> tuple[list[GifKey], list[int]]:
        """Those of ``keys`` that have a row, and their rows."""
        found = [key for key in keys if key in self._row_of]
        return found, [self._row_of[key] for key in found]


def _signals(
    keys: Sequence[GifKey],
    visual: Mapping[GifKey, np.float32],
    text: Mapping[GifKey, np.float32],
    shares: NDArray[np.float32],
    agreement: NDArray[np.float32],
) -> tuple[Signals, ...]:
    return tuple(
        Signals(
            key,
            float(visual[key]) if key in visual else None,
            float(text[key]) if key in text else None,
            None,
            words=words,
            trigrams=trigrams,
            exact=exact,
            reaction=reaction,
        )
        for key, (words, trigrams, exact), reaction in zip(keys, shares.tolist(), agreement.tolist(), strict=True)
    )

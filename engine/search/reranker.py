"""Reranks a provider's candidates for one query: by text and rank at once, then by stills, frames and the
words in them.

One rerank serves all callers with the same query. It can be ranked at any time (an anytime algorithm): GIFs without an
embedding get the visual similarity that their text and rank predict. After the last caller was answered, it continues
within a byte budget.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import TaskGroup
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from deepgif.engine.errors import DeepGifError
from deepgif.engine.index.lexical import Frequencies
from deepgif.engine.ingest.candidates import CandidateEmbedder, WriteBuffer
from deepgif.engine.ingest.pipeline import View
from deepgif.engine.protocols import SearchProvider, Vector
from deepgif.engine.search.lexical import lexical_evidence
from deepgif.engine.search.ranking import Ranking, RankingModel, Signals, confidence, drop_near_duplicates, fuse
from deepgif.engine.search.reactions import ReactionReader
from deepgif.engine.search.retrieval import Hits, Similarity
from deepgif.engine.types import Candidate, Coverage, Gif, GifKey, Origin

CLIPS = 20  # candidates whose frames are embedded: the best ones by their stills
WORDS_S = 0.3  # to wait for words after all frames are embedded; callers have their own deadlines besides
WORKERS = 32  # candidates of one query in flight
UNATTENDED_BYTES = 8 * 1024 * 1024  # downloaded for one query after the last caller was answered
_log = logging.getLogger(__name__)


class Rerank:
    """One query's candidates and their signals so far. ``providers`` by name are the sources of ``candidates``;
    ``gifs`` are indexed GIFs with their URLs, to be ranked among the candidates, and ``vectors`` their embeddings."""

    def __init__(
        self,
        hits: Hits,
        candidates: Sequence[Candidate],
        gifs: Mapping[GifKey, Gif],
        vectors: Mapping[GifKey, Vector],
        providers: Mapping[str, SearchProvider],
        embedder: CandidateEmbedder,
        model: RankingModel,
        similarity: Similarity,
        frequencies: Frequencies,
        notices: Sequence[str] = (),
        reactions: ReactionReader | None = None,
    ) -> None:
        self._hits = hits
        self._candidates = {one.gif.key: one for one in candidates}
        self._providers = providers
        self._embedder = embedder
        self._model = model
        self._similarity = similarity
        self._frequencies = frequencies
        self._notices = tuple(notices)
        self._reactions = reactions
        self._gifs = dict(gifs) | {key: one.gif for key, one in self._candidates.items()}
        self._signals = {one.key: one for one in hits.signals if one.key in self._gifs}
        for rank, key in enumerate(self._candidates):
            self._signals[key] = replace(self._signals.get(key, Signals(key)), rank=rank)
        self._vectors = dict(vectors)
        self._fresh = WriteBuffer(embedder)
        self._bytes = 0
        self.unattended = False  # whether all callers were answered

    async def run(self) -> None:
        """Embeds the candidates, the most promising first. GIFs that fail keep their other signals."""
        try:
            await self._use_stored()
            missing = [key for key in self._promising() if self._signals[key].visual is None]
            await self._embed_all([(key, View.STILL if self._candidates[key].still else View.CLIP) for key in missing])
            clips = await self._embedder.stored(View.CLIP, list(self._candidates))
            best = [key for key in self._promising()[:CLIPS] if key not in clips and self._has_both(key)]
            await self._embed_all([(key, View.CLIP) for key in best])
            await self._recognise(self._promising()[:CLIPS])
        finally:
            await self._fresh.flush()

    def ranking(self) -> Ranking:
        """The ranking so far."""
        scored = fuse(list(self._signals.values()), self._model.weights)
        return Ranking(
            scored=tuple(drop_near_duplicates(scored, self._vectors)),
            gifs=self._gifs,
            confidence=confidence(scored, self._model.weights, self._model.reranked, len(scored)),
            count=len(scored),
            fetched=frozenset(self._candidates),
            origin=Origin.RERANKED,
            coverage=Coverage(sum(one.signals.visual is not None for one in scored), len(scored)),
            notices=self._notices,
        )

    async def _use_stored(self) -> None:
        """Embeds all texts, and uses the stored embeddings of stills and clips."""
        candidates, keys = list(self._candidates.values()), list(self._candidates)
        for name, provider in self._providers.items():
            await provider.store([one for one in candidates if one.gif.key.provider == name])
        texts = await self._embedder.embed_texts(candidates)
        for key, vector in texts.items():
            self._signals[key] = replace(self._signals[key], text=float(vector @ self._hits.vector))
        await self._use_texts(await self._embedder.texts_in_gifs(keys), keys)
        self._use_captions(await self._embedder.captions(keys))
        self._use(await self._embedder.stored(View.STILL, keys) | await self._embedder.stored(View.CLIP, keys))

    async def _embed_all(self, views: Sequence[tuple[GifKey, View]]) -> None:
        waiting = iter(views)

        async def work() -> None:
            for key, view in waiting:
                if self.unattended and self._bytes > UNATTENDED_BYTES:
                    return
                await self._embed(key, view)

        async with TaskGroup() as group:
            for _ in range(min(WORKERS, len(views))):
                group.create_task(work())

    async def _embed(self, key: GifKey, view: View) -> None:
        candidate = self._candidates[key]
        try:
            embedded = await self._embedder.embed(candidate, view)
        except DeepGifError as error:
            _log.debug("%s of %s: %s", view, key, error)
            return
        if self.unattended:
            self._bytes += embedded.size
        self._use({key: embedded.vector})
        await self._fresh.add(view, candidate.gif, embedded.vector)

    async def _recognise(self, keys: Sequence[GifKey]) -> None:
        """Starts to read the words in these GIFs, in this order. What takes longer than ``WORDS_S`` continues in the
        background, for the next search."""
        new = [key for key in keys if self._signals[key].caption is None]
        tasks = {task: key for key in new if (task := self._embedder.recognise(self._candidates[key])) is not None}
        if not tasks or self.unattended:
            return
        done, _ = await asyncio.wait(tasks, timeout=WORDS_S)
        captions = {tasks[task]: task.result() for task in done if not task.cancelled() and task.exception() is None}
        await self._use_texts({key: one.text for key, one in captions.items()}, list(captions))
        self._use_captions({key: one.vector for key, one in captions.items() if one.vector is not None})

    async def _use_texts(self, in_gifs: Mapping[GifKey, str], keys: Sequence[GifKey]) -> None:
        """Compares the query's words and reaction with the texts of ``keys``, those ``in_gifs`` included."""
        texts = [(*self._candidates[key].texts, in_gifs.get(key, "")) for key in keys]
        shares = await asyncio.to_thread(lexical_evidence, self._hits.query, texts, self._frequencies)
        for key, (words, trigrams, exact) in zip(keys, shares.tolist(), strict=True):
            self._signals[key] = replace(self._signals[key], words=words, trigrams=trigrams, exact=exact)
        if self._reactions is not None:
            agreement = await asyncio.to_thread(self._reactions.evidence, self._hits.reaction, texts)
            for key, reaction in zip(keys, agreement.tolist(), strict=True):
                self._signals[key] = replace(self._signals[key], reaction=reaction)

    def _use_captions(self, vectors: Mapping[GifKey, Vector]) -> None:
        for key, vector in vectors.items():
            self._signals[key] = replace(self._signals[key], caption=float(vector @ self._hits.vector))

    def _use(self, vectors: Mapping[GifKey, Vector]) -> None:
        if not vectors:
            return
        rows = np.stack(list(vectors.values()))
        for key, similarity in zip(vectors, self._similarity.visual(self._hits.vector, rows).tolist(), strict=True):
            self._signals[key] = replace(self._signals[key], visual=similarity)
        self._vectors.update(vectors)

    def _promising(self) -> list[GifKey]:
        """The candidates' keys, best first."""
        scored = fuse(list(self._signals.values()), self._model.weights)
        return [one.signals.key for one in scored if one.signals.key in self._candidates]

    def _has_both(self, key: GifKey) -> bool:
        candidate = self._candidates[key]
        return candidate.clip is not None and candidate.still is not None

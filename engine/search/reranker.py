"""One query over a provider's candidates, better with every moment: texts and order first, then stills, then frames.

It runs once for all who ask the same, goes on after they were answered within a byte budget, and can be ranked at any
time (an anytime algorithm: what has not been looked at is expected to look as its words and place suggest).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.errors import DeepGifError
from deepgif.engine.ingest.candidates import CandidateEmbedder, View, WriteBuffer
from deepgif.engine.ingest.deduplication import Vector
from deepgif.engine.protocols import SearchProvider
from deepgif.engine.search.ranking import RankingModel, ScoredCandidate, Signals, confidence, fold, fuse
from deepgif.engine.search.retrieval import Hits, Similarity
from deepgif.engine.types import Candidate, Coverage, Gif, GifKey, Origin

MOVING = 20  # candidates whose frames are looked at, the most promising ones
WORKERS = 32  # candidates of one query that are under way
LEFTOVER_BYTES = 8 * 1024 * 1024  # downloaded for one query after the last answer
NEAR_DUPLICATE = 0.985
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ranking:
    """A whole ranking, to be shown page by page. ``gifs`` are those of it whose addresses are at hand."""

    fused: tuple[ScoredCandidate, ...]
    gifs: Mapping[GifKey, Gif]
    chance: float
    count: int
    fetched: frozenset[GifKey]
    origin: Origin
    coverage: Coverage
    notices: tuple[str, ...] = ()


class Rerank:
    """The candidates of one query and what is known of them so far. ``providers`` are those that ``candidates`` came
    from, by name; ``known`` are GIFs that were found before, with their addresses, and ``pictures`` their vectors."""

    def __init__(
        self,
        found: Hits,
        candidates: Sequence[Candidate],
        known: Mapping[GifKey, Gif],
        pictures: Mapping[GifKey, Vector],
        providers: Mapping[str, SearchProvider],
        embedder: CandidateEmbedder,
        model: RankingModel,
        likeness: Similarity,
        notices: Sequence[str] = (),
    ) -> None:
        self._found = found
        self._candidates = {one.gif.key: one for one in candidates}
        self._providers = providers
        self._embedder = embedder
        self._model = model
        self._likeness = likeness
        self._notices = tuple(notices)
        self._gifs = dict(known) | {key: one.gif for key, one in self._candidates.items()}
        self._evidence = {one.key: one for one in found.evidence if one.key in self._gifs}
        for place, key in enumerate(self._candidates):
            before = self._evidence.get(key, Signals(key))
            self._evidence[key] = replace(before, place=place)
        self._vectors = dict(pictures)
        self._fresh = WriteBuffer(embedder)
        self._bytes = 0
        self.answered = False  # from then on only leftovers are fetched, and only so much

    async def run(self) -> None:
        """Looks at everything, the most promising first. Failures of single GIFs leave them as they are."""
        try:
            await self._begin()
            unseen = [key for key in self._promising() if self._evidence[key].visual is None]
            stills = [(key, View.STILL if self._candidates[key].still is not None else View.CLIP) for key in unseen]
            await self._look_at(stills)
            clips = await self._embedder.known(View.CLIP, list(self._candidates))
            still = [key for key in self._promising()[:MOVING] if key not in clips and self._moves(key)]
            await self._look_at([(key, View.CLIP) for key in still])
        finally:
            await self._fresh.store()

    def ranking(self) -> Ranking:
        """What would be answered now."""
        fused = fuse(list(self._evidence.values()), self._model.weights)
        chance = confidence(fused, self._model.weights, self._model.reranked, len(fused))
        seen = sum(one.evidence.visual is not None for one in fused)
        return Ranking(
            fused=tuple(fold(fused, self._vectors, NEAR_DUPLICATE)),
            gifs=self._gifs,
            chance=chance,
            count=len(fused),
            fetched=frozenset(self._candidates),
            origin=Origin.RERANKED,
            coverage=Coverage(seen, len(fused)),
            notices=self._notices,
        )

    async def _begin(self) -> None:
        """Texts of all, and what was looked at before."""
        candidates = list(self._candidates.values())
        keys = list(self._candidates)
        for name, provider in self._providers.items():
            await provider.remember([one for one in candidates if one.gif.key.provider == name])
        texts = await self._embedder.read(candidates)
        for key, vector in texts.items():
            self._evidence[key] = replace(self._evidence[key], text=float(vector @ self._found.vector))
        self._see(await self._embedder.known(View.STILL, keys) | await self._embedder.known(View.CLIP, keys))

    async def _look_at(self, wanted: Sequence[tuple[GifKey, View]]) -> None:
        waiting = iter(wanted)

        async def work() -> None:
            for key, view in waiting:
                if self.answered and self._bytes > LEFTOVER_BYTES:
                    return
                await self._look_at_one(key, view)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(WORKERS, len(wanted))):
                group.create_task(work())

    async def _look_at_one(self, key: GifKey, view: View) -> None:
        candidate = self._candidates[key]
        try:
            looked = await self._embedder.look(candidate, view)
        except DeepGifError as error:
            _log.debug("%s of %s: %s", view, key, error)
            return
        if self.answered:
            self._bytes += looked.size
        self._see({key: looked.vector})
        await self._fresh.add(view, candidate.gif, looked.vector)

    def _see(self, vectors: Mapping[GifKey, Vector]) -> None:
        if not vectors:
            return
        rows: NDArray[np.float32] = np.stack(list(vectors.values()))
        for key, likeness in zip(vectors, self._likeness.visual(self._found.vector, rows).tolist(), strict=True):
            self._evidence[key] = replace(self._evidence[key], visual=likeness)
        self._vectors.update(vectors)

    def _promising(self) -> list[GifKey]:
        """The candidates' keys, best first."""
        fused = fuse(list(self._evidence.values()), self._model.weights)
        return [one.evidence.key for one in fused if one.evidence.key in self._candidates]

    def _moves(self, key: GifKey) -> bool:
        candidate = self._candidates[key]
        return candidate.clip is not None and candidate.still is not None

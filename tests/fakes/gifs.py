"""A provider and a retriever over GIFs held in memory, without a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.search.collection import Collection as GifCollection
from deepgif.engine.search.ranking import ScoreStatistics, Signals
from deepgif.engine.search.ranking_model import UNFITTED, QueryBank
from deepgif.engine.search.retrieval import Hits, RetrievalQuery, Retriever, Similarity
from deepgif.engine.types import Gif, GifKey, Rating
from tests.fakes.encoder import ColourEncoder


def gif(name: str, rating: Rating = Rating.G) -> Gif:
    """A GIF of the catalogue ``memory``."""
    key = GifKey("memory", name)
    return Gif(key, f"Title of {name}", f"Alt text of {name}", rating, f"/v1/media/memory/{name}", 120, 90)


class MemoryProvider:
    """``Provider`` over a fixed list of GIFs, with files for some of them."""

    name = "memory"

    def __init__(self, gifs: Sequence[Gif], files: dict[str, Path] | None = None) -> None:
        self.gifs = {one.key.id: one for one in gifs}
        self.files = files or {}

    async def count(self) -> int:
        return len(self.gifs)

    async def lookup(self, ids: Collection[str], *, fetch: bool = True) -> dict[str, Gif]:
        return {gif_id: self.gifs[gif_id] for gif_id in ids if gif_id in self.gifs}

    async def media(self, gif_id: str) -> Path | None:
        return self.files.get(gif_id)


NO_BANK = Similarity(QueryBank(np.zeros((0, 4), np.float32), 0.0), 0.0)


class MemoryRetriever(Retriever):
    """Retrieves GIFs in the order of their names; raises ``error`` if it is set."""

    def __init__(self, gifs: Sequence[Gif], collection: GifCollection) -> None:
        super().__init__(ColourEncoder(), collection, UNFITTED, NO_BANK)
        self.gifs = sorted(gifs, key=lambda one: one.key)
        self.error: Exception | None = None
        self.vocabulary_coverage = 1.0

    async def search(self, query: RetrievalQuery) -> Hits:
        if self.error is not None:
            raise self.error
        allowed = [one.key for one in self.gifs if query.max_rating.allows(one.rating)]
        signals = tuple(Signals(key, visual=0.5 - rank / 10) for rank, key in enumerate(allowed[: query.count]))
        statistics = ScoreStatistics(0.1, 0.1)
        return Hits(
            "", np.zeros(4, np.float32), signals, statistics, statistics, len(allowed), self.vocabulary_coverage
        )


def memory_index(gifs: Sequence[Gif]) -> ExactIndex:
    """An index in which each GIF looks like nothing but itself."""
    index = ExactIndex(max(2, len(gifs)))
    vectors = np.eye(len(gifs), max(2, len(gifs)), dtype=np.float32)
    index.add([one.key for one in gifs], vectors, [one.rating for one in gifs])
    return index

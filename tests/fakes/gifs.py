"""A provider over GIFs held in memory, and a way to find among them without a model."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.search.ranking import ScoreStatistics, Signals
from deepgif.engine.search.retrieval import Hits, RetrievalQuery
from deepgif.engine.types import Gif, GifKey, Rating


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

    async def lookup(self, ids: Collection[str], *, ask: bool = True) -> dict[str, Gif]:
        return {gif_id: self.gifs[gif_id] for gif_id in ids if gif_id in self.gifs}

    async def media(self, gif_id: str) -> Path | None:
        return self.files.get(gif_id)


class MemoryFinder:
    """Finds GIFs in the order of their names; ``asked`` keeps the queries, and ``error`` is raised where it is set."""

    def __init__(self, gifs: Sequence[Gif]) -> None:
        self.gifs = sorted(gifs, key=lambda one: one.key)
        self.asked: list[RetrievalQuery] = []
        self.error: Exception | None = None
        self.understood = 1.0

    async def __call__(self, query: RetrievalQuery) -> Hits:
        self.asked.append(query)
        if self.error is not None:
            raise self.error
        allowed = [one.key for one in self.gifs if query.max_rating.allows(one.rating)]
        evidence = tuple(Signals(key, visual=0.5 - place / 10) for place, key in enumerate(allowed[: query.count]))
        spread = ScoreStatistics(0.1, 0.1)
        return Hits(np.zeros(4, np.float32), evidence, spread, spread, len(allowed), self.understood)


def memory_index(gifs: Sequence[Gif]) -> ExactIndex:
    """An index in which each GIF looks like nothing but itself."""
    index = ExactIndex(max(2, len(gifs)))
    vectors = np.eye(len(gifs), max(2, len(gifs)), dtype=np.float32)
    index.add([one.key for one in gifs], vectors, [one.rating for one in gifs])
    return index

"""Indexes a folder: loads what is stored, then embeds what is new."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from deepgif.engine.errors import MediaError
from deepgif.engine.ingest.concurrency import map_unordered
from deepgif.engine.ingest.pipeline import EmbeddingPipeline, View
from deepgif.engine.protocols import Vector
from deepgif.engine.providers.folder import Changes, FolderCatalogue
from deepgif.engine.types import GifKey, describe

IN_FLIGHT = 32  # GIFs being read, decoded or embedded
STORE_EVERY_S = 1.0  # the most work that a kill can lose
STORE_EVERY = 32  # GIFs
TEXTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class IndexReport:
    """The result of one run: the folder's changes in files, how many GIFs were already ``known`` and how many were
    ``embedded``, unreadable files as (path, reason), and the time in seconds."""

    changes: Changes
    known: int
    embedded: int
    unreadable: tuple[tuple[str, str], ...]
    elapsed_s: float


Progress = Callable[[int, int], None]


class Indexer:
    """Keeps the indexes in step with a folder."""

    def __init__(self, pipeline: EmbeddingPipeline) -> None:
        self._pipeline = pipeline

    async def load(self, catalogue: FolderCatalogue) -> set[str]:
        """Indexes the stored vectors of the folder's GIFs, and returns their ids."""
        present = set(catalogue.ids())
        loaded: set[str] = set()
        async for keys, vectors in self._pipeline.scan(View.CLIP, catalogue.name):
            chunk = {key: vector for key, vector in zip(keys, vectors, strict=True) if key.id in present}
            await self._index(catalogue, chunk)
            loaded.update(key.id for key in chunk)
        return loaded

    async def run(self, catalogue: FolderCatalogue, on_progress: Progress = lambda done, total: None) -> IndexReport:
        """Scans the folder, removes GIFs that are gone, and embeds new ones. A run that was stopped is continued by
        the next one; unreadable files are reported and skipped. ``on_progress`` gets the number of indexed GIFs and
        the total."""
        started = time.monotonic()
        before = set(catalogue.ids())
        changes = await catalogue.scan()
        ids = catalogue.ids()
        await self._pipeline.remove([GifKey(catalogue.name, gif_id) for gif_id in before.difference(ids)])
        stored = await self.load(catalogue)
        missing = [gif_id for gif_id in ids if gif_id not in stored]
        unreadable = list(changes.unreadable)
        done = len(ids) - len(missing)
        on_progress(done, len(ids))
        fresh: dict[GifKey, Vector] = {}
        stored_at = time.monotonic()
        try:
            async with aclosing(map_unordered(missing, partial(self._embed, catalogue), IN_FLIGHT)) as results:
                async for gif_id, result in results:
                    done += 1
                    if isinstance(result, MediaError):
                        unreadable.append((catalogue.path_of(gif_id), str(result)))
                    else:
                        fresh[GifKey(catalogue.name, gif_id)] = result
                    if len(fresh) >= STORE_EVERY or time.monotonic() - stored_at > STORE_EVERY_S or done == len(ids):
                        await self._pipeline.store(View.CLIP, fresh)
                        await self._index(catalogue, fresh)
                        fresh, stored_at = {}, time.monotonic()
                    on_progress(done, len(ids))
        finally:
            await self._pipeline.store(View.CLIP, fresh)  # not empty if the run was stopped
        failed = len(unreadable) - len(changes.unreadable)
        return IndexReport(changes, len(stored), len(missing) - failed, tuple(unreadable), time.monotonic() - started)

    async def _embed(self, catalogue: FolderCatalogue, gif_id: str) -> Vector:
        key = GifKey(catalogue.name, gif_id)
        return (await self._pipeline.embed(View.CLIP, key, partial(catalogue.read, gif_id))).vector

    async def _index(self, catalogue: FolderCatalogue, vectors: Mapping[GifKey, Vector]) -> None:
        gifs = await catalogue.lookup([key.id for key in vectors])
        keys = [key for key in vectors if key.id in gifs]  # without those removed in the meantime
        ratings = {key: gifs[key.id].rating for key in keys}
        await self._pipeline.index(View.CLIP, {key: vectors[key] for key in keys}, ratings)
        for start in range(0, len(keys), TEXTS_AT_ONCE):
            chunk = keys[start : start + TEXTS_AT_ONCE]
            await self._pipeline.index_words({key: gifs[key.id].texts for key in chunk}, ratings)
            rows = await self._pipeline.embed_texts([describe(gifs[key.id].texts) for key in chunk])
            await self._pipeline.index(View.TEXT, dict(zip(chunk, rows, strict=True)), ratings)

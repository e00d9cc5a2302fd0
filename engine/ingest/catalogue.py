"""Brings a local catalogue into the index: what is stored at once, what is new one by one, nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import numpy as np

from deepgif.engine.errors import MediaError
from deepgif.engine.ingest.concurrency import map_unordered
from deepgif.engine.ingest.deduplication import EmbeddingLeases, NoLeases, Vector
from deepgif.engine.protocols import Clip, EmbeddingStore, Index, Vectors
from deepgif.engine.providers.folder import Changes, LocalCatalogue
from deepgif.engine.types import GifKey, describe

IN_FLIGHT = 32  # GIFs being read, decoded or embedded at a time
STORE_EVERY_S = 1.0  # what a kill can cost
STORE_EVERY = 32  # GIFs
TEXTS_AT_ONCE = 256


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What was done: files as in ``Changes``, GIFs ``known`` from before and newly ``embedded``."""

    changes: Changes
    known: int
    embedded: int
    unreadable: tuple[tuple[str, str], ...]
    elapsed_s: float


Progress = Callable[[int, int], None]


class Indexer:
    """Keeps the indexes of pictures and of texts in step with a catalogue. ``decode`` makes clips of bytes, ``embed``
    vectors of clips, ``embed_texts`` vectors of texts; none of them may block the event loop. ``once`` keeps engines
    that share a store, each over a copy of the same files, from embedding the same."""

    def __init__(
        self,
        space: str,
        store: EmbeddingStore,
        index: Index,
        decode: Callable[[bytes], Awaitable[Clip]],
        embed: Callable[[Clip], Awaitable[Vector]],
        texts: Index,
        embed_texts: Callable[[Sequence[str]], Awaitable[Vectors]],
        once: EmbeddingLeases | None = None,
    ) -> None:
        self._space = space
        self._store = store
        self.index = index
        self._decode = decode
        self._embed = embed
        self._texts = texts
        self._embed_texts = embed_texts
        self._once = once or NoLeases()

    async def load(self, catalogue: LocalCatalogue) -> set[str]:
        """Puts what is stored into the index; the ids of it."""
        wanted = set(catalogue.ids())
        loaded: set[str] = set()
        async for keys, vectors in self._store.scan(self._space, catalogue.name):
            rows = [row for row, key in enumerate(keys) if key.id in wanted]
            if rows:
                await self._add(catalogue, {keys[row]: vectors[row] for row in rows})
                loaded.update(keys[row].id for row in rows)
        return loaded

    async def run(self, catalogue: LocalCatalogue, on_progress: Progress = lambda done, total: None) -> IndexReport:
        """Looks through the folder, drops what has gone, and embeds what is new. Stopped at any moment, the next run
        goes on; files that cannot be read are listed and passed over."""
        started = time.monotonic()
        before = set(catalogue.ids())
        changes = await catalogue.scan()
        ids = catalogue.ids()
        gone = [GifKey(catalogue.name, gif_id) for gif_id in before.difference(ids)]
        await asyncio.to_thread(self.index.remove, gone)
        await asyncio.to_thread(self._texts.remove, gone)
        known = await self.load(catalogue)
        missing = [gif_id for gif_id in ids if gif_id not in known]
        unreadable = list(changes.unreadable)
        done = len(ids) - len(missing)
        on_progress(done, len(ids))
        fresh: dict[GifKey, Vector] = {}
        stored_at = time.monotonic()
        try:
            async with aclosing(map_unordered(missing, partial(self._embed_one, catalogue), IN_FLIGHT)) as embedded:
                async for gif_id, result in embedded:
                    done += 1
                    if isinstance(result, MediaError):
                        unreadable.append((catalogue.path_of(gif_id), str(result)))
                    else:
                        fresh[GifKey(catalogue.name, gif_id)] = result
                    if len(fresh) >= STORE_EVERY or time.monotonic() - stored_at > STORE_EVERY_S or done == len(ids):
                        await self._keep(catalogue, fresh)
                        fresh, stored_at = {}, time.monotonic()
                    on_progress(done, len(ids))
        finally:
            if fresh:  # stopped in between
                await self._store.put_many(self._space, fresh)
        failed = len(unreadable) - len(changes.unreadable)
        return IndexReport(changes, len(known), len(missing) - failed, tuple(unreadable), time.monotonic() - started)

    async def _embed_one(self, catalogue: LocalCatalogue, gif_id: str) -> Vector:
        key = GifKey(catalogue.name, gif_id)

        async def make(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
            vector = await self._embed(await self._decode(await catalogue.read(gif_id)))
            if not np.isfinite(vector).all():  # in the index it would spoil the mean, and so every search
                raise MediaError("The model finds no vector for it.")
            return {key: vector}

        return (await self._once.vectors(self._space, [key], make))[key]

    async def _keep(self, catalogue: LocalCatalogue, vectors: dict[GifKey, Vector]) -> None:
        if vectors:
            await self._store.put_many(self._space, vectors)
            await self._add(catalogue, vectors)

    async def _add(self, catalogue: LocalCatalogue, vectors: dict[GifKey, Vector]) -> None:
        gifs = await catalogue.lookup([key.id for key in vectors])
        keys = [key for key in vectors if key.id in gifs]  # without those that have gone meanwhile
        if not keys:
            return
        rows = np.stack([vectors[key] for key in keys])
        ratings = [gifs[key.id].rating for key in keys]
        await asyncio.to_thread(self.index.add, keys, rows, ratings)
        texts = [describe(gifs[key.id]) for key in keys]
        for start in range(0, len(keys), TEXTS_AT_ONCE):
            part = slice(start, start + TEXTS_AT_ONCE)
            await asyncio.to_thread(self._texts.add, keys[part], await self._embed_texts(texts[part]), ratings[part])

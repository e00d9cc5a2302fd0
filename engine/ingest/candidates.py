"""A candidate's addresses to its vectors: download, decode, embed, keep. Nothing twice, not even at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from deepgif.engine.errors import MediaError
from deepgif.engine.ingest.deduplication import EmbeddingLeases, NoLeases, Vector
from deepgif.engine.protocols import Clip, EmbeddingStore, Index, Vectors
from deepgif.engine.providers.remote import Fetch
from deepgif.engine.types import Candidate, Gif, GifKey, Rating

RECENT = 4096  # vectors, 16 MB, for searches that looked into the store before they were there
AT_ONCE = 64  # candidates whose bytes or frames are in memory
STORE_EVERY = 32  # vectors


class View(StrEnum):
    """What of a GIF a vector stands for; stills and texts have a space of their own in the store."""

    STILL = "still"
    CLIP = "clip"
    TEXT = "text"

    def of(self, space: str) -> str:
        """The space of this view in the store, where ``space`` is that of clips."""
        return space if self is View.CLIP else f"{space}:{self}"


@dataclass(frozen=True, slots=True)
class Looked:
    """The vector (D,) of a still or clip, and how many bytes were downloaded for it now."""

    vector: Vector
    size: int


class CandidateEmbedder:
    """Vectors of candidates. ``space`` is that of clips; ``decode`` makes clips of bytes, ``embed`` vectors of clips,
    ``embed_texts`` vectors of texts; none of them may block the event loop. ``once`` keeps engines that share a store
    from doing the same work."""

    def __init__(
        self,
        space: str,
        store: EmbeddingStore,
        pictures: Index,
        texts: Index,
        download: Fetch,
        decode: Callable[[bytes], Awaitable[Clip]],
        embed: Callable[[Clip], Awaitable[Vector]],
        embed_texts: Callable[[Sequence[str]], Awaitable[Vectors]],
        once: EmbeddingLeases | None = None,
    ) -> None:
        self._space = space
        self._store = store
        self._pictures = pictures
        self._texts = texts
        self._download = download
        self._decode = decode
        self._embed = embed
        self._embed_texts = embed_texts
        self._once = once or NoLeases()
        self._under_way: dict[tuple[GifKey, View], asyncio.Task[Looked]] = {}
        self._asking: Counter[asyncio.Task[Looked]] = Counter()
        self._recent: OrderedDict[tuple[GifKey, View], Looked] = OrderedDict()
        self._reading = asyncio.Lock()
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def known(self, view: View, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The vectors of this view that are stored."""
        return await self._store.get_many(view.of(self._space), keys)

    async def look(self, candidate: Candidate, view: View) -> Looked:
        """What the candidate's still or clip looks like; callers who ask for the same share the work, which ends when
        the last of them leaves. Raises ``MediaError``, ``NotReadyError`` or ``OverloadedError``."""
        key = candidate.gif.key, view
        if key in self._recent:
            return replace(self._recent[key], size=0)
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._look(candidate, view))
            self._under_way[key] = task
            task.add_done_callback(lambda done: self._settled(key, done))
        self._asking[task] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._asking[task] -= 1
            if not self._asking[task]:
                del self._asking[task]
                task.cancel()

    async def read(self, candidates: Sequence[Candidate]) -> dict[GifKey, Vector]:
        """The vectors of the candidates' texts, of those that have any; new ones are embedded and kept."""
        wanted = {one.gif.key: one for one in candidates if one.text}
        async with self._reading:  # one after the other: what several queries share is embedded by the first
            vectors = await asyncio.to_thread(self._texts.vectors, list(wanted))
            new = [one for key, one in wanted.items() if key not in vectors]
            if new:
                texts = {one.gif.key: one.text for one in new}

                async def make(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
                    rows = await self._embed_texts([texts[key] for key in keys])
                    return dict(zip(keys, rows, strict=True))

                fresh = await self._once.vectors(View.TEXT.of(self._space), list(texts), make)
                await self._add(self._texts, View.TEXT, fresh, {one.gif.key: one.gif.rating for one in new})
                vectors |= fresh
        return vectors

    async def keep(self, view: View, vectors: Mapping[GifKey, Vector], ratings: Mapping[GifKey, Rating]) -> None:
        """Stores vectors of pictures, and lets them be found."""
        await self._add(self._pictures, view, vectors, ratings)

    async def load(self, candidates: Sequence[Candidate]) -> None:
        """Lets what is stored of these GIFs be found; texts that are not stored are embedded."""
        ratings = {one.gif.key: one.gif.rating for one in candidates}
        keys = list(ratings)
        pictures = await self.known(View.STILL, keys) | await self.known(View.CLIP, keys)
        await self._put(self._pictures, pictures, ratings)
        seen = [one for one in candidates if one.gif.key in pictures]
        await self._put(self._texts, await self.known(View.TEXT, list(pictures)), ratings)
        await self.read(seen)

    async def close(self) -> None:
        """Ends what is under way."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self, candidate: Candidate, view: View) -> Looked:
        rendition = candidate.still if view is View.STILL else candidate.clip
        if rendition is None:
            raise MediaError("There is no file of it that can be looked at.")
        key, size = candidate.gif.key, 0

        async def make(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
            nonlocal size
            async with self._slots:
                data = await self._download.fetch(rendition.url)
                vector = await self._embed(await self._decode(data))
            if not np.isfinite(vector).all():
                raise MediaError("The model finds no vector for it.")
            size = len(data)
            return {key: vector}

        vectors = await self._once.vectors(view.of(self._space), [key], make)
        return Looked(vectors[key], size)

    async def _add(
        self, index: Index, view: View, vectors: Mapping[GifKey, Vector], ratings: Mapping[GifKey, Rating]
    ) -> None:
        if vectors:
            await self._store.put_many(view.of(self._space), vectors)
            await self._put(index, vectors, ratings)

    async def _put(self, index: Index, vectors: Mapping[GifKey, Vector], ratings: Mapping[GifKey, Rating]) -> None:
        if vectors:
            rows = np.stack(list(vectors.values()))
            await asyncio.to_thread(index.add, list(vectors), rows, [ratings[key] for key in vectors])

    def _settled(self, key: tuple[GifKey, View], task: asyncio.Task[Looked]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled() and task.exception() is None:  # whoever asked has the exception
            self._recent[key] = task.result()
            if len(self._recent) > RECENT:
                self._recent.popitem(last=False)


class WriteBuffer:
    """Vectors of pictures that were made one by one, on their way into the store in groups; a kill costs one group."""

    def __init__(self, embedder: CandidateEmbedder) -> None:
        self._embedder = embedder
        self._waiting: dict[View, dict[GifKey, tuple[Vector, Rating]]] = {View.STILL: {}, View.CLIP: {}}

    async def add(self, view: View, gif: Gif, vector: Vector) -> None:
        """Takes a vector, and stores those of its view where they are enough."""
        self._waiting[view][gif.key] = vector, gif.rating
        if len(self._waiting[view]) >= STORE_EVERY:
            await self.store()

    async def store(self) -> None:
        """Stores all that wait."""
        for view, waiting in self._waiting.items():
            self._waiting[view] = {}
            vectors = {key: vector for key, (vector, _) in waiting.items()}
            await self._embedder.keep(view, vectors, {key: rating for key, (_, rating) in waiting.items()})

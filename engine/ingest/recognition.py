"""Reads the words in GIFs, each GIF once, beside everything else, and lets GIFs be found by them."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from deepgif.engine.errors import DeepGifError, MediaError, ModelError
from deepgif.engine.ingest.deduplication import EmbeddingLeases, NoLeases, Vector
from deepgif.engine.ingest.views import View
from deepgif.engine.protocols import EmbeddingStore, Index, RecognisedTextStore, Vectors
from deepgif.engine.providers.folder import FolderCatalogue
from deepgif.engine.types import GifKey, Rating

UNDER_WAY = 256  # GIFs that are read or wait for it; more are left for the next search that finds them
IN_MEMORY = 4  # of them, GIFs whose bytes are in memory
TEXTS_AT_ONCE = 256
NICENESS = 10  # of the thread that reads, where the system allows it: searches come first
_log = logging.getLogger(__name__)

Fetch = Callable[[], Awaitable[bytes]]
Read = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Caption:
    """The words in a GIF, "" for none, and their vector (D,)."""

    text: str
    vector: Vector | None


class TextRecognition:
    """Reads words with what ``load`` gives, called when the first GIF comes, on a thread of its own. Texts are kept in
    ``texts``; their vectors in ``space``, that of clips, go to ``store`` and to ``captions``. ``embed_texts`` must not
    block the event loop. Texts are people's content: none is ever logged."""

    def __init__(
        self,
        load: Callable[[], Read],
        space: str,
        texts: RecognisedTextStore,
        store: EmbeddingStore,
        captions: Index,
        embed_texts: Callable[[Sequence[str]], Awaitable[Vectors]],
        once: EmbeddingLeases | None = None,
    ) -> None:
        self._load = load
        self._space = View.CAPTION.of(space)
        self._texts = texts
        self._store = store
        self._captions = captions
        self._embed_texts = embed_texts
        self._once = once or NoLeases()
        self._read: Read | None = None
        self._broken = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="deepgif-ocr", initializer=_step_back)
        self._in_memory = asyncio.Semaphore(IN_MEMORY)
        self._under_way: dict[GifKey, asyncio.Task[Caption]] = {}

    async def texts_of(self, keys: Sequence[GifKey]) -> dict[GifKey, str]:
        """The words in those of ``keys`` that were read; "" where there are none."""
        return await self._texts.get_many(keys)

    async def vectors_of(self, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The vectors (D,) of the words in those of ``keys`` that have some and were read."""
        return await asyncio.to_thread(self._captions.vectors, keys)

    def start(self, key: GifKey, rating: Rating, fetch: Fetch) -> asyncio.Task[Caption] | None:
        """Begins to read a GIF whose bytes ``fetch`` gives; all who ask for the same share the work, which goes on
        when they leave. None where too many are under way, or nothing can be read here."""
        if (task := self._under_way.get(key)) is not None:
            return task
        if self._broken or len(self._under_way) >= UNDER_WAY:
            return None
        task = asyncio.create_task(self._recognise(key, rating, fetch))
        self._under_way[key] = task
        task.add_done_callback(lambda done: self._settled(key, done))
        return task

    async def load(self, ratings: Mapping[GifKey, Rating]) -> None:
        """Lets those of these GIFs be found that were read; texts whose vectors are not stored are embedded."""
        texts = {key: text for key, text in (await self.texts_of(list(ratings))).items() if text}
        vectors = await self._store.get_many(self._space, list(texts))
        missing = [key for key in texts if key not in vectors]
        for start in range(0, len(missing), TEXTS_AT_ONCE):
            some = missing[start : start + TEXTS_AT_ONCE]
            fresh = dict(zip(some, await self._embed_texts([texts[key] for key in some]), strict=True))
            await self._store.put_many(self._space, fresh)
            vectors |= fresh
        await self._put(vectors, ratings)

    async def read_catalogue(
        self, catalogue: FolderCatalogue, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """Reads all GIFs of a folder that were not read before. Stopped at any moment, the next run goes on."""
        gifs = await catalogue.lookup(catalogue.ids())
        keys = {gif.key: gif.rating for gif in gifs.values()}
        known = await self.texts_of(list(keys))
        missing = [key for key in keys if key not in known]
        for done, key in enumerate(missing):
            on_progress(len(known) + done, len(keys))
            task = self.start(key, keys[key], lambda gif_id=key.id: catalogue.read(gif_id))  # type: ignore[misc]
            if task is None:
                return
            with suppress(DeepGifError):  # the file may have gone
                await asyncio.shield(task)
        on_progress(len(keys), len(keys))

    async def close(self) -> None:
        """Ends what is under way; the GIF that is being read is read to its end."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    async def _recognise(self, key: GifKey, rating: Rating, fetch: Fetch) -> Caption:
        known = await self.texts_of([key])
        if key in known:
            text = known[key]
        else:
            async with self._in_memory:
                data = await fetch()
                text = await asyncio.get_running_loop().run_in_executor(self._thread, self._read_one, data)
                del data
            await self._texts.put(key, text)
        if not text:
            return Caption("", None)

        async def make(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
            (vector,) = await self._embed_texts([text])
            return {key: vector}

        vectors = await self._once.vectors(self._space, [key], make)
        await self._store.put_many(self._space, vectors)
        await self._put(vectors, {key: rating})
        return Caption(text, vectors[key])

    def _read_one(self, data: bytes) -> str:
        """On the thread. What cannot be decoded has no words: it would be no better the next time."""
        if self._broken:
            raise ModelError("Words in GIFs cannot be read here.")
        try:
            self._read = self._read or self._load()
        except ModelError as error:
            self._broken = True
            _log.error("%s", error)
            raise
        try:
            return self._read(data)
        except MediaError:
            return ""

    async def _put(self, vectors: Mapping[GifKey, Vector], ratings: Mapping[GifKey, Rating]) -> None:
        if vectors:
            rows = np.stack(list(vectors.values()))
            await asyncio.to_thread(self._captions.add, list(vectors), rows, [ratings[key] for key in vectors])

    def _settled(self, key: GifKey, task: asyncio.Task[Caption]) -> None:
        self._under_way.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("Words of %s: %s", key, type(error).__name__)


def _step_back() -> None:
    """Lets everything else on this machine come before the calling thread (on Linux, a thread has a niceness)."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

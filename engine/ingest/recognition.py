"""Reads the words in GIFs in the background, once per GIF, and indexes them."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from deepgif.engine.errors import DeepGifError, MediaError, ModelError
from deepgif.engine.ingest.pipeline import EmbeddingPipeline, View
from deepgif.engine.protocols import RecognisedTextStore, Vector
from deepgif.engine.providers.folder import FolderCatalogue
from deepgif.engine.types import GifKey, Rating

MAX_IN_FLIGHT = 256  # GIFs being read or waiting; the others are read when another search finds them
IN_MEMORY = 4  # of them, GIFs whose bytes are in memory
TEXTS_AT_ONCE = 256
NICENESS = 10  # of the thread that reads, if the system allows it: searches have priority
_log = logging.getLogger(__name__)

Fetch = Callable[[], Awaitable[bytes]]
Read = Callable[[bytes], str]


@dataclass(frozen=True, slots=True)
class Caption:
    """The words in a GIF, "" if there are none, and their vector (D,)."""

    text: str
    vector: Vector | None


class TextRecognition:
    """Reads words on a thread of its own, with the function that ``load`` returns when the first GIF arrives. Texts are
    stored in ``texts``, and embedded and indexed by ``pipeline``. Texts are people's content: none is ever logged."""

    def __init__(self, load: Callable[[], Read], texts: RecognisedTextStore, pipeline: EmbeddingPipeline) -> None:
        self._load = load
        self._texts = texts
        self._pipeline = pipeline
        self._read: Read | None = None
        self._broken = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="deepgif-ocr", initializer=_lower_priority)
        self._slots = asyncio.Semaphore(IN_MEMORY)
        self._in_flight: dict[GifKey, asyncio.Task[Caption]] = {}

    async def texts_of(self, keys: Sequence[GifKey]) -> dict[GifKey, str]:
        """The words in those of ``keys`` that were read; "" for GIFs without words."""
        return await self._texts.get_many(keys)

    def start(self, key: GifKey, rating: Rating, fetch: Fetch) -> asyncio.Task[Caption] | None:
        """Starts to read a GIF whose bytes ``fetch`` returns. Concurrent callers share the task, which continues if
        they leave. Returns None if too many GIFs wait, or the networks could not be loaded."""
        if (task := self._in_flight.get(key)) is not None:
            return task
        if self._broken or len(self._in_flight) >= MAX_IN_FLIGHT:
            return None
        task = asyncio.create_task(self._recognise(key, rating, fetch))
        self._in_flight[key] = task
        task.add_done_callback(lambda done: self._finished(key, done))
        return task

    async def load(self, ratings: Mapping[GifKey, Rating]) -> None:
        """Indexes the stored texts of these GIFs. Those without stored vectors are embedded."""
        texts = {key: text for key, text in (await self.texts_of(list(ratings))).items() if text}
        vectors = await self._pipeline.stored(View.CAPTION, list(texts))
        missing = [key for key in texts if key not in vectors]
        for start in range(0, len(missing), TEXTS_AT_ONCE):
            chunk = missing[start : start + TEXTS_AT_ONCE]
            fresh = await self._pipeline.embed_texts_once(View.CAPTION, {key: texts[key] for key in chunk})
            await self._pipeline.store(View.CAPTION, fresh)
            vectors |= fresh
        await self._index(texts, vectors, ratings)

    async def load_catalogue(self, catalogue: FolderCatalogue) -> None:
        """``load`` for all GIFs of a folder."""
        gifs = await catalogue.lookup(catalogue.ids())
        await self.load({gif.key: gif.rating for gif in gifs.values()})

    async def read_catalogue(
        self, catalogue: FolderCatalogue, on_progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """Reads all GIFs of a folder that were not read before. A run that was stopped is continued by the next."""
        gifs = await catalogue.lookup(catalogue.ids())
        ratings = {gif.key: gif.rating for gif in gifs.values()}
        known = await self.texts_of(list(ratings))
        missing = [key for key in ratings if key not in known]
        for done, key in enumerate(missing):
            on_progress(len(known) + done, len(ratings))
            task = self.start(key, ratings[key], partial(catalogue.read, key.id))
            if task is None:
                return
            with suppress(DeepGifError):  # the file may be gone
                await asyncio.shield(task)
        on_progress(len(ratings), len(ratings))

    async def close(self) -> None:
        """Cancels everything in flight, after the GIF that is being read."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)

    async def _recognise(self, key: GifKey, rating: Rating, fetch: Fetch) -> Caption:
        known = await self.texts_of([key])
        if key in known:
            text = known[key]
        else:
            async with self._slots:
                data = await fetch()
                text = await asyncio.get_running_loop().run_in_executor(self._thread, self._read_one, data)
                del data
            await self._texts.put(key, text)
        if not text:
            return Caption("", None)
        vectors = await self._pipeline.embed_texts_once(View.CAPTION, {key: text})
        await self._pipeline.store(View.CAPTION, vectors)
        await self._index({key: text}, vectors, {key: rating})
        return Caption(text, vectors[key])

    async def _index(
        self, texts: Mapping[GifKey, str], vectors: Mapping[GifKey, Vector], ratings: Mapping[GifKey, Rating]
    ) -> None:
        await self._pipeline.index_captions(texts, ratings)
        await self._pipeline.index(View.CAPTION, vectors, ratings)

    def _read_one(self, data: bytes) -> str:
        """Runs on the thread. A GIF that cannot be decoded has no words, so that it is not read again."""
        if self._broken:
            raise ModelError("Words in GIFs cannot be read.")
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

    def _finished(self, key: GifKey, task: asyncio.Task[Caption]) -> None:
        self._in_flight.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.debug("Words of %s: %s", key, type(error).__name__)


def _lower_priority() -> None:
    """Lowers the priority of the calling thread (on Linux, threads have a niceness of their own)."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)

"""Embeds provider GIFs: each file once, even if several searches need it at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from deepgif.engine.errors import MediaError
from deepgif.engine.ingest.pipeline import Embedded, EmbeddingPipeline, View
from deepgif.engine.ingest.recognition import Caption, TextRecognition
from deepgif.engine.media.download import Downloader
from deepgif.engine.protocols import Vector
from deepgif.engine.types import Candidate, Gif, GifKey, Rating

FILE_BYTES = 32 * 1024 * 1024  # of recent clips, so that their words can be read without another download
RECENT = 4096  # vectors, 16 MB, for searches that read the store before these were written
STORE_EVERY = 32  # vectors


class CandidateEmbedder:
    """Embeds the stills, clips and texts of candidates, and the words that ``recognition`` reads in them."""

    def __init__(
        self, pipeline: EmbeddingPipeline, downloader: Downloader, recognition: TextRecognition | None = None
    ) -> None:
        self._pipeline = pipeline
        self._downloader = downloader
        self._recognition = recognition
        self._files: OrderedDict[str, bytes] = OrderedDict()  # recent clips by URL
        self._files_size = 0
        self._in_flight: dict[tuple[GifKey, View], asyncio.Task[Embedded]] = {}
        self._waiting: Counter[asyncio.Task[Embedded]] = Counter()
        self._recent: OrderedDict[tuple[GifKey, View], Embedded] = OrderedDict()
        self._texts_lock = asyncio.Lock()

    async def stored(self, view: View, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The stored vectors of those of ``keys`` that have one."""
        return await self._pipeline.stored(view, keys)

    async def embed(self, candidate: Candidate, view: View) -> Embedded:
        """Downloads and embeds the candidate's still or clip. Concurrent callers share the work, which is cancelled
        when the last of them leaves. Raises ``MediaError``, ``NotReadyError`` or ``OverloadedError``."""
        key = candidate.gif.key, view
        if key in self._recent:
            return replace(self._recent[key], size=0)
        task = self._in_flight.get(key)
        if task is None:
            task = asyncio.create_task(self._embed(candidate, view))
            self._in_flight[key] = task
            task.add_done_callback(lambda done: self._finished(key, done))
        self._waiting[task] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiting[task] -= 1
            if not self._waiting[task]:
                del self._waiting[task]
                task.cancel()

    async def embed_texts(self, candidates: Sequence[Candidate]) -> dict[GifKey, Vector]:
        """The vectors of the candidates' texts, where they have any; new ones are embedded, stored and indexed."""
        with_text = {one.gif.key: one for one in candidates if one.text}
        async with self._texts_lock:  # one search at a time, so that shared candidates are embedded once
            vectors = await self._pipeline.indexed(View.TEXT, list(with_text))
            new = {key: one for key, one in with_text.items() if key not in vectors}
            if new:
                fresh = await self._pipeline.embed_texts_once(View.TEXT, {key: one.text for key, one in new.items()})
                ratings = {key: one.gif.rating for key, one in new.items()}
                await self._pipeline.index_words({key: one.texts for key, one in new.items()}, ratings)
                await self.store(View.TEXT, fresh, ratings)
                vectors |= fresh
        return vectors

    async def captions(self, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The vectors of the words that were read in those of ``keys`` that have any."""
        return await self._pipeline.indexed(View.CAPTION, keys) if self._recognition is not None else {}

    async def texts_in_gifs(self, keys: Sequence[GifKey]) -> dict[GifKey, str]:
        """The words that were read in those of ``keys``; "" for GIFs without words."""
        return await self._recognition.texts_of(keys) if self._recognition is not None else {}

    def recognise(self, candidate: Candidate) -> asyncio.Task[Caption] | None:
        """Starts to read the words in a candidate, or returns the task that does; None if words are not read, or too
        many GIFs wait for that."""
        rendition = candidate.clip or candidate.still
        if self._recognition is None or rendition is None:
            return None
        return self._recognition.start(candidate.gif.key, candidate.gif.rating, partial(self._file, rendition.url))

    async def store(self, view: View, vectors: Mapping[GifKey, Vector], ratings: Mapping[GifKey, Rating]) -> None:
        """Stores and indexes vectors."""
        await self._pipeline.store(view, vectors)
        await self._pipeline.index(view, vectors, ratings)

    async def load(self, candidates: Sequence[Candidate]) -> None:
        """Indexes the stored vectors of these GIFs, and embeds texts and captions whose vectors are not stored."""
        ratings = {one.gif.key: one.gif.rating for one in candidates}
        keys = list(ratings)
        pictures = await self.stored(View.STILL, keys) | await self.stored(View.CLIP, keys)
        await self._pipeline.index(View.CLIP, pictures, ratings)
        await self._pipeline.index(View.TEXT, await self.stored(View.TEXT, list(pictures)), ratings)
        await self._pipeline.index_words(
            {one.gif.key: one.texts for one in candidates if one.gif.key in pictures}, ratings
        )
        await self.embed_texts([one for one in candidates if one.gif.key in pictures])
        if self._recognition is not None:
            await self._recognition.load(ratings)

    async def close(self) -> None:
        """Cancels everything in flight."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _embed(self, candidate: Candidate, view: View) -> Embedded:
        rendition = candidate.still if view is View.STILL else candidate.clip
        if rendition is None:
            raise MediaError("The provider gives no file for this GIF.")
        return await self._pipeline.embed(view, candidate.gif.key, partial(self._download, view, rendition.url))

    async def _download(self, view: View, url: str) -> bytes:
        data = await self._downloader.fetch(url)
        if self._recognition is not None and view is View.CLIP and url not in self._files:
            self._files[url] = data
            self._files_size += len(data)
            while self._files_size > FILE_BYTES:
                self._files_size -= len(self._files.popitem(last=False)[1])
        return data

    async def _file(self, url: str) -> bytes:
        return self._files.get(url) or await self._downloader.fetch(url)

    def _finished(self, key: tuple[GifKey, View], task: asyncio.Task[Embedded]) -> None:
        self._in_flight.pop(key, None)
        if not task.cancelled() and task.exception() is None:  # the callers get the exception
            self._recent[key] = task.result()
            if len(self._recent) > RECENT:
                self._recent.popitem(last=False)


class WriteBuffer:
    """Stores vectors of pictures in groups; if the process is killed, at most one group per view is lost."""

    def __init__(self, embedder: CandidateEmbedder) -> None:
        self._embedder = embedder
        self._waiting: dict[View, dict[GifKey, tuple[Vector, Rating]]] = {View.STILL: {}, View.CLIP: {}}

    async def add(self, view: View, gif: Gif, vector: Vector) -> None:
        """Adds a vector, and stores the group if it is full."""
        self._waiting[view][gif.key] = vector, gif.rating
        if len(self._waiting[view]) >= STORE_EVERY:
            await self.flush()

    async def flush(self) -> None:
        """Stores everything that waits."""
        for view, waiting in self._waiting.items():
            self._waiting[view] = {}
            vectors = {key: vector for key, (vector, _) in waiting.items()}
            await self._embedder.store(view, vectors, {key: rating for key, (_, rating) in waiting.items()})

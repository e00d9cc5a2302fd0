"""From bytes to embeddings in the store and the indexes: one path for GIFs of a folder and of providers.

The stages of a GIF are read, decode and embed, in ``EmbeddingPipeline.embed``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from deepgif.engine.errors import MediaError
from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.ingest.batcher import MicroBatcher
from deepgif.engine.ingest.deduplication import EmbeddingLeases, NoLeases
from deepgif.engine.media.decoder_pool import AsyncDecoder
from deepgif.engine.protocols import Clip, EmbeddingStore, Encoder, Index, Vector, Vectors
from deepgif.engine.types import GifKey, Rating

IN_MEMORY = 64  # GIFs whose bytes or frames are in memory


class View(StrEnum):
    """What an embedding was computed from. All but clips have their own spaces in the store."""

    STILL = "still"
    CLIP = "clip"
    TEXT = "text"
    CAPTION = "caption"  # the words in the picture

    def of(self, space: str) -> str:
        """The space of this view in the store; ``space`` is that of clips."""
        return space if self is View.CLIP else f"{space}:{self}"


@dataclass(frozen=True, slots=True)
class Embedded:
    """The vector (D,) of a still or clip, and how many bytes were read to compute it: 0 if it was available."""

    vector: Vector
    size: int


class EmbeddingPipeline:
    """Embeds GIFs and texts with ``encoder``, whose clips have the space ``space`` in the store. ``images`` batches
    clips for the encoder, ``leases`` keep engines that share a store from embedding the same GIF, and ``on_texts``
    receives each text that is embedded. Nothing here blocks the event loop."""

    def __init__(
        self,
        encoder: Encoder,
        space: str,
        store: EmbeddingStore,
        pictures: Index,
        texts: Index,
        captions: Index,
        lexical: LexicalIndex,
        decoder: AsyncDecoder,
        images: MicroBatcher[Clip, Vector],
        leases: EmbeddingLeases | None = None,
        on_texts: Callable[[Sequence[str]], None] = lambda texts: None,
    ) -> None:
        self._encoder = encoder
        self._space = space
        self._store = store
        self._indexes = {View.STILL: pictures, View.CLIP: pictures, View.TEXT: texts, View.CAPTION: captions}
        self._lexical = lexical
        self._decoder = decoder
        self._images = images
        self._leases = leases or NoLeases()
        self._on_texts = on_texts
        self._slots = asyncio.Semaphore(IN_MEMORY)

    async def embed(self, view: View, key: GifKey, read: Callable[[], Awaitable[bytes]]) -> Embedded:
        """Embeds the file that ``read`` returns, unless another engine does. Raises ``MediaError``,
        ``NotReadyError`` or ``OverloadedError``."""
        size = 0

        async def compute(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
            nonlocal size
            async with self._slots:
                data = await read()
                vector = await self._images.submit(await self._decoder.decode(data))
            if not np.isfinite(vector).all():  # in an index, it would make the mean of all scores NaN
                raise MediaError("The model finds no vector for it.")
            size = len(data)
            return {key: vector}

        vectors = await self._leases.vectors(view.of(self._space), [key], compute)
        return Embedded(vectors[key], size)

    async def embed_texts(self, texts: Sequence[str]) -> Vectors:
        """(N, D) vectors of N texts, without the store."""
        await asyncio.to_thread(self._on_texts, texts)
        return await asyncio.to_thread(self._encoder.encode_texts, texts)

    async def embed_texts_once(self, view: View, texts: Mapping[GifKey, str]) -> dict[GifKey, Vector]:
        """The vectors of GIFs' texts or captions, except where another engine embeds them."""

        async def compute(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
            return dict(zip(keys, await self.embed_texts([texts[key] for key in keys]), strict=True))

        return await self._leases.vectors(view.of(self._space), list(texts), compute)

    async def stored(self, view: View, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The stored vectors of those of ``keys`` that have one."""
        return await self._store.get_many(view.of(self._space), keys)

    def scan(self, view: View, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All stored vectors of a provider, in chunks of keys and (N, D)."""
        return self._store.scan(view.of(self._space), provider)

    async def store(self, view: View, vectors: Mapping[GifKey, Vector]) -> None:
        """Stores vectors; durable when it returns."""
        if vectors:
            await self._store.put_many(view.of(self._space), vectors)

    async def indexed(self, view: View, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The indexed vectors of those of ``keys`` that have one."""
        return await asyncio.to_thread(self._indexes[view].vectors, keys)

    async def index(self, view: View, vectors: Mapping[GifKey, Vector], ratings: Mapping[GifKey, Rating]) -> None:
        """Adds vectors to the index of this view."""
        if vectors:
            rows = np.stack(list(vectors.values()))
            await asyncio.to_thread(self._indexes[view].add, list(vectors), rows, [ratings[key] for key in vectors])

    async def index_words(self, texts: Mapping[GifKey, Sequence[str]], ratings: Mapping[GifKey, Rating]) -> None:
        """Adds all texts of GIFs to the lexical index."""
        if texts:
            await asyncio.to_thread(self._lexical.add, texts, ratings)

    async def index_captions(self, captions: Mapping[GifKey, str], ratings: Mapping[GifKey, Rating]) -> None:
        """Adds the words in GIFs to their texts in the lexical index."""
        if captions:
            await asyncio.to_thread(self._lexical.add_captions, captions, ratings)

    async def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs from all indexes."""
        await asyncio.to_thread(self._lexical.remove, keys)
        for view in (View.CLIP, View.TEXT, View.CAPTION):
            await asyncio.to_thread(self._indexes[view].remove, keys)

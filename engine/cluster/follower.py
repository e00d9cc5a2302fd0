"""Keeps an engine's indexes in step with other engines, and catches up if it missed events."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from deepgif.engine.cluster.events import EventStream
from deepgif.engine.cluster.gif_store import RedisGifStore
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.errors import DeepGifError
from deepgif.engine.ingest.candidates import CandidateEmbedder
from deepgif.engine.ingest.pipeline import EmbeddingPipeline, View
from deepgif.engine.protocols import EmbeddingStore
from deepgif.engine.types import GifKey

RETRY_S = 1.0
_log = logging.getLogger(__name__)


class Follower:
    """Applies the events of ``stream`` to the indexes of ``pipeline``, for the providers in ``gif_stores``. ``local``
    has this machine's own vectors."""

    def __init__(
        self,
        connection: RedisConnection,
        stream: EventStream,
        gif_stores: Mapping[str, RedisGifStore],
        embedder: CandidateEmbedder,
        pipeline: EmbeddingPipeline,
        local: EmbeddingStore,
    ) -> None:
        self._connection = connection
        self._stream = stream
        self._gif_stores = gif_stores
        self._embedder = embedder
        self._pipeline = pipeline
        self._local = local
        self._position = ""  # empty until it has caught up
        self._identity = ""  # of the Redis that it has caught up with
        self._must_refill = False  # Redis is new, or was emptied

    async def catch_up(self) -> None:
        """Loads everything in Redis that this engine lacks; later events are followed from there. If Redis is down,
        ``run`` catches up later."""
        try:
            await self._catch_up()
        except (RedisDownError, RedisRefusedError):
            _log.info("GIFs that other engines indexed will be loaded when Redis is back.")

    async def run(self) -> None:
        """Follows the stream, forever."""
        while True:
            try:
                await self._connection.wait_until_up()
                if not self._position:
                    await self._catch_up()
                if self._must_refill:
                    for gif_store in self._gif_stores.values():
                        await gif_store.refill(self._local)
                    self._must_refill = False
                events = await self._stream.read(self._position)
                if events.gap:
                    self._position = ""
                    continue
                await self._forget(events.forgotten)
                await self._add(events.added)
                self._position = events.position
            except RedisDownError:
                continue
            except (RedisRefusedError, DeepGifError) as error:
                _log.warning("Cannot follow other engines now: %s", type(error.__cause__ or error).__name__)
                await asyncio.sleep(RETRY_S)

    async def _catch_up(self) -> None:
        position = await self._stream.last()
        identity, new = await self._stream.identity()
        self._must_refill |= new or self._identity not in ("", identity)
        self._identity = identity
        for provider, gif_store in self._gif_stores.items():
            async for ids in gif_store.shared_ids():
                keys = [GifKey(provider, gif_id) for gif_id in ids]
                held = await self._pipeline.indexed(View.CLIP, keys)
                await self._add([key for key in keys if key not in held])
            await self._forget([GifKey(provider, gif_id) for gif_id in await gif_store.all_forgotten()])
        self._position = position

    async def _add(self, keys: Collection[GifKey]) -> None:
        for provider, ids in self._by_provider(keys).items():
            candidates = await self._gif_stores[provider].get(ids)
            await self._embedder.load(list(candidates.values()))

    async def _forget(self, keys: Sequence[GifKey]) -> None:
        for provider, ids in self._by_provider(keys).items():
            gone = [GifKey(provider, gif_id) for gif_id in await self._gif_stores[provider].forgotten_elsewhere(ids)]
            await self._pipeline.remove(gone)

    def _by_provider(self, keys: Collection[GifKey]) -> dict[str, list[str]]:
        """The ids of this engine's providers."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for provider, gif_id in keys:
            if provider in self._gif_stores:
                found[provider].append(gif_id)
        return found

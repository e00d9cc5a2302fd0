"""Keeps an engine's indexes in step with what the others add and forget, and catches up where it missed something."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence

from deepgif.engine.cluster.events import EventStream
from deepgif.engine.cluster.gif_store import RedisGifStore
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.errors import DeepGifError
from deepgif.engine.ingest.candidates import CandidateEmbedder
from deepgif.engine.protocols import EmbeddingStore, Index
from deepgif.engine.types import GifKey

RETRY_S = 1.0
_log = logging.getLogger(__name__)


class Follower:
    """Follows the stream, for the GIFs of ``gifs`` by provider. ``near`` is what this machine has stored itself."""

    def __init__(
        self,
        link: RedisConnection,
        stream: EventStream,
        gifs: Mapping[str, RedisGifStore],
        embedder: CandidateEmbedder,
        indexes: tuple[Index, Index],
        near: EmbeddingStore,
    ) -> None:
        self._link = link
        self._stream = stream
        self._gifs = gifs
        self._embedder = embedder
        self._pictures, self._texts = indexes
        self._near = near
        self._position = ""  # empty until it has caught up
        self._identity = ""  # of the Redis that it has caught up with
        self._refill = False  # whether Redis was emptied since, or is new
        self.followed = 0  # GIFs that others added
        self.caught_up = 0  # times

    async def catch_up(self) -> None:
        """Where the stream ends, then all that the store has and this engine lacks; what comes meanwhile is followed
        from there. Where Redis is away, ``run`` will do it."""
        try:
            await self._catch_up()
        except (RedisDownError, RedisRefusedError):
            _log.info("What other engines know is taken over when Redis answers.")

    async def run(self) -> None:
        """Follows for ever."""
        while True:
            try:
                await self._link.back()
                if not self._position:
                    await self._catch_up()
                await self._fill()
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
                _log.warning(
                    "What other engines add cannot be followed now: %s", type(error.__cause__ or error).__name__
                )
                await asyncio.sleep(RETRY_S)

    async def _catch_up(self) -> None:
        position = await self._stream.last()
        identity, new = await self._stream.identity()
        self._refill |= new or self._identity not in ("", identity)
        self._identity = identity
        for gifs in self._gifs.values():
            async for ids in gifs.shared_ids():
                keys = [GifKey(gifs.provider, gif_id) for gif_id in ids]
                held = await asyncio.to_thread(self._pictures.vectors, keys)
                await self._add([key for key in keys if key not in held])
            forgotten = [GifKey(gifs.provider, gif_id) for gif_id in await gifs.all_forgotten()]
            await self._forget(forgotten)
        self._position = position
        self.caught_up += 1

    async def _fill(self) -> None:
        """Gives Redis what this machine has, where it may lack all of it."""
        if self._refill:
            for gifs in self._gifs.values():
                await gifs.refill(self._near)
            self._refill = False

    async def _add(self, keys: Collection[GifKey]) -> None:
        for provider, ids in _by_provider(keys).items():
            if provider in self._gifs:
                candidates = await self._gifs[provider].get(ids)
                await self._embedder.load(list(candidates.values()))
                self.followed += len(candidates)

    async def _forget(self, keys: Sequence[GifKey]) -> None:
        for provider, ids in _by_provider(keys).items():
            if provider in self._gifs:
                gone = [GifKey(provider, gif_id) for gif_id in await self._gifs[provider].forgotten_elsewhere(ids)]
                for index in (self._pictures, self._texts):
                    await asyncio.to_thread(index.remove, gone)


def _by_provider(keys: Collection[GifKey]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(key.provider, []).append(key.id)
    return found

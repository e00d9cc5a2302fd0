"""Builds what an engine shares with others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from deepgif.engine.cluster.circuit_breaker import RedisCircuitBreaker
from deepgif.engine.cluster.embeddings import RedisEmbeddingStore, TieredEmbeddingStore
from deepgif.engine.cluster.events import EventStream
from deepgif.engine.cluster.follower import Follower
from deepgif.engine.cluster.gif_store import RedisGifStore
from deepgif.engine.cluster.leases import RedisLeases
from deepgif.engine.cluster.options import RedisOptions
from deepgif.engine.cluster.quota import RedisQuota
from deepgif.engine.cluster.redis import RedisConnection
from deepgif.engine.cluster.results import RedisResultCache
from deepgif.engine.cluster.write_behind import WriteBehindQueue
from deepgif.engine.ingest.candidates import CandidateEmbedder, View
from deepgif.engine.metrics import Metrics
from deepgif.engine.protocols import EmbeddingStore, Index
from deepgif.engine.providers.circuit_breaker import LocalCircuitBreaker
from deepgif.engine.providers.gif_store import DAY_S, SqliteGifStore
from deepgif.engine.providers.quota import LocalQuota


class Cluster:
    """What one engine shares: its vectors of ``dimension`` numbers in ``space``, and the GIFs of ``providers``, each
    for ``days``. ``near`` is the store of this machine. Made by ``open_cluster``."""

    def __init__(
        self,
        link: RedisConnection,
        near: EmbeddingStore,
        space: str,
        dimension: int,
        days: float,
        providers: Collection[str],
        lease_s: float,
    ) -> None:
        self.link = link
        self.writer = WriteBehindQueue(link)
        self.vectors = RedisEmbeddingStore(link, self.writer, dimension, days * DAY_S)
        self.store = TieredEmbeddingStore(near, self.vectors)
        pictures = {view.of(space): view.value for view in (View.STILL, View.CLIP)}
        self.stream = EventStream(link, space, pictures, providers)
        self.once = RedisLeases(link, self.writer, self.vectors, dimension, self.stream.added, lease_s)
        self._near = near
        self._days = days
        self._space = space
        self._spaces = [view.of(space) for view in View]
        self._gifs: dict[str, RedisGifStore] = {}
        self._keeping: dict[str, str] = {}  # providers whose addresses may be kept, with their attribution
        self._tasks: list[asyncio.Task[None]] = []

    def gifs(self, near: SqliteGifStore, keep_urls: bool) -> RedisGifStore:
        """What is kept of one provider's GIFs, on this machine and for all."""
        made = RedisGifStore(
            near, self.link, self.writer, self.vectors, self.stream, self._spaces, days=self._days, keep_urls=keep_urls
        )
        self._gifs[near.provider] = made
        if keep_urls:
            self._keeping[near.provider] = near.attribution
        return made

    def budget(self, near: LocalQuota) -> RedisQuota:
        """What is left of one key's calls for all engines together."""
        return RedisQuota(near, self.link)

    def breaker(self, near: LocalCircuitBreaker, name: str) -> RedisCircuitBreaker:
        """Whether any engine asks a provider with one key at present."""
        return RedisCircuitBreaker(near, self.link, name)

    def answers(self) -> RedisResultCache:
        """Answers that any engine gave some minutes ago."""
        return RedisResultCache(self.link, self.writer, self._space, self._keeping)

    async def follow(self, embedder: CandidateEmbedder, pictures: Index, texts: Index) -> Follower:
        """Lets an engine's indexes have what others know, and whatever they add from now on."""
        follower = Follower(self.link, self.stream, self._gifs, embedder, (pictures, texts), self._near)
        if self._gifs:
            await follower.catch_up()
            self.run(follower.run())
        return follower

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs something until the end."""
        self._tasks.append(asyncio.create_task(work))

    async def close(self) -> None:
        """Ends what runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.once.close()


@asynccontextmanager
async def open_cluster(
    options: RedisOptions,
    near: EmbeddingStore,
    space: str,
    dimension: int,
    days: float,
    providers: Collection[str],
    metrics: Metrics,
) -> AsyncIterator[Cluster]:
    """What is shared, used and looked after. Raises ``StoreError`` where Redis can never be used as it was set."""
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(RedisConnection(options))
        shared = Cluster(link, near, space, dimension, days, providers, options.lease_s)
        stack.push_async_callback(shared.close)
        shared.run(shared.writer.run())
        shared.run(shared.once.run())
        metrics.gauge("deepgif_redis_up", "1 while Redis answers.", lambda: float(link.up))
        metrics.gauge("deepgif_redis_writes_waiting", "Writes that wait for Redis.", lambda: shared.writer.waiting)
        metrics.gauge(
            "deepgif_redis_writes_dropped", "Writes given up as too many waited.", lambda: shared.writer.dropped
        )
        yield shared

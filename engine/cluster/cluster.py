"""Builds everything that an engine shares with its replicas through Redis."""

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
from deepgif.engine.cluster.quota import RedisQuota
from deepgif.engine.cluster.recognised_text import RedisRecognisedTextStore
from deepgif.engine.cluster.redis import RedisConnection
from deepgif.engine.cluster.results import RedisResultCache
from deepgif.engine.cluster.write_behind import WriteBehindQueue
from deepgif.engine.ingest.candidates import CandidateEmbedder
from deepgif.engine.ingest.pipeline import EmbeddingPipeline, View
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import RedisOptions
from deepgif.engine.protocols import EmbeddingStore, RecognisedTextStore
from deepgif.engine.providers.circuit_breaker import LocalCircuitBreaker
from deepgif.engine.providers.gif_store import DAY_S, SqliteGifStore
from deepgif.engine.providers.quota import LocalQuota


class Cluster:
    """One engine's part in a cluster: vectors (``dimension``,) in ``space`` and GIFs of ``providers``, each stored for
    ``days``. ``local`` is this machine's store. Made by ``open_cluster``."""

    def __init__(
        self,
        connection: RedisConnection,
        local: EmbeddingStore,
        space: str,
        dimension: int,
        days: float,
        providers: Collection[str],
        lease_s: float,
    ) -> None:
        self.queue = WriteBehindQueue(connection)
        self._connection = connection
        self._embeddings = RedisEmbeddingStore(connection, self.queue, dimension, days * DAY_S)
        self.store = TieredEmbeddingStore(local, self._embeddings)
        views = {view.of(space): view.value for view in (View.STILL, View.CLIP)}
        self._stream = EventStream(connection, space, views, providers)
        self.leases = RedisLeases(connection, self.queue, self._embeddings, dimension, self._stream.added, lease_s)
        self._local = local
        self._days = days
        self._space = space
        self._spaces = [view.of(space) for view in View]
        self._gif_stores: dict[str, RedisGifStore] = {}
        self._attributions: dict[str, str] = {}  # of providers whose URLs may be stored
        self._tasks: list[asyncio.Task[None]] = []

    def gif_store(self, local: SqliteGifStore, keep_urls: bool) -> RedisGifStore:
        """The metadata of one provider's GIFs, on this machine and in Redis."""
        store = RedisGifStore(
            local,
            self._connection,
            self.queue,
            self._embeddings,
            self._stream,
            self._spaces,
            days=self._days,
            keep_urls=keep_urls,
        )
        self._gif_stores[local.provider] = store
        if keep_urls:
            self._attributions[local.provider] = local.attribution
        return store

    def recognised_texts(self, local: RecognisedTextStore, version: str) -> RedisRecognisedTextStore:
        """The words that any engine read in GIFs with the OCR of this version."""
        return RedisRecognisedTextStore(local, self._connection, self.queue, version, self._days * DAY_S)

    def quota(self, local: LocalQuota) -> RedisQuota:
        """The quota of one API key for all engines together."""
        return RedisQuota(local, self._connection)

    def circuit_breaker(self, local: LocalCircuitBreaker, name: str) -> RedisCircuitBreaker:
        """The circuit breaker of one API key for all engines together."""
        return RedisCircuitBreaker(local, self._connection, name)

    def result_cache(self) -> RedisResultCache:
        """Recent rankings of all engines."""
        return RedisResultCache(self._connection, self.queue, self._space, self._attributions)

    async def follow(self, embedder: CandidateEmbedder, pipeline: EmbeddingPipeline) -> None:
        """Loads the GIFs that other engines indexed, and follows their changes from now on."""
        if self._gif_stores:
            follower = Follower(self._connection, self._stream, self._gif_stores, embedder, pipeline, self._local)
            await follower.catch_up()
            self.run(follower.run())

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work in the background until ``close``."""
        self._tasks.append(asyncio.create_task(work))

    async def close(self) -> None:
        """Stops all background work."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.leases.close()


@asynccontextmanager
async def open_cluster(
    options: RedisOptions,
    local: EmbeddingStore,
    space: str,
    dimension: int,
    days: float,
    providers: Collection[str],
    metrics: Metrics,
) -> AsyncIterator[Cluster]:
    """A running ``Cluster``. Raises ``StoreError`` if the settings for Redis are wrong."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(RedisConnection(options))
        cluster = Cluster(connection, local, space, dimension, days, providers, options.lease_s)
        stack.push_async_callback(cluster.close)
        queue = cluster.queue
        cluster.run(queue.run())
        cluster.run(cluster.leases.run())
        metrics.gauge("deepgif_redis_up", "1 while Redis is up.", lambda: float(connection.up))
        metrics.gauge("deepgif_redis_writes_waiting", "Writes waiting for Redis.", lambda: queue.waiting)
        metrics.gauge("deepgif_redis_writes_dropped", "Writes dropped because too many waited.", lambda: queue.dropped)
        yield cluster

"""Builds what an engine shares with others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from deepgif.engine.cluster.circuit_breaker import SharedBreaker
from deepgif.engine.cluster.embeddings import NearAndShared, RedisEmbeddingStore
from deepgif.engine.cluster.events import EventStream
from deepgif.engine.cluster.follower import Follower
from deepgif.engine.cluster.gif_store import SharedGifs
from deepgif.engine.cluster.leases import SharedOnce
from deepgif.engine.cluster.options import RedisOptions
from deepgif.engine.cluster.quota import SharedBudget
from deepgif.engine.cluster.redis import RedisLink
from deepgif.engine.cluster.results import SharedAnswers
from deepgif.engine.cluster.write_behind import Writer
from deepgif.engine.ingest.candidates import CandidateEmbedder, View
from deepgif.engine.metrics import Metrics
from deepgif.engine.protocols import EmbeddingStore, Index
from deepgif.engine.providers.circuit_breaker import OwnBreaker
from deepgif.engine.providers.gif_store import DAY_S, RememberedGifs
from deepgif.engine.providers.quota import CallBudget


class Shared:
    """What one engine shares: its vectors of ``dimension`` numbers in ``space``, and the GIFs of ``providers``, each
    for ``days``. ``near`` is the store of this machine. Made by ``open_shared``."""

    def __init__(
        self,
        link: RedisLink,
        near: EmbeddingStore,
        space: str,
        dimension: int,
        days: float,
        providers: Collection[str],
        lease_s: float,
    ) -> None:
        self.link = link
        self.writer = Writer(link)
        self.vectors = RedisEmbeddingStore(link, self.writer, dimension, days * DAY_S)
        self.store = NearAndShared(near, self.vectors)
        pictures = {view.of(space): view.value for view in (View.STILL, View.CLIP)}
        self.stream = EventStream(link, space, pictures, providers)
        self.once = SharedOnce(link, self.writer, self.vectors, dimension, self.stream.added, lease_s)
        self._near = near
        self._days = days
        self._space = space
        self._spaces = [view.of(space) for view in View]
        self._gifs: dict[str, SharedGifs] = {}
        self._keeping: dict[str, str] = {}  # providers whose addresses may be kept, with their attribution
        self._tasks: list[asyncio.Task[None]] = []

    def gifs(self, near: RememberedGifs, keep_urls: bool) -> SharedGifs:
        """What is kept of one provider's GIFs, on this machine and for all."""
        made = SharedGifs(
            near, self.link, self.writer, self.vectors, self.stream, self._spaces, days=self._days, keep_urls=keep_urls
        )
        self._gifs[near.provider] = made
        if keep_urls:
            self._keeping[near.provider] = near.attribution
        return made

    def budget(self, near: CallBudget) -> SharedBudget:
        """What is left of one key's calls for all engines together."""
        return SharedBudget(near, self.link)

    def breaker(self, near: OwnBreaker, name: str) -> SharedBreaker:
        """Whether any engine asks a provider with one key at present."""
        return SharedBreaker(near, self.link, name)

    def answers(self) -> SharedAnswers:
        """Answers that any engine gave some minutes ago."""
        return SharedAnswers(self.link, self.writer, self._space, self._keeping)

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
async def open_shared(
    options: RedisOptions,
    near: EmbeddingStore,
    space: str,
    dimension: int,
    days: float,
    providers: Collection[str],
    metrics: Metrics,
) -> AsyncIterator[Shared]:
    """What is shared, used and looked after. Raises ``StoreError`` where Redis can never be used as it was set."""
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(RedisLink(options))
        shared = Shared(link, near, space, dimension, days, providers, options.lease_s)
        stack.push_async_callback(shared.close)
        shared.run(shared.writer.run())
        shared.run(shared.once.run())
        metrics.gauge("deepgif_redis_up", "1 while Redis answers.", lambda: float(link.up))
        metrics.gauge("deepgif_redis_writes_waiting", "Writes that wait for Redis.", lambda: shared.writer.waiting)
        metrics.gauge(
            "deepgif_redis_writes_dropped", "Writes given up as too many waited.", lambda: shared.writer.dropped
        )
        yield shared

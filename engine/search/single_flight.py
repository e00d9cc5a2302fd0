"""Single flight: equal searches share one run, and each caller gets the best ranking so far at their own deadline."""

from __future__ import annotations

import asyncio
from typing import Protocol

from deepgif.engine.errors import OverloadedError
from deepgif.engine.search.fallback import ProviderSearch
from deepgif.engine.search.ranking import Ranking
from deepgif.engine.store.cache import BoundedCache
from deepgif.engine.types import Origin

MAX_IN_FLIGHT = 128  # searches
MAX_UNATTENDED = 8  # of them, that run on after the last caller was answered
CACHED_RANKINGS, CACHED_S = 500, 600.0
TIMED_OUT = "The search took too long. Try again in a moment."


class ResultCache(Protocol):
    """Rankings of the last few minutes."""

    async def get(self, key: str) -> Ranking | None:
        """The ranking, or None."""

    async def set(self, key: str, value: Ranking) -> None:
        """Caches the ranking."""


class _Flight:
    """A search, the task that runs it, and how many callers wait for it."""

    def __init__(self, search: ProviderSearch, task: asyncio.Task[None]) -> None:
        self.search = search
        self.task = task
        self.waiting = 0

    def add_waiting(self, change: int) -> None:
        self.waiting += change
        self.search.unattended = self.waiting == 0


class SingleFlight:
    """Runs searches. A caller who is cancelled cancels a search only if nobody else waits for it. ``cache`` is in
    memory by default."""

    def __init__(self, cache: ResultCache | None = None) -> None:
        self._flights: dict[str, _Flight] = {}
        self._cache: ResultCache = BoundedCache[Ranking](CACHED_RANKINGS, CACHED_S) if cache is None else cache

    def __len__(self) -> int:
        return len(self._flights)

    async def ranking(self, search: ProviderSearch, ends_at: float) -> Ranking:
        """The best ranking by ``ends_at`` (the loop's time, in seconds), of ``search`` or of an equal one in flight.
        Raises what the search raises, and ``OverloadedError`` if it has no ranking by then."""
        cached = await self._cache.get(search.key)
        if cached is not None:
            return cached
        flight = self._flights.get(search.key) or self._start(search)
        flight.add_waiting(1)
        try:
            await asyncio.wait({flight.task}, timeout=max(0.0, ends_at - asyncio.get_running_loop().time()))
        except asyncio.CancelledError:
            if flight.waiting == 1:
                flight.task.cancel()
            raise
        finally:
            flight.add_waiting(-1)
        if flight.task.done() and not flight.task.cancelled():
            flight.task.result()
        ranking = flight.search.ranking()
        if not flight.task.done() and flight.waiting == 0 and self._unattended() > MAX_UNATTENDED:
            flight.task.cancel()
        if ranking is None:
            raise OverloadedError(TIMED_OUT)
        return ranking

    async def close(self) -> None:
        """Cancels all searches."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, search: ProviderSearch) -> _Flight:
        if len(self._flights) >= MAX_IN_FLIGHT:
            raise OverloadedError("The engine is overloaded. Try again in a few seconds.")
        flight = self._flights[search.key] = _Flight(search, asyncio.create_task(self._run(search)))
        return flight

    async def _run(self, search: ProviderSearch) -> None:
        try:
            await search.run()
            ranking = search.ranking()
            if ranking is not None and ranking.origin is Origin.RERANKED:
                await self._cache.set(search.key, ranking)
        finally:
            del self._flights[search.key]

    def _unattended(self) -> int:
        return sum(flight.waiting == 0 for flight in self._flights.values())

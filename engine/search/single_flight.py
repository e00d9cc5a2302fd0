"""Searches under way: one for all who ask the same, answered at each one's deadline, and the recent ones remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from deepgif.engine.errors import OverloadedError
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.search.reranker import Ranking, Rerank
from deepgif.engine.store.cache import BoundedCache
from deepgif.engine.types import Origin

MOST = 128  # searches under way
LEFTOVERS = 8  # of them, such as go on although everybody was answered
RECENT, RECENT_S = 500, 600.0
TOO_LATE = "The engine could not answer in time; please try again in a moment."

Report = Callable[[Rerank | Ranking], None]


class _Flight:
    """One search under way, and the best that it has reported."""

    def __init__(self, start: Callable[[Report], Awaitable[None]]) -> None:
        self.waiting = 0
        self.latest: Rerank | Ranking | None = None
        self.task = asyncio.ensure_future(start(self.report))

    def report(self, latest: Rerank | Ranking) -> None:
        self.latest = latest
        self.mark()

    def mark(self) -> None:
        """Lets a rerank know whether anybody waits for it."""
        if isinstance(self.latest, Rerank):
            self.latest.answered = self.waiting == 0

    def ranking(self) -> Ranking | None:
        return self.latest.ranking() if isinstance(self.latest, Rerank) else self.latest


class Recent(Protocol):
    """Rankings of a few minutes ago."""

    async def get(self, key: str) -> Ranking | None:
        """The ranking, or None."""

    async def set(self, key: str, value: Ranking) -> None:
        """Keeps the ranking for a while."""


class SingleFlight:
    """Runs searches. A caller who leaves ends a search only where nobody else waits for it. ``recent`` remembers what
    was found; by default in memory."""

    def __init__(self, recent: Recent | None = None) -> None:
        self._live: dict[str, _Flight] = {}
        self._recent: Recent = BoundedCache[Ranking](RECENT, RECENT_S) if recent is None else recent

    def __len__(self) -> int:
        return len(self._live)

    async def ranking(
        self, query: ProviderQuery, ends_at: float, start: Callable[[Report], Awaitable[None]]
    ) -> Ranking:
        """The best ranking of the query by ``ends_at`` (the loop's time, in seconds). ``start`` runs the search where
        it is not under way. Raises what ``start`` raised, and ``OverloadedError`` where there is nothing by then."""
        key = "\n".join((query.words.casefold(), query.max_rating, query.language, query.country))
        recent = await self._recent.get(key)
        if recent is not None:
            return recent
        live = self._live.get(key) or self._begin(key, start)
        live.waiting += 1
        live.mark()
        try:
            await asyncio.wait({live.task}, timeout=max(0.0, ends_at - asyncio.get_running_loop().time()))
        except asyncio.CancelledError:
            if live.waiting == 1:
                live.task.cancel()
            raise
        finally:
            live.waiting -= 1
            live.mark()
        if live.task.done() and not live.task.cancelled():
            live.task.result()
        ranking = live.ranking()
        if not live.task.done() and live.waiting == 0 and self._leftovers() > LEFTOVERS:
            live.task.cancel()
        if ranking is None:
            raise OverloadedError(TOO_LATE)
        return ranking

    async def close(self) -> None:
        """Ends all searches."""
        tasks = [live.task for live in self._live.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, key: str, start: Callable[[Report], Awaitable[None]]) -> _Flight:
        if len(self._live) >= MOST:
            raise OverloadedError("The engine has more to do than it can hold; please try again in a few seconds.")
        live = self._live[key] = _Flight(lambda report: self._run(key, report, start))
        return live

    async def _run(self, key: str, report: Report, start: Callable[[Report], Awaitable[None]]) -> None:
        try:
            await start(report)
            ranking = self._live[key].ranking()
            if ranking is not None and ranking.origin is Origin.RERANKED:
                await self._recent.set(key, ranking)
        finally:
            del self._live[key]

    def _leftovers(self) -> int:
        return sum(live.waiting == 0 for live in self._live.values())

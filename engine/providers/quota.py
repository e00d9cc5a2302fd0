"""How many calls a provider still allows this hour, counted on disk: a restart does not forget, and several processes
share one allowance."""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections.abc import Callable
from typing import Protocol

from deepgif.engine.errors import QuotaError
from deepgif.engine.store.database import Database

HOUR_S = 3600.0
FOR_ADDRESSES = 0.1  # the share that searches leave, for the addresses of GIFs that are known already
FOR_SEARCHES = 0.5  # the share that work in the background leaves
NO_LIMIT = 2**31
_TAKE = "INSERT INTO calls SELECT ?,? WHERE (SELECT COUNT(*) FROM calls WHERE budget=? AND at>?) < ?"


class Quota(Protocol):
    """How many calls with one key a provider still allows."""

    @property
    def per_hour(self) -> int:
        """Calls that are allowed in any 60 minutes; 0 for no limit."""

    @property
    def provider(self) -> str:
        """What people know the provider by."""

    async def take(self, *, leave: float = FOR_ADDRESSES) -> None:
        """Counts a call that is about to be made. Raises ``QuotaError`` and counts nothing where less than the share
        ``leave`` of the allowance would be left."""

    def used(self) -> int:
        """Calls made in the last 60 minutes."""


class LocalQuota:
    """At most ``per_hour`` calls in any 60 minutes with one key, of which only a digest is kept. ``per_hour`` 0 counts
    without a limit. ``clock`` gives seconds since 1970."""

    def __init__(
        self, database: Database, provider: str, key: str, per_hour: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.provider = provider
        self.per_hour = per_hour
        self._database = database
        self.name = f"{provider}:{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        self._clock = clock
        self._calls: list[float] | None = None
        self._taking = asyncio.Lock()

    async def open(self) -> None:
        """Reads what was counted before."""
        now = self._clock()
        await self._database.write("DELETE FROM calls WHERE budget=? AND at<=?", [(self.name, now - HOUR_S)])
        # A clock that was set back must not lock the key for ever.
        await self._database.write("UPDATE calls SET at=? WHERE budget=? AND at>?", [(now, self.name, now)])
        await self._read()

    async def take(self, *, leave: float = FOR_ADDRESSES) -> None:
        """Counts a call that is about to be made; durable before it is. Raises ``QuotaError`` and counts nothing where
        less than the share ``leave`` of the allowance would be left."""
        most = self.per_hour - int(self.per_hour * leave) if self.per_hour else NO_LIMIT
        async with self._taking:
            now = self._clock()
            taken = await self._database.write(_TAKE, [(self.name, now, self.name, now - HOUR_S, most)])
            if self.per_hour:
                await self._read()  # with what other processes took
            else:
                self._counted.append(now)
        if not taken:
            waits_for = self._counted[-most] if 0 < most <= len(self._counted) else now
            raise QuotaError(self.provider, max(1, math.ceil((waits_for + HOUR_S - now) / 60)))

    def used(self) -> int:
        """Calls made in the last 60 minutes, by other processes only up to this one's last call."""
        old = self._clock() - HOUR_S
        while self._counted and self._counted[0] <= old:
            self._counted.pop(0)
        return len(self._counted)

    async def _read(self) -> None:
        query = "SELECT at FROM calls WHERE budget=? AND at>? ORDER BY at"
        rows = await self._database.read(query, (self.name, self._clock() - HOUR_S))
        self._calls = [at for (at,) in rows]

    def times(self) -> list[float]:
        """When the calls of the last 60 minutes were made, in seconds since 1970, oldest first."""
        self.used()
        return list(self._counted)

    @property
    def _counted(self) -> list[float]:
        if self._calls is None:
            raise RuntimeError("the budget is not open")
        return self._calls

"""A provider's hourly quota of API calls, counted on disk: it survives restarts, and processes share it."""

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
RESERVED_FOR_LOOKUPS = 0.1  # the share that searches leave, to look up the URLs of indexed GIFs
RESERVED_FOR_SEARCHES = 0.5  # the share that background work leaves
NO_LIMIT = 2**31
_ACQUIRE = "INSERT INTO calls SELECT ?,? WHERE (SELECT COUNT(*) FROM calls WHERE budget=? AND at>?) < ?"


class Quota(Protocol):
    """The hourly quota of one API key."""

    @property
    def per_hour(self) -> int:
        """Calls allowed in any 60 minutes; 0 means no limit."""

    @property
    def provider(self) -> str:
        """The provider's name for people."""

    async def acquire(self, *, reserve: float = RESERVED_FOR_LOOKUPS) -> None:
        """Counts a call before it is made. Raises ``QuotaError``, and counts nothing, if less than the share
        ``reserve`` of the quota would be left."""

    def used(self) -> int:
        """Calls made in the last 60 minutes."""


class LocalQuota:
    """At most ``per_hour`` calls in any 60 minutes with one key, of which only a digest is stored; 0 means no limit.
    ``clock`` returns seconds since 1970."""

    def __init__(
        self, database: Database, provider: str, key: str, per_hour: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.provider = provider
        self.per_hour = per_hour
        self._database = database
        self.name = f"{provider}:{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        self._clock = clock
        self._calls: list[float] | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Loads the calls counted before."""
        now = self._clock()
        await self._database.write("DELETE FROM calls WHERE budget=? AND at<=?", [(self.name, now - HOUR_S)])
        # A clock that was set back must not block the key forever.
        await self._database.write("UPDATE calls SET at=? WHERE budget=? AND at>?", [(now, self.name, now)])
        await self._read()

    async def acquire(self, *, reserve: float = RESERVED_FOR_LOOKUPS) -> None:
        """Counts a call on disk before it is made. Raises ``QuotaError``, and counts nothing, if less than the share
        ``reserve`` of the quota would be left."""
        limit = self.per_hour - int(self.per_hour * reserve) if self.per_hour else NO_LIMIT
        async with self._lock:
            now = self._clock()
            acquired = await self._database.write(_ACQUIRE, [(self.name, now, self.name, now - HOUR_S, limit)])
            if self.per_hour:
                await self._read()  # includes other processes' calls
            else:
                self._counted.append(now)
        if not acquired:
            waits_for = self._counted[-limit] if 0 < limit <= len(self._counted) else now
            raise QuotaError(self.provider, max(1, math.ceil((waits_for + HOUR_S - now) / 60)))

    def used(self) -> int:
        """Calls in the last 60 minutes; other processes' calls only up to this one's last call."""
        old = self._clock() - HOUR_S
        while self._counted and self._counted[0] <= old:
            self._counted.pop(0)
        return len(self._counted)

    async def _read(self) -> None:
        query = "SELECT at FROM calls WHERE budget=? AND at>? ORDER BY at"
        rows = await self._database.read(query, (self.name, self._clock() - HOUR_S))
        self._calls = [at for (at,) in rows]

    def times(self) -> list[float]:
        """The times of the calls in the last 60 minutes, in seconds since 1970, oldest first."""
        self.used()
        return list(self._counted)

    @property
    def _counted(self) -> list[float]:
        if self._calls is None:
            raise RuntimeError("the quota is not open")
        return self._calls

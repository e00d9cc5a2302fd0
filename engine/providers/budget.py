"""How many calls a provider still allows this hour, counted on disk so that a restart does not forget."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Protocol

from engine.errors import BudgetError
from engine.store import Database

HOUR_S = 3600.0
RESERVE = 0.1  # the share that is kept for the addresses of GIFs that are known already


class Budget(Protocol):
    """How many calls with one key a provider still allows."""

    @property
    def per_hour(self) -> int:
        """Calls that are allowed in any 60 minutes; 0 for no limit."""

    async def take(self, calls: int, *, reserved: bool = False) -> None:
        """Counts ``calls`` that are about to be made. ``reserved`` ones may use up the reserve. Raises ``BudgetError``
        and counts nothing where too few are left."""

    def used(self) -> int:
        """Calls made in the last 60 minutes."""


class CallBudget:
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
        rows = await self._database.read("SELECT at FROM calls WHERE budget=? ORDER BY at", (self.name,))
        self._calls = [min(at, now) for (at,) in rows]  # a clock that was set back must not lock the key for ever

    async def take(self, calls: int, *, reserved: bool = False) -> None:
        """Counts ``calls`` that are about to be made; durable before they are. ``reserved`` ones may use up the
        reserve. Raises ``BudgetError`` and counts nothing where too few are left."""
        async with self._taking:
            left = self.left()
            if left is not None and left - calls < (0 if reserved else int(self.per_hour * RESERVE)):
                raise used_up(self.provider, self._counted[0] - self._clock() + HOUR_S if self._counted else HOUR_S)
            now = self._clock()
            await self._database.write("INSERT INTO calls VALUES (?,?)", [(self.name, now)] * calls)
            self._counted.extend([now] * calls)

    def used(self) -> int:
        """Calls made in the last 60 minutes."""
        old = self._clock() - HOUR_S
        while self._counted and self._counted[0] <= old:
            self._counted.pop(0)
        return len(self._counted)

    def left(self) -> int | None:
        """Calls that may still be made now; None where there is no limit."""
        return max(0, self.per_hour - self.used()) if self.per_hour else None

    def times(self) -> list[float]:
        """When the calls of the last 60 minutes were made, in seconds since 1970, oldest first."""
        self.used()
        return list(self._counted)

    @property
    def _counted(self) -> list[float]:
        if self._calls is None:
            raise RuntimeError("the budget is not open")
        return self._calls


def used_up(provider: str, wait_s: float) -> BudgetError:
    """That no call may be made, and when one may."""
    minutes = max(1, round(wait_s / 60))
    return BudgetError(
        f"The hourly allowance of calls to {provider} is nearly used up; more come back within "
        f"{minutes} minute{'s' if minutes > 1 else ''}."
    )

"""How many calls a provider still allows this hour, counted on disk so that a restart does not forget."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable

from engine.errors import BudgetError
from engine.store import Database

HOUR_S = 3600.0
RESERVE = 0.1  # the share that is kept for the addresses of GIFs that are known already


class CallBudget:
    """At most ``per_hour`` calls in any 60 minutes with one key, of which only a digest is kept. ``per_hour`` 0 counts
    without a limit. ``clock`` gives seconds since 1970."""

    def __init__(
        self, database: Database, provider: str, key: str, per_hour: int, clock: Callable[[], float] = time.time
    ) -> None:
        self.provider = provider
        self.per_hour = per_hour
        self._database = database
        self._name = f"{provider}:{hashlib.sha256(key.encode()).hexdigest()[:16]}"
        self._clock = clock
        self._calls: list[float] | None = None
        self._taking = asyncio.Lock()

    async def open(self) -> None:
        """Reads what was counted before."""
        now = self._clock()
        await self._database.write("DELETE FROM calls WHERE budget=? AND at<=?", [(self._name, now - HOUR_S)])
        rows = await self._database.read("SELECT at FROM calls WHERE budget=? ORDER BY at", (self._name,))
        self._calls = [min(at, now) for (at,) in rows]  # a clock that was set back must not lock the key for ever

    async def take(self, calls: int, *, reserved: bool = False) -> None:
        """Counts ``calls`` that are about to be made; durable before they are. ``reserved`` ones may use up the
        reserve. Raises ``BudgetError`` and counts nothing where too few are left."""
        async with self._taking:
            left = self.left()
            if left is not None and left - calls < (0 if reserved else int(self.per_hour * RESERVE)):
                minutes = max(1, round((HOUR_S - (self._clock() - self._counted[0])) / 60)) if self._counted else 60
                raise BudgetError(
                    f"The hourly allowance of calls to {self.provider} is nearly used up; more come back within "
                    f"{minutes} minute{'s' if minutes > 1 else ''}."
                )
            now = self._clock()
            await self._database.write("INSERT INTO calls VALUES (?,?)", [(self._name, now)] * calls)
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

    @property
    def _counted(self) -> list[float]:
        if self._calls is None:
            raise RuntimeError("the budget is not open")
        return self._calls

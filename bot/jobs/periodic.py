"""Background work that repeats."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

_log = logging.getLogger(__name__)


class PeriodicTask:
    """Calls ``work`` now and every ``every_s`` seconds, also after an error. An async context manager: on exit it waits
    for a call in flight, because cancelling the user of a database connection can leave the connection open."""

    def __init__(self, work: Callable[[], Awaitable[None]], every_s: float) -> None:
        self._work = work
        self._every_s = every_s
        self._stopped = asyncio.Event()
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopped.set()
        await self._task

    async def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                await self._work()
            except Exception:  # noqa: BLE001 - retried next time
                _log.exception("Periodic work failed. Retrying in %g s.", self._every_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await self._stopped.wait()

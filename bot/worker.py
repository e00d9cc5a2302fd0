"""Does what was acknowledged: at once, or, where a process died, later by another one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from bot import replies
from bot.journal import Job, Journal
from engine.errors import OverloadedError

_log = logging.getLogger(__name__)
MOST = 1000  # jobs under way
STOP_S = 25.0  # for what is under way when the process is asked to stop


class Worker:
    """Runs jobs with ``do``, which answers its person whatever happens. An async context manager: at its end what is
    under way is finished first, for at most ``STOP_S`` seconds; the journal keeps the rest for the next process."""

    def __init__(self, journal: Journal, do: Callable[[Job], Awaitable[None]], look_s: float = 5.0) -> None:
        self._journal = journal
        self._do = do
        self._look_s = look_s
        self._running: dict[str, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Worker:
        self._looking = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._running:
            await asyncio.wait(self._running.values(), timeout=STOP_S)
        left = [task for task in (self._looking, *self._running.values()) if task is not None]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def accept(self, job: Job) -> Callable[[], None] | None:
        """Keeps a job, and gives what starts it, to be called once it is acknowledged; None where it was delivered
        before. Raises ``OverloadedError`` where too many are under way."""
        if len(self._running) >= MOST:
            raise OverloadedError(replies.BUSY)
        return (lambda: self._start(job)) if await self._journal.accept(job) else None

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._run(job))
        self._running[job.name] = task
        task.add_done_callback(lambda _: self._running.pop(job.name, None))

    async def _run(self, job: Job) -> None:
        try:
            await self._do(job)
            await self._journal.done(job.name)
        except Exception:  # noqa: BLE001 - one job never ends the others
            _log.exception("A job ended with an error that nobody foresaw; it is tried again.")

    async def _look(self) -> None:
        """Gives signs of life for what is under way, and takes over what others left."""
        while True:
            try:
                await self._journal.renew(list(self._running))
                for job in await self._journal.abandoned():
                    if job.name not in self._running:
                        self._start(job)
            except Exception:  # noqa: BLE001 - the loop must go on
                _log.exception("The journal cannot be read; it is tried again.")
            await asyncio.sleep(self._look_s)

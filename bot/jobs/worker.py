"""Does what was acknowledged: at once, or, where a process died, later by another one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from deepgif.bot.chat import replies
from deepgif.bot.jobs.periodic import PeriodicTask
from deepgif.bot.jobs.queue import Job, JobQueue
from deepgif.engine.errors import OverloadedError

_log = logging.getLogger(__name__)
MOST = 1000  # jobs under way
YIELD_S = 1.0  # for which a job waits at most while receipts are on their way
STOP_S = 25.0  # for what is under way when the process is asked to stop


class Worker:
    """Runs jobs with ``do``, which answers its person whatever happens. An async context manager: at its end what is
    under way is finished first, for at most ``STOP_S`` seconds; the journal keeps the rest for the next process."""

    def __init__(self, journal: JobQueue, do: Callable[[Job], Awaitable[None]], look_s: float = 5.0) -> None:
        self._journal = journal
        self._do = do
        self._running: dict[str, asyncio.Task[None]] = {}
        self._taking = 0
        self._ending = False
        self._ended_one = asyncio.Event()
        self._none_taken = asyncio.Event()
        self._none_taken.set()
        self._looking = PeriodicTask(self._look, look_s)

    async def __aenter__(self) -> Worker:
        await self._looking.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending = True
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while self._taking or self._running:
                    self._ended_one.clear()
                    await self._ended_one.wait()
        await self._looking.__aexit__()
        left = list(self._running.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @asynccontextmanager
    async def taking(self, job: Job) -> AsyncIterator[bool]:
        """Keeps a job, to be acknowledged within the block, at whose end it is started. Gives False where it was
        delivered before. Raises ``OverloadedError`` where too many are under way."""
        if self._taking + len(self._running) >= MOST:
            raise OverloadedError(replies.BUSY)
        self._taking += 1
        self._none_taken.clear()
        try:
            fresh = await self._journal.accept(job)
            yield fresh
            if fresh:
                self._start(job)
        finally:
            self._taking -= 1
            self._ended_one.set()
            if not self._taking:
                self._none_taken.set()

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._run(job))
        self._running[job.name] = task
        task.add_done_callback(lambda _: self._forget(job.name))

    def _forget(self, name: str) -> None:
        self._running.pop(name, None)
        self._ended_one.set()

    async def _run(self, job: Job) -> None:
        with suppress(TimeoutError):  # platforms wait for a receipt for three seconds, people for an answer longer
            async with asyncio.timeout(YIELD_S):  # wait_for loses cancellations before Python 3.12
                await self._none_taken.wait()
        try:
            await self._do(job)
            await self._journal.done(job.name)
        except Exception:  # noqa: BLE001 - one job never ends the others
            _log.exception("A job ended with an error that nobody foresaw; it is tried again.")

    async def _look(self) -> None:
        """Gives signs of life for what is under way, and takes over what others left."""
        await self._journal.renew(list(self._running))
        for job in await self._journal.abandoned() if not self._ending else ():
            if job.name not in self._running:
                self._start(job)

"""Runs the jobs of a queue: this process's own at once, and those of processes that died."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from deepgif.bot.chat import replies
from deepgif.bot.jobs.handler import JobHandler
from deepgif.bot.jobs.periodic import PeriodicTask
from deepgif.bot.jobs.queue import Job, JobQueue
from deepgif.bot.request import Request
from deepgif.engine.errors import OverloadedError

_log = logging.getLogger(__name__)
MAX_JOBS = 1000  # in flight
YIELD_S = 1.0  # a job waits this long at most while other requests are being acknowledged
STOP_S = 25.0  # for jobs in flight at shutdown


class Worker:
    """Gives jobs to a handler. An async context manager: on exit it waits up to ``STOP_S`` seconds for jobs in flight;
    the queue keeps the others for the next process."""

    def __init__(self, queue: JobQueue, handler: JobHandler, poll_s: float = 5.0) -> None:
        self._queue = queue
        self._handler = handler
        self._running: dict[str, asyncio.Task[None]] = {}
        self._accepting = 0
        self._stopping = False
        self._changed = asyncio.Event()  # a job ended, or a request was acknowledged
        self._all_acknowledged = asyncio.Event()
        self._all_acknowledged.set()
        self._polling = PeriodicTask(self._poll, poll_s)

    async def __aenter__(self) -> Worker:
        await self._polling.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while self._accepting or self._running:
                    self._changed.clear()
                    await self._changed.wait()
        await self._polling.__aexit__()
        left = list(self._running.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    @asynccontextmanager
    async def accept(self, request: Request) -> AsyncIterator[bool]:
        """Stores a request; acknowledge it inside the block. The job starts at the end of the block. Yields False if
        the request was delivered before. Raises ``OverloadedError``."""
        if self._accepting + len(self._running) >= MAX_JOBS:
            raise OverloadedError(replies.BUSY)
        self._accepting += 1
        self._all_acknowledged.clear()
        try:
            is_new = await self._queue.enqueue(request)
            yield is_new
            if is_new:
                self._start(Job(request))
        finally:
            self._accepting -= 1
            self._changed.set()
            if not self._accepting:
                self._all_acknowledged.set()

    def _start(self, job: Job) -> None:
        task = asyncio.create_task(self._run(job))
        self._running[job.request.id] = task
        task.add_done_callback(lambda _: self._ended(job))

    def _ended(self, job: Job) -> None:
        self._running.pop(job.request.id, None)
        self._changed.set()

    async def _run(self, job: Job) -> None:
        with suppress(TimeoutError):  # platforms wait three seconds for an acknowledgement, users longer for a GIF
            async with asyncio.timeout(YIELD_S):  # wait_for loses cancellations before Python 3.12
                await self._all_acknowledged.wait()
        try:
            await self._handler.handle(job)
            await self._queue.complete(job.request.id)
        except Exception:  # noqa: BLE001 - one job must not end the others
            _log.exception("A job failed unexpectedly. It will be retried.")

    async def _poll(self) -> None:
        """Renews the leases of running jobs, and takes over jobs that others left."""
        await self._queue.renew(list(self._running))
        for job in await self._queue.reclaim() if not self._stopping else ():
            if job.request.id not in self._running:
                self._start(job)

"""A micro-batcher with a bounded queue, between single items and a function that is faster with batches.

No batch waits to be filled: the next one is what was queued while the last one ran.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from deepgif.engine.errors import NotReadyError, OverloadedError

CLOSED = "The engine is shutting down or has failed. Try again in a moment."
T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    cost: int
    future: asyncio.Future[R]
    since_s: float


class MicroBatcher(Generic[T, R]):
    """Calls the blocking ``run`` with batches, on a thread of its own. An async context manager.

    A batch has at least one item, and a total ``cost`` (such as frames of a clip) of at most ``max_cost``. At most
    ``max_waiting`` items are queued; ``submit`` raises ``OverloadedError`` beyond that. Items of cancelled callers are
    skipped. ``on_batch`` gets the seconds that each item of a batch waited. If a batch fails, only its own callers get
    the exception; if the worker fails or the batcher is closed, all present and later callers get ``NotReadyError``.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Sequence[R]],
        *,
        name: str,
        max_cost: int,
        max_waiting: int,
        cost: Callable[[T], int] = lambda item: 1,
        on_batch: Callable[[Sequence[float]], None] = lambda waited_s: None,
    ) -> None:
        self._run = run
        self._name = name
        self._max_cost = max_cost
        self._max_waiting = max_waiting
        self._cost = cost
        self._on_batch = on_batch
        self._queue: deque[_Waiting[T, R]] = deque()
        self._arrived = asyncio.Event()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=f"deepgif-{name}")
        self._worker: asyncio.Task[None] | None = None
        self._busy_s = 0.0  # of finished batches
        self._began_s: float | None = None  # of the batch in flight

    @property
    def waiting(self) -> int:
        """The number of queued items, without those of cancelled callers."""
        return sum(not waiting.future.done() for waiting in self._queue)

    @property
    def oldest_s(self) -> float:
        """The age of the oldest queued item in seconds; 0 if there is none."""
        first = next((waiting for waiting in self._queue if not waiting.future.done()), None)
        return time.monotonic() - first.since_s if first is not None else 0.0

    @property
    def busy_s(self) -> float:
        """The total time of ``run`` in seconds, including the batch in flight."""
        return self._busy_s + (time.monotonic() - self._began_s if self._began_s is not None else 0.0)

    async def __aenter__(self) -> Self:
        self._worker = asyncio.create_task(self._work(), name=f"batcher-{self._name}")
        self._worker.add_done_callback(self._fail_waiting)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        await asyncio.to_thread(self._executor.shutdown)

    async def submit(self, item: T) -> R:
        """The result for ``item``. Raises ``OverloadedError``, ``NotReadyError``, or what ``run`` raised."""
        if self._worker is None or self._worker.done():
            raise NotReadyError(CLOSED)
        if len(self._queue) >= self._max_waiting:  # cancelled callers must not block others
            self._queue = deque(waiting for waiting in self._queue if not waiting.future.done())
        if len(self._queue) >= self._max_waiting:
            raise OverloadedError("The engine is overloaded. Try again in a few seconds.")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, self._cost(item), future, time.monotonic()))
        self._arrived.set()
        return await future

    async def _work(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            try:
                now = time.monotonic()
                self._on_batch([now - waiting.since_s for waiting in batch])
                results = await self._run_batch([waiting.item for waiting in batch])
            except BaseException:  # the worker ends; this batch's callers are told like the others
                self._queue.extendleft(reversed(batch))
                raise
            if isinstance(results, Exception):
                for waiting in batch:
                    _settle(waiting.future, error=results)
            else:
                for waiting, result in zip(batch, results, strict=True):
                    _settle(waiting.future, result=result)

    async def _run_batch(self, items: list[T]) -> Sequence[R] | Exception:
        """The results, or what ``run`` raised, for the callers."""
        began_s = self._began_s = time.monotonic()
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._call, items)
        except Exception as error:  # noqa: BLE001 - passed to the callers
            return error
        finally:
            self._busy_s += time.monotonic() - began_s
            self._began_s = None
        if len(results) != len(items):
            return RuntimeError(f"{self._name}: {len(results)} results for {len(items)} items")
        return results

    def _call(self, items: list[T]) -> Sequence[R]:
        try:
            return self._run(items)
        except StopIteration as error:  # a future cannot hold one, so callers would wait forever
            raise RuntimeError(f"{self._name}: an iterator ended early") from error

    def _next_batch(self) -> list[_Waiting[T, R]]:
        batch: list[_Waiting[T, R]] = []
        total = 0
        while self._queue:
            if self._queue[0].future.done():  # the caller was cancelled
                self._queue.popleft()
                continue
            total += self._queue[0].cost
            if batch and total > self._max_cost:
                break
            batch.append(self._queue.popleft())
        return batch

    def _fail_waiting(self, worker: asyncio.Task[None]) -> None:
        cause = None if worker.cancelled() else worker.exception()
        while self._queue:
            error = NotReadyError(CLOSED)
            error.__cause__ = cause
            _settle(self._queue.popleft().future, error=error)


def _settle(future: asyncio.Future[R], *, result: R | None = None, error: BaseException | None = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]  # None only where R allows it

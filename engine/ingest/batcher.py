"""A bounded micro-batcher: single items in, batches through a blocking function, single results out.

Nothing waits for a batch to fill: whatever has queued up while the last batch ran makes the next one.
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

T = TypeVar("T")
R = TypeVar("R")


@dataclass(slots=True)
class _Waiting(Generic[T, R]):
    item: T
    cost: int
    future: asyncio.Future[R]
    since_s: float


class MicroBatcher(Generic[T, R]):
    """Feeds ``run`` with batches from a thread of its own.

    A batch holds at most ``max_cost``, where ``cost`` says what an item costs (frames of a clip, say), and at least
    one item. At most ``max_waiting`` items wait; ``submit`` raises ``OverloadedError`` beyond that. Items whose caller
    has left are skipped. ``on_batch`` gets the seconds that each item of a batch waited. A batch that fails fails its
    own callers only; if the worker itself dies, or the batcher is closed, everyone who waits gets ``NotReadyError`` at
    once, and so does every later caller.
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
        self._busy_s = 0.0  # of the batches that have ended
        self._began_s: float | None = None  # the batch under way

    @property
    def waiting(self) -> int:
        """How many items wait for a batch, without those whose caller has left."""
        return sum(not waiting.future.done() for waiting in self._queue)

    @property
    def oldest_s(self) -> float:
        """For how many seconds the first of them has waited; 0 where none waits."""
        first = next((waiting for waiting in self._queue if not waiting.future.done()), None)
        return time.monotonic() - first.since_s if first is not None else 0.0

    @property
    def busy_s(self) -> float:
        """For how many seconds ``run`` has run in all, with the batch under way."""
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
            raise NotReadyError("The engine is closing down or has failed; please try again in a moment.")
        if len(self._queue) >= self._max_waiting:  # callers who have left must not keep others out
            self._queue = deque(waiting for waiting in self._queue if not waiting.future.done())
        if len(self._queue) >= self._max_waiting:
            raise OverloadedError("The engine has more to do than it can hold; please try again in a few seconds.")
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
            except BaseException:  # the end of the worker; those in this batch are told like those who wait
                self._queue.extendleft(reversed(batch))
                raise
            if isinstance(results, Exception):
                for waiting in batch:
                    _settle(waiting.future, error=results)
            else:
                for waiting, result in zip(batch, results, strict=True):
                    _settle(waiting.future, result=result)

    async def _run_batch(self, items: list[T]) -> Sequence[R] | Exception:
        """The results, or what ``run`` raised, which is the callers' own affair."""
        began_s = self._began_s = time.monotonic()
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._call, items)
        except Exception as error:  # noqa: BLE001 - whatever it is
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
        except StopIteration as error:  # no future can hold one: those who wait would never be told
            raise RuntimeError(f"{self._name}: an iterator ended early") from error

    def _next_batch(self) -> list[_Waiting[T, R]]:
        batch: list[_Waiting[T, R]] = []
        total = 0
        while self._queue:
            if self._queue[0].future.done():  # the caller has left
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
            error = NotReadyError("The engine is closing down or has failed; please try again in a moment.")
            error.__cause__ = cause
            _settle(self._queue.popleft().future, error=error)


def _settle(future: asyncio.Future[R], *, result: R | None = None, error: BaseException | None = None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)  # type: ignore[arg-type]  # None only where R allows it

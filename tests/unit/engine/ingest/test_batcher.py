"""The micro-batcher: full batches, bounded waiting, and nobody ever waits for nothing."""

import asyncio
import threading

import pytest

from deepgif.engine.errors import NotReadyError, OverloadedError
from deepgif.engine.ingest.batcher import MicroBatcher
from tests.fakes.waiting import WITHIN_S


class Gate:
    """A function whose batches wait until they are let through."""

    def __init__(self):
        self.open = threading.Event()
        self.entered = threading.Event()
        self.batches = []

    def __call__(self, items):
        self.batches.append(list(items))
        self.entered.set()
        assert self.open.wait(WITHIN_S)
        return [item * 2 for item in items]


def batcher_of(run, max_cost=4, max_waiting=100, **more):
    return MicroBatcher(run, name="test", max_cost=max_cost, max_waiting=max_waiting, **more)


async def submitted(batcher, items):
    """Tasks that have reached the queue."""
    tasks = [asyncio.create_task(batcher.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def busy(batcher, gate, item=0):
    """A first batch that is under way."""
    tasks = await submitted(batcher, [item])
    assert await asyncio.to_thread(gate.entered.wait, WITHIN_S)
    return tasks


async def test_what_queued_up_goes_together():
    """While one batch runs, the next gathers, up to its cost; everyone gets their own result."""
    gate, waits = Gate(), []
    async with batcher_of(gate, on_batch=lambda waited_s: waits.append(waited_s)) as batcher:
        tasks = await busy(batcher, gate) + await submitted(batcher, range(1, 7))
        assert batcher.waiting == 6
        gate.open.set()
        assert await asyncio.gather(*tasks) == [0, 2, 4, 6, 8, 10, 12]
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert [len(waited_s) for waited_s in waits] == [1, 4, 2]
    assert all(waited_s == sorted(waited_s, reverse=True) and waited_s[-1] >= 0 for waited_s in waits)


async def test_the_load():
    """Depth and age of the queue and the time of the work, while a batch runs and when it has ended; callers who left
    are no load."""
    gate = Gate()
    async with batcher_of(gate) as batcher:
        assert (batcher.waiting, batcher.oldest_s, batcher.busy_s) == (0, 0, 0)
        first = await busy(batcher, gate)
        gone, *stayed = await submitted(batcher, [1, 2, 3])
        gone.cancel()
        await asyncio.sleep(0)
        assert batcher.waiting == 2
        age, worked = batcher.oldest_s, batcher.busy_s
        assert age > 0
        assert worked > 0
        await asyncio.sleep(0.01)
        assert batcher.oldest_s > age
        assert batcher.busy_s > worked
        gate.open.set()
        await asyncio.gather(*first, *stayed)
        assert (batcher.waiting, batcher.oldest_s) == (0, 0)
        worked = batcher.busy_s
        await asyncio.sleep(0.01)
        assert batcher.busy_s == worked  # nothing runs
        await batcher.submit(4)
        assert batcher.busy_s > worked


async def test_a_batch_that_fails_was_work_too():
    """The time of a failed batch counts, and stops counting."""

    def run(items):
        raise ValueError("bad items")

    async with batcher_of(run) as batcher:
        with pytest.raises(ValueError, match="bad items"):
            await batcher.submit(1)
        worked = batcher.busy_s
        assert worked > 0
        await asyncio.sleep(0.01)
        assert batcher.busy_s == worked


async def test_costs():
    """A batch is cut by what its items cost; one that costs too much goes alone."""
    gate = Gate()
    async with batcher_of(gate, cost=lambda item: item) as batcher:
        tasks = await busy(batcher, gate) + await submitted(batcher, [3, 1, 1, 9, 2])
        gate.open.set()
        await asyncio.gather(*tasks)
    assert gate.batches == [[0], [3, 1], [1], [9], [2]]


async def test_a_full_queue_refuses():
    """Beyond its bound the queue refuses at once; later it takes items again."""
    gate = Gate()
    async with batcher_of(gate, max_waiting=2) as batcher:
        tasks = await busy(batcher, gate) + await submitted(batcher, [1, 2])
        with pytest.raises(OverloadedError, match="Try again"):
            await batcher.submit(3)
        gate.open.set()
        assert await asyncio.gather(*tasks) == [0, 2, 4]
        assert await batcher.submit(3) == 6


async def test_callers_who_left_are_skipped():
    """Nothing is computed for a caller who has gone."""
    gate = Gate()
    async with batcher_of(gate) as batcher:
        first = await busy(batcher, gate)
        gone, stayed = await submitted(batcher, [1, 2])
        gone.cancel()
        gate.open.set()
        assert await asyncio.gather(*first, stayed) == [0, 4]
    assert gate.batches == [[0], [2]]


async def test_callers_who_left_keep_nobody_out():
    """A queue that is full of items whose callers have gone takes new ones, and only as many as it holds."""
    gate = Gate()
    async with batcher_of(gate, max_waiting=3) as batcher:
        first = await busy(batcher, gate)
        stayed, *gone = await submitted(batcher, [1, 2, 3])
        for task in gone:
            task.cancel()
        await asyncio.sleep(0)
        late = await submitted(batcher, [4, 5])
        with pytest.raises(OverloadedError):
            await batcher.submit(6)
        gate.open.set()
        assert await asyncio.gather(*first, stayed, *late) == [0, 2, 8, 10]
    assert gate.batches == [[0], [1, 4, 5]]


async def test_a_failing_batch_fails_its_own_callers():
    """The error reaches those in the batch; the next batch runs."""

    def run(items):
        if 1 in items:
            raise ValueError("bad item")
        return items

    async with batcher_of(run) as batcher:
        with pytest.raises(ValueError, match="bad item"):
            await batcher.submit(1)
        assert await batcher.submit(2) == 2


async def test_an_iterator_that_ends_early():
    """StopIteration, which no future can hold, fails its batch instead of leaving everyone waiting for ever."""
    async with batcher_of(lambda items: [next(iter(()))] if 1 in items else items) as batcher:
        with pytest.raises(RuntimeError, match="ended early"):
            await asyncio.wait_for(batcher.submit(1), WITHIN_S)
        assert await asyncio.wait_for(batcher.submit(2), WITHIN_S) == 2


async def test_a_batcher_that_was_never_opened():
    """It says that it is not ready."""
    with pytest.raises(NotReadyError):
        await batcher_of(lambda items: items).submit(1)


async def test_too_few_results():
    """A function that loses a result fails its batch instead of leaving somebody waiting."""
    async with batcher_of(lambda items: []) as batcher:
        with pytest.raises(RuntimeError, match="0 results for 1 items"):
            await batcher.submit(1)


async def test_closing_fails_everyone_who_waits():
    """Those in the batch under way, those in the queue, and those who come later."""
    gate = Gate()
    batcher = batcher_of(gate)
    async with batcher:
        tasks = await busy(batcher, gate) + await submitted(batcher, [1, 2])
        tasks[0].add_done_callback(lambda _: gate.open.set())  # which the end of the block brings about
    results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WITHIN_S)
    assert all(isinstance(result, NotReadyError) for result in results)
    with pytest.raises(NotReadyError):
        await batcher.submit(3)


async def test_a_dying_worker_fails_everyone_who_waits():
    """If the worker itself breaks, nobody waits for ever, and the cause is kept."""

    def break_down(waited_s):
        raise MemoryError("no more")

    async with batcher_of(lambda items: items, on_batch=break_down) as batcher:
        results = await asyncio.wait_for(
            asyncio.gather(*[batcher.submit(item) for item in range(9)], return_exceptions=True), WITHIN_S
        )
        assert all(isinstance(result, NotReadyError) for result in results)
        assert {str(result.__cause__) for result in results} == {"no more"}
        with pytest.raises(NotReadyError):
            await batcher.submit(1)

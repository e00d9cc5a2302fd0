"""Jobs in flight, and shutdown."""

import asyncio

import pytest

from deepgif.bot.jobs.periodic import PeriodicTask
from deepgif.bot.jobs.queue import JobQueue
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.request import ChatContext, Request, RequestKind
from deepgif.bot.store.database import Database
from deepgif.bot.store.encryption import Cipher
from tests.fakes.waiting import WITHIN_S, Gate, until


class Handler:
    """Records what it handled, once it is let through the gate."""

    def __init__(self):
        self.begun, self.done, self.gate = [], [], Gate()

    async def handle(self, job):
        self.begun.append(job.request.id)
        await self.gate.passed()
        self.done.append(job.request.id)


def request(name):
    return Request(name, RequestKind.COMMAND, ChatContext("slack", "T1", "C1", "U1"))


@pytest.fixture
def handler():
    return Handler()


@pytest.fixture
async def queue(tmp_path):
    async with Database(f"sqlite+aiosqlite:///{tmp_path}/bot.sqlite3") as database:
        yield JobQueue(database, Cipher("a secret"), "slack")


async def test_periodic_work_repeats_after_an_error_and_is_never_cut_off():
    """Shutdown waits for the call in flight."""
    calls, gate = [], Gate()
    gate.hold(after=1)

    async def work():
        calls.append("begun")
        await gate.passed()
        calls.append("ended")
        if len(calls) == 2:
            raise ValueError("once")

    async with PeriodicTask(work, every_s=0.01):
        await until(lambda: len(calls) == 3)
        asyncio.get_running_loop().call_later(0.05, gate.release)  # after shutdown has begun
    assert calls == ["begun", "ended"] * 2


async def test_shutdown_waits_for_requests_being_accepted(queue, handler):
    """A request that is being acknowledged is answered before the worker ends."""
    accepted, gate = [], Gate()
    gate.hold()

    async def accept(worker):
        async with worker.accept(request("a")) as is_new:
            accepted.append(is_new)
            await gate.passed()

    async with Worker(queue, handler) as worker:
        accepting = asyncio.create_task(accept(worker))
        await until(lambda: accepted == [True])
        asyncio.get_running_loop().call_later(0.05, gate.release)  # after shutdown has begun
    assert handler.done == ["a"]
    await accepting


async def test_a_request_that_was_not_acknowledged_stays_in_the_queue(queue, handler):
    """Another process may answer it."""
    async with Worker(queue, handler) as worker:
        with pytest.raises(ConnectionError):
            async with worker.accept(request("a")):
                raise ConnectionError
        async with worker.accept(request("a")) as is_new:
            assert not is_new
    assert handler.begun == []


async def test_acknowledgements_go_before_answers(queue, handler, monkeypatch):
    """A job waits while another request is being acknowledged."""
    monkeypatch.setattr("deepgif.bot.jobs.worker.YIELD_S", WITHIN_S)
    async with Worker(queue, handler) as worker:
        async with worker.accept(request("first")):
            pass
        async with worker.accept(request("second")):
            await asyncio.sleep(0.05)
            assert handler.begun == []
    assert sorted(handler.done) == ["first", "second"]


async def test_a_stopping_worker_takes_no_jobs_over(queue, handler, monkeypatch):
    """Jobs that others left are for the processes that stay."""
    polls = []
    handler.gate.hold()
    reclaim, renew = queue.reclaim, queue.renew

    async def counted(names):
        polls.append(names)
        await renew(names)

    monkeypatch.setattr(queue, "renew", counted)
    worker = Worker(queue, handler, poll_s=0.01)
    await worker.__aenter__()
    async with worker.accept(request("own")):
        pass
    await until(lambda: handler.begun)
    stopping = asyncio.create_task(worker.__aexit__())
    await asyncio.sleep(0)
    monkeypatch.setattr(queue, "lease_s", -1)
    assert await queue.enqueue(request("left"))
    before = len(polls)
    await until(lambda: len(polls) >= before + 3)
    handler.gate.release()
    await stopping
    assert handler.done == ["own"]
    assert [job.request.id for job in await reclaim()] == ["left"]

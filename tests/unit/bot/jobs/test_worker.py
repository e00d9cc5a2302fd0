"""What is under way when a process is asked to stop."""

import asyncio

import pytest

from deepgif.bot.jobs.periodic import PeriodicTask
from deepgif.bot.jobs.queue import Job, JobQueue
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.store.database import Database
from deepgif.bot.store.encryption import Cipher
from tests.fakes.waiting import Gate, until


async def test_work_comes_again_after_an_error_and_is_never_cut_off():
    """The end waits for the call that is under way."""
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
        asyncio.get_running_loop().call_later(0.05, gate.release)  # once the end has begun
    assert calls == ["begun", "ended"] * 2


@pytest.fixture
async def journal(tmp_path):
    async with Database(f"sqlite+aiosqlite:///{tmp_path}/bot.sqlite3") as database:
        yield JobQueue(database, Cipher("a secret"), "slack")


async def test_the_end_waits_for_what_is_being_taken(journal):
    """A job whose receipt is on its way is done before the worker ends."""
    done, taken, gate = [], [], Gate()
    gate.hold()

    async def do(job):
        await asyncio.sleep(0.01)
        done.append(job.name)

    async def take(worker):
        async with worker.taking(Job("a", "T1", {})) as fresh:
            taken.append(fresh)
            await gate.passed()

    async with Worker(journal, do) as worker:
        taking = asyncio.create_task(take(worker))
        await until(lambda: taken == [True])
        asyncio.get_running_loop().call_later(0.05, gate.release)  # once the end has begun
    assert done == ["a"]
    await taking


async def test_what_was_not_acknowledged_is_not_done(journal):
    """Somebody else may do it: it stays in the journal."""
    done = []

    async def do(job):
        done.append(job.name)

    async with Worker(journal, do) as worker:
        with pytest.raises(ConnectionError):
            async with worker.taking(Job("a", "T1", {})):
                raise ConnectionError
        async with worker.taking(Job("a", "T1", {})) as fresh:
            assert not fresh
    assert done == []


async def test_receipts_go_before_answers(journal, monkeypatch):
    """A job waits while another one is being acknowledged."""
    monkeypatch.setattr("deepgif.bot.jobs.worker.YIELD_S", 60)
    said = []

    async def do(job):
        said.append(job.name)

    async with Worker(journal, do) as worker:
        async with worker.taking(Job("first", "T1", {})):
            pass
        async with worker.taking(Job("second", "T1", {})):
            await asyncio.sleep(0.05)
            said.append("receipt")
    assert said[0] == "receipt"
    assert sorted(said[1:]) == ["first", "second"]


async def test_who_stops_takes_nothing_over(journal, monkeypatch):
    """What others left is for those that stay."""
    done, looks, gate = [], [], Gate()
    gate.hold()
    abandoned, renew = journal.abandoned, journal.renew

    async def do(job):
        done.append(job.name)
        await gate.passed()

    async def renewed(names):
        looks.append(names)
        await renew(names)

    monkeypatch.setattr(journal, "renew", renewed)
    worker = Worker(journal, do, look_s=0.01)
    await worker.__aenter__()
    async with worker.taking(Job("own", "T1", {})):
        pass
    await until(lambda: done)
    ending = asyncio.create_task(worker.__aexit__())
    await asyncio.sleep(0)
    monkeypatch.setattr(journal, "lease_s", -1)
    assert await journal.accept(Job("left", "T1", {}))
    before = len(looks)
    await until(lambda: len(looks) >= before + 3)
    gate.release()
    await ending
    assert done == ["own"]
    assert [job.name for job in await abandoned()] == ["left"]

"""Jobs outlive their process."""

import asyncio
from dataclasses import replace

import pytest

from deepgif.bot.jobs.queue import Job, JobQueue, State
from deepgif.bot.request import ChatContext, Preferences, Request, RequestKind
from deepgif.bot.store.database import Database
from deepgif.bot.store.encryption import Cipher
from deepgif.engine.types import Rating

CONTEXT = ChatContext("slack", "T1", "C1", "U1", thread="5.1")
PREFERENCES = Preferences(max_rating=Rating.G, blocked_words=("dog", "cat"), preview=True)
REQUEST = Request("a", RequestKind.COMMAND, CONTEXT, "particular", preferences=PREFERENCES)


@pytest.fixture
async def database(bot_database):
    async with Database(bot_database) as opened:
        yield opened


async def test_a_job_is_done_once(database, clock):
    """A second delivery is recognised, and only one of several processes takes over a job that was left."""
    queue = JobQueue(database, Cipher("s"), "slack", lease_s=60)
    assert await queue.enqueue(REQUEST)
    assert not await queue.enqueue(REQUEST)
    assert await JobQueue(database, Cipher("s"), "discord").enqueue(REQUEST)
    assert await queue.reclaim() == []
    clock.ahead_s += 61
    others = [JobQueue(database, Cipher("s"), "slack") for _ in range(5)]
    reclaimed = await asyncio.gather(*(other.reclaim() for other in others))
    (job,) = [job for jobs in reclaimed for job in jobs]
    assert replace(job, waited_s=0.0) == Job(REQUEST)
    assert job.waited_s > 60


async def test_a_running_job_is_left_alone(database, clock):
    """Its lease is renewed. Its state survives a takeover, and once complete it is never taken over."""
    queue = JobQueue(database, Cipher("s"), "slack", lease_s=60)
    await queue.enqueue(REQUEST)
    for _ in range(2):
        clock.ahead_s += 40
        await queue.renew(["a"])
        assert await queue.reclaim() == []
    await queue.mark_posting("a")
    clock.ahead_s += 61
    assert [job.state for job in await queue.reclaim()] == [State.POSTING]
    await queue.complete("a")
    clock.ahead_s += 61
    assert await queue.reclaim() == []
    assert not await queue.enqueue(REQUEST)


@pytest.mark.parametrize(("secret", "payload"), [("t", {}), ("s", {"words": "of version 1"})])
async def test_what_cannot_be_read(database, secret, payload):
    """A job of another secret or another version is completed, not retried for ever."""
    queue = JobQueue(database, Cipher("s"), "slack", lease_s=-1)
    await queue.enqueue(REQUEST)
    await queue._update(["a"], encrypted=Cipher(secret).encrypt(payload))
    assert await queue.reclaim() == []
    await queue._update(["a"], encrypted=Cipher("s").encrypt({}))
    assert await queue.reclaim() == []

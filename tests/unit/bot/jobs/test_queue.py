"""Jobs that survive their process."""

import asyncio
from dataclasses import replace

import pytest

from deepgif.bot.jobs.queue import Job, JobQueue, State
from deepgif.bot.store.collections import MAX_FAVOURITES, GifCollections, SavedGif
from deepgif.bot.store.database import Database, database_url
from deepgif.bot.store.encryption import Cipher
from deepgif.bot.store.preferences import ChatContext, Preferences, word_list
from deepgif.engine.errors import InvalidRequestError, StoreError
from deepgif.engine.types import GifKey

JOB = Job("a", "T1", {"words": "particular"})
PLACE = ChatContext("slack", "T1", "C1", "U1")


@pytest.fixture
async def database(bot_database):
    async with Database(bot_database) as opened:
        yield opened


async def test_a_job_is_taken_once(database, clock):
    """Delivered twice it is known; abandoned, exactly one of several processes takes it over."""
    journal = JobQueue(database, Cipher("s"), "slack", lease_s=60)
    assert await journal.accept(JOB)
    assert not await journal.accept(JOB)
    assert await JobQueue(database, Cipher("s"), "discord").accept(JOB)
    assert await journal.abandoned() == []
    clock.ahead_s += 61
    others = [JobQueue(database, Cipher("s"), "slack") for _ in range(5)]
    taken = await asyncio.gather(*(other.abandoned() for other in others))
    (job,) = [job for jobs in taken for job in jobs]
    assert replace(job, waited_s=0.0) == JOB
    assert job.waited_s > 60


async def test_a_job_under_way_is_nobody_elses(database, clock):
    """Signs of life keep it; how far it was comes with it; done, it is gone."""
    journal = JobQueue(database, Cipher("s"), "slack", lease_s=60)
    await journal.accept(JOB)
    for _ in range(2):
        clock.ahead_s += 40
        await journal.renew(["a"])
        assert await journal.abandoned() == []
    await journal.posting("a")
    clock.ahead_s += 61
    assert [job.state for job in await journal.abandoned()] == [State.POSTING]
    await journal.done("a")
    clock.ahead_s += 61
    assert await journal.abandoned() == []
    assert not await journal.accept(JOB)


async def test_another_secret(database):
    """What nobody can open any more is put aside, not tried for ever."""
    await JobQueue(database, Cipher("s"), "slack", lease_s=-1).accept(JOB)
    assert await JobQueue(database, Cipher("t"), "slack", lease_s=-1).abandoned() == []
    assert await JobQueue(database, Cipher("s"), "slack", lease_s=-1).abandoned() == []


async def test_favourites_are_bounded(database):
    """The newest are kept, each once."""
    shelf = GifCollections(database)
    for number in (*range(MAX_FAVOURITES + 5), 50):
        await shelf.star(PLACE, SavedGif(GifKey("giphy", str(number)), f"GIF {number}"))
    kept = await shelf.favourites(PLACE)
    assert len(kept) == MAX_FAVOURITES
    assert kept[0].title == "GIF 50"


async def test_a_database_that_cannot_be_used():
    """One sentence, without the address, which may have a password in it."""
    with pytest.raises(StoreError, match="DEEPGIF_DATABASE_URL"):
        async with Database("sqlite+aiosqlite:////proc/none/bot.sqlite3"):
            pass


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("postgresql://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("postgres://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("postgresql+asyncpg://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
    ],
)
def test_addresses_get_an_async_driver(setting, url, tmp_path):
    """As people know them from elsewhere."""
    assert database_url(setting, tmp_path) == url


@pytest.mark.parametrize(
    ("words", "blocks"),
    [("a DOG barks", True), ("hotdogs", False), ("c++ code", True), ("c code", False), ("nice  ice", True)],
)
def test_blocked_words(words, blocks):
    """They count as whole words, in any case, also where they are no letters."""
    chosen = Preferences(blocked_words=word_list("dog, C++,\nice, ice"))
    assert chosen.blocked_words == ("dog", "c++", "ice")
    assert chosen.blocks(words) is blocks


def test_too_many_blocked_words():
    """They are refused, not cut."""
    with pytest.raises(InvalidRequestError):
        word_list(",".join(map(str, range(201))))

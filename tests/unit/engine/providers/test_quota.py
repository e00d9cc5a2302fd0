"""Calls counted by the hour, on disk."""

import asyncio

import pytest

from deepgif.engine.errors import QuotaError
from deepgif.engine.providers.quota import HOUR_S, RESERVED_FOR_SEARCHES, LocalQuota
from deepgif.engine.store.database import Database


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def database(tmp_path):
    async with Database(tmp_path / "d.sqlite") as opened:
        yield opened


async def quota_of(database, clock, per_hour=10, key="secret-key"):
    opened = LocalQuota(database, "GIPHY", key, per_hour, clock)
    await opened.open()
    return opened


async def acquire_many(some, calls, **how):
    for _ in range(calls):
        await some.acquire(**how)


async def test_a_share_is_left_to_others(database):
    """Work in the background ends at half of the allowance, searches at nine tenths; the rest is for addresses of what
    is known already; refused calls do not count."""
    one = await quota_of(database, Clock())
    await acquire_many(one, 5, reserve=RESERVED_FOR_SEARCHES)
    with pytest.raises(QuotaError):
        await one.acquire(reserve=RESERVED_FOR_SEARCHES)
    await acquire_many(one, 4)
    with pytest.raises(QuotaError, match=r"hourly quota for GIPHY is nearly used up\. Try again in 60 m"):
        await one.acquire()
    assert one.used() == 9
    await one.acquire(reserve=0)
    with pytest.raises(QuotaError):
        await one.acquire(reserve=0)
    assert one.used() == 10


async def test_when_calls_come_back(database):
    """The minutes said are those after which a call may be made, not those after which one is forgotten."""
    clock = Clock()
    one = await quota_of(database, clock)
    for _ in range(9):
        await one.acquire()
        clock.now += 60
    since = clock.now
    for reserve, minutes in ((0.1, 51), (RESERVED_FOR_SEARCHES, 55)):
        clock.now = since
        with pytest.raises(QuotaError) as caught:
            await one.acquire(reserve=reserve)
        assert caught.value.minutes == minutes
        clock.now += 60 * minutes - 1
        with pytest.raises(QuotaError, match=r"in 1 minute\."):
            await one.acquire(reserve=reserve)
    clock.now += 1
    await one.acquire(reserve=RESERVED_FOR_SEARCHES)


async def test_several_processes_share_one_allowance(database):
    """What one took, another has not; the last call goes to one of those who ask at once."""
    clock = Clock()
    one, other = await quota_of(database, clock), await quota_of(database, clock)
    await acquire_many(one, 4)
    await acquire_many(other, 4)
    results = await asyncio.gather(one.acquire(), other.acquire(), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "QuotaError"]
    assert await database.read("SELECT COUNT(*) FROM calls") == [(9,)]
    with pytest.raises(QuotaError):
        await one.acquire()
    assert one.used() == 9


async def test_calls_come_back_after_an_hour(database):
    """Any 60 minutes count, not the hour of the clock."""
    clock = Clock()
    one = await quota_of(database, clock)
    await acquire_many(one, 4)
    clock.now += HOUR_S / 2
    await acquire_many(one, 5)
    clock.now += HOUR_S / 2
    assert one.used() == 5
    await acquire_many(one, 4)
    with pytest.raises(QuotaError):
        await one.acquire()


async def test_a_restart_does_not_forget(database):
    """Neither does another key count, nor is the key on the disk."""
    clock = Clock()
    await acquire_many(await quota_of(database, clock), 9)
    assert (await quota_of(database, clock)).used() == 9
    assert (await quota_of(database, clock, key="other")).used() == 0
    assert "secret-key" not in str(await database.read("SELECT * FROM calls"))
    clock.now -= 5 * HOUR_S  # a clock that was wrong
    again = await quota_of(database, clock)
    with pytest.raises(QuotaError):
        await again.acquire()
    clock.now += HOUR_S
    assert again.used() == 0
    await again.acquire()


async def test_no_limit(database):
    """0 counts without an end."""
    one = await quota_of(database, Clock(), per_hour=0)
    await acquire_many(one, 50)
    await one.acquire(reserve=0.5)
    assert one.used() == (await quota_of(database, Clock(), per_hour=0)).used() == 51

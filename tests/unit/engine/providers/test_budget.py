"""Calls counted by the hour, on disk."""

import pytest

from engine.errors import BudgetError
from engine.providers.budget import HOUR_S, CallBudget
from engine.store import Database


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def database(tmp_path):
    async with Database(tmp_path / "d.sqlite") as opened:
        yield opened


async def budget(database, clock, per_hour=10, key="secret-key"):
    opened = CallBudget(database, "GIPHY", key, per_hour, clock)
    await opened.open()
    return opened


async def test_a_tenth_is_kept_for_addresses(database):
    """Searches end before the allowance does; the reserve is for what is known already; refused calls do not count."""
    one = await budget(database, Clock())
    for _ in range(9):
        await one.take(1)
    with pytest.raises(BudgetError, match="allowance of calls to GIPHY is nearly used up; more come back within 60 m"):
        await one.take(1)
    assert (one.used(), one.left()) == (9, 1)
    await one.take(1, reserved=True)
    with pytest.raises(BudgetError):
        await one.take(1, reserved=True)


async def test_calls_come_back_after_an_hour(database):
    """Any 60 minutes count, not the hour of the clock."""
    clock = Clock()
    one = await budget(database, clock)
    await one.take(4)
    clock.now += HOUR_S / 2
    await one.take(5)
    clock.now += HOUR_S / 2
    assert one.used() == 5
    await one.take(4)


async def test_a_restart_does_not_forget(database):
    """Neither does another key count, nor is the key on the disk."""
    clock = Clock()
    await (await budget(database, clock)).take(7)
    assert (await budget(database, clock)).used() == 7
    assert (await budget(database, clock, key="other")).used() == 0
    assert "secret-key" not in str(await database.read("SELECT * FROM calls"))
    clock.now -= 5 * HOUR_S  # a clock that was wrong
    again = await budget(database, clock)
    clock.now += HOUR_S
    assert again.used() == 0


async def test_no_limit(database):
    """0 counts without an end."""
    one = await budget(database, Clock(), per_hour=0)
    await one.take(500)
    assert (one.used(), one.left()) == (500, None)

"""Work on many things: bounded, each with its own failure, and nothing left under way."""

import asyncio
from contextlib import aclosing

import pytest

from deepgif.engine.errors import MediaError
from deepgif.engine.ingest.concurrency import map_unordered
from tests.fakes.waiting import WITHIN_S


class Work:
    """Doubles numbers, even ones in a step of the loop, odd ones in more; notes how many are under way."""

    def __init__(self, failing=None):
        self.under_way = self.most = self.begun = 0
        self.failing = failing or {}

    async def __call__(self, number):
        self.begun += 1
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            for _ in range(1 + 3 * (number % 2)):
                await asyncio.sleep(0)
            if number in self.failing:
                raise self.failing[number]
            return 2 * number
        finally:
            self.under_way -= 1


async def test_all_come_and_never_too_many_at_once():
    """Every item once with its result, also where items are made on the way."""
    work = Work()
    found = [pair async for pair in map_unordered((number for number in range(20)), work, 3)]
    assert sorted(found) == [(number, 2 * number) for number in range(20)]
    assert work.most == 3
    assert [pair async for pair in map_unordered([], work, 3)] == []


async def test_a_media_error_is_its_own_item_s_affair():
    """It is yielded in place of a result."""
    error = MediaError("broken")
    found = dict([pair async for pair in map_unordered(range(5), Work({2: error}), 2)])
    assert found == {0: 0, 1: 2, 2: error, 3: 6, 4: 8}


async def test_any_other_error_ends_it():
    """What is under way is called off, not waited for, and nothing more is begun."""
    under_way = 0

    async def work(number):
        nonlocal under_way
        under_way += 1
        try:
            await asyncio.sleep(0)
            if number == 2:
                raise RuntimeError("out of memory")
            await asyncio.Event().wait()
        finally:
            under_way -= 1

    async with asyncio.timeout(WITHIN_S):
        with pytest.raises(RuntimeError, match="out of memory"):
            assert [pair async for pair in map_unordered(range(100), work, 4)]
    assert under_way == 0


async def test_closing_ends_what_is_under_way():
    """Whoever leaves early leaves nothing behind."""
    work = Work()
    async with aclosing(map_unordered(range(100), work, 4)) as found:
        async for _ in found:
            break
    assert work.under_way == 0
    assert work.begun <= 8

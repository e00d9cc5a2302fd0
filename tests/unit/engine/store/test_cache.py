"""A bounded memory of things for a while."""

import asyncio

import pytest

from deepgif.engine.store.cache import BoundedCache
from tests.fakes.waiting import skip


async def test_what_was_not_used_goes_first():
    """Reading counts as using, and no more than the bound is kept."""
    cache = BoundedCache(2, 60)
    await cache.set("a", 1)
    await cache.set("b", 2)
    assert await cache.get("a") == 1
    await cache.set("c", 3)
    assert [await cache.get(name) for name in "abc"] == [1, None, 3]
    assert len(cache) == 2
    await cache.set("a", 4)
    assert await cache.get("a") == 4


async def test_it_forgets_in_time():
    """After its time a value is gone, and does not count."""
    cache = BoundedCache(2, 600)
    await cache.set("a", 1)
    for _ in range(2):
        skip(250)
        await asyncio.sleep(0.01)
        assert await cache.get("a") == 1
    skip(100)
    await asyncio.sleep(0.01)
    assert await cache.get("a") is None
    assert len(cache) == 0


async def test_a_failing_engine_has_nothing(monkeypatch):
    """A cache that fails is as good as an empty one."""
    cache = BoundedCache(2, 60)

    async def fail(*_args, **_named):
        raise ConnectionError

    await cache.set("a", 1)
    for name in ("get", "set"):
        monkeypatch.setattr(cache._cache, name, fail)
    assert await cache.get("a") is None
    await cache.set("b", 2)


async def test_who_leaves_is_let_go():
    """A caller who is cancelled while the cache is asked ends there, at whatever moment."""
    cache = BoundedCache(2, 60)
    for moments in range(10):
        task = asyncio.create_task(cache.get("a"))
        for _ in range(moments):
            await asyncio.sleep(0)
        if task.cancel():
            with pytest.raises(asyncio.CancelledError):
                await task

"""A bounded in-memory cache on top of aiocache, whose own one is unbounded."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Generic, TypeVar, cast

from aiocache import SimpleMemoryCache

_log = logging.getLogger(__name__)
V = TypeVar("V")


class BoundedCache(Generic[V]):
    """At most ``max_items`` values, each for ``ttl_s`` seconds; the least recently used are evicted first. Errors count
    as misses."""

    def __init__(self, max_items: int, ttl_s: float) -> None:
        self._max_items = max_items
        self._ttl_s = ttl_s
        self._cache = SimpleMemoryCache(timeout=None)  # its asyncio.wait_for loses cancellations before Python 3.12
        self._used: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    async def get(self, key: str) -> V | None:
        """The value, or None."""
        try:
            value = await self._cache.get(key)
        except Exception:  # noqa: BLE001 - whatever aiocache raises
            _log.warning("Cannot read from the cache.", exc_info=True)
            return None
        if value is None:
            self._used.pop(key, None)
        elif key in self._used:
            self._used.move_to_end(key)
        return cast("V | None", value)

    async def set(self, key: str, value: V) -> None:
        """Stores or replaces the value."""
        try:
            await self._cache.set(key, value, ttl=self._ttl_s)
            self._used[key] = None
            self._used.move_to_end(key)
            while len(self._used) > self._max_items:
                oldest, _ = self._used.popitem(last=False)
                await self._cache.delete(oldest)
        except Exception:  # noqa: BLE001 - whatever aiocache raises
            _log.warning("Cannot write to the cache.", exc_info=True)

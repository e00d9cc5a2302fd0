"""A bounded memory of things for a while, on aiocache, whose own memory cache grows without end."""

from __future__ import annotations

import logging
from collections import OrderedDict
from typing import Generic, TypeVar, cast

from aiocache import SimpleMemoryCache

_log = logging.getLogger(__name__)
V = TypeVar("V")


class BoundedCache(Generic[V]):
    """Keeps at most ``most`` values for ``ttl_s`` seconds each; beyond, those not used for longest go first. A cache
    that fails has nothing."""

    def __init__(self, most: int, ttl_s: float) -> None:
        self._most = most
        self._ttl_s = ttl_s
        self._cache = SimpleMemoryCache(timeout=None)  # its asyncio.wait_for loses cancellations before Python 3.12
        self._used: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._used)

    async def get(self, key: str) -> V | None:
        """The value, or None."""
        try:
            value = await self._cache.get(key)
        except Exception:  # noqa: BLE001 - whatever an engine behind aiocache raises
            _log.warning("The cache cannot be read.", exc_info=True)
            return None
        if value is None:
            self._used.pop(key, None)
        elif key in self._used:
            self._used.move_to_end(key)
        return cast("V | None", value)

    async def set(self, key: str, value: V) -> None:
        """Keeps the value, in place of one that was there."""
        try:
            await self._cache.set(key, value, ttl=self._ttl_s)
            self._used[key] = None
            self._used.move_to_end(key)
            while len(self._used) > self._most:
                oldest, _ = self._used.popitem(last=False)
                await self._cache.delete(oldest)
        except Exception:  # noqa: BLE001 - whatever an engine behind aiocache raises
            _log.warning("The cache cannot be written.", exc_info=True)

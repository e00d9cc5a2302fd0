"""A provider's hourly quota for all engines together, counted in Redis by the clock of Redis."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import deque

from deepgif.engine.cluster.embeddings import key_part
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.errors import QuotaError
from deepgif.engine.providers.quota import HOUR_S, NO_LIMIT, RESERVED_FOR_LOOKUPS, LocalQuota

DEFAULT_ENGINES = 4  # assumed until Redis has said how many there are
# Calls and engines are sorted sets, scored by time in microseconds; both keys are in one slot.
# KEYS: calls, engines. ARGV: limit per hour, calls to count now, engine, then the ages of calls not yet reported (us).
# Returns whether the calls were counted, all calls counted, how many engines there are, and when a call is free (us).
_ACQUIRE = """
local time = redis.call('TIME')
local now, hour = time[1] * 1000000 + time[2], 3600000000
local function at(when) return string.format('%.0f', when) end
for _, key in ipairs(KEYS) do
  redis.call('ZREMRANGEBYSCORE', key, '-inf', at(now - hour))
  for _, early in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. at(now), '+inf')) do
    redis.call('ZADD', key, at(now), early)
  end
end
redis.call('ZADD', KEYS[2], at(now), ARGV[3])
for i = 4, #ARGV do
  local when = now - tonumber(ARGV[i])
  if when > now - hour then redis.call('ZADD', KEYS[1], at(when), ARGV[3] .. ':' .. at(when) .. ':' .. i) end
end
local most, calls = tonumber(ARGV[1]), tonumber(ARGV[2])
local used = redis.call('ZCARD', KEYS[1])
local taken = used + calls <= most
if taken then
  for i = 1, calls do redis.call('ZADD', KEYS[1], at(now), ARGV[3] .. ':' .. at(now) .. ':' .. used .. ':' .. i) end
  used = used + calls
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 3600000) end
local before = redis.call('ZRANGE', KEYS[1], -most, -most, 'WITHSCORES')
local left = most > 0 and before[2] and (before[2] + hour - now) or hour
return {taken and 1 or 0, used, redis.call('ZCARD', KEYS[2]), math.floor(left)}
"""


class RedisQuota:
    """``Quota`` of all engines with one key. ``local`` counts this engine's own calls on disk.

    While Redis is down, this engine uses at most its equal share of what was left when Redis last replied, and after
    an hour of the whole quota.
    """

    def __init__(self, local: LocalQuota, connection: RedisConnection) -> None:
        self.provider = local.provider
        self.per_hour = local.per_hour
        self._local = local
        self._connection = connection
        tag = f"{connection.prefix}:b:{{{key_part(local.name)}}}"
        self._keys = (f"{tag}:calls", f"{tag}:engines")
        self._engine = secrets.token_hex(8)
        self._unreported: deque[float] = deque()  # calls that Redis does not know of, in seconds since 1970
        self._replied_at = float("-inf")
        self._used, self._engines = 0, DEFAULT_ENGINES
        self._lock = asyncio.Lock()

    async def acquire(self, *, reserve: float = RESERVED_FOR_LOOKUPS) -> None:
        """Counts a call before it is made, for all engines and on this machine's disk. Raises ``QuotaError``, and
        counts nothing, if less than the share ``reserve`` of the quota would be left."""
        limit = self.per_hour - int(self.per_hour * reserve) if self.per_hour else NO_LIMIT
        async with self._lock:
            try:
                acquired, wait_s = await self._ask(limit)
            except (RedisDownError, RedisRefusedError):
                acquired, wait_s = self._share_allows(limit), HOUR_S
                if acquired:
                    self._unreported.append(time.time())
            if not acquired:
                raise QuotaError(self.provider, max(1, math.ceil(wait_s / 60)))
            await self._local.acquire(reserve=0.0)

    def used(self) -> int:
        """Calls of all engines in the last 60 minutes, as far as this one knows."""
        shared = self._used if time.time() - self._replied_at < HOUR_S else 0
        return max(self._local.used(), shared + len(self._unreported))

    async def _ask(self, limit: int) -> tuple[bool, float]:
        """Counts one call if all engines together have made fewer than ``limit``. Returns whether it was counted, and
        otherwise the seconds until a call is free. Raises ``RedisDownError`` or ``RedisRefusedError``."""
        acquired, wait_s = await self._run(limit, 1, list(self._unreported))
        self._unreported.clear()
        missing = self._local.used() + acquired - self._used
        if missing > 0:  # Redis was emptied: report this engine's calls
            await self._run(limit, 0, self._local.times()[-missing:])
            acquired = acquired and self._used <= limit
        return acquired, wait_s

    async def _run(self, limit: int, calls: int, unreported: list[float]) -> tuple[bool, float]:
        now = time.time()
        ages = [int(1e6 * max(0.0, now - at)) for at in unreported]
        reply = await self._connection.call(
            lambda client: client.eval(_ACQUIRE, 2, *self._keys, limit, calls, self._engine, *ages)
        )
        acquired, self._used, self._engines, wait_us = reply
        self._replied_at = now
        return bool(acquired), wait_us / 1e6

    def _share_allows(self, limit: int) -> bool:
        now = time.time()
        while self._unreported and self._unreported[0] <= now - HOUR_S:
            self._unreported.popleft()
        left = limit - (self._used if now - self._replied_at < HOUR_S else 0)
        if self._replied_at == float("-inf"):
            left -= self._local.used()
        return not self.per_hour or len(self._unreported) < left // max(1, self._engines)

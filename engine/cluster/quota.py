"""How many calls a provider still allows all engines together, counted in Redis by its own clock."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections import deque
from collections.abc import Callable

from deepgif.engine.cluster.embeddings import part_of_key
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.errors import QuotaError
from deepgif.engine.providers.quota import FOR_ADDRESSES, HOUR_S, NO_LIMIT, LocalQuota

FEW = 4  # engines that are supposed where Redis has never said how many there are
# Calls and engines are sorted sets by time, in microseconds; both keys lie in one slot.
# KEYS: calls, engines. ARGV: most in an hour, how many now, engine, then ages of calls that Redis was not told of.
# Answers: whether they were taken, how many are counted now, by how many engines, and when one more may be (us).
_TAKE = """
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
    """``Quota`` of all engines with one key, over ``near``, which counts this engine's own calls on its disk.

    While Redis is away, this engine takes no more than its equal share of what was left when it was last asked, and an
    hour later of the whole allowance. ``clock`` gives seconds since 1970.
    """

    def __init__(self, near: LocalQuota, link: RedisConnection, clock: Callable[[], float] = time.time) -> None:
        self.provider = near.provider
        self.per_hour = near.per_hour
        self._near = near
        self._link = link
        self._clock = clock
        tag = f"{link.prefix}:b:{{{part_of_key(near.name)}}}"
        self._keys = (f"{tag}:calls", f"{tag}:engines")
        self._me = secrets.token_hex(8)
        self._alone: deque[float] = deque()  # when calls were made that Redis was not told of
        self._told_at = float("-inf")
        self._told_used, self._engines = 0, FEW
        self._taking = asyncio.Lock()

    async def take(self, *, leave: float = FOR_ADDRESSES) -> None:
        """Counts a call that is about to be made, for all engines at once; on this machine's disk too. Raises
        ``QuotaError`` and counts nothing where less than the share ``leave`` of the allowance would be left."""
        most = self.per_hour - int(self.per_hour * leave) if self.per_hour else NO_LIMIT
        async with self._taking:
            try:
                taken, wait_s = await self._ask(most)
            except (RedisDownError, RedisRefusedError):
                taken, wait_s = self._alone_allows(most), HOUR_S
                if taken:
                    self._alone.append(self._clock())
            if not taken:
                raise QuotaError(self.provider, max(1, math.ceil(wait_s / 60)))
            await self._near.take(leave=0.0)

    def used(self) -> int:
        """Calls made in the last 60 minutes by all engines, as far as this one was told, or by itself."""
        told = self._told_used if self._clock() - self._told_at < HOUR_S else 0
        return max(self._near.used(), told + len(self._alone))

    async def _ask(self, most: int) -> tuple[bool, float]:
        """Whether all engines together have made less than ``most`` calls, so that one more is counted, and else for
        how many seconds none may be made. Raises ``RedisDownError`` or ``RedisRefusedError``."""
        taken, wait_s = await self._run(most, 1, list(self._alone))
        self._alone.clear()
        missing = self._near.used() + taken - self._told_used
        if missing > 0:  # Redis was emptied, and is told what this engine knows
            await self._run(most, 0, self._near.times()[-missing:])
            taken = taken and self._told_used <= most
        return taken, wait_s

    async def _run(self, most: int, calls: int, told: list[float]) -> tuple[bool, float]:
        now = self._clock()
        ages = [int(1e6 * max(0.0, now - at)) for at in told]
        answer = await self._link.call(lambda client: client.eval(_TAKE, 2, *self._keys, most, calls, self._me, *ages))
        taken, self._told_used, self._engines, left_us = answer
        self._told_at = now
        return bool(taken), left_us / 1e6

    def _alone_allows(self, most: int) -> bool:
        now = self._clock()
        while self._alone and self._alone[0] <= now - HOUR_S:
            self._alone.popleft()
        left = most - (self._told_used if now - self._told_at < HOUR_S else 0)
        if self._told_at == float("-inf"):
            left -= self._near.used()
        return not self.per_hour or len(self._alone) < left // max(1, self._engines)

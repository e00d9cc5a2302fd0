"""One circuit breaker for all engines that call a provider with one key, in Redis and by its own clock.

Closed, the failures in a row of all engines are counted; the one that is too many opens it. When the rest is over, the
first that asks tries (half-open) while the others go on resting: its call closes the breaker or opens it again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

from deepgif.engine.cluster.embeddings import part_of_key
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.errors import CircuitOpenError
from deepgif.engine.providers.circuit_breaker import NO_FAILURES, LocalCircuitBreaker
from deepgif.engine.providers.http import TIMEOUT_S

TRY_S = 2 * TIMEOUT_S  # in which whoever tries has an answer, or is taken for dead
KEPT_S = 3600.0  # how long failures, or a rest that is over, are remembered
# A hash: failures in a row; until when nobody asks (us), which is there while it is not closed; and who tries.
# ARGV: who asks, how long it may try, and the longest that a rest can be (us): the clock may have been set back.
# Answers: whether it may ask, how many calls have failed, and whether it is the one that tries.
_ENTER = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'until', 'failures')
if not known[1] then return {1, tonumber(known[2] or 0), 0} end
local left = tonumber(known[1]) - now
if left > 0 and left <= tonumber(ARGV[3]) then return {0, 0, 0} end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + ARGV[2]), 'trying', ARGV[1])
return {1, 0, 1}
"""
# ARGV: who asked, how the call went, how many failures open it, for how long (us), how long all is remembered (ms).
# What began before it opened says nothing any more.
_LEAVE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'until', 'trying')
local tries = known[2] == ARGV[1]
if known[1] and not tries then return end
if ARGV[2] == 'answered' then
  redis.call('DEL', KEYS[1])
  return
end
local rest
if ARGV[2] == 'failed' and redis.call('HINCRBY', KEYS[1], 'failures', 1) >= tonumber(ARGV[3]) then
  rest = tonumber(ARGV[4])
elseif tries then
  rest = 0
end
if rest then
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', now + rest))
  redis.call('HDEL', KEYS[1], 'trying')
end
redis.call('PEXPIRE', KEYS[1], ARGV[5])
"""


class _Went(StrEnum):
    """How a call went; ``LEFT`` where that says nothing of the provider."""

    ANSWERED = "answered"
    FAILED = "failed"
    LEFT = "left"


class RedisCircuitBreaker:
    """``CircuitBreaker`` of all engines with the key of this ``name``, within ``near``, this engine's own, which is
    all that counts while Redis is away."""

    def __init__(self, near: LocalCircuitBreaker, link: RedisConnection, name: str) -> None:
        self._near = near
        self._link = link
        self._key = f"{link.prefix}:b:{{{part_of_key(name)}}}:breaker"

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """What a call is made within: one round trip before it, and one after it where calls fail. Raises
        ``CircuitOpenError`` where the provider is left alone by all engines, or by this one."""
        async with self._near.calling():
            me = secrets.token_hex(8)
            failures, tries = await self._enter(me)
            try:
                yield
            except NO_FAILURES:
                if tries:
                    await self._leave(me, _Went.LEFT)
                raise
            except Exception:
                await self._leave(me, _Went.FAILED)
                raise
            if failures or tries:
                await self._leave(me, _Went.ANSWERED)

    async def _enter(self, me: str) -> tuple[int, bool]:
        """How many calls of all engines have failed in a row, and whether this one is to try."""
        longest_us = int(1e6 * max(self._near.rest_s, TRY_S))
        try:
            allowed, failures, tries = await self._link.call(
                lambda client: client.eval(_ENTER, 1, self._key, me, int(1e6 * TRY_S), longest_us)
            )
        except (RedisDownError, RedisRefusedError):
            return 0, False
        except asyncio.CancelledError:  # it may be the one that is to try
            await self._leave(me, _Went.LEFT)
            raise
        if not allowed:
            raise CircuitOpenError(self._near.provider)
        return failures, bool(tries)

    async def _leave(self, me: str, went: _Went) -> None:
        opens, rest_us = self._near.failures, int(1e6 * self._near.rest_s)
        with suppress(RedisDownError, RedisRefusedError):
            await self._link.call(
                lambda client: client.eval(_LEAVE, 1, self._key, me, went.value, opens, rest_us, int(1000 * KEPT_S))
            )

"""One circuit breaker for all engines that call a provider with one key, in Redis and by the clock of Redis.

While it is closed, consecutive failures of all engines are counted; enough of them open it. After the reset timeout,
one engine makes a trial call (half-open), which closes the breaker or opens it again.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

from deepgif.engine.cluster.embeddings import key_part
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.errors import CircuitOpenError
from deepgif.engine.providers.circuit_breaker import NO_FAILURES, LocalCircuitBreaker
from deepgif.engine.providers.http import TIMEOUT_S

TRIAL_S = 2 * TIMEOUT_S  # after which whoever makes the trial call is presumed dead
KEEP_S = 3600.0  # for which the state is stored
# A hash: consecutive "failures"; "until" when it is open (us), if it is not closed; and who is "trying" (half-open).
# ARGV: caller, time for a trial call, and the longest possible time left (us), as the clock may have been set back.
# Returns whether the call may be made, how many have failed, and whether this is the trial call.
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
# ARGV: caller, outcome, failures that open it, reset timeout (us), for how long the state is stored (ms).
# Calls that began before it opened are ignored.
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


class _Outcome(StrEnum):
    """The outcome of a call; ``CANCELLED`` says nothing about the provider."""

    ANSWERED = "answered"
    FAILED = "failed"
    CANCELLED = "left"


class RedisCircuitBreaker:
    """``CircuitBreaker`` of all engines with the key of this ``name``. Around it, ``local`` is this engine's own, the
    only one while Redis is down."""

    def __init__(self, local: LocalCircuitBreaker, connection: RedisConnection, name: str) -> None:
        self._local = local
        self._connection = connection
        self._key = f"{connection.prefix}:b:{{{key_part(name)}}}:breaker"

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Guards a call: one round trip before it, and one after it if calls fail. Raises ``CircuitOpenError`` if this
        breaker or the local one is open."""
        async with self._local.guard():
            caller = secrets.token_hex(8)
            failures, trial = await self._enter(caller)
            try:
                yield
            except NO_FAILURES:
                if trial:
                    await self._leave(caller, _Outcome.CANCELLED)
                raise
            except Exception:
                await self._leave(caller, _Outcome.FAILED)
                raise
            if failures or trial:
                await self._leave(caller, _Outcome.ANSWERED)

    async def _enter(self, caller: str) -> tuple[int, bool]:
        """The consecutive failures of all engines, and whether this is the trial call."""
        longest_us = int(1e6 * max(self._local.reset_s, TRIAL_S))
        try:
            allowed, failures, trial = await self._connection.call(
                lambda client: client.eval(_ENTER, 1, self._key, caller, int(1e6 * TRIAL_S), longest_us)
            )
        except (RedisDownError, RedisRefusedError):
            return 0, False
        except asyncio.CancelledError:  # it may have become the trial call
            await self._leave(caller, _Outcome.CANCELLED)
            raise
        if not allowed:
            raise CircuitOpenError(self._local.provider)
        return failures, bool(trial)

    async def _leave(self, caller: str, outcome: _Outcome) -> None:
        opens = (self._local.max_failures, int(1e6 * self._local.reset_s), int(1000 * KEEP_S))
        with suppress(RedisDownError, RedisRefusedError):
            await self._connection.call(lambda client: client.eval(_LEAVE, 1, self._key, caller, outcome.value, *opens))

"""Leases in Redis, so that what one engine is embedding no other engine embeds.

A lease is ``SET NX PX`` with a random token. It is renewed while the work goes on, released only with the same token,
and expires if its holder dies (redis.io/docs, "Distributed locks", with one instance). Leases save work but guard
nothing: at worst a GIF is embedded twice.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any

from deepgif.engine.cluster.embeddings import RedisEmbeddingStore, unpack
from deepgif.engine.cluster.redis import Command, RedisConnection, RedisDownError, RedisRefusedError, refused
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.errors import MediaError
from deepgif.engine.ingest.deduplication import Compute
from deepgif.engine.protocols import Vector
from deepgif.engine.types import GifKey

FAILED_S = 30.0  # for which a GIF that one engine could not decode is not tried again
POLL_S = 0.04  # between two looks at other engines' leases, give or take a half
FAILED = b"-"
# Both keys are in one slot: the lease's key has the vector's key as its hash tag.
_ACQUIRE = """
local value = redis.call('GET', KEYS[1])
if value then return value end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[2]) == '-' then return -1 end
return 0
"""
_RENEW = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"
_FAIL = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('SET', KEYS[1], '-', 'PX', ARGV[2]) end"
Announce = Callable[[str, Collection[GifKey]], list[QueuedWrite]]


class RedisLeases:
    """``EmbeddingLeases`` for engines over one Redis. New vectors are stored at once; ``announce`` gives the writes
    that tell other engines of the new keys of a space."""

    def __init__(
        self,
        connection: RedisConnection,
        queue: WriteBehindQueue,
        store: RedisEmbeddingStore,
        dimension: int,
        announce: Announce = lambda space, keys: [],
        lease_s: float = 6.0,
    ) -> None:
        self._connection = connection
        self._queue = queue
        self._store = store
        self._dimension = dimension
        self._announce = announce
        self._lease_ms = int(1000 * lease_s)
        self._held: dict[str, str] = {}  # tokens of our leases, by the keys of their vectors
        self._held_by_others: dict[tuple[str, GifKey], asyncio.Future[Vector | bytes | None]] = {}
        self._polling: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def vectors(self, space: str, keys: Sequence[GifKey], compute: Compute) -> dict[GifKey, Vector]:
        """The vectors (D,) of ``keys`` in ``space``: those that other engines have computed or are computing, and the
        rest from ``compute``. Raises what ``compute`` raises, and ``MediaError`` if other engines failed at all."""
        found: dict[GifKey, Vector] = {}
        wanted = list(keys)
        failed = False
        while wanted:
            try:
                replies = await self._acquire(space, wanted)
            except (RedisDownError, RedisRefusedError):
                found |= await self._store.get_many(space, wanted)
                return found | await self._compute(space, [key for key in wanted if key not in found], compute)
            ours, others = [], []
            for key, reply in zip(wanted, replies, strict=True):
                if reply == 0:
                    others.append(key)
                elif reply == -1:
                    failed = True
                elif (vector := unpack(reply, self._dimension)) is not None:
                    found[key] = vector
                else:  # acquired; or an error or an invalid vector, which is computed again and replaced
                    ours.append(key)
            found |= await self._compute(space, ours, compute)
            wanted = []
            for key, result in zip(others, await self._wait(space, others), strict=True):
                if result is None:
                    wanted.append(key)
                elif isinstance(result, bytes):
                    failed = True
                else:
                    found[key] = result
        if failed and not found:
            raise MediaError("This GIF could not be decoded a moment ago.")
        return found

    async def run(self) -> None:
        """Renews our leases, forever."""
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            await self._run_for_each(_RENEW, dict(self._held), self._lease_ms)

    async def close(self) -> None:
        """Stops polling and waits until leases are released."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _acquire(self, space: str, keys: Sequence[GifKey]) -> list[Any]:
        """For each key: the stored value, 1 if we now have the lease, 0 if another engine has it, -1 if another engine
        failed, or an error if Redis rejected the command."""
        names, token = [self._store.name(space, key) for key in keys], secrets.token_hex(8)
        commands: list[Command] = [
            ("EVAL", _ACQUIRE, 2, name, self._name(name), token, self._lease_ms) for name in names
        ]
        try:
            replies = await self._connection.pipeline(commands)
        except asyncio.CancelledError:  # some may have been acquired
            self._start(self._run_for_each(_RELEASE, dict.fromkeys(names, token)))
            raise
        self._held |= {name: token for name, reply in zip(names, replies, strict=True) if reply == 1}
        if replies and all(refused(reply) for reply in replies):
            raise RedisRefusedError
        return replies

    async def _compute(self, space: str, keys: Sequence[GifKey], compute: Compute) -> dict[GifKey, Vector]:
        if not keys:
            return {}
        names = [self._store.name(space, key) for key in keys]
        try:
            made = dict(await compute(keys))
        except MediaError:
            self._start(self._run_for_each(_FAIL, self._pop(names), int(1000 * FAILED_S)))
            raise
        except BaseException:
            self._start(self._release(names))
            raise
        await asyncio.shield(self._start(self._put(space, made, names)))
        return made

    async def _put(self, space: str, made: dict[GifKey, Vector], names: Sequence[str]) -> None:
        try:
            await self._queue.write([*self._store.writes(space, made), *self._announce(space, made)])
        finally:
            await self._release(names)

    async def _release(self, names: Sequence[str]) -> None:
        await self._run_for_each(_RELEASE, self._pop(names))

    def _pop(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self._held.pop(name) for name in names if name in self._held}

    async def _run_for_each(self, script: str, leases: Mapping[str, str], *arguments: object) -> None:
        """Runs a script for each of our leases. If that fails, they expire."""
        commands: list[Command] = [
            ("EVAL", script, 1, self._name(name), token, *arguments) for name, token in leases.items()
        ]
        try:
            if commands:
                await self._connection.pipeline(commands)
        except (RedisDownError, RedisRefusedError):
            pass

    async def _wait(self, space: str, keys: Sequence[GifKey]) -> list[Vector | bytes | None]:
        """For each key: the vector that another engine computed, ``FAILED``, or None if its lease is free again."""
        futures = []
        for key in keys:
            if (space, key) not in self._held_by_others:
                self._held_by_others[space, key] = asyncio.get_running_loop().create_future()
            futures.append(self._held_by_others[space, key])
        if futures and (self._polling is None or self._polling.done()):
            self._polling = asyncio.create_task(self._poll())
        return [await asyncio.shield(future) for future in futures]

    async def _poll(self) -> None:
        """Polls the leases that others hold, and the vectors behind those that have ended, for all waiting callers."""
        try:
            while self._held_by_others:
                await asyncio.sleep(POLL_S * random.uniform(0.5, 1.5))  # noqa: S311 - only to spread the load
                await self._poll_once()
        finally:  # on close or error, waiting callers try for themselves
            for future in self._held_by_others.values():
                if not future.done():
                    future.set_result(None)
            self._held_by_others.clear()

    async def _poll_once(self) -> None:
        waiting = list(self._held_by_others)
        try:
            leases = await self._connection.get_many([self._name(self._store.name(*one)) for one in waiting])
        except (RedisDownError, RedisRefusedError):
            leases = [None] * len(waiting)
        ended = [one for one, lease in zip(waiting, leases, strict=True) if lease is None]
        vectors: dict[tuple[str, GifKey], Vector] = {}
        for space in {space for space, _ in ended}:
            keys = [key for other, key in ended if other == space]
            vectors |= {(space, key): vector for key, vector in (await self._store.get_many(space, keys)).items()}
        for one, lease in zip(waiting, leases, strict=True):
            if lease is None or lease == FAILED:
                self._held_by_others.pop(one).set_result(FAILED if lease == FAILED else vectors.get(one))

    def _name(self, name: str) -> str:
        """The Redis key of the lease on a vector."""
        return f"{self._connection.prefix}:c:{{{name}}}"

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

"""What one engine embeds, no other embeds: claims in Redis that end by themselves where their holder dies.

A claim is ``SET NX PX`` with a random token, renewed while the work goes on and released only by the same token
(redis.io/docs, "Distributed locks", with one instance). It saves work and guards nothing: in the worst case a GIF is
embedded twice.
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
from deepgif.engine.ingest.deduplication import Make, Vector
from deepgif.engine.types import GifKey

FAILED_S = 30.0  # for so long others do not try what one could not look at
LOOK_S = 0.04  # between two looks at what others have claimed, give or take a half
FAILED = b"-"
# Both keys lie in one slot: that of the claim has the other as its hash tag.
_CLAIM = """
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
    """``EmbeddingLeases`` for engines over one Redis. What is made is stored at once, and told to the others by
    ``announce``, which gives the writes for keys of a space."""

    def __init__(
        self,
        link: RedisConnection,
        writer: WriteBehindQueue,
        store: RedisEmbeddingStore,
        dimension: int,
        announce: Announce = lambda space, keys: [],
        lease_s: float = 6.0,
    ) -> None:
        self._link = link
        self._writer = writer
        self._store = store
        self._dimension = dimension
        self._announce = announce
        self._lease_ms = int(1000 * lease_s)
        self._held: dict[str, str] = {}  # keys of vectors, and the tokens of their claims
        self._claimed_by_others: dict[tuple[str, GifKey], asyncio.Future[Vector | bytes | None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._background: set[asyncio.Task[None]] = set()

    async def vectors(self, space: str, keys: Sequence[GifKey], make: Make) -> dict[GifKey, Vector]:
        """The vectors (D,) of ``keys`` in ``space``: what others have made or are about to make, and what ``make``
        makes of the rest. Raises what ``make`` raises, and ``MediaError`` where others could make none."""
        found: dict[GifKey, Vector] = {}
        wanted = list(keys)
        failed = False
        while wanted:
            try:
                answers = await self._claim(space, wanted)
            except (RedisDownError, RedisRefusedError):
                found |= await self._store.get_many(space, wanted)
                return found | await self._make(space, [key for key in wanted if key not in found], make)
            mine, others = [], []
            for key, answer in zip(wanted, answers, strict=True):
                if answer == 0:
                    others.append(key)
                elif answer == -1:
                    failed = True
                elif (vector := unpack(answer, self._dimension)) is not None:
                    found[key] = vector
                else:  # claimed; or refused, or something that is no vector, which is made and stored in its place
                    mine.append(key)
            found |= await self._make(space, mine, make)
            wanted = []
            for key, came in zip(others, await self._wait(space, others), strict=True):
                if came is None:
                    wanted.append(key)
                elif isinstance(came, bytes):
                    failed = True
                else:
                    found[key] = came
        if failed and not found:
            raise MediaError("It could not be looked at a moment ago.")
        return found

    async def run(self) -> None:
        """Renews what is held, for ever."""
        while True:
            await asyncio.sleep(self._lease_ms / 3000)
            await self._each(_RENEW, dict(self._held), self._lease_ms)

    async def close(self) -> None:
        """Ends what is under way; releases are made."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        await asyncio.gather(*self._background, return_exceptions=True)

    async def _claim(self, space: str, keys: Sequence[GifKey]) -> list[Any]:
        """For each key the stored value, 1 where it is claimed now, 0 where another has it, -1 where another failed. An
        error where Redis refused."""
        names, token = [self._store.name(space, key) for key in keys], secrets.token_hex(8)
        commands: list[Command] = [("EVAL", _CLAIM, 2, name, self._name(name), token, self._lease_ms) for name in names]
        try:
            answers = await self._link.pipeline(commands)
        except asyncio.CancelledError:  # some may be claimed
            self._later(self._each(_RELEASE, dict.fromkeys(names, token)))
            raise
        self._held |= {name: token for name, answer in zip(names, answers, strict=True) if answer == 1}
        if answers and all(refused(answer) for answer in answers):
            raise RedisRefusedError
        return answers

    async def _make(self, space: str, keys: Sequence[GifKey], make: Make) -> dict[GifKey, Vector]:
        if not keys:
            return {}
        names = [self._store.name(space, key) for key in keys]
        try:
            made = dict(await make(keys))
        except MediaError:
            self._later(self._fail(names))
            raise
        except BaseException:
            self._later(self._release(names))
            raise
        await asyncio.shield(self._later(self._put(space, made, names)))
        return made

    async def _put(self, space: str, made: dict[GifKey, Vector], names: Sequence[str]) -> None:
        try:
            await self._writer.write([*self._store.writes(space, made), *self._announce(space, made)])
        finally:
            await self._release(names)

    async def _fail(self, names: Sequence[str]) -> None:
        await self._each(_FAIL, self._let_go(names), int(1000 * FAILED_S))

    async def _release(self, names: Sequence[str]) -> None:
        await self._each(_RELEASE, self._let_go(names))

    def _let_go(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self._held.pop(name) for name in names if name in self._held}

    async def _each(self, script: str, claims: Mapping[str, str], *arguments: object) -> None:
        """Runs a script for each of our claims; where that fails they end by themselves."""
        commands: list[Command] = [
            ("EVAL", script, 1, self._name(name), token, *arguments) for name, token in claims.items()
        ]
        try:
            if commands:
                await self._link.pipeline(commands)
        except (RedisDownError, RedisRefusedError):
            pass

    async def _wait(self, space: str, keys: Sequence[GifKey]) -> list[Vector | bytes | None]:
        """For each key the vector that another made, ``FAILED``, or None where it can be claimed."""
        futures = []
        for key in keys:
            if (space, key) not in self._claimed_by_others:
                self._claimed_by_others[space, key] = asyncio.get_running_loop().create_future()
            futures.append(self._claimed_by_others[space, key])
        if futures and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())
        return [await asyncio.shield(future) for future in futures]

    async def _look(self) -> None:
        """One task looks for all who wait: at the claims, and at the vectors of those that have ended."""
        try:
            while self._claimed_by_others:
                await asyncio.sleep(LOOK_S * random.uniform(0.5, 1.5))  # noqa: S311 - only so that not all look at once
                await self._look_once()
        finally:  # closing, or an error: whoever waits sees for themselves
            for future in self._claimed_by_others.values():
                if not future.done():
                    future.set_result(None)
            self._claimed_by_others.clear()

    async def _look_once(self) -> None:
        waiting = list(self._claimed_by_others)
        try:
            claims = await self._link.get_many([self._name(self._store.name(*one)) for one in waiting])
        except (RedisDownError, RedisRefusedError):
            claims = [None] * len(waiting)
        ended = [one for one, claim in zip(waiting, claims, strict=True) if claim is None]
        vectors: dict[tuple[str, GifKey], Vector] = {}
        for space in {space for space, _ in ended}:
            keys = [key for other, key in ended if other == space]
            vectors |= {(space, key): vector for key, vector in (await self._store.get_many(space, keys)).items()}
        for one, claim in zip(waiting, claims, strict=True):
            if claim is None or claim == FAILED:
                self._claimed_by_others.pop(one).set_result(FAILED if claim == FAILED else vectors.get(one))

    def _name(self, name: str) -> str:
        """The key in Redis of the claim on a vector."""
        return f"{self._link.prefix}:c:{{{name}}}"

    def _later(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task

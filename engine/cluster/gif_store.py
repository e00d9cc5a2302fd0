"""Metadata of a provider's GIFs where several engines share it: on this machine, with Redis behind it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

from deepgif.engine.cluster.codec import read_gif, write_gif
from deepgif.engine.cluster.embeddings import RedisEmbeddingStore, from_key_part, key_part
from deepgif.engine.cluster.events import EventStream
from deepgif.engine.cluster.recognised_text import text_key
from deepgif.engine.cluster.redis import PATIENT_S, RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.protocols import EmbeddingStore
from deepgif.engine.providers.gif_store import DAY_S, SqliteGifStore
from deepgif.engine.types import Candidate, GifKey

SCAN_CHUNK = 1000
MAX_SHARED = 100_000  # GIFs that this engine remembers having shared
RENEW_AFTER = 1 / 30  # of the time for which they are stored


class RedisGifStore:
    """``GifStore`` over ``local``, the GIFs of one provider on this machine, and Redis. Whenever a GIF is seen again,
    its metadata and its vectors in ``spaces`` are stored for longer. ``clock`` returns seconds since 1970."""

    def __init__(
        self,
        local: SqliteGifStore,
        connection: RedisConnection,
        queue: WriteBehindQueue,
        embeddings: RedisEmbeddingStore,
        stream: EventStream,
        spaces: Sequence[str],
        *,
        days: float,
        keep_urls: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.provider = local.provider
        self._local = local
        self._connection = connection
        self._queue = queue
        self._embeddings = embeddings
        self._stream = stream
        self._spaces = tuple(spaces)
        self._keep_s = days * DAY_S
        self._keep_urls = keep_urls
        self._clock = clock
        self._shared_at: OrderedDict[str, float] = OrderedDict()  # seconds since 1970, by id
        self._prefix = f"{connection.prefix}:g:{key_part(local.provider)}:"
        self._forgotten = f"{connection.prefix}:forgotten:{key_part(local.provider)}"

    async def put(self, candidates: Sequence[Candidate]) -> None:
        """Stores the candidates here and in Redis; only here if they were shared shortly before."""
        await self._local.put(candidates)
        now = self._clock()
        due = [one for one in candidates if self._shared_at.get(one.gif.key.id, 0.0) < now - RENEW_AFTER * self._keep_s]
        await self._share([(one, now + self._keep_s) for one in due])
        for one in due:
            self._shared_at[one.gif.key.id] = now
            self._shared_at.move_to_end(one.gif.key.id)
        while len(self._shared_at) > MAX_SHARED:
            self._shared_at.popitem(last=False)

    async def get(self, ids: Collection[str]) -> dict[str, Candidate]:
        """The stored GIFs among ``ids``, here or in Redis. Their ``url`` is empty unless URLs may be stored."""
        found = await self._local.get(ids)
        missing = [gif_id for gif_id in ids if gif_id not in found]
        try:
            shared = await self._read(missing)
        except (RedisDownError, RedisRefusedError):
            return found
        if shared:
            await self._local.put_until(list(shared.values()))
            found |= await self._local.get(list(shared))
        return found

    async def count(self) -> int:
        """How many GIFs are stored on this machine."""
        return await self._local.count()

    def scan(self) -> AsyncIterator[list[Candidate]]:
        """All GIFs stored on this machine, in chunks."""
        return self._local.scan()

    async def forget_expired(self) -> list[GifKey]:
        """Deletes expired GIFs, unless another engine has seen them since; returns their keys."""
        expired = await self._local.expired()
        gone: list[str] = []
        for start in range(0, len(expired), SCAN_CHUNK):
            part = expired[start : start + SCAN_CHUNK]
            try:
                shared = await self._read(part, PATIENT_S)
            except (RedisDownError, RedisRefusedError):
                shared = {}
            await self._local.put_until(list(shared.values()))
            gone += [gif_id for gif_id in part if gif_id not in shared]
        await self._local.forget(gone)
        return [GifKey(self.provider, gif_id) for gif_id in gone]

    async def forget(self, ids: Collection[str]) -> None:
        """Deletes these GIFs, the words in them, and their vectors of every model, here and on all engines."""
        await self._local.forget(ids)
        for gif_id in ids:
            self._shared_at.pop(gif_id, None)
        if not ids:
            return
        now = self._clock()
        await self._embeddings.delete(self.provider, ids)
        names = [self._name(gif_id) for gif_id in ids]
        names += [text_key(self._connection.prefix, GifKey(self.provider, gif_id)) for gif_id in ids]
        await self._queue.write([QueuedWrite(name, (("DEL", name),)) for name in names])
        # Engines that miss the events read this set when they catch up.
        noted = [("ZADD", self._forgotten, now, gif_id) for gif_id in ids]
        old = ("ZREMRANGEBYSCORE", self._forgotten, "-inf", now - self._keep_s)
        await self._queue.write([QueuedWrite(f"{self._forgotten}:{now}", (*noted, old))])
        await self._queue.write(self._stream.forgotten([GifKey(self.provider, gif_id) for gif_id in ids]))

    async def forgotten_elsewhere(self, ids: Collection[str]) -> list[str]:
        """Deletes from this machine those of ``ids`` that no engine has seen since they were forgotten; returns their
        ids. Raises ``RedisDownError`` or ``RedisRefusedError``."""
        shared = await self._read(list(ids), PATIENT_S)
        gone = [gif_id for gif_id in ids if gif_id not in shared]
        await self._local.forget(gone)
        return gone

    async def all_forgotten(self) -> list[str]:
        """The ids of all GIFs that were forgotten before they expired. Raises ``RedisDownError`` or
        ``RedisRefusedError``."""
        found = await self._connection.call(lambda client: client.zrange(self._forgotten, 0, -1), PATIENT_S)
        return [gif_id.decode("utf-8", "replace") for gif_id in found]

    async def shared_ids(self) -> AsyncIterator[list[str]]:
        """The ids of all GIFs in Redis, in chunks; some may be repeated. Raises ``RedisDownError`` or
        ``RedisRefusedError``."""
        ids: list[str] = []
        async for name in self._connection.scan(f"{self._prefix}*", SCAN_CHUNK):
            ids.append(from_key_part(name.removeprefix(self._prefix)))
            if len(ids) >= SCAN_CHUNK:
                yield ids
                ids = []
        if ids:
            yield ids

    async def refill(self, local: EmbeddingStore) -> None:
        """Writes to Redis what this machine has and Redis lacks. Raises ``RedisDownError`` or
        ``RedisRefusedError``."""
        async for chunk in self._local.scan_until():
            for start in range(0, len(chunk), SCAN_CHUNK):
                part = chunk[start : start + SCAN_CHUNK]
                ids = [one.gif.key.id for one, _ in part]
                shared = await self._read(ids, PATIENT_S)
                await self._share([(one, expires) for one, expires in part if one.gif.key.id not in shared])
                keys = [GifKey(self.provider, gif_id) for gif_id in ids]
                for space in self._spaces:
                    held = await self._embeddings.get_many(space, keys)
                    own = await local.get_many(space, [key for key in keys if key not in held])
                    writes = [*self._embeddings.writes(space, own), *self._stream.added(space, own)]
                    await self._queue.write(writes)

    async def _share(self, gifs: Sequence[tuple[Candidate, float]]) -> None:
        writes = []
        for one, expires in gifs:
            expires_ms = int(1000 * expires)
            name = self._name(one.gif.key.id)
            row = ("SET", name, write_gif(one, expires, keep_url=self._keep_urls), "PXAT", expires_ms)
            vectors = [("PEXPIREAT", self._embeddings.name(space, one.gif.key), expires_ms) for space in self._spaces]
            writes.append(QueuedWrite(name, (row, *vectors)))
        await self._queue.write(writes)

    async def _read(self, ids: Sequence[str], timeout_s: float | None = None) -> Mapping[str, tuple[Candidate, float]]:
        values = await self._connection.get_many([self._name(gif_id) for gif_id in ids], timeout_s)
        now = self._clock()
        read = (
            (gif_id, read_gif(value, GifKey(self.provider, gif_id), self._local.attribution))
            for gif_id, value in zip(ids, values, strict=True)
        )
        return {gif_id: row for gif_id, row in read if row is not None and row[1] > now}

    def _name(self, gif_id: str) -> str:
        return self._prefix + key_part(gif_id)

"""What is kept of a provider's GIFs where several engines share it: on this machine, with Redis behind."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

from deepgif.engine.cluster.codec import read_row, write_row
from deepgif.engine.cluster.embeddings import RedisEmbeddingStore, part_of_key, whole
from deepgif.engine.cluster.events import EventStream
from deepgif.engine.cluster.redis import PATIENT_S, RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.protocols import EmbeddingStore
from deepgif.engine.providers.gif_store import DAY_S, SqliteGifStore
from deepgif.engine.types import Candidate, GifKey

SCAN_CHUNK = 1000
TOLD = 100_000  # GIFs of which this engine knows that it has told Redis
RENEW_AFTER = 1 / 30  # of the time for which they are kept


class RedisGifStore:
    """``GifStore`` over ``near``, the GIFs of one provider on this machine, and Redis. A GIF that is seen again is
    kept longer, and its vectors in ``spaces`` with it. ``clock`` gives seconds since 1970."""

    def __init__(
        self,
        near: SqliteGifStore,
        link: RedisConnection,
        writer: WriteBehindQueue,
        store: RedisEmbeddingStore,
        stream: EventStream,
        spaces: Sequence[str],
        *,
        days: float,
        keep_urls: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.provider = near.provider
        self._near = near
        self._link = link
        self._writer = writer
        self._store = store
        self._stream = stream
        self._spaces = tuple(spaces)
        self._keep_s = days * DAY_S
        self._keep_urls = keep_urls
        self._clock = clock
        self._told: OrderedDict[str, float] = OrderedDict()  # when, in seconds since 1970
        self._prefix = f"{link.prefix}:g:{part_of_key(near.provider)}:"
        self._forgotten = f"{link.prefix}:forgotten:{part_of_key(near.provider)}"

    async def put(self, candidates: Sequence[Candidate]) -> None:
        """Keeps the candidates, here and for all; those that were kept shortly before only here."""
        await self._near.put(candidates)
        now = self._clock()
        due = [one for one in candidates if self._told.get(one.gif.key.id, 0.0) < now - RENEW_AFTER * self._keep_s]
        await self._share([(one, now + self._keep_s) for one in due])
        for one in due:
            self._told[one.gif.key.id] = now
            self._told.move_to_end(one.gif.key.id)
        while len(self._told) > TOLD:
            self._told.popitem(last=False)

    async def get(self, ids: Collection[str]) -> dict[str, Candidate]:
        """Those of ``ids`` that are kept, here or by others; their ``url`` is empty unless addresses may be kept."""
        found = await self._near.get(ids)
        missing = [gif_id for gif_id in ids if gif_id not in found]
        try:
            rows = await self._read(missing)
        except (RedisDownError, RedisRefusedError):
            return found
        if rows:
            await self._near.put_until(list(rows.values()))
            found |= await self._near.get(list(rows))
        return found

    async def count(self) -> int:
        """How many are kept, as far as this machine knows."""
        return await self._near.count()

    def scan(self) -> AsyncIterator[list[Candidate]]:
        """All that are kept on this machine, in chunks."""
        return self._near.scan()

    async def forget_expired(self) -> list[GifKey]:
        """Removes what nobody has seen for long enough; the keys of it. What others have seen is kept on."""
        expired = await self._near.expired()
        gone: list[str] = []
        for start in range(0, len(expired), SCAN_CHUNK):
            part = expired[start : start + SCAN_CHUNK]
            try:
                rows = await self._read(part, PATIENT_S)
            except (RedisDownError, RedisRefusedError):
                rows = {}
            await self._near.put_until(list(rows.values()))
            gone += [gif_id for gif_id in part if gif_id not in rows]
        await self._near.forget(gone)
        return [GifKey(self.provider, gif_id) for gif_id in gone]

    async def forget(self, ids: Collection[str]) -> None:
        """Removes these GIFs, with their vectors for every model, here and everywhere."""
        await self._near.forget(ids)
        for gif_id in ids:
            self._told.pop(gif_id, None)
        if not ids:
            return
        now = self._clock()
        await self._store.delete(self.provider, ids)
        await self._writer.write([QueuedWrite(self._name(gif_id), (("DEL", self._name(gif_id)),)) for gif_id in ids])
        # For those who miss the events: it is looked through after a gap.
        noted = [("ZADD", self._forgotten, now, gif_id) for gif_id in ids]
        old = ("ZREMRANGEBYSCORE", self._forgotten, "-inf", now - self._keep_s)
        await self._writer.write([QueuedWrite(f"{self._forgotten}:{now}", (*noted, old))])
        await self._writer.write(self._stream.forgotten([GifKey(self.provider, gif_id) for gif_id in ids]))

    async def forgotten_elsewhere(self, ids: Collection[str]) -> list[str]:
        """Removes from this machine those of ``ids`` that nobody has seen since they were forgotten; the ids of those.
        Raises ``RedisDownError`` or ``RedisRefusedError``."""
        there = await self._read(list(ids), PATIENT_S)
        gone = [gif_id for gif_id in ids if gif_id not in there]
        await self._near.forget(gone)
        return gone

    async def all_forgotten(self) -> list[str]:
        """The ids of all GIFs that were forgotten before their time. Raises ``RedisDownError`` or
        ``RedisRefusedError``."""
        found = await self._link.call(lambda client: client.zrange(self._forgotten, 0, -1), PATIENT_S)
        return [gif_id.decode("utf-8", "replace") for gif_id in found]

    async def shared_ids(self) -> AsyncIterator[list[str]]:
        """The ids of all GIFs that any engine keeps, in chunks; some may come twice. Raises ``RedisDownError`` or
        ``RedisRefusedError``."""
        ids: list[str] = []
        async for name in self._link.scan(f"{self._prefix}*", SCAN_CHUNK):
            ids.append(whole(name.removeprefix(self._prefix)))
            if len(ids) >= SCAN_CHUNK:
                yield ids
                ids = []
        if ids:
            yield ids

    async def refill(self, near: EmbeddingStore) -> None:
        """Gives Redis what this machine has and it lacks. Raises ``RedisDownError`` or ``RedisRefusedError``."""
        async for some in self._near.scan_until():
            for start in range(0, len(some), SCAN_CHUNK):
                part = some[start : start + SCAN_CHUNK]
                ids = [one.gif.key.id for one, _ in part]
                there = await self._read(ids, PATIENT_S)
                await self._share([(one, expires) for one, expires in part if one.gif.key.id not in there])
                keys = [GifKey(self.provider, gif_id) for gif_id in ids]
                for space in self._spaces:
                    held = await self._store.get_many(space, keys)
                    own = await near.get_many(space, [key for key in keys if key not in held])
                    writes = [*self._store.writes(space, own), *self._stream.added(space, own)]
                    await self._writer.write(writes)

    async def _share(self, some: Sequence[tuple[Candidate, float]]) -> None:
        writes = []
        for one, expires in some:
            ends_ms = int(1000 * expires)
            name = self._name(one.gif.key.id)
            row = ("SET", name, write_row(one, expires, keep_url=self._keep_urls), "PXAT", ends_ms)
            vectors = [("PEXPIREAT", self._store.name(space, one.gif.key), ends_ms) for space in self._spaces]
            writes.append(QueuedWrite(name, (row, *vectors)))
        await self._writer.write(writes)

    async def _read(self, ids: Sequence[str], timeout_s: float | None = None) -> Mapping[str, tuple[Candidate, float]]:
        values = await self._link.get_many([self._name(gif_id) for gif_id in ids], timeout_s)
        now = self._clock()
        found = {}
        for gif_id, value in zip(ids, values, strict=True):
            row = read_row(value, GifKey(self.provider, gif_id), self._near.attribution)
            if row is not None and row[1] > now:
                found[gif_id] = row
        return found

    def _name(self, gif_id: str) -> str:
        return self._prefix + part_of_key(gif_id)

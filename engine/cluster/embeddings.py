"""Vectors in Redis: a key a vector, half precision behind a small header, for as long as they may be kept."""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote, unquote

import numpy as np

from deepgif.engine.cluster.redis import PATIENT_S, RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.ingest.deduplication import Vector
from deepgif.engine.protocols import EmbeddingStore, Vectors
from deepgif.engine.types import GifKey

HEADER = struct.Struct("<4sBBH")  # magic, version, type of the numbers, how many
MAGIC, VERSION, FLOAT16 = b"DGIF", 1, 1
SCAN_CHUNK = 1000
K = TypeVar("K")


def pack(vector: Vector) -> bytes:
    """A vector (D,) as it is kept."""
    return HEADER.pack(MAGIC, VERSION, FLOAT16, len(vector)) + vector.astype("<f2").tobytes()


def unpack(value: object, dimension: int) -> Vector | None:
    """The vector (``dimension``,) of a value, of unit length again; None, as if it were not there, where the value is
    damaged, of another version, or somebody else's."""
    return unpack_many([0], [value], dimension).get(0)


def unpack_many(keys: Sequence[K], values: Sequence[object], dimension: int) -> dict[K, Vector]:
    """The vectors (``dimension``,) of the values that are sound, by their keys: ``unpack`` for many at once."""
    header = HEADER.pack(MAGIC, VERSION, FLOAT16, dimension)
    size = len(header) + 2 * dimension
    sound = [
        (key, value)
        for key, value in zip(keys, values, strict=True)
        if isinstance(value, bytes) and len(value) == size and value.startswith(header)
    ]
    numbers = np.frombuffer(b"".join(value for _, value in sound), np.uint8).reshape(len(sound), size)
    rows = numbers[:, len(header) :].copy().view("<f2").astype(np.float32)  # (N, D)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    good = (np.isfinite(lengths) & (lengths > 0))[:, 0]
    np.divide(rows, lengths, out=rows, where=good[:, np.newaxis])
    return {key: row for (key, _), row, fine in zip(sound, rows, good.tolist(), strict=True) if fine}


def part_of_key(text: str) -> str:
    """Any text as a part of a key: without colons, without what patterns or hash tags are made of."""
    return quote(text, safe="@/", errors="surrogatepass")


@lru_cache(256)  # spaces and providers are few
def _beginning(prefix: str, space: str, provider: str) -> str:
    return f"{prefix}:v:{part_of_key(space)}:{part_of_key(provider)}"


def known_spaces_key(prefix: str) -> str:
    """The key of the set of all spaces that have vectors."""
    return f"{prefix}:spaces"


def whole(part: str) -> str:
    """The text that a part of a key was made of."""
    return unquote(part, errors="surrogatepass")


class RedisEmbeddingStore:
    """``EmbeddingStore`` in Redis for vectors of ``dimension`` numbers, each kept for ``keep_s`` seconds. While Redis
    is away nothing is found, and what is stored waits. ``clock`` gives seconds since 1970."""

    def __init__(
        self,
        link: RedisConnection,
        writer: WriteBehindQueue,
        dimension: int,
        keep_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._link = link
        self._writer = writer
        self._dimension = dimension
        self._keep_s = keep_s
        self._clock = clock
        self._spaces: set[str] = set()  # that Redis was told of
        self._known = known_spaces_key(link.prefix)

    def name(self, space: str, key: GifKey) -> str:
        """The key in Redis of a vector."""
        return f"{_beginning(self._link.prefix, space, key.provider)}:{part_of_key(key.id)}"

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The vectors (D,) of those of ``keys`` that are stored, in one round trip a node."""
        try:
            values = await self._link.get_many([self.name(space, key) for key in keys])
        except (RedisDownError, RedisRefusedError):
            return {}
        return unpack_many(keys, values, self._dimension)

    async def put_many(self, space: str, vectors: Mapping[GifKey, Vector]) -> None:
        """Stores vectors (D,), or lets them wait until Redis is back."""
        await self._writer.write(self.writes(space, vectors))

    def writes(self, space: str, vectors: Mapping[GifKey, Vector]) -> list[QueuedWrite]:
        """What stores vectors (D,)."""
        ends_ms = int(1000 * (self._clock() + self._keep_s))
        made = [
            QueuedWrite(name, (("SET", name, pack(vector), "PXAT", ends_ms),))
            for name, vector in ((self.name(space, key), vector) for key, vector in vectors.items())
        ]
        if made and space not in self._spaces:
            self._spaces.add(space)
            made.append(QueuedWrite(f"{self._known}:{space}", (("SADD", self._known, space),)))
        return made

    async def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of one provider in this space, in chunks of keys and (N, D); some may come twice. Ends early
        where Redis goes away."""
        pattern = self.name(space, GifKey(provider, "")) + "*"
        names: list[str] = []
        try:
            async for name in self._link.scan(pattern, SCAN_CHUNK):
                names.append(name)
                if len(names) >= SCAN_CHUNK:
                    if chunk := await self._chunk(provider, names):
                        yield chunk
                    names = []
            if names and (chunk := await self._chunk(provider, names)):
                yield chunk
        except (RedisDownError, RedisRefusedError):
            return

    async def delete(self, provider: str, ids: Collection[str]) -> None:
        """Forgets the vectors of these GIFs in every space, now or when Redis is back."""
        spaces = set(self._spaces)
        with suppress(
            RedisDownError, RedisRefusedError
        ):  # of spaces that only others use, the times to live will see to it
            spaces |= {space.decode() for space in await self._link.call(lambda client: client.smembers(self._known))}
        names = [self.name(space, GifKey(provider, gif_id)) for space in sorted(spaces) for gif_id in ids]
        await self._writer.write([QueuedWrite(name, (("DEL", name),)) for name in names])

    async def _chunk(self, provider: str, names: list[str]) -> tuple[list[GifKey], Vectors] | None:
        values = await self._link.get_many(names, PATIENT_S)
        keys = [GifKey(provider, whole(name.rpartition(":")[2])) for name in names]
        found = unpack_many(keys, values, self._dimension)
        return (list(found), np.stack(list(found.values()))) if found else None


class TieredEmbeddingStore:
    """``EmbeddingStore`` of this machine's own vectors, with those that others made behind it. What is stored here is
    in the shared one already: ``RedisLeases`` puts it there as soon as it is made."""

    def __init__(self, near: EmbeddingStore, shared: EmbeddingStore) -> None:
        self._near = near
        self._shared = shared

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The vectors (D,) of those of ``keys`` that are stored here or there."""
        found = await self._near.get_many(space, keys)
        missing = [key for key in keys if key not in found]
        return found | await self._shared.get_many(space, missing) if missing else found

    async def put_many(self, space: str, vectors: Mapping[GifKey, Vector]) -> None:
        """Keeps vectors (D,) on this machine too."""
        await self._near.put_many(space, vectors)

    def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of one provider in this space that are on this machine."""
        return self._near.scan(space, provider)

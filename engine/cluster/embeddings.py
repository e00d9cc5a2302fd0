"""Vectors in Redis: one key per vector, float16 behind a small header, with a time to live."""

from __future__ import annotations

import struct
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar
from urllib.parse import quote, unquote

import numpy as np

from deepgif.engine.cluster.redis import PATIENT_S, RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.protocols import EmbeddingStore, Vector, Vectors
from deepgif.engine.types import GifKey

HEADER = struct.Struct("<4sBBH")  # magic, version, number type, dimension
MAGIC, VERSION, FLOAT16 = b"DGIF", 1, 1
SCAN_CHUNK = 1000
K = TypeVar("K")


def pack(vector: Vector) -> bytes:
    """The stored form of a vector (D,)."""
    return HEADER.pack(MAGIC, VERSION, FLOAT16, len(vector)) + vector.astype("<f2").tobytes()


def unpack(value: object, dimension: int) -> Vector | None:
    """The vector (``dimension``,), normalised again, or None if the value is damaged, of another version, or not a
    vector."""
    return unpack_many([0], [value], dimension).get(0)


def unpack_many(keys: Sequence[K], values: Sequence[object], dimension: int) -> dict[K, Vector]:
    """``unpack`` for many values at once: the valid vectors by key."""
    header = HEADER.pack(MAGIC, VERSION, FLOAT16, dimension)
    size = len(header) + 2 * dimension
    valid = [
        (key, value)
        for key, value in zip(keys, values, strict=True)
        if isinstance(value, bytes) and len(value) == size and value.startswith(header)
    ]
    data = np.frombuffer(b"".join(value for _, value in valid), np.uint8).reshape(len(valid), size)
    vectors = data[:, len(header) :].copy().view("<f2").astype(np.float32)  # (N, D)
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    finite = (np.isfinite(norms) & (norms > 0))[:, 0]
    np.divide(vectors, norms, out=vectors, where=finite[:, np.newaxis])
    return {key: vector for (key, _), vector, good in zip(valid, vectors, finite.tolist(), strict=True) if good}


def key_part(text: str) -> str:
    """Any text as part of a Redis key: without colons, glob characters or hash tags."""
    return quote(text, safe="@/", errors="surrogatepass")


def from_key_part(part: str) -> str:
    """The inverse of ``key_part``."""
    return unquote(part, errors="surrogatepass")


@lru_cache(256)  # there are few spaces and providers
def _key_prefix(prefix: str, space: str, provider: str) -> str:
    return f"{prefix}:v:{key_part(space)}:{key_part(provider)}"


def spaces_key(prefix: str) -> str:
    """The Redis key of the set of all spaces that have vectors."""
    return f"{prefix}:spaces"


class RedisEmbeddingStore:
    """``EmbeddingStore`` in Redis for vectors (``dimension``,), each stored for ``keep_s`` seconds. While Redis is
    down, nothing is found and writes are queued."""

    def __init__(self, connection: RedisConnection, queue: WriteBehindQueue, dimension: int, keep_s: float) -> None:
        self._connection = connection
        self._queue = queue
        self._dimension = dimension
        self._keep_s = keep_s
        self._spaces: set[str] = set()  # that were added to the set in Redis
        self._spaces_key = spaces_key(connection.prefix)

    def name(self, space: str, key: GifKey) -> str:
        """The Redis key of a vector."""
        return f"{_key_prefix(self._connection.prefix, space, key.provider)}:{key_part(key.id)}"

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The stored vectors (D,) among ``keys``, in one round trip per node."""
        try:
            values = await self._connection.get_many([self.name(space, key) for key in keys])
        except (RedisDownError, RedisRefusedError):
            return {}
        return unpack_many(keys, values, self._dimension)

    async def put_many(self, space: str, vectors: Mapping[GifKey, Vector]) -> None:
        """Stores vectors (D,), or queues them until Redis is back."""
        await self._queue.write(self.writes(space, vectors))

    def writes(self, space: str, vectors: Mapping[GifKey, Vector]) -> list[QueuedWrite]:
        """The writes that store vectors (D,)."""
        expires_ms = int(1000 * (time.time() + self._keep_s))
        writes = [
            QueuedWrite(name, (("SET", name, pack(vector), "PXAT", expires_ms),))
            for name, vector in ((self.name(space, key), vector) for key, vector in vectors.items())
        ]
        if writes and space not in self._spaces:
            self._spaces.add(space)
            writes.append(QueuedWrite(f"{self._spaces_key}:{space}", (("SADD", self._spaces_key, space),)))
        return writes

    async def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of a provider in this space, in chunks of keys and (N, D); some may be repeated. Ends early if
        Redis goes down."""
        pattern = self.name(space, GifKey(provider, "")) + "*"
        names: list[str] = []
        try:
            async for name in self._connection.scan(pattern, SCAN_CHUNK):
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
        """Deletes these GIFs' vectors in every space, now or when Redis is back."""
        spaces = set(self._spaces)
        with suppress(RedisDownError, RedisRefusedError):  # vectors in other engines' spaces expire by themselves
            found = await self._connection.call(lambda client: client.smembers(self._spaces_key))
            spaces |= {space.decode() for space in found}
        names = [self.name(space, GifKey(provider, gif_id)) for space in sorted(spaces) for gif_id in ids]
        await self._queue.write([QueuedWrite(name, (("DEL", name),)) for name in names])

    async def _chunk(self, provider: str, names: list[str]) -> tuple[list[GifKey], Vectors] | None:
        values = await self._connection.get_many(names, PATIENT_S)
        keys = [GifKey(provider, from_key_part(name.rpartition(":")[2])) for name in names]
        found = unpack_many(keys, values, self._dimension)
        return (list(found), np.stack(list(found.values()))) if found else None


class TieredEmbeddingStore:
    """``EmbeddingStore`` on this machine, with the shared one behind it. ``put_many`` writes to this machine only:
    ``RedisLeases`` has shared the vectors as soon as they were made."""

    def __init__(self, local: EmbeddingStore, shared: EmbeddingStore) -> None:
        self._local = local
        self._shared = shared

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The vectors (D,) among ``keys`` that either store has."""
        found = await self._local.get_many(space, keys)
        missing = [key for key in keys if key not in found]
        return found | await self._shared.get_many(space, missing) if missing else found

    async def put_many(self, space: str, vectors: Mapping[GifKey, Vector]) -> None:
        """Stores vectors (D,) on this machine."""
        await self._local.put_many(space, vectors)

    def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of a provider in this space on this machine."""
        return self._local.scan(space, provider)

"""A cache of recent rankings that replicas share: bounded JSON, validated when it is read.

Queries are not in Redis: the key of a ranking is a digest, and it expires after some minutes.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Mapping
from typing import Annotated

from pydantic import Field, ValidationError

from deepgif.engine.cluster.codec import Stored, StoredGif, Text
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.search.ranking import Ranking, ScoredCandidate, Signals
from deepgif.engine.search.single_flight import CACHED_RANKINGS, CACHED_S
from deepgif.engine.store.cache import BoundedCache
from deepgif.engine.types import Candidate, Coverage, GifKey, Origin

MAX_BYTES = 512 * 1024
Attributions = Mapping[str, str]  # by provider
Count = Annotated[int, Field(ge=0, lt=2**53)]
# Provider, id, cosines of pixels and texts, rank at the provider; then score, standardised pixels and texts.
StoredScore = tuple[Text, Text, float | None, float | None, Count | None, float, float | None, float | None]


class StoredRanking(Stored):
    """A ranking, with the GIFs of those providers whose URLs may be stored."""

    fused: tuple[StoredScore, ...] = Field(max_length=2000)
    gifs: tuple[tuple[Text, Text, StoredGif], ...]
    chance: float
    count: Count
    fetched: tuple[tuple[Text, Text], ...]
    origin: Origin
    coverage: tuple[Count, Count]
    notices: tuple[Text, ...]


class RedisResultCache:
    """Recent rankings of one ``space``, in memory and in Redis. ``attributions`` has the providers whose URLs may be
    stored; the URLs of other providers' GIFs are looked up again by whoever uses a ranking."""

    def __init__(
        self, connection: RedisConnection, queue: WriteBehindQueue, space: str, attributions: Attributions
    ) -> None:
        self._local: BoundedCache[Ranking] = BoundedCache(CACHED_RANKINGS, CACHED_S)
        self._connection = connection
        self._queue = queue
        self._space = space
        self._attributions = attributions

    async def get(self, key: str) -> Ranking | None:
        """The ranking, or None."""
        local = await self._local.get(key)
        if local is not None:
            return local
        try:
            (value,) = await self._connection.get_many([self._name(key)])
        except (RedisDownError, RedisRefusedError):
            return None
        return read_ranking(value, self._attributions)

    async def set(self, key: str, value: Ranking) -> None:
        """Stores the ranking for some minutes."""
        await self._local.set(key, value)
        expires = time.time() + CACHED_S
        written = write_ranking(value, self._attributions, expires)
        if len(written) <= MAX_BYTES:
            name = self._name(key)
            await self._queue.write([QueuedWrite(name, (("SET", name, written, "PXAT", int(1000 * expires)),))])

    def _name(self, key: str) -> str:
        digest = hashlib.sha256(f"{self._space}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self._connection.prefix}:a:{digest}"


def write_ranking(ranking: Ranking, providers: Collection[str], expires: float) -> bytes:
    """A ranking as JSON, with the GIFs of ``providers`` only."""
    return (
        StoredRanking.model_construct(
            fused=tuple(
                (*signals.key, signals.visual, signals.text, signals.rank, one.score, one.visual, one.text)
                for one in ranking.scored
                for signals in [one.signals]
            ),
            gifs=tuple(
                (*key, StoredGif.of(Candidate(gif), expires, keep_url=True))
                for key, gif in ranking.gifs.items()
                if key.provider in providers
            ),
            chance=ranking.confidence,
            count=ranking.count,
            fetched=tuple(ranking.fetched),
            origin=ranking.origin,
            coverage=(ranking.coverage.embedded, ranking.coverage.total),
            notices=ranking.notices,
        )
        .model_dump_json()
        .encode()
    )


def read_ranking(value: bytes | None, attributions: Attributions) -> Ranking | None:
    """The ranking, or None if the value is missing or invalid."""
    if value is None or len(value) > MAX_BYTES:
        return None
    try:
        stored = StoredRanking.model_validate_json(value)
    except ValidationError:
        return None
    return Ranking(
        scored=tuple(
            ScoredCandidate(Signals(GifKey(*one[:2]), one[2], one[3], one[4]), *one[5:]) for one in stored.fused
        ),
        gifs={
            key: gif.candidate(key, attributions[provider]).gif
            for provider, gif_id, gif in stored.gifs
            for key in [GifKey(provider, gif_id)]
            if provider in attributions and gif.url
        },
        confidence=stored.chance,
        count=stored.count,
        fetched=frozenset(GifKey(*key) for key in stored.fetched),
        origin=stored.origin,
        coverage=Coverage(*stored.coverage),
        notices=stored.notices,
    )

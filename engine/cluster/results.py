"""Recent answers that any engine may give: JSON of bounded size, checked when it is read.

Nobody's words are in Redis: an answer is found by a digest of them, which is gone with it after some minutes.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from deepgif.engine.cluster.codec import read_row, write_row
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.search.ranking import ScoredCandidate, Signals
from deepgif.engine.search.reranker import Ranking
from deepgif.engine.search.single_flight import RECENT, RECENT_S
from deepgif.engine.store.cache import BoundedCache
from deepgif.engine.types import Candidate, Coverage, Gif, GifKey, Origin

VERSION = 1
MAX_BYTES = 512 * 1024
MAX_TEXT = 1000
MAX_FUSED = 2000
Attributions = Mapping[str, str]  # of providers, by name


class RedisResultCache:
    """Recent rankings of one ``space``, here and for all. ``keeping`` names the providers whose addresses may be kept,
    with what is to be shown beside their GIFs; the others' are looked up by whoever gives the answer. ``clock`` gives
    seconds since 1970."""

    def __init__(
        self,
        link: RedisConnection,
        writer: WriteBehindQueue,
        space: str,
        keeping: Attributions,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._near: BoundedCache[Ranking] = BoundedCache(RECENT, RECENT_S)
        self._link = link
        self._writer = writer
        self._space = space
        self._keeping = keeping
        self._clock = clock

    async def get(self, key: str) -> Ranking | None:
        """The ranking, or None."""
        near = await self._near.get(key)
        if near is not None:
            return near
        try:
            (value,) = await self._link.get_many([self._name(key)])
        except (RedisDownError, RedisRefusedError):
            return None
        return read_answer(value, self._keeping)

    async def set(self, key: str, value: Ranking) -> None:
        """Keeps the ranking for some minutes."""
        await self._near.set(key, value)
        expires = self._clock() + RECENT_S
        written = write_answer(value, self._keeping, expires)
        if len(written) <= MAX_BYTES:
            name = self._name(key)
            await self._writer.write([QueuedWrite(name, (("SET", name, written, "PXAT", int(1000 * expires)),))])

    def _name(self, key: str) -> str:
        digest = hashlib.sha256(f"{self._space}\n{key}".encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self._link.prefix}:a:{digest}"


def write_answer(ranking: Ranking, keeping: Collection[str], expires: float) -> bytes:
    """A ranking as it is stored, with the GIFs of the providers in ``keeping`` alone."""
    gifs = [
        [*key, json.loads(write_row(Candidate(gif), expires, keep_url=True))]
        for key, gif in ranking.gifs.items()
        if key.provider in keeping
    ]
    fused = []
    for one in ranking.fused:
        evidence = one.evidence
        likeness = (evidence.visual, evidence.text, evidence.place)
        fused.append([*evidence.key, *likeness, one.score, one.visual, one.text])
    answer = {
        "v": VERSION,
        "fused": fused,
        "gifs": gifs,
        "chance": ranking.chance,
        "count": ranking.count,
        "fetched": [list(key) for key in ranking.fetched],
        "origin": ranking.origin.value,
        "coverage": [ranking.coverage.seen, ranking.coverage.total],
        "notices": list(ranking.notices),
    }
    return json.dumps(answer, separators=(",", ":")).encode()


def read_answer(value: bytes | None, keeping: Attributions) -> Ranking | None:
    """The ranking; None, as if it were not there, for whatever else the value is."""
    if value is None or len(value) > MAX_BYTES:
        return None
    try:
        answer: Any = json.loads(value)
        if answer["v"] != VERSION:
            return None
        gifs: dict[GifKey, Gif] = {}
        for provider, gif_id, row in answer["gifs"]:
            key = _key(provider, gif_id)
            read = read_row(json.dumps(row).encode(), key, keeping.get(provider, ""))
            if read is not None and provider in keeping and read[0].gif.url:
                gifs[key] = read[0].gif
        seen, total = (_whole(number) for number in answer["coverage"])
        return Ranking(
            fused=tuple(_fused(*one) for one in answer["fused"][:MAX_FUSED]),
            gifs=gifs,
            chance=_real(answer["chance"]),
            count=_whole(answer["count"]),
            fetched=frozenset(_key(*one) for one in answer["fetched"]),
            origin=Origin(answer["origin"]),
            coverage=Coverage(seen, total),
            notices=tuple(_text(notice) for notice in answer["notices"]),
        )
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None


def _fused(
    provider: object,
    gif_id: object,
    seen: object,
    said: object,
    place: object,
    score: object,
    visual: object,
    text: object,
) -> ScoredCandidate:
    evidence = Signals(_key(provider, gif_id), _maybe(seen), _maybe(said), None if place is None else _whole(place))
    return ScoredCandidate(evidence, _real(score), _maybe(visual), _maybe(text))


def _key(provider: object, gif_id: object) -> GifKey:
    return GifKey(_text(provider), _text(gif_id))


def _text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise ValueError("no text of that length")
    value.encode()  # lone surrogates, which cannot be sent
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise ValueError("no whole number of that size")
    return value


def _real(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("no number")
    return float(value)


def _maybe(value: object) -> float | None:
    return None if value is None else _real(value)

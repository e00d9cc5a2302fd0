"""Metadata of a provider's GIFs, stored for some days: ids, short texts and sizes; URLs only if that is allowed."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace

from deepgif.engine.store.database import CHUNK, SCAN_CHUNK, Database
from deepgif.engine.types import Candidate, Gif, GifKey, Rating

DAY_S = 24 * 3600.0


class SqliteGifStore:
    """GIFs of one provider in a ``Database``, each stored for ``days`` after it was last seen. ``keep_urls`` requires
    the provider's approval. ``clock`` returns seconds since 1970."""

    def __init__(
        self,
        database: Database,
        provider: str,
        attribution: str,
        *,
        days: float,
        keep_urls: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.provider = provider
        self.attribution = attribution
        self._database = database
        self._days = days
        self._keep_urls = keep_urls
        self._clock = clock

    async def put(self, candidates: Sequence[Candidate]) -> None:
        """Stores or updates the candidates."""
        expires = self._clock() + self._days * DAY_S
        await self.put_until([(candidate, expires) for candidate in candidates])

    async def put_until(self, gifs: Sequence[tuple[Candidate, float]]) -> None:
        """Stores candidates, each until its own time, in seconds since 1970."""
        await self._database.write(
            "INSERT OR REPLACE INTO gifs VALUES (?,?,?,?,?,?,?,?,?,?)",
            [self._row(candidate, expires) for candidate, expires in gifs],
        )

    async def get(self, ids: Collection[str]) -> dict[str, Candidate]:
        """The stored GIFs among ``ids``. Their ``url`` is empty unless URLs may be stored."""
        wanted = list(ids)
        found: dict[str, Candidate] = {}
        for start in range(0, len(wanted), CHUNK):
            part = wanted[start : start + CHUNK]
            query = f"{_SELECT} AND id IN ({','.join('?' * len(part))})"  # only placeholders
            for row in await self._database.read(query, (self.provider, self._clock(), *part)):
                candidate = self._candidate(row[:-1])
                found[candidate.gif.key.id] = candidate
        return found

    async def count(self) -> int:
        """How many GIFs are stored."""
        query = "SELECT COUNT(*) FROM gifs WHERE provider=? AND expires_at>?"
        ((count,),) = await self._database.read(query, (self.provider, self._clock()))
        return int(count)

    async def scan(self) -> AsyncIterator[list[Candidate]]:
        """All stored GIFs, in chunks."""
        async for chunk in self.scan_until():
            yield [candidate for candidate, _ in chunk]

    async def scan_until(self) -> AsyncIterator[list[tuple[Candidate, float]]]:
        """All stored GIFs, in chunks, each with when it expires, in seconds since 1970."""
        last = ""
        while rows := await self._database.read(
            f"{_SELECT} AND id>? ORDER BY id LIMIT ?", (self.provider, self._clock(), last, SCAN_CHUNK)
        ):
            last = rows[-1][0]
            yield [(self._candidate(row[:-1]), row[-1]) for row in rows]

    async def forget_expired(self) -> list[GifKey]:
        """Deletes expired GIFs and their vectors; returns their keys."""
        ids = await self.expired()
        await self.forget(ids)
        return [GifKey(self.provider, gif_id) for gif_id in ids]

    async def expired(self) -> list[str]:
        """The ids of expired GIFs."""
        values = (self.provider, self._clock())
        rows = await self._database.read("SELECT id FROM gifs WHERE provider=? AND expires_at<=?", values)
        return [gif_id for (gif_id,) in rows]

    async def forget(self, ids: Collection[str]) -> None:
        """Deletes these GIFs, the words in them, and their vectors of every model."""
        if ids:
            values = [(self.provider, json.dumps(list(ids)))]
            for statement in _FORGET:
                await self._database.write(statement, values)

    def _row(self, candidate: Candidate, expires: float) -> tuple[object, ...]:
        gif = candidate.gif
        tags = json.dumps(candidate.tags)
        url = gif.url if self._keep_urls else ""
        return (*gif.key, gif.title, gif.alt_text, tags, gif.rating.value, gif.width, gif.height, url, expires)

    def _candidate(self, row: tuple[str, str, str, str, str, int, int, str]) -> Candidate:
        gif_id, title, alt_text, tags, rating, width, height, url = row
        key = GifKey(self.provider, gif_id)
        gif = Gif(key, title, alt_text, Rating(rating), url, width, height, self.attribution)
        return Candidate(gif if self._keep_urls else replace(gif, url=""), tuple(json.loads(tags)))


_FORGET = (
    "DELETE FROM embeddings WHERE provider=? AND id IN (SELECT value FROM json_each(?))",
    "DELETE FROM recognised_texts WHERE provider=? AND id IN (SELECT value FROM json_each(?))",
    "DELETE FROM gifs WHERE provider=? AND id IN (SELECT value FROM json_each(?))",
)
_SELECT = (
    "SELECT id, title, alt_text, tags, rating, width, height, url, expires_at FROM gifs "
    "WHERE provider=? AND expires_at>?"
)

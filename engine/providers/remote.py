"""A provider on the network: its search, the stored metadata of its GIFs, and their URLs for a short time."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from deepgif.engine.errors import DeepGifError, MediaError, ProviderError
from deepgif.engine.media.download import Downloader
from deepgif.engine.protocols import GifStore, ProviderQuery
from deepgif.engine.providers.quota import RESERVED_FOR_LOOKUPS, RESERVED_FOR_SEARCHES, Quota
from deepgif.engine.store.cache import BoundedCache
from deepgif.engine.types import Candidate, Gif, GifKey, Rendition

MAX_URLS = 20_000  # GIFs in memory, about 20 MB
URLS_S = 1800.0
_log = logging.getLogger(__name__)


class Api(Protocol):
    """One provider's API."""

    @property
    def name(self) -> str:
        """The provider in its GIFs' keys."""

    @property
    def attribution(self) -> str:
        """What must be shown with its GIFs."""

    @property
    def quota(self) -> Quota:
        """The quota of its calls."""

    async def search(self, query: ProviderQuery, *, reserve: float = RESERVED_FOR_LOOKUPS) -> list[Candidate]:
        """The best GIFs in the provider's order, in calls that leave at least the share ``reserve`` of the quota.
        Raises ``ProviderError``."""

    @property
    def ids_at_once(self) -> int:
        """How many GIFs ``by_ids`` accepts."""

    async def by_ids(self, stored: Mapping[str, Candidate], *, reserve: float = 0.0) -> list[Candidate]:
        """The current state of stored GIFs (by id), in one call that leaves at least the share ``reserve`` of the
        quota. GIFs that no longer exist are left out. Raises ``ProviderError``."""


class RemoteProvider:
    """``SearchProvider`` over a provider's API. With ``pingbacks``, the provider learns which GIFs were sent."""

    def __init__(self, api: Api, gifs: GifStore, downloader: Downloader, *, pingbacks: bool = False) -> None:
        self._api = api
        self._gifs = gifs
        self._downloader = downloader
        self._pingbacks = pingbacks
        self._fresh: BoundedCache[Candidate] = BoundedCache(MAX_URLS, URLS_S)

    @property
    def name(self) -> str:
        """The provider in its GIFs' keys."""
        return self._api.name

    @property
    def attribution(self) -> str:
        """What must be shown with its GIFs."""
        return self._api.attribution

    @property
    def quota(self) -> Quota:
        """The quota of its calls."""
        return self._api.quota

    @property
    def title(self) -> str:
        """Its name for people."""
        return self._api.quota.provider

    @property
    def ids_at_once(self) -> int:
        """How many GIFs one call can look up."""
        return self._api.ids_at_once

    async def search(self, query: ProviderQuery, *, reserve: float = RESERVED_FOR_LOOKUPS) -> list[Candidate]:
        """Its best GIFs in its own order, none above the rating, in calls that leave at least the share ``reserve`` of
        the quota. Raises ``ProviderError``."""
        found = await self._api.search(query, reserve=reserve)
        await self._cache(found)
        return found

    async def store(self, candidates: Sequence[Candidate]) -> None:
        """Stores ids, texts and sizes; URLs only if that is allowed."""
        await self._gifs.put(candidates)

    async def count(self) -> int:
        """How many GIFs are stored."""
        return await self._gifs.count()

    def scan(self) -> AsyncIterator[list[Candidate]]:
        """All stored GIFs, in chunks."""
        return self._gifs.scan()

    async def stored(self, ids: Collection[str]) -> dict[str, Candidate]:
        """The stored GIFs among ``ids``."""
        return await self._gifs.get(ids)

    async def forget(self, ids: Collection[str]) -> None:
        """Deletes these GIFs and their vectors of every model."""
        await self._gifs.forget(ids)

    async def forget_expired(self) -> list[GifKey]:
        """Deletes expired GIFs and their vectors; returns their keys."""
        return await self._gifs.forget_expired()

    async def with_renditions(self, stored: Mapping[str, Candidate]) -> dict[str, Candidate]:
        """At most ``ids_at_once`` stored GIFs with a file to embed: the stored URL, or what the provider returns in one
        call, which leaves searches their share of the quota. GIFs that no longer exist are left out. Raises
        ``ProviderError``."""
        found = {}
        for gif_id, one in stored.items():
            if one.gif.url:
                found[gif_id] = replace(one, clip=Rendition(one.gif.url, one.gif.width, one.gif.height))
        missing = {gif_id: one for gif_id, one in stored.items() if gif_id not in found}
        if missing:
            current = await self._api.by_ids(missing, reserve=RESERVED_FOR_SEARCHES)
            found |= {one.gif.key.id: one for one in current if one.gif.key.id in missing}
        return found

    async def lookup(self, ids: Collection[str], *, fetch: bool = True) -> dict[str, Gif]:
        """Those of ``ids`` that can be shown now. One call looks up the URLs that are neither in memory nor stored, if
        ``fetch``; if it fails, those GIFs are left out."""
        found: dict[str, Gif] = {}
        for gif_id in ids:
            fresh = await self._fresh.get(gif_id)
            if fresh is not None:
                found[gif_id] = fresh.gif
        missing = [gif_id for gif_id in ids if gif_id not in found]
        stored = await self._gifs.get(missing) if missing else {}
        found |= {gif_id: candidate.gif for gif_id, candidate in stored.items() if candidate.gif.url}
        unknown = {gif_id: candidate for gif_id, candidate in stored.items() if gif_id not in found}
        if unknown and fetch:
            try:
                current = await self._api.by_ids(unknown)
            except ProviderError as error:
                _log.info("%s", error)
                return found
            await self._cache(current)
            found |= {one.gif.key.id: one.gif for one in current if one.gif.key.id in stored}
        return found

    async def media(self, gif_id: str) -> Path | None:
        """None: media stay at the provider."""
        return None

    async def report_share(self, gif_id: str) -> None:
        """Tells the provider that a GIF was sent, if pingbacks are on."""
        candidate = await self._fresh.get(gif_id)
        if not self._pingbacks or candidate is None or not candidate.pingback_url:
            return
        try:
            await self._downloader.fetch(candidate.pingback_url)
        except MediaError as error:
            _log.info("Could not tell %s that a GIF was sent: %s", self.name, error)
        except DeepGifError:
            _log.info("Could not tell %s that a GIF was sent.", self.name)

    async def _cache(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            await self._fresh.set(candidate.gif.key.id, candidate)

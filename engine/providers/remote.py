"""A provider on the network: its search, what is remembered of its GIFs, and their addresses for a short time."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from deepgif.engine.errors import DeepGifError, MediaError, ProviderError
from deepgif.engine.protocols import GifStore, ProviderQuery
from deepgif.engine.providers.quota import FOR_SEARCHES, Quota
from deepgif.engine.store.cache import BoundedCache
from deepgif.engine.types import Candidate, Gif, GifKey, Rendition

ADDRESSES = 20_000  # GIFs whose addresses are in memory, about 20 MB
ADDRESSES_S = 1800.0
_log = logging.getLogger(__name__)


class Api(Protocol):
    """One provider's calls."""

    @property
    def name(self) -> str:
        """Part of every key of its GIFs."""

    @property
    def attribution(self) -> str:
        """What must be shown beside its GIFs."""

    @property
    def budget(self) -> Quota:
        """How many calls are left."""

    async def search(self, query: ProviderQuery) -> list[Candidate]:
        """The best GIFs in the provider's order. Raises ``ProviderError``."""

    @property
    def ids_at_once(self) -> int:
        """How many GIFs ``by_ids`` takes."""

    async def by_ids(self, kept: Mapping[str, Candidate], *, leave: float = 0.0) -> list[Candidate]:
        """What the provider says of these GIFs, by id what is remembered of them, now and in one call; GIFs that are
        gone are left out. At least the share ``leave`` of the allowance is left. Raises ``ProviderError``."""


class Fetch(Protocol):
    """How bytes are fetched from the provider's hosts."""

    async def fetch(self, url: str, max_bytes: int | None = None) -> bytes:
        """The bytes. Raises ``MediaError``."""


class RemoteProvider:
    """``SearchProvider`` over a provider's API. With ``pingbacks``, the provider is told what was sent."""

    def __init__(self, api: Api, remembered: GifStore, download: Fetch, *, pingbacks: bool = False) -> None:
        self._api = api
        self._remembered = remembered
        self._download = download
        self._pingbacks = pingbacks
        self._fresh: BoundedCache[Candidate] = BoundedCache(ADDRESSES, ADDRESSES_S)

    @property
    def name(self) -> str:
        """Part of every key of its GIFs."""
        return self._api.name

    @property
    def attribution(self) -> str:
        """What must be shown beside its GIFs."""
        return self._api.attribution

    @property
    def budget(self) -> Quota:
        """How many calls are left."""
        return self._api.budget

    @property
    def title(self) -> str:
        """What people know it by."""
        return self._api.budget.provider

    @property
    def ids_at_once(self) -> int:
        """How many GIFs one call can ask for by their ids."""
        return self._api.ids_at_once

    async def search(self, query: ProviderQuery) -> list[Candidate]:
        """Its best GIFs in its own order, none above the rating. Raises ``ProviderError``."""
        found = await self._api.search(query)
        await self._keep_fresh(found)
        return found

    async def remember(self, candidates: Sequence[Candidate]) -> None:
        """Keeps ids, texts and sizes; addresses only where that was allowed."""
        await self._remembered.put(candidates)

    async def count(self) -> int:
        """How many GIFs are remembered."""
        return await self._remembered.count()

    def scan(self) -> AsyncIterator[list[Candidate]]:
        """All GIFs that are remembered, in chunks."""
        return self._remembered.scan()

    async def remembered(self, ids: Collection[str]) -> dict[str, Candidate]:
        """What is remembered of those of ``ids`` that are."""
        return await self._remembered.get(ids)

    async def forget(self, ids: Collection[str]) -> None:
        """Forgets these GIFs, with their vectors for every model."""
        await self._remembered.forget(ids)

    async def forget_expired(self) -> list[GifKey]:
        """Removes what has been remembered long enough; the keys of it."""
        return await self._remembered.forget_expired()

    async def with_files(self, kept: Mapping[str, Candidate]) -> dict[str, Candidate]:
        """Those of at most ``ids_at_once`` remembered GIFs that there are, with the files to look at: where an address
        is kept that one, else what the provider says in one call, which leaves searches their share of the allowance.
        Raises ``ProviderError``."""
        found = {}
        for gif_id, one in kept.items():
            if one.gif.url:
                found[gif_id] = replace(one, clip=Rendition(one.gif.url, one.gif.width, one.gif.height))
        missing = {gif_id: one for gif_id, one in kept.items() if gif_id not in found}
        if missing:
            answered = await self._api.by_ids(missing, leave=FOR_SEARCHES)
            found |= {one.gif.key.id: one for one in answered if one.gif.key.id in missing}
        return found

    async def lookup(self, ids: Collection[str], *, ask: bool = True) -> dict[str, Gif]:
        """Those of ``ids`` with an address that can be shown now. Where some have none, one call asks for all of them;
        where that fails, they are left out."""
        found: dict[str, Gif] = {}
        for gif_id in ids:
            fresh = await self._fresh.get(gif_id)
            if fresh is not None:
                found[gif_id] = fresh.gif
        missing = [gif_id for gif_id in ids if gif_id not in found]
        kept = await self._remembered.get(missing) if missing else {}
        found |= {gif_id: candidate.gif for gif_id, candidate in kept.items() if candidate.gif.url}
        unknown = {gif_id: candidate for gif_id, candidate in kept.items() if gif_id not in found}
        if unknown and ask:
            try:
                answered = await self._api.by_ids(unknown)
            except ProviderError as error:
                _log.info("%s", error)
                return found
            await self._keep_fresh(answered)
            found |= {one.gif.key.id: one.gif for one in answered if one.gif.key.id in kept}
        return found

    async def media(self, gif_id: str) -> Path | None:
        """None: media stay with the provider."""
        return None

    async def sent(self, gif_id: str) -> None:
        """Tells the provider that a GIF was sent, where the operator wants that."""
        candidate = await self._fresh.get(gif_id)
        if not self._pingbacks or candidate is None or not candidate.sent_url:
            return
        try:
            await self._download.fetch(candidate.sent_url)
        except MediaError as error:
            _log.info("%s was not told that a GIF was sent: %s", self.name, error)
        except DeepGifError:
            _log.info("%s was not told that a GIF was sent.", self.name)

    async def _keep_fresh(self, candidates: Sequence[Candidate]) -> None:
        for candidate in candidates:
            await self._fresh.set(candidate.gif.key.id, candidate)

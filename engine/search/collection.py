"""What is known, and where it comes from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from deepgif.engine.protocols import Index, Provider, SearchProvider
from deepgif.engine.search.suggestions import Suggestions
from deepgif.engine.types import Gif, GifKey, ScoredGif

ADDRESSES_S = 0.5  # for which providers are asked for addresses even after the deadline
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Collection:
    """What is known: vectors of pictures and of texts, the words of the texts, and where the GIFs come from. ``remote``
    providers have a search of their own."""

    pictures: Index
    texts: Index
    local: tuple[Provider, ...]
    remote: tuple[SearchProvider, ...] = ()
    words: Suggestions = field(default_factory=Suggestions)

    def provider(self, name: str) -> Provider | None:
        """The provider of this name."""
        return next((one for one in (*self.local, *self.remote) if one.name == name), None)

    def attribution(self, results: Sequence[ScoredGif]) -> tuple[str, ...]:
        """What must be shown beside these results."""
        shown = {result.gif.key.provider for result in results}
        return tuple(provider.attribution for provider in self.remote if provider.name in shown)

    async def lookup_by(self, ends_at: float, keys: Sequence[GifKey]) -> dict[GifKey, Gif]:
        """As ``lookup``. Providers are asked until ``ends_at`` (the loop's time), but for ``ADDRESSES_S`` at least;
        GIFs whose addresses have not come by then are left out."""
        found = await self.lookup(keys, ask=False)
        lacking = [key for key in keys if key not in found]
        if lacking and self.remote:
            try:
                async with asyncio.timeout_at(max(ends_at, asyncio.get_running_loop().time() + ADDRESSES_S)):
                    found |= await self.lookup(lacking, ask=True)
            except TimeoutError:
                _log.info("The addresses of %d GIFs did not come in time.", len(lacking))
        return found

    async def lookup(self, keys: Sequence[GifKey], *, ask: bool) -> dict[GifKey, Gif]:
        """Those of ``keys`` that can be shown now. With ``ask`` providers are asked for addresses that are lacking, in
        one call each."""
        ids: dict[str, list[str]] = {}
        for key in keys:
            ids.setdefault(key.provider, []).append(key.id)
        named = {name: provider for name in ids if (provider := self.provider(name)) is not None}
        found = await asyncio.gather(*(provider.lookup(ids[name], ask=ask) for name, provider in named.items()))
        return {gif.key: gif for gifs in found for gif in gifs.values()}

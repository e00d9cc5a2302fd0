"""What can be searched: the indexes, and the providers of the GIFs in them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.protocols import Index, Provider, SearchProvider
from deepgif.engine.search.suggestions import Suggestions
from deepgif.engine.types import Coverage, Gif, GifKey, ScoredGif

LOOKUP_S = 0.5  # that providers get for URLs even if the deadline has passed
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Collection:
    """The indexes of pictures and of texts by vectors, of texts by words, and where their GIFs are from: ``local``
    folders and ``remote`` providers, which have a search of their own. ``suggestions`` holds the words of the texts."""

    pictures: Index
    texts: Index
    lexical: LexicalIndex
    local: tuple[Provider, ...]
    remote: tuple[SearchProvider, ...] = ()
    suggestions: Suggestions = field(default_factory=Suggestions)

    def provider(self, name: str) -> Provider | None:
        """The provider of this name."""
        return next((one for one in (*self.local, *self.remote) if one.name == name), None)

    def attribution(self, results: Sequence[ScoredGif]) -> tuple[str, ...]:
        """The attributions that must be shown with these results."""
        providers = {result.gif.key.provider for result in results}
        return tuple(provider.attribution for provider in self.remote if provider.name in providers)

    async def coverage(self) -> Coverage:
        """How many of all providers' GIFs are embedded."""
        total = sum(await asyncio.gather(*(provider.count() for provider in (*self.local, *self.remote))))
        embedded = len(self.pictures)
        return Coverage(embedded, max(embedded, total))

    async def lookup_by(self, ends_at: float, keys: Sequence[GifKey]) -> dict[GifKey, Gif]:
        """As ``lookup`` with ``fetch``, but only until ``ends_at`` (the loop's time), and for ``LOOKUP_S`` at least;
        GIFs whose URLs are still missing then are left out."""
        found = await self.lookup(keys, fetch=False)
        missing = [key for key in keys if key not in found]
        if missing and self.remote:
            try:
                async with asyncio.timeout_at(max(ends_at, asyncio.get_running_loop().time() + LOOKUP_S)):
                    found |= await self.lookup(missing, fetch=True)
            except TimeoutError:
                _log.info("The URLs of %d GIFs did not arrive in time.", len(missing))
        return found

    async def lookup(self, keys: Sequence[GifKey], *, fetch: bool) -> dict[GifKey, Gif]:
        """Those of ``keys`` that can be shown now. With ``fetch``, missing URLs are requested from the providers, in
        one call each."""
        ids: dict[str, list[str]] = {}
        for key in keys:
            ids.setdefault(key.provider, []).append(key.id)
        providers = {name: provider for name in ids if (provider := self.provider(name)) is not None}
        found = await asyncio.gather(*(one.lookup(ids[name], fetch=fetch) for name, one in providers.items()))
        return {gif.key: gif for gifs in found for gif in gifs.values()}

"""The one coordinator of a search: clean the words, find what fits among what is embedded, say what was found."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

from engine.errors import InvalidRequestError
from engine.lookup import Found, Query
from engine.protocols import Index, Provider
from engine.ranking import FitThresholds, rank
from engine.types import MAX_LIMIT, Coverage, Gif, GifKey, SearchAnswer, SearchRequest
from engine.words import clean_words

SPARE = 8  # more hits than asked for, in case some GIFs have gone
HALF_UNDERSTOOD = 0.5
STRANGE_WORDS = "The model was taught in English and knows few of these words, so the GIFs may not fit."
STILL_LOOKING = "Not all GIFs have been looked at yet; the same search may find better ones in a moment."


class SearchEngine:
    """Answers searches. ``find`` gives what is nearest to a query (a micro-batcher's ``submit``)."""

    def __init__(
        self,
        model: str,
        find: Callable[[Query], Awaitable[Found]],
        index: Index,
        providers: Sequence[Provider],
        thresholds: FitThresholds,
    ) -> None:
        self.model = model
        self._find = find
        self._index = index
        self._providers = {provider.name: provider for provider in providers}
        self._thresholds = thresholds

    @property
    def providers(self) -> Mapping[str, Provider]:
        """Where GIFs come from, by name."""
        return self._providers

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """The best GIFs for the request. Raises ``InvalidRequestError``, ``OverloadedError`` or ``NotReadyError``."""
        started = time.perf_counter()
        words = clean_words(request.words)
        if not 1 <= request.limit <= MAX_LIMIT:
            raise InvalidRequestError(f"The limit must be a whole number from 1 to {MAX_LIMIT}.")
        found, coverage = await asyncio.gather(
            self._find(Query(words, request.limit + SPARE, request.max_rating)), self.coverage()
        )
        gifs = await self._lookup(found.hits.keys)
        notices = []
        if found.understood < HALF_UNDERSTOOD:
            notices.append(STRANGE_WORDS)
        if coverage.seen < coverage.total:
            notices.append(STILL_LOOKING)
        return SearchAnswer(
            words=words,
            results=rank(found.hits, gifs, request.limit, self._thresholds),
            model=self.model,
            coverage=coverage,
            elapsed_s=time.perf_counter() - started,
            notices=tuple(notices),
        )

    async def coverage(self) -> Coverage:
        """How many of all providers' GIFs are embedded now."""
        total = sum(await asyncio.gather(*(provider.count() for provider in self._providers.values())))
        seen = len(self._index)
        return Coverage(seen, max(seen, total))

    async def _lookup(self, keys: Sequence[GifKey]) -> dict[GifKey, Gif]:
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            ids[key.provider].append(key.id)
        known = [name for name in ids if name in self._providers]
        found = await asyncio.gather(*(self._providers[name].lookup(ids[name]) for name in known))
        return {gif.key: gif for gifs in found for gif in gifs.values()}

"""Answers searches: from the index if it has a good match, else from providers too, before the deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from deepgif.engine.errors import InvalidRequestError, NotFoundError, OverloadedError
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.fallback import POOL, SPARE, ProviderFallback
from deepgif.engine.search.query import parse_query
from deepgif.engine.search.ranking import FitThresholds, Ranking, rank_similar, to_results
from deepgif.engine.search.retrieval import RetrievalQuery, Retriever
from deepgif.engine.search.single_flight import TIMED_OUT, SingleFlight
from deepgif.engine.types import (
    MAX_DEADLINE_S,
    MAX_LIMIT,
    MAX_RANKED,
    Coverage,
    Gif,
    GifKey,
    Origin,
    Rating,
    ScoredGif,
    SearchAnswer,
    SearchRequest,
    normalize_query,
)

TextsInGifs = Callable[[Sequence[GifKey]], Awaitable[Mapping[GifKey, str]]]


class SearchService:
    """Answers searches with the model named ``model``. Without ``fallback``, only the index is searched; ``flights``
    run the searches at providers, and ``texts_in_gifs`` returns the words that were read in GIFs."""

    def __init__(
        self,
        model: str,
        retriever: Retriever,
        collection: Collection,
        thresholds: FitThresholds,
        fallback: ProviderFallback | None = None,
        flights: SingleFlight | None = None,
        texts_in_gifs: TextsInGifs | None = None,
    ) -> None:
        self.model = model
        self.collection = collection
        self.flights = SingleFlight() if flights is None else flights  # an empty one is falsy
        self._retriever = retriever
        self._thresholds = thresholds
        self._fallback = fallback
        self._texts_in_gifs = texts_in_gifs

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """The best GIFs for the request. Raises ``InvalidRequestError``, ``OverloadedError`` or ``NotReadyError``."""
        started = time.perf_counter()
        text = normalize_query(request.query)
        _check(request)
        ends_at = asyncio.get_running_loop().time() + request.deadline_s
        if self._fallback is None:
            parsed = parse_query(text)
            ranking = await self._search_index(RetrievalQuery(parsed.text, POOL, request.max_rating, parsed), ends_at)
        else:
            query = ProviderQuery(text, request.max_rating, request.language, request.country)
            ranking = await self.flights.ranking(self._fallback.search(query), ends_at)
        results = await self._page(ranking, request, ends_at)
        return SearchAnswer(
            query=text,
            results=results,
            model=self.model,
            coverage=ranking.coverage,
            elapsed_s=time.perf_counter() - started,
            notices=ranking.notices,
            origin=ranking.origin,
            ranked=min(len(ranking.scored), MAX_RANKED),
            attribution=self.collection.attribution(results),
        )

    async def similar(self, key: GifKey, limit: int, max_rating: Rating) -> SearchAnswer:
        """The indexed GIFs that look most like an indexed one; no provider is called. Raises ``NotFoundError`` if it
        is not indexed, and ``InvalidRequestError``."""
        started = time.perf_counter()
        _check(SearchRequest("", limit))
        pictures = self.collection.pictures
        vector = (await asyncio.to_thread(pictures.vectors, [key])).get(key)
        if vector is None:
            raise NotFoundError("This GIF is not indexed, so DeepGIF can't find similar ones.")
        (hits,) = await asyncio.to_thread(pictures.search, vector[np.newaxis], POOL, max_rating)
        vectors = await asyncio.to_thread(pictures.vectors, hits.keys)
        gifs = await self.collection.lookup(list(hits.keys), fetch=False)
        results = rank_similar(hits.keys, hits.scores, await self._with_texts(gifs), key, vectors)
        return SearchAnswer(
            query="",
            results=results[:limit],
            model=self.model,
            coverage=Coverage(hits.count, hits.count),
            elapsed_s=time.perf_counter() - started,
            ranked=len(results),
            attribution=self.collection.attribution(results[:limit]),
        )

    async def report_share(self, key: GifKey) -> None:
        """Tells a GIF's provider that it was shared, if the operator allows that."""
        provider = next((one for one in self.collection.remote if one.name == key.provider), None)
        if provider is not None:
            await provider.report_share(key.id)

    async def _search_index(self, query: RetrievalQuery, ends_at: float) -> Ranking:
        """The ranking of indexed GIFs. Raises ``OverloadedError`` at ``ends_at`` (the loop's time)."""
        try:
            async with asyncio.timeout_at(ends_at) as timeout:
                return await self._retriever.rank(await self._retriever.search(query))
        except TimeoutError as error:
            if timeout.expired():
                raise OverloadedError(TIMED_OUT) from error
            raise

    async def _page(self, ranking: Ranking, request: SearchRequest, ends_at: float) -> tuple[ScoredGif, ...]:
        """One page of the ranking. Raises ``OverloadedError`` if not one URL of it arrives in time."""
        first, last = request.offset, min(request.offset + request.limit + SPARE, MAX_RANKED)
        page = [one.signals.key for one in ranking.scored[first:last]]
        # A ranking that another engine made may lack URLs: request them for all pages in one call.
        wanted = page if ranking.origin is Origin.INDEXED else [one.signals.key for one in ranking.scored[:MAX_RANKED]]
        missing = [key for key in wanted if key not in ranking.gifs]
        gifs = {**ranking.gifs, **await self.collection.lookup_by(ends_at, missing)}
        if page and not any(key in gifs for key in page) and asyncio.get_running_loop().time() >= ends_at:
            raise OverloadedError(TIMED_OUT)
        shown = await self._with_texts({key: gifs[key] for key in page if key in gifs})
        return to_results(ranking, shown, self._thresholds, first, last)[: request.limit]

    async def _with_texts(self, gifs: Mapping[GifKey, Gif]) -> dict[GifKey, Gif]:
        """``gifs`` with the words that were read in them."""
        texts = await self._texts_in_gifs(list(gifs)) if self._texts_in_gifs is not None else {}
        return {key: replace(gif, text_in_gif=texts.get(key, "")) for key, gif in gifs.items()}


def _check(request: SearchRequest) -> None:
    if not 1 <= request.limit <= MAX_LIMIT:
        raise InvalidRequestError(f"The limit must be a whole number from 1 to {MAX_LIMIT}.")
    if not 0 <= request.offset < MAX_RANKED:
        raise InvalidRequestError(f"The offset must be a whole number from 0 to {MAX_RANKED - 1}.")
    if not 0 < request.deadline_s <= MAX_DEADLINE_S:
        raise InvalidRequestError(f"The deadline must be positive and at most {MAX_DEADLINE_S:g} seconds.")

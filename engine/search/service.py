"""The one coordinator of a search: what is known, if it is good enough; else a provider's candidates, reranked together
with it, before the deadline."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import numpy as np

from deepgif.engine.errors import InvalidRequestError, NotFoundError, OverloadedError, ProviderError
from deepgif.engine.ingest.candidates import CandidateEmbedder
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.ranking import RankingModel, alike, answer, confidence, fold, fuse, in_order
from deepgif.engine.search.reranker import NEAR_DUPLICATE, Ranking, Rerank
from deepgif.engine.search.retrieval import Hits, RetrievalQuery, Similarity
from deepgif.engine.search.single_flight import TOO_LATE, SingleFlight
from deepgif.engine.text import normalize_query
from deepgif.engine.types import (
    MAX_DEADLINE_S,
    MAX_LIMIT,
    MAX_RANKED,
    Candidate,
    Coverage,
    GifKey,
    Origin,
    Rating,
    ScoredGif,
    SearchAnswer,
    SearchRequest,
)

SPARE = 8  # more GIFs than asked for, in case some have gone
POOL = MAX_RANKED // 2 + SPARE  # GIFs of each likeness that are compared
TOGETHER = 12  # known GIFs that are ranked together with a provider's
HALF_UNDERSTOOD = 0.5
STRANGE_WORDS = "The model was taught in English and knows few of these words, so the GIFs may not fit."
STILL_LOOKING = "Not all GIFs have been looked at yet; the same search may find better ones in a moment."
NOT_JUDGED = "The pictures cannot be looked at just now; this is the provider's own order."
NOT_IN_TIME = "The search at the provider takes too long just now; these GIFs are from what is known already."
ONLY_KNOWN = "These GIFs are from what is known already."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderFallback:
    """How providers with a search of their own are used: ``good_enough`` is the chance from which on what is known is
    answered without them."""

    embedder: CandidateEmbedder
    live: SingleFlight
    good_enough: float


class SearchService:
    """Answers searches. ``find`` gives the evidence on what is known (a micro-batcher's ``submit``); without
    ``outside`` only that is searched."""

    def __init__(
        self,
        model: str,
        find: Callable[[RetrievalQuery], Awaitable[Hits]],
        library: Collection,
        ranking: RankingModel,
        likeness: Similarity,
        outside: ProviderFallback | None = None,
    ) -> None:
        self.model = model
        self.library = library
        self._find = find
        self._ranking = ranking
        self._likeness = likeness
        self._outside = outside

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """The best GIFs for the request. Raises ``InvalidRequestError``, ``OverloadedError`` or ``NotReadyError``."""
        started = time.perf_counter()
        words = normalize_query(request.words)
        _check(request)
        ends_at = asyncio.get_running_loop().time() + request.deadline_s
        outside = self._outside
        if outside is None:
            ranking = await self._known_by(ends_at, RetrievalQuery(words, POOL, request.max_rating))
        else:
            query = ProviderQuery(words, request.max_rating, request.language, request.country)
            ranking = await outside.live.ranking(query, ends_at, lambda report: self._staged(outside, query, report))
        results, attribution = await self._page(ranking, request, ends_at)
        return SearchAnswer(
            words=words,
            results=results,
            model=self.model,
            coverage=ranking.coverage,
            elapsed_s=time.perf_counter() - started,
            notices=ranking.notices,
            origin=ranking.origin,
            ranked=min(len(ranking.fused), MAX_RANKED),
            attribution=attribution,
        )

    async def similar(self, key: GifKey, limit: int, max_rating: Rating) -> SearchAnswer:
        """The GIFs that look most like one that is known, without a call to any provider. Raises ``NotFoundError``
        where it is not known, and ``InvalidRequestError``."""
        started = time.perf_counter()
        _check(SearchRequest("", limit))
        vector = (await asyncio.to_thread(self.library.pictures.vectors, [key])).get(key)
        if vector is None:
            raise NotFoundError("This GIF has not been looked at, so nothing can be said to look like it.")
        (hits,) = await asyncio.to_thread(self.library.pictures.search, vector[np.newaxis], POOL, max_rating)
        pixels = await asyncio.to_thread(self.library.pictures.vectors, hits.keys)
        gifs = await self.library.lookup(list(hits.keys), ask=False)
        results = alike(hits.keys, hits.scores, gifs, key, pixels, NEAR_DUPLICATE)
        return SearchAnswer(
            words="",
            results=results[:limit],
            model=self.model,
            coverage=Coverage(hits.count, hits.count),
            elapsed_s=time.perf_counter() - started,
            ranked=len(results),
            attribution=self.library.attribution(results[:limit]),
        )

    async def sent(self, key: GifKey) -> None:
        """Tells a GIF's provider that it was sent, where the operator wants that."""
        provider = next((one for one in self.library.remote if one.name == key.provider), None)
        if provider is not None:
            await provider.sent(key.id)

    async def coverage(self) -> Coverage:
        """How many of all providers' GIFs are embedded now."""
        providers = (*self.library.local, *self.library.remote)
        total = sum(await asyncio.gather(*(provider.count() for provider in providers)))
        seen = len(self.library.pictures)
        return Coverage(seen, max(seen, total))

    async def _staged(
        self, outside: ProviderFallback, query: ProviderQuery, report: Callable[[Rerank | Ranking], None]
    ) -> None:
        """Reports rankings of one query as they get better; the last one stands."""
        try:
            found = await self._find(RetrievalQuery(query.words, POOL, query.max_rating))
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the provider's order is still an answer
            _log.warning("Words cannot be embedded: %s", type(error).__name__)
            report(await self._in_order(query, error))
            return
        known = await self._known(found)
        if known.fused and known.chance >= outside.good_enough:
            best = known.fused[0].evidence.key
            if best in await self.library.lookup([one.evidence.key for one in known.fused[: POOL // 2]], ask=True):
                report(known)
                return
        report(_with(known, NOT_IN_TIME))
        candidates, notices = await self._candidates(query)
        if not candidates:
            report(_with(known, *notices, ONLY_KNOWN) if notices else known)
            return
        near = [one.evidence.key for one in known.fused[:TOGETHER]]
        gifs, pixels = await asyncio.gather(
            self.library.lookup(near, ask=False), asyncio.to_thread(self.library.pictures.vectors, near)
        )
        remote = {provider.name: provider for provider in self.library.remote}
        rerank = Rerank(
            found,
            candidates,
            gifs,
            pixels,
            remote,
            outside.embedder,
            self._ranking,
            self._likeness,
            (*notices, *_strange(found)),
        )
        report(rerank)
        await rerank.run()

    async def _known_by(self, ends_at: float, query: RetrievalQuery) -> Ranking:
        """The ranking of what is known, where it is there by ``ends_at`` (the loop's time). Raises
        ``OverloadedError``."""
        try:
            async with asyncio.timeout_at(ends_at) as limit:
                return await self._known(await self._find(query))
        except TimeoutError as error:
            if limit.expired():
                raise OverloadedError(TOO_LATE) from error
            raise

    async def _known(self, found: Hits) -> Ranking:
        """The ranking of what is known."""
        coverage = await self.coverage()
        fused = fuse(found.evidence, self._ranking.weights, found.visual, found.text)
        chance = confidence(fused, self._ranking.weights, self._ranking.known, found.count)
        pixels = await asyncio.to_thread(self.library.pictures.vectors, [one.evidence.key for one in fused])
        folded = fold(fused, pixels, NEAR_DUPLICATE)
        looking = (STILL_LOOKING,) if coverage.seen < coverage.total else ()
        return Ranking(
            fused=tuple(folded),
            gifs={},
            chance=chance,
            count=found.count,
            fetched=frozenset(),
            origin=Origin.KNOWN,
            coverage=coverage,
            notices=(*_strange(found), *looking),
        )

    async def _in_order(self, query: ProviderQuery, error: Exception) -> Ranking:
        """The provider's own order, where nothing can be judged. Raises ``error`` where there is none either."""
        candidates, notices = await self._candidates(query)
        if not candidates:
            raise error
        fused = in_order([one.gif.key for one in candidates])
        gifs = {one.gif.key: one.gif for one in candidates}
        coverage = Coverage(0, len(fused))
        fetched = frozenset(gifs)
        return Ranking(fused, gifs, 0.0, len(fused), fetched, Origin.PROVIDER, coverage, (*notices, NOT_JUDGED))

    async def _candidates(self, query: ProviderQuery) -> tuple[list[Candidate], tuple[str, ...]]:
        """The candidates of all providers, place by place, and what went wrong, as sentences."""
        answers = await asyncio.gather(
            *(provider.search(query) for provider in self.library.remote), return_exceptions=True
        )
        lists, notices = [], []
        for some in answers:
            if isinstance(some, ProviderError):
                notices.append(str(some))
            elif isinstance(some, BaseException):
                raise some
            else:
                lists.append(some)
        longest = max((len(some) for some in lists), default=0)
        merged = [some[place] for place in range(longest) for some in lists if place < len(some)]
        return merged, tuple(notices)

    async def _page(
        self, ranking: Ranking, request: SearchRequest, ends_at: float
    ) -> tuple[tuple[ScoredGif, ...], tuple[str, ...]]:
        """One page of the ranking, and what must be shown beside it."""
        first, last = request.offset, min(request.offset + request.limit + SPARE, MAX_RANKED)
        part = ranking.fused[first:last]
        # Addresses that are lacking in what another engine answered are asked for once, for all pages.
        shown = part if ranking.origin is Origin.KNOWN else ranking.fused[:MAX_RANKED]
        missing = [one.evidence.key for one in shown if one.evidence.key not in ranking.gifs]
        gifs = {**ranking.gifs, **await self.library.lookup_by(ends_at, missing)}
        if part and not any(one.evidence.key in gifs for one in part) and asyncio.get_running_loop().time() >= ends_at:
            raise OverloadedError(TOO_LATE)
        results = answer(
            part,
            gifs,
            chance=ranking.chance,
            best=ranking.fused[0].score if ranking.fused else 0.0,
            count=ranking.count,
            thresholds=self._ranking.thresholds,
            fetched=ranking.fetched,
            origin=ranking.origin,
            first=first,
        )[: request.limit]
        return results, self.library.attribution(results)


def _check(request: SearchRequest) -> None:
    if not 1 <= request.limit <= MAX_LIMIT:
        raise InvalidRequestError(f"The limit must be a whole number from 1 to {MAX_LIMIT}.")
    if not 0 <= request.offset < MAX_RANKED:
        raise InvalidRequestError(f"The offset must be a whole number from 0 to {MAX_RANKED - 1}.")
    if not 0 < request.deadline_s <= MAX_DEADLINE_S:
        raise InvalidRequestError(f"The deadline must lie above 0 and be at most {MAX_DEADLINE_S:g} seconds.")


def _strange(found: Hits) -> tuple[str, ...]:
    return (STRANGE_WORDS,) if found.understood < HALF_UNDERSTOOD else ()


def _with(ranking: Ranking, *notices: str) -> Ranking:
    return replace(ranking, notices=(*ranking.notices, *notices))

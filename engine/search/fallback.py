"""Searches at providers, for queries that the index cannot answer well."""

from __future__ import annotations

import asyncio
import itertools
import logging
from dataclasses import dataclass, replace

from deepgif.engine.errors import ProviderError
from deepgif.engine.ingest.candidates import CandidateEmbedder
from deepgif.engine.protocols import ProviderQuery, SearchProvider
from deepgif.engine.providers.quota import RESERVED_FOR_SEARCHES
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.query import parse_query
from deepgif.engine.search.ranking import Ranking, RankingModel, provider_order
from deepgif.engine.search.reactions import ReactionReader
from deepgif.engine.search.reranker import Rerank
from deepgif.engine.search.retrieval import Hits, RetrievalQuery, Retriever, Similarity
from deepgif.engine.types import MAX_RANKED, Candidate, Coverage, GifKey, Origin

SPARE = 8  # more GIFs than requested, in case some are gone
POOL = MAX_RANKED // 2 + SPARE  # GIFs retrieved by frames, and as many by text
INDEXED_CANDIDATES = 12  # indexed GIFs that are reranked together with a provider's
UNRANKED = "These GIFs are in the provider's own order, because DeepGIF can't compare them right now."
SLOW_PROVIDER = "The provider is slow right now, so these GIFs are only from DeepGIF's index."
INDEX_ONLY = "These GIFs are only from DeepGIF's index."
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProviderFallback:
    """Searches providers unless the index has a GIF that matches with a probability of ``min_confidence``."""

    retriever: Retriever
    collection: Collection
    embedder: CandidateEmbedder
    model: RankingModel
    similarity: Similarity
    min_confidence: float
    reactions: ReactionReader | None = None

    def search(self, query: ProviderQuery) -> ProviderSearch:
        """The search for a query, not running yet."""
        return ProviderSearch(self, query)


class ProviderSearch:
    """The search for one query; its ranking improves while it runs (an anytime algorithm)."""

    def __init__(self, fallback: ProviderFallback, query: ProviderQuery) -> None:
        self._fallback = fallback
        self._query = query
        self._parsed = parse_query(query.text)
        self._ranking: Ranking | None = None
        self._rerank: Rerank | None = None
        self._unattended = False

    @property
    def key(self) -> str:
        """The same for equal queries."""
        query = self._query
        return "\n".join((query.text.casefold(), query.max_rating, query.language, query.country))

    @property
    def unattended(self) -> bool:
        """Whether all callers were answered, so that only limited work remains worthwhile."""
        return self._unattended

    @unattended.setter
    def unattended(self, value: bool) -> None:
        self._unattended = value
        if self._rerank is not None:
            self._rerank.unattended = value

    def ranking(self) -> Ranking | None:
        """The best ranking so far."""
        return self._ranking if self._rerank is None else self._rerank.ranking()

    async def run(self) -> None:
        """Ranks indexed GIFs, and if they are not good enough, reranks them together with the providers' candidates.
        Raises what the encoder raises if no provider has candidates either."""
        use, query = self._fallback, self._query
        try:
            hits = await use.retriever.search(RetrievalQuery(self._parsed.text, POOL, query.max_rating, self._parsed))
        except Exception as error:  # noqa: BLE001 - whatever a model raises, the provider's order is still useful
            _log.warning("The query cannot be embedded: %s", type(error).__name__)
            self._ranking = await self._provider_ranking(error)
            return
        indexed = await use.retriever.rank(hits)
        if await self._good_enough(indexed):
            self._ranking = indexed
            return
        self._ranking = _with(indexed, SLOW_PROVIDER)
        term = hits.reaction.term_for(self._parsed.text) if hits.reaction is not None else None
        candidates, notices = await self._candidates(term)
        if not candidates:
            self._ranking = _with(indexed, *notices, INDEX_ONLY) if notices else indexed
            return
        self._rerank = await self._rerank_of(hits, indexed, candidates, notices)
        self._rerank.unattended = self._unattended
        await self._rerank.run()

    async def _good_enough(self, indexed: Ranking) -> bool:
        """Whether the best indexed GIF probably matches, and still exists."""
        if not indexed.scored or indexed.confidence < self._fallback.min_confidence:
            return False
        keys = [one.signals.key for one in indexed.scored[: POOL // 2]]  # a whole page, for the same call
        return keys[0] in await self._fallback.collection.lookup(keys, fetch=True)

    async def _rerank_of(
        self, hits: Hits, indexed: Ranking, candidates: list[Candidate], notices: tuple[str, ...]
    ) -> Rerank:
        use = self._fallback
        keys = [one.signals.key for one in indexed.scored[:INDEXED_CANDIDATES]]
        gifs, vectors = await asyncio.gather(
            use.collection.lookup(keys, fetch=False), asyncio.to_thread(use.collection.pictures.vectors, keys)
        )
        providers = {provider.name: provider for provider in use.collection.remote}
        return Rerank(
            hits,
            candidates,
            gifs,
            vectors,
            providers,
            use.embedder,
            use.model,
            use.similarity,
            use.collection.lexical.frequencies,
            (*notices, *hits.notices),
            use.reactions,
        )

    async def _provider_ranking(self, error: Exception) -> Ranking:
        """The providers' own order. Raises ``error`` if there are no candidates."""
        candidates, notices = await self._candidates()
        if not candidates:
            raise error
        scored = provider_order([one.gif.key for one in candidates])
        gifs = {one.gif.key: one.gif for one in candidates}
        count = len(scored)
        return Ranking(
            scored, gifs, 0.0, count, frozenset(gifs), Origin.PROVIDER, Coverage(0, count), (*notices, UNRANKED)
        )

    async def _candidates(self, term: str | None = None) -> tuple[list[Candidate], tuple[str, ...]]:
        """The candidates of all providers, each once, interleaved by rank, and the providers' errors as sentences. With
        ``term``, a second search for it replaces the second page of the first."""
        query = replace(self._query, text=self._parsed.text)
        searches = []
        for provider in self._fallback.collection.remote:
            if term is None:
                searches.append(provider.search(query))
            else:
                searches.append(provider.search(replace(query, pages=1)))
                searches.append(_search_if_affordable(provider, replace(query, text=term, language="", pages=1)))
        answers = await asyncio.gather(*searches, return_exceptions=True)
        lists, notices = [], []
        for answer in answers:
            if isinstance(answer, ProviderError):
                notices.append(str(answer))
            elif isinstance(answer, BaseException):
                raise answer
            else:
                lists.append(answer)
        by_key: dict[GifKey, Candidate] = {}
        for one in itertools.chain.from_iterable(itertools.zip_longest(*lists)):
            if one is not None:
                by_key.setdefault(one.gif.key, one)
        merged = list(by_key.values())
        if self._parsed.filters:
            in_gifs = await self._fallback.embedder.texts_in_gifs([one.gif.key for one in merged])
            merged = [one for one in merged if self._parsed.admits((*one.texts, in_gifs.get(one.gif.key, "")))]
        return merged, tuple(notices)


async def _search_if_affordable(provider: SearchProvider, query: ProviderQuery) -> list[Candidate]:
    """An additional search: none if less than half of the quota is left, or if it fails, as the main one says why."""
    try:
        return await provider.search(query, reserve=RESERVED_FOR_SEARCHES)
    except ProviderError as error:
        _log.debug("No additional search: %s", error)
        return []


def _with(ranking: Ranking, *notices: str) -> Ranking:
    return replace(ranking, notices=(*ranking.notices, *notices))

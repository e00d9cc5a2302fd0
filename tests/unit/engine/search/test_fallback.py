"""What providers are searched for, and how their answers are merged."""

import numpy as np
import pytest

from deepgif.engine.errors import ProviderError, QuotaError
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.providers.quota import RESERVED_FOR_SEARCHES
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.fallback import ProviderFallback
from deepgif.engine.search.ranking_model import UNFITTED, QueryBank
from deepgif.engine.search.reactions import ReactionReader
from deepgif.engine.search.retrieval import UNKNOWN_WORDS, Retriever, Similarity
from deepgif.engine.types import Candidate, Gif, GifKey, Rating
from tests.fakes.reactions import ReactingEncoder, keyword_head, keywords

SENTENCE = "winning the build"


class FakeProvider:
    """Answers each text with named GIFs, or an error; records queries and reserves."""

    def __init__(self, name, answers):
        self.name = name
        self.answers = answers
        self.calls = []

    async def count(self):
        return 0

    async def search(self, query, *, reserve=0.0):
        self.calls.append((query, reserve))
        answer = self.answers[query.text]
        if isinstance(answer, Exception):
            raise answer
        return [Candidate(Gif(GifKey(self.name, one), one, one, Rating.G, "", 1, 1)) for one in answer]


@pytest.fixture
def search(monkeypatch):
    """Runs a search at providers; returns the candidates that are reranked, in order, and the notices."""
    reranked = []

    class FakeRerank:
        unattended = False

        def __init__(self, hits, candidates, gifs, vectors, providers, *rest):
            reranked.append(([one.gif.key for one in candidates], rest[4]))

        async def run(self):
            pass

    monkeypatch.setattr("deepgif.engine.search.fallback.Rerank", FakeRerank)

    async def run(text, *providers, head=True):
        encoder, similarity = ReactingEncoder(), Similarity(QueryBank(np.zeros((0, 4), np.float32), 0.0), 0.0)
        reader = ReactionReader(keyword_head(), keywords, compare=False) if head else None
        collection = Collection(ExactIndex(4), ExactIndex(4), LexicalIndex(), (), providers)
        retriever = Retriever(encoder, collection, UNFITTED, similarity, reactions=reader)
        async with retriever:
            fallback = ProviderFallback(retriever, collection, None, UNFITTED, similarity, 2.0, reader)
            await fallback.search(ProviderQuery(text, Rating.PG, "de", "AT")).run()
        keys, notices = reranked.pop()
        return ["/".join(key) for key in keys], [one for one in notices if one != UNKNOWN_WORDS]

    return run


async def test_both_searches_are_interleaved_and_each_gif_is_there_once(search):
    """At each provider one page of the query and one of the reaction, which is English, in the order of their ranks."""
    one = FakeProvider("one", {SENTENCE: ["a", "b", "c", "d"], "win": ["w", "a", "x"]})
    two = FakeProvider("two", {SENTENCE: ["a"], "win": []})
    keys, notices = await search(SENTENCE, one, two)
    assert keys == ["one/a", "one/w", "two/a", "one/b", "one/c", "one/x", "one/d"]
    assert notices == []
    (query, _), (extra, reserve) = one.calls
    assert query == ProviderQuery(SENTENCE, Rating.PG, "de", "AT", pages=1)
    assert extra == ProviderQuery("win", Rating.PG, "", "AT", pages=1)
    assert reserve == RESERVED_FOR_SEARCHES


@pytest.mark.parametrize(("text", "head"), [("a red cube", True), ("win", True), (SENTENCE, False)])
async def test_other_queries_are_searched_for_as_they_are(search, text, head):
    """Scenes, short queries, and all queries of a model without a head: one search of two pages."""
    provider = FakeProvider("one", {text: ["a", "b"]})
    keys, _ = await search(text, provider, head=head)
    assert keys == ["one/a", "one/b"]
    assert [(query.text, query.pages) for query, _ in provider.calls] == [(text, 2)]


@pytest.mark.parametrize("error", [QuotaError("One", 3), ProviderError("One is down.")])
async def test_the_additional_search_may_fail(search, error):
    """Nobody needs to know. If the query's own search fails, the notice says why."""
    keys, notices = await search(SENTENCE, FakeProvider("one", {SENTENCE: ["a"], "win": error}))
    assert (keys, notices) == (["one/a"], [])
    keys, notices = await search(SENTENCE, FakeProvider("one", {SENTENCE: error, "win": ["w"]}))
    assert (keys, notices) == (["one/w"], [str(error)])

"""Many queries at once find what each finds alone."""

import numpy as np
import pytest

from deepgif.engine.index.corrected import EXTRA, CorrectedIndex
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.query import parse_query
from deepgif.engine.search.ranking_model import UNFITTED, QueryBank
from deepgif.engine.search.reactions import ReactionReader
from deepgif.engine.search.retrieval import RetrievalQuery, Retriever, Similarity
from deepgif.engine.types import GifKey, Rating
from tests.fakes.encoder import COLOURS, ColourEncoder
from tests.fakes.reactions import ReactingEncoder, keyword_head, keywords

NO_BANK = Similarity(QueryBank(np.zeros((0, 4), np.float32), 0.0), 0.0)


def retriever_of(encoder, pictures, texts, similarity=NO_BANK, lexical=None):
    return Retriever(encoder, Collection(pictures, texts, lexical or LexicalIndex(), ()), UNFITTED, similarity)


def key(name):
    return GifKey("p", name)


@pytest.fixture
def indexes():
    """Pictures of three colours, and texts that call each by another's name."""
    encoder, pictures, texts = ColourEncoder(), ExactIndex(4), ExactIndex(4)
    keys, ratings = [key(name) for name in COLOURS], [Rating.G, Rating.G, Rating.R]
    pictures.add(keys, encoder.encode_texts(COLOURS), ratings)
    texts.add(keys[:2], encoder.encode_texts(["green", "blue"]), ratings[:2])
    return encoder, pictures, texts


def test_a_batch_finds_what_each_query_finds_alone(indexes):
    """Queries with different limits and ratings in one batch keep their own answers, in their own order."""
    find = retriever_of(*indexes).search_batch
    queries = [
        RetrievalQuery("blue", 1, Rating.R),
        RetrievalQuery("blue", 2, Rating.G),
        RetrievalQuery("something red", 3, Rating.R),
        RetrievalQuery("green", 1, Rating.PG),
    ]
    together = find(queries)
    assert [found.vocabulary_coverage for found in together] == [1, 1, 0.5, 1]
    assert [found.count for found in together] == [3, 2, 3, 2]
    assert key("blue") not in {one.key for one in together[1].signals}
    for query, found in zip(queries, together, strict=True):
        (alone,) = find([query])
        assert {one.key for one in alone.signals} <= {one.key for one in found.signals}
        np.testing.assert_array_equal(found.vector, alone.vector)


def test_both_similarities_of_all_hits(indexes):
    """Hits by text have a visual similarity too, and the other way round; without a text it is None."""
    encoder, pictures, texts = indexes
    (found,) = retriever_of(encoder, pictures, texts).search_batch([RetrievalQuery("blue", 1, Rating.R)])
    signals = {one.key: one for one in found.signals}
    assert set(signals) == {key("blue"), key("green")}  # the nearest picture, and the nearest text
    words = encoder.encode_texts(["blue"])[0]
    assert signals[key("blue")].visual == pytest.approx(1.0)
    assert signals[key("blue")].text is None
    assert signals[key("green")].text == pytest.approx(1.0)
    assert signals[key("green")].visual == pytest.approx(float(encoder.encode_texts(["green"])[0] @ words))
    assert (found.visual.mean, found.text.mean) == pytest.approx((0.34, 0.5), abs=0.05)


def test_what_is_near_to_every_query_is_worth_less(indexes):
    """The hubness of a GIF is its mean similarity to the nearest queries of the bank, less that of the average GIF."""
    encoder, pictures, texts = indexes
    bank = QueryBank(encoder.encode_texts(["blue"] * 3), mean_hubness=0.25)
    query = RetrievalQuery("red", 3, Rating.R)
    plain, corrected = (
        {
            one.key: one.visual
            for one in retriever_of(encoder, pictures, texts, similarity).search_batch([query])[0].signals
        }
        for similarity in (NO_BANK, Similarity(bank, 0.5))
    )
    for name in COLOURS:
        hot = float(encoder.encode_texts([name])[0] @ encoder.encode_texts(["blue"])[0]) - 0.25
        assert corrected[key(name)] == pytest.approx(plain[key(name)] - 0.5 * hot, abs=1e-6)


def test_nothing_is_indexed():
    """An empty collection has no hits."""
    retriever = retriever_of(ColourEncoder(), ExactIndex(4), ExactIndex(4))
    (found,) = retriever.search_batch([RetrievalQuery("red", 5, Rating.R)])
    assert (found.signals, found.count) == ((), 0)


def test_hubs_are_standardised_by_corrected_scores():
    """With a query bank, the statistics are those of the corrected similarities, so that standardised scores have a
    deviation of 1 over the GIFs, whatever the bank takes off."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(300, 4)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    similarity = Similarity(QueryBank(np.eye(4, dtype=np.float32)[:1], 0.0), 2.0)
    pictures = CorrectedIndex(ExactIndex(4 + EXTRA), similarity.correction)
    keys = [key(f"{row:03}") for row in range(len(rows))]
    pictures.add(keys, rows, [Rating.G] * len(keys))
    (found,) = retriever_of(ColourEncoder(), pictures, ExactIndex(4), similarity).search_batch(
        [RetrievalQuery("blue", len(keys), Rating.R)]
    )
    standardised = [found.visual.standardise(one.visual) for one in found.signals]
    assert np.mean(standardised) == pytest.approx(0.0, abs=1e-3)
    assert np.std(standardised) == pytest.approx(1.0, abs=1e-3)


def test_words_find_what_vectors_miss(indexes):
    """A GIF whose title has the query's words is among the hits, with its shares, however far its vectors are; demands
    are kept."""
    encoder, pictures, texts = indexes
    lexical = LexicalIndex()
    lexical.add({key("red"): ["work week"], key("blue"): ["a sad day"]}, {key("red"): Rating.R, key("blue"): Rating.G})
    find = retriever_of(encoder, pictures, texts, lexical=lexical).search_batch
    signals = {one.key: one for one in find([RetrievalQuery("work week", 1, Rating.R)])[0].signals}
    assert (signals[key("red")].words, signals[key("red")].trigrams) == (1.0, 1.0)
    assert key("red") not in {one.key for one in find([RetrievalQuery("work week", 1, Rating.PG)])[0].signals}
    asked = parse_query("blue -sad")
    assert key("blue") not in {one.key for one in find([RetrievalQuery(asked.text, 3, Rating.R, asked)])[0].signals}


def test_reactions_of_hits(indexes):
    """GIFs whose texts, the words in them included, show the reaction that the query asks for have it as evidence; each
    query of a batch has its own."""
    _, pictures, texts = indexes
    lexical = LexicalIndex()
    ratings = {key(name): Rating.G for name in COLOURS}
    lexical.add({key("red"): ["sorry"], key("blue"): ["a blue cube"]}, ratings)
    lexical.add_captions({key("green"): "YOU WIN"}, ratings)
    reader = ReactionReader(keyword_head(), keywords, compare=True)
    collection = Collection(pictures, texts, lexical, ())
    find = Retriever(ReactingEncoder(), collection, UNFITTED, NO_BANK, reactions=reader).search_batch
    found = find([RetrievalQuery(text, 3, Rating.R) for text in ("when we win", "so sorry", "a red thing")])
    shown = [[one.key for one in each.signals if one.reaction > 0.5] for each in found]
    assert shown == [[key("green")], [key("red")], []]
    assert [round(each.reaction.is_reaction) for each in found] == [1, 1, 0]


def test_no_reactions_without_a_head(indexes):
    """A model that does not read reactions gives none."""
    (found,) = retriever_of(*indexes).search_batch([RetrievalQuery("when we win", 3, Rating.R)])
    assert found.reaction is None
    assert {one.reaction for one in found.signals} == {0.0}

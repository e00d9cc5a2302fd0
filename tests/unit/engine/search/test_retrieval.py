"""Many queries at once find what each finds alone."""

import numpy as np
import pytest

from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.search.ranking_model import QueryBank
from deepgif.engine.search.retrieval import RetrievalQuery, Similarity, finder
from deepgif.engine.types import GifKey, Rating
from tests.fakes.encoder import COLOURS, ColourEncoder

NO_BANK = Similarity(QueryBank(np.zeros((0, 4), np.float32), 0.0), 0.0)


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
    find = finder(*indexes, NO_BANK)
    queries = [
        RetrievalQuery("blue", 1, Rating.R),
        RetrievalQuery("blue", 2, Rating.G),
        RetrievalQuery("something red", 3, Rating.R),
        RetrievalQuery("green", 1, Rating.PG),
    ]
    together = find(queries)
    assert [found.understood for found in together] == [1, 1, 0.5, 1]
    assert [found.count for found in together] == [3, 2, 3, 2]
    assert key("blue") not in {one.key for one in together[1].evidence}
    for query, found in zip(queries, together, strict=True):
        (alone,) = find([query])
        assert {one.key for one in alone.evidence} <= {one.key for one in found.evidence}
        np.testing.assert_array_equal(found.vector, alone.vector)


def test_both_likenesses_of_all_that_either_finds(indexes):
    """What is near by its text has its likeness of pixels with it, and the other way round; no text is None."""
    encoder, pictures, texts = indexes
    (found,) = finder(encoder, pictures, texts, NO_BANK)([RetrievalQuery("blue", 1, Rating.R)])
    evidence = {one.key: one for one in found.evidence}
    assert set(evidence) == {key("blue"), key("green")}  # the nearest picture, and the nearest text
    words = encoder.encode_texts(["blue"])[0]
    assert evidence[key("blue")].visual == pytest.approx(1.0)
    assert evidence[key("blue")].text is None
    assert evidence[key("green")].text == pytest.approx(1.0)
    assert evidence[key("green")].visual == pytest.approx(float(encoder.encode_texts(["green"])[0] @ words))
    assert (found.visual.mean, found.text.mean) == pytest.approx((0.34, 0.5), abs=0.05)


def test_what_is_near_to_every_query_is_worth_less(indexes):
    """The hotness of a GIF is its mean likeness to the nearest queries of the bank, compared with what is usual."""
    encoder, pictures, texts = indexes
    bank = QueryBank(encoder.encode_texts(["blue"] * 3), usual=0.25)
    plain, corrected = (
        {
            one.key: one.visual
            for one in finder(encoder, pictures, texts, likeness)([RetrievalQuery("red", 3, Rating.R)])[0].evidence
        }
        for likeness in (NO_BANK, Similarity(bank, 0.5))
    )
    for name in COLOURS:
        hot = float(encoder.encode_texts([name])[0] @ encoder.encode_texts(["blue"])[0]) - 0.25
        assert corrected[key(name)] == pytest.approx(plain[key(name)] - 0.5 * hot, abs=1e-6)


def test_nothing_is_known():
    """An empty library finds nothing, and has nothing to compare with."""
    (found,) = finder(ColourEncoder(), ExactIndex(4), ExactIndex(4), NO_BANK)([RetrievalQuery("red", 5, Rating.R)])
    assert (found.evidence, found.count) == ((), 0)

"""The reaction head against torch, and what holds for whatever text and weights."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from deepgif.models.networks.reaction import (
    CLASSES,
    LITERAL,
    REACTIONS,
    ReactionHead,
    agreement,
    gif_probabilities,
    search_term,
)
from deepgif.models.preprocess.ngrams import hashed_ngrams

WIDTH, BUCKETS = 16, 64
TOLERANCE = 1e-5

texts = st.lists(st.text(max_size=30), max_size=6)
distributions = arrays(np.float32, (4, len(REACTIONS)), elements=st.floats(0, 1, width=32)).map(
    lambda values: values / np.maximum(values.sum(axis=1, keepdims=True), 1)
)


@pytest.fixture(scope="module")
def head():
    rng = np.random.default_rng(0)
    sizes = ((WIDTH, len(CLASSES)), (BUCKETS, len(CLASSES)), (len(CLASSES),))
    return ReactionHead(*(rng.normal(size=size).astype(np.float32) for size in sizes))


def encode(given):
    """A unit vector that depends on the text alone."""
    vectors = [np.random.default_rng(list(text.encode("utf-8", "surrogatepass"))).normal(size=WIDTH) for text in given]
    rows = np.array(vectors, np.float32).reshape(-1, WIDTH)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_equals_torch(head):
    """The softmax of a linear layer over sentence vectors beside dense hashed n-grams."""
    given = ["when the build passes", "?", "👍🏽 yes!!", "a dog runs on a beach"]
    dense = torch.zeros(len(given), BUCKETS)
    for row, text in zip(dense, given, strict=True):
        found, values = hashed_ngrams(text, BUCKETS)
        row[found] = torch.from_numpy(values)
    layer = torch.nn.Linear(WIDTH + BUCKETS, len(CLASSES))
    layer.weight.data = torch.from_numpy(np.concatenate([head.sentence, head.ngrams])).T
    layer.bias.data = torch.from_numpy(head.bias)
    with torch.inference_mode():
        expected = layer(torch.cat([torch.from_numpy(encode(given)), dense], dim=1)).softmax(dim=1).numpy()
    scores = head.predict(encode(given), given)
    np.testing.assert_allclose(scores.probabilities, expected[:, : len(REACTIONS)], atol=TOLERANCE)
    np.testing.assert_allclose(scores.is_reaction, 1 - expected[:, CLASSES.index(LITERAL)], atol=TOLERANCE)


@given(texts)
def test_probabilities(head, given):
    """In [0, 1] and float32; the kinds' sum is at most the probability of a reaction; twice the same."""
    scores = head.predict(encode(given), given)
    assert scores.probabilities.shape == (len(given), len(REACTIONS))
    assert scores.is_reaction.shape == (len(given),)
    for values in (scores.probabilities, scores.is_reaction):
        assert values.dtype == np.float32
        assert ((values >= 0) & (values <= 1)).all()
    assert (scores.probabilities.sum(axis=1) <= scores.is_reaction + TOLERANCE).all()
    np.testing.assert_array_equal(scores.probabilities, head.predict(encode(given), given).probabilities)


@given(texts)
def test_batch_equals_single(head, given):
    """No text changes what another is read as."""
    batch = head.predict(encode(given), given)
    for place, text in enumerate(given):
        single = head.predict(encode([text]), [text])
        np.testing.assert_allclose(batch.probabilities[place], single.probabilities[0], atol=TOLERANCE)
        np.testing.assert_allclose(batch.is_reaction[place], single.is_reaction[0], atol=TOLERANCE)


def test_without_ngrams(head):
    """A head may read sentence vectors alone."""
    plain = ReactionHead(head.sentence, np.zeros((0, len(CLASSES)), np.float32), head.bias)
    one, other = (plain.predict(encode(["same"]), [text]).probabilities for text in ("yes", "no"))
    np.testing.assert_array_equal(one, other)


def test_blank_text_asks_for_nothing(head):
    """Neither for a reaction nor for anything else."""
    scores = head.predict(encode(["", " \n"]), ["", " \n"])
    assert not scores.probabilities.any()
    assert not scores.is_reaction.any()


def test_extreme_logits(head):
    """Large weights give certainty, not NaN."""
    loud = ReactionHead(1000 * head.sentence, 1000 * head.ngrams, head.bias)
    assert np.isfinite(loud.predict(encode(["hug"]), ["hug"]).probabilities).all()


def test_a_gif_is_the_mean_of_its_texts(head):
    """Kind by kind, blank texts left out; nothing for a GIF without text."""
    gifs = [["oh no", "", "a man falls"], [], ["  "], ["hug"]]
    pooled = gif_probabilities(head, encode, gifs)
    one, two, three = (
        head.predict(encode([text]), [text]).probabilities[0] for text in ("oh no", "a man falls", "hug")
    )
    expected = [(one + two) / 2, np.zeros(len(REACTIONS)), np.zeros(len(REACTIONS)), three]
    np.testing.assert_allclose(pooled, expected, atol=TOLERANCE)
    assert gif_probabilities(head, encode, []).shape == (0, len(REACTIONS))


@given(distributions)
def test_agreement_is_in_range_and_symmetric(rows):
    """In [0, 1], and the same from both sides."""
    query, *gifs = rows
    scores = agreement(query, np.array(gifs))
    assert ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_allclose(scores, [agreement(gif, query[None])[0] for gif in gifs], atol=TOLERANCE)


def test_agreement_tells_kinds_apart():
    """1 for the same kind, 0 for another, and little for a query that is hardly a reaction."""
    kinds = np.eye(len(REACTIONS), dtype=np.float32)
    assert agreement(kinds[0], kinds[:2]).tolist() == [1, 0]
    assert agreement(0.01 * kinds[0], kinds[:1])[0] <= 0.01
    assert agreement(kinds[0], kinds[:0]).shape == (0,)


def test_search_terms():
    """Each of the 43 kinds has one of its own."""
    terms = [search_term(reaction) for reaction in REACTIONS]
    assert len(set(terms)) == 43
    assert search_term("happy_dance") == "happy dance"
    with pytest.raises(KeyError):
        search_term(LITERAL)

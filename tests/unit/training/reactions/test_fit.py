"""Fitting the reaction head, on sentence vectors that are easily told apart."""

import numpy as np
import pytest

from deepgif.models.networks.reaction import CLASSES, LITERAL, REACTIONS
from deepgif.training.reactions.data import Labelled
from deepgif.training.reactions.fit import Examples, FitOptions, fit
from deepgif.training.reactions.measure import measure
from deepgif.training.reactions.train import BATCH, batched

OPTIONS = FitOptions(buckets=64, iterations=50)
TEXTS = ("yay", "oh well", "a cat on a roof", "woohoo", "what can you do", "a train in the snow")
KINDS = ("win", "shrug", LITERAL) * 2


def one_hot(names):
    return np.eye(len(CLASSES), dtype=np.float32)[[CLASSES.index(name) for name in names]]


def encode(texts):
    """A vector for each kind."""
    places = [TEXTS.index(text) % 3 for text in texts]
    return np.eye(4, dtype=np.float32)[places]


@pytest.fixture(scope="module")
def phrases():
    return Labelled(TEXTS, one_hot(KINDS))


def test_learns_the_phrases(phrases):
    """All are read right, by their vectors or by their n-grams alone."""
    by_vectors = fit(Examples(phrases, encode(TEXTS)), None, FitOptions(buckets=0))
    figures = measure(by_vectors, encode, phrases)
    assert (figures.top1, figures.literal, figures.reaction) == (100, 100, 100)
    assert len(by_vectors.ngrams) == 0
    blank = lambda texts: np.zeros((len(texts), 4), np.float32)  # noqa: E731
    by_ngrams = fit(Examples(phrases, blank(TEXTS)), None, OPTIONS)
    assert measure(by_ngrams, blank, phrases).top1 == 100


def test_deterministic(phrases):
    """The same data gives the same head."""
    one, other = (fit(Examples(phrases, encode(TEXTS)), None, OPTIONS) for _ in range(2))
    np.testing.assert_array_equal(one.sentence, other.sentence)
    np.testing.assert_array_equal(one.ngrams, other.ngrams)


def test_comments_move_the_head(phrases):
    """A vector that no phrase has is read as a reaction that answers to its comments' emotions."""
    vectors = np.eye(4, dtype=np.float32)[[3] * 5]
    emotions = np.repeat(0.5 * one_hot(["hug"]) + 0.5 * one_hot(["sorry"]), 5, axis=0)
    comments = Examples(Labelled(("...",) * 5, emotions), vectors)
    options = FitOptions(buckets=0, comments=1.0)
    head = fit(Examples(phrases, encode(TEXTS)), comments, options)
    scores = head.predict(vectors[:1], ["..."]).probabilities[0]
    assert {REACTIONS[place] for place in np.argsort(-scores)[:2]} == {"hug", "sorry"}


def test_measure_counts_what_fits():
    """Top 1 and top 3 count phrases of a kind only; a phrase of several kinds is right with any of them."""
    phrases = Labelled(
        ("yay", "a cat on a roof"), np.array([one_hot(["win", "hug"]).mean(axis=0), one_hot([LITERAL])[0]])
    )
    head = fit(Examples(Labelled(TEXTS, one_hot(KINDS)), encode(TEXTS)), None, FitOptions(buckets=0))
    figures = measure(head, encode, phrases)
    assert (figures.top1, figures.top3, figures.balanced) == (100, 100, 100)
    wrong = Labelled(("yay", "oh well"), one_hot(["sorry", LITERAL]))
    figures = measure(head, encode, wrong)
    assert (figures.top1, figures.literal, figures.reaction) == (0, 0, 100)


def test_batches_keep_the_order():
    """Texts are encoded by length, and come back in their own order."""
    texts = ["x" * (place * 7 % 300) for place in range(2 * BATCH + 3)]
    sizes = []

    def lengths(batch):
        sizes.append(len(batch))
        return np.array([[len(text)] for text in batch], np.float32).reshape(-1, 1)

    assert batched(lengths)(texts)[:, 0].tolist() == [len(text) for text in texts]
    assert max(sizes) == BATCH
    assert batched(lengths)([]).shape == (0, 1)

"""Reactions of queries and GIFs, with a head that knows two of them by single words."""

import numpy as np
import pytest

from deepgif.engine.search.reactions import QueryReaction, ReactionReader
from deepgif.models.networks.reaction import REACTIONS, gif_probabilities
from tests.fakes.reactions import keyword_head, keywords


class Counting:
    """Sentence vectors, and which texts they were computed for."""

    def __init__(self):
        self.texts = []

    def __call__(self, texts):
        self.texts += texts
        return keywords(texts)


def reader_of(encode, **options):
    return ReactionReader(keyword_head(), encode, **{"compare": True} | options)


GIFS = [["They won", "champions win"], ["Sorry GIF", "", "win"], ["a red cube"], []]


def test_evidence_is_the_agreement_with_each_gif():
    """More for a GIF all of whose texts show the reaction than for one of two; next to nothing for a scene."""
    reader = reader_of(keywords)
    (asked,) = reader.queries(["when we win"], keywords(["when we win"]))
    both, mixed, scene, nothing = reader.evidence(asked, [["win", "a win"], *GIFS[1:]]).tolist()
    assert both > 0.8
    assert 0.4 < mixed < 0.6
    assert scene < 0.01
    assert nothing == 0.0
    pooled = gif_probabilities(keyword_head(), keywords, GIFS)
    expected = asked.is_reaction * pooled @ asked.probabilities
    np.testing.assert_allclose(reader.evidence(asked, GIFS), expected, atol=2e-3)  # cached as float16


def test_a_scene_agrees_with_nothing():
    """What asks for no reaction gives no evidence, whatever GIFs show."""
    reader = reader_of(keywords)
    (scene,) = reader.queries(["a red cube"], keywords(["a red cube"]))
    assert scene.is_reaction < 0.1
    assert reader.evidence(scene, GIFS).max() < 0.01
    assert reader.evidence(None, GIFS).tolist() == [0.0] * len(GIFS)


def test_texts_are_read_once():
    """Shared texts are read once, blank ones never, cached ones not again; the least recently used go first."""
    encode = Counting()
    reader = reader_of(encode, cached=3)
    (asked,) = reader.queries(["win"], keywords(["win"]))
    reader.evidence(asked, [["a", "b", " "], ["b", "c"]])
    assert sorted(encode.texts) == ["a", "b", "c"]
    first = reader.evidence(asked, [["a", "b", "c"]])
    reader.evidence(asked, [["a"]])
    assert len(encode.texts) == 3
    reader.evidence(asked, [["d", "e"]])
    encode.texts.clear()
    np.testing.assert_array_equal(reader.evidence(asked, [["a", "b", "c"]]), first)
    assert sorted(encode.texts) == ["b", "c"]


def test_gifs_are_not_read_where_agreement_has_no_weight():
    """Only the query is read."""
    encode = Counting()
    reader = reader_of(encode, compare=False)
    (asked,) = reader.queries(["win"], keywords(["win"]))
    assert reader.evidence(asked, GIFS).tolist() == [0.0] * len(GIFS)
    assert encode.texts == []


@pytest.mark.parametrize(
    ("query", "is_reaction", "term"),
    [
        ("when the build passes", 0.9, "shaking my head"),
        ("when the build passes", 0.5, "shaking my head"),
        ("when the build passes", 0.49, None),
        ("build passes", 0.9, None),
        ("Shaking my head", 0.9, None),
    ],
)
def test_search_terms(query, is_reaction, term):
    """Only for sentences that ask for a reaction, and only if it says something else."""
    probabilities = np.zeros(len(REACTIONS), np.float32)
    probabilities[REACTIONS.index("smh")] = 0.4
    assert QueryReaction(probabilities, is_reaction).term_for(query) == term

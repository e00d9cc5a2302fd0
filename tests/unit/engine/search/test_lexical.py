"""Lexical evidence of a GIF's texts for a query."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.index.lexical import Frequencies
from deepgif.engine.index.words import stems_of
from deepgif.engine.search.lexical import EXACT, MISSPELT, TRIGRAMS, WORDS, lexical_evidence

DOCUMENTS = (
    ("mind blown",),
    ("adventure time unacceptable", "a boy shouts"),
    ("happy birthday", "cake"),
    ("not my problem",),
    (),
)


@pytest.fixture
def frequencies():
    made = Frequencies()
    for texts in DOCUMENTS:
        made.add(stems_of(texts))
    return made


@pytest.mark.parametrize(
    ("query", "row"), [("mind blown", 0), ("mindblown", 0), ("Happy Birthday!", 2), ("not my problem", 3)]
)
def test_the_exact_title(frequencies, query, row):
    """Its title gives a GIF all three shares in full, however it is spaced, and no other GIF comes near."""
    evidence = lexical_evidence(query, DOCUMENTS, frequencies)
    assert evidence[row, TRIGRAMS:] == pytest.approx([1, 1])
    assert (np.delete(evidence, row, axis=0).sum(axis=1) < evidence[row].sum() / 2).all()


def test_misspelt_and_split(frequencies):
    """A typo counts nearly as much as the word, and a compound as much as its parts."""
    typo, split = (lexical_evidence(query, DOCUMENTS, frequencies)[2] for query in ("hapy brithday", "birth day"))
    assert typo[WORDS] == pytest.approx(MISSPELT)
    assert 0.5 < typo[TRIGRAMS] < 1
    assert split[WORDS] == pytest.approx(1)


def test_rare_words_count_more():
    """Of two words, the one that fewer texts have is worth more."""
    documents = (("party",), ("the",), *((f"the {number}",) for number in range(20)))
    frequencies = Frequencies()
    for texts in documents:
        frequencies.add(stems_of(texts))
    evidence = lexical_evidence("the party", documents, frequencies)
    assert evidence[0, WORDS] > 0.8 > 0.2 > evidence[1, WORDS]


@given(st.text(max_size=40), st.lists(st.lists(st.text(max_size=30), max_size=3), max_size=4))
def test_shares_stay_within_bounds(query, documents):
    """Each share is in [0, 1]; no text at all gives none; a GIF's evidence does not depend on the others'."""
    frequencies = Frequencies()
    evidence = lexical_evidence(query, documents, frequencies)
    assert evidence.shape == (len(documents), 3)
    assert ((evidence >= 0) & (evidence <= 1 + 1e-6)).all()
    for row, texts in enumerate(documents):
        np.testing.assert_array_equal(evidence[row], lexical_evidence(query, [texts], frequencies)[0])
        if not any(texts):
            assert not evidence[row].any()


@given(st.text(alphabet="abcdefg ", min_size=1, max_size=20))
def test_a_text_is_its_own_best_match(text):
    """Every query that has words fits itself exactly."""
    evidence = lexical_evidence(text, [[text]], Frequencies())[0]
    assert evidence[EXACT] == pytest.approx(1 if text.strip() else 0)

"""Hashed n-grams: what they tell apart, and that they are the same everywhere."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from deepgif.models.preprocess.ngrams import MAX_CHARACTERS, hashed_ngrams, ngrams

texts = st.text(st.characters(), max_size=60)


def test_words_pairs_and_letter_groups():
    """Every word counts as a whole, with its neighbour, and by its groups of 3 to 5 letters."""
    assert ngrams("so cute") == {
        *("word so", "word cute", "pair so cute"),
        *(" so", "so ", " so "),
        *(" cu", "cut", "ute", "te ", " cut", "cute", "ute ", " cute", "cute "),
    }


def test_what_makes_no_difference():
    """Case, skin tones, variation selectors, and how often a letter is repeated."""
    assert ngrams("NOOOOO") == ngrams("nooo")
    assert ngrams("👍🏽") == ngrams("👍")
    assert ngrams("❤️") == ngrams("❤")


def test_signs_are_read():
    """Emoticons and emoji are words too."""
    assert "pair < 3" in ngrams("<3")
    assert "word 🤷" in ngrams("well 🤷")


def test_misspelt_words_share_letter_groups():
    """That is what carries a word nobody has seen."""
    assert len(ngrams("facpalm") & ngrams("facepalm")) >= 5


def test_same_buckets_on_every_machine():
    """A head's weights belong to these buckets: they must never change."""
    found, values = hashed_ngrams("smh", 4096)
    assert found.tolist() == [6, 796, 923, 2082, 2426, 2731, 3711]
    np.testing.assert_allclose(values, 1 / np.sqrt(7), rtol=1e-6)


@given(texts, st.integers(1, 5000))
def test_sparse_unit_vectors(text, buckets):
    """Ascending buckets in range, values of norm 1; nothing for a text without anything to read."""
    found, values = hashed_ngrams(text, buckets)
    assert len(found) == len(values)
    assert (np.diff(found) > 0).all()
    assert ((found >= 0) & (found < buckets)).all()
    assert np.isclose(np.linalg.norm(values), 1 if ngrams(text) else 0, atol=1e-5)


def test_long_texts_are_cut():
    """So that a hostile text costs no more than a long one."""
    assert ngrams("a" * 5 + " b" * 10**6) == ngrams("a" * 5 + " b" * MAX_CHARACTERS)
    assert "word end" not in ngrams("x " * MAX_CHARACTERS + "end")

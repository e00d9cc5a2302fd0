"""The subword vocabulary: every text has pieces, and cutting them finer spells the same."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.models.networks.sentence import to_pieces
from deepgif.training.small.vocabulary import BYTES, PADDING, MergeUndoing, learn_vocabulary

TEXTS = ["the cat runs", "the dog runs", "the cats are running there", "there they are"] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return learn_vocabulary(TEXTS, 330)


def spelled(tokenizer, pieces):
    return "".join(tokenizer.id_to_token(piece) for piece in pieces)


def test_padding_and_bytes_come_first(tokenizer):
    """Piece 0 is padding, then come the 256 bytes; what is frequent is one piece."""
    assert [tokenizer.id_to_token(index) for index in range(257)] == [PADDING, *BYTES]
    assert tokenizer.encode("the cat").tokens == ["▁the", "▁cat"]


@given(st.text(max_size=60))
def test_any_text_has_pieces(tokenizer, text):
    """No text is left without pieces, and none has one that is unknown."""
    (pieces,) = to_pieces(tokenizer, [text])
    assert pieces
    assert all(0 <= piece < tokenizer.get_vocab_size() for piece in pieces)


@given(st.lists(st.sampled_from([*TEXTS, "zzz", "ünïcode 🐱", "x"]), min_size=1), st.floats(0, 1), st.integers(0, 99))
def test_undoing_merges_spells_the_same(tokenizer, texts, share, seed):
    """Each text keeps its letters, and gets at least as many pieces."""
    pieces = to_pieces(tokenizer, texts)
    undone = MergeUndoing(tokenizer)(pieces, share, np.random.default_rng(seed))
    assert len(undone) == len(pieces)
    for before, after in zip(pieces, undone, strict=True):
        assert spelled(tokenizer, after) == spelled(tokenizer, before)
        assert len(after) >= len(before)


def test_how_much_is_undone(tokenizer):
    """Nothing at 0, everything at 1, a share in between, and the same again for the same seed."""
    undoing = MergeUndoing(tokenizer)
    pieces = to_pieces(tokenizer, ["the cat runs"] * 400)
    assert undoing(pieces, 0.0, np.random.default_rng(0)) == pieces
    whole = undoing(pieces, 1.0, np.random.default_rng(0))
    assert all(len(tokenizer.id_to_token(piece)) == 1 for piece in whole[0])
    some = undoing(pieces, 0.1, np.random.default_rng(0))
    assert some == undoing(pieces, 0.1, np.random.default_rng(0))
    changed = sum(before != after for before, after in zip(pieces, some, strict=True)) / len(pieces)
    assert changed == pytest.approx(1 - 0.9**3, abs=0.08)  # three pieces, each left alone with probability 0.9

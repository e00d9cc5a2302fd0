"""The sentence encoder against a step-by-step computation, and the texts people type."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from deepgif.models.bundles.load import BUNDLED
from deepgif.models.bundles.small import TOKENIZER
from deepgif.models.networks.sentence import MAX_PIECES, SentenceConfig, SentenceEncoder, pad, spell_out, to_pieces

SMALL = SentenceConfig(vocabulary=50, embedding=7, hidden=5)
TOLERANCE = 1e-5


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "weighted"])
def encoder(request):
    torch.manual_seed(0)
    encoder = SentenceEncoder(dataclasses.replace(SMALL, weighted=request.param)).eval()
    if request.param:
        torch.nn.init.normal_(encoder.piece_weight.weight)
        torch.nn.init.normal_(encoder.state_weight.weight)
    return encoder


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(BUNDLED / "small" / TOKENIZER))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru_states(inputs, weights, suffix):
    """The states of one direction, step by step (Cho et al. 2014; torch's order of gates: reset, update, new)."""
    w_ih, w_hh = weights[f"weight_ih_l0{suffix}"], weights[f"weight_hh_l0{suffix}"]
    b_ih, b_hh = weights[f"bias_ih_l0{suffix}"], weights[f"bias_hh_l0{suffix}"]
    hidden = w_hh.shape[1]
    state, states = np.zeros(hidden), []
    for x in inputs:
        i, h = w_ih @ x + b_ih, w_hh @ state + b_hh
        reset = sigmoid(i[:hidden] + h[:hidden])
        update = sigmoid(i[hidden : 2 * hidden] + h[hidden : 2 * hidden])
        new = np.tanh(i[2 * hidden :] + reset * h[2 * hidden :])
        state = (1 - update) * new + update * state
        states.append(state)
    return states


def by_hand(encoder, ids):
    """What the encoder must give for one text, in float64."""
    weights = {name: value.detach().double().numpy() for name, value in encoder.gru.named_parameters()}
    embedded = encoder.embedding.weight.detach().double().numpy()[ids]
    forward = gru_states(embedded, weights, "")
    backward = gru_states(embedded[::-1], weights, "_reverse")[::-1]
    states = np.concatenate([forward, backward], axis=1)
    shares = np.full(len(ids), 1 / len(ids))
    if encoder.config.weighted:
        piece = encoder.piece_weight.weight.detach().double().numpy()[ids, 0]
        scores = np.exp(piece + states @ encoder.state_weight.weight.detach().double().numpy()[0])
        shares = scores / scores.sum()
    pooled = np.concatenate([shares @ embedded, shares @ states, states.max(0)])
    output = encoder.output
    return output.weight.detach().double().numpy() @ pooled + output.bias.detach().double().numpy()


def test_equals_a_gru_computed_step_by_step(encoder):
    """Every text of a padded batch gets the vector that a numpy GRU gives it alone, within 1e-5."""
    texts = [[3, 4, 5, 6, 7, 8], [9], [10, 11, 12]]
    with torch.no_grad():
        vectors = encoder(*pad(texts)).numpy()
    for row, ids in zip(vectors, texts, strict=True):
        np.testing.assert_allclose(row, by_hand(encoder, ids), atol=TOLERANCE)


def test_the_order_of_words_matters(encoder):
    """The encoder is recurrent: the same words in another order give another vector."""
    with torch.no_grad():
        one, other = encoder(*pad([[3, 4, 5], [5, 4, 3]]))
    assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("plain words", "plain words"),
        ("🐱 asleep", " cat face  asleep"),
        ("❤️", " heavy black heart "),
        ("👨‍👩‍👧", " man  woman  girl "),
        ("кот", "кот"),
    ],
)
def test_emoji_are_spelt_out(text, spelt):
    """Every emoji becomes its Unicode name; joiners go; other text stays."""
    assert spell_out(text) == spelt


@given(st.lists(st.text(max_size=200), min_size=1, max_size=5))
def test_every_text_has_pieces(tokenizer_texts):
    """Any text at all becomes 1 to MAX_PIECES piece numbers within the vocabulary."""
    tokenizer = Tokenizer.from_file(str(BUNDLED / "small" / TOKENIZER))
    for pieces in to_pieces(tokenizer, tokenizer_texts):
        assert 1 <= len(pieces) <= MAX_PIECES
        assert all(0 <= piece < tokenizer.get_vocab_size() for piece in pieces)


def test_an_unseen_word_is_cut_into_learnt_parts(tokenizer):
    """A made-up word is more than bytes: it is read from parts that were learnt."""
    pieces = tokenizer.encode("catfluffing", add_special_tokens=False).tokens
    assert len(pieces) > 1
    assert not any(piece.startswith("<0x") for piece in pieces)


def test_case_and_accents_do_not_matter(tokenizer):
    """``CAFÉ`` and ``cafe`` are the same word."""
    assert to_pieces(tokenizer, ["CAFÉ"]) == to_pieces(tokenizer, ["cafe"])

"""Pairs of clips that differ in the order of their frames."""

import random
from itertools import pairwise

import numpy as np
import pytest

from deepgif.training.scenes.pair_moves import PAIR_MOVES
from deepgif.training.scenes.pair_words import PAIR_KINDS
from deepgif.training.scenes.pairs import (
    HELD_OUT_ACTORS,
    HELD_OUT_SETTINGS,
    LEARNT_ACTORS,
    LEARNT_SETTINGS,
    draw_pairs,
    render_pair,
    sentences,
)
from deepgif.training.scenes.stage import Glyphs


def test_pairs_are_spread_and_kept_apart():
    """Every kind as often as every other; what is held out shares no subject, setting or wording with the rest; the
    same seed gives the same pairs."""
    learnt, held_out = draw_pairs(220, 1, held_out=False), draw_pairs(220, 1, held_out=True)
    assert learnt == draw_pairs(220, 1, held_out=False) != draw_pairs(220, 2, held_out=False)
    for pairs in (learnt, held_out):
        assert all(sum(pair.kind is kind for pair in pairs) == 20 for kind in PAIR_KINDS)
        assert all(len(pair.actors) == pair.kind.nouns == len(set(pair.actors)) for pair in pairs)
    assert {actor for pair in learnt for actor in pair.actors} <= set(LEARNT_ACTORS)
    assert {actor for pair in held_out for actor in pair.actors} <= set(HELD_OUT_ACTORS)
    assert {pair.setting for pair in held_out} == set(HELD_OUT_SETTINGS)
    assert not set(LEARNT_ACTORS) & set(HELD_OUT_ACTORS)
    assert not set(LEARNT_SETTINGS) & set(HELD_OUT_SETTINGS)
    assert all(not set(kind.wordings) & set(kind.held_out) for kind in PAIR_KINDS)


@pytest.mark.parametrize("held_out", [False, True])
def test_sentences_tell_the_clips_apart(held_out):
    """The two sentences of a pair differ, and nothing is left to fill in; where nouns do not change places, both name
    the same ones."""
    rng = random.Random(0)
    for pair in draw_pairs(330, 3, held_out=held_out):
        forwards, backwards = sentences(pair, rng, held_out=held_out)
        assert forwards != backwards
        assert "{" not in forwards + backwards
        assert "  " not in forwards + backwards
        assert forwards == forwards.strip()
        if pair.kind.name == "one, then another":
            assert sorted(forwards.replace(",", "").split()) == sorted(backwards.replace(",", "").split())


def test_every_kind_is_drawn():
    """Each kind has its drawing, and wordings to learn from and to judge by."""
    assert set(PAIR_MOVES) == {kind.name for kind in PAIR_KINDS}
    assert all(kind.wordings and kind.held_out for kind in PAIR_KINDS)


@pytest.mark.parametrize("kind", PAIR_KINDS, ids=lambda kind: kind.name)
def test_clips_move(glyphs: Glyphs, kind) -> None:
    """The first and the last frame of every clip differ clearly, and the same pair gives the same pixels."""
    for pair in (pair for pair in draw_pairs(44, 5, held_out=False) if pair.kind is kind):
        clip = render_pair(pair, 64, 4, glyphs)
        assert clip.shape == (4, 64, 64, 3)
        assert clip.dtype == np.uint8
        assert np.abs(clip[0].astype(int) - clip[-1]).max() > 40
        assert np.array_equal(clip, render_pair(pair, 64, 4, Glyphs()))


def _place(frame, still):
    """Where a frame differs from what stands still: the mean column and row, and how much of it."""
    rows, columns = np.nonzero(np.abs(frame.astype(int) - still).max(axis=2) > 20)
    return columns.mean(), rows.mean(), len(rows)


@pytest.mark.parametrize(
    ("name", "what", "way"), [("left or right", 0, 1), ("up or down", 1, -1), ("nearer or farther", 2, 1)]
)
def test_forwards_is_what_the_words_say(glyphs: Glyphs, name, what, way):
    """Forwards means to the right, up (rows count down), and larger, in every step."""
    for pair in [pair for pair in draw_pairs(132, 5, held_out=False) if pair.kind.name == name][:6]:
        clip = render_pair(pair, 64, 5, glyphs)
        still = np.median(clip, axis=0) if what < 2 else np.where(True, clip[0], clip[0])
        places = [_place(frame, still)[what] for frame in (clip if what < 2 else clip[1:])]
        assert all((after - before) * way > 0 for before, after in pairwise(places))

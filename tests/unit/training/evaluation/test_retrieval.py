"""Recall and median rank against sorting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.training.evaluation.retrieval import clip_to_text, text_to_clip


def test_a_table_worked_out_by_hand():
    """Three texts, two clips: ranks 1, 2, 1 from the texts; ranks 1 and 2 from the clips."""
    clips = np.eye(2, dtype=np.float32)
    texts = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], np.float32)
    forward = text_to_clip(texts, clips, [0, 1, 1])
    assert forward.r1 == pytest.approx(200 / 3)
    assert (forward.r5, forward.r10, forward.median_rank) == (100, 100, 1)
    backward = clip_to_text(texts, clips, [0, 1, 0])
    assert (backward.r1, backward.median_rank) == (50, 1.5)


def test_ties_count_against_the_right_one():
    """A model that gives every pair the same score is last, not first."""
    ones = np.ones((12, 3), np.float32)
    assert text_to_clip(ones, ones, range(12)).median_rank == 12


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_equals_sorting(seed, count):
    """Both directions equal ranks found by sorting every row."""
    rng = np.random.default_rng(seed)
    clips = rng.normal(size=(count, 4)).astype(np.float32)
    owners = np.concatenate([np.arange(count), rng.integers(count, size=count)])
    texts = rng.normal(size=(len(owners), 4)).astype(np.float32)
    ranks = [list(np.argsort(-(clips @ text))).index(owner) + 1 for text, owner in zip(texts, owners, strict=True)]
    forward = text_to_clip(texts, clips, owners)
    assert forward.r5 == pytest.approx(np.mean(np.array(ranks) <= 5) * 100)
    assert forward.median_rank == np.median(ranks)
    best = [
        1 + min(i for i, t in enumerate(np.argsort(-(texts @ clip))) if owners[t] == c) for c, clip in enumerate(clips)
    ]
    assert clip_to_text(texts, clips, owners).median_rank == np.median(best)

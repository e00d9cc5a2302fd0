"""Scenes as pixels."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from deepgif.training.scenes.render import render
from deepgif.training.scenes.scene import Scene, objects_for
from deepgif.training.scenes.stage import FontMissingError, Glyphs
from deepgif.training.scenes.vocabulary import ACTIONS, SETTINGS, SUBJECTS, SUBJECTS_BY_NAME, Action, Setting

_SIZE = 64


def _scene_of(action: Action) -> Scene:
    subject = next(subject for subject in SUBJECTS if subject.kind in action.kinds)
    return Scene(subject, action, objects_for(subject, action)[0], SETTINGS[0])


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_action_moves(glyphs: Glyphs, action: Action) -> None:
    """Each action has the stated shape, moves over its frames, and differs with the seed but not without."""
    scene = _scene_of(action)
    clip = render(scene, _SIZE, 4, glyphs, seed=1)
    assert clip.shape == (4, _SIZE, _SIZE, 3)
    assert clip.dtype == np.uint8
    for before, after in pairwise(clip):
        assert np.abs(before.astype(int) - after).max() > 40
    assert np.array_equal(clip, render(scene, _SIZE, 4, Glyphs(), seed=1))
    assert not np.array_equal(clip, render(scene, _SIZE, 4, glyphs, seed=2))


def test_settings_look_different(glyphs: Glyphs) -> None:
    """No two settings share their colours."""
    bounce = next(action for action in ACTIONS if action.name == "bounces")

    def mean_colours(setting: Setting) -> NDArray[np.float64]:
        frame = render(Scene(SUBJECTS_BY_NAME["cat"], bounce, None, setting), _SIZE, 1, glyphs, seed=3)[0]
        quarters = frame.reshape(2, _SIZE // 2, 2, _SIZE // 2, 3).astype(np.float64)
        return np.ravel(quarters.mean(axis=(1, 3)))

    looks = [mean_colours(setting) for setting in SETTINGS]
    for i, one in enumerate(looks):
        for other in looks[:i]:
            assert np.abs(one - other).max() > 8


def test_subject_is_large(glyphs: Glyphs) -> None:
    """The subject takes at least a third of the picture's width at every moment of a quiet action."""
    quiet = next(action for action in ACTIONS if action.name == "falls in love")
    for seed in range(4):
        clip = render(Scene(SUBJECTS_BY_NAME["panda"], quiet, None, SETTINGS[0]), 96, 2, glyphs, seed)
        for frame in clip:
            dark = (frame.max(axis=2) < 90).any(axis=0)
            columns = np.flatnonzero(dark)
            assert columns[-1] - columns[0] > 96 / 3


def test_missing_font_says_what_to_install(tmp_path: Path) -> None:
    """Without the font there is one sentence that names the package."""
    with pytest.raises(FontMissingError, match="install the Debian package fonts-noto-color-emoji"):
        Glyphs(tmp_path / "none.ttf")

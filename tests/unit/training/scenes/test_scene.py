"""Scenes and how they are put into words."""

import random

import pytest

from deepgif.training.scenes.scene import (
    SETTINGS,
    Scene,
    all_scenes,
    describe,
    objects_for,
    sample_scenes,
    title,
)
from deepgif.training.scenes.vocabulary import ACTIONS, SUBJECTS_BY_NAME

_ACTIONS = {action.name: action for action in ACTIONS}
_SETTINGS = {setting.name: setting for setting in SETTINGS}


def _scene(subject: str, action: str, second: str, setting: str) -> Scene:
    return Scene(SUBJECTS_BY_NAME[subject], _ACTIONS[action], SUBJECTS_BY_NAME.get(second), _SETTINGS[setting])


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (_scene("cat", "jumps over", "fire", "plain"), "A cat jumps over a fire"),
        (_scene("rocket", "takes off", "", "night"), "A rocket takes off at night"),
        (_scene("owl", "rides", "elephant", "city"), "An owl rides an elephant in the city"),
        (_scene("Santa Claus", "eats", "sushi", "stage"), "Santa Claus eats sushi on a stage"),
    ],
)
def test_title(scene: Scene, expected: str) -> None:
    """Titles are correct English sentences."""
    assert title(scene) == expected


def test_titles_are_unique() -> None:
    """Different scenes have different titles."""
    titles = [title(scene) for scene in all_scenes() if scene.setting.name in {"plain", "night"}]
    assert len(titles) > 10_000
    assert len(set(titles)) == len(titles)


def test_descriptions_use_both_vocabularies_and_vary() -> None:
    """What is learnt from holds the title's words and others, in many forms."""
    rng = random.Random(4)
    scene = _scene("cat", "jumps over", "fire", "night")
    texts = {describe(scene, rng) for _ in range(400)}
    assert len(texts) > 150
    words = set(" ".join(texts).lower().split())
    assert {"cat", "kitty", "jumping", "leaps", "fire", "blaze", "night", "stars", "gif"} <= words
    assert all("{" not in text and "  " not in text and text == text.strip() for text in texts)


def test_nothing_meets_its_like() -> None:
    """A second noun never shares a word with the subject."""
    for name in ("cat", "dog", "unicorn", "car"):
        subject = SUBJECTS_BY_NAME[name]
        assert subject not in objects_for(subject, _ACTIONS["chases"])
    assert objects_for(SUBJECTS_BY_NAME["cat"], _ACTIONS["spins"]) == (None,)


def test_samples_are_different() -> None:
    """Sampled scenes are unique."""
    assert len(set(sample_scenes(random.Random(5), 1500))) == 1500


def test_sampling_gives_up_where_there_is_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where too few are left, sampling ends with an error instead of going on for ever."""
    only = _scene("cat", "spins", "", "night")
    monkeypatch.setattr("deepgif.training.scenes.scene.random_scene", lambda rng: only)
    with pytest.raises(ValueError, match="only 1 of 3"):
        sample_scenes(random.Random(6), 3)

"""Scenes and how they are put into words."""

import random
from itertools import islice

import pytest

from deepgif.training.scenes.catalogue import is_shipped_combination, shipped_scenes
from deepgif.training.scenes.grammar import content_stems
from deepgif.training.scenes.scene import (
    SETTINGS,
    Scene,
    all_scenes,
    alt_text,
    describe,
    objects_for,
    paraphrase,
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


def test_alt_text_adds_what_is_seen() -> None:
    """The alt text holds the title, the action's look and the background."""
    scene = _scene("cat", "falls in love", "", "night")
    text = alt_text(scene)
    assert text.startswith(title(scene))
    assert scene.action.scenery in text
    assert scene.setting.scenery in text


def test_titles_are_unique() -> None:
    """Different scenes have different titles."""
    titles = [title(scene) for scene in all_scenes() if scene.setting.name in {"plain", "night"}]
    assert len(titles) > 10_000
    assert len(set(titles)) == len(titles)


def test_paraphrases_share_no_content_word_with_the_title() -> None:
    """Whoever searches in other words uses none of the title's, whatever the scene."""
    rng = random.Random(3)
    scenes = [*sample_scenes(rng, 2000, lambda scene: False), *islice(all_scenes(), 0, None, 301)]
    for scene in scenes:
        assert not content_stems(paraphrase(scene, rng)) & content_stems(title(scene)), title(scene)


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


def test_samples_are_different_and_leave_out_what_is_excluded() -> None:
    """Sampled scenes are unique, and none has a shipped combination; without the exclusion some have."""
    scenes = sample_scenes(random.Random(5), 1500, is_shipped_combination)
    assert len(set(scenes)) == 1500
    assert not any(is_shipped_combination(scene) for scene in scenes)
    shipped = {scene.names[:3] for scene in shipped_scenes()} | {
        (*scene.names[:2], scene.names[3]) for scene in shipped_scenes()
    }
    for scene in scenes:
        assert scene.names[:3] not in shipped
        assert (*scene.names[:2], scene.names[3]) not in shipped
    assert any(map(is_shipped_combination, sample_scenes(random.Random(5), 1500, lambda scene: False)))


def test_sampling_gives_up_where_there_is_nothing() -> None:
    """Where too little is left, sampling ends with an error instead of going on for ever."""
    with pytest.raises(ValueError, match="only 0 of 3"):
        sample_scenes(random.Random(6), 3, lambda scene: True)

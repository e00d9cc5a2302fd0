"""GIFs of the catalogue as pixels."""

from dataclasses import replace

import numpy as np
import pytest

from deepgif.training.scenes.chat.draw import draw
from deepgif.training.scenes.chat.effects import EFFECTS, Effect
from deepgif.training.scenes.chat.grounds import COLOURS, PATTERNS, SCENERY, ground
from deepgif.training.scenes.chat.lettering import Letters
from deepgif.training.scenes.chat.table import Actor, Bubble, Item
from deepgif.training.scenes.stage import Glyphs

EMPTY = Item("hug-cat", "hug", "Hug", "It hugs.", "kitty", ("hug",), "plain sky", ())
CAT = Actor(("🐱",), (("hop", 1.0, 0.0),), (0.5, 0.5), 0.5)


def test_what_moves_changes_and_the_rest_stays(glyphs: Glyphs, letters: Letters) -> None:
    """An emoji hops in the middle; the corners stay as they are."""
    clip = draw(replace(EMPTY, layers=(CAT,)), 64, 8, glyphs, letters)
    assert clip.shape == (8, 64, 64, 3)
    changes = (clip != clip[:1]).any(axis=(0, 3))
    assert changes[24:40, 24:40].any()
    assert not changes[:, :8].any()


def test_faces_follow_one_another(glyphs: Glyphs, letters: Letters) -> None:
    """Each for its share of the loop."""
    still = replace(CAT, faces=("😀", "😡"), motions=())
    clip = draw(replace(EMPTY, layers=(still,)), 48, 4, glyphs, letters)
    assert (clip[0] == clip[1]).all()
    assert (clip[2] == clip[3]).all()
    assert (clip[1] != clip[2]).any()


def test_words_are_drawn_where_they_belong(glyphs: Glyphs, letters: Letters) -> None:
    """A caption at the lower edge or the upper one, a bubble at its place, moving letters at theirs."""
    empty = draw(EMPTY, 96, 1, glyphs, letters)[0]

    def rows(**fields: object) -> tuple[float, float]:
        image = draw(replace(EMPTY, **fields), 96, 1, glyphs, letters)[0]  # type: ignore[arg-type]
        changed = np.flatnonzero((image != empty).any(axis=(1, 2)))
        return changed.min() / 96, changed.max() / 96

    assert rows(caption="Hugs")[0] > 0.7
    assert rows(caption="Hugs", caption_on_top=True)[1] < 0.3
    assert rows(bubble=Bubble("Hi", (0.6, 0.15), to_left=True))[1] < 0.4
    word = Actor(("HA",), (), (0.5, 0.2), 0.15, lettering=COLOURS["red"][0])
    assert rows(layers=(word,))[1] < 0.35


def test_long_captions_take_two_lines_and_stay_inside(letters: Letters) -> None:
    """Short ones take one."""
    assert letters.lines_of("Hugs", 192) == 1
    assert letters.lines_of("See you later, alligator", 192) == 2


@pytest.mark.parametrize("name", EFFECTS)
def test_every_effect_moves(name: str, glyphs: Glyphs, letters: Letters) -> None:
    """In the course of a loop."""
    item = replace(EMPTY, back="plain purple", layers=(Effect(name, ("⭐",), (0.5, 0.5), 0.2),))
    clip = draw(item, 48, 8, glyphs, letters)
    assert (clip != clip[:1]).any()


@pytest.mark.parametrize("name", [*(f"{pattern} blue" for pattern in PATTERNS), *SCENERY])
def test_grounds_are_the_same_each_time(name: str, glyphs: Glyphs) -> None:
    """Patterns and settings alike."""
    first, second = (np.asarray(ground(name, 48, glyphs)) for _ in range(2))
    assert (first == second).all()
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > (0 if name == "plain blue" else 1)

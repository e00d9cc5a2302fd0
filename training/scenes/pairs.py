"""Pairs of clips that differ in nothing but the order of their frames, and the words that tell them apart.

The second clip of a pair is the first one backwards, so whatever forgets the order of frames sees the same clip twice:
"a ball rolls to the right" and, backwards, "a ball rolls to the left". What faces one side faces the other in half of
all pairs. What is drawn is in ``deepgif.training.scenes.pair_moves``, what is said in
``deepgif.training.scenes.pair_words``.

To judge what was learnt, every fifth subject, every fourth setting and some wordings are kept apart (``held_out``).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgif.training.scenes.backdrops import backdrop
from deepgif.training.scenes.grammar import participle, with_article
from deepgif.training.scenes.pair_moves import PAIR_MOVES, Actor
from deepgif.training.scenes.pair_words import PAIR_KINDS, PairKind
from deepgif.training.scenes.settings import SETTINGS, Setting
from deepgif.training.scenes.stage import Colour, Glyphs, Stage
from deepgif.training.scenes.subjects import SUBJECTS, Kind

TURNING = "clockwise or anticlockwise"
_COLOURS: dict[str, Colour] = {
    "red": (220, 40, 50),
    "blue": (40, 90, 220),
    "green": (40, 160, 70),
    "yellow": (245, 205, 50),
    "black": (25, 25, 30),
    "white": (250, 250, 250),
    "orange": (245, 140, 40),
    "purple": (140, 60, 180),
}
_FORMS = ("ball", "square", "triangle")
_DRAWN = 0.3  # the share of pairs with a drawn form in place of an emoji
_SIGNS = frozenset({Kind.SIGN, Kind.GESTURE, Kind.FACE})  # named by what they mean, so seldom said to move
_SUBJECTLESS = ("the ", "a ", "it ", "day ", "morning ", "curtains ", "gates ", "lights ", "shutters ")


@dataclass(frozen=True, slots=True)
class Pair:
    """One clip and, backwards, another. ``seed`` varies what words do not say."""

    kind: PairKind
    actors: tuple[Actor, ...]
    setting: Setting
    seed: int


def _everyone() -> tuple[Actor, ...]:
    glyphs = [Actor(subject.name, emoji=subject.emoji) for subject in SUBJECTS if subject.kind not in _SIGNS]
    forms = [Actor(f"{name} {form}", form=form, colour=rgb) for form in _FORMS for name, rgb in _COLOURS.items()]
    return (*glyphs, *forms)


LEARNT_ACTORS = tuple(actor for i, actor in enumerate(_everyone()) if i % 5)
HELD_OUT_ACTORS = tuple(actor for i, actor in enumerate(_everyone()) if i % 5 == 0)
LEARNT_SETTINGS = tuple(setting for i, setting in enumerate(SETTINGS) if i % 4 != 1)
HELD_OUT_SETTINGS = tuple(setting for i, setting in enumerate(SETTINGS) if i % 4 == 1)


def draw_pairs(count: int, seed: int, *, held_out: bool) -> list[Pair]:
    """``count`` pairs, every kind as often as every other."""
    rng = random.Random(f"{seed} {held_out}")  # noqa: S311 - variety, not secrets
    actors = HELD_OUT_ACTORS if held_out else LEARNT_ACTORS
    settings = HELD_OUT_SETTINGS if held_out else LEARNT_SETTINGS
    forms = [actor for actor in actors if actor.form]
    glyphs = [actor for actor in actors if not actor.form]
    pairs = []
    for i in range(count):
        kind = PAIR_KINDS[i % len(PAIR_KINDS)]
        turning = kind.name == TURNING  # nothing that looks alike from all sides
        first = rng.choice(forms if rng.random() < _DRAWN and not turning else glyphs)
        second = rng.choice([actor for actor in rng.choice((forms, glyphs)) if actor != first])
        pairs.append(Pair(kind, (first, second)[: kind.nouns], rng.choice(settings), rng.randrange(1 << 30)))
    return pairs


def render_pair(pair: Pair, size: int, frames: int, glyphs: Glyphs) -> NDArray[np.uint8]:
    """(T, S, S, 3) RGB: the first clip of the pair, evenly spaced in time; ``[::-1]`` is the second."""
    rng = random.Random(pair.seed)  # noqa: S311
    still = backdrop(pair.setting.name, size, glyphs, rng, rng.random() < 0.5)
    draw = PAIR_MOVES[pair.kind.name](pair.actors, rng)
    clip = np.empty((frames, size, size, 3), np.uint8)
    for i in range(frames):
        stage = Stage(glyphs, still.copy())
        draw(stage, (i + 0.5) / frames)
        clip[i] = np.asarray(stage.image)
    return clip


def sentences(pair: Pair, rng: random.Random, *, held_out: bool) -> tuple[str, str]:
    """What is said of the first clip and of the second, in one of the wordings to learn from or of those kept apart:
    alike but for what tells the two apart."""
    wording = rng.choice(pair.kind.held_out if held_out else pair.kind.wordings)
    article, style, place = rng.choice(("a", "a", "the", "")), rng.choice(("verb", "ing")), ""
    if pair.setting.phrase and rng.random() < 0.3:
        place = rng.choice((pair.setting.phrase, *pair.setting.other_phrases))
    nouns = [_noun(actor, article, rng) for actor in pair.actors]
    return _sentence(wording.forwards, nouns, style, place), _sentence(wording.backwards, nouns, style, place)


def _noun(actor: Actor, article: str, rng: random.Random) -> str:
    """An emoji by its name; a drawn form with its colour or, at times, without."""
    name = actor.form if actor.form and rng.random() < 0.3 else actor.name
    return with_article(name) if article == "a" else f"{article} {name}".lstrip()


def _sentence(phrase: str, nouns: Sequence[str], style: str, place: str) -> str:
    if "{a}" in phrase:
        text = phrase.replace("{a}", nouns[0]).replace("{b}", nouns[-1])
    elif phrase.startswith(_SUBJECTLESS):
        text = phrase
    else:
        text = f"{nouns[0]} {phrase if style == 'verb' else participle(phrase)}"
    return f"{text} {place}".rstrip()

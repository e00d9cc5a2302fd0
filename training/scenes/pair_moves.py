"""What the clips of ``deepgif.training.scenes.pairs`` show: for each kind a function that makes, from the actors and
a random source, one that draws the moment p in [0, 1] of the clip as it runs forwards."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageEnhance

from deepgif.training.scenes.stage import Colour, Point, Stage


@dataclass(frozen=True, slots=True)
class Actor:
    """Who moves: an emoji (each code point a drawing of its own), or a form in a colour."""

    name: str
    emoji: str = ""
    form: str = ""
    colour: Colour = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class _Look:
    """One drawing of an actor, always facing the same side."""

    actor: Actor
    glyph: str
    flipped: bool

    def put(self, stage: Stage, at: Point, width: float, angle: float = 0.0, opacity: float = 1.0) -> None:
        if self.glyph:
            stage.put(self.glyph, at, width, angle, opacity, flipped=self.flipped)
            return
        before = stage.image.copy()
        (x, y), r = at, 0.42 * width
        if self.actor.form == "ball":
            stage.ellipse(at, (r, r), self.actor.colour)
        elif self.actor.form == "square":
            stage.box((x - r, y - r), (x + r, y + r), self.actor.colour)
        else:
            stage.polygon([(x - r, y + r), (x + r, y + r), (x, y - r)], self.actor.colour)
        if opacity < 1.0:
            stage.image.paste(Image.blend(before, stage.image, opacity))


Draw = Callable[[Stage, float], None]


def _looks(actors: Sequence[Actor], rng: random.Random) -> list[_Look]:
    return [_Look(actor, rng.choice(actor.emoji) if actor.emoji else "", rng.random() < 0.5) for actor in actors]


def _between(start: float, end: float, p: float) -> float:
    return start + (end - start) * p


def _across(actors: Sequence[Actor], rng: random.Random) -> Draw:
    look, width, y, bob = _looks(actors, rng)[0], rng.uniform(0.22, 0.5), rng.uniform(0.3, 0.75), rng.uniform(0, 0.04)
    start, end, turn = rng.uniform(0.0, 0.3), rng.uniform(0.7, 1.0), rng.choice((0.0, 0.0, 360.0))

    def draw(stage: Stage, p: float) -> None:
        at = (_between(start, end, p), y - bob * abs(math.sin(9 * p)))
        look.put(stage, at, width, angle=-turn * p)

    return draw


def _upwards(actors: Sequence[Actor], rng: random.Random) -> Draw:
    look, width, x = _looks(actors, rng)[0], rng.uniform(0.22, 0.5), rng.uniform(0.25, 0.75)
    start, end, sway = rng.uniform(0.7, 1.0), rng.uniform(0.0, 0.3), rng.uniform(0, 0.04)

    def draw(stage: Stage, p: float) -> None:
        look.put(stage, (x + sway * math.sin(7 * p), _between(start, end, p)), width)

    return draw


def _nearer(actors: Sequence[Actor], rng: random.Random) -> Draw:
    look, at = _looks(actors, rng)[0], (rng.uniform(0.35, 0.65), rng.uniform(0.4, 0.6))
    small, large = rng.uniform(0.08, 0.25), rng.uniform(0.6, 1.1)

    def draw(stage: Stage, p: float) -> None:
        look.put(stage, at, small * (large / small) ** p)

    return draw


def _clockwise(actors: Sequence[Actor], rng: random.Random) -> Draw:
    look, at, width = _looks(actors, rng)[0], (rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6)), rng.uniform(0.5, 0.8)
    whole = rng.uniform(90, 300)  # degrees; less than a turn, so that few frames tell which way
    start = 0.0 if rng.random() < 0.5 else rng.uniform(0, 360)

    def draw(stage: Stage, p: float) -> None:
        look.put(stage, at, width, angle=start - whole * p)

    return draw


def _appears(actors: Sequence[Actor], rng: random.Random) -> Draw:
    look, at, width = _looks(actors, rng)[0], (rng.uniform(0.3, 0.7), rng.uniform(0.4, 0.65)), rng.uniform(0.35, 0.6)
    moment, fade = rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.6)

    def draw(stage: Stage, p: float) -> None:
        opacity = min(1.0, max(0.0, (p - moment) / fade + 0.5))
        if opacity > 0:
            look.put(stage, at, width, opacity=opacity)

    return draw


def _enters(actors: Sequence[Actor], rng: random.Random) -> Draw:
    look, width, y = _looks(actors, rng)[0], rng.uniform(0.35, 0.55), rng.uniform(0.4, 0.7)
    outside, inside = rng.choice(((-0.25, 0.45), (1.25, 0.55)))
    arrival = rng.uniform(0.6, 1.0)

    def draw(stage: Stage, p: float) -> None:
        look.put(stage, (_between(outside, inside, min(1.0, p / arrival)), y), width)

    return draw


def _opens(actors: Sequence[Actor], rng: random.Random) -> Draw:
    look, at, width = _looks(actors, rng)[0], (0.5, rng.uniform(0.45, 0.65)), rng.uniform(0.4, 0.6)
    colour = rng.choice(((176, 24, 40), (120, 80, 50), (40, 60, 110), (90, 90, 96), (30, 110, 70)))
    shade = tuple(round(part * 0.8) for part in colour)

    def draw(stage: Stage, p: float) -> None:
        look.put(stage, at, width)
        leaf = 0.5 * (1.0 - p) + 0.02
        for i in range(4):
            left, right = leaf * i / 4, leaf * (i + 1) / 4
            fill = colour if i % 2 else (shade[0], shade[1], shade[2])
            stage.box((left, 0.0), (right, 1.0), fill)
            stage.box((1.0 - right, 0.0), (1.0 - left, 1.0), fill)

    return draw


def _brightens(actors: Sequence[Actor], rng: random.Random) -> Draw:
    look, at, width = _looks(actors, rng)[0], (rng.uniform(0.4, 0.6), rng.uniform(0.45, 0.65)), rng.uniform(0.4, 0.6)
    moment, fade, dark = rng.uniform(0.3, 0.7), rng.uniform(0.05, 0.6), rng.uniform(0.08, 0.25)

    def draw(stage: Stage, p: float) -> None:
        look.put(stage, at, width)
        light = _between(dark, 1.0, min(1.0, max(0.0, (p - moment) / fade + 0.5)))
        stage.image.paste(ImageEnhance.Brightness(stage.image).enhance(light))

    return draw


def _meets(actors: Sequence[Actor], rng: random.Random) -> Draw:
    looks, width, y = _looks(actors, rng), rng.uniform(0.28, 0.4), rng.uniform(0.4, 0.7)
    far, near, left_first = rng.uniform(0.38, 0.48), 0.4 * width, rng.random() < 0.5

    def draw(stage: Stage, p: float) -> None:
        apart = _between(far, near, p)
        for look, side in zip(looks if left_first else looks[::-1], (-1, 1), strict=True):
            look.put(stage, (0.5 + side * apart, y), width)

    return draw


def _becomes(actors: Sequence[Actor], rng: random.Random) -> Draw:
    first, second = _looks(actors, rng)
    at, width = (rng.uniform(0.4, 0.6), rng.uniform(0.4, 0.6)), rng.uniform(0.45, 0.75)
    moment, fade = rng.uniform(0.35, 0.65), rng.uniform(0.02, 0.3)

    def draw(stage: Stage, p: float) -> None:
        done = min(1.0, max(0.0, (p - moment) / fade + 0.5))
        for look, opacity in ((first, 1.0 - done), (second, done)):
            if opacity > 0:
                look.put(stage, at, width, opacity=opacity)

    return draw


def _chases(actors: Sequence[Actor], rng: random.Random) -> Draw:
    looks, width, y = _looks(actors, rng), rng.uniform(0.28, 0.38), rng.uniform(0.45, 0.7)
    gap, way = rng.uniform(0.3, 0.42), rng.choice((-1, 1))
    start, end = rng.uniform(-0.36, -0.24), rng.uniform(0.24, 0.36)

    def draw(stage: Stage, p: float) -> None:
        middle = _between(start, end, p)
        for look, place in zip(looks, (middle - gap / 2, middle + gap / 2), strict=True):
            look.put(stage, (0.5 + way * place, y), width)

    return draw


PAIR_MOVES: dict[str, Callable[[Sequence[Actor], random.Random], Draw]] = {
    "left or right": _across,
    "up or down": _upwards,
    "nearer or farther": _nearer,
    "clockwise or anticlockwise": _clockwise,
    "appears or disappears": _appears,
    "comes in or goes out": _enters,
    "opens or closes": _opens,
    "light or dark": _brightens,
    "together or apart": _meets,
    "one, then another": _becomes,
    "who chases whom": _chases,
}

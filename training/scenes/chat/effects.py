"""What happens around the emoji: confetti, things that rain or rise, bursts, rays. All of it loops."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from deepgif.training.scenes.backdrops import across, confetti, down
from deepgif.training.scenes.stage import Colour, Point, Stage

_WHITE: Colour = (255, 255, 255)
_GOLD: Colour = (255, 214, 60)
_SPARKS: tuple[Colour, ...] = ((255, 214, 60), (255, 96, 120), (110, 220, 255), (150, 240, 130))


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that happens around the point ``at``, with ``glyphs`` of which each is ``width`` wide."""

    name: str
    glyphs: tuple[str, ...]
    at: Point
    width: float


def _confetti(stage: Stage, effect: Effect, t: float) -> None:
    confetti(stage, t)


def _rain(stage: Stage, effect: Effect, t: float) -> None:
    for i in range(7):
        y = (down(i) + t) % 1.0
        glyph = effect.glyphs[i % len(effect.glyphs)]
        stage.put(glyph, (across(i), y * 1.3 - 0.15), effect.width, angle=18 * math.sin(2 * math.pi * t + i))


def _rise(stage: Stage, effect: Effect, t: float) -> None:
    for i in range(5):
        up = (t + i / 5) % 1.0
        x = effect.at[0] + 0.34 * ((i * 0.62) % 1.0 - 0.5) * 2 + 0.03 * math.sin(2 * math.pi * (up + i / 3))
        size = effect.width * (0.6 + 0.5 * up)
        stage.put(effect.glyphs[i % len(effect.glyphs)], (x, effect.at[1] + 0.3 - 0.8 * up), size, opacity=1 - up**3)


def _burst(stage: Stage, effect: Effect, t: float) -> None:
    far = 0.16 + 0.36 * (1 - (1 - t) ** 2)
    for i in range(8):
        turn = 2 * math.pi * (i + 0.3) / 8
        at = (effect.at[0] + far * math.cos(turn), effect.at[1] + far * math.sin(turn))
        stage.put(effect.glyphs[i % len(effect.glyphs)], at, effect.width * (1 - 0.5 * t), opacity=1 - t**4)


def _orbit(stage: Stage, effect: Effect, t: float) -> None:
    count = len(effect.glyphs) * math.ceil(4 / len(effect.glyphs))
    for i in range(count):
        turn = 2 * math.pi * (t / count * len(effect.glyphs) + i / count)
        at = (effect.at[0] + 0.38 * math.cos(turn), effect.at[1] + 0.3 * math.sin(turn))
        stage.put(effect.glyphs[i % len(effect.glyphs)], at, effect.width)


def _halo(stage: Stage, effect: Effect, t: float) -> None:
    """Small things around the top of a head, in a flat ring."""
    for i in range(4):
        turn = 2 * math.pi * (t + i / 4)
        at = (effect.at[0] + 0.27 * math.cos(turn), effect.at[1] + 0.07 * math.sin(turn))
        stage.put(effect.glyphs[i % len(effect.glyphs)], at, effect.width * (1 + 0.15 * math.sin(turn)))


def _twinkle(stage: Stage, effect: Effect, t: float) -> None:
    spots = ((0.14, 0.2), (0.86, 0.16), (0.9, 0.6), (0.1, 0.62), (0.72, 0.08), (0.28, 0.1))
    for i, at in enumerate(spots):
        size = max(0.0, math.sin(2 * math.pi * (t + i / len(spots))))
        stage.put(effect.glyphs[i % len(effect.glyphs)], at, effect.width * size)


def _beams(stage: Stage, effect: Effect, t: float) -> None:
    _wedges(stage, effect.at, 1.1, 10, int(5 * t) / 50, _GOLD)  # in few steps: each changes half the picture


def _wedges(stage: Stage, at: Point, radius: float, count: int, turned: float, colour: Colour) -> None:
    for i in range(count):
        turn, half = 2 * math.pi * (i / count + turned), math.pi / count / 2
        outer = [
            (at[0] + radius * math.cos(turn + way), at[1] + radius * math.sin(turn + way)) for way in (-half, half)
        ]
        stage.polygon([at, *outer], colour)


def _shout(stage: Stage, effect: Effect, t: float) -> None:
    """Short strokes that point away from something, as in comics."""
    inner = 0.33 + 0.04 * math.sin(4 * math.pi * t)
    for i in range(14):
        turn = 2 * math.pi * i / 14
        start, end = (
            (effect.at[0] + r * math.cos(turn), effect.at[1] + r * math.sin(turn)) for r in (inner, inner + 0.1)
        )
        stage.line(start, end, 0.016, _WHITE)


def _speed(stage: Stage, effect: Effect, t: float) -> None:
    for i in range(7):
        x = (across(i) - 2 * t) % 1.0 * 1.5 - 0.25
        y = 0.12 + 0.11 * i
        stage.line((x, y), (x + 0.16 + 0.06 * (i % 3), y), 0.014, _WHITE)


def _dots(stage: Stage, effect: Effect, t: float) -> None:
    """Three dots that light up in turn."""
    for i in range(3):
        lit = int(t * 4) > i
        at = (effect.at[0] + 0.13 * (i - 1), effect.at[1] - (0.02 if int(t * 4) == i + 1 else 0.0))
        stage.ellipse(at, (0.038, 0.038), _WHITE if lit else (150, 156, 170))


def _bar(stage: Stage, effect: Effect, t: float) -> None:
    """A bar that fills up, never quite."""
    left, right, y = 0.14, 0.86, effect.at[1]
    stage.box((left - 0.015, y - 0.055), (right + 0.015, y + 0.055), (30, 30, 40))
    stage.box((left, y - 0.04), (right, y + 0.04), (235, 238, 244))
    full = min(0.99, 0.08 + 1.1 * t)
    stage.box((left, y - 0.04), (left + (right - left) * full, y + 0.04), (62, 178, 96))


def _drops(stage: Stage, effect: Effect, t: float) -> None:
    """Tears that fall to both sides."""
    for side in (-1, 1):
        for i in range(3):
            fall = (t + i / 3) % 1.0
            at = (effect.at[0] + side * (0.12 + 0.16 * fall), effect.at[1] + 0.45 * fall**2)
            stage.put("💧", at, effect.width)


def _fireworks(stage: Stage, effect: Effect, t: float) -> None:
    """Four rockets burst one after another, each in a colour of its own."""
    x, y = effect.at
    places = ((x - 0.26, y - 0.1), (x + 0.24, y - 0.14), (x - 0.02, y + 0.14), (x + 0.3, y + 0.22))
    for i, at in enumerate(places):
        age = (t + i / 4) % 1.0
        far, size = 0.26 * (1 - (1 - age) ** 3), 0.016 * (1 - age**2)
        for spark in range(14):
            turn = 2 * math.pi * spark / 14
            for share in (1.0, 0.6):
                tip = (at[0] + share * far * math.cos(turn), at[1] + share * far * math.sin(turn) + 0.06 * age**2)
                stage.ellipse(tip, (size, size), _SPARKS[i])


def _flash(stage: Stage, effect: Effect, t: float) -> None:
    if t < 0.09 or 0.5 < t < 0.59:
        stage.veil((-0.1, -0.1), (1.1, 1.1), _WHITE, 0.55)


def _downpour(stage: Stage, effect: Effect, t: float) -> None:
    for i in range(22):
        x, y = across(i), (down(i) + t * (1 + i % 2)) % 1.0
        stage.line((x, y), (x - 0.015, y + 0.075), 0.01, (214, 232, 250))


def _snowfall(stage: Stage, effect: Effect, t: float) -> None:
    for i in range(24):
        r = 0.009 + 0.006 * (i % 3)
        x = across(i) + 0.02 * math.sin(2 * math.pi * t + i)
        stage.ellipse((x, (down(i) + t) % 1.0), (r, r), _WHITE)


EFFECTS: dict[str, Callable[[Stage, Effect, float], None]] = {
    "confetti": _confetti,
    "rain": _rain,
    "rise": _rise,
    "burst": _burst,
    "orbit": _orbit,
    "halo": _halo,
    "twinkle": _twinkle,
    "beams": _beams,
    "shout": _shout,
    "speed": _speed,
    "dots": _dots,
    "bar": _bar,
    "drops": _drops,
    "fireworks": _fireworks,
    "flash": _flash,
    "downpour": _downpour,
    "snowfall": _snowfall,
}

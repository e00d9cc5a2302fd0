"""What the settings look like: a still picture behind everything and, for some, something that moves."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from PIL import Image

from deepgif.training.scenes.stage import Colour, Glyphs, Stage

_PLAIN: tuple[Colour, ...] = (
    (255, 255, 255),
    (247, 214, 224),
    (205, 232, 255),
    (214, 245, 214),
    (255, 241, 200),
    (226, 216, 250),
    (255, 222, 200),
    (210, 240, 240),
)
_CONFETTI: tuple[Colour, ...] = ((240, 60, 80), (60, 130, 240), (255, 200, 40), (60, 190, 100), (170, 80, 220))
_OVERSIZE = 2  # drawn so many times larger, then reduced: smooth edges


def backdrop(setting: str, size: int, glyphs: Glyphs, rng: random.Random, mirrored: bool) -> Image.Image:
    """The still picture of a setting, ``size`` pixels a side."""
    stage = Stage(glyphs, Image.new("RGB", (size * _OVERSIZE, size * _OVERSIZE)), mirrored)
    _PAINTERS[setting](stage, rng)
    return stage.image.resize((size, size), Image.Resampling.BOX)


def weather(setting: str, stage: Stage, t: float) -> None:
    """What moves in front of everything at the time ``t`` in [0, 1) of the loop."""
    if setting == "rain":
        for i in range(26):
            x, y = across(i), (down(i) + t * (1 + i % 2)) % 1.0
            stage.line((x, y), (x - 0.012, y + 0.06), 0.008, (170, 205, 240))
    elif setting == "snow":
        for i in range(26):
            x, y = across(i), (down(i) + t) % 1.0
            r = 0.007 + 0.006 * (i % 3)
            stage.ellipse((x + 0.02 * math.sin(2 * math.pi * t + i), y), (r, r), (255, 255, 255))
    elif setting == "underwater":
        for i in range(7):
            x, y = across(i), (down(i) - t) % 1.0
            stage.put("🫧", (x, y), 0.06 + 0.02 * (i % 3), opacity=0.8)


def confetti(stage: Stage, t: float) -> None:
    """Coloured paper that falls; not a setting, but drawn alike."""
    for i in range(42):
        x, y = across(i), (down(i) + t) % 1.0
        turn = math.sin(2 * math.pi * t + i)
        half = 0.012 * (0.5 + abs(turn))
        points = [(x - half, y - 0.016), (x + 0.016, y - half), (x + half, y + 0.016), (x - 0.016, y + half)]
        stage.polygon(points, _CONFETTI[i % len(_CONFETTI)])


def across(i: int) -> float:
    """x of the i-th point of a sequence spread evenly over the unit square, without visible rows (Roberts' R2)."""
    return (0.5 + i * 0.7548777) % 1.0


def down(i: int) -> float:
    """y of the same point."""
    return (0.5 + i * 0.5698403) % 1.0


def _shade(colour: Colour, rng: random.Random) -> Colour:
    factor = rng.uniform(0.93, 1.05)
    red, green, blue = (min(255, round(part * factor)) for part in colour)
    return red, green, blue


def _sky(stage: Stage, rng: random.Random, *bands: Colour) -> None:
    """Bands of colour from top to bottom."""
    for i, colour in enumerate(bands):
        stage.box((0.0, i / len(bands)), (1.0, 1.0), _shade(colour, rng))


def _ground(stage: Stage, top: float, colour: Colour, bulge: float = 0.06) -> None:
    """Ground from ``top`` down, arched upwards in the middle."""
    stage.ellipse((0.5, top + 0.5), (0.95, 0.5 + bulge), colour)
    stage.box((0.0, top + 0.25), (1.0, 1.0), colour)


def _dots(stage: Stage, rng: random.Random, n: int, bottom: float, colour: Colour) -> None:
    for _ in range(n):
        r = rng.uniform(0.003, 0.008)
        stage.ellipse((rng.random(), rng.uniform(0.0, bottom)), (r, r), colour)


def _plain(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, rng.choice(_PLAIN))


def _meadow(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (140, 205, 250))
    stage.put("☁", (rng.uniform(0.1, 0.9), 0.12), 0.24)
    stage.put("🌞", (rng.choice((0.1, 0.9)), 0.11), 0.18)
    _ground(stage, 0.66, _shade((110, 190, 70), rng))
    for _ in range(9):
        stage.put(rng.choice("🌷🌼🌻"), (rng.random(), rng.uniform(0.74, 0.97)), 0.1)


def _night(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (16, 22, 64), (22, 32, 84), (32, 44, 104))
    _dots(stage, rng, 26, 0.7, (255, 250, 210))
    for _ in range(5):
        stage.put("⭐", (rng.random(), rng.uniform(0.04, 0.5)), 0.06)
    stage.put("🌙", (rng.choice((0.13, 0.85)), 0.15), 0.22)
    _ground(stage, 0.8, _shade((18, 40, 50), rng))


def _snow(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (176, 205, 228))
    for x in (0.1, 0.9, rng.uniform(0.3, 0.7)):
        stage.put("🌲", (x, 0.55), rng.uniform(0.2, 0.32))
    _ground(stage, 0.66, (244, 249, 255))
    stage.put("⛄", (rng.choice((0.1, 0.9)), 0.8), 0.17)


def _rain(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (112, 126, 142))
    for x in (0.1, 0.5, 0.9):
        stage.put("☁", (x + rng.uniform(-0.08, 0.08), 0.08), 0.42)
    _ground(stage, 0.74, _shade((84, 104, 98), rng), 0.0)
    for _ in range(3):
        stage.ellipse((rng.random(), rng.uniform(0.84, 0.96)), (0.14, 0.025), (130, 160, 190))


def _beach(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (150, 218, 252))
    stage.put("🌞", (rng.uniform(0.3, 0.7), 0.1), 0.16)
    stage.box((0.0, 0.46), (1.0, 1.0), _shade((38, 140, 205), rng))
    for i in range(8):
        stage.ellipse((i / 7, 0.67), (0.09, 0.03), (230, 245, 255))
    stage.box((0.0, 0.67), (1.0, 1.0), _shade((244, 214, 140), rng))
    side = rng.choice((0.1, 0.9))
    stage.put("🌴", (side, 0.46), 0.48)
    stage.put("⛱", (1.0 - side, 0.68), 0.24)
    stage.put("🐚", (rng.uniform(0.3, 0.7), 0.93), 0.08)


def _city(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (190, 208, 226))
    left = -0.04
    while left < 1.0:
        width, top = rng.uniform(0.13, 0.2), rng.uniform(0.08, 0.4)
        stage.box((left, top), (left + width, 0.85), _shade(rng.choice(((96, 104, 124), (124, 110, 112))), rng))
        for row in range(int((0.8 - top) / 0.09)):
            for column in range(3):
                x, y = left + width * (0.14 + 0.28 * column), top + 0.04 + 0.09 * row
                lit = rng.random() < 0.7
                stage.box((x, y), (x + 0.16 * width, y + 0.045), (255, 226, 130) if lit else (70, 80, 100))
        left += width + 0.015
    stage.box((0.0, 0.8), (1.0, 1.0), (74, 76, 84))
    for i in range(5):
        stage.box((0.22 * i, 0.89), (0.22 * i + 0.12, 0.91), (240, 240, 220))


def _space(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (8, 6, 22))
    _dots(stage, rng, 60, 1.0, (255, 255, 255))
    stage.put("🪐", (rng.choice((0.17, 0.83)), rng.uniform(0.14, 0.3)), 0.3, angle=rng.uniform(-20, 20))
    stage.put("🌍", (rng.choice((0.08, 0.92)), 0.88), 0.3)


def _party(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (112, 30, 140))
    for i in range(4):
        x = i / 3
        stage.polygon([(0.5, 0.0), (x - 0.1, 0.85), (x + 0.06, 0.85)], ((150, 50, 180), (190, 60, 150))[i % 2])
    stage.box((0.0, 0.83), (1.0, 1.0), _shade((64, 16, 92), rng))
    stage.put("🪩", (0.5 + rng.uniform(-0.1, 0.1), 0.12), 0.24)
    for x in (0.08, 0.2, 0.82, 0.93):
        stage.put("🎈", (x, rng.uniform(0.16, 0.4)), 0.2)


def _underwater(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (60, 172, 226), (36, 138, 208), (22, 104, 182), (14, 78, 150))
    stage.box((0.0, 0.9), (1.0, 1.0), (196, 184, 128))
    for _ in range(3):
        stage.put("🪸", (rng.random(), 0.86), rng.uniform(0.16, 0.26))
        stage.put("🌿", (rng.random(), 0.84), rng.uniform(0.16, 0.26))
    stage.put("🐠", (rng.choice((0.12, 0.88)), rng.uniform(0.15, 0.3)), 0.12)


def _desert(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (252, 226, 168))
    stage.ellipse((rng.uniform(0.2, 0.8), 0.14), (0.08, 0.08), (255, 250, 220))
    stage.ellipse((rng.uniform(0.0, 0.3), 0.85), (0.6, 0.3), (226, 160, 84))
    stage.ellipse((rng.uniform(0.7, 1.0), 0.9), (0.6, 0.3), _shade((236, 176, 96), rng))
    stage.box((0.0, 0.82), (1.0, 1.0), (214, 146, 72))
    side = rng.choice((0.09, 0.91))
    stage.put("🌵", (side, 0.58), 0.24)
    stage.put("🌵", (1.0 - side, 0.62), 0.15)


def _forest(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (64, 120, 88))
    for i in range(7):
        stage.put("🌲", (i / 6 + rng.uniform(-0.04, 0.04), 0.3), 0.44)
    stage.box((0.0, 0.5), (1.0, 1.0), _shade((34, 84, 46), rng))
    for i in range(6):
        stage.put(rng.choice("🌲🌳"), (i / 5 + rng.uniform(-0.05, 0.05), 0.44 + 0.04 * (i % 2)), 0.5)
    stage.box((0.0, 0.74), (1.0, 1.0), _shade((52, 92, 40), rng))


def _sunset(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (106, 50, 122), (170, 62, 112), (226, 90, 84), (250, 136, 66), (255, 182, 84), (255, 182, 84))
    stage.ellipse((rng.uniform(0.3, 0.7), 0.72), (0.2, 0.2), (255, 232, 130))
    stage.box((0.0, 0.76), (1.0, 1.0), _shade((66, 34, 66), rng))


def _living_room(stage: Stage, rng: random.Random) -> None:
    wall = rng.choice(((232, 214, 190), (210, 222, 204), (222, 206, 214)))
    _sky(stage, rng, wall)
    for i in range(8):
        stage.box((i / 8, 0.0), (i / 8 + 0.035, 0.75), _shade((222, 200, 172), rng))
    stage.put("🖼", (rng.uniform(0.35, 0.65), 0.15), 0.22)
    stage.box((0.0, 0.75), (1.0, 1.0), (160, 108, 70))
    stage.ellipse((0.5, 0.9), (0.42, 0.07), _shade((184, 70, 76), rng))
    side = rng.choice((0.12, 0.88))
    stage.put("🛋", (side, 0.6), 0.34)
    stage.put("🪴", (1.0 - side, 0.62), 0.26)


def _stage(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (70, 14, 26))
    stage.polygon([(0.42, 0.0), (0.58, 0.0), (0.92, 0.88), (0.08, 0.88)], (250, 232, 180))
    for i in range(4):
        for x in (0.055 * i, 1.0 - 0.055 * (i + 1)):
            stage.box((x, 0.0), (x + 0.055, 0.84), _shade(((190, 24, 40), (156, 16, 32))[i % 2], rng))
    for i in range(8):
        stage.ellipse(((i + 0.5) / 8, 0.0), (0.064, 0.1), (200, 30, 46))
    stage.box((0.0, 0.82), (1.0, 1.0), (150, 98, 56))
    stage.ellipse((0.5, 0.88), (0.4, 0.06), (236, 206, 150))


def _mountains(stage: Stage, rng: random.Random) -> None:
    _sky(stage, rng, (176, 214, 240))
    for x, width in ((0.15, 0.62), (0.85, 0.66), (rng.uniform(0.4, 0.6), 0.5)):
        stage.put("🏔", (x, 0.5), width)
    stage.box((0.0, 0.7), (1.0, 1.0), _shade((116, 140, 96), rng))
    for _ in range(4):
        stage.put("🪨", (rng.random(), rng.uniform(0.76, 0.95)), 0.1)


_PAINTERS: dict[str, Callable[[Stage, random.Random], None]] = {
    "plain": _plain,
    "meadow": _meadow,
    "night": _night,
    "snow": _snow,
    "rain": _rain,
    "beach": _beach,
    "city": _city,
    "space": _space,
    "party": _party,
    "underwater": _underwater,
    "desert": _desert,
    "forest": _forest,
    "sunset": _sunset,
    "living room": _living_room,
    "stage": _stage,
    "mountains": _mountains,
}

"""Still pictures behind everything: flat colours with a simple pattern, or one of the scenes' settings."""

from __future__ import annotations

import math
import random

from PIL import Image, ImageDraw

from deepgif.training.scenes.backdrops import backdrop
from deepgif.training.scenes.stage import Colour, Glyphs
from deepgif.training.scenes.vocabulary import SETTINGS

COLOURS: dict[str, tuple[Colour, Colour]] = {  # the ground, and what its pattern is drawn in
    "white": ((255, 255, 255), (236, 240, 246)),
    "grey": ((196, 203, 214), (182, 190, 203)),
    "slate": ((84, 96, 116), (74, 85, 104)),
    "black": ((30, 30, 40), (42, 42, 56)),
    "red": ((226, 64, 66), (208, 50, 54)),
    "orange": ((250, 146, 62), (244, 128, 42)),
    "yellow": ((255, 205, 66), (252, 190, 40)),
    "cream": ((255, 240, 206), (252, 229, 182)),
    "green": ((88, 178, 104), (74, 162, 92)),
    "mint": ((186, 232, 204), (168, 221, 190)),
    "teal": ((44, 150, 158), (36, 135, 144)),
    "sky": ((150, 212, 250), (132, 200, 244)),
    "blue": ((66, 124, 222), (54, 108, 206)),
    "navy": ((34, 44, 88), (44, 56, 106)),
    "purple": ((126, 84, 190), (112, 70, 176)),
    "lilac": ((214, 200, 246), (201, 184, 240)),
    "pink": ((255, 176, 200), (252, 158, 187)),
    "magenta": ((220, 62, 140), (204, 48, 124)),
    "brown": ((150, 106, 76), (136, 94, 66)),
}
PATTERNS = ("plain", "rays", "spot", "dots", "stripes", "floor", "rings")
SCENERY = tuple(setting.name for setting in SETTINGS if setting.name != "plain")
_OVERSIZE = 2  # drawn so many times larger, then reduced: smooth edges


def ground(name: str, size: int, glyphs: Glyphs) -> Image.Image:
    """A square picture, ``size`` pixels a side. ``name`` is a setting or ``PATTERN COLOUR``."""
    if name in SCENERY:
        return backdrop(name, size, glyphs, random.Random(name), mirrored=False)  # noqa: S311 - variety, not secrets
    pattern, colour = name.split()
    base, shade = COLOURS[colour]
    side = size * _OVERSIZE
    image = Image.new("RGB", (side, side), base)
    _paint(pattern, ImageDraw.Draw(image), side, shade)
    return image.resize((size, size), Image.Resampling.BOX)


def _paint(pattern: str, draw: ImageDraw.ImageDraw, side: int, shade: Colour) -> None:
    middle = side / 2
    if pattern == "rays":
        for i in range(12):
            turn, half = 2 * math.pi * i / 12 + 0.13, math.pi / 24
            corners = [
                (middle + side * math.cos(turn + way), 0.48 * side + side * math.sin(turn + way))
                for way in (-half, half)
            ]
            draw.polygon([(middle, 0.48 * side), *corners], fill=shade)
    elif pattern == "spot":
        draw.ellipse((0.07 * side, 0.03 * side, 0.93 * side, 0.89 * side), fill=shade)
    elif pattern == "rings":
        for radius in (0.68, 0.46):
            draw.ellipse(
                (middle - radius * side, middle - radius * side, middle + radius * side, middle + radius * side),
                outline=shade,
                width=round(0.1 * side),
            )
    elif pattern == "dots":
        for row in range(7):
            for column in range(7):
                x, y = (column + 0.5 * (row % 2)) * side / 6, row * side / 6
                draw.ellipse((x - 0.03 * side, y - 0.03 * side, x + 0.03 * side, y + 0.03 * side), fill=shade)
    elif pattern == "stripes":
        for i in range(-8, 8, 2):
            left = i * side / 8
            draw.polygon(
                [(left, side), (left + side, 0), (left + side * 9 / 8, 0), (left + side / 8, side)], fill=shade
            )
    elif pattern == "floor":
        draw.rectangle((0, 0.72 * side, side, side), fill=shade)

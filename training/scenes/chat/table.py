"""Reads the tables: what each shipped GIF shows, and how it is described.

A table is a TOML file: ``[KIND.NAME]`` begins a GIF, whose file is ``KIND-NAME.gif``. In ``tables/reactions-*.toml``
KIND is the reaction that it is sent as, elsewhere a theme. ``draw`` lists what is seen, from back to front, one thing
a line:

    EMOJI[>EMOJI...] [MOTION[*TIMES][~AHEAD]+...] [X,Y] [WIDTH] [flip] [turn=DEGREES]
    'SOME_WORDS  the same, and a COLOUR
    EFFECT [EMOJI,...] [X,Y] [WIDTH]

X, Y, WIDTH and AHEAD are in percent; ``>`` swaps faces in the course of the loop.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from deepgif.training.scenes.chat.effects import EFFECTS, Effect
from deepgif.training.scenes.chat.grounds import COLOURS, PATTERNS, SCENERY
from deepgif.training.scenes.chat.motion import MOTIONS
from deepgif.training.scenes.stage import Colour, Point

TABLES = Path(__file__).parent / "tables"
_DEFAULT_AT: Point = (0.5, 0.5)
_ACTOR_WIDTH, _LETTERS_HEIGHT, _EFFECT_WIDTH = 0.58, 0.13, 0.13
_POINT = re.compile(r"(-?\d+),(-?\d+)")
_BUBBLE = re.compile(r"(?P<words>.+) @(?P<x>\d+),(?P<y>\d+) (?P<side>left|right)")


class TableError(ValueError):
    """A table says something that cannot be drawn; the text names the GIF."""


@dataclass(frozen=True, slots=True)
class Actor:
    """An emoji, or words, and how it moves. With several ``faces`` one follows the other within the loop."""

    faces: tuple[str, ...]
    motions: tuple[tuple[str, float, float], ...]
    at: Point
    width: float
    angle: float = 0.0
    flipped: bool = False
    lettering: Colour | None = None  # the colour of words; ``width`` is then their height


@dataclass(frozen=True, slots=True)
class Bubble:
    """A speech bubble with lines separated by ``/``."""

    words: str
    at: Point
    to_left: bool


@dataclass(frozen=True, slots=True)
class Item:
    """A GIF of the catalogue. ``sentence`` describes what it shows in words that the title does not use."""

    name: str
    reaction: str | None
    title: str
    alt_text: str
    sentence: str
    tags: tuple[str, ...]
    back: str
    layers: tuple[Actor | Effect, ...]
    caption: str = ""
    caption_on_top: bool = False
    bubble: Bubble | None = None
    seconds: float = 1.2
    rating: str = "g"

    @property
    def file(self) -> str:
        """Where it is, relative to the catalogue's folder."""
        return f"gifs/{self.name}.gif"

    @property
    def words_in_picture(self) -> str:
        """Everything that can be read in it."""
        drawn = [face for layer in self.layers if isinstance(layer, Actor) and layer.lettering for face in layer.faces]
        bubble = [self.bubble.words.replace("/", " ")] if self.bubble else []
        return " ".join(dict.fromkeys([*([self.caption] if self.caption else []), *bubble, *drawn]))


@cache
def items() -> tuple[Item, ...]:
    """All GIFs, by the tables' names and in their order. Raises ``TableError`` where one cannot be drawn."""
    found = [item for path in sorted(TABLES.glob("*.toml")) for item in read_table(path)]
    names = [item.name for item in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TableError(f"named twice: {', '.join(sorted(twice))}")
    return tuple(found)


def read_table(path: Path) -> list[Item]:
    """The GIFs of one file. Raises ``TableError``."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    reactions = path.stem.startswith("reactions")
    read = []
    for kind, gifs in document.items():
        for name, fields in gifs.items():
            try:
                read.append(_item(f"{kind.replace('_', '-')}-{name}", kind if reactions else None, dict(fields)))
            except (KeyError, TypeError, ValueError) as error:
                raise TableError(f"{path.name}: {kind}.{name}: {error!r}") from error
    return read


def _item(name: str, reaction: str | None, fields: dict[str, Any]) -> Item:
    item = Item(
        name=name,
        reaction=fields.pop("reaction", reaction),
        title=fields.pop("title"),
        alt_text=fields.pop("alt"),
        sentence=fields.pop("says"),
        tags=tuple(tag.strip() for tag in fields.pop("tags").split(",")),
        back=_back(fields.pop("back")),
        layers=tuple(_layer(line) for line in fields.pop("draw")),
        caption=fields.pop("caption", ""),
        caption_on_top=fields.pop("top", False),
        bubble=_bubble(fields.pop("bubble", "")),
        seconds=fields.pop("seconds", 1.2),
        rating=fields.pop("rating", "g"),
    )
    if fields:
        raise ValueError(f"unknown: {', '.join(fields)}")
    return item


def _back(name: str) -> str:
    pattern, _, colour = name.partition(" ")
    if name not in SCENERY and (pattern not in PATTERNS or colour not in COLOURS):
        raise ValueError(f"no such ground: {name}")
    return name


def _bubble(text: str) -> Bubble | None:
    if not text:
        return None
    if (match := _BUBBLE.fullmatch(text)) is None:
        raise ValueError(f"not WORDS @X,Y left|right: {text}")
    return Bubble(match["words"], (int(match["x"]) / 100, int(match["y"]) / 100), match["side"] == "left")


def _layer(line: str) -> Actor | Effect:
    first, *words = line.split()
    if first.isascii() and first not in EFFECTS and not first.startswith("'"):
        raise ValueError(f"neither an emoji nor an effect: {first}")
    at, width, angle, flipped, colour = _DEFAULT_AT, None, 0.0, False, COLOURS["white"][0]
    motions: tuple[tuple[str, float, float], ...] = ()
    glyphs: tuple[str, ...] = ()
    for word in words:
        if point := _POINT.fullmatch(word):
            at = (int(point[1]) / 100, int(point[2]) / 100)
        elif word.isdecimal():
            width = int(word) / 100
        elif word == "flip":
            flipped = True
        elif word.startswith("turn="):
            angle = float(word.removeprefix("turn="))
        elif word in COLOURS and first.startswith("'"):
            colour = COLOURS[word][0]
        elif first in EFFECTS:
            glyphs = tuple(word.split(","))
        else:
            motions = tuple(_motion(part) for part in word.split("+"))
    if first in EFFECTS:
        return Effect(first, glyphs, at, width or _EFFECT_WIDTH)
    faces = tuple(first.removeprefix("'").replace("_", " ").split(">"))
    if first.startswith("'"):
        return Actor(faces, motions, at, width or _LETTERS_HEIGHT, angle, flipped, colour)
    return Actor(faces, motions, at, width or _ACTOR_WIDTH, angle, flipped)


def _motion(text: str) -> tuple[str, float, float]:
    match = re.fullmatch(r"([a-z]+)(?:\*(\d+))?(?:~(\d+))?", text)
    if match is None or match[1] not in MOTIONS:
        raise ValueError(f"no such motion: {text}")
    return match[1], float(match[2] or 1), int(match[3] or 0) / 100

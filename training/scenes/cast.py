"""Who takes part in a scene, and the curves that motion is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deepgif.training.scenes.stage import Point, Stage


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: the glyphs of the subject and of the second noun (empty where there is none), the subject's
    width and where it is moved from its usual place."""

    subject: str
    object: str
    width: float
    shift: Point

    def act(
        self,
        stage: Stage,
        at: Point,
        width: float = 1.0,
        angle: float = 0.0,
        opacity: float = 1.0,
        stretch: Point = (1.0, 1.0),
        flipped: bool = False,
    ) -> None:
        """Draws the subject; ``width`` is relative to its own."""
        place = (at[0] + self.shift[0], at[1] + self.shift[1])
        stage.put(self.subject, place, width * self.width, angle, opacity, stretch, flipped)

    def prop(self, stage: Stage, glyph: str, at: Point, width: float, angle: float = 0.0, opacity: float = 1.0) -> None:
        """Draws something that moves with the subject's place; ``width`` is a share of the picture's side."""
        stage.put(glyph, (at[0] + self.shift[0], at[1] + self.shift[1]), width, angle, opacity)


def wave(t: float, times: float = 1.0) -> float:
    """A sine that goes up and down ``times`` times in a loop."""
    return math.sin(2 * math.pi * times * t)


def hop(t: float) -> float:
    """Height of a ball that touches the ground at 0 and 1, at most 1."""
    return 4 * t * (1 - t)


def rising(t: float, i: int, n: int) -> float:
    """How far, in [0, 1), the i-th of n things in a steady stream has come."""
    return (t + i / n) % 1.0


def rays(stage: Stage, centre: Point, inner: float, outer: float, t: float) -> None:
    """Ten yellow rays around a point, which turn."""
    for i in range(10):
        turn = 2 * math.pi * (i + t) / 10
        points = [
            (centre[0] + inner * math.cos(turn - 0.1), centre[1] + inner * math.sin(turn - 0.1)),
            (centre[0] + inner * math.cos(turn + 0.1), centre[1] + inner * math.sin(turn + 0.1)),
            (centre[0] + outer * math.cos(turn), centre[1] + outer * math.sin(turn)),
        ]
        stage.polygon(points, (255, 214, 50))

"""How the frames of a GIF are sampled, which is part of a vector space's identity. Imports nothing of the project, so
that everything can import it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate


class Fit(StrEnum):
    """How a picture becomes a square: all of it, distorted; a centre crop as in ImageNet evaluation (shorter side 256
    for a crop of 224); or the largest centre crop."""

    WHOLE = "whole"
    CROP = "crop"
    CENTRE = "centre"


@dataclass(frozen=True, slots=True)
class FrameSampling:
    """At most ``count`` frames, evenly spaced in time, each resized to ``size`` x ``size`` pixels."""

    count: int
    size: int
    fit: Fit = Fit.WHOLE

    def __str__(self) -> str:
        return f"{self.count}x{self.size}{'' if self.fit is Fit.WHOLE else f'-{self.fit}'}"

    def choose(self, durations: Sequence[int]) -> tuple[int, ...]:
        """The indices of the frames shown at the middle of each of ``count`` equal parts of the whole time, ascending
        and unique. ``durations`` are positive, in any unit."""
        ends = list(accumulate(durations))
        middles = [(2 * part + 1) * ends[-1] / (2 * self.count) for part in range(self.count)]
        return tuple(dict.fromkeys(bisect_right(ends, middle) for middle in middles))

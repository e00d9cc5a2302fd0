"""How a GIF becomes a clip; part of what a vector means. Imports nothing, so that everything may import it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate


class Fit(StrEnum):
    """How a picture becomes a square: all of it, squeezed; its middle, as ImageNet's networks were judged (shorter side
    256 for a crop of 224); or as much of its middle as a square holds."""

    WHOLE = "whole"
    CROP = "crop"
    CENTRE = "centre"


@dataclass(frozen=True, slots=True)
class FrameSampling:
    """At most ``count`` frames, evenly spaced in time, each made ``size`` x ``size`` pixels."""

    count: int
    size: int
    fit: Fit = Fit.WHOLE

    def __str__(self) -> str:
        return f"{self.count}x{self.size}{'' if self.fit is Fit.WHOLE else f'-{self.fit}'}"

    def choose(self, durations: Sequence[int]) -> tuple[int, ...]:
        """Of frames that are shown for ``durations`` (positive, any unit), those that are seen in the middle of each
        of ``count`` equal parts of the whole time; ascending, none twice."""
        ends = list(accumulate(durations))
        middles = [(2 * part + 1) * ends[-1] / (2 * self.count) for part in range(self.count)]
        return tuple(dict.fromkeys(bisect_right(ends, middle) for middle in middles))

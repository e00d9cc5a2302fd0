"""How a GIF becomes a clip; part of what a vector means. Imports nothing, so that everything may import it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrameSampling:
    """At most ``count`` frames, evenly spaced in time, each resized to ``size`` x ``size`` pixels."""

    count: int
    size: int

    def __str__(self) -> str:
        return f"{self.count}x{self.size}"

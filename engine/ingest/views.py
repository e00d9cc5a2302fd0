"""What of a GIF a vector stands for."""

from __future__ import annotations

from enum import StrEnum


class View(StrEnum):
    """What of a GIF a vector stands for; all but clips have a space of their own in the store."""

    STILL = "still"
    CLIP = "clip"
    TEXT = "text"
    CAPTION = "caption"  # the words in the picture

    def of(self, space: str) -> str:
        """The space of this view in the store, where ``space`` is that of clips."""
        return space if self is View.CLIP else f"{space}:{self}"

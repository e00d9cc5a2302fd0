"""Vectors that are made once, whoever asks for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.types import GifKey

Vector = NDArray[np.float32]  # (D,)
Make = Callable[[Sequence[GifKey]], Awaitable[Mapping[GifKey, Vector]]]


class EmbeddingLeases(Protocol):
    """Sees to it that what one engine makes, no other makes again."""

    async def vectors(self, space: str, keys: Sequence[GifKey], make: Make) -> dict[GifKey, Vector]:
        """The vectors (D,) of ``keys`` in ``space``: what others have made or are about to make, and what ``make``
        makes of the rest. Raises what ``make`` raises, and ``MediaError`` where others could make none."""


class NoLeases:
    """``EmbeddingLeases`` for an engine that shares nothing."""

    async def vectors(self, space: str, keys: Sequence[GifKey], make: Make) -> dict[GifKey, Vector]:
        """What ``make`` makes of ``keys``."""
        return dict(await make(keys))

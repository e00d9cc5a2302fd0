"""Leases that keep several engines from embedding the same GIF."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from deepgif.engine.protocols import Vector
from deepgif.engine.types import GifKey

Compute = Callable[[Sequence[GifKey]], Awaitable[Mapping[GifKey, Vector]]]


class EmbeddingLeases(Protocol):
    """Lets one engine compute a vector while the others wait for it."""

    async def vectors(self, space: str, keys: Sequence[GifKey], compute: Compute) -> dict[GifKey, Vector]:
        """The vectors (D,) of ``keys`` in ``space``: those that other engines have computed or are computing, and the
        rest from ``compute``. Raises what ``compute`` raises, and ``MediaError`` if another engine failed."""


class NoLeases:
    """``EmbeddingLeases`` of an engine that shares nothing."""

    async def vectors(self, space: str, keys: Sequence[GifKey], compute: Compute) -> dict[GifKey, Vector]:
        """What ``compute`` returns for ``keys``."""
        return dict(await compute(keys))

"""What the engine is built from, as structural protocols: anything with these methods fits.

Shapes: N texts or clips, T frames, S pixels a side, D dimensions of the joint space, Q queries, K results.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.types import Candidate, FrameSampling, Gif, GifKey, Rating

Vectors = NDArray[np.float32]  # (N, D), rows of unit length
Clip = NDArray[np.uint8]  # (T, S, S, 3), RGB; for a GPU (T, H, W, 3), resized there


class VectorSpace(Protocol):
    """What makes vectors comparable."""

    @property
    def space(self) -> str:
        """What a vector means: model name and version, such as ``small@1a2b3c4d``."""

    @property
    def sampling(self) -> FrameSampling:
        """The clips it stands for."""


class Encoder(VectorSpace, Protocol):
    """Words and frames to vectors of one joint space. Methods block; they are called from worker threads."""

    @property
    def dimension(self) -> int:
        """D."""

    @property
    def frames_at_once(self) -> int:
        """How many frames are best given at once."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """(N, D) unit vectors of N texts."""

    def encode_clips(self, clips: Sequence[Clip]) -> Vectors:
        """(N, D) unit vectors of N clips, which may differ in T."""

    def understands(self, text: str) -> float:
        """The share of the text, in [0, 1], that is made of words and pieces the encoder has learnt."""


@dataclass(frozen=True, slots=True)
class IndexHits:
    """The nearest GIFs of one query, best first, and how all allowed scores were spread."""

    keys: tuple[GifKey, ...]
    scores: tuple[float, ...]
    mean: float
    std: float
    count: int


class Index(Protocol):
    """Vectors that can be searched. Methods block and are safe to call from several threads."""

    def __len__(self) -> int:
        """How many GIFs it holds."""

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs; a key that is there already gets the new vector and rating."""

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that it holds."""

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """The at most ``k`` nearest GIFs for each row of ``queries`` (Q, D), by inner product, among those whose
        rating ``max_rating`` allows."""


class EmbeddingStore(Protocol):
    """Vectors that outlive the process, by space (model, version and frame sampling) and GIF."""

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that are stored."""

    async def put_many(self, space: str, vectors: Mapping[GifKey, NDArray[np.float32]]) -> None:
        """Stores vectors (D,); durable when it returns."""

    def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of one provider in this space, in chunks of keys and (N, D)."""


class GifStore(Protocol):
    """What is kept of one provider's GIFs, each for some time from when it was last seen."""

    async def put(self, candidates: Sequence[Candidate]) -> None:
        """Keeps the candidates, or what is new of them."""

    async def get(self, ids: Collection[str]) -> dict[str, Candidate]:
        """Those of ``ids`` that are kept; their ``url`` is empty unless addresses may be kept."""

    async def count(self) -> int:
        """How many are kept."""

    def scan(self) -> AsyncIterator[list[Candidate]]:
        """All that are kept on this machine, in chunks."""

    async def forget_expired(self) -> list[GifKey]:
        """Removes what has been kept long enough, with its vectors; the keys of it."""

    async def forget(self, ids: Collection[str]) -> None:
        """Removes these GIFs, with their vectors for every model."""


class Provider(Protocol):
    """Where GIFs come from: what they are called and where their media is."""

    @property
    def name(self) -> str:
        """Short and lasting: it is part of every ``GifKey``."""

    async def count(self) -> int:
        """How many GIFs it has at present."""

    async def lookup(self, ids: Collection[str], *, ask: bool = True) -> dict[str, Gif]:
        """What is known of those of ``ids`` that exist and can be shown; with ``ask`` False, without any call to
        others."""

    async def media(self, gif_id: str) -> Path | None:
        """The local file that holds the GIF, or None where there is none."""


@dataclass(frozen=True, slots=True)
class ProviderQuery:
    """What a provider is asked for: the person's own words, the highest rating, language and country ("" for any)."""

    words: str
    max_rating: Rating
    language: str = ""
    country: str = ""


class SearchProvider(Provider, Protocol):
    """A provider with a search of its own, over more GIFs than are known here."""

    @property
    def attribution(self) -> str:
        """What must be shown beside its GIFs, such as ``Powered by GIPHY``."""

    async def search(self, query: ProviderQuery) -> list[Candidate]:
        """Its best GIFs in its own order, none above the rating. Raises ``ProviderError``."""

    async def remember(self, candidates: Sequence[Candidate]) -> None:
        """Keeps what may be kept of GIFs whose vectors are kept."""

    async def sent(self, gif_id: str) -> None:
        """Tells the provider that a GIF was sent, where the operator wants that."""

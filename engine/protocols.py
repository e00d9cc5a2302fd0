"""The interfaces between the engine's parts.

Shapes: N texts or clips, T frames, S side of a square frame, D dimensions of the joint space, Q queries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.types import Candidate, FrameSampling, Gif, GifKey, Rating

Vector = NDArray[np.float32]  # (D,), of unit length
Vectors = NDArray[np.float32]  # (N, D), rows of unit length
Clip = NDArray[np.uint8]  # (T, S, S, 3), RGB; (T, H, W, 3) for a GPU, which resizes it


class VectorSpace(Protocol):
    """What makes vectors comparable."""

    @property
    def space(self) -> str:
        """The model's name and version, such as ``small@1a2b3c4d``."""

    @property
    def sampling(self) -> FrameSampling:
        """How frames are sampled from a GIF."""


class Encoder(VectorSpace, Protocol):
    """Encodes texts and clips into one joint space. Methods block; they are called from worker threads."""

    @property
    def dimension(self) -> int:
        """D."""

    @property
    def frames_at_once(self) -> int:
        """The best number of frames per batch."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """(N, D) unit vectors of N texts."""

    def encode_clips(self, clips: Sequence[Clip]) -> Vectors:
        """(N, D) unit vectors of N clips, which may differ in T."""

    def vocabulary_coverage(self, text: str) -> float:
        """The share of the text, in [0, 1], that is in the encoder's vocabulary."""


@runtime_checkable
class SentenceEncoder(Protocol):
    """An encoder that also gives the sentence vectors from which it embeds texts."""

    def text_features(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, B) vectors of N texts."""

    def embed_text_features(self, features: NDArray[np.float32]) -> Vectors:
        """(N, D) unit vectors of N texts, from their sentence vectors (N, B)."""


@dataclass(frozen=True, slots=True)
class IndexHits:
    """The nearest GIFs of one query, best first, with the mean and standard deviation of the scores of all ``count``
    allowed GIFs."""

    keys: tuple[GifKey, ...]
    scores: tuple[float, ...]
    mean: float
    std: float
    count: int


class Index(Protocol):
    """A vector index. Methods block and are thread-safe."""

    def __len__(self) -> int:
        """The number of GIFs."""

    def add(self, keys: Sequence[GifKey], vectors: Vectors, ratings: Sequence[Rating]) -> None:
        """Adds GIFs, or replaces the vector and rating of those that are there."""

    def remove(self, keys: Collection[GifKey]) -> None:
        """Removes GIFs; unknown keys are ignored."""

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, Vector]:
        """The vectors (D,) of those of ``keys`` that are in the index."""

    def search(self, queries: Vectors, k: int, max_rating: Rating) -> list[IndexHits]:
        """For each row of ``queries`` (Q, D), the at most ``k`` nearest GIFs by inner product, among those that
        ``max_rating`` allows."""


class EmbeddingStore(Protocol):
    """A persistent store of vectors, by space (model, version and frame sampling) and GIF."""

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        """The vectors (D,) of those of ``keys`` that are stored."""

    async def put_many(self, space: str, vectors: Mapping[GifKey, Vector]) -> None:
        """Stores vectors (D,); durable when it returns."""

    def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of one provider in this space, in chunks of keys and (N, D)."""


class RecognisedTextStore(Protocol):
    """Stores the words that one version of an OCR read in GIFs."""

    async def get_many(self, keys: Sequence[GifKey]) -> dict[GifKey, str]:
        """The texts of those of ``keys`` that were read; "" for GIFs without words."""

    async def put(self, key: GifKey, text: str) -> None:
        """Stores the text of a GIF; durable when it returns."""


class GifStore(Protocol):
    """Stores one provider's GIFs for a limited time after they were last seen."""

    async def put(self, candidates: Sequence[Candidate]) -> None:
        """Stores the candidates."""

    async def get(self, ids: Collection[str]) -> dict[str, Candidate]:
        """Those of ``ids`` that are stored; their ``url`` is empty unless URLs may be stored."""

    async def count(self) -> int:
        """The number of stored GIFs."""

    def scan(self) -> AsyncIterator[list[Candidate]]:
        """All GIFs stored on this machine, in chunks."""

    async def forget_expired(self) -> list[GifKey]:
        """Removes expired GIFs and their vectors, and returns their keys."""

    async def forget(self, ids: Collection[str]) -> None:
        """Removes these GIFs and their vectors for every model."""


class Provider(Protocol):
    """A source of GIFs."""

    @property
    def name(self) -> str:
        """Short and permanent: it is part of every ``GifKey``."""

    async def count(self) -> int:
        """The number of its GIFs at present."""

    async def lookup(self, ids: Collection[str], *, fetch: bool = True) -> dict[str, Gif]:
        """Those of ``ids`` that exist and can be shown; without ``fetch``, no network call is made."""

    async def media(self, gif_id: str) -> Path | None:
        """The GIF's local file, or None if there is none."""


@dataclass(frozen=True, slots=True)
class ProviderQuery:
    """A search at a provider: the query's text, the highest rating, language and country ("" for any), and how many
    pages of results, at one call each."""

    text: str
    max_rating: Rating
    language: str = ""
    country: str = ""
    pages: int = 2


class SearchProvider(Provider, Protocol):
    """A provider with a search of its own, over more GIFs than are indexed."""

    @property
    def attribution(self) -> str:
        """What must be shown with its GIFs, such as ``Powered by GIPHY``."""

    async def search(self, query: ProviderQuery, *, reserve: float = ...) -> list[Candidate]:
        """Its best GIFs in its own order, none above the rating, in calls that leave at least the share ``reserve`` of
        the quota. Raises ``ProviderError``."""

    async def store(self, candidates: Sequence[Candidate]) -> None:
        """Stores what may be stored of GIFs whose vectors are stored."""

    async def report_share(self, gif_id: str) -> None:
        """Tells the provider that a GIF was shared, if the operator allows that."""

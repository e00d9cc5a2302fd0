"""The data that crosses the engine's boundaries: frozen, without torch or numpy, shared by engine and bots."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from models.sampling import FrameSampling as FrameSampling

MAX_WORDS_LENGTH = 1000  # characters; more than anyone types, little enough to encode at once
MAX_LIMIT = 50  # GIFs in one answer
DEFAULT_LIMIT = 12


class Rating(StrEnum):
    """How mild a GIF is, mildest first, in GIPHY's terms. ``level`` orders them."""

    G = "g"
    PG = "pg"
    PG_13 = "pg-13"
    R = "r"

    @property
    def level(self) -> int:
        """0 for ``g`` to 3 for ``r``."""
        return list(Rating).index(self)

    def allows(self, other: Rating) -> bool:
        """Whether a GIF rated ``other`` may be shown under this upper limit."""
        return other.level <= self.level


class GifKey(NamedTuple):
    """Which GIF: the provider it comes from and its id there."""

    provider: str
    id: str


@dataclass(frozen=True, slots=True)
class Gif:
    """What is known of one GIF besides its pixels. ``width`` and ``height`` are in pixels."""

    key: GifKey
    title: str
    alt_text: str
    rating: Rating
    url: str
    width: int
    height: int
    attribution: str = ""


class Source(StrEnum):
    """Where a result came from: already embedded, or fetched for this query."""

    KNOWN = "known"
    FETCHED = "fetched"


class Fit(StrEnum):
    """How well a GIF fits the words, compared with everything else that was looked at."""

    STRONG = "strong"
    FAIR = "fair"
    WEAK = "weak"


@dataclass(frozen=True, slots=True)
class ScoredGif:
    """A GIF in an answer. ``score`` is the cosine of words and pixels in the joint space, in [-1, 1];
    ``z_score`` is the same in standard deviations above the mean of all GIFs looked at; ``why`` says both in
    plain words."""

    gif: Gif
    score: float
    z_score: float
    fit: Fit
    source: Source
    why: str


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is asked. ``words`` are the person's own, at most ``MAX_WORDS_LENGTH`` characters."""

    words: str
    limit: int = DEFAULT_LIMIT
    max_rating: Rating = Rating.PG_13


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the GIFs there are (``total``) had been embedded (``seen``) when the answer was made."""

    seen: int
    total: int

    @property
    def fraction(self) -> float:
        """``seen / total``; 1.0 where there is nothing to see."""
        return self.seen / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The answer, best first. ``notices`` are plain sentences for the person who asked; ``elapsed_s`` in seconds."""

    words: str
    results: tuple[ScoredGif, ...]
    model: str
    coverage: Coverage
    elapsed_s: float
    notices: tuple[str, ...] = ()

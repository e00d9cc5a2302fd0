"""The data that crosses the engine's boundaries: frozen, without torch or numpy, shared by engine and bots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from deepgif.models.preprocess.sampling import FrameSampling as FrameSampling

MAX_WORDS_LENGTH = 1000  # characters; more than anyone types, little enough to encode at once
MAX_LIMIT = 50  # GIFs in one answer
MAX_RANKED = 100  # GIFs in one ranking, page by page
DEFAULT_LIMIT = 12
DEFAULT_DEADLINE_S = 2.5
MAX_DEADLINE_S = 30.0


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
    """What is known of one GIF besides its pixels. ``width`` and ``height`` are in pixels, 0 where they
    are not known."""

    key: GifKey
    title: str
    alt_text: str
    rating: Rating
    url: str
    width: int
    height: int
    attribution: str = ""


@dataclass(frozen=True, slots=True)
class Rendition:
    """One file of a GIF's media, in pixels and bytes; ``size`` is what the provider states, which can be wrong."""

    url: str
    width: int
    height: int
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a provider answers for one GIF: ``still`` is a small picture of it, ``clip`` a small version that moves.
    ``sent_url`` is told when the GIF is sent, where the operator wants that."""

    gif: Gif
    tags: tuple[str, ...] = ()
    still: Rendition | None = None
    clip: Rendition | None = None
    sent_url: str = ""

    @property
    def text(self) -> str:
        """All words that come with the GIF, for the sentence encoder; empty where there are none."""
        return describe(self.gif, self.tags)


def describe(gif: Gif, tags: Sequence[str] = ()) -> str:
    """Title, alt text and tags as one text, none of them twice, at most ``MAX_WORDS_LENGTH`` characters."""
    parts = dict.fromkeys(part.strip() for part in (gif.title, gif.alt_text, ", ".join(tags)))
    return ". ".join(part for part in parts if part)[:MAX_WORDS_LENGTH]


class Source(StrEnum):
    """Where a result came from: known before, or fetched for this query."""

    KNOWN = "known"
    FETCHED = "fetched"


class Fit(StrEnum):
    """How well a GIF fits the words, compared with everything else that was looked at."""

    STRONG = "strong"
    FAIR = "fair"
    WEAK = "weak"


class Origin(StrEnum):
    """How an answer was made: from what was known, from a provider's candidates and what was known reranked
    together, or in the provider's own order, where nothing could be judged."""

    KNOWN = "known"
    RERANKED = "reranked"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class ScoredGif:
    """A GIF in an answer. ``visual`` is the cosine of the words and the pixels in the joint space, ``text`` that of
    the words and the GIF's title, alt text and tags as sentences, both in [-1, 1] and None where there is nothing to
    compare; ``score`` fuses both with the provider's order, in log-odds; ``confidence`` is the chance, in [0, 1],
    that the GIF shows what was asked for; ``why`` says it in plain words."""

    gif: Gif
    score: float
    visual: float | None
    text: float | None
    confidence: float
    fit: Fit
    source: Source
    why: str


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is asked. ``words`` are the person's own, at most ``MAX_WORDS_LENGTH`` characters; ``offset`` results are
    passed over; ``deadline_s`` is in seconds; ``language`` (ISO 639-1) and ``country`` (ISO 3166-1) are the person's,
    for the provider."""

    words: str
    limit: int = DEFAULT_LIMIT
    max_rating: Rating = Rating.PG_13
    offset: int = 0
    deadline_s: float = DEFAULT_DEADLINE_S
    language: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of how many of the GIFs compared (``total``) the pixels had been looked at (``seen``) when the answer was
    made."""

    seen: int
    total: int

    @property
    def fraction(self) -> float:
        """``seen / total``; 1.0 where there is nothing to see."""
        return self.seen / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The answer, best first. ``ranked`` is how many there are in all; ``notices`` are plain sentences for the person
    who asked, ``attribution`` what must be shown beside the GIFs; ``elapsed_s`` in seconds."""

    words: str
    results: tuple[ScoredGif, ...]
    model: str
    coverage: Coverage
    elapsed_s: float
    notices: tuple[str, ...] = ()
    origin: Origin = Origin.KNOWN
    ranked: int = 0
    attribution: tuple[str, ...] = ()

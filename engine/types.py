"""The engine's public data types, shared with the bots: frozen, without torch or numpy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from deepgif.engine.errors import InvalidRequestError
from deepgif.models.preprocess.sampling import FrameSampling as FrameSampling

MAX_QUERY_LENGTH = 1000  # characters: more than anyone types, few enough to encode at once
MAX_LIMIT = 50  # GIFs per answer
MAX_RANKED = 100  # GIFs per query, over all pages
DEFAULT_LIMIT = 12
DEFAULT_DEADLINE_S = 2.5
MAX_DEADLINE_S = 30.0
_LANGUAGE = re.compile(r"([a-z]{2,3}(-[A-Za-z]{2,4})?)?")
# Control characters, lone surrogates, and unassigned or private code points: there is nothing to search for in them.
_MEANINGLESS = {"Cc", "Cs", "Cn", "Co"}
# Characters that are invisible or only change the direction of writing (Unicode 16, section 23.2).
_INVISIBLE = frozenset(
    "\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
)


class Rating(StrEnum):
    """Content ratings as GIPHY defines them, mildest first."""

    G = "g"
    PG = "pg"
    PG_13 = "pg-13"
    R = "r"

    @property
    def level(self) -> int:
        """0 for ``g`` to 3 for ``r``."""
        return list(Rating).index(self)

    def allows(self, other: Rating) -> bool:
        """Whether a GIF rated ``other`` may be shown if this is the highest allowed rating."""
        return other.level <= self.level


class GifKey(NamedTuple):
    """Identifies a GIF: its provider's name and its id there."""

    provider: str
    id: str


@dataclass(frozen=True, slots=True)
class Gif:
    """A GIF's metadata. ``width`` and ``height`` are in pixels, 0 if unknown; ``text_in_gif`` are the words that an OCR
    read in its frames."""

    key: GifKey
    title: str
    alt_text: str
    rating: Rating
    url: str
    width: int
    height: int
    attribution: str = ""
    tags: tuple[str, ...] = ()
    text_in_gif: str = ""

    @property
    def texts(self) -> tuple[str, ...]:
        """Title, alt text and tags, without repetition and without empty ones."""
        return tuple(dict.fromkeys(text for part in (self.title, self.alt_text, *self.tags) if (text := part.strip())))


@dataclass(frozen=True, slots=True)
class Rendition:
    """One of a GIF's files. ``size`` is the provider's statement in bytes, which can be wrong."""

    url: str
    width: int
    height: int
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A GIF that a provider returned, with a small ``still`` and a small animated ``clip``. ``pingback_url`` is called
    when the GIF is shared, if the operator allows that."""

    gif: Gif
    tags: tuple[str, ...] = ()
    still: Rendition | None = None
    clip: Rendition | None = None
    pingback_url: str = ""

    @property
    def text(self) -> str:
        """The GIF's text for the text encoder; empty if it has none."""
        return describe(self.texts)

    @property
    def texts(self) -> tuple[str, ...]:
        """The GIF's own texts and the provider's tags."""
        return tuple(dict.fromkeys((*self.gif.texts, *(tag for tag in self.tags if tag.strip()))))


def describe(texts: Sequence[str]) -> str:
    """A GIF's texts as one text of at most ``MAX_QUERY_LENGTH`` characters."""
    return ". ".join(texts)[:MAX_QUERY_LENGTH]


class Source(StrEnum):
    """Whether a result was in the index or fetched from a provider for this query."""

    INDEXED = "indexed"
    FETCHED = "fetched"


class Fit(StrEnum):
    """How well a GIF matches the query, compared with the other GIFs."""

    STRONG = "strong"
    FAIR = "fair"
    WEAK = "weak"


class Origin(StrEnum):
    """How an answer was made: from the index, from a provider's candidates reranked together with indexed GIFs, or, if
    they could not be compared, in the provider's own order."""

    INDEXED = "indexed"
    RERANKED = "reranked"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class ScoredGif:
    """A GIF in an answer. ``visual`` is the similarity of query and frames (cosine, corrected for hubness), ``text``
    that of query and title, alt text and tags, None if there is nothing to compare; ``score`` fuses both with the
    provider's rank, in log-odds; ``confidence`` is the probability, in [0, 1], that the GIF matches the query; ``why``
    explains the result in plain English."""

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
    """A search. ``query`` has at most ``MAX_QUERY_LENGTH`` characters; the first ``offset`` results are skipped;
    ``deadline_s`` is in seconds from now; ``language`` (ISO 639-1) and ``country`` (ISO 3166-1) are the user's, for the
    provider."""

    query: str
    limit: int = DEFAULT_LIMIT
    max_rating: Rating = Rating.PG_13
    offset: int = 0
    deadline_s: float = DEFAULT_DEADLINE_S
    language: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of the compared GIFs (``total``) had embedded frames when the answer was made."""

    embedded: int
    total: int

    @property
    def fraction(self) -> float:
        """``embedded / total``; 1.0 if both are 0."""
        return self.embedded / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class SearchAnswer:
    """The results of a search, best first. ``ranked`` is their number over all pages; ``notices`` are sentences for the
    user; ``attribution`` must be shown with the GIFs; ``elapsed_s`` is in seconds."""

    query: str
    results: tuple[ScoredGif, ...]
    model: str
    coverage: Coverage
    elapsed_s: float
    notices: tuple[str, ...] = ()
    origin: Origin = Origin.INDEXED
    ranked: int = 0
    attribution: tuple[str, ...] = ()


def normalize_query(text: str) -> str:
    """``text`` in Unicode's composed form (NFC), without control characters and with single spaces.

    Raises ``InvalidRequestError`` if nothing is left or if the result is longer than ``MAX_QUERY_LENGTH``.
    """
    if len(text) > 100 * MAX_QUERY_LENGTH:  # too long to look at each character
        raise _too_long(len(text))
    visible = "".join(
        " " if character in _INVISIBLE or unicodedata.category(character) in _MEANINGLESS else character
        for character in text
    )
    query = " ".join(unicodedata.normalize("NFC", visible).split())
    if not query:
        raise InvalidRequestError("Describe the GIF in a few words.")
    if len(query) > MAX_QUERY_LENGTH:
        raise _too_long(len(query))
    return query


def _too_long(length: int) -> InvalidRequestError:
    return InvalidRequestError(
        f"That is {length:,} characters. Describe the GIF in at most {MAX_QUERY_LENGTH:,} characters."
    )


def parse_language(value: object) -> str:
    """``value`` if it is a language code (ISO 639-1, optionally with a region) or "". Raises
    ``InvalidRequestError``."""
    if not isinstance(value, str) or not _LANGUAGE.fullmatch(value):
        raise InvalidRequestError("The language must be a code such as en or de, or empty.")
    return value

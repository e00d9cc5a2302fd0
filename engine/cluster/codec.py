"""How the metadata of providers' GIFs is stored in Redis: bounded JSON, validated when it is read."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepgif.engine.types import Candidate, Gif, GifKey, Rating

MAX_BYTES = 64 * 1024  # more than the limits below allow
MAX_TEXT, MAX_TAGS, MAX_TAG = 1000, 50, 100
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Side = Annotated[int, Field(ge=0, lt=2**31)]


class Stored(BaseModel):
    """Base of what is stored as JSON. Only exact types are accepted, and numbers must be finite."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)

    v: Literal[1] = 1


class StoredGif(Stored):
    """A GIF, stored until ``expires`` (seconds since 1970). ``url`` is empty unless it may be stored."""

    title: Text
    alt_text: Text
    tags: tuple[Text, ...] = Field(max_length=MAX_TAGS)
    rating: Rating
    size: tuple[Side, Side]
    url: str = Field(max_length=2000, pattern="^(https?://|$)")
    expires: float = Field(ge=0, lt=2**53)

    @classmethod
    def of(cls, candidate: Candidate, expires: float, *, keep_url: bool) -> StoredGif:
        """What may be stored of a candidate, within the limits."""
        gif = candidate.gif
        return cls.model_construct(
            title=gif.title[:MAX_TEXT],
            alt_text=gif.alt_text[:MAX_TEXT],
            tags=tuple(tag[:MAX_TAG] for tag in candidate.tags[:MAX_TAGS]),
            rating=gif.rating,
            size=(gif.width, gif.height),
            url=gif.url if keep_url else "",
            expires=expires,
        )

    def candidate(self, key: GifKey, attribution: str) -> Candidate:
        """The candidate again, without renditions."""
        gif = Gif(key, self.title, self.alt_text, self.rating, self.url, *self.size, attribution)
        return Candidate(gif, self.tags)


def write_gif(candidate: Candidate, expires: float, *, keep_url: bool) -> bytes:
    """A candidate as JSON."""
    return StoredGif.of(candidate, expires, keep_url=keep_url).model_dump_json().encode()


def read_gif(value: bytes | None, key: GifKey, attribution: str) -> tuple[Candidate, float] | None:
    """The candidate and when it expires (seconds since 1970), or None if the value is missing or invalid."""
    if value is None or len(value) > MAX_BYTES:
        return None
    try:
        stored = StoredGif.model_validate_json(value)
    except ValidationError:
        return None
    return stored.candidate(key, attribution), stored.expires

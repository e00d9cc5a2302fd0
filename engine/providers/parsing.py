"""Reads single values of a provider's JSON, of which nothing is trusted."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from deepgif.engine.types import Rendition

MAX_TEXT, MAX_URL, MAX_TAGS = 500, 2000, 30  # characters, characters, tags


def first_rendition(images: Mapping[str, object], names: Collection[str]) -> Rendition | None:
    """The first of the named files that has a URL. Its numbers may be strings, or missing."""
    for name in names:
        image = images.get(name)
        if isinstance(image, Mapping):
            url = image.get("url")
            if isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= MAX_URL:
                width, height, size = (number_of(image.get(key)) for key in ("width", "height", "size"))
                return Rendition(url, width or 0, height or 0, size)
    return None


def number_of(value: object) -> int | None:
    """A whole number below 2**31, which may be given as a string; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def text_of(value: object, longest: int = MAX_TEXT) -> str:
    """A text with single spaces; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return " ".join(value.encode("utf-8", "replace").decode().split())[:longest]


def tags_of(value: object) -> tuple[str, ...]:
    """The texts in a list of tags."""
    return tuple(text_of(tag) for tag in value[:MAX_TAGS] if isinstance(tag, str)) if isinstance(value, list) else ()

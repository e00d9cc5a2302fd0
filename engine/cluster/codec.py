"""What is shared of a provider's GIFs besides their vectors: JSON of bounded size, checked when it is read."""

from __future__ import annotations

import json
from typing import Any

from deepgif.engine.types import Candidate, Gif, GifKey, Rating

VERSION = 1
MAX_BYTES = 32 * 1024
MAX_TEXT, MAX_TAGS, MAX_URL = 1000, 50, 2000
MAX_SIDE = 2**31


def write_row(candidate: Candidate, expires: float, *, keep_url: bool) -> bytes:
    """A candidate, kept until ``expires`` (seconds since 1970), as it is stored; the address only with ``keep_url``."""
    gif = candidate.gif
    row: dict[str, Any] = {
        "v": VERSION,
        "title": gif.title[:MAX_TEXT],
        "alt_text": gif.alt_text[:MAX_TEXT],
        "tags": [tag[:MAX_TEXT] for tag in candidate.tags[:MAX_TAGS]],
        "rating": gif.rating.value,
        "size": [gif.width, gif.height],
        "url": gif.url if keep_url else "",
        "expires": expires,
    }
    written = json.dumps(row, separators=(",", ":")).encode()
    while len(written) > MAX_BYTES and row["tags"]:
        row["tags"] = row["tags"][:-1]
        written = json.dumps(row, separators=(",", ":")).encode()
    return written


def read_row(value: bytes | None, key: GifKey, attribution: str) -> tuple[Candidate, float] | None:
    """The candidate and when it expires; None, as if it were not there, for whatever else the value is."""
    if value is None or len(value) > MAX_BYTES:
        return None
    try:
        row: Any = json.loads(value)
        if row["v"] != VERSION:
            return None
        width, height = (_number(side, MAX_SIDE) for side in row["size"])
        expires = float(_number(row["expires"], 2**53))
        tags = tuple(_text(tag, MAX_TEXT) for tag in row["tags"][:MAX_TAGS])
        title, alt_text = _text(row["title"], MAX_TEXT), _text(row["alt_text"], MAX_TEXT)
        url = _text(row["url"], MAX_URL)
        if url and not url.startswith(("https://", "http://")):
            return None
        gif = Gif(key, title, alt_text, Rating(row["rating"]), url, int(width), int(height), attribution)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
        return None
    return Candidate(gif, tags), expires


def _text(value: object, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest:
        raise ValueError("no text of that length")
    value.encode()  # lone surrogates, which cannot be stored or sent
    return value


def _number(value: object, below: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < below:
        raise ValueError("no number of that size")
    return value

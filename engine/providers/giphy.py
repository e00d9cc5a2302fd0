"""GIPHY's API, as its developer pages describe it (developers.giphy.com/docs/api)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from deepgif.engine.errors import ProviderError
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.providers.http import JsonApi
from deepgif.engine.types import Candidate, Gif, GifKey, Rating, Rendition

NAME = "giphy"
ATTRIBUTION = "Powered by GIPHY"
API = "https://api.giphy.com"
MEDIA_HOSTS = frozenset({"media.giphy.com", "i.giphy.com", *(f"media{number}.giphy.com" for number in range(5))})
PINGBACK_HOST = "giphy-analytics.giphy.com"
PAGE, PAGES = 50, 2
LONGEST = 50  # characters of a query; a longer one is refused with status 414
IDS_AT_ONCE = 100
# From the one to look at first to what will do: small, and with few frames.
STILLS = (
    "fixed_width_small_still",
    "fixed_height_small_still",
    "fixed_width_still",
    "fixed_height_still",
    "480w_still",
)
CLIPS = ("fixed_width_downsampled", "fixed_height_downsampled", "fixed_width_small", "fixed_height_small")
CLIPS_TOO = ("preview_gif", "fixed_width", "fixed_height", "downsized", "original")
SHOWN = ("fixed_width", "fixed_height", "downsized", "downsized_medium", "original", *CLIPS)


class GiphyApi:
    """Searches and looks up GIFs with one key."""

    name, attribution, media_hosts, ids_at_once = NAME, ATTRIBUTION, MEDIA_HOSTS, IDS_AT_ONCE

    def __init__(self, api: JsonApi, key: str, url: str = API) -> None:
        self.budget = api.budget
        self._api = api
        self._key = key
        self._url = url

    async def search(self, query: ProviderQuery) -> list[Candidate]:
        """The first 100 GIFs for the query in GIPHY's order; of two pages one is enough. Raises ``ProviderError``."""
        asked = {
            "api_key": self._key,
            "q": shortened(query.words, LONGEST),
            "limit": str(PAGE),
            "rating": query.max_rating.value,
            **({"lang": query.language} if query.language else {}),
            **({"country_code": query.country} if query.country else {}),
        }
        pages = await asyncio.gather(
            *(
                self._api.get(f"{self._url}/v1/gifs/search", asked | {"offset": str(number * PAGE)})
                for number in range(PAGES)
            ),
            return_exceptions=True,
        )
        bodies = [page for page in pages if not isinstance(page, BaseException)]
        if not bodies:
            raise next(page for page in pages if isinstance(page, BaseException))
        return read_gifs(bodies, query.max_rating)

    async def by_ids(self, kept: Mapping[str, Candidate], *, leave: float = 0.0) -> list[Candidate]:
        """What GIPHY says of these GIFs now, at most 100, in one call. Raises ``ProviderError``."""
        some = ",".join(list(kept)[:IDS_AT_ONCE])
        body = await self._api.get(f"{self._url}/v1/gifs", {"api_key": self._key, "ids": some}, leave=leave)
        return read_gifs([body], Rating.R)


def shortened(words: str, longest: int) -> str:
    """At most ``longest`` characters of ``words``, cut between words where there is such a place."""
    if len(words) <= longest:
        return words
    cut = words[: longest + 1].rfind(" ")
    return words[:cut].rstrip() if cut > 0 else words[:longest]


def read_gifs(bodies: list[dict[str, Any]], max_rating: Rating) -> list[Candidate]:
    """All usable GIFs of some answers, each once, in order; those without a known rating, or above ``max_rating``, are
    left out. Raises ``ProviderError`` where no answer has the documented shape."""
    lists = [body["data"] for body in bodies if isinstance(body.get("data"), list)]
    if not lists:
        raise ProviderError("GIPHY answered in a shape that is not known here.")
    found: dict[GifKey, Candidate] = {}
    for item in (item for some in lists for item in some):
        candidate = _read_gif(item)
        if candidate is not None and max_rating.allows(candidate.gif.rating):
            found.setdefault(candidate.gif.key, candidate)
    return list(found.values())


def _read_gif(item: object) -> Candidate | None:
    if not isinstance(item, Mapping):
        return None
    gif_id, images, rating = item.get("id"), item.get("images"), item.get("rating")
    if not isinstance(gif_id, str) or not gif_id or not isinstance(images, Mapping):
        return None
    if not isinstance(rating, str) or rating.lower() not in list(Rating):
        return None
    shown = first_rendition(images, SHOWN)
    if shown is None:
        return None
    title, alt_text, user = (text_of(item.get(name)) for name in ("title", "alt_text", "username"))
    tags = item.get("tags")
    words = tuple(text_of(tag) for tag in tags[:30] if isinstance(tag, str)) if isinstance(tags, list) else ()
    gif = Gif(
        key=GifKey(NAME, gif_id),
        title=title or f"GIF by {user}" if user else title or "Untitled GIF",
        alt_text=alt_text or title or (f"GIF by {user}" if user else ", ".join(words)) or "GIF without a description",
        rating=Rating(rating.lower()),
        url=shown.url,
        width=shown.width,
        height=shown.height,
        attribution=ATTRIBUTION,
    )
    sent = item.get("analytics")
    sent = sent.get("onsent") if isinstance(sent, Mapping) else None
    return Candidate(
        gif,
        words,
        still=first_rendition(images, STILLS),
        clip=first_rendition(images, CLIPS) or first_rendition(images, CLIPS_TOO),
        sent_url=text_of(sent.get("url"), 2000) if isinstance(sent, Mapping) else "",
    )


def first_rendition(images: Mapping[str, object], names: Collection[str]) -> Rendition | None:
    """The first of the named files that has an https address; numbers may come as strings, or not at all."""
    for name in names:
        image = images.get(name)
        if isinstance(image, Mapping):
            url = image.get("url")
            if isinstance(url, str) and url.startswith(("https://", "http://")) and len(url) <= 2000:
                return Rendition(
                    url,
                    number_of(image.get("width")) or 0,
                    number_of(image.get("height")) or 0,
                    number_of(image.get("size")),
                )
    return None


def number_of(value: object) -> int | None:
    """A whole number of 0 to 2**31 that may come as a string; None for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 10:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else None


def text_of(value: object, longest: int = 500) -> str:
    """A text with single spaces; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return " ".join(value.encode("utf-8", "replace").decode().split())[:longest]

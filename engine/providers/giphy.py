"""GIPHY's API, as documented at developers.giphy.com/docs/api."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from deepgif.engine.errors import ProviderError
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.providers.http import JsonApi
from deepgif.engine.providers.parsing import MAX_URL, first_rendition, tags_of, text_of
from deepgif.engine.providers.quota import RESERVED_FOR_LOOKUPS
from deepgif.engine.types import Candidate, Gif, GifKey, Rating

NAME = "giphy"
ATTRIBUTION = "Powered by GIPHY"
API = "https://api.giphy.com"
MEDIA_HOSTS = frozenset({"media.giphy.com", "i.giphy.com", *(f"media{number}.giphy.com" for number in range(5))})
PINGBACK_HOST = "giphy-analytics.giphy.com"
PAGE = 50
MAX_QUERY = 50  # characters; GIPHY rejects longer queries with status 414
IDS_AT_ONCE = 100
# Renditions by preference: small ones with few frames first.
STILLS = (
    "fixed_width_small_still",
    "fixed_height_small_still",
    "fixed_width_still",
    "fixed_height_still",
    "480w_still",
)
CLIPS = ("fixed_width_downsampled", "fixed_height_downsampled", "fixed_width_small", "fixed_height_small")
LARGER_CLIPS = ("preview_gif", "fixed_width", "fixed_height", "downsized", "original")
SHOWN = ("fixed_width", "fixed_height", "downsized", "downsized_medium", "original", *CLIPS)


class GiphyApi:
    """Searches and looks up GIFs with one API key."""

    name, attribution, media_hosts, ids_at_once = NAME, ATTRIBUTION, MEDIA_HOSTS, IDS_AT_ONCE

    def __init__(self, api: JsonApi, key: str, url: str = API) -> None:
        self.quota = api.quota
        self._api = api
        self._key = key
        self._url = url

    async def search(self, query: ProviderQuery, *, reserve: float = RESERVED_FOR_LOOKUPS) -> list[Candidate]:
        """The best GIFs in GIPHY's order, 50 from each page that does not fail. Raises ``ProviderError``."""
        parameters = {
            "api_key": self._key,
            "q": shortened(query.text, MAX_QUERY),
            "limit": str(PAGE),
            "rating": query.max_rating.value,
            **({"lang": query.language} if query.language else {}),
            **({"country_code": query.country} if query.country else {}),
        }
        pages = [parameters | {"offset": str(number * PAGE)} for number in range(query.pages)]
        return read_gifs(
            await self._api.get_pages(f"{self._url}/v1/gifs/search", pages, reserve=reserve), query.max_rating
        )

    async def by_ids(self, stored: Mapping[str, Candidate], *, reserve: float = 0.0) -> list[Candidate]:
        """The current state of at most 100 GIFs, in one call. Raises ``ProviderError``."""
        ids = ",".join(list(stored)[:IDS_AT_ONCE])
        body = await self._api.get(f"{self._url}/v1/gifs", {"api_key": self._key, "ids": ids}, reserve=reserve)
        return read_gifs([body], Rating.R)


def shortened(words: str, longest: int) -> str:
    """At most ``longest`` characters of ``words``, cut between words if possible."""
    if len(words) <= longest:
        return words
    cut = words[: longest + 1].rfind(" ")
    return words[:cut].rstrip() if cut > 0 else words[:longest]


def read_gifs(bodies: list[dict[str, Any]], max_rating: Rating) -> list[Candidate]:
    """All usable GIFs in some responses, each once, in order. GIFs without a known rating, or above ``max_rating``, are
    left out. Raises ``ProviderError`` if no response has the documented shape."""
    lists = [body["data"] for body in bodies if isinstance(body.get("data"), list)]
    if not lists:
        raise ProviderError("GIPHY sent a response that DeepGIF does not understand.")
    found: dict[GifKey, Candidate] = {}
    for item in chain.from_iterable(lists):
        candidate = _read_gif(item)
        if candidate is not None and max_rating.allows(candidate.gif.rating):
            found.setdefault(candidate.gif.key, candidate)
    return list(found.values())


def _read_gif(item: object) -> Candidate | None:
    if not isinstance(item, Mapping):
        return None
    gif_id, images, rating = text_of(item.get("id"), 200), item.get("images"), item.get("rating")
    if not gif_id or not isinstance(images, Mapping):
        return None
    if not isinstance(rating, str) or rating.lower() not in list(Rating):
        return None
    shown = first_rendition(images, SHOWN)
    if shown is None:
        return None
    title, alt_text, user = (text_of(item.get(name)) for name in ("title", "alt_text", "username"))
    tags = tags_of(item.get("tags"))
    gif = Gif(
        key=GifKey(NAME, gif_id),
        title=title or f"GIF by {user}" if user else title or "Untitled GIF",
        alt_text=alt_text or title or (f"GIF by {user}" if user else ", ".join(tags)) or "GIF without a description",
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
        tags,
        still=first_rendition(images, STILLS),
        clip=first_rendition(images, CLIPS) or first_rendition(images, LARGER_CLIPS),
        pingback_url=text_of(sent.get("url"), MAX_URL) if isinstance(sent, Mapping) else "",
    )

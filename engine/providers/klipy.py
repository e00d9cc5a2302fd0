"""Klipy's API (docs.klipy.com)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from deepgif.engine.errors import ProviderError
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.providers.http import JsonApi
from deepgif.engine.providers.parsing import first_rendition, number_of, tags_of, text_of
from deepgif.engine.providers.quota import RESERVED_FOR_LOOKUPS
from deepgif.engine.types import Candidate, Gif, GifKey, Rating, Rendition

NAME = "klipy"
ATTRIBUTION = "Powered by KLIPY"
API = "https://api.klipy.com"
MEDIA_HOSTS = frozenset({"static.klipy.com"})
PAGE = 50
MAX_QUERY = 200  # characters
IDS_AT_ONCE = 24  # the default page size
# Klipy does not rate GIFs: those that pass a filter get the rating of the filter.
FILTERS = {Rating.G: "high", Rating.PG: "medium", Rating.PG_13: "low", Rating.R: "off"}
CUSTOMER = "deepgif"  # Klipy does not learn who searches


class KlipyApi:
    """Searches and looks up GIFs with one API key."""

    name, attribution, media_hosts, ids_at_once = NAME, ATTRIBUTION, MEDIA_HOSTS, IDS_AT_ONCE

    def __init__(self, api: JsonApi, key: str, url: str = API) -> None:
        self.quota = api.quota
        self._api = api
        self._gifs = f"{url}/api/v1/{quote(key, safe='')}/gifs"

    async def search(self, query: ProviderQuery, *, reserve: float = RESERVED_FOR_LOOKUPS) -> list[Candidate]:
        """The best GIFs in Klipy's order, 50 from each page that does not fail. Raises ``ProviderError``."""
        parameters = {
            "q": query.text[:MAX_QUERY],
            "per_page": str(PAGE),
            "customer_id": CUSTOMER,
            "content_filter": FILTERS[query.max_rating],
        }
        if query.language:
            parameters["locale"] = f"{query.language}_{query.country}" if query.country else query.language
        pages = [parameters | {"page": str(number)} for number in range(1, query.pages + 1)]
        return read_gifs(await self._api.get_pages(f"{self._gifs}/search", pages, reserve=reserve), query.max_rating)

    async def by_ids(self, stored: Mapping[str, Candidate], *, reserve: float = 0.0) -> list[Candidate]:
        """The current state of at most 24 GIFs, in one call, with their stored ratings. Raises ``ProviderError``."""
        parameters = {"slugs": ",".join(list(stored)[:IDS_AT_ONCE]), "customer_id": CUSTOMER}
        found = read_gifs([await self._api.get(f"{self._gifs}/items", parameters, reserve=reserve)], Rating.R)
        return [
            replace(one, gif=replace(one.gif, rating=stored[one.gif.key.id].gif.rating))
            for one in found
            if one.gif.key.id in stored
        ]


def read_gifs(bodies: list[dict[str, Any]], rating: Rating) -> list[Candidate]:
    """All usable GIFs in some responses, each once, in order, with the rating of the filter. Raises ``ProviderError``
    if no response has the documented shape."""
    found: dict[GifKey, Candidate] = {}
    valid = False
    for body in bodies:
        page = body.get("data")
        items = page.get("data") if isinstance(page, Mapping) else None
        if body.get("result") is not True or not isinstance(items, list):
            continue
        valid = True
        for item in items:
            candidate = _read_gif(item, rating)
            if candidate is not None:
                found.setdefault(candidate.gif.key, candidate)
    if not valid:
        raise ProviderError("Klipy sent a response that DeepGIF does not understand.")
    return list(found.values())


def _read_gif(item: object, rating: Rating) -> Candidate | None:
    if not isinstance(item, Mapping) or item.get("type") == "ad":
        return None
    files, number = item.get("file"), number_of(item.get("id"))
    gif_id = text_of(item.get("slug"), 200) or ("" if number is None else str(number))
    if not gif_id or not isinstance(files, Mapping):
        return None
    shown = _rendition(files, ("sm", "md", "hd", "xs"), ("gif", "webp"))
    if shown is None:
        return None
    tags = tags_of(item.get("tags"))
    title = text_of(item.get("title"))
    gif = Gif(
        key=GifKey(NAME, gif_id),
        title=title or "Untitled GIF",
        alt_text=title or ", ".join(tags) or "GIF without a description",
        rating=rating,
        url=shown.url,
        width=shown.width,
        height=shown.height,
        attribution=ATTRIBUTION,
    )
    return Candidate(gif, tags, clip=_rendition(files, ("xs", "sm", "md", "hd"), ("webp", "gif")))


def _rendition(files: Mapping[str, object], sizes: Collection[str], formats: Collection[str]) -> Rendition | None:
    for size in sizes:
        renditions = files.get(size)
        if isinstance(renditions, Mapping) and (found := first_rendition(renditions, formats)) is not None:
            return found
    return None

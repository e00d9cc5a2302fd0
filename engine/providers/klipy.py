"""Klipy's API (docs.klipy.com)."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from deepgif.engine.errors import ProviderError
from deepgif.engine.protocols import ProviderQuery
from deepgif.engine.providers.giphy import first_rendition, number_of, text_of
from deepgif.engine.providers.http import JsonApi
from deepgif.engine.types import Candidate, Gif, GifKey, Rating, Rendition

NAME = "klipy"
ATTRIBUTION = "Powered by KLIPY"
API = "https://api.klipy.com"
MEDIA_HOSTS = frozenset({"static.klipy.com"})
PAGE, PAGES = 50, 2
LONGEST = 200  # characters of a query
IDS_AT_ONCE = 24  # a page where no other size is asked for
# Klipy rates nothing itself: what its filter lets through is taken as rated by the filter.
FILTERS = {Rating.G: "high", Rating.PG: "medium", Rating.PG_13: "low", Rating.R: "off"}
CUSTOMER = "deepgif"  # whoever asks stays unknown to Klipy


class KlipyApi:
    """Searches GIFs with one key."""

    name, attribution, media_hosts, ids_at_once = NAME, ATTRIBUTION, MEDIA_HOSTS, IDS_AT_ONCE

    def __init__(self, api: JsonApi, key: str, url: str = API) -> None:
        self.budget = api.budget
        self._api = api
        self._gifs = f"{url}/api/v1/{quote(key, safe='')}/gifs"

    async def search(self, query: ProviderQuery) -> list[Candidate]:
        """The first 100 GIFs for the query in Klipy's order. Raises ``ProviderError``."""
        asked = {
            "q": query.words[:LONGEST],
            "per_page": str(PAGE),
            "customer_id": CUSTOMER,
            "content_filter": FILTERS[query.max_rating],
        }
        if query.language:
            asked["locale"] = f"{query.language}_{query.country}" if query.country else query.language
        pages = await asyncio.gather(
            *(self._api.get(f"{self._gifs}/search", asked | {"page": str(number)}) for number in range(1, PAGES + 1)),
            return_exceptions=True,
        )
        bodies = [page for page in pages if not isinstance(page, BaseException)]
        if not bodies:
            raise next(page for page in pages if isinstance(page, BaseException))
        return read_gifs(bodies, query.max_rating)

    async def by_ids(self, kept: Mapping[str, Candidate], *, leave: float = 0.0) -> list[Candidate]:
        """What Klipy says of these GIFs now, at most 24, in one call; rated as before. Raises ``ProviderError``."""
        asked = {"slugs": ",".join(list(kept)[:IDS_AT_ONCE]), "customer_id": CUSTOMER}
        found = read_gifs([await self._api.get(f"{self._gifs}/items", asked, leave=leave)], Rating.R)
        return [
            replace(one, gif=replace(one.gif, rating=kept[one.gif.key.id].gif.rating))
            for one in found
            if one.gif.key.id in kept
        ]


def read_gifs(bodies: list[dict[str, Any]], rating: Rating) -> list[Candidate]:
    """All usable GIFs of some answers, each once, in order, rated as the filter that was asked for. Raises
    ``ProviderError`` where no answer has the documented shape."""
    found: dict[GifKey, Candidate] = {}
    shaped = False
    for body in bodies:
        page = body.get("data")
        items = page.get("data") if isinstance(page, Mapping) else None
        if body.get("result") is not True or not isinstance(items, list):
            continue
        shaped = True
        for item in items:
            candidate = _read_gif(item, rating)
            if candidate is not None:
                found.setdefault(candidate.gif.key, candidate)
    if not shaped:
        raise ProviderError("Klipy answered in a shape that is not known here.")
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
    tags = item.get("tags")
    words = tuple(text_of(tag) for tag in tags[:30] if isinstance(tag, str)) if isinstance(tags, list) else ()
    title = text_of(item.get("title"))
    gif = Gif(
        key=GifKey(NAME, gif_id),
        title=title or "Untitled GIF",
        alt_text=title or ", ".join(words) or "GIF without a description",
        rating=rating,
        url=shown.url,
        width=shown.width,
        height=shown.height,
        attribution=ATTRIBUTION,
    )
    return Candidate(gif, words, clip=_rendition(files, ("xs", "sm", "md", "hd"), ("webp", "gif")))


def _rendition(files: Mapping[str, object], sizes: Collection[str], kinds: Collection[str]) -> Rendition | None:
    for size in sizes:
        some = files.get(size)
        if isinstance(some, Mapping) and (found := first_rendition(some, kinds)) is not None:
            return found
    return None

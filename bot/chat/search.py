"""Asks the engine on behalf of a person, within what their workspace allows."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from deepgif.bot.store.preferences import Preferences
from deepgif.bot.store.sessions import SearchSession
from deepgif.engine.errors import EngineUnavailableError, NotFoundError, NotReadyError
from deepgif.engine.types import MAX_LIMIT, Gif, GifKey, Rating, SearchAnswer, SearchRequest

Value = TypeVar("Value")
# Before the second try and later ones: a balancer needs a moment to leave out an engine that died.
PAUSES_S = (0.0, 0.5, 2.0)
PATIENCE_S = 10.0  # after which there is no third try, nor a later one
OUT_OF_REACH = (
    "The GIFs that were found lie where this platform cannot fetch them; whoever runs the engine must set "
    "DEEPGIF_PUBLIC_URL to a public address."
)


class SearchClient(Protocol):
    """The engine, as ``deepgif.engine.api.client.EngineClient`` reaches it."""

    async def search(self, request: SearchRequest) -> SearchAnswer:
        """The ranking for some words. Raises ``DeepGifError``."""

    async def similar(self, key: GifKey, limit: int, max_rating: Rating) -> SearchAnswer:
        """GIFs that look like one. Raises ``DeepGifError``."""

    async def sent(self, key: GifKey) -> None:
        """A GIF was sent. Raises ``DeepGifError``."""


@dataclass(frozen=True, slots=True)
class FoundGif:
    """A GIF to show, with plain sentences for who asked."""

    gif: Gif
    notices: tuple[str, ...] = ()


class GifSearch:
    """Finds what a showing shows next. ``can_show`` says what the platform can show at all; the engine has
    ``deadline_s`` seconds for an answer."""

    def __init__(self, client: SearchClient, can_show: Callable[[Gif], bool], deadline_s: float) -> None:
        self._client = client
        self._can_show = can_show
        self._deadline_s = deadline_s

    async def next(
        self, showing: SearchSession, chosen: Preferences, passed_over: Collection[GifKey]
    ) -> FoundGif | None:
        """The best GIF that the showing has not shown and that is not passed over; None where there is none.

        Raises ``DeepGifError``, ``EngineUnavailableError`` and ``NotReadyError`` only after further tries.
        """
        return await self._first(showing, chosen, lambda gif: gif.key not in passed_over)

    async def again(self, showing: SearchSession, chosen: Preferences) -> FoundGif | None:
        """The GIF that the showing shows, with its address of now; None where it cannot be had any more.

        A GIF that others were to look like is not among them: it is looked for where it was found.
        """
        ways = [showing]
        if showing.key == showing.like:
            neighbours = showing.seen[showing.at + 1 : showing.at + 2]
            ways = [replace(showing, like=like) for like in (None, *neighbours)]
        for way in ways:
            found = await self._first(way, chosen, lambda gif: gif.key == showing.key)
            if found is not None:
                return found
        return None

    async def sent(self, key: GifKey) -> None:
        """Tells the engine that a GIF was sent. Raises ``DeepGifError``."""
        await self._client.sent(key)

    async def _first(
        self, showing: SearchSession, chosen: Preferences, wanted: Callable[[Gif], bool]
    ) -> FoundGif | None:
        answer = await _patiently(lambda: self._ask(showing, chosen))
        if answer.results and not any(self._can_show(result.gif) for result in answer.results):
            raise NotFoundError(OUT_OF_REACH)
        for result in answer.results:
            gif = result.gif
            if wanted(gif) and self._can_show(gif) and not chosen.blocks(f"{gif.title}\n{gif.alt_text}"):
                return FoundGif(gif, answer.notices)
        return None

    async def _ask(self, showing: SearchSession, chosen: Preferences) -> SearchAnswer:
        if showing.like is not None:
            return await self._client.similar(showing.like, MAX_LIMIT, chosen.max_rating)
        return await self._client.search(
            SearchRequest(
                showing.words, MAX_LIMIT, chosen.max_rating, deadline_s=self._deadline_s, language=chosen.language
            )
        )


async def _patiently(call: Callable[[], Awaitable[Value]]) -> Value:
    """The value; where one engine has died or closes down, that of another one."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + PATIENCE_S
    for place, pause_s in enumerate(PAUSES_S):
        try:
            return await call()
        except (EngineUnavailableError, NotReadyError):
            if place and loop.time() > ends_at:
                raise
        await asyncio.sleep(pause_s)
    return await call()

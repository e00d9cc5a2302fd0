"""Asks the engine for a user's next GIF, within what their workspace allows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from deepgif.bot.request import Preferences
from deepgif.bot.store.sessions import SearchSession
from deepgif.engine.api.client import EngineClient
from deepgif.engine.errors import EngineUnavailableError, NotReadyError
from deepgif.engine.types import MAX_LIMIT, Gif, GifKey, SearchAnswer, SearchRequest

# Before each retry. A load balancer needs a moment to notice that an engine died.
RETRY_PAUSES_S = (0.0, 0.5, 2.0)
MAX_RETRY_S = 10.0  # no second retry after this


class UnreachableGifsError(Exception):
    """The platform can't load any of the GIFs that were found."""


@dataclass(frozen=True, slots=True)
class FoundGif:
    """A GIF, and the engine's notices for the user."""

    gif: Gif
    notices: tuple[str, ...] = ()


class GifSearch:
    """Finds the GIF that a session shows next. ``can_show`` tells whether the platform can show a GIF; the engine has
    ``deadline_s`` seconds to answer. All methods raise ``DeepGifError``."""

    def __init__(self, client: EngineClient, can_show: Callable[[Gif], bool], deadline_s: float) -> None:
        self._client = client
        self._can_show = can_show
        self._deadline_s = deadline_s

    async def next(
        self, session: SearchSession, preferences: Preferences, excluded: Collection[GifKey]
    ) -> FoundGif | None:
        """The best GIF that is not excluded, or None. Raises ``UnreachableGifsError``."""
        return await self._first(session, preferences, lambda gif: gif.key not in excluded)

    async def refetch(self, session: SearchSession, preferences: Preferences) -> FoundGif | None:
        """The GIF that the session shows, with its current URL; None if the engine doesn't find it any more.

        A GIF is not among those similar to itself, so it is looked for where it was found.
        """
        sources = [session]
        if session.key == session.similar_to:
            neighbours = session.seen[session.position + 1 : session.position + 2]
            sources = [replace(session, similar_to=key) for key in (None, *neighbours)]
        for source in sources:
            found = await self._first(source, preferences, lambda gif: gif.key == session.key)
            if found is not None:
                return found
        return None

    async def report_sent(self, key: GifKey) -> None:
        """Tells the engine that a GIF was posted."""
        await self._client.share(key)

    async def _first(
        self, session: SearchSession, preferences: Preferences, wanted: Callable[[Gif], bool]
    ) -> FoundGif | None:
        answer = await self._search(session, preferences)
        gifs = [result.gif for result in answer.results]
        shown = [gif for gif in gifs if self._can_show(gif)]
        if gifs and not shown:
            raise UnreachableGifsError
        for gif in shown:
            if wanted(gif) and not preferences.blocks(f"{gif.title}\n{gif.alt_text}"):
                return FoundGif(gif, answer.notices)
        return None

    async def _search(self, session: SearchSession, preferences: Preferences) -> SearchAnswer:
        """The engine's answer. Retries if the engine died or is shutting down: another one may be up."""
        loop = asyncio.get_running_loop()
        last_retry_at = loop.time() + MAX_RETRY_S
        for retries, pause_s in enumerate(RETRY_PAUSES_S):
            try:
                return await self._ask(session, preferences)
            except (EngineUnavailableError, NotReadyError):
                if retries and loop.time() > last_retry_at:
                    raise
            await asyncio.sleep(pause_s)
        return await self._ask(session, preferences)

    async def _ask(self, session: SearchSession, preferences: Preferences) -> SearchAnswer:
        if session.similar_to is not None:
            return await self._client.similar(session.similar_to, MAX_LIMIT, preferences.max_rating)
        return await self._client.search(
            SearchRequest(
                session.query,
                MAX_LIMIT,
                preferences.max_rating,
                deadline_s=self._deadline_s,
                language=preferences.language,
            )
        )

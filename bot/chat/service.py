"""The one coordinator of a bot: what was asked or pressed leads to a reply that every platform can render."""

from __future__ import annotations

import logging
from dataclasses import replace

from deepgif.bot.chat import replies
from deepgif.bot.chat.replies import Action, Delete, Dismiss, Edit, Notice, Post, Preview, Reply
from deepgif.bot.chat.search import FoundGif, GifSearch
from deepgif.bot.store.collections import GifCollections, SavedGif
from deepgif.bot.store.encryption import Cipher, new_name
from deepgif.bot.store.preferences import ChatContext, Preferences, PreferenceStore
from deepgif.bot.store.sessions import SearchSession, SessionStore
from deepgif.engine.errors import DeepGifError
from deepgif.engine.text import normalize_query

_log = logging.getLogger(__name__)


class GifService:
    """Answers people. It keeps nothing in memory, so that any process can go on where another stopped."""

    def __init__(
        self,
        finder: GifSearch,
        preferences: PreferenceStore,
        shelf: GifCollections,
        showings: SessionStore,
        seal: Cipher,
    ) -> None:
        self._finder = finder
        self._preferences = preferences
        self._shelf = shelf
        self._showings = showings
        self._seal = seal

    def button(self, showing: SearchSession) -> str:
        """The signed text that the showing's buttons carry; 39 characters."""
        return self._seal.sign(showing.name)

    async def ask(self, place: ChatContext, words: str) -> Reply:
        """The reply to somebody who asks for a GIF. Raises ``DeepGifError``."""
        words = normalize_query(words)
        chosen = await self._preferences.of(place)
        if place.channel in chosen.off_channels:
            return Notice(replies.OFF_HERE)
        if chosen.blocks(words):
            return Notice(replies.BLOCKED_WORDS)
        showing = SearchSession(new_name(), place, words)
        found = await self._next(showing, chosen)
        if found is None:
            return Notice(await self._nothing(showing, chosen))
        showing = showing.with_next(found.gif)
        await self._showings.put(showing)
        return Preview(showing, found) if chosen.preview else Post(showing, found)

    async def press(self, place: ChatContext, action: Action, button: str) -> Reply:
        """The reply to somebody who pressed a button. Raises ``DeepGifError``."""
        try:
            showing = await self._showings.get(self._seal.check(button))
        except ValueError:
            showing = None
        if showing is None or (showing.place.platform, showing.place.workspace) != (place.platform, place.workspace):
            return Notice(replies.TOO_OLD)
        if action is Action.REPORT:
            await self._shelf.block(place, SavedGif(showing.key, showing.title))
            return Delete(showing, replies.REPORTED)
        if showing.place.person != place.person:
            return Notice(replies.NOT_YOURS)
        showing = replace(showing, place=replace(showing.place, age_restricted=place.age_restricted))
        return await self._act(showing, action)

    async def delete_last(self, place: ChatContext) -> Reply:
        """Takes back the newest GIF that the person posted in the channel."""
        showing = await self._showings.last_posted(place)
        if showing is None:
            return Notice(replies.NOTHING_TO_DELETE)
        return await self._act(showing, Action.DELETE)

    async def posted(self, showing: SearchSession, message: str) -> None:
        """Notes under which id a GIF was posted, that it was, and tells the engine."""
        await self._showings.put(replace(showing, message=message))
        await self._shelf.post(showing.place, showing.key)
        try:
            await self._finder.sent(showing.key)
        except DeepGifError as error:
            _log.info("The engine was not told of a GIF that was sent: %s", error)

    async def withdrawn(self, showing: SearchSession) -> None:
        """Notes that what was posted is deleted."""
        await self._showings.remove(showing.name)

    async def _act(self, showing: SearchSession, action: Action) -> Reply:
        match action:
            case Action.STAR:
                await self._shelf.star(showing.place, SavedGif(showing.key, showing.title))
                return Notice(replies.STARRED)
            case Action.CANCEL:
                await self._showings.remove(showing.name)
                return Dismiss()
            case Action.DELETE:
                return Delete(showing, replies.DELETED)
            case Action.SHOW:
                return await self._show(showing, Preview)
            case Action.SEND:
                return await self._show(showing, Post)
            case Action.PREVIOUS if showing.at == 0:
                return Notice(replies.NO_PREVIOUS)
            case Action.PREVIOUS:
                return await self._show(replace(showing, at=showing.at - 1), Edit if showing.message else Preview)
            case Action.NEXT if showing.at + 1 < len(showing.seen):
                return await self._show(replace(showing, at=showing.at + 1), Edit if showing.message else Preview)
            case _:
                return await self._leaf(showing, like=action is Action.MORE)

    async def _show(self, showing: SearchSession, reply: type[Post | Preview | Edit]) -> Reply:
        """A GIF that the showing has shown before, with its address of now."""
        found = await self._finder.again(showing, await self._preferences.of(showing.place))
        if found is None:
            return Notice(replies.TOO_OLD)
        showing = replace(showing, title=found.gif.title)
        await self._showings.put(showing)
        return reply(showing, found)

    async def _leaf(self, showing: SearchSession, like: bool) -> Reply:
        chosen = await self._preferences.of(showing.place)
        if like:
            showing = replace(showing, like=showing.key, seen=(showing.key,), at=0)
        found = await self._next(showing, chosen)
        if found is None:
            return Notice(replies.NOTHING_NEW)
        showing = showing.with_next(found.gif)
        await self._showings.put(showing)
        return Edit(showing, found) if showing.message else Preview(showing, found)

    async def _next(self, showing: SearchSession, chosen: Preferences) -> FoundGif | None:
        blocked = {gif.key for gif in await self._shelf.blocked(showing.place)}
        lately = await self._shelf.posted(showing.place, chosen.repeat_hours)
        return await self._finder.next(showing, chosen, blocked | lately | set(showing.seen))

    async def _nothing(self, showing: SearchSession, chosen: Preferences) -> str:
        """Why there is no GIF: none at all, or only such as were shown lately."""
        blocked = {gif.key for gif in await self._shelf.blocked(showing.place)}
        found = await self._finder.next(showing, chosen, blocked)
        return replies.NOTHING_FOUND if found is None else replies.NOTHING_NEW

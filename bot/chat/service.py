"""Turns a request into a reply. Everything else in a bot delivers requests here and replies from here."""

from __future__ import annotations

import logging
from dataclasses import replace

from deepgif.bot.chat import replies
from deepgif.bot.chat.commands import Verb
from deepgif.bot.chat.replies import Action, Delete, Dismiss, Edit, Notice, PlatformText, Post, Preview, Reply
from deepgif.bot.chat.search import FoundGif, GifSearch, UnreachableGifsError
from deepgif.bot.request import ChatContext, Preferences, Request, RequestKind
from deepgif.bot.store.collections import GifCollections, SavedGif
from deepgif.bot.store.encryption import Cipher, new_id
from deepgif.bot.store.preferences import PreferenceStore
from deepgif.bot.store.sessions import SearchSession, SessionStore
from deepgif.engine.errors import DeepGifError
from deepgif.engine.types import GifKey

_log = logging.getLogger(__name__)


class GifService:
    """Replies to requests. It has no state in memory, so any process can continue where another one stopped."""

    def __init__(
        self,
        search: GifSearch,
        preferences: PreferenceStore,
        collections: GifCollections,
        sessions: SessionStore,
        cipher: Cipher,
        text: PlatformText,
    ) -> None:
        self._search = search
        self._preferences = preferences
        self._collections = collections
        self._sessions = sessions
        self._cipher = cipher
        self._text = text

    async def reply(self, request: Request) -> Reply:
        """The reply to a request. Raises ``DeepGifError``."""
        try:
            if request.notice:
                return Notice(request.notice)
            if request.kind is RequestKind.BUTTON:
                return await self._press(request.context, Action(request.action), request.button)
            match request.action:
                case Verb.DELETE:
                    return await self._delete_last(request.context)
                case Verb.HELP:
                    return Notice("\n".join(self._text.help()))
                case Verb.SETTINGS:
                    return Notice(self._text.fill(replies.OPEN_SETTINGS))
            return await self._find(request)
        except UnreachableGifsError:
            return Notice(self._text.fill(replies.OUT_OF_REACH))

    async def posted(self, session: SearchSession, message: str) -> None:
        """Records that a session's GIF was posted as ``message``, and tells the engine."""
        await self._sessions.put(replace(session, message=message))
        await self._collections.add_posted(session.context, session.key)
        try:
            await self._search.report_sent(session.key)
        except DeepGifError as error:
            _log.info("Could not tell the engine which GIF was posted: %s", error)

    async def deleted(self, session: SearchSession) -> None:
        """Records that a session's post was deleted, and forgets its query."""
        await self._sessions.put(replace(session, query="", message="", removed=True))

    async def _find(self, request: Request) -> Reply:
        preferences = request.preferences or await self._preferences.get(request.context)
        if request.context.channel in preferences.off_channels:
            return Notice(replies.CHANNEL_OFF)
        if preferences.blocks(request.query):
            return Notice(replies.BLOCKED_WORDS)
        session = SearchSession(new_id(), request.context, request.query)
        blocked = await self._blocked(session)
        found = await self._next(session, preferences, blocked)
        if found is None:
            known = await self._search.next(session, preferences, blocked)
            return Notice(replies.NOTHING_FOUND if known is None else replies.NOTHING_NEW)
        return await self._shown(session.with_next(found.gif), found, Preview if preferences.preview else Post)

    async def _press(self, context: ChatContext, action: Action, button: str) -> Reply:
        try:
            session = await self._sessions.get(self._cipher.verify(button))
        except ValueError:
            session = None
        if session is None or (session.context.platform, session.context.workspace) != (
            context.platform,
            context.workspace,
        ):
            return Notice(replies.EXPIRED)
        if action is Action.REPORT:
            await self._collections.block(context, SavedGif(session.key, session.title))
            return Delete(session, self._text.fill(replies.REPORTED))
        if session.context.user != context.user:
            return Notice(replies.NOT_YOURS)
        if session.removed:
            return Notice(replies.REMOVED)
        session = replace(session, context=replace(session.context, age_restricted=context.age_restricted))
        match action:
            case Action.STAR:
                await self._collections.star(session.context, SavedGif(session.key, session.title))
                return Notice(self._text.starred)
            case Action.CANCEL:
                await self._sessions.remove(session.id)
                return Dismiss()
            case Action.DELETE:
                return Delete(session, replies.DELETED)
            case Action.SHOW:
                return await self._show_again(session, Preview)
            case Action.SEND:
                return await self._show_again(session, Post)
            case _:
                return await self._turn(session, action)

    async def _delete_last(self, context: ChatContext) -> Reply:
        session = await self._sessions.last_posted(context)
        return Notice(replies.NOTHING_TO_DELETE) if session is None else Delete(session, replies.DELETED)

    async def _turn(self, session: SearchSession, action: Action) -> Reply:
        """Shows the next or previous GIF, or one that is similar."""
        kind = Edit if session.message else Preview
        if action is Action.PREVIOUS and session.position == 0:
            return Notice(replies.NO_PREVIOUS)
        position = session.position + (-1 if action is Action.PREVIOUS else 1)
        if action is not Action.MORE and position < len(session.seen):
            return await self._show_again(replace(session, position=position), kind)
        if action is Action.MORE:
            session = replace(session, similar_to=session.key, seen=(session.key,), position=0)
        preferences = await self._preferences.get(session.context)
        found = await self._next(session, preferences, await self._blocked(session))
        if found is None:
            return Notice(replies.NOTHING_NEW)
        return await self._shown(session.with_next(found.gif), found, kind)

    async def _show_again(self, session: SearchSession, kind: type[Post | Preview | Edit]) -> Reply:
        """A GIF that the session has shown before."""
        found = await self._search.refetch(session, await self._preferences.get(session.context))
        if found is None:
            return Notice(replies.UNAVAILABLE)
        return await self._shown(replace(session, title=found.gif.title), found, kind)

    async def _shown(self, session: SearchSession, found: FoundGif, kind: type[Post | Preview | Edit]) -> Reply:
        await self._sessions.put(session)
        return kind(session, found, self._cipher.sign(session.id))

    async def _next(self, session: SearchSession, preferences: Preferences, blocked: set[GifKey]) -> FoundGif | None:
        posted = await self._collections.posted(session.context, preferences.repeat_hours)
        return await self._search.next(session, preferences, blocked | posted | set(session.seen))

    async def _blocked(self, session: SearchSession) -> set[GifKey]:
        return {gif.key for gif in await self._collections.blocked(session.context)}

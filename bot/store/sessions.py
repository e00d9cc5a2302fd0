"""Search sessions: what the buttons of a GIF act on. Stored, so that buttons outlive the process."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import sqlalchemy as sa

from deepgif.bot.request import ChatContext
from deepgif.bot.store.database import Database, sessions
from deepgif.bot.store.encryption import Cipher
from deepgif.engine.types import Gif, GifKey

_NAMES_IN_VERSION_1 = {"words": "query", "at": "position", "like": "similar_to"}


@dataclass(frozen=True, slots=True)
class SearchSession:
    """A search and how far its user has paged. ``seen`` are the GIFs shown so far, ``position`` the current one in them
    and ``title`` its title. With ``similar_to``, the session shows GIFs that look like that one, not matches of
    ``query``. ``message`` is the ID of the post, empty before there is one; ``removed`` says that it was deleted."""

    id: str
    context: ChatContext
    query: str
    seen: tuple[GifKey, ...] = ()
    position: int = 0
    similar_to: GifKey | None = None
    message: str = ""
    title: str = ""
    removed: bool = False

    @property
    def key(self) -> GifKey:
        """The current GIF. Raises ``IndexError`` before the first one."""
        return self.seen[self.position]

    def with_next(self, gif: Gif) -> SearchSession:
        """The session with one more GIF, which becomes the current one."""
        return replace(self, seen=(*self.seen, gif.key), position=len(self.seen), title=gif.title)


class SessionStore:
    """Stores sessions. What was searched for and seen is encrypted."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    async def put(self, session: SearchSession) -> None:
        """Stores a session, or its new state."""
        context = session.context
        body = {
            "query": session.query,
            "seen": session.seen,
            "position": session.position,
            "similar_to": session.similar_to,
            "thread": context.thread,
            "title": session.title,
            "removed": session.removed,
        }
        await self._database.upsert(
            sessions,
            id=session.id,
            platform=context.platform,
            workspace=context.workspace,
            channel=context.channel,
            user_id=context.user,
            message=session.message,
            encrypted=self._cipher.encrypt(body),
            updated_at=time.time(),
        )

    async def get(self, session_id: str) -> SearchSession | None:
        """The session with this ID, unless it has expired."""
        found = await self._select(sessions.c.id == session_id, limit=1)
        return found[0] if found else None

    async def last_posted(self, context: ChatContext) -> SearchSession | None:
        """The session of the user's latest post in the channel that is not deleted."""
        found = await self._select(
            _of_user(context), sessions.c.channel == context.channel, sessions.c.message != "", limit=1
        )
        return found[0] if found else None

    async def recent_queries(self, context: ChatContext, limit: int) -> list[str]:
        """What the user searched for most recently in the workspace, newest first, without repeats."""
        found = await self._select(_of_user(context), limit=limit)
        return list(dict.fromkeys(session.query for session in found if session.query))

    async def remove(self, session_id: str) -> None:
        """Deletes a session."""
        async with self._database.write() as connection:
            await connection.execute(sessions.delete().where(sessions.c.id == session_id))

    async def _select(self, *conditions: sa.ColumnElement[bool], limit: int) -> list[SearchSession]:
        """Sessions, newest first. Leaves out those encrypted with another secret."""
        query = sa.select(sessions).where(*conditions).order_by(sessions.c.updated_at.desc()).limit(limit)
        found = []
        for row in await self._database.read(query):
            try:
                stored = self._cipher.decrypt(row.encrypted)
            except ValueError:
                continue
            body = {_NAMES_IN_VERSION_1.get(name, name): value for name, value in stored.items()}
            found.append(
                SearchSession(
                    row.id,
                    ChatContext(row.platform, row.workspace, row.channel, row.user_id, body["thread"]),
                    body["query"],
                    tuple(GifKey(*key) for key in body["seen"]),
                    body["position"],
                    GifKey(*body["similar_to"]) if body["similar_to"] else None,
                    row.message,
                    body["title"],
                    body.get("removed", False),
                )
            )
        return found


def _of_user(context: ChatContext) -> sa.ColumnElement[bool]:
    c = sessions.c
    return sa.and_(c.platform == context.platform, c.workspace == context.workspace, c.user_id == context.user)

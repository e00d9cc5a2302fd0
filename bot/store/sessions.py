"""One search that somebody leafs through: what buttons act on, kept so that they outlive the process."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import sqlalchemy as sa

from deepgif.bot.store.database import Database, showings
from deepgif.bot.store.encryption import Cipher
from deepgif.bot.store.preferences import ChatContext
from deepgif.engine.types import Gif, GifKey


@dataclass(frozen=True, slots=True)
class SearchSession:
    """A search and where its reader is. ``seen`` are the GIFs shown so far, ``at`` the place of the present one in them
    and ``title`` its title; ``like`` is the GIF that others should look like, in place of the words; ``message`` is the
    platform's id of the posted message, empty as long as nothing is posted."""

    name: str
    place: ChatContext
    words: str
    seen: tuple[GifKey, ...] = ()
    at: int = 0
    like: GifKey | None = None
    message: str = ""
    title: str = ""

    @property
    def key(self) -> GifKey:
        """The GIF that is shown. Raises ``IndexError`` where there is none yet."""
        return self.seen[self.at]

    def with_next(self, gif: Gif) -> SearchSession:
        """The same with one more GIF, which is shown."""
        seen = (*self.seen, gif.key)
        return replace(self, seen=seen, at=len(seen) - 1, title=gif.title)


class SessionStore:
    """Keeps showings. The words and what was seen are sealed."""

    def __init__(self, database: Database, seal: Cipher) -> None:
        self._database = database
        self._seal = seal

    async def put(self, showing: SearchSession) -> None:
        """Keeps a showing, in place of an older state of it."""
        place = showing.place
        body = {
            "words": showing.words,
            "seen": showing.seen,
            "at": showing.at,
            "like": showing.like,
            "thread": place.thread,
            "title": showing.title,
        }
        await self._database.put(
            showings,
            name=showing.name,
            platform=place.platform,
            workspace=place.workspace,
            channel=place.channel,
            person=place.person,
            message=showing.message,
            sealed=self._seal.close(body),
            at=time.time(),
        )

    async def get(self, name: str) -> SearchSession | None:
        """The showing of that name, as long as it is kept."""
        return self._first(await self._database.read(sa.select(showings).where(showings.c.name == name)))

    async def last_posted(self, place: ChatContext) -> SearchSession | None:
        """The newest that the person posted in the channel and did not delete."""
        c = showings.c
        rows = await self._database.read(
            sa.select(showings)
            .where(
                c.platform == place.platform,
                c.workspace == place.workspace,
                c.channel == place.channel,
                c.person == place.person,
                c.message != "",
            )
            .order_by(c.at.desc())
            .limit(1)
        )
        return self._first(rows)

    async def recent_words(self, place: ChatContext, limit: int) -> list[str]:
        """What the person searched for there of late, newest first, each once."""
        c = showings.c
        rows = await self._database.read(
            sa.select(showings)
            .where(c.platform == place.platform, c.workspace == place.workspace, c.person == place.person)
            .order_by(c.at.desc())
            .limit(limit)
        )
        found = [self._first([row]) for row in rows]
        return list(dict.fromkeys(showing.words for showing in found if showing is not None))

    async def remove(self, name: str) -> None:
        """Forgets a showing."""
        async with self._database.write() as connection:
            await connection.execute(showings.delete().where(showings.c.name == name))

    def _first(self, rows: list[sa.Row[tuple[object, ...]]]) -> SearchSession | None:
        if not rows:
            return None
        row = rows[0]._mapping
        try:
            body = self._seal.open(str(row["sealed"]))
        except ValueError:  # sealed with another secret
            return None
        place = ChatContext(row["platform"], row["workspace"], row["channel"], row["person"], body["thread"])
        return SearchSession(
            row["name"],
            place,
            body["words"],
            tuple(GifKey(*key) for key in body["seen"]),
            body["at"],
            GifKey(*body["like"]) if body["like"] else None,
            row["message"],
            body["title"],
        )

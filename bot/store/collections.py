"""GIFs that somebody blocked, starred or posted."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from deepgif.bot.store.database import Database, blocked, favourites, posted
from deepgif.bot.store.preferences import ChatContext
from deepgif.engine.types import GifKey

MAX_FAVOURITES = 100  # of one person
TITLE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class SavedGif:
    """A GIF that is known by its title only."""

    key: GifKey
    title: str


class GifCollections:
    """Keeps ids and titles of GIFs, no addresses and no media."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def block(self, place: ChatContext, gif: SavedGif) -> None:
        """Never shows the GIF in the place's workspace again."""
        await self._put(blocked, {**_workspace(place), **_named(gif)}, gif.title)

    async def unblock(self, place: ChatContext, keys: set[GifKey]) -> None:
        """Allows GIFs again."""
        async with self._database.write() as connection:
            for key in keys:
                await connection.execute(
                    blocked.delete().where(
                        _same(blocked, {**_workspace(place), "provider": key.provider, "gif": key.id})
                    )
                )

    async def blocked(self, place: ChatContext) -> list[SavedGif]:
        """What is blocked in the place's workspace, newest first."""
        return await self._titled(blocked, _workspace(place))

    async def star(self, place: ChatContext, gif: SavedGif) -> None:
        """Keeps a GIF among the person's favourites, of which the newest are kept."""
        owner = {**_workspace(place), "person": place.person}
        await self._put(favourites, {**owner, **_named(gif)}, gif.title)
        for old in (await self.favourites(place))[MAX_FAVOURITES:]:
            async with self._database.write() as connection:
                same = _same(favourites, {**owner, "provider": old.key.provider, "gif": old.key.id})
                await connection.execute(favourites.delete().where(same))

    async def favourites(self, place: ChatContext) -> list[SavedGif]:
        """The person's favourites, newest first."""
        return await self._titled(favourites, {**_workspace(place), "person": place.person})

    async def post(self, place: ChatContext, key: GifKey) -> None:
        """Remembers that a GIF was posted in the place's channel."""
        values = {**_workspace(place), "channel": place.channel, "provider": key.provider, "gif": key.id}
        await self._database.put(posted, **values, at=time.time())

    async def posted(self, place: ChatContext, hours: float) -> set[GifKey]:
        """What was posted in the place's channel within so many hours."""
        rows = await self._database.read(
            sa.select(posted.c.provider, posted.c.gif).where(
                _same(posted, {**_workspace(place), "channel": place.channel}),
                posted.c.at > time.time() - 3600 * hours,
            )
        )
        return {GifKey(row.provider, row.gif) for row in rows}

    async def _titled(self, table: sa.Table, owner: dict[str, str]) -> list[SavedGif]:
        rows = await self._database.read(
            sa.select(table.c.provider, table.c.gif, table.c.title)
            .where(_same(table, owner))
            .order_by(table.c.at.desc())
        )
        return [SavedGif(GifKey(row.provider, row.gif), row.title) for row in rows]

    async def _put(self, table: sa.Table, values: dict[str, str], title: str) -> None:
        await self._database.put(table, **values, title=title[:TITLE_LENGTH], at=time.time())


def _workspace(place: ChatContext) -> dict[str, str]:
    return {"platform": place.platform, "workspace": place.workspace}


def _named(gif: SavedGif) -> dict[str, str]:
    return {"provider": gif.key.provider, "gif": gif.key.id}


def _same(table: sa.Table, values: dict[str, str]) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in values.items()))

"""GIFs that were blocked, added to favourites, or posted."""

from __future__ import annotations

import time
from dataclasses import dataclass

import sqlalchemy as sa

from deepgif.bot.request import ChatContext
from deepgif.bot.store.database import Database, blocked_gifs, favourites, posted_gifs
from deepgif.engine.types import GifKey

MAX_FAVOURITES = 100  # of one user
TITLE_LENGTH = 500


@dataclass(frozen=True, slots=True)
class SavedGif:
    """A GIF of which only the title is stored."""

    key: GifKey
    title: str


class GifCollections:
    """Stores IDs and titles of GIFs; no URLs and no media."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def block(self, context: ChatContext, gif: SavedGif) -> None:
        """Hides a GIF from the whole workspace."""
        await self._put(blocked_gifs, _workspace(context), gif)

    async def unblock(self, context: ChatContext, keys: set[GifKey]) -> None:
        """Allows blocked GIFs again."""
        await self._remove(blocked_gifs, _workspace(context), keys)

    async def blocked(self, context: ChatContext) -> list[SavedGif]:
        """The GIFs that are blocked in the workspace, newest first."""
        return await self._saved(blocked_gifs, _workspace(context))

    async def star(self, context: ChatContext, gif: SavedGif) -> None:
        """Adds a GIF to the user's favourites. The oldest ones make room for it."""
        await self._put(favourites, _user(context), gif)
        old = {favourite.key for favourite in (await self.favourites(context))[MAX_FAVOURITES:]}
        await self._remove(favourites, _user(context), old)

    async def favourites(self, context: ChatContext) -> list[SavedGif]:
        """The user's favourites, newest first."""
        return await self._saved(favourites, _user(context))

    async def add_posted(self, context: ChatContext, key: GifKey) -> None:
        """Records that a GIF was posted in the channel."""
        values = {**_workspace(context), "channel": context.channel, "provider": key.provider, "gif_id": key.id}
        await self._database.upsert(posted_gifs, **values, created_at=time.time())

    async def posted(self, context: ChatContext, hours: float) -> set[GifKey]:
        """The GIFs that were posted in the channel in the last ``hours``."""
        rows = await self._database.read(
            sa.select(posted_gifs.c.provider, posted_gifs.c.gif_id).where(
                _same(posted_gifs, {**_workspace(context), "channel": context.channel}),
                posted_gifs.c.created_at > time.time() - 3600 * hours,
            )
        )
        return {GifKey(row.provider, row.gif_id) for row in rows}

    async def _saved(self, table: sa.Table, owner: dict[str, str]) -> list[SavedGif]:
        rows = await self._database.read(
            sa.select(table.c.provider, table.c.gif_id, table.c.title)
            .where(_same(table, owner))
            .order_by(table.c.created_at.desc())
        )
        return [SavedGif(GifKey(row.provider, row.gif_id), row.title) for row in rows]

    async def _put(self, table: sa.Table, owner: dict[str, str], gif: SavedGif) -> None:
        values = {**owner, "provider": gif.key.provider, "gif_id": gif.key.id, "title": gif.title[:TITLE_LENGTH]}
        await self._database.upsert(table, **values, created_at=time.time())

    async def _remove(self, table: sa.Table, owner: dict[str, str], keys: set[GifKey]) -> None:
        if keys:
            named = sa.tuple_(table.c.provider, table.c.gif_id).in_([tuple(key) for key in keys])
            async with self._database.write() as connection:
                await connection.execute(table.delete().where(_same(table, owner), named))


def _workspace(context: ChatContext) -> dict[str, str]:
    return {"platform": context.platform, "workspace": context.workspace}


def _user(context: ChatContext) -> dict[str, str]:
    return {**_workspace(context), "user_id": context.user}


def _same(table: sa.Table, values: dict[str, str]) -> sa.ColumnElement[bool]:
    return sa.and_(*(table.c[name] == value for name, value in values.items()))

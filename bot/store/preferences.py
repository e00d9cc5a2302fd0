"""Stores what a workspace, a channel or a user has chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from deepgif.bot.request import ChatContext, Preferences
from deepgif.bot.store.database import Database, preferences
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import Rating

MAX_BLOCKED_WORDS = 200
MAX_REPEAT_HOURS = 24 * 30.0


class Scope(StrEnum):
    """Whose choice it is. The narrowest one wins."""

    WORKSPACE = "workspace"
    CHANNEL = "channel"
    USER = "user"


def parse_word_list(text: str) -> tuple[str, ...]:
    """The words or phrases in ``text``, separated by commas or line ends, without repeats. Raises
    ``InvalidRequestError``."""
    words = tuple(dict.fromkeys(" ".join(part.split()).casefold() for part in re.split(r"[,\n]", text) if part.strip()))
    if len(words) > MAX_BLOCKED_WORDS:
        raise InvalidRequestError(f"You can block up to {MAX_BLOCKED_WORDS} words.")
    return words


def format_word_list(words: tuple[str, ...], max_length: int) -> str:
    """The text that ``parse_word_list`` reads, without spaces if it would be longer than ``max_length``."""
    text = ", ".join(words)
    return text if len(text) <= max_length else ",".join(words)


def _is(scope: Scope, scope_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.and_(preferences.c.scope == scope, preferences.c.scope_id == scope_id)


_CHOICES = sa.select(preferences.c.scope, preferences.c.choices).where(  # built once: every request uses it
    preferences.c.platform == sa.bindparam("platform"),
    preferences.c.workspace == sa.bindparam("workspace"),
    sa.or_(
        _is(Scope.WORKSPACE, sa.literal("")),
        _is(Scope.CHANNEL, sa.bindparam("channel")),
        _is(Scope.USER, sa.bindparam("user")),
    ),
)


class PreferenceStore:
    """Stores preferences. ``max_rating`` is the limit that no workspace can exceed. Nothing is cached, so a change
    applies to all processes at once."""

    def __init__(self, database: Database, max_rating: Rating) -> None:
        self._database = database
        self.max_rating = max_rating

    async def get(self, context: ChatContext) -> Preferences:
        """The preferences that apply to a request."""
        choices = await self._choices(context)
        found = self._limited(choices.get(Scope.WORKSPACE, {}))
        for scope in (Scope.CHANNEL, Scope.USER):
            preview = choices.get(scope, {}).get("preview")
            if isinstance(preview, bool):
                found = replace(found, preview=preview)
        return replace(found, max_rating=found.restricted_rating) if context.age_restricted else found

    async def of_workspace(self, platform: str, workspace: str) -> Preferences:
        """What a workspace has chosen."""
        choices = await self._choices(ChatContext(platform, workspace, "", ""))
        return self._limited(choices.get(Scope.WORKSPACE, {}))

    async def preview(self, context: ChatContext, scope: Scope) -> bool | None:
        """Whether the channel or the user wants previews; None if they use the wider choice."""
        preview = (await self._choices(context)).get(scope, {}).get("preview")
        return preview if isinstance(preview, bool) else None

    async def change(self, platform: str, workspace: str, **changes: Any) -> None:
        """Changes some of a workspace's preferences, by their names in ``Preferences``. The others stay, even if
        somebody changes them at the same time."""
        key = {"platform": platform, "workspace": workspace, "scope": Scope.WORKSPACE, "scope_id": ""}
        await self._database.merge(preferences, "choices", changes, **key)

    async def set_preview(self, context: ChatContext, scope: Scope, preview: bool | None) -> None:
        """Changes whether the channel or the user wants previews."""
        key = {
            "platform": context.platform,
            "workspace": context.workspace,
            "scope": scope,
            "scope_id": context.channel if scope is Scope.CHANNEL else context.user,
        }
        if preview is not None:
            await self._database.upsert(preferences, **key, choices={"preview": preview})
            return
        same = sa.and_(*(preferences.c[name] == value for name, value in key.items()))
        async with self._database.write() as connection:
            await connection.execute(preferences.delete().where(same))

    async def _choices(self, context: ChatContext) -> dict[str, dict[str, Any]]:
        rows = await self._database.read(
            _CHOICES,
            platform=context.platform,
            workspace=context.workspace,
            channel=context.channel,
            user=context.user,
        )
        return {row.scope: row.choices for row in rows}

    def _limited(self, choices: Mapping[str, Any]) -> Preferences:
        found = Preferences.from_json(choices)
        return replace(
            found,
            max_rating=min(found.max_rating, self.max_rating, key=lambda rating: rating.level),
            restricted_rating=min(found.restricted_rating, self.max_rating, key=lambda rating: rating.level),
        )

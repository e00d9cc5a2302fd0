"""What a workspace, a channel or a person has chosen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from deepgif.bot.store.database import Database, preferences
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import Rating

MAX_BLOCKED_WORDS = 200
MAX_REPEAT_HOURS = 24 * 30.0


class Scope(StrEnum):
    """Whose choice it is; a narrower one counts more."""

    WORKSPACE = "workspace"
    CHANNEL = "channel"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class ChatContext:
    """Where something is asked: ``platform``, its ``workspace`` (a guild on Discord), the channel and the person, as
    the platform's own ids; ``thread`` is the message that it belongs to, or empty; ``age_restricted`` says that the
    platform lets only adults into the channel."""

    platform: str
    workspace: str
    channel: str
    person: str
    thread: str = ""
    age_restricted: bool = False


@dataclass(frozen=True, slots=True)
class Preferences:
    """A workspace's choices. ``preview`` shows a GIF to who asked before it is posted; ``off_channels`` are those where
    the bot stays silent; a GIF is not repeated in a channel within ``repeat_hours``. In age-restricted channels
    ``restricted_rating`` counts in place of ``max_rating``."""

    max_rating: Rating = Rating.PG_13
    restricted_rating: Rating = Rating.PG_13
    preview: bool = False
    language: str = ""
    blocked_words: tuple[str, ...] = ()
    off_channels: tuple[str, ...] = ()
    repeat_hours: float = 24.0

    def blocks(self, words: str) -> bool:
        """Whether one of the blocked words stands in ``words`` as a word of its own."""
        return any(
            re.search(rf"(?<!\w){re.escape(word)}(?!\w)", words, re.IGNORECASE) is not None
            for word in self.blocked_words
        )


def word_list(text: str) -> tuple[str, ...]:
    """The words or phrases that commas or line ends separate, each once. Raises ``InvalidRequestError``."""
    words = tuple(dict.fromkeys(" ".join(part.split()).casefold() for part in re.split(r"[,\n]", text) if part.strip()))
    if len(words) > MAX_BLOCKED_WORDS:
        raise InvalidRequestError(f"At most {MAX_BLOCKED_WORDS} words can be blocked.")
    return words


def _chosen_by(scope: Scope, subject: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.and_(preferences.c.scope == scope, preferences.c.subject == subject)


_CHOSEN = sa.select(preferences.c.scope, preferences.c.chosen).where(  # made once: each request asks it
    preferences.c.platform == sa.bindparam("platform"),
    preferences.c.workspace == sa.bindparam("workspace"),
    sa.or_(
        _chosen_by(Scope.WORKSPACE, sa.literal("")),
        _chosen_by(Scope.CHANNEL, sa.bindparam("channel")),
        _chosen_by(Scope.PERSON, sa.bindparam("person")),
    ),
)


def listed(words: tuple[str, ...], most: int) -> str:
    """The words as ``word_list`` reads them, closer together where they would be more than ``most`` characters."""
    text = ", ".join(words)
    return text if len(text) <= most else ",".join(words)


class PreferenceStore:
    """Keeps choices; ``most`` is the rating that no workspace can go above. Every question reads the database, so that
    what one process keeps counts for all at once."""

    def __init__(self, database: Database, most: Rating) -> None:
        self._database = database
        self.most = most

    async def of(self, place: ChatContext) -> Preferences:
        """What counts at a place."""
        chosen = await self._chosen(place)
        found = self._preferences(chosen.get(Scope.WORKSPACE, {}))
        for scope in (Scope.CHANNEL, Scope.PERSON):
            preview = chosen.get(scope, {}).get("preview")
            if isinstance(preview, bool):
                found = replace(found, preview=preview)
        return replace(found, max_rating=found.restricted_rating) if place.age_restricted else found

    async def of_workspace(self, platform: str, workspace: str) -> Preferences:
        """What a workspace has chosen."""
        chosen = await self._chosen(ChatContext(platform, workspace, "", ""))
        return self._preferences(chosen.get(Scope.WORKSPACE, {}))

    async def preview(self, place: ChatContext, scope: Scope) -> bool | None:
        """What the channel or the person has chosen for previews; None where they follow the wider choice."""
        preview = (await self._chosen(place)).get(scope, {}).get("preview")
        return preview if isinstance(preview, bool) else None

    async def change(self, platform: str, workspace: str, **changed: Any) -> None:
        """Keeps some of a workspace's choices, by their names in ``Preferences``. All others stay, whoever changes them
        at the same moment."""
        key = {"platform": platform, "workspace": workspace, "scope": Scope.WORKSPACE, "subject": ""}
        await self._database.merge(preferences, "chosen", changed, **key)

    async def set_preview(self, place: ChatContext, scope: Scope, preview: bool | None) -> None:
        """Keeps the choice of the place's channel or person."""
        subject = place.channel if scope is Scope.CHANNEL else place.person
        chosen = {} if preview is None else {"preview": preview}
        await self._put(place.platform, place.workspace, scope, subject, chosen)

    async def _chosen(self, place: ChatContext) -> dict[str, dict[str, Any]]:
        rows = await self._database.read(
            _CHOSEN, platform=place.platform, workspace=place.workspace, channel=place.channel, person=place.person
        )
        return {row.scope: row.chosen for row in rows}

    async def _put(self, platform: str, workspace: str, scope: Scope, subject: str, chosen: dict[str, Any]) -> None:
        key = {"platform": platform, "workspace": workspace, "scope": scope, "subject": subject}
        if chosen:
            await self._database.put(preferences, **key, chosen=chosen)
            return
        same = sa.and_(*(preferences.c[name] == value for name, value in key.items()))
        async with self._database.write() as connection:
            await connection.execute(preferences.delete().where(same))

    def _preferences(self, chosen: Mapping[str, Any]) -> Preferences:
        known = {field.name for field in fields(Preferences)}
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in chosen.items()}
        kept: dict[str, Any] = {name: value for name, value in values.items() if name in known}
        found = Preferences(**kept)
        return replace(
            found, max_rating=self._limit(found.max_rating), restricted_rating=self._limit(found.restricted_rating)
        )

    def _limit(self, rating: str) -> Rating:
        return Rating(rating) if self.most.allows(Rating(rating)) else self.most

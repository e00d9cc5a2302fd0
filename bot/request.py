"""One request to a bot: who asks for what, and where. Knows neither Slack nor Discord."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any, Self

from deepgif.engine.types import Rating


class RequestKind(StrEnum):
    """How the request was made."""

    COMMAND = "command"
    MENTION = "mention"
    SHORTCUT = "shortcut"
    BUTTON = "button"


@dataclass(frozen=True, slots=True)
class ChatContext:
    """Where a request was made and by whom, as the platform's own IDs. A Discord server is a ``workspace``.

    ``thread`` is what an answer belongs to: a thread in Slack, the message to reply to in Discord. Only adults can see
    an ``age_restricted`` channel.
    """

    platform: str
    workspace: str
    channel: str
    user: str
    thread: str = ""
    age_restricted: bool = False


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a workspace has chosen. With ``preview``, users see a GIF before it is posted; in ``off_channels`` there are
    no GIFs; a GIF is not repeated in a channel within ``repeat_hours``; age-restricted channels use
    ``restricted_rating`` in place of ``max_rating``."""

    max_rating: Rating = Rating.PG_13
    restricted_rating: Rating = Rating.PG_13
    preview: bool = False
    language: str = ""
    blocked_words: tuple[str, ...] = ()
    off_channels: tuple[str, ...] = ()
    repeat_hours: float = 24.0

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what ``dataclasses.asdict`` wrote. Ignores unknown names: a newer version may have written them."""
        names = {field.name for field in fields(cls)}
        read: dict[str, Any] = {name: value for name, value in values.items() if name in names}
        for name, value in read.items():
            if name.endswith("_rating"):
                read[name] = Rating(value)
            elif isinstance(value, list):
                read[name] = tuple(value)
        return cls(**read)

    def blocks(self, text: str) -> bool:
        """Whether ``text`` contains a blocked word as a whole word."""
        return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in self.blocked_words)


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asked for, and what it takes to answer them.

    ``id`` is the same whenever the platform delivers the same request again. The request is for the first of these that
    is set: a ``notice`` to show, an ``action`` (a ``chat.commands.Verb``, or for a ``button`` a
    ``chat.replies.Action``), or GIFs that match ``query``. ``preferences`` are set if they were read already.

    ``callback`` is what the answer goes through: Slack's ``response_url`` or Discord's interaction token. ``private``:
    only the user sees the message whose button they pressed, or the answer that was promised to Discord. ``enterprise``
    is Slack's organization. Discord only: ``room`` is the channel or thread to post in, ``pressed`` the message whose
    button was pressed.
    """

    id: str
    kind: RequestKind
    context: ChatContext
    query: str = ""
    action: str = ""
    button: str = ""
    notice: str = ""
    preferences: Preferences | None = None
    user_name: str = ""
    callback: str = ""
    private: bool = False
    enterprise: str = ""
    room: str = ""
    pressed: str = ""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Reads what ``dataclasses.asdict`` wrote. Raises ``ValueError`` for anything else."""
        try:
            preferences = values["preferences"] and Preferences.from_json(values["preferences"])
            context = ChatContext(**values["context"])
            kind = RequestKind(values["kind"])
            return cls(**{**values, "kind": kind, "context": context, "preferences": preferences})
        except (KeyError, TypeError) as error:
            raise ValueError("not a request of this version") from error

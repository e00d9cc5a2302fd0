"""What somebody asked for, as the parts that know no platform see it."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from deepgif.bot.store.preferences import ChatContext


class RequestKind(StrEnum):
    """How the bot was asked."""

    COMMAND = "command"
    MENTION = "mention"
    SHORTCUT = "shortcut"
    BUTTON = "button"


class Request(Protocol):
    """One request: where and by whom, and what for: ``words`` to search with, or an ``action`` (a
    ``deepgif.bot.chat.commands.Verb``, or of a ``button`` a ``deepgif.bot.chat.replies.Action``)."""

    @property
    def kind(self) -> RequestKind: ...
    @property
    def place(self) -> ChatContext: ...
    @property
    def words(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def button(self) -> str: ...

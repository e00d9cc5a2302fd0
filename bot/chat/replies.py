"""What a person is to see, in no platform's terms; and every sentence that several platforms say."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deepgif.bot.chat.search import FoundGif
from deepgif.bot.store.sessions import SearchSession


class Action(StrEnum):
    """What a button does."""

    SHOW = "show"
    SEND = "send"
    NEXT = "next"
    PREVIOUS = "previous"
    MORE = "more"
    STAR = "star"
    DELETE = "delete"
    CANCEL = "cancel"
    REPORT = "report"


LABELS = {
    Action.SHOW: "Show me",
    Action.SEND: "Send",
    Action.NEXT: "Next",
    Action.PREVIOUS: "Previous",
    Action.MORE: "More like this",
    Action.STAR: "Star",
    Action.DELETE: "Delete",
    Action.CANCEL: "Cancel",
    Action.REPORT: "Report: never show this GIF here again",
}


@dataclass(frozen=True, slots=True)
class Post:
    """Post this GIF for all to see, then offer who asked the buttons for it."""

    showing: SearchSession
    found: FoundGif


@dataclass(frozen=True, slots=True)
class Preview:
    """Show this GIF to who asked only, in place of the preview before."""

    showing: SearchSession
    found: FoundGif


@dataclass(frozen=True, slots=True)
class Edit:
    """Show this GIF in place of the one that was posted."""

    showing: SearchSession
    found: FoundGif


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete what was posted, and say ``text`` to who pressed."""

    showing: SearchSession
    text: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Take the private message away."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Say ``text`` to who asked only."""

    text: str


Reply = Post | Preview | Edit | Delete | Dismiss | Notice


@dataclass(frozen=True, slots=True)
class Wording:
    """What differs by platform: a sentence about the other ``commands``, and how the ``settings`` are opened."""

    commands: str
    settings: str


HELP = (
    "Type /deepgif and what the GIF should show, for example: /deepgif a cat falling off a table",
    "In a thread or a direct message, mention the bot with the same words.",
    "“React with a GIF” in a message's menu finds a GIF for that message.",
)
ABOUT = "DeepGIF finds GIFs by what they show, not by their tags."
STORED = (
    "It keeps the settings, the ids and titles of GIFs that were posted, starred or blocked, and, sealed, for a day "
    "what you searched for, so that your buttons work. All of it is deleted when the app is removed."
)
OFF_HERE = "GIFs are switched off in this channel."
BLOCKED_WORDS = "These words are blocked here; please use others."
NOTHING_FOUND = "No GIF was found for that; please try other words."
NOTHING_NEW = "There are no more GIFs for that which were not shown here lately."
NOT_YOURS = "Only the person who asked for the GIF can use its buttons. Type /deepgif and your own words."
TOO_OLD = "These buttons are too old; please ask again."
STARRED = "Starred: it is among your favourites now."
DELETED = "The GIF is deleted."
NOTHING_TO_DELETE = "There is no GIF of yours from the last day in this channel."
REPORTED = "Thank you. This GIF is not shown here again; an admin can allow it in the settings."
NO_PREVIOUS = "This is the first GIF."
INTERRUPTED = "I was interrupted while posting your GIF. If you do not see it, please ask again."
AWAY = "I was away when you asked for a GIF. If you still want one, please ask again."
PROBLEM = "Something went wrong here; please try again. The cause is in the log of whoever runs the bot."
TOO_LATE = "That took too long; please try again."
BUSY = "Too many people are asking at the moment; please try again in a few seconds."


def help_lines(wording: Wording) -> tuple[str, ...]:
    """How the bot is used."""
    return (*HELP, wording.commands)

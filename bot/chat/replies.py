"""The replies that a request can lead to, and every sentence that both platforms show."""

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
    Action.STAR: "Add to favourites",
    Action.DELETE: "Delete",
    Action.CANCEL: "Cancel",
    Action.REPORT: "Report and remove this GIF",
}


@dataclass(frozen=True, slots=True)
class GifReply:
    """A GIF to show. ``button`` is the signed session ID that its buttons carry."""

    session: SearchSession
    found: FoundGif
    button: str


class Post(GifReply):
    """Post this GIF, then show the user its controls."""

    __slots__ = ()


class Preview(GifReply):
    """Show this GIF to the user only, in place of the previous preview."""

    __slots__ = ()


class Edit(GifReply):
    """Show this GIF in place of the one that was posted."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the post of a session, and show ``text`` to the user."""

    session: SearchSession
    text: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Remove the private message whose button was pressed."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Show ``text`` to the user only."""

    text: str


Reply = Post | Preview | Edit | Delete | Dismiss | Notice


@dataclass(frozen=True, slots=True)
class PlatformText:
    """What differs between platforms: the platform's ``name``, its word for a ``workspace``, the command that opens the
    ``settings``, what it says when a GIF was ``starred``, and which other ``commands`` it has."""

    name: str
    workspace: str
    settings: str
    starred: str
    commands: str

    def fill(self, sentence: str) -> str:
        """A sentence of this module with this platform's words."""
        return sentence.format(name=self.name, workspace=self.workspace, settings=self.settings)

    def help(self) -> tuple[str, ...]:
        """How to use the bot, by paragraph."""
        return (ABOUT, *HELP, self.commands)


ABOUT = "DeepGIF finds GIFs by what they show, not by their tags."
HELP = (
    "Type /deepgif and describe the GIF, for example: /deepgif when the build passes",
    (
        "In a thread, mention @deepgif and describe the GIF (invite it to the channel first). In a direct message to "
        "DeepGIF, just type the description."
    ),
    "To answer a message with a GIF, choose “React with a GIF” in its menu.",
)
STORED = (
    "DeepGIF stores your settings and the IDs and titles of GIFs that were posted, added to favourites or blocked. "
    "Your searches are stored encrypted for one day so that your buttons keep working. Everything is deleted when the "
    "app is removed."
)
OPEN_SETTINGS = "To open settings, type {settings}."
CHANNEL_OFF = "GIFs are switched off in this channel."
BLOCKED_WORDS = "Some of these words are blocked here. Try different words."
NO_TEXT = "That message has no text. Use /deepgif and describe the GIF instead."
NOTHING_FOUND = "No GIF found for that. Try different words."
NOTHING_NEW = "No more new GIFs for that. Everything that matched was posted here recently."
OUT_OF_REACH = (
    "I found GIFs, but {name} can't load them because they are on a private address. Ask whoever runs DeepGIF to set "
    "DEEPGIF_PUBLIC_URL."
)
NOT_YOURS = (
    "Only the person who posted this GIF can use its buttons. To find your own, type /deepgif and a description."
)
EXPIRED = "These buttons have expired. Run /deepgif again."
REMOVED = "This GIF was removed. Run /deepgif again."
UNAVAILABLE = "This GIF is no longer available. Run /deepgif again."
DELETED = "GIF deleted."
NOTHING_TO_DELETE = "You haven't posted a GIF in this channel in the last 24 hours."
REPORTED = "Thanks. This GIF is now hidden for the whole {workspace}. An admin can allow it again in {settings}."
NO_PREVIOUS = "This is the first GIF."
PREVIEW = "Only you can see this. Send it?"
SAVED = "Saved."
CANNOT_EDIT = "This message can't be changed any more."
INTERRUPTED = "I was interrupted while posting your GIF. If you don't see it, try again."
OFFLINE = "I was offline when you asked for a GIF. If you still want one, try again."
PROBLEM = "Something went wrong. Please try again. If it keeps happening, tell whoever runs DeepGIF here."
TOO_SLOW = "That took too long. Please try again."
BUSY = "I'm handling too many requests right now. Try again in a few seconds."

"""Slack's markup (docs.slack.dev/messaging/formatting-message-text), and the sentences that only Slack shows."""

from __future__ import annotations

import html
import re

from deepgif.bot.chat.replies import PlatformText

TEXT = PlatformText(
    name="Slack",
    workspace="workspace",
    settings="/deepgif settings",
    starred="Added to your favourites. See them in the app's Home tab.",
    commands="/deepgif settings: change settings. /deepgif delete: remove your latest GIF in this channel. "
    "/deepgif help: show this help.",
)
ADMINS_ONLY = "Only workspace admins can change these settings. Your own settings were saved."
REPORT_CONFIRM = "This deletes the post and hides the GIF for the whole workspace."
USE_DELETE_BUTTON = "Use the Delete button below that GIF."
CANNOT_DELETE = "Slack didn't let me delete that message."
UNREACHABLE = "I can't reach Slack right now."
NOT_ACCEPTED = "Slack didn't accept my reply."
_INVITE = "I can't post here. Invite me with /invite @deepgif and try again."
CANNOT_POST = {  # by Slack's error code
    "not_in_channel": _INVITE,
    "channel_not_found": _INVITE,
    "is_archived": "This channel is archived, so I can't post here.",
    "restricted_action": "An admin has restricted who can post here.",
    "missing_scope": "I'm not allowed to post here. Ask whoever runs DeepGIF to reinstall the app.",
}
_SPECIAL = re.compile(r"<([^<>]*)>")


def plain(text: str, own_id: str = "") -> str:
    """The words of a message: references and links become their labels, and mentions of ``own_id`` disappear."""

    def label_of(match: re.Match[str]) -> str:
        target, _, label = match[1].partition("|")
        if target.startswith("@"):
            return "" if target[1:] == own_id else label
        if target.startswith(("#", "!")):
            return label
        return label or target

    return html.unescape(_SPECIAL.sub(label_of, text))


def escape(text: str) -> str:
    """Escapes ``text`` so that Slack shows it literally."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

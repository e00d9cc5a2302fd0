"""Slack's mrkdwn and plain text (docs.slack.dev/messaging/formatting-message-text)."""

from __future__ import annotations

import html
import re

from deepgif.bot.chat.replies import Wording

WORDING = Wording(
    "/deepgif settings opens the settings, /deepgif delete takes back your newest GIF here, /deepgif help says this.",
    "Type /deepgif settings in a channel: that opens the settings.",
)
ADMINS_ONLY = "Only workspace admins change what counts for everybody; your own choices are saved."
_SPECIAL = re.compile(r"<([^<>]*)>")


def plain(text: str, own_id: str = "") -> str:
    """The words in a message: labels in place of references and links, no mention of ``own_id``."""

    def shown(match: re.Match[str]) -> str:
        target, _, label = match[1].partition("|")
        if target.startswith("@"):
            return "" if target[1:] == own_id else label
        if target.startswith(("#", "!")):
            return label
        return label or target

    return html.unescape(_SPECIAL.sub(shown, text))


def escape(text: str) -> str:
    """``text`` as Slack shows it literally where it would read references and links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""Discord's markup (discord.com/developers/docs/reference#message-formatting), and the sentences that only Discord
shows."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deepgif.bot.chat.replies import PlatformText

TEXT = PlatformText(
    name="Discord",
    workspace="server",
    settings="/deepgif-settings",
    starred="Added to your favourites.",
    commands="/deepgif-preview: see your GIFs before they are posted. /deepgif-delete: remove your latest GIF in this "
    "channel. /deepgif-settings: change this server's settings. /deepgif-help: show this help.",
)
MANAGERS_ONLY = (
    "You need the Manage Server permission to change these settings. To change your own, use /deepgif-preview."
)
PROMPT = "I found a GIF for you. Only you will see it until you send it."
DISMISSED = "Done."
CANNOT_DELETE = "Discord didn't let me delete that message. Use the Delete button below it."
CANNOT_POST = {  # by Discord's JSON error code
    50001: "I'm not allowed to post here: I can't see this channel.",
    50013: "I'm not allowed to post here: I lack the permission to send messages in this channel.",
}
NOT_ACCEPTED = "Discord didn't accept my reply."
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_REFERENCE = re.compile(r"<(?:@!?(?P<user>\d+)|@&\d+|#\d+|/(?P<command>[^:<>]+):\d+|a?:(?P<emoji>\w+):\d+|t:[^<>]+)>")


def literal(text: str, max_length: int) -> str:
    """``text`` cut to ``max_length`` characters, with a backslash before each punctuation mark, so that Discord shows
    it literally."""
    shown = text if len(text) <= max_length else text[: max_length - 1] + "…"
    return _PUNCTUATION.sub(r"\\\1", " ".join(shown.split()))


def plain(text: str, names: Mapping[int, str]) -> str:
    """The words of a message: mentioned users become their ``names``, other references their labels or nothing."""

    def label_of(match: re.Match[str]) -> str:
        if match["user"]:
            return names.get(int(match["user"]), "")
        return match["command"] or (match["emoji"] or "").replace("_", " ")

    return _REFERENCE.sub(label_of, text)

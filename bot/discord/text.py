"""Discord's markdown (discord.com/developers/docs/reference#message-formatting)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from deepgif.bot.chat.replies import Wording

WORDING = Wording(
    "/deepgif-preview lets you see a GIF before it is posted, /deepgif-delete takes back your newest GIF here, "
    "/deepgif-settings is for those who manage the server, /deepgif-help says this.",
    "Type /deepgif-settings in a channel: that opens the settings.",
)
_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
_REFERENCE = re.compile(r"<(?:@!?(?P<user>\d+)|@&\d+|#\d+|/(?P<command>[^:<>]+):\d+|a?:(?P<emoji>\w+):\d+|t:[^<>]+)>")


def literal(text: str, most: int) -> str:
    """``text`` as Discord shows it letter by letter: a backslash before each punctuation mark takes away every meaning
    it could have. At most ``most`` characters of ``text``."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return _PUNCTUATION.sub(r"\\\1", " ".join(shown.split()))


def plain(text: str, names: Mapping[int, str]) -> str:
    """The words in a message: ``names`` in place of mentioned people, none in place of other references."""

    def shown(match: re.Match[str]) -> str:
        if match["user"]:
            return names.get(int(match["user"]), "")
        return match["command"] or (match["emoji"] or "").replace("_", " ")

    return _REFERENCE.sub(shown, text)

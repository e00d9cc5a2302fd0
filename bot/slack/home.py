"""The app's home tab."""

from __future__ import annotations

from collections.abc import Sequence

from deepgif.bot.chat import replies
from deepgif.bot.slack.blocks import Block, help_text, plain_text, told
from deepgif.bot.store.collections import SavedGif

SHOWN = 20


def home_view(favourites: Sequence[SavedGif]) -> Block:
    """What the app is, what it stores, and the person's newest favourites, by their titles."""
    starred = [block for gif in favourites[:SHOWN] for block in told(gif.title or gif.key.id)]
    none_yet = told(f"None yet: the button {replies.LABELS[replies.Action.STAR]} below a GIF adds one.")
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": plain_text("DeepGIF", 150)},
            *help_text(),
            {"type": "header", "text": plain_text("Your favourites", 150)},
            *(starred or none_yet),
        ],
    }

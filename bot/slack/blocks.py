"""Messages in Block Kit (docs.slack.dev/reference/block-kit). People's and providers' words go into ``plain_text``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from deepgif.bot.chat import replies
from deepgif.bot.chat.replies import LABELS, Action
from deepgif.bot.chat.search import FoundGif
from deepgif.bot.chat.urls import is_publicly_reachable
from deepgif.bot.slack.text import WORDING
from deepgif.engine.types import Gif

Block = dict[str, Any]
MAX_URL, MAX_ALT, MAX_TITLE, MAX_SECTION, MAX_LABEL = 3000, 2000, 2000, 3000, 75
_OFFERED = (Action.NEXT, Action.MORE, Action.STAR, Action.DELETE)
_OFFERED_BEFORE = (Action.SEND, Action.NEXT, Action.PREVIOUS, Action.MORE, Action.CANCEL)
_IN_THREADS = (Action.NEXT, Action.DELETE)


def can_show(gif: Gif) -> bool:
    """Whether Slack can fetch and show the GIF: it takes png, jpg and gif from public addresses."""
    return is_publicly_reachable(gif.url) and len(gif.url) <= MAX_URL and not urlsplit(gif.url).path.endswith(".webp")


def plain_text(text: str, most: int = MAX_SECTION) -> Block:
    """``text`` as it is: nothing in it is a mention, a link, a format or an emoji."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return {"type": "plain_text", "text": shown or "…", "emoji": False}


def told(text: str) -> list[Block]:
    """One sentence."""
    return [{"type": "section", "text": plain_text(text)}]


def posted(found: FoundGif, said: str, button: str) -> list[Block]:
    """A GIF for all to see, under what its person ``said``; its menu reports it."""
    menu = {
        "type": "overflow",
        "action_id": "gif:report",
        "options": [{"text": plain_text(LABELS[Action.REPORT], MAX_LABEL), "value": button}],
    }
    return [{"type": "section", "text": plain_text(said), "accessory": menu}, *_gif(found.gif)]


def controls(found: FoundGif, button: str, in_thread: bool) -> list[Block]:
    """The buttons for a GIF that was posted."""
    said = " ".join((f"“{found.gif.title}” is posted. Only you see these buttons.", *found.notices))
    return [*told(said), _buttons(_IN_THREADS if in_thread else _OFFERED, button)]


def in_message(button: str) -> list[Block]:
    """The same buttons, where they can only stand in the message itself."""
    return [_buttons(_OFFERED, button)]


def preview(found: FoundGif, button: str) -> list[Block]:
    """A GIF that only its person sees, and what they can do."""
    said = " ".join(("Only you see this. Send it?", *found.notices))
    return [*told(said), *_gif(found.gif), _buttons(_OFFERED_BEFORE, button)]


def help_text() -> list[Block]:
    """What the bot does and how it is asked."""
    return [block for line in (replies.ABOUT, *replies.help_lines(WORDING), replies.STORED) for block in told(line)]


def _gif(gif: Gif) -> list[Block]:
    image = {
        "type": "image",
        "image_url": gif.url,
        "alt_text": (gif.alt_text or gif.title or "A GIF")[:MAX_ALT],
        "title": plain_text(gif.title or "GIF", MAX_TITLE),
    }
    thanks = [{"type": "context", "elements": [plain_text(gif.attribution)]}] if gif.attribution else []
    return [image, *thanks]


def _buttons(actions: Sequence[Action], button: str) -> Block:
    elements = []
    for action in actions:
        element = {
            "type": "button",
            "action_id": f"gif:{action}",
            "text": plain_text(LABELS[action], MAX_LABEL),
            "value": button,
        }
        if action is Action.SEND:
            element["style"] = "primary"
        elements.append(element)
    return {"type": "actions", "elements": elements}

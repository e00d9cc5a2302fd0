"""Messages and views in Block Kit (docs.slack.dev/reference/block-kit). Text from users and providers is always
``plain_text``, which Slack doesn't interpret."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from deepgif.bot.chat import replies
from deepgif.bot.chat.replies import LABELS, Action, Edit, Post, Preview
from deepgif.bot.chat.urls import is_publicly_reachable
from deepgif.bot.slack.text import REPORT_CONFIRM, TEXT
from deepgif.bot.store.collections import SavedGif
from deepgif.engine.types import Gif

Block = dict[str, Any]
MAX_URL, MAX_ALT, MAX_TITLE, MAX_SECTION, MAX_LABEL, MAX_HEADER = 3000, 2000, 2000, 3000, 75, 150
MAX_FAVOURITES_SHOWN = 20
_POSTED = (Action.NEXT, Action.MORE, Action.STAR, Action.DELETE)
_PREVIEWED = (Action.SEND, Action.NEXT, Action.PREVIOUS, Action.MORE, Action.CANCEL)
_IN_THREADS = (Action.NEXT, Action.DELETE)


def can_show(gif: Gif) -> bool:
    """Whether Slack can load the GIF: it shows png, jpg and gif from public URLs."""
    return is_publicly_reachable(gif.url) and len(gif.url) <= MAX_URL and not urlsplit(gif.url).path.endswith(".webp")


def plain_text(text: str, max_length: int = MAX_SECTION) -> Block:
    """``text`` as it is, without mentions, links, formatting or emoji; cut if it is too long."""
    shown = text if len(text) <= max_length else text[: max_length - 1] + "…"
    return {"type": "plain_text", "text": shown or "…", "emoji": False}


def section(text: str) -> Block:
    """A paragraph."""
    return {"type": "section", "text": plain_text(text)}


def post(reply: Post | Edit, user_name: str) -> list[Block]:
    """A GIF that everybody sees, below its user's name and query, with a menu to report it."""
    confirm = {
        "title": plain_text(f"{LABELS[Action.REPORT]}?"),
        "text": plain_text(REPORT_CONFIRM),
        "confirm": plain_text("Report"),
        "deny": plain_text("Cancel"),
    }
    menu = {
        "type": "overflow",
        "action_id": f"gif:{Action.REPORT}",
        "options": [{"text": plain_text(LABELS[Action.REPORT], MAX_LABEL), "value": reply.button}],
        "confirm": confirm,
    }
    heading = {**section(f"@{user_name}: {reply.session.query}"), "accessory": menu}
    return [heading, *_gif(reply.found.gif)]


def controls(reply: Post | Edit, in_thread: bool) -> list[Block]:
    """The private buttons for a GIF that was posted."""
    text = " ".join((f"Posted “{reply.found.gif.title}”. Only you can see these buttons.", *reply.found.notices))
    return [section(text), _buttons(_IN_THREADS if in_thread else _POSTED, reply.button)]


def public_controls(reply: Post | Edit) -> list[Block]:
    """The same buttons as a part of the post."""
    return [_buttons(_POSTED, reply.button)]


def preview(reply: Preview) -> list[Block]:
    """A GIF that only the user sees, with its buttons."""
    text = " ".join((replies.PREVIEW, *reply.found.notices))
    return [section(text), *_gif(reply.found.gif), _buttons(_PREVIEWED, reply.button)]


def help_text() -> list[Block]:
    """What the bot does, how to use it, and what it stores."""
    return [section(paragraph) for paragraph in (*TEXT.help(), replies.STORED)]


def home_view(favourites: Sequence[SavedGif]) -> Block:
    """The app's Home tab: the help, and the titles of the user's newest favourites."""
    titles = [section(gif.title or gif.key.id) for gif in favourites[:MAX_FAVOURITES_SHOWN]]
    none_yet = section(f"None yet. Press “{LABELS[Action.STAR]}” below a GIF to add one.")
    return {
        "type": "home",
        "blocks": [
            {"type": "header", "text": plain_text("DeepGIF", MAX_HEADER)},
            *help_text(),
            {"type": "header", "text": plain_text("Your favourites", MAX_HEADER)},
            *(titles or [none_yet]),
        ],
    }


def _gif(gif: Gif) -> list[Block]:
    image = {
        "type": "image",
        "image_url": gif.url,
        "alt_text": (gif.alt_text or gif.title or "A GIF")[:MAX_ALT],
        "title": plain_text(gif.title or "GIF", MAX_TITLE),
    }
    attribution = [{"type": "context", "elements": [plain_text(gif.attribution)]}] if gif.attribution else []
    return [image, *attribution]


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

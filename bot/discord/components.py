"""Messages in Components V2 (discord.com/developers/docs/components). Text from users and providers is always
``literal``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import discord
from discord import ui

from deepgif.bot.chat import replies
from deepgif.bot.chat.replies import LABELS, Action, Edit, Post, Preview
from deepgif.bot.chat.urls import is_publicly_reachable
from deepgif.bot.discord.text import PROMPT, TEXT, literal
from deepgif.engine.types import Gif

MAX_URL, MAX_ALT, MAX_TITLE, MAX_QUERY, MAX_NAME = 2048, 1024, 300, 1000, 40
_POSTED = (Action.NEXT, Action.MORE, Action.STAR, Action.DELETE, Action.REPORT)
_REPLIED = (Action.NEXT, Action.DELETE, Action.REPORT)
_PREVIEWED = (Action.SEND, Action.NEXT, Action.PREVIOUS, Action.MORE, Action.CANCEL)
_LABELS = {**LABELS, Action.REPORT: "Report and remove"}
_STYLES = {Action.SEND: discord.ButtonStyle.primary, Action.DELETE: discord.ButtonStyle.danger}


class GifButton(ui.DynamicItem[ui.Button[ui.LayoutView]], template=r"gif:(?P<action>[a-z]+):(?P<button>[\w.=-]+)"):
    """A button of a GIF. All of its state is in its ``custom_id``, so it outlives every process."""

    def __init__(self, action: Action, button: str) -> None:
        style = _STYLES.get(action, discord.ButtonStyle.secondary)
        super().__init__(ui.Button(style=style, label=_LABELS[action], custom_id=f"gif:{action}:{button}"))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(Action(match["action"]), match["button"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """The button was pressed."""
        _, action, button = self.custom_id.split(":", 2)
        await interaction.client.on_gif_button(interaction, action, button)


def can_show(gif: Gif) -> bool:
    """Whether Discord can load the GIF."""
    return is_publicly_reachable(gif.url) and len(gif.url) <= MAX_URL


def view_of(*items: ui.Item[Any]) -> ui.LayoutView:
    """A message with these components. The view is stopped: its buttons are found by their ``custom_id``."""
    view = ui.LayoutView(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()
    return view


def paragraphs(text: str) -> ui.LayoutView:
    """A message with a paragraph for each line."""
    return view_of(ui.TextDisplay("\n".join(literal(line, 3900) for line in text.splitlines())))


def help_text() -> ui.LayoutView:
    """What the bot does, how to use it, and what it stores."""
    return paragraphs("\n".join((*TEXT.help(), replies.STORED)))


def post(reply: Post | Edit, user_name: str) -> ui.LayoutView:
    """A GIF that everybody sees, below its user's name and query, with the user's buttons."""
    session = reply.session
    heading = f"**{literal(f'@{user_name}', MAX_NAME)}**{literal(': ' + session.query, MAX_QUERY + 2)}"
    actions = _REPLIED if session.context.thread else _POSTED
    return view_of(ui.TextDisplay(heading), *_gif(reply.found.gif), _buttons(actions, reply.button))


def preview(reply: Preview) -> ui.LayoutView:
    """A GIF that only the user sees, with its buttons."""
    text = " ".join((replies.PREVIEW, *reply.found.notices))
    return view_of(ui.TextDisplay(literal(text, 1000)), *_gif(reply.found.gif), _buttons(_PREVIEWED, reply.button))


def prompt(reply: Preview, user_name: str) -> ui.LayoutView:
    """Offers a preview to a user in a message that everybody sees."""
    text = f"{literal(f'@{user_name}', MAX_NAME)}, {literal(PROMPT, 1000)}"
    return view_of(ui.TextDisplay(text), _buttons((Action.SHOW, Action.CANCEL), reply.button))


def _gif(gif: Gif) -> list[ui.Item[ui.LayoutView]]:
    alt_text = (gif.alt_text.strip() or gif.title.strip() or "A GIF")[:MAX_ALT]
    caption = " · ".join(part for part in (literal(gif.title, MAX_TITLE), literal(gif.attribution, 100)) if part)
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery(discord.MediaGalleryItem(gif.url, description=alt_text))
    return [gallery, ui.TextDisplay(f"-# {caption}")] if caption else [gallery]


def _buttons(actions: Sequence[Action], button: str) -> ui.ActionRow[ui.LayoutView]:
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
    for action in actions:
        row.add_item(GifButton(action, button))
    return row

"""Messages of Components V2 (discord.com/developers/docs/components). People's and providers' words are ``literal``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Self

import discord
from discord import ui

from deepgif.bot.chat import replies
from deepgif.bot.chat.replies import LABELS, Action
from deepgif.bot.chat.search import FoundGif
from deepgif.bot.chat.urls import is_publicly_reachable
from deepgif.bot.discord.text import WORDING, literal
from deepgif.engine.types import Gif

MAX_URL, MAX_ALT, MAX_TITLE, MAX_WORDS, MAX_NAME = 2048, 1024, 300, 1000, 40
_POSTED = (Action.NEXT, Action.MORE, Action.STAR, Action.DELETE, Action.REPORT)
_REPLIED = (Action.NEXT, Action.DELETE, Action.REPORT)
_PREVIEWED = (Action.SEND, Action.NEXT, Action.PREVIOUS, Action.MORE, Action.CANCEL)
_STYLES = {Action.SEND: discord.ButtonStyle.primary, Action.DELETE: discord.ButtonStyle.danger}
_SHORT = {**LABELS, Action.REPORT: "Report"}


class GifButton(ui.DynamicItem[ui.Button[ui.LayoutView]], template=r"gif:(?P<action>[a-z]+):(?P<button>[\w.=-]+)"):
    """A button below a GIF. Its ``custom_id`` is all that it knows, so that it outlives every process."""

    def __init__(self, action: Action, button: str) -> None:
        style = _STYLES.get(action, discord.ButtonStyle.secondary)
        super().__init__(ui.Button(style=style, label=_SHORT[action], custom_id=f"gif:{action}:{button}"))

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The button that was pressed."""
        return cls(Action(match["action"]), match["button"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Somebody pressed it."""
        _, action, button = self.custom_id.split(":", 2)
        await interaction.client.on_gif_button(interaction, action, button)


def can_show(gif: Gif) -> bool:
    """Whether Discord can fetch and show the GIF."""
    return is_publicly_reachable(gif.url) and len(gif.url) <= MAX_URL


def view_of(*items: ui.Item[Any]) -> ui.LayoutView:
    """A message of these parts. Nothing waits for its buttons: they are found by their ``custom_id``."""
    view = ui.LayoutView(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()
    return view


def told(text: str) -> ui.LayoutView:
    """Sentences, a paragraph each line."""
    return view_of(ui.TextDisplay("\n".join(literal(line, 3900) for line in text.splitlines())))


def help_text() -> ui.LayoutView:
    """What the bot does and how it is asked."""
    return told("\n".join((replies.ABOUT, *replies.help_lines(WORDING), replies.STORED)))


def posted(found: FoundGif, name: str, words: str, button: str, *, reply: bool) -> ui.LayoutView:
    """A GIF for all to see, under its person's ``name`` and ``words``, with the person's buttons."""
    said = f"**{literal(f'@{name}', MAX_NAME)}**{literal(': ' + words, MAX_WORDS + 2)}"
    return view_of(ui.TextDisplay(said), *_gif(found.gif), _buttons(_REPLIED if reply else _POSTED, button))


def preview(found: FoundGif, button: str) -> ui.LayoutView:
    """A GIF that only its person sees, and what they can do."""
    said = " ".join(("Only you see this. Send it?", *found.notices))
    return view_of(ui.TextDisplay(literal(said, 1000)), *_gif(found.gif), _buttons(_PREVIEWED, button))


def prompt(name: str, button: str) -> ui.LayoutView:
    """In place of a preview where a message cannot be seen by one person only."""
    said = f"{literal(f'@{name}', MAX_NAME)}, there is a GIF for you. Nobody sees it before you send it."
    return view_of(ui.TextDisplay(said), _buttons((Action.SHOW, Action.CANCEL), button))


def _gif(gif: Gif) -> list[ui.Item[ui.LayoutView]]:
    alt_text = (gif.alt_text.strip() or gif.title.strip() or "A GIF")[:MAX_ALT]
    below = " · ".join(part for part in (literal(gif.title, MAX_TITLE), literal(gif.attribution, 100)) if part)
    gallery: ui.MediaGallery[ui.LayoutView] = ui.MediaGallery(discord.MediaGalleryItem(gif.url, description=alt_text))
    return [gallery, ui.TextDisplay(f"-# {below}")] if below else [gallery]


def _buttons(actions: Sequence[Action], button: str) -> ui.ActionRow[ui.LayoutView]:
    row: ui.ActionRow[ui.LayoutView] = ui.ActionRow()
    for action in actions:
        row.add_item(GifButton(action, button))
    return row

"""The settings of a server: a private message that saves each choice at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import discord
from discord import ui

from deepgif.bot.chat import replies
from deepgif.bot.discord import components
from deepgif.bot.discord.listeners import ignore_rejection, respond
from deepgif.bot.discord.request import PLATFORM, Interaction, context_of
from deepgif.bot.discord.text import MANAGERS_ONLY
from deepgif.bot.request import ChatContext, Preferences
from deepgif.bot.store.collections import GifCollections, SavedGif
from deepgif.bot.store.preferences import (
    MAX_REPEAT_HOURS,
    PreferenceStore,
    Scope,
    format_word_list,
    parse_word_list,
)
from deepgif.engine.errors import DeepGifError, InvalidRequestError
from deepgif.engine.types import GifKey, Rating, parse_language

MODAL = "set:texts"
HEADING = "**DeepGIF on this server** · each choice is saved right away."
MAX_OPTIONS = 25
MAX_TEXT = 4000
_PREVIEWS = {"direct": False, "preview": True, "same": None}
_PREVIEW_LABELS = {
    "direct": "Post the best match right away",
    "preview": "Show a preview first",
    "same": "Use the server's default",
}
_GENERAL = Rating.PG_13  # Discord's rules allow no more where minors may look


class SettingItem(ui.DynamicItem[ui.Item[Any]], template=r"set:(?P<name>[a-z]+)"):
    """A menu or button of the settings, identified by its ``custom_id``."""

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The item that was used."""
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """The item was used."""
        await interaction.client.on_setting(interaction, self.custom_id.partition(":")[2])


@dataclass(frozen=True, slots=True)
class Shown:
    """What the message shows. ``channel_preview`` is None if the channel uses the server's default."""

    preferences: Preferences
    channel_preview: bool | None
    blocked: tuple[SavedGif, ...]
    max_rating: Rating


def settings_view(shown: Shown) -> ui.LayoutView:
    """The message."""
    preferences = shown.preferences
    ratings = [rating for rating in Rating if shown.max_rating.allows(rating)]
    general = [rating for rating in ratings if _GENERAL.allows(rating)]
    rows = [
        *_select("rating", "Highest rating allowed", _named(general), [_limited(preferences.max_rating)]),
        *_select(
            "restricted",
            "Highest rating allowed in age-restricted channels",
            _named(ratings),
            [preferences.restricted_rating],
        ),
        *_select(
            "workspace",
            "When someone asks for a GIF on this server",
            _previews("direct", "preview"),
            [_choice(preferences.preview)],
        ),
        *_select(
            "channel",
            "When someone asks for a GIF in this channel",
            _previews("same", "direct", "preview"),
            [_choice(shown.channel_preview)],
        ),
        ui.TextDisplay("Turn GIFs off in these channels (requests there get a private note)"),
        _row(_channels(preferences.off_channels)),
    ]
    if shown.blocked:
        gifs = {f"{gif.key.provider}:{gif.key.id}"[:100]: gif.title or gif.key.id for gif in shown.blocked}
        rows += _select("unblock", "Allow a blocked GIF again", dict(list(gifs.items())[:MAX_OPTIONS]), [])
    words = ui.Button[Any](label="Blocked words, language, repeats…", custom_id="set:open")
    return components.view_of(ui.TextDisplay(HEADING), *rows, _row(words))


def texts_modal(preferences: Preferences) -> ui.Modal:
    """The settings that are typed. The ID of each field contains a digest of what it showed, because Discord sends
    nothing else back."""
    modal = ui.Modal(title="DeepGIF settings", custom_id=MODAL)
    words = format_word_list(preferences.blocked_words, MAX_TEXT)
    fields = (
        ("words", "Blocked words", "Separate them with commas.", words, MAX_TEXT),
        ("language", "Search language", "Two-letter code such as en or de.", preferences.language, 20),
        ("hours", "Hours before the same GIF can be posted again", "Per channel.", f"{preferences.repeat_hours:g}", 6),
    )
    for name, label, description, value, max_length in fields:
        style = discord.TextStyle.paragraph if max_length > 100 else discord.TextStyle.short
        shown = value[:max_length]
        field = ui.TextInput[Any](
            custom_id=f"{name}:{_digest(name, shown)}",
            style=style,
            required=False,
            max_length=max_length,
            default=shown or None,
        )
        modal.add_item(ui.Label(text=label, description=description, component=field))
    return modal


def read_texts(values: Mapping[str, str]) -> dict[str, Any]:
    """What the user changed, by the names of ``Preferences``; ``values`` are by field ID. Raises
    ``InvalidRequestError``."""
    changed = {}
    for field, value in values.items():
        name, _, shown = field.partition(":")
        preference, parse = _TYPED[name]
        parsed = parse(value)  # first: _digest must not fail
        if _digest(name, value) != shown:
            changed[preference] = parsed
    return changed


def _hours(text: str) -> float:
    try:
        hours = float(text or 0)
    except ValueError:
        hours = -1.0
    if not 0 <= hours <= MAX_REPEAT_HOURS:
        raise InvalidRequestError(f"The hours must be a number from 0 to {MAX_REPEAT_HOURS:g}.")
    return hours


_TYPED: dict[str, tuple[str, Callable[[str], Any]]] = {
    "words": ("blocked_words", parse_word_list),
    "language": ("language", lambda text: parse_language(text.strip().lower())),
    "hours": ("repeat_hours", _hours),
}


def _digest(name: str, text: str) -> str:
    """A digest of the value that ``text`` stands for. It is not a secret."""
    _, parse = _TYPED[name]
    return hashlib.sha256(repr(parse(text)).encode("utf-8", "replace")).hexdigest()[:16]


class SettingsPanel:
    """Shows the settings and saves changes."""

    def __init__(self, preferences: PreferenceStore, collections: GifCollections) -> None:
        self._preferences = preferences
        self._collections = collections

    async def open(self, interaction: Interaction) -> None:
        """``/deepgif-settings``"""
        if await self._allowed(interaction):
            await respond(interaction, await self._view(context_of(interaction)))

    async def change(self, interaction: Interaction, name: str) -> None:
        """A menu or button of the message was used."""
        if not await self._allowed(interaction):
            return
        context = context_of(interaction)
        if name == "open":
            preferences = await self._preferences.of_workspace(PLATFORM, context.workspace)
            await ignore_rejection(interaction.response.send_modal(texts_modal(preferences)))
            return
        await self._save(context, name, _values(interaction, "values"))
        await ignore_rejection(interaction.response.edit_message(view=await self._view(context)))

    async def submit(self, interaction: Interaction) -> None:
        """The modal was submitted."""
        if not await self._allowed(interaction):
            return
        context = context_of(interaction)
        try:
            changed = read_texts(dict(_texts(_values(interaction, "components"))))
        except (DeepGifError, KeyError) as error:
            text = str(error) if isinstance(error, DeepGifError) else replies.PROBLEM
            await respond(interaction, components.paragraphs(text))
            return
        if changed:
            await self._preferences.change(PLATFORM, context.workspace, **changed)
        await respond(interaction, components.paragraphs(replies.SAVED))

    async def _save(self, context: ChatContext, name: str, values: Sequence[str]) -> None:
        if name == "channel":
            await self._preferences.set_preview(context, Scope.CHANNEL, _PREVIEWS.get(values[0]))
            return
        if name == "unblock":
            await self._collections.unblock(context, {GifKey(*value.split(":", 1)) for value in values})
            return
        changed: dict[str, Any] = {}
        match name:
            case "rating":
                changed = {"max_rating": _limited(Rating(values[0]))}
            case "restricted":
                changed = {"restricted_rating": Rating(values[0])}
            case "workspace":
                changed = {"preview": bool(_PREVIEWS.get(values[0]))}
            case "off":
                changed = {"off_channels": tuple(values)}
        if changed:
            await self._preferences.change(PLATFORM, context.workspace, **changed)

    async def _view(self, context: ChatContext) -> ui.LayoutView:
        return settings_view(
            Shown(
                await self._preferences.of_workspace(PLATFORM, context.workspace),
                await self._preferences.preview(context, Scope.CHANNEL),
                tuple(await self._collections.blocked(context)),
                self._preferences.max_rating,
            )
        )

    async def _allowed(self, interaction: Interaction) -> bool:
        """Discord shows the command to managers only, but an old message may be used by a former manager."""
        if interaction.is_guild_integration() and interaction.permissions.manage_guild:
            return True
        await respond(interaction, components.paragraphs(MANAGERS_ONLY))
        return False


def _values(interaction: Interaction, name: str) -> list[Any]:
    data: Any = interaction.data or {}
    return list(data.get(name) or ())


def _limited(rating: Rating) -> Rating:
    return rating if _GENERAL.allows(rating) else _GENERAL


def _named(ratings: Sequence[Rating]) -> dict[str, str]:
    return {rating.value: rating.upper() for rating in ratings}


def _previews(*choices: str) -> dict[str, str]:
    return {choice: _PREVIEW_LABELS[choice] for choice in choices}


def _choice(preview: bool | None) -> str:
    return next(choice for choice, meaning in _PREVIEWS.items() if meaning is preview)


def _row(item: ui.Item[Any]) -> ui.ActionRow[Any]:
    return ui.ActionRow(SettingItem(item))


def _select(name: str, label: str, options: Mapping[str, str], chosen: Sequence[str]) -> list[ui.Item[Any]]:
    menu = ui.Select[Any](
        custom_id=f"set:{name}",
        placeholder=label,
        options=[
            discord.SelectOption(label=text[:100], value=value, default=value in chosen)
            for value, text in options.items()
        ],
    )
    return [ui.TextDisplay(label), _row(menu)]


def _channels(chosen: Iterable[str]) -> ui.ChannelSelect[Any]:
    defaults = [
        discord.SelectDefaultValue(id=int(channel), type=discord.SelectDefaultValueType.channel)
        for channel in list(chosen)[:MAX_OPTIONS]
    ]
    kinds = [discord.ChannelType.text, discord.ChannelType.voice, discord.ChannelType.forum, discord.ChannelType.news]
    return ui.ChannelSelect(
        custom_id="set:off", channel_types=kinds, min_values=0, max_values=MAX_OPTIONS, default_values=defaults
    )


def _texts(components: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, str]]:
    for component in components:
        inner = component.get("component")
        if isinstance(inner, Mapping) and "custom_id" in inner:
            yield str(inner["custom_id"]), str(inner.get("value") or "")

"""The settings of a guild as a private message that saves each choice at once."""

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
from deepgif.bot.discord.context import place_of
from deepgif.bot.discord.listeners import Interaction, quietly, respond
from deepgif.bot.discord.request import PLATFORM
from deepgif.bot.store.collections import GifCollections, SavedGif
from deepgif.bot.store.preferences import (
    MAX_REPEAT_HOURS,
    ChatContext,
    Preferences,
    PreferenceStore,
    Scope,
    listed,
    word_list,
)
from deepgif.engine.api.schemas import language_of
from deepgif.engine.errors import DeepGifError, InvalidRequestError
from deepgif.engine.types import GifKey, Rating

MODAL = "set:texts"
MANAGERS_ONLY = "Only those who manage the server change its settings. /deepgif-preview is for your own GIFs."
HEADING = "**DeepGIF on this server** · each choice is saved at once."
MAX_OPTIONS = 25
MAX_TEXT = 4000
_PREVIEWS = {"direct": False, "preview": True, "same": None}
_PREVIEW_LABELS = {
    "direct": "Post the best GIF at once",
    "preview": "Show a preview first",
    "same": "As everywhere else",
}
_GENERAL = Rating.PG_13  # the most that Discord's rules allow where anybody may look


class SettingItem(ui.DynamicItem[ui.Item[Any]], template=r"set:(?P<name>[a-z]+)"):
    """A menu or button of the settings, known by its ``custom_id`` only."""

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """The item that was used."""
        return cls(item)

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Somebody used it."""
        await interaction.client.on_setting(interaction, self.custom_id.partition(":")[2])


@dataclass(frozen=True, slots=True)
class Shown:
    """What the message shows."""

    chosen: Preferences
    channel: bool | None
    blocked: tuple[SavedGif, ...]
    most: Rating


def settings_view(shown: Shown) -> ui.LayoutView:
    """The message."""
    chosen = shown.chosen
    ratings = [rating for rating in Rating if shown.most.allows(rating)]
    general = [rating for rating in ratings if _GENERAL.allows(rating)]
    rows = [
        *_select("rating", "No GIF rated above", _named(general), [min(chosen.max_rating, _GENERAL, key=_level)]),
        *_select("restricted", "In age-restricted channels, none above", _named(ratings), [chosen.restricted_rating]),
        *_select("workspace", "GIFs on this server", _previews("direct", "preview"), [_choice(chosen.preview)]),
        *_select("channel", "GIFs in this channel", _previews("same", "direct", "preview"), [_choice(shown.channel)]),
        ui.TextDisplay("Channels without GIFs"),
        _row(_channels(chosen.off_channels)),
    ]
    if shown.blocked:
        gifs = {f"{gif.key.provider}:{gif.key.id}"[:100]: gif.title or gif.key.id for gif in shown.blocked}
        rows += _select("unblock", "Allow a blocked GIF again", dict(list(gifs.items())[:MAX_OPTIONS]), [])
    words = ui.Button[Any](label="Blocked words, language, repeats…", custom_id="set:open")
    return components.view_of(ui.TextDisplay(HEADING), *rows, _row(words))


def texts_modal(chosen: Preferences) -> ui.Modal:
    """What is typed rather than chosen. The id of each field says what it showed: nothing else comes back with it."""
    modal = ui.Modal(title="DeepGIF settings", custom_id=MODAL)
    fields = (
        ("words", "Blocked words", "Separated by commas.", listed(chosen.blocked_words, MAX_TEXT), MAX_TEXT),
        ("language", "Language of searches", "Two letters, such as en or de; empty for any.", chosen.language, 20),
        ("hours", "Hours before a GIF may be repeated", "In the same channel.", f"{chosen.repeat_hours:g}", 6),
    )
    for name, label, description, value, most in fields:
        style = discord.TextStyle.paragraph if most > 100 else discord.TextStyle.short
        shown = value[:most]
        field = ui.TextInput[Any](
            custom_id=f"{name}:{_digest(name, shown)}",
            style=style,
            required=False,
            max_length=most,
            default=shown or None,
        )
        modal.add_item(ui.Label(text=label, description=description, component=field))
    return modal


def read_texts(values: Mapping[str, str]) -> dict[str, Any]:
    """What was typed and is not what the modal showed, by the names of ``Preferences``; ``values`` are by the ids of
    the fields. Raises ``InvalidRequestError``."""
    changed = {}
    for field, value in values.items():
        name, _, shown = field.partition(":")
        preference, meaning = _TYPED[name]
        meant = meaning(value)  # which is refused before it is compared
        if _digest(name, value) != shown:
            changed[preference] = meant
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
    "words": ("blocked_words", word_list),
    "language": ("language", lambda text: language_of(text.strip().lower())),
    "hours": ("repeat_hours", _hours),
}


def _digest(name: str, text: str) -> str:
    """What tells a meaning from another one; it is no secret."""
    _, meaning = _TYPED[name]
    return hashlib.sha256(repr(meaning(text)).encode("utf-8", "replace")).hexdigest()[:16]


class SettingsPanel:
    """Opens the settings and saves what is chosen."""

    def __init__(self, preferences: PreferenceStore, shelf: GifCollections) -> None:
        self._preferences = preferences
        self._shelf = shelf

    async def open(self, interaction: Interaction) -> None:
        """Shows the settings to who manages the guild."""
        if await self._may(interaction):
            await respond(interaction, await self._view(place_of(interaction)))

    async def change(self, interaction: Interaction, name: str) -> None:
        """Something was chosen in the message."""
        if not await self._may(interaction):
            return
        place = place_of(interaction)
        if name == "open":
            chosen = await self._preferences.of_workspace(PLATFORM, place.workspace)
            await quietly(interaction.response.send_modal(texts_modal(chosen)))
            return
        await self._save(place, name, _values(interaction, "values"))
        await quietly(interaction.response.edit_message(view=await self._view(place)))

    async def typed(self, interaction: Interaction) -> None:
        """The modal was filled in."""
        if not await self._may(interaction):
            return
        place = place_of(interaction)
        try:
            changed = read_texts(dict(_texts(_values(interaction, "components"))))
        except (DeepGifError, KeyError) as error:
            text = str(error) if isinstance(error, DeepGifError) else replies.PROBLEM
            await respond(interaction, components.told(text))
            return
        if changed:
            await self._preferences.change(PLATFORM, place.workspace, **changed)
        await respond(interaction, components.told("Saved."))

    async def _save(self, place: ChatContext, name: str, values: Sequence[str]) -> None:
        if name == "channel":
            await self._preferences.set_preview(place, Scope.CHANNEL, _PREVIEWS.get(values[0]))
            return
        if name == "unblock":
            await self._shelf.unblock(place, {GifKey(*value.split(":", 1)) for value in values})
            return
        changed: dict[str, Any] = {}
        match name:
            case "rating":
                changed = {"max_rating": min(Rating(values[0]), _GENERAL, key=_level)}
            case "restricted":
                changed = {"restricted_rating": Rating(values[0])}
            case "workspace":
                changed = {"preview": bool(_PREVIEWS.get(values[0]))}
            case "off":
                changed = {"off_channels": tuple(values)}
        if changed:
            await self._preferences.change(PLATFORM, place.workspace, **changed)

    async def _view(self, place: ChatContext) -> ui.LayoutView:
        return settings_view(
            Shown(
                await self._preferences.of_workspace(PLATFORM, place.workspace),
                await self._preferences.preview(place, Scope.CHANNEL),
                tuple(await self._shelf.blocked(place)),
                self._preferences.most,
            )
        )

    async def _may(self, interaction: Interaction) -> bool:
        """Discord shows the command to managers only, but an older message may be used by somebody who no longer is."""
        if interaction.is_guild_integration() and interaction.permissions.manage_guild:
            return True
        await respond(interaction, components.told(MANAGERS_ONLY))
        return False


def _values(interaction: Interaction, name: str) -> list[Any]:
    data: Any = interaction.data or {}
    return list(data.get(name) or ())


def _level(rating: Rating) -> int:
    return rating.level


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

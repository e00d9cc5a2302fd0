"""The application commands, and their registration with Discord where it does not know them as they are."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import AppCommandContext, AppInstallationType, Choice, CommandTree
from sqlalchemy.exc import SQLAlchemyError

from deepgif.bot.chat import replies
from deepgif.bot.chat.commands import Verb
from deepgif.bot.discord import components
from deepgif.bot.discord.context import place_of
from deepgif.bot.discord.listeners import Interaction, Listeners, respond
from deepgif.bot.discord.settings import SettingsPanel
from deepgif.bot.store.preferences import ChatContext, PreferenceStore, Scope
from deepgif.bot.store.sessions import SessionStore
from deepgif.engine.api.client import EngineClient
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
MENU = "React with a GIF"
MAX_CHOICES, MAX_CHOICE = 25, 100
RECENT = 10
COMPLETE_S = 1.5  # somebody is typing
_MODES = {"As everywhere else": None, "Show me a preview first": True, "Post the best GIF at once": False}


class Completer:
    """Completes what somebody types, with what they searched for of late and words of known GIFs."""

    def __init__(self, engine: EngineClient, showings: SessionStore, preferences: PreferenceStore) -> None:
        self._engine = engine
        self._showings = showings
        self._preferences = preferences

    async def choices(self, place: ChatContext, typed: str) -> list[str]:
        """At most ``MAX_CHOICES`` whole queries, the person's own first; fewer where something is away."""
        typed = " ".join(typed.split()) + (" " if typed.endswith(" ") and typed.strip() else "")
        found: list[str] = []
        try:
            async with asyncio.timeout(COMPLETE_S):
                recent = await self._showings.recent_words(place, MAX_CHOICES)
                found += [words for words in recent if typed.strip().casefold() in words.casefold()][:RECENT]
                before, _, last = typed.rpartition(" ")
                words = await self._engine.words(last, MAX_CHOICES - len(found))
                found += [f"{before} {word}".strip() for word in words]
                chosen = await self._preferences.of(place)
        except (DeepGifError, SQLAlchemyError, TimeoutError):
            return []
        return [one for one in dict.fromkeys(found) if len(one) <= MAX_CHOICE and not chosen.blocks(one)][:MAX_CHOICES]


class Tree(CommandTree[Any]):
    """All commands, everywhere and for both kinds of installation unless they say otherwise."""

    def __init__(self, client: discord.Client) -> None:
        super().__init__(
            client,
            allowed_contexts=AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            allowed_installs=AppInstallationType(guild=True, user=True),
        )

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Nothing is wrong with the interaction itself."""
        if not interaction.data:
            await respond(interaction, components.told(replies.PROBLEM))
            return False
        return True

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        """Whatever it is, the person is told."""
        _log.error("A command failed.", exc_info=error)
        if not interaction.response.is_done():
            await respond(interaction, components.told(replies.PROBLEM))


def add_commands(
    tree: Tree, listeners: Listeners, completer: Completer, panel: SettingsPanel, preferences: PreferenceStore
) -> None:
    """Adds the commands to a tree."""

    async def complete(interaction: Interaction, typed: str) -> list[Choice[str]]:
        choices = await completer.choices(place_of(interaction), typed)
        return [Choice(name=words, value=words) for words in choices]

    @tree.command(name="deepgif", description="Post the GIF that shows what you say.")
    @app_commands.describe(query="What the GIF should show, for example: a cat falling off a table")
    @app_commands.autocomplete(query=complete)
    async def deepgif(interaction: Interaction, query: str) -> None:
        await listeners.command(interaction, query)

    @tree.command(name="deepgif-delete", description="Take back your newest GIF in this channel.")
    async def delete(interaction: Interaction) -> None:
        await listeners.command(interaction, Verb.DELETE)

    @tree.command(name="deepgif-help", description="What DeepGIF does, what it keeps, and how it is asked.")
    async def say_help(interaction: Interaction) -> None:
        await listeners.command(interaction, Verb.HELP)

    @tree.command(name="deepgif-preview", description="Choose whether you see a GIF before it is posted.")
    @app_commands.describe(mode="What happens with GIFs that you ask for")
    @app_commands.choices(mode=[Choice(name=name, value=name) for name in _MODES])
    async def preview(interaction: Interaction, mode: str) -> None:
        await preferences.set_preview(place_of(interaction), Scope.PERSON, _MODES.get(mode))
        await respond(interaction, components.told(f"Saved: {mode.lower()}."))

    @tree.command(name="deepgif-settings", description="What counts for everybody on this server.")
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.default_permissions(manage_guild=True)
    async def settings(interaction: Interaction) -> None:
        await panel.open(interaction)

    @tree.context_menu(name=MENU)
    async def react(interaction: Interaction, message: discord.Message) -> None:
        await listeners.message_menu(interaction, message)


async def sync(tree: Tree, application_id: int) -> bool:
    """Registers the commands where Discord has other ones; whether it had. Raises ``discord.HTTPException``."""
    wanted = [command.to_dict(tree) for command in tree.get_commands()]
    for command in wanted:
        del command["dm_permission"]  # Discord answers "contexts" in its place
    there = await tree.client.http.get_global_commands(application_id)
    known = {(command["type"], command["name"]): command for command in there}
    same = len(there) == len(wanted) and all(
        _same(command, known.get((command["type"], command["name"]))) for command in wanted
    )
    if not same:
        await tree.sync()
    return not same


def _same(sent: Any, there: Any) -> bool:
    """Whether Discord has what would be sent; it adds fields, and may leave out what is empty."""
    if isinstance(sent, dict):
        return isinstance(there, dict) and all(_same(value, there.get(name)) for name, value in sent.items())
    if isinstance(sent, list) and isinstance(there, list):
        if not any(isinstance(one, dict) for one in sent):
            sent, there = sorted(sent, key=str), sorted(there, key=str)
        return len(sent) == len(there) and all(map(_same, sent, there))
    return str(sent) == str(there) or (not sent and not there)

"""The application commands."""

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
from deepgif.bot.discord.listeners import Listeners, respond
from deepgif.bot.discord.request import Interaction, context_of
from deepgif.bot.discord.settings import SettingsPanel
from deepgif.bot.request import ChatContext
from deepgif.bot.store.preferences import PreferenceStore, Scope
from deepgif.bot.store.sessions import SessionStore
from deepgif.engine.api.client import EngineClient
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
MENU = "React with a GIF"
MAX_CHOICES, MAX_CHOICE_LENGTH = 25, 100
MAX_RECENT = 10
COMPLETE_S = 1.5  # the user is typing
_PREVIEWS = {
    "Use the server's default": None,
    "Show a preview first": True,
    "Post the best match right away": False,
}


class Completer:
    """Completes what a user types, with their recent queries and with words that describe indexed GIFs."""

    def __init__(self, engine: EngineClient, sessions: SessionStore, preferences: PreferenceStore) -> None:
        self._engine = engine
        self._sessions = sessions
        self._preferences = preferences

    async def complete(self, context: ChatContext, typed: str) -> list[str]:
        """Up to ``MAX_CHOICES`` queries, the user's own first; none if the engine or the database is slow or down."""
        typed = " ".join(typed.split()) + (" " if typed.endswith(" ") and typed.strip() else "")
        try:
            async with asyncio.timeout(COMPLETE_S):
                recent = await self._sessions.recent_queries(context, MAX_CHOICES)
                found = [query for query in recent if typed.strip().casefold() in query.casefold()][:MAX_RECENT]
                before, _, last = typed.rpartition(" ")
                words = await self._engine.suggest(last, MAX_CHOICES - len(found))
                found += [f"{before} {word}".strip() for word in words]
                preferences = await self._preferences.get(context)
        except (DeepGifError, SQLAlchemyError, TimeoutError):
            return []
        return [
            query for query in dict.fromkeys(found) if len(query) <= MAX_CHOICE_LENGTH and not preferences.blocks(query)
        ][:MAX_CHOICES]


class Tree(CommandTree[Any]):
    """The commands. Unless they say otherwise, they are for all channels and for both kinds of installation."""

    def __init__(self, client: discord.Client) -> None:
        super().__init__(
            client,
            allowed_contexts=AppCommandContext(guild=True, dm_channel=True, private_channel=True),
            allowed_installs=AppInstallationType(guild=True, user=True),
        )

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Rejects an interaction without data."""
        if not interaction.data:
            await respond(interaction, components.paragraphs(replies.PROBLEM))
            return False
        return True

    async def on_error(self, interaction: Interaction, error: app_commands.AppCommandError, /) -> None:
        """Tells the user about an error in a command."""
        _log.error("A command failed.", exc_info=error)
        if not interaction.response.is_done():
            await respond(interaction, components.paragraphs(replies.PROBLEM))


def add_commands(
    tree: Tree, listeners: Listeners, completer: Completer, panel: SettingsPanel, preferences: PreferenceStore
) -> None:
    """Adds the commands to a tree."""

    async def complete(interaction: Interaction, typed: str) -> list[Choice[str]]:
        queries = await completer.complete(context_of(interaction), typed)
        return [Choice(name=query, value=query) for query in queries]

    @tree.command(name="deepgif", description="Find a GIF that matches your words and post it.")
    @app_commands.describe(query="What the GIF shows, for example: when the build passes")
    @app_commands.autocomplete(query=complete)
    async def deepgif(interaction: Interaction, query: str) -> None:
        await listeners.command(interaction, query)

    @tree.command(name="deepgif-delete", description="Remove your latest GIF in this channel.")
    async def delete(interaction: Interaction) -> None:
        await listeners.command(interaction, Verb.DELETE)

    @tree.command(name="deepgif-help", description="What DeepGIF does, what it stores, and how to use it.")
    async def show_help(interaction: Interaction) -> None:
        await listeners.command(interaction, Verb.HELP)

    @tree.command(name="deepgif-preview", description="Choose whether you see a GIF before it is posted.")
    @app_commands.describe(mode="What happens when you ask for a GIF")
    @app_commands.choices(mode=[Choice(name=name, value=name) for name in _PREVIEWS])
    async def preview(interaction: Interaction, mode: str) -> None:
        await preferences.set_preview(context_of(interaction), Scope.USER, _PREVIEWS.get(mode))
        await respond(interaction, components.paragraphs(replies.SAVED))

    @tree.command(name="deepgif-settings", description="Change DeepGIF's settings for this server.")
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.default_permissions(manage_guild=True)
    async def settings(interaction: Interaction) -> None:
        await panel.open(interaction)

    @tree.context_menu(name=MENU)
    async def react(interaction: Interaction, message: discord.Message) -> None:
        await listeners.message_menu(interaction, message)

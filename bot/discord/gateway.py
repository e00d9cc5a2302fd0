"""The connection to Discord's gateway, which no event can break."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any

import aiohttp
import discord
from discord.http import Route

from deepgif.bot.chat import replies
from deepgif.bot.discord.components import GifButton
from deepgif.bot.discord.listeners import Interaction, Listeners, told_of_errors
from deepgif.bot.discord.request import PLATFORM
from deepgif.bot.discord.settings import MODAL, SettingItem, SettingsPanel
from deepgif.bot.store.database import Database
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
HEARTBEAT_S = 60.0  # without a word from Discord for so long, a shard connects anew
Event = dict[str, Any]


class GatewayClient(discord.AutoShardedClient):
    """Hears what people ask for, on as many shards as Discord wants. It keeps no messages and no members, and asks for
    no privileged intent: Discord shows the words of direct messages and of messages that mention the bot."""

    def __init__(self, listeners: Listeners, panel: SettingsPanel, database: Database) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True, guild_messages=True, dm_messages=True),
            allowed_mentions=discord.AllowedMentions.none(),
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            heartbeat_timeout=HEARTBEAT_S,
        )
        self._takes = listeners
        self._panel = panel
        self._database = database
        self._apologies: set[asyncio.Task[None]] = set()
        self.add_dynamic_items(GifButton, SettingItem)
        # An event that discord.py cannot read would end the shard, and come again when it resumes.
        parsers = self._connection.parsers
        for name, parse in list(parsers.items()):
            parsers[name] = self._guarded(name, parse)

    async def on_message(self, message: discord.Message) -> None:
        """Somebody wrote."""
        if self.user is not None:
            await self._takes.message(message, self.user.id)

    async def on_gif_button(self, interaction: Interaction, action: str, button: str) -> None:
        """A button below a GIF was pressed."""
        async with told_of_errors(interaction):
            await self._takes.button(interaction, action, button)

    async def on_setting(self, interaction: Interaction, name: str) -> None:
        """Something was chosen in the settings."""
        async with told_of_errors(interaction):
            await self._panel.change(interaction, name)

    async def on_interaction(self, interaction: Interaction) -> None:
        """Buttons and commands find their own way; a modal must outlive the process that opened it."""
        data: Any = interaction.data or {}
        if interaction.type is discord.InteractionType.modal_submit and data.get("custom_id") == MODAL:
            async with told_of_errors(interaction):
                await self._panel.typed(interaction)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot was removed from a guild."""
        await self._database.forget_workspace(PLATFORM, str(guild.id))
        _log.info("The bot was removed from a server; all that was kept of it is deleted.")

    async def on_ready(self) -> None:
        """All shards are there: what is kept of guilds that removed the bot meanwhile goes, too."""
        there = {str(guild.id) for guild in self.guilds}
        for workspace in await self._database.workspaces(PLATFORM):
            if workspace.isdecimal() and workspace not in there:
                await self._database.forget_workspace(PLATFORM, workspace)
        _log.info("Connected to Discord with %d shards, on %d servers.", len(self.shards), len(there))

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """One event never ends the others."""
        error = sys.exception()
        if isinstance(error, DeepGifError):
            _log.warning("An event could not be handled (%s): %s", event_method, error)
        else:
            _log.exception("An event could not be handled: %s", event_method)

    def _guarded(self, name: str, parse: Callable[[Event], None]) -> Callable[[Event], None]:
        def guarded(data: Event) -> None:
            try:
                parse(data)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with an event, the next may be right
                _log.error("An event %s could not be read: %s", name, type(error).__name__)
                self._say_sorry(name, data)

        return guarded

    def _say_sorry(self, name: str, data: Event) -> None:
        """Whoever sent the event is told, where it says enough."""
        said = {"components": [{"type": 10, "content": replies.PROBLEM}], "allowed_mentions": {"parse": []}}
        flags = discord.MessageFlags(components_v2=True, ephemeral=name == "INTERACTION_CREATE").value
        if not isinstance(data, dict):
            return
        if name == "INTERACTION_CREATE" and {"id", "token"} <= set(data):
            route = Route("POST", "/interactions/{id}/{token}/callback", id=data["id"], token=data["token"])
            body: dict[str, Any] = {"type": 4, "data": {**said, "flags": flags}}
        elif name == "MESSAGE_CREATE" and self.user is not None and f"<@{self.user.id}>" in str(data.get("content")):
            route = Route("POST", "/channels/{channel_id}/messages", channel_id=data.get("channel_id", 0))
            body = {**said, "flags": flags}
        else:
            return
        task = asyncio.create_task(self._send_sorry(route, body))
        self._apologies.add(task)
        task.add_done_callback(self._apologies.discard)

    async def _send_sorry(self, route: Route, body: dict[str, Any]) -> None:
        try:
            await self.http.request(route, json=body)
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.warning("A person could not be told: %s", type(error).__name__)

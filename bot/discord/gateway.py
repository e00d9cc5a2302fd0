"""The connection to Discord's gateway. No event can break it."""

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
from deepgif.bot.discord.listeners import Listeners, notifies_of_errors
from deepgif.bot.discord.request import PLATFORM, Interaction
from deepgif.bot.discord.settings import MODAL, SettingItem, SettingsPanel
from deepgif.bot.store.database import Database
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
HEARTBEAT_S = 60.0  # a shard reconnects if Discord has been silent for this long


class GatewayClient(discord.AutoShardedClient):
    """Receives events, on as many shards as Discord recommends. It caches no messages and no members, and needs no
    privileged intent: Discord includes the content of direct messages and of messages that mention the bot."""

    def __init__(self, listeners: Listeners, panel: SettingsPanel, database: Database) -> None:
        super().__init__(
            intents=discord.Intents(guilds=True, guild_messages=True, dm_messages=True),
            allowed_mentions=discord.AllowedMentions.none(),
            chunk_guilds_at_startup=False,
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            heartbeat_timeout=HEARTBEAT_S,
        )
        self._requests = listeners
        self._panel = panel
        self._database = database
        self._apologies: set[asyncio.Task[None]] = set()
        self.add_dynamic_items(GifButton, SettingItem)
        # An event that discord.py fails to parse would end the shard, and be repeated when it resumes.
        parsers = self._connection.parsers
        for name, parse in list(parsers.items()):
            parsers[name] = self._guard(name, parse)

    async def on_message(self, message: discord.Message) -> None:
        """A message was sent."""
        if self.user is not None:
            await self._requests.message(message, self.user.id)

    async def on_gif_button(self, interaction: Interaction, action: str, button: str) -> None:
        """A button below a GIF was pressed."""
        await self._requests.button(interaction, action, button)

    async def on_setting(self, interaction: Interaction, name: str) -> None:
        """A menu or button of the settings was used."""
        async with notifies_of_errors(interaction):
            await self._panel.change(interaction, name)

    async def on_interaction(self, interaction: Interaction) -> None:
        """discord.py dispatches buttons and commands, but a modal only in the process that opened it."""
        data: Any = interaction.data or {}
        if interaction.type is discord.InteractionType.modal_submit and data.get("custom_id") == MODAL:
            async with notifies_of_errors(interaction):
                await self._panel.submit(interaction)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """The bot was removed from a guild."""
        await self._database.delete_workspace(PLATFORM, str(guild.id))
        _log.info("A server removed the bot. All of its data was deleted.")

    async def on_ready(self) -> None:
        """All shards are connected. Deletes the data of servers that removed the bot while it was offline."""
        guilds = {str(guild.id) for guild in self.guilds}
        for workspace in await self._database.workspaces(PLATFORM):
            if workspace.isdecimal() and workspace not in guilds:
                await self._database.delete_workspace(PLATFORM, workspace)
        _log.info("Connected to Discord: %d shards, %d servers.", len(self.shards), len(guilds))

    async def on_error(self, event_method: str, /, *args: Any, **kwargs: Any) -> None:
        """Logs an error in an event handler."""
        error = sys.exception()
        if isinstance(error, DeepGifError):
            _log.warning("Could not handle an event (%s): %s", event_method, error)
        else:
            _log.exception("Could not handle an event: %s", event_method)

    def _guard(self, name: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
        def guarded(data: Any) -> None:
            try:
                parse(data)
            except Exception as error:  # noqa: BLE001 - the next event may be fine
                _log.error("Could not parse an event %s: %s", name, type(error).__name__)
                if name == "INTERACTION_CREATE" and isinstance(data, dict) and {"id", "token"} <= set(data):
                    task = asyncio.create_task(self._apologize(data))
                    self._apologies.add(task)
                    task.add_done_callback(self._apologies.discard)

        return guarded

    async def _apologize(self, event: dict[str, Any]) -> None:
        """Responds to an interaction that could not be parsed."""
        message = {"components": [{"type": 10, "content": replies.PROBLEM}], "allowed_mentions": {"parse": []}}
        flags = discord.MessageFlags(components_v2=True, ephemeral=True).value
        route = Route("POST", "/interactions/{id}/{token}/callback", id=event["id"], token=event["token"])
        try:
            await self.http.request(route, json={"type": 4, "data": {**message, "flags": flags}})
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            _log.warning("Could not tell a user that their request failed: %s", type(error).__name__)

"""What Discord sends: requests are stored, then acknowledged, then answered."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import discord
from sqlalchemy.exc import SQLAlchemyError

from deepgif.bot.chat import replies
from deepgif.bot.chat.commands import Verb, parse, query_from_message
from deepgif.bot.chat.replies import Action
from deepgif.bot.discord import components
from deepgif.bot.discord.request import Interaction, defers_reply, from_interaction, from_message
from deepgif.bot.discord.text import plain
from deepgif.bot.jobs.queue import JobQueue
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.metrics import BotMetrics
from deepgif.bot.request import Request, RequestKind
from deepgif.bot.store.preferences import PreferenceStore
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
_ACKNOWLEDGED = 40060  # JSON error code: the interaction was acknowledged already


class AcknowledgedError(Exception):
    """Another replica, with a database of its own, acknowledged the interaction."""


class Listeners:
    """Listens to all that users can do in Discord, except change settings."""

    def __init__(self, worker: Worker, queue: JobQueue, preferences: PreferenceStore, metrics: BotMetrics) -> None:
        self._worker = worker
        self._queue = queue
        self._preferences = preferences
        self._metrics = metrics

    async def command(self, interaction: Interaction, text: str) -> None:
        """``/deepgif query:...``"""
        async with notifies_of_errors(interaction):
            command = parse(text)
            if command.verb is Verb.HELP:
                await respond(interaction, components.help_text())
            elif command.verb:
                request = from_interaction(interaction, RequestKind.COMMAND, action=command.verb, private=True)
                await self._accept(interaction, request)
            else:
                await self._search(interaction, from_interaction(interaction, RequestKind.COMMAND, query=command.query))

    async def message_menu(self, interaction: Interaction, message: discord.Message) -> None:
        """ "React with a GIF" in a message's menu."""
        async with notifies_of_errors(interaction):
            query = query_from_message(plain(message.content, _names(message)))
            await self._search(interaction, from_interaction(interaction, RequestKind.SHORTCUT, query=query))

    async def button(self, interaction: Interaction, action: str, button: str) -> None:
        """A button of a GIF."""
        message = interaction.message
        async with notifies_of_errors(interaction):
            request = from_interaction(
                interaction,
                RequestKind.BUTTON,
                action=action,
                button=button,
                pressed=str(message.id) if message is not None else "",
                private=action == Action.SHOW or (message is not None and message.flags.ephemeral),
            )
            await self._accept(interaction, request)

    async def message(self, message: discord.Message, own_id: int) -> None:
        """A direct message, or a message that mentions the bot."""
        mentioned = re.search(rf"<@!?{own_id}>", message.content) is not None or any(
            role.tags is not None and role.tags.bot_id == own_id for role in message.role_mentions
        )
        types = (discord.MessageType.default, discord.MessageType.reply)
        if message.author.bot or message.type not in types or not (mentioned or message.guild is None):
            return
        try:
            command = parse(plain(message.content, {**_names(message), own_id: ""}))
            request = from_message(message, query=command.query, action=command.verb or "")
        except DeepGifError as error:
            request = from_message(message, notice=str(error))
        try:
            started = time.perf_counter()
            async with self._worker.accept(request):
                self._metrics.acknowledge_s.labels(request.kind).observe(time.perf_counter() - started)
        except (DeepGifError, SQLAlchemyError) as error:
            self._metrics.requests.labels(request.kind, "refused").inc()
            await message.reply(view=components.paragraphs(_sentence(error)), mention_author=False)

    async def _search(self, interaction: Interaction, request: Request) -> None:
        """Discord must know before the search whether everybody will see the answer."""
        preferences = await self._preferences.get(request.context)
        await self._accept(interaction, replace(request, preferences=preferences, private=preferences.preview))

    async def _accept(self, interaction: Interaction, request: Request) -> None:
        """Stores a request, defers its reply, and starts its job. Does nothing if it was delivered before."""
        started = time.perf_counter()
        try:
            async with self._worker.accept(request) as is_new:
                if is_new:
                    await _defer(interaction, request)
                    self._metrics.acknowledge_s.labels(request.kind).observe(time.perf_counter() - started)
        except AcknowledgedError:
            await self._queue.complete(request.id)
        except (DeepGifError, SQLAlchemyError):
            self._metrics.requests.labels(request.kind, "refused").inc()
            raise


async def respond(interaction: Interaction, view: discord.ui.LayoutView) -> None:
    """Responds to an interaction at once, for its user only."""
    await ignore_rejection(interaction.response.send_message(view=view, ephemeral=True))


async def ignore_rejection(response: Awaitable[object]) -> None:
    """Sends a response. Logs it if Discord rejects it, unless another replica was faster."""
    try:
        await response
    except discord.HTTPException as error:
        if error.code != _ACKNOWLEDGED:
            _log.warning("Discord rejected a response (status %s, code %s).", error.status, error.code)


@asynccontextmanager
async def notifies_of_errors(interaction: Interaction) -> AsyncIterator[None]:
    """Tells the user what went wrong in the block."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - discord.py would only log it
        sentence = _sentence(error)
        if not interaction.response.is_done():
            await respond(interaction, components.paragraphs(sentence))


async def _defer(interaction: Interaction, request: Request) -> None:
    try:
        await interaction.response.defer(ephemeral=request.private, thinking=defers_reply(request))
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        if getattr(error, "code", None) == _ACKNOWLEDGED:
            raise AcknowledgedError from error
        _log.warning("Discord rejected an acknowledgement: %s", type(error).__name__)


def _names(message: discord.Message) -> dict[int, str]:
    return {user.id: user.display_name for user in message.mentions}


def _sentence(error: Exception) -> str:
    """What to tell the user about an error. Logs it if it is not the user's own mistake."""
    if isinstance(error, DeepGifError):
        _log.info("A request was refused: %s", error)
        return str(error)
    _log.error("A request failed.", exc_info=error)
    return replies.PROBLEM

"""What Discord sends: kept in the journal, acknowledged, and then done."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import discord
from sqlalchemy.exc import SQLAlchemyError

from deepgif.bot.chat import replies
from deepgif.bot.chat.commands import Verb, parse, words_of_message
from deepgif.bot.chat.replies import Action
from deepgif.bot.discord import components
from deepgif.bot.discord.context import of_interaction, of_message
from deepgif.bot.discord.request import DiscordRequest
from deepgif.bot.discord.text import plain
from deepgif.bot.jobs.queue import JobQueue
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.metrics import BotMetrics
from deepgif.bot.request import RequestKind
from deepgif.bot.store.preferences import PreferenceStore
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
_TAKEN = 40060  # the JSON error code for an interaction that was acknowledged already
Interaction = discord.Interaction[Any]


class TakenError(Exception):
    """Another replica, which keeps its journal elsewhere, acknowledged the interaction."""


class Listeners:
    """Takes requests in."""

    def __init__(self, worker: Worker, journal: JobQueue, preferences: PreferenceStore, metrics: BotMetrics) -> None:
        self._worker = worker
        self._journal = journal
        self._preferences = preferences
        self._metrics = metrics

    async def command(self, interaction: Interaction, text: str) -> None:
        """``/deepgif query:...``"""
        try:
            command = parse(text)
        except DeepGifError as error:
            await respond(interaction, components.told(str(error)))
            return
        if command.verb is Verb.HELP:
            await respond(interaction, components.help_text())
            return
        task = self._task(interaction, RequestKind.COMMAND, words=command.words)
        if command.verb is Verb.SEARCH:
            await self._search(interaction, task)
        else:
            await self._take(interaction, replace(task, action=command.verb.value, private=True))

    async def message_menu(self, interaction: Interaction, message: discord.Message) -> None:
        """ "React with a GIF" in a message's menu."""
        try:
            words = words_of_message(plain(message.content, _names(message)))
        except DeepGifError as error:
            await respond(interaction, components.told(str(error)))
            return
        await self._search(interaction, self._task(interaction, RequestKind.SHORTCUT, words=words))

    async def button(self, interaction: Interaction, action: str, button: str) -> None:
        """A button below a GIF."""
        message = interaction.message
        private = message is not None and message.flags.ephemeral
        task = self._task(interaction, RequestKind.BUTTON, action=action, button=button)
        pressed = str(message.id) if message is not None else ""
        await self._take(interaction, replace(task, pressed=pressed, private=private or action == Action.SHOW))

    async def message(self, message: discord.Message, own_id: int) -> None:
        """Words to the bot: in a channel where they mention it, in a direct message always."""
        mentioned = re.search(rf"<@!?{own_id}>", message.content) is not None or any(
            role.tags is not None and role.tags.bot_id == own_id for role in message.role_mentions
        )
        kinds = (discord.MessageType.default, discord.MessageType.reply)
        if message.author.bot or message.type not in kinds or not (mentioned or message.guild is None):
            return
        words = plain(message.content, {**_names(message), own_id: ""})
        task = DiscordRequest(RequestKind.MENTION, str(message.id), **of_message(message), reply_to=str(message.id))
        try:
            command = parse(words)
            task = replace(task, words=command.words, action="" if command.verb is Verb.SEARCH else command.verb.value)
        except DeepGifError:
            task = replace(task, words=words)  # too long: the answer says so
        try:
            started = time.perf_counter()
            async with self._worker.taking(task.job()):
                self._metrics.acknowledged.labels(task.kind).observe(time.perf_counter() - started)
        except (DeepGifError, SQLAlchemyError) as error:
            _refused(error)
            self._metrics.outcomes.labels(task.kind, "refused").inc()
            await message.reply(view=components.told(_sentence(error)), mention_author=False)

    async def _search(self, interaction: Interaction, task: DiscordRequest) -> None:
        """Whether all see the answer must be known before there is one."""
        try:
            preview = (await self._preferences.of(task.place)).preview
        except (DeepGifError, SQLAlchemyError):
            preview = False
        await self._take(interaction, replace(task, private=preview))

    async def _take(self, interaction: Interaction, task: DiscordRequest) -> None:
        """Keeps a task, defers its answer, and starts it; one that is known already is left to whoever took it."""
        started = time.perf_counter()
        try:
            async with self._worker.taking(task.job()) as fresh:
                if fresh:
                    await self._defer(interaction, task)
                    self._metrics.acknowledged.labels(task.kind).observe(time.perf_counter() - started)
        except TakenError:
            await self._journal.done(task.name)
        except (DeepGifError, SQLAlchemyError) as error:
            _refused(error)
            self._metrics.outcomes.labels(task.kind, "refused").inc()
            await respond(interaction, components.told(_sentence(error)))

    async def _defer(self, interaction: Interaction, task: DiscordRequest) -> None:
        try:
            await interaction.response.defer(ephemeral=task.private, thinking=task.answered)
        except discord.HTTPException as error:
            if error.code == _TAKEN:
                raise TakenError from error
            _log.warning("Discord did not take a receipt (%s, %s).", error.status, error.code)
        except (aiohttp.ClientError, OSError) as error:
            _log.warning("Discord did not take a receipt: %s", type(error).__name__)

    def _task(self, interaction: Interaction, kind: RequestKind, **wanted: Any) -> DiscordRequest:
        return DiscordRequest(
            kind, str(interaction.id), **of_interaction(interaction), token=interaction.token, **wanted
        )


async def respond(interaction: Interaction, view: discord.ui.LayoutView) -> None:
    """Answers an interaction at once, for its person only; another replica may have been faster."""
    await quietly(interaction.response.send_message(view=view, ephemeral=True))


@asynccontextmanager
async def told_of_errors(interaction: Interaction) -> AsyncIterator[None]:
    """Whatever goes wrong in the block, the person is told."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - discord.py would only log it
        _log.error("An interaction failed.", exc_info=error)
        if not interaction.response.is_done():
            await respond(interaction, components.told(replies.PROBLEM))


async def quietly(answer: Awaitable[object]) -> None:
    """Waits for an answer; that Discord does not take it is only logged."""
    try:
        await answer
    except discord.HTTPException as error:
        if error.code != _TAKEN:
            _log.warning("Discord did not take an answer (%s, %s).", error.status, error.code)


def _names(message: discord.Message) -> dict[int, str]:
    return {person.id: person.display_name for person in message.mentions}


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, DeepGifError) else replies.PROBLEM


def _refused(error: Exception) -> None:
    _log.error("A request was refused: %s", error if isinstance(error, DeepGifError) else "database")

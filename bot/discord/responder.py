"""Says replies in Discord: by the token of an interaction while it lives, else as a message in the channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import aiohttp
import discord
from discord import ui

from deepgif.bot.chat.replies import Action
from deepgif.bot.chat.search import FoundGif
from deepgif.bot.discord import components
from deepgif.bot.discord.request import DiscordRequest, task_of
from deepgif.bot.jobs.handler import DeliveryError
from deepgif.bot.jobs.queue import Job
from deepgif.bot.store.sessions import SearchSession

_log = logging.getLogger(__name__)
Value = TypeVar("Value")
ERRORS = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError, asyncio.TimeoutError)
# Discord's JSON error codes for an interaction that can no longer be answered: unknown message, webhook or
# interaction, and an invalid webhook token.
_EXPIRED = {10008, 10015, 10062, 50027}
_ORIGINAL = cast(int, "@original")  # in place of a message's id: the answer itself, or the message of the button
NO_ROOM = "Discord does not let me post here; perhaps I may not write in this channel."
UNCHANGED = "The message cannot be changed any more."
UNDELETED = "Discord does not let me delete the message; please use the Delete button below it."


class DiscordResponder:
    """The voice for one task. ``rest`` is logged in; it need not be connected."""

    def __init__(self, rest: discord.Client, task: DiscordRequest) -> None:
        self._rest = rest
        self._task = task

    @property
    def can_repeat(self) -> bool:
        """An answer that all see is edited into what was deferred, however often."""
        return self._task.answered and not self._task.private

    async def tell(self, text: str, *, replace: bool = False) -> None:
        """One sentence that only the person sees; a mention, and who waited too long, is answered in the channel."""
        here = components.told(f"@{self._task.person_name}: {text}")
        await self._privately(components.told(text), here, edit=self._task.answered)

    async def dismiss(self) -> None:
        """Takes the message away whose button was pressed."""
        try:
            await self._hook.delete_message(_ORIGINAL)
        except ERRORS:
            await _or(UNCHANGED, lambda: self._hook.edit_message(_ORIGINAL, view=components.told("Done.")))

    async def preview(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """A GIF that only the person sees; who mentioned the bot is asked to look at it first."""
        asked = components.prompt(self._task.person_name, button)
        await self._privately(components.preview(found, button), asked, edit=True)
        if self._task.action == Action.SHOW:
            await self._delete_quietly(self._task.pressed)

    async def publish(self, showing: SearchSession, found: FoundGif, button: str) -> str:
        """Posts a GIF; its id is the channel's and the message's."""
        task, reply_to = self._task, showing.place.thread
        view = components.posted(found, task.person_name, showing.words, button, reply=bool(reply_to))
        if not task.token or reply_to:
            message = await self._in_channel(view, reply_to)
        elif task.private:
            message = await self._by_token(lambda: self._hook.send(view=view, wait=True), view)
        else:
            message = await self._by_token(lambda: self._hook.edit_message(_ORIGINAL, view=view), view)
        if task.private:
            await self._quietly(self.dismiss())
        return f"{task.room}:{message.id}"

    async def replace(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """Another GIF in place of the posted one, whose button was pressed."""
        task = self._task
        view = components.posted(found, task.person_name, showing.words, button, reply=bool(showing.place.thread))
        await _or(UNCHANGED, lambda: self._hook.edit_message(_ORIGINAL, view=view))

    async def offer(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """Nothing: the buttons stand below the GIF."""

    async def withdraw(self, message: str) -> None:
        """Deletes what was posted."""
        room, _, message_id = message.partition(":")
        if self._task.pressed == message_id:
            await _or(UNDELETED, lambda: self._hook.delete_message(_ORIGINAL), gone_is_fine=True)
        else:
            there = self._rest.get_partial_messageable(int(room)).get_partial_message(int(message_id))
            await _or(UNDELETED, there.delete, gone_is_fine=True)

    async def _privately(self, view: ui.LayoutView, in_channel: ui.LayoutView, *, edit: bool) -> None:
        """Shows ``view`` to the person only, in place of what they see only where ``edit``; ``in_channel`` where that
        cannot be."""
        task = self._task
        if not task.token:
            await self._in_channel(in_channel, task.reply_to)
        elif task.private and edit:
            await self._by_token(lambda: self._hook.edit_message(_ORIGINAL, view=view), in_channel)
        else:
            if task.answered:  # for all to see
                await self._quietly(self._hook.delete_message(_ORIGINAL))
            await self._by_token(lambda: self._hook.send(view=view, ephemeral=True, wait=True), in_channel)

    async def _by_token(
        self, say: Callable[[], Awaitable[discord.WebhookMessage]], in_channel: ui.LayoutView
    ) -> discord.Message:
        """What ``say`` says; a message in the channel where the token has expired."""
        try:
            return await say()
        except discord.HTTPException as error:
            if error.code not in _EXPIRED:
                raise DeliveryError(NO_ROOM) from error
            return await self._in_channel(in_channel, "")
        except ERRORS as error:
            raise DeliveryError(NO_ROOM) from error

    async def _in_channel(self, view: ui.LayoutView, reply_to: str) -> discord.Message:
        """A message; Discord takes one with the same nonce for the same message."""
        room = self._rest.get_partial_messageable(int(self._task.room))
        said: dict[str, Any] = {"view": view, "nonce": self._task.name}
        if reply_to:
            said["reference"] = discord.MessageReference(
                message_id=int(reply_to), channel_id=int(self._task.room), fail_if_not_exists=False
            )
        return await _or(NO_ROOM, lambda: room.send(**said))

    async def _delete_quietly(self, message_id: str) -> None:
        room = self._rest.get_partial_messageable(int(self._task.room))
        await self._quietly(room.get_partial_message(int(message_id)).delete())

    async def _quietly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except (*ERRORS, DeliveryError) as error:
            _log.info("A message could not be taken away: %s", type(error).__name__)

    @property
    def _hook(self) -> discord.Webhook:
        application = self._rest.application_id
        assert application is not None  # noqa: S101 - it is known since the login
        hook = discord.Webhook.partial(application, self._task.token, client=self._rest)
        hook.type = discord.WebhookType.application
        return hook


class DiscordVoices:
    """Voices for all jobs."""

    def __init__(self, rest: discord.Client) -> None:
        self._rest = rest

    async def of(self, job: Job) -> tuple[DiscordRequest, DiscordResponder]:
        """A job's task and its voice."""
        task = task_of(job)
        return task, DiscordResponder(self._rest, task)


async def _or(refusal: str, call: Callable[[], Awaitable[Value]], *, gone_is_fine: bool = False) -> Value | Any:
    """What ``call`` gives. Raises ``DeliveryError`` with ``refusal`` where Discord refuses or is away."""
    try:
        return await call()
    except ERRORS as error:
        if gone_is_fine and isinstance(error, discord.NotFound) and error.code == 10008:
            return None
        raise DeliveryError(refusal) from error

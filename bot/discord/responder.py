"""Delivers replies in Discord: through the token of the interaction while it is valid, or as a message in the
channel."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import aiohttp
import discord
from discord import ui

from deepgif.bot.chat import replies
from deepgif.bot.chat.replies import Action, Edit, Post, Preview
from deepgif.bot.chat.responder import DeliveryError
from deepgif.bot.discord import components, text
from deepgif.bot.discord.request import defers_reply
from deepgif.bot.request import Request

_log = logging.getLogger(__name__)
Value = TypeVar("Value")
ERRORS = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError, asyncio.TimeoutError)
# Discord's JSON error codes for an interaction that can't be answered any more: unknown message, webhook or
# interaction, and invalid webhook token.
_EXPIRED = {10008, 10015, 10062, 50027}
_UNKNOWN_MESSAGE = 10008
_ORIGINAL = cast(int, "@original")  # in place of a message ID: the deferred reply, or the message of the button


class DiscordResponder:
    """Answers one request. ``rest`` is logged in, but need not be connected to the gateway."""

    def __init__(self, rest: discord.Client, request: Request) -> None:
        self._rest = rest
        self._request = request
        self._deferred = defers_reply(request)

    @property
    def can_repeat(self) -> bool:
        """A public post is an edit of the deferred reply, which can be repeated."""
        return self._deferred and not self._request.private

    async def notify(self, message: str, *, replace: bool = False) -> None:
        """Shows text to the user only; in the channel after a mention, or if the interaction has expired."""
        public = components.paragraphs(f"@{self._request.user_name}: {message}")
        await self._send_private(components.paragraphs(message), public, edit=self._deferred)

    async def dismiss(self) -> None:
        """Removes the message whose button was pressed."""
        try:
            await self._webhook.delete_message(_ORIGINAL)
        except ERRORS:
            done = components.paragraphs(text.DISMISSED)
            await _deliver(lambda: self._webhook.edit_message(_ORIGINAL, view=done), replies.CANNOT_EDIT)

    async def preview(self, reply: Preview) -> None:
        """Shows a GIF to the user only; after a mention, offers to show it."""
        prompt = components.prompt(reply, self._request.user_name)
        await self._send_private(components.preview(reply), prompt, edit=True)
        if self._request.action == Action.SHOW:
            pressed = int(self._request.pressed)
            await self._try_to(self._room.get_partial_message(pressed).delete())

    async def post(self, reply: Post) -> str:
        """Posts a GIF. The ID is that of the channel or thread and that of the message."""
        request, reply_to = self._request, reply.session.context.thread
        view = components.post(reply, request.user_name)
        if not request.callback or reply_to:
            message = await self._send_to_channel(view, reply_to)
        elif request.private:
            message = await self._send_by_token(lambda: self._webhook.send(view=view, wait=True), view)
        else:
            message = await self._send_by_token(lambda: self._webhook.edit_message(_ORIGINAL, view=view), view)
        if request.private:
            await self._try_to(self.dismiss())
        return f"{request.room}:{message.id}"

    async def edit(self, reply: Edit) -> None:
        """Shows another GIF in the post whose button was pressed."""
        view = components.post(reply, self._request.user_name)
        await _deliver(lambda: self._webhook.edit_message(_ORIGINAL, view=view), replies.CANNOT_EDIT)

    async def show_controls(self, reply: Post | Edit, message: str) -> None:
        """Does nothing: the buttons are part of the post."""

    async def delete(self, message: str) -> None:
        """Deletes a post."""
        room, _, message_id = message.partition(":")
        channel = self._rest.get_partial_messageable(int(room))
        try:
            if self._request.pressed == message_id:
                await self._webhook.delete_message(_ORIGINAL)
            else:
                await channel.get_partial_message(int(message_id)).delete()
        except ERRORS as error:
            if getattr(error, "code", None) != _UNKNOWN_MESSAGE:
                raise DeliveryError(text.CANNOT_DELETE) from error

    async def _send_private(self, view: ui.LayoutView, public: ui.LayoutView, *, edit: bool) -> None:
        """Shows ``view`` to the user only, as an edit of their private message if ``edit``. If that is impossible,
        shows ``public`` in the channel."""
        request = self._request
        if not request.callback:
            await self._send_to_channel(public, request.context.thread)
        elif request.private and edit:
            await self._send_by_token(lambda: self._webhook.edit_message(_ORIGINAL, view=view), public)
        else:
            if self._deferred:  # for everybody
                await self._try_to(self._webhook.delete_message(_ORIGINAL))
            await self._send_by_token(lambda: self._webhook.send(view=view, ephemeral=True, wait=True), public)

    async def _send_by_token(
        self, send: Callable[[], Awaitable[discord.WebhookMessage]], public: ui.LayoutView
    ) -> discord.Message:
        """Sends a message, or ``public`` to the channel if the token has expired."""
        try:
            return await send()
        except ERRORS as error:
            if getattr(error, "code", None) in _EXPIRED:
                return await self._send_to_channel(public, "")
            raise DeliveryError(_refusal(error)) from error

    async def _send_to_channel(self, view: ui.LayoutView, reply_to: str) -> discord.Message:
        """Sends a message. Discord takes messages with the same nonce for one."""
        message: dict[str, Any] = {"view": view, "nonce": self._request.id}
        if reply_to:
            message["reference"] = discord.MessageReference(
                message_id=int(reply_to), channel_id=self._room.id, fail_if_not_exists=False
            )
        return await _deliver(lambda: self._room.send(**message))

    async def _try_to(self, remove: Awaitable[None]) -> None:
        try:
            await remove
        except (*ERRORS, DeliveryError) as error:
            _log.info("Could not remove a message: %s", type(error).__name__)

    @property
    def _room(self) -> discord.PartialMessageable:
        return self._rest.get_partial_messageable(int(self._request.room))

    @property
    def _webhook(self) -> discord.Webhook:
        application = self._rest.application_id
        assert application is not None  # noqa: S101 - known since the login
        webhook = discord.Webhook.partial(application, self._request.callback, client=self._rest)
        webhook.type = discord.WebhookType.application
        return webhook


async def _deliver(send: Callable[[], Awaitable[Value]], refusal: str = "") -> Value:
    """Raises ``DeliveryError`` for an error of Discord's, with ``refusal`` or a sentence that fits the error."""
    try:
        return await send()
    except ERRORS as error:
        raise DeliveryError(refusal or _refusal(error)) from error


def _refusal(error: Exception) -> str:
    return text.CANNOT_POST.get(getattr(error, "code", 0), text.NOT_ACCEPTED)

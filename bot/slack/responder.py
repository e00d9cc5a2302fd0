"""Delivers replies in Slack: through the Web API, or the ``response_url`` of the request."""

from __future__ import annotations

from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from deepgif.bot.chat import replies
from deepgif.bot.chat.replies import Edit, Post, Preview
from deepgif.bot.chat.responder import DeliveryError
from deepgif.bot.request import Request, RequestKind
from deepgif.bot.slack import blocks, text
from deepgif.bot.slack.blocks import Block

RETRIES = 5  # after a 429, each as late as Slack says
BY_URL = "by-url"  # in place of a message ID, which Slack doesn't return for a post through ``response_url``
_GONE = {"message_not_found", "channel_not_found", "cant_delete_message"}


def error_code(error: SlackClientError) -> str:
    """Slack's code for an error; the error's class if the response has none."""
    response = error.response if isinstance(error, SlackApiError) else None
    return str(response.get("error")) if isinstance(response, AsyncSlackResponse) else type(error).__name__


def retry_handlers() -> list[AsyncRateLimitErrorRetryHandler]:
    """Retries a 429, but not a broken connection: the message may have arrived."""
    return [AsyncRateLimitErrorRetryHandler(max_retry_count=RETRIES)]


class SlackResponder:
    """Answers one request."""

    can_repeat = False

    def __init__(self, client: AsyncWebClient, http: aiohttp.ClientSession, request: Request) -> None:
        self._client = client
        self._http = http
        self._request = request
        self._channel = request.context.channel

    async def notify(self, message: str, *, replace: bool = False) -> None:
        """Shows text to the user only."""
        await self._send_private([blocks.section(message)], text.escape(message), replace=replace)

    async def dismiss(self) -> None:
        """Removes the private message whose button was pressed."""
        await self._respond({"delete_original": True})

    async def preview(self, reply: Preview) -> None:
        """Shows a GIF to the user only, in place of the previous preview."""
        title = text.escape(f"Preview: {reply.found.gif.title}")
        await self._send_private(blocks.preview(reply), title, replace=True)

    async def post(self, reply: Post) -> str:
        """Posts a GIF. If the bot is not a member of the channel, it posts through ``response_url``."""
        message = {**await self._message(reply), "unfurl_links": False, "unfurl_media": False}
        thread = reply.session.context.thread
        try:
            answer = await self._client.chat_postMessage(
                channel=self._channel, thread_ts=thread or None, mrkdwn=False, **message
            )
        except SlackApiError as error:
            code = error_code(error)
            if not self._request.callback or code not in text.CANNOT_POST:
                raise DeliveryError(text.CANNOT_POST.get(code, text.NOT_ACCEPTED)) from error
        else:
            return str(answer["ts"])
        where = {"response_type": "in_channel", "replace_original": False, **({"thread_ts": thread} if thread else {})}
        await self._respond({**_with_controls(message, reply), **where})
        return BY_URL

    async def edit(self, reply: Edit) -> None:
        """Shows another GIF in a message that was posted."""
        message = await self._message(reply)
        if reply.session.message == BY_URL:
            await self._respond({"replace_original": True, **_with_controls(message, reply)})
            return
        try:
            await self._client.chat_update(channel=self._channel, ts=reply.session.message, **message)
        except SlackApiError as error:
            raise DeliveryError(replies.CANNOT_EDIT) from error

    async def show_controls(self, reply: Post | Edit, message: str) -> None:
        """Shows the private buttons. A message that was posted through ``response_url`` has its own."""
        if message != BY_URL:
            in_thread = self._request.kind is RequestKind.MENTION
            await self._send_private(blocks.controls(reply, in_thread), "Your GIF was posted.", replace=True)

    async def delete(self, message: str) -> None:
        """Deletes a message that was posted."""
        if message == BY_URL and not self._request.button:
            raise DeliveryError(text.USE_DELETE_BUTTON)
        if message == BY_URL:
            await self._respond({"delete_original": True})
            return
        try:
            await self._client.chat_delete(channel=self._channel, ts=message)
        except SlackApiError as error:
            if error_code(error) not in _GONE:
                raise DeliveryError(text.CANNOT_DELETE) from error

    async def _message(self, reply: Post | Edit) -> dict[str, Any]:
        name = self._request.user_name or await self._fetch_user_name()
        summary = text.escape(f"@{name} sent a GIF: {reply.found.gif.title}")
        return {"text": summary, "blocks": blocks.post(reply, name)}

    async def _fetch_user_name(self) -> str:
        try:
            answer = await self._client.users_info(user=self._request.context.user)
        except SlackApiError:
            return "someone"
        user = answer.get("user") or {}
        profile = user.get("profile") or {}
        return str(profile.get("display_name") or user.get("real_name") or user.get("name") or "someone")

    async def _send_private(self, shown: list[Block], summary: str, *, replace: bool) -> None:
        """Shows blocks to the user only. With ``replace``, in place of the private message whose button they
        pressed."""
        request, context = self._request, self._request.context
        message: dict[str, Any] = {"text": summary, "blocks": shown}
        if context.thread:
            message["thread_ts"] = context.thread
        if request.callback:
            kind = {"response_type": "ephemeral", "replace_original": replace and request.private}
            try:
                await self._respond({**kind, **message})
            except DeliveryError:  # the URL was used five times, or is older than half an hour
                pass
            else:
                return
        try:
            await self._client.chat_postEphemeral(channel=self._channel, user=context.user, **message)
        except SlackApiError as error:
            raise DeliveryError(text.NOT_ACCEPTED) from error

    async def _respond(self, body: dict[str, Any]) -> None:
        webhook = AsyncWebhookClient(self._request.callback, session=self._http, retry_handlers=[*retry_handlers()])
        try:
            response = await webhook.send_dict(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise DeliveryError(text.UNREACHABLE) from error
        if response.status_code != 200:
            raise DeliveryError(text.NOT_ACCEPTED)


def _with_controls(message: dict[str, Any], reply: Post | Edit) -> dict[str, Any]:
    return {**message, "blocks": [*message["blocks"], *blocks.public_controls(reply)]}

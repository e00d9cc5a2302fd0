"""The ways to say something in Slack: methods of the Web API, and the ``response_url`` of a request."""

from __future__ import annotations

from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from deepgif.bot.jobs.handler import DeliveryError
from deepgif.bot.slack.blocks import Block, told
from deepgif.bot.slack.request import SlackRequest
from deepgif.bot.slack.text import escape

RETRIES = 5  # after a 429, each as late as Slack says
BY_URL = "by-url"  # in place of a message's id, where Slack does not tell it
# Where a bot is not a member it cannot post by method, but its command's response_url can.
_NOT_A_MEMBER = {"not_in_channel", "channel_not_found", "is_archived", "restricted_action", "missing_scope"}
_GONE = {"message_not_found", "channel_not_found", "cant_delete_message"}


def code_of(error: SlackClientError) -> str:
    """What Slack calls an error; the error's class where Slack did not answer in its own terms."""
    answer = error.response if isinstance(error, SlackApiError) else None
    return str(answer.get("error")) if isinstance(answer, AsyncSlackResponse) else type(error).__name__


def retry_handlers() -> list[AsyncRateLimitErrorRetryHandler]:
    """429 is tried again. A broken connection is not: what was said may have arrived."""
    return [AsyncRateLimitErrorRetryHandler(max_retry_count=RETRIES)]


class Talk:
    """Answers one task."""

    def __init__(self, client: AsyncWebClient, session: aiohttp.ClientSession, task: SlackRequest) -> None:
        self._client = client
        self._session = session
        self._task = task

    async def publish(self, thread: str, blocks: list[Block], by_url: list[Block], text: str) -> str:
        """Posts for all to see, in a thread where one is named, and gives the message's id. Where the bot is no member
        it posts by the request's URL, with the blocks ``by_url`` below. Raises ``DeliveryError``."""
        task = self._task
        said: dict[str, Any] = {"text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}
        try:
            answer = await self._client.chat_postMessage(
                channel=task.channel, thread_ts=thread or None, mrkdwn=False, **said
            )
        except SlackApiError as error:
            if not task.response_url or code_of(error) not in _NOT_A_MEMBER:
                raise DeliveryError(
                    "Slack does not let me post here; perhaps I must be invited to the channel."
                ) from error
            shown = {"response_type": "in_channel", **said, "blocks": [*blocks, *by_url]}
            if thread:
                shown["thread_ts"] = thread
            await self._respond({**shown, "replace_original": False})
            return BY_URL
        return str(answer["ts"])

    async def replace(self, message: str, blocks: list[Block], by_url: list[Block], text: str) -> None:
        """Changes what was posted. Raises ``DeliveryError``."""
        if message == BY_URL:
            await self._respond({"replace_original": True, "text": text, "blocks": [*blocks, *by_url]})
            return
        try:
            await self._client.chat_update(channel=self._task.channel, ts=message, text=text, blocks=blocks)
        except SlackApiError as error:
            raise DeliveryError("The message cannot be changed any more.") from error

    async def withdraw(self, message: str) -> None:
        """Deletes what was posted. Raises ``DeliveryError``."""
        if message == BY_URL and self._task.button:
            await self._respond({"delete_original": True})
            return
        if message == BY_URL:
            raise DeliveryError("Please use the Delete button below that GIF.")
        try:
            await self._client.chat_delete(channel=self._task.channel, ts=message)
        except SlackApiError as error:
            if code_of(error) not in _GONE:
                raise DeliveryError("Slack does not let me delete the message.") from error

    async def private(self, blocks: list[Block], text: str, *, replace: bool = False) -> None:
        """Says something that only the person sees, in place of the private message whose button they pressed where
        ``replace``. Raises ``DeliveryError``."""
        task = self._task
        if task.response_url:
            kind = {"response_type": "ephemeral", "replace_original": replace and task.private}
            thread = {"thread_ts": task.thread} if task.thread else {}
            try:
                await self._respond({**kind, **thread, "text": text, "blocks": blocks})
            except DeliveryError:  # used up or too old
                pass
            else:
                return
        try:
            await self._client.chat_postEphemeral(
                channel=task.channel, user=task.person, thread_ts=task.thread or None, text=text, blocks=blocks
            )
        except SlackApiError as error:
            raise DeliveryError("Slack takes no answer.") from error

    async def tell(self, text: str, *, replace: bool = False) -> None:
        """One sentence that only the person sees. Raises ``DeliveryError``."""
        await self.private(told(text), escape(text), replace=replace)

    async def dismiss(self) -> None:
        """Takes the private message away whose button was pressed. Raises ``DeliveryError``."""
        await self._respond({"delete_original": True})

    async def name_of_person(self) -> str:
        """What the person is called; "someone" where Slack does not say."""
        if self._task.person_name:
            return self._task.person_name
        try:
            answer = await self._client.users_info(user=self._task.person)
        except SlackApiError:
            return "someone"
        user = answer.get("user") or {}
        profile = user.get("profile") or {}
        return str(profile.get("display_name") or user.get("real_name") or user.get("name") or "someone")

    async def _respond(self, body: dict[str, Any]) -> None:
        webhook = AsyncWebhookClient(self._task.response_url, session=self._session, retry_handlers=[*retry_handlers()])
        try:
            response = await webhook.send_dict(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise DeliveryError("Slack cannot be reached at the moment.") from error
        if response.status_code != 200:
            raise DeliveryError("Slack takes no more answers to that.")

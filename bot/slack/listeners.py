"""What Slack sends: requests are stored, then acknowledged, then answered."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.exc import SQLAlchemyError

from deepgif.bot.chat import replies
from deepgif.bot.chat.commands import Verb, parse, query_from_message
from deepgif.bot.chat.replies import Action
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.metrics import BotMetrics
from deepgif.bot.request import Request, RequestKind
from deepgif.bot.slack import blocks
from deepgif.bot.slack.request import context_of, from_command, from_event, from_interaction
from deepgif.bot.slack.responder import error_code
from deepgif.bot.slack.settings import CALLBACK, SettingsModal
from deepgif.bot.slack.text import plain
from deepgif.bot.store.collections import GifCollections
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
SHORTCUT = "react"
Acknowledge = Callable[..., Awaitable[object]]


def before_acknowledgement(app: AsyncApp, event: str, handle: Callable[..., Awaitable[None]]) -> None:
    """Calls ``handle`` for an event, which is acknowledged when ``handle`` calls its ``next_``. Bolt acknowledges an
    event after its middleware but before its listener; if the process were killed in between, the event would be
    lost."""

    async def do_nothing() -> None: ...

    app.event(event, middleware=[handle])(do_nothing)


class Listeners:
    """Listens to all that users can do in Slack."""

    def __init__(
        self, worker: Worker, settings: SettingsModal, collections: GifCollections, metrics: BotMetrics
    ) -> None:
        self._worker = worker
        self._settings = settings
        self._collections = collections
        self._metrics = metrics

    def register(self, app: AsyncApp) -> None:
        """Adds the listeners to an app."""
        app.command("/deepgif")(self.command)
        before_acknowledgement(app, "app_mention", self.mention)
        before_acknowledgement(app, "message", self.message)
        app.event("app_home_opened")(self.home)
        app.shortcut({"callback_id": SHORTCUT, "type": "message_action"})(self.shortcut)
        for action in Action:
            app.action(f"gif:{action}")(self.button)
        app.view(CALLBACK)(self._settings.save)

    async def command(self, ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        """``/deepgif ...``"""
        try:
            command = parse(plain(body.get("text") or ""))
        except DeepGifError as error:
            await ack(text=str(error), response_type="ephemeral")
            return
        if command.verb is Verb.HELP:
            await ack(text=replies.ABOUT, blocks=blocks.help_text(), response_type="ephemeral")
        elif command.verb is Verb.SETTINGS:
            await ack()
            await self._settings.open(body, client)
        else:
            await self._accept(from_command(body, query=command.query, action=command.verb or ""), ack)

    async def mention(self, next_: Acknowledge, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """``@deepgif ...`` in a channel or a thread."""
        event = body["event"]
        if event.get("bot_id") or event.get("edited") or not event.get("user"):
            await next_()
            return
        await self._accept_message(next_, body, context, event.get("thread_ts") or event["ts"])

    async def message(self, next_: Acknowledge, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """A direct message."""
        event = body["event"]
        if event.get("channel_type") != "im" or event.get("bot_id") or event.get("subtype") or not event.get("user"):
            await next_()
            return
        await self._accept_message(next_, body, context, event.get("thread_ts") or "")

    async def shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """ "React with a GIF" in a message's menu."""
        message = body["message"]
        try:
            wanted = {"query": query_from_message(plain(message.get("text") or ""))}
        except DeepGifError as error:
            wanted = {"notice": str(error)}
        thread = message.get("thread_ts") or message["ts"]
        await self._accept(from_interaction(body, RequestKind.SHORTCUT, "", thread, **wanted), ack)

    async def button(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A button or menu of a GIF."""
        pressed, container = body["actions"][0], body.get("container") or {}
        request = from_interaction(
            body,
            RequestKind.BUTTON,
            f":{pressed.get('action_ts', '')}",
            container.get("thread_ts") or "",
            action=pressed["action_id"].partition(":")[2],
            button=pressed.get("value") or (pressed.get("selected_option") or {}).get("value") or "",
            private=bool(container.get("is_ephemeral")),
        )
        await self._accept(request, ack)

    async def home(self, ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        """The app's Home tab was opened."""
        await ack()
        event = body["event"]
        if event.get("tab") != "home":
            return
        favourites = await self._collections.favourites(context_of(body, "", event["user"]))
        try:
            await client.views_publish(user_id=event["user"], view=blocks.home_view(favourites))
        except SlackClientError as error:
            _log.warning("Could not show the Home tab: %s", error_code(error))

    async def _accept_message(
        self, next_: Acknowledge, body: dict[str, Any], context: AsyncBoltContext, thread: str
    ) -> None:
        try:
            command = parse(plain(body["event"].get("text") or "", context.bot_user_id or ""))
            wanted = {"query": command.query, "action": command.verb or ""}
        except DeepGifError as error:
            wanted = {"notice": str(error)}
        await self._accept(from_event(body, thread, **wanted), next_)

    async def _accept(self, request: Request, acknowledge: Acknowledge) -> None:
        """Stores a request, acknowledges it, and starts its job. One that was delivered before is only acknowledged."""
        started = time.perf_counter()
        try:
            async with self._worker.accept(request):
                await acknowledge()
                self._metrics.acknowledge_s.labels(request.kind).observe(time.perf_counter() - started)
        except (DeepGifError, SQLAlchemyError) as error:
            _log.error("Could not accept a request: %s", error if isinstance(error, DeepGifError) else "database error")
            text = str(error) if isinstance(error, DeepGifError) else replies.PROBLEM
            await (acknowledge(text=text) if request.kind is RequestKind.COMMAND else acknowledge())
            self._metrics.requests.labels(request.kind, "refused").inc()

"""What Slack sends: kept in the journal, acknowledged, and then done."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from sqlalchemy.exc import SQLAlchemyError

from deepgif.bot.chat import replies
from deepgif.bot.chat.commands import Command, Verb, parse, words_of_message
from deepgif.bot.chat.replies import Action
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.metrics import BotMetrics
from deepgif.bot.request import RequestKind
from deepgif.bot.slack import blocks
from deepgif.bot.slack.home import home_view
from deepgif.bot.slack.request import PLATFORM, SlackRequest
from deepgif.bot.slack.settings import CALLBACK, Changes, Choices, read_changes, settings_view
from deepgif.bot.slack.talk import code_of
from deepgif.bot.slack.text import ADMINS_ONLY, plain
from deepgif.bot.store.collections import GifCollections
from deepgif.bot.store.preferences import ChatContext, PreferenceStore, Scope
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
SHORTCUT = "react"
Receipt = Callable[..., Awaitable[object]]  # acknowledges a request, or, for an event, lets bolt go on and do so


def before_receipt(app: AsyncApp, event: str, take: Callable[..., Awaitable[None]]) -> None:
    """Has ``take`` called at an event, whose receipt is sent when it calls its ``next_``. Bolt acknowledges an event
    before its listener runs, but after its middleware: what a listener has not kept yet, a kill would lose."""

    async def nothing_is_left() -> None: ...

    app.event(event, middleware=[take])(nothing_is_left)


class Listeners:
    """Registers itself with an app."""

    def __init__(
        self, worker: Worker, preferences: PreferenceStore, shelf: GifCollections, metrics: BotMetrics
    ) -> None:
        self._worker = worker
        self._preferences = preferences
        self._shelf = shelf
        self._metrics = metrics

    def register(self, app: AsyncApp) -> None:
        """All that the app listens to."""
        app.command("/deepgif")(self.command)
        before_receipt(app, "app_mention", self.mention)
        before_receipt(app, "message", self.message)
        app.event("app_home_opened")(self.home)
        app.shortcut({"callback_id": SHORTCUT, "type": "message_action"})(self.shortcut)
        for action in Action:
            app.action(f"gif:{action}")(self.button)
        app.view(CALLBACK)(self.save)

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
            await self._open_settings(body, client)
        else:
            task = SlackRequest(
                RequestKind.COMMAND,
                body.get("team_id") or "",
                body.get("enterprise_id") or "",
                body["channel_id"],
                body["user_id"],
                person_name=body.get("user_name") or "",
                response_url=body["response_url"],
                **_wanted(command),
            )
            await self._take(task, body["trigger_id"], ack)

    async def mention(self, next_: Receipt, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """``@deepgif ...`` in a channel or a thread."""
        event = body["event"]
        if event.get("bot_id") or event.get("edited") or not event.get("user"):
            await next_()
            return
        await self._asked(next_, body, event, context, event.get("thread_ts") or event["ts"])

    async def message(self, next_: Receipt, body: dict[str, Any], context: AsyncBoltContext) -> None:
        """Words sent to the bot directly."""
        event = body["event"]
        if event.get("channel_type") != "im" or event.get("bot_id") or event.get("subtype") or not event.get("user"):
            await next_()
            return
        await self._asked(next_, body, event, context, event.get("thread_ts") or "")

    async def shortcut(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """ "React with a GIF" in a message's menu."""
        message = body["message"]
        task = SlackRequest(
            RequestKind.SHORTCUT,
            **_where(body),
            thread=message.get("thread_ts") or message["ts"],
            response_url=body["response_url"],
        )
        try:
            words = words_of_message(plain(message.get("text") or ""))
        except DeepGifError:
            words = ""
        await self._take(replace(task, words=words), body["trigger_id"], ack)

    async def button(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        """A button or a menu below a GIF."""
        pressed, container = body["actions"][0], body.get("container") or {}
        value = pressed.get("value") or (pressed.get("selected_option") or {}).get("value") or ""
        task = SlackRequest(
            RequestKind.BUTTON,
            **_where(body),
            thread=container.get("thread_ts") or "",
            action=pressed["action_id"].partition(":")[2],
            button=value,
            private=bool(container.get("is_ephemeral")),
            response_url=body["response_url"],
        )
        await self._take(task, f"{body['trigger_id']}:{pressed.get('action_ts', '')}", ack)

    async def home(self, ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient) -> None:
        """Somebody looks at the app's home tab."""
        await ack()
        event = body["event"]
        if event.get("tab") != "home":
            return
        place = ChatContext(PLATFORM, body.get("team_id") or body.get("enterprise_id") or "", "", event["user"])
        try:
            await client.views_publish(user_id=event["user"], view=home_view(await self._shelf.favourites(place)))
        except SlackClientError as error:
            _log.warning("The home tab could not be shown: %s", code_of(error))

    async def save(self, ack: AsyncAck, body: dict[str, Any], client: AsyncWebClient, view: dict[str, Any]) -> None:
        """The settings were filled in; the modal closes when they are saved."""
        place = _place(body, view.get("private_metadata") or "")
        changes, wrong = read_changes(view)
        if wrong:
            await ack(response_action="errors", errors=wrong)
            return
        if Scope.PERSON in changes.previews:
            await self._preferences.set_preview(place, Scope.PERSON, changes.previews[Scope.PERSON])
        if not changes.of_admin:
            await ack()
        elif await _is_admin(client, place.person):
            await self._save_workspace(place, changes)
            await ack()
        else:
            await ack(response_action="errors", errors={"workspace": ADMINS_ONLY})

    async def _save_workspace(self, place: ChatContext, changes: Changes) -> None:
        if changes.workspace:
            await self._preferences.change(PLATFORM, place.workspace, **changes.workspace)
        if Scope.CHANNEL in changes.previews:
            await self._preferences.set_preview(place, Scope.CHANNEL, changes.previews[Scope.CHANNEL])
        await self._shelf.unblock(place, set(changes.unblock))

    async def _open_settings(self, body: dict[str, Any], client: AsyncWebClient) -> None:
        place = ChatContext(
            PLATFORM, body.get("team_id") or body.get("enterprise_id") or "", body["channel_id"], body["user_id"]
        )
        choices = Choices(await self._preferences.preview(place, Scope.PERSON))
        try:
            if await _is_admin(client, place.person):
                choices = Choices(
                    choices.person,
                    await self._preferences.preview(place, Scope.CHANNEL),
                    await self._preferences.of_workspace(PLATFORM, place.workspace),
                    tuple(await self._shelf.blocked(place)),
                )
            view = settings_view(choices, place.channel, self._preferences.most)
            await client.views_open(trigger_id=body["trigger_id"], view=view)
        except SlackClientError as error:
            _log.warning("The settings could not be opened: %s", code_of(error))

    async def _asked(
        self, ack: Receipt, body: dict[str, Any], event: Mapping[str, Any], context: AsyncBoltContext, thread: str
    ) -> None:
        task = SlackRequest(
            RequestKind.MENTION,
            body.get("team_id") or "",
            body.get("enterprise_id") or "",
            event["channel"],
            event["user"],
            thread=thread,
        )
        try:
            wanted: dict[str, Any] = _wanted(parse(plain(event.get("text") or "", context.bot_user_id or "")))
        except DeepGifError:
            wanted = {"words": plain(event["text"])}  # too long: the answer says so
        await self._take(replace(task, **wanted), body["event_id"], ack)

    async def _take(self, task: SlackRequest, name: str, ack: Receipt) -> None:
        """Keeps a task, acknowledges it, and starts it; one that is known already is only acknowledged."""
        started = time.perf_counter()
        try:
            async with self._worker.taking(task.job(name)):
                await ack()
                self._metrics.acknowledged.labels(task.kind).observe(time.perf_counter() - started)
        except (DeepGifError, SQLAlchemyError) as error:
            _log.error("A request was refused: %s", error if isinstance(error, DeepGifError) else "database")
            text = str(error) if isinstance(error, DeepGifError) else replies.PROBLEM
            await (ack(text=text) if task.kind is RequestKind.COMMAND else ack())
            self._metrics.outcomes.labels(task.kind, "refused").inc()


def _wanted(command: Command) -> dict[str, Any]:
    """A command as parts of a task."""
    return {"words": command.words, "action": "" if command.verb is Verb.SEARCH else command.verb.value}


def _where(body: Mapping[str, Any]) -> dict[str, Any]:
    """The part of an interaction that says where and by whom."""
    user = body["user"]
    return {
        "team": (body.get("team") or {}).get("id") or user.get("team_id") or "",
        "enterprise": (body.get("enterprise") or {}).get("id") or "",
        "channel": (body.get("channel") or {}).get("id") or "",
        "person": user["id"],
        "person_name": user.get("name") or user.get("username") or "",
    }


def _place(body: Mapping[str, Any], channel: str) -> ChatContext:
    where = _where(body)
    return ChatContext(PLATFORM, where["team"] or where["enterprise"], channel, where["person"])


async def _is_admin(client: AsyncWebClient, person: str) -> bool:
    try:
        user = (await client.users_info(user=person)).get("user") or {}
    except SlackApiError:
        return False
    return bool(user.get("is_admin") or user.get("is_owner"))

"""Does a task: asks the service, and says its reply in Slack. Whatever happens, the person gets one answer."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Protocol, assert_never

import aiohttp
from slack_sdk.errors import SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot import replies
from bot.command import Verb
from bot.finder import Found
from bot.journal import Job, Journal, State
from bot.metrics import BotMetrics
from bot.replies import Action, Dismiss, Post, Preview, Replace, Reply, Tell, Withdraw
from bot.service import GifService
from bot.showing import Showing
from bot.slack import blocks
from bot.slack.talk import BY_URL, Talk, TalkError
from bot.slack.task import Kind, SlackTask, task_of
from bot.slack.text import escape
from engine.errors import DeepGifError

_log = logging.getLogger(__name__)
LATE_S = 600.0  # after so long nobody waits for a GIF any more
JOB_S = 60.0  # for an answer with all waiting that Slack asks for


class Clients(Protocol):
    """Knows the token of every workspace."""

    async def client(self, team: str, enterprise: str) -> AsyncWebClient | None:
        """A client for a workspace; None where the app is not installed any more."""


class Answering:
    """Does the jobs of the journal."""

    def __init__(
        self,
        service: GifService,
        clients: Clients,
        journal: Journal,
        session: aiohttp.ClientSession,
        metrics: BotMetrics,
    ) -> None:
        self._service = service
        self._clients = clients
        self._journal = journal
        self._session = session
        self._metrics = metrics

    async def do(self, job: Job) -> None:
        """Answers a job; one that was being posted when its process died is only spoken of, as is one
        that is too old."""
        task = task_of(job)
        client = await self._clients.client(task.team, task.enterprise)
        if client is None:
            return
        talk = Talk(client, self._session, task)
        outcome = "answered"
        try:
            async with asyncio.timeout(JOB_S):
                if job.state is State.POSTING:
                    await talk.tell(replies.INTERRUPTED)
                elif job.waited_s > LATE_S:
                    await talk.tell(replies.AWAY)
                else:
                    outcome = await self._answer(job, task, talk)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person is told
            outcome = "failed"
            await self._say_why(talk, error)
        self._metrics.outcomes.labels(task.kind, outcome).inc()

    async def _answer(self, job: Job, task: SlackTask, talk: Talk) -> str:
        started = time.perf_counter()
        reply = await self._reply(task)
        found_at = time.perf_counter()
        self._metrics.answered.labels(task.kind).observe(found_at - started)
        if isinstance(reply, Post):
            await self._journal.posting(job.name)
        await self._say(reply, task, talk)
        self._metrics.posted.labels(task.kind).observe(time.perf_counter() - found_at)
        return type(reply).__name__.lower()

    async def _reply(self, task: SlackTask) -> Reply:
        if task.kind is Kind.BUTTON:
            return await self._service.press(task.place, Action(task.action), task.button)
        match task.action:
            case Verb.DELETE:
                return await self._service.delete_last(task.place)
            case Verb.HELP:
                return Tell("\n".join((replies.ABOUT, *replies.HELP)))
            case Verb.SETTINGS:
                return Tell(replies.SETTINGS_BY_COMMAND)
        return await self._service.ask(task.place, task.words)

    async def _say(self, reply: Reply, task: SlackTask, talk: Talk) -> None:
        match reply:
            case Tell(text):
                await talk.tell(text)
            case Dismiss():
                await talk.dismiss()
            case Preview(showing, found):
                shown = blocks.preview(found, self._service.button(showing))
                await talk.private(shown, escape(f"Preview: {found.gif.title}"), replace=True)
            case Post(showing, found):
                message = await talk.publish(showing.place.thread, *await self._message(showing, found, talk))
                await self._service.posted(showing, message)
                await self._offer(replace(showing, message=message), found, task, talk)
            case Replace(showing, found):
                await talk.replace(showing.message, *await self._message(showing, found, talk))
                await self._service.posted(showing, showing.message)
                await self._offer(showing, found, task, talk)
            case Withdraw(showing, text):
                if showing.message:
                    await talk.withdraw(showing.message)
                await self._service.withdrawn(showing)
                await talk.tell(text, replace=True)
            case _:
                assert_never(reply)

    async def _message(
        self, showing: Showing, found: Found, talk: Talk
    ) -> tuple[list[blocks.Block], list[blocks.Block], str]:
        button, name = self._service.button(showing), await talk.name_of_person()
        said = blocks.posted(found, f"@{name}: {showing.words}", button)
        return said, blocks.in_message(button), escape(f"@{name} sent a GIF: {found.gif.title}")

    async def _offer(self, showing: Showing, found: Found, task: SlackTask, talk: Talk) -> None:
        """The private buttons; without them the GIF is there all the same."""
        if showing.message == BY_URL:
            return
        offered = blocks.controls(found, self._service.button(showing), in_thread=task.kind is Kind.MENTION)
        try:
            await talk.private(offered, "Your GIF is posted.", replace=True)
        except TalkError as error:
            _log.warning("Buttons could not be offered: %s", error)

    async def _say_why(self, talk: Talk, error: Exception) -> None:
        if isinstance(error, DeepGifError):
            text = str(error)
        elif isinstance(error, TimeoutError):
            text = replies.TOO_LATE
        else:
            text = replies.PROBLEM
            _log.error("A request failed.", exc_info=error)
        try:
            await talk.tell(text)
        except (DeepGifError, SlackClientError, aiohttp.ClientError, OSError) as second:
            _log.error("A person could not be told: %s", second)

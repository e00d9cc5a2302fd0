"""Does a task: asks the service, and has its reply said. Whatever happens, the person gets one answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, assert_never

from deepgif.bot.chat import replies
from deepgif.bot.chat.commands import Verb
from deepgif.bot.chat.replies import Action, Delete, Dismiss, Edit, Notice, Post, Preview, Reply, Wording
from deepgif.bot.chat.search import FoundGif
from deepgif.bot.chat.service import GifService
from deepgif.bot.jobs.queue import Job, JobQueue, State
from deepgif.bot.metrics import BotMetrics
from deepgif.bot.request import Request, RequestKind
from deepgif.bot.store.sessions import SearchSession
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
LATE_S = 600.0  # after so long nobody waits for a GIF any more
JOB_S = 60.0  # for an answer with all waiting that the platform asks for


class DeliveryError(DeepGifError):
    """The platform refuses what is said; the text is for the person."""


class Responder(Protocol):
    """Says on a platform what one task leads to. ``button`` is what the buttons carry. All raise ``DeliveryError``."""

    @property
    def can_repeat(self) -> bool:
        """Whether publishing once more only replaces what was published."""

    async def tell(self, text: str, *, replace: bool = False) -> None:
        """One sentence that only the person sees, where the platform can do that; in place of the private message
        whose button they pressed where ``replace``."""

    async def dismiss(self) -> None:
        """Takes the private message away whose button was pressed."""

    async def preview(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """A GIF that only the person sees."""

    async def publish(self, showing: SearchSession, found: FoundGif, button: str) -> str:
        """A GIF for all to see, and the id of its message."""

    async def replace(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """Another GIF in place of the published one."""

    async def offer(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """The buttons for a GIF that was published, where they do not stand below it."""

    async def withdraw(self, message: str) -> None:
        """Deletes what was published."""


class JobHandler:
    """Does the jobs of a journal. ``voice_of`` gives a job's task and the voice for it; None where the bot is not
    installed there any more."""

    def __init__(
        self,
        service: GifService,
        voice_of: Callable[[Job], Awaitable[tuple[Request, Responder] | None]],
        journal: JobQueue,
        metrics: BotMetrics,
        wording: Wording,
    ) -> None:
        self._service = service
        self._voice_of = voice_of
        self._journal = journal
        self._metrics = metrics
        self._wording = wording

    async def do(self, job: Job) -> None:
        """Answers a job; one that was being posted when its process died is only spoken of, as is one
        that is too old."""
        found = await self._voice_of(job)
        if found is None:
            return
        task, voice = found
        outcome = "answered"
        try:
            async with asyncio.timeout(JOB_S):
                if job.state is State.POSTING:
                    await voice.tell(replies.INTERRUPTED)
                elif job.waited_s > LATE_S:
                    await voice.tell(replies.AWAY)
                else:
                    outcome = await self._answer(job, task, voice)
        except Exception as error:  # noqa: BLE001 - whatever it is, the person is told
            outcome = "failed"
            await _say_why(voice, error)
        self._metrics.outcomes.labels(task.kind, outcome).inc()

    async def _answer(self, job: Job, task: Request, voice: Responder) -> str:
        started = time.perf_counter()
        reply = await self._reply(task)
        found_at = time.perf_counter()
        self._metrics.answered.labels(task.kind).observe(found_at - started)
        if isinstance(reply, Post) and not voice.can_repeat:
            await self._journal.posting(job.name)
        await self._say(reply, voice)
        self._metrics.posted.labels(task.kind).observe(time.perf_counter() - found_at)
        return type(reply).__name__.lower()

    async def _reply(self, task: Request) -> Reply:
        if task.kind is RequestKind.BUTTON:
            return await self._service.press(task.place, Action(task.action), task.button)
        match task.action:
            case Verb.DELETE:
                return await self._service.delete_last(task.place)
            case Verb.HELP:
                return Notice("\n".join((replies.ABOUT, *replies.help_lines(self._wording))))
            case Verb.SETTINGS:
                return Notice(self._wording.settings)
        return await self._service.ask(task.place, task.words)

    async def _say(self, reply: Reply, voice: Responder) -> None:
        match reply:
            case Notice(text):
                await voice.tell(text)
            case Dismiss():
                await voice.dismiss()
            case Preview(showing, found):
                await voice.preview(showing, found, self._service.button(showing))
            case Post(showing, found):
                message = await voice.publish(showing, found, self._service.button(showing))
                await self._service.posted(showing, message)
                await self._offer(replace(showing, message=message), found, voice)
            case Edit(showing, found):
                await voice.replace(showing, found, self._service.button(showing))
                await self._service.posted(showing, showing.message)
                await self._offer(showing, found, voice)
            case Delete(showing, text):
                if showing.message:
                    await voice.withdraw(showing.message)
                await self._service.withdrawn(showing)
                await voice.tell(text, replace=True)
            case _:
                assert_never(reply)

    async def _offer(self, showing: SearchSession, found: FoundGif, voice: Responder) -> None:
        """The buttons; without them the GIF is there all the same."""
        try:
            await voice.offer(showing, found, self._service.button(showing))
        except DeliveryError as error:
            _log.warning("Buttons could not be offered: %s", error)


async def _say_why(voice: Responder, error: Exception) -> None:
    if isinstance(error, DeepGifError):
        text = str(error)
    elif isinstance(error, TimeoutError):
        text = replies.TOO_LATE
    else:
        text = replies.PROBLEM
        _log.error("A request failed.", exc_info=error)
    try:
        await voice.tell(text)
    except Exception as second:  # noqa: BLE001 - there is no other way to reach the person
        _log.error("A person could not be told: %s", second if isinstance(second, DeepGifError) else type(second))

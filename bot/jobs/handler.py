"""Answers a job: gets the reply and delivers it. Whatever happens, the user gets one answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import assert_never

from deepgif.bot.chat import replies
from deepgif.bot.chat.replies import Delete, Dismiss, Edit, Notice, Post, Preview, Reply
from deepgif.bot.chat.responder import DeliveryError, Responder
from deepgif.bot.chat.service import GifService
from deepgif.bot.jobs.queue import Job, JobQueue, State
from deepgif.bot.metrics import BotMetrics
from deepgif.bot.request import Request
from deepgif.engine.errors import DeepGifError

_log = logging.getLogger(__name__)
EXPIRED_S = 600.0  # nobody waits longer than this for a GIF
JOB_S = 60.0  # for one job, including the pauses that the platform asks for


class JobHandler:
    """Answers the jobs of a queue. ``responder_for`` returns None if the bot was uninstalled meanwhile."""

    def __init__(
        self,
        service: GifService,
        responder_for: Callable[[Request], Awaitable[Responder | None]],
        queue: JobQueue,
        metrics: BotMetrics,
    ) -> None:
        self._service = service
        self._responder_for = responder_for
        self._queue = queue
        self._metrics = metrics

    async def handle(self, job: Job) -> None:
        """Answers a job. If its process died while posting, or long ago, the user only gets a notice."""
        responder = await self._responder_for(job.request)
        if responder is None:
            return
        try:
            async with asyncio.timeout(JOB_S):
                if job.state is State.POSTING:
                    outcome = "interrupted"
                    await responder.notify(replies.INTERRUPTED)
                elif job.waited_s > EXPIRED_S:
                    outcome = "expired"
                    await responder.notify(replies.OFFLINE)
                else:
                    outcome = await self._answer(job.request, responder)
        except Exception as error:  # noqa: BLE001 - the user is told whatever it is
            outcome = "failed"
            await _notify_of(error, responder)
        self._metrics.requests.labels(job.request.kind, outcome).inc()

    async def _answer(self, request: Request, responder: Responder) -> str:
        started = time.perf_counter()
        reply = await self._service.reply(request)
        replied = time.perf_counter()
        self._metrics.reply_s.labels(request.kind).observe(replied - started)
        if isinstance(reply, Post) and not responder.can_repeat:
            await self._queue.mark_posting(request.id)
        await self._deliver(reply, responder)
        self._metrics.delivery_s.labels(request.kind).observe(time.perf_counter() - replied)
        return type(reply).__name__.lower()

    async def _deliver(self, reply: Reply, responder: Responder) -> None:
        match reply:
            case Notice(text):
                await responder.notify(text)
            case Dismiss():
                await responder.dismiss()
            case Preview():
                await responder.preview(reply)
            case Post():
                message = await responder.post(reply)
                await self._service.posted(reply.session, message)
                await _show_controls(reply, message, responder)
            case Edit():
                await responder.edit(reply)
                await self._service.posted(reply.session, reply.session.message)
                await _show_controls(reply, reply.session.message, responder)
            case Delete(session, text):
                if session.message:
                    await responder.delete(session.message)
                await self._service.deleted(session)
                await responder.notify(text, replace=True)
            case _:
                assert_never(reply)


async def _show_controls(reply: Post | Edit, message: str, responder: Responder) -> None:
    """The GIF is posted even if its controls can't be shown."""
    try:
        await responder.show_controls(reply, message)
    except DeliveryError as error:
        _log.warning("Could not show the controls of a GIF: %s", error)


async def _notify_of(error: Exception, responder: Responder) -> None:
    if isinstance(error, DeepGifError):
        text = str(error)
    elif isinstance(error, TimeoutError):
        text = replies.TOO_SLOW
    else:
        text = replies.PROBLEM
        _log.error("A request failed.", exc_info=error)
    try:
        await responder.notify(text)
    except Exception as second:  # noqa: BLE001 - there is no other way to reach the user
        cause = second if isinstance(second, DeepGifError) else type(second).__name__
        _log.error("Could not tell a user that their request failed: %s", cause)

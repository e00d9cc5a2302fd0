"""Says replies in Slack: what people see as blocks, and by which way it is said."""

from __future__ import annotations

from typing import Protocol

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from deepgif.bot.chat.search import FoundGif
from deepgif.bot.jobs.queue import Job
from deepgif.bot.request import RequestKind
from deepgif.bot.slack import blocks
from deepgif.bot.slack.request import SlackRequest, task_of
from deepgif.bot.slack.talk import BY_URL, Talk
from deepgif.bot.slack.text import escape
from deepgif.bot.store.sessions import SearchSession


class Clients(Protocol):
    """Knows the token of every workspace."""

    async def client(self, team: str, enterprise: str) -> AsyncWebClient | None:
        """A client for a workspace; None where the app is not installed any more."""


class SlackResponder:
    """The voice for one task."""

    can_repeat = False

    def __init__(self, talk: Talk, task: SlackRequest) -> None:
        self._talk = talk
        self._in_thread = task.kind is RequestKind.MENTION

    async def tell(self, text: str, *, replace: bool = False) -> None:
        """One sentence that only the person sees."""
        await self._talk.tell(text, replace=replace)

    async def dismiss(self) -> None:
        """Takes the private message away whose button was pressed."""
        await self._talk.dismiss()

    async def preview(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """A GIF that only the person sees, in place of the preview before."""
        shown = blocks.preview(found, button)
        await self._talk.private(shown, escape(f"Preview: {found.gif.title}"), replace=True)

    async def publish(self, showing: SearchSession, found: FoundGif, button: str) -> str:
        """Posts a GIF."""
        return await self._talk.publish(showing.place.thread, *await self._message(showing, found, button))

    async def replace(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """Another GIF in place of the posted one."""
        await self._talk.replace(showing.message, *await self._message(showing, found, button))

    async def offer(self, showing: SearchSession, found: FoundGif, button: str) -> None:
        """The private buttons; where Slack does not tell a message's id they stand below it already."""
        if showing.message != BY_URL:
            offered = blocks.controls(found, button, in_thread=self._in_thread)
            await self._talk.private(offered, "Your GIF is posted.", replace=True)

    async def withdraw(self, message: str) -> None:
        """Deletes what was posted."""
        await self._talk.withdraw(message)

    async def _message(
        self, showing: SearchSession, found: FoundGif, button: str
    ) -> tuple[list[blocks.Block], list[blocks.Block], str]:
        name = await self._talk.name_of_person()
        said = blocks.posted(found, f"@{name}: {showing.words}", button)
        return said, blocks.in_message(button), escape(f"@{name} sent a GIF: {found.gif.title}")


class SlackVoices:
    """Voices for the jobs of all workspaces."""

    def __init__(self, clients: Clients, session: aiohttp.ClientSession) -> None:
        self._clients = clients
        self._session = session

    async def of(self, job: Job) -> tuple[SlackRequest, SlackResponder] | None:
        """A job's task and its voice; None where the app is not installed any more."""
        task = task_of(job)
        client = await self._clients.client(task.team, task.enterprise)
        return (task, SlackResponder(Talk(client, self._session, task), task)) if client is not None else None

"""What Discord asked for, as the journal keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from deepgif.bot.chat.replies import Action
from deepgif.bot.jobs.queue import Job
from deepgif.bot.request import RequestKind
from deepgif.bot.store.preferences import ChatContext

PLATFORM = "discord"


@dataclass(frozen=True, slots=True)
class DiscordRequest:
    """One request. ``workspace`` is the guild, or whose own the app is (``deepgif.bot.discord.context``); ``channel``
    counts for preferences, ``room`` is where messages go (a thread, or the channel itself). ``token`` answers an
    interaction;
    ``private`` says that its answer is seen by one person only. ``reply_to`` is the message that is answered,
    ``pressed`` the one whose button was pressed."""

    kind: RequestKind
    name: str
    workspace: str
    channel: str
    room: str
    person: str
    person_name: str
    age_restricted: bool = False
    token: str = ""
    private: bool = False
    reply_to: str = ""
    pressed: str = ""
    words: str = ""
    action: str = ""
    button: str = ""

    @property
    def answered(self) -> bool:
        """Whether an answer of its own was deferred; else the message of the button was."""
        return bool(self.token) and (self.kind is not RequestKind.BUTTON or self.action == Action.SHOW)

    @property
    def place(self) -> ChatContext:
        """The same, for the parts that know no platform."""
        return ChatContext(PLATFORM, self.workspace, self.channel, self.person, self.reply_to, self.age_restricted)

    def job(self) -> Job:
        """For the journal, under Discord's own id of the request."""
        return Job(self.name, self.workspace, asdict(self))


def task_of(job: Job) -> DiscordRequest:
    """The task in a job."""
    values: dict[str, Any] = job.task
    return DiscordRequest(**{**values, "kind": RequestKind(values["kind"])})

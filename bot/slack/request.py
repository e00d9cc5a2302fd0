"""What Slack asked for, as the journal keeps it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from deepgif.bot.jobs.queue import Job
from deepgif.bot.request import RequestKind
from deepgif.bot.store.preferences import ChatContext

PLATFORM = "slack"


@dataclass(frozen=True, slots=True)
class SlackRequest:
    """One request: where and by whom, what for (``words``, or ``action`` and ``button``), and how it is answered.
    ``person_name`` is the person's name where Slack said it; ``private`` says that the button's message is seen by one
    person only."""

    kind: RequestKind
    team: str
    enterprise: str
    channel: str
    person: str
    person_name: str = ""
    thread: str = ""
    words: str = ""
    action: str = ""
    button: str = ""
    private: bool = False
    response_url: str = ""

    @property
    def place(self) -> ChatContext:
        """The same, for the parts that know no platform."""
        return ChatContext(PLATFORM, self.team or self.enterprise, self.channel, self.person, self.thread)

    def job(self, name: str) -> Job:
        """For the journal, under Slack's own id of the request."""
        return Job(f"{self.kind}:{name}", self.place.workspace, asdict(self))


def task_of(job: Job) -> SlackRequest:
    """The task in a job."""
    values: dict[str, Any] = job.task
    return SlackRequest(**{**values, "kind": RequestKind(values["kind"])})

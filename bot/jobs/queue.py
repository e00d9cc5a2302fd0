"""What was acknowledged and is not answered yet. It survives the process, and another one may take it over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from deepgif.bot.store.database import Database, jobs
from deepgif.bot.store.encryption import Cipher

LEASE_S = 20.0  # after so long without a sign of life, somebody else goes on with a job


class State(StrEnum):
    """How far a job has come. Whoever dies while ``POSTING`` may have posted or not."""

    ACCEPTED = "accepted"
    POSTING = "posting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Job:
    """One thing to do: ``name`` is the platform's own id of what was asked, ``task`` all that is needed to do it;
    ``waited_s`` is how long ago it was accepted, where another process left it."""

    name: str
    workspace: str
    task: dict[str, Any]
    state: State = State.ACCEPTED
    waited_s: float = 0.0


class JobQueue:
    """The jobs of one platform. What they hold is sealed, and erased once they are done."""

    def __init__(self, database: Database, seal: Cipher, platform: str, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._seal = seal
        self._platform = platform
        self.lease_s = lease_s

    async def accept(self, job: Job) -> bool:
        """Keeps a job for this process to do. False where it is known already: delivered twice."""
        now = time.time()
        try:
            async with self._database.write() as connection:
                await connection.execute(
                    jobs.insert().values(
                        platform=self._platform,
                        name=job.name,
                        workspace=job.workspace,
                        state=job.state,
                        sealed=self._seal.close(job.task),
                        lease=now + self.lease_s,
                        at=now,
                    )
                )
        except sa.exc.IntegrityError:
            return False
        return True

    async def posting(self, name: str) -> None:
        """Notes that the answer is about to be posted."""
        await self._update([name], state=State.POSTING)

    async def done(self, name: str) -> None:
        """Notes that there is nothing left to do."""
        await self._update([name], state=State.DONE, sealed="")

    async def renew(self, names: list[str]) -> None:
        """A sign of life for jobs that this process is doing."""
        await self._update(names, lease=time.time() + self.lease_s)

    async def abandoned(self) -> list[Job]:
        """Jobs that nobody is doing any more; they are this process's from now on."""
        now = time.time()
        c = jobs.c
        open_ones = sa.and_(c.platform == self._platform, c.state != State.DONE, c.lease < now)
        taken = []
        for row in await self._database.read(sa.select(jobs).where(open_ones).order_by(c.at)):
            async with self._database.write() as connection:
                # Two processes may see the same row; only one changes it.
                changed = await connection.execute(
                    jobs.update().where(open_ones, c.name == row.name).values(lease=now + self.lease_s)
                )
            if changed.rowcount == 1:
                try:
                    taken.append(self._job(row, now - row.at))
                except ValueError:  # sealed with another secret: nobody can do it any more
                    await self.done(row.name)
        return taken

    def _job(self, row: Any, waited_s: float) -> Job:
        return Job(row.name, row.workspace, self._seal.open(row.sealed), State(row.state), waited_s)

    async def _update(self, names: list[str], **values: Any) -> None:
        if names:
            async with self._database.write() as connection:
                await connection.execute(
                    jobs.update().where(jobs.c.platform == self._platform, jobs.c.name.in_(names)).values(**values)
                )

"""A queue of requests that were acknowledged but not answered yet. It outlives the process: if one dies, another one
takes its jobs over."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from deepgif.bot.request import Request
from deepgif.bot.store.database import Database, jobs
from deepgif.bot.store.encryption import Cipher

LEASE_S = 20.0  # a job is taken over if its process has not renewed it for this long


class State(StrEnum):
    """How far a job is. A process that dies while ``POSTING`` may or may not have posted."""

    ACCEPTED = "accepted"
    POSTING = "posting"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Job:
    """A request to answer. ``waited_s`` is how long ago it was accepted, if another process left it."""

    request: Request
    state: State = State.ACCEPTED
    waited_s: float = 0.0


class JobQueue:
    """The jobs of one platform. Requests are stored encrypted, and erased when their jobs are complete."""

    def __init__(self, database: Database, cipher: Cipher, platform: str, lease_s: float = LEASE_S) -> None:
        self._database = database
        self._cipher = cipher
        self._platform = platform
        self.lease_s = lease_s

    async def enqueue(self, request: Request) -> bool:
        """Stores a request as a job of this process. Returns False if it was delivered before."""
        now = time.time()
        row = {
            "platform": self._platform,
            "id": request.id,
            "workspace": request.context.workspace,
            "state": State.ACCEPTED,
            "encrypted": self._cipher.encrypt(asdict(request)),
            "leased_until": now + self.lease_s,
            "created_at": now,
        }
        try:
            async with self._database.write() as connection:
                await connection.execute(jobs.insert().values(row))
        except sa.exc.IntegrityError:
            return False
        return True

    async def mark_posting(self, request_id: str) -> None:
        """Records that the answer is about to be posted."""
        await self._update([request_id], state=State.POSTING)

    async def complete(self, request_id: str) -> None:
        """Records that a job is done, and erases its request."""
        await self._update([request_id], state=State.DONE, encrypted="")

    async def renew(self, request_ids: list[str]) -> None:
        """Extends the leases of jobs that this process is working on."""
        await self._update(request_ids, leased_until=time.time() + self.lease_s)

    async def reclaim(self) -> list[Job]:
        """Takes over the jobs whose leases ran out."""
        now = time.time()
        c = jobs.c
        expired = sa.and_(c.platform == self._platform, c.state != State.DONE, c.leased_until < now)
        reclaimed = []
        for row in await self._database.read(sa.select(jobs).where(expired).order_by(c.created_at)):
            async with self._database.write() as connection:
                # Two processes may see the same row; only one of them changes it.
                changed = await connection.execute(
                    jobs.update().where(expired, c.id == row.id).values(leased_until=now + self.lease_s)
                )
            if changed.rowcount == 1:
                try:
                    request = Request.from_json(self._cipher.decrypt(row.encrypted))
                except ValueError:  # another secret, or another version: nobody can answer it any more
                    await self.complete(row.id)
                else:
                    reclaimed.append(Job(request, State(row.state), now - row.created_at))
        return reclaimed

    async def _update(self, request_ids: list[str], **values: Any) -> None:
        if request_ids:
            async with self._database.write() as connection:
                await connection.execute(
                    jobs.update().where(jobs.c.platform == self._platform, jobs.c.id.in_(request_ids)).values(**values)
                )

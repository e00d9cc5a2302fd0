"""Waits until a bot has answered everything."""

from __future__ import annotations

import sqlalchemy as sa

from deepgif.bot.jobs.queue import State
from deepgif.bot.store.database import Database, jobs
from tests.fakes.waiting import until


async def all_done(*urls: str) -> None:
    """Waits until no job is left in these databases."""
    for url in urls:
        async with Database(url) as database:
            unfinished = sa.select(jobs).where(jobs.c.state != State.DONE)
            await until(lambda: _none(database, unfinished))  # noqa: B023 - awaited within the loop


async def _none(database: Database, rows: sa.Select[tuple[object, ...]]) -> bool:
    return not await database.read(rows)

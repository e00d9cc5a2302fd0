"""Killed at any moment, the store keeps every vector it said it had, and the next run embeds only the rest."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deepgif.engine.ingest.catalogue import IN_FLIGHT, STORE_EVERY
from tests.fakes.encoder import ColourEncoder
from tests.fakes.media import animation
from tests.fakes.process import environment
from tests.fakes.waiting import WITHIN_S

COUNT = 200
CHILD = Path(__file__).with_name("indexing_child.py")
BATCH = 8 // ColourEncoder.sampling.count  # clips, at the child's cost limit
BATCHES = 9  # after which a child that is to be killed waits for it; with one group stored, and more begun


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """So many GIFs, no two of them alike."""
    made = tmp_path / "gifs"
    made.mkdir()
    for number in range(COUNT):
        colours = [f"#{number:02x}{255 - number:02x}80", "white"]
        (made / f"{number}.gif").write_bytes(animation("GIF", colours, size=(16, 12)))
    return made


class Child:
    """One run of the child, and all it said: ids reported as stored, clips begun, the report at the end."""

    def __init__(self, folder: Path, database: Path) -> None:
        self._arguments = (str(CHILD), str(folder), str(database))
        self._cwd = folder.parent
        self.stored: set[str] = set()
        self.begun = 0
        self.report: dict[str, int] = {}

    async def run(self, *, kill_after_groups: int | None = None, then_s: float = 0.0) -> None:
        """Runs to the end, or kills it ``then_s`` after its first batch (0 groups) or so many stored groups."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            str(-1 if kill_after_groups is None else BATCHES),
            cwd=self._cwd,
            env=environment(self._cwd),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        killed, groups = False, 0
        try:
            async with asyncio.timeout(WITHIN_S):
                async for said in _lines(process.stdout):
                    self.stored.update(said.get("stored", ()))
                    self.begun += said.get("embedding", 0)
                    groups += "stored" in said
                    if "known" in said:
                        self.report = said
                    if kill_after_groups is not None and not killed and groups >= kill_after_groups:
                        await asyncio.sleep(then_s)
                        process.kill()
                        killed = True
            _, err = await process.communicate()  # no kill() after the last line: it would take the exit status away
        except BaseException:
            process.kill()
            raise
        assert killed or process.returncode == 0, err.decode()


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[dict[str, Any]]:
    async for line in stream:
        if line.endswith(b"\n"):  # the kill may cut the last one
            yield json.loads(line)


def ids_in(database: Path) -> set[str]:
    """The ids with a whole vector, once the file has proved sound."""
    connection = sqlite3.connect(database)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = connection.execute("SELECT id, length(vector) FROM embeddings").fetchall()
    finally:
        connection.close()
    assert {length for _, length in rows} <= {2 * ColourEncoder.dimension}
    return {gif_id for gif_id, _ in rows}


async def test_killed_again_and_again(folder: Path, tmp_path: Path) -> None:
    """Right at its first batch, right after storing, and at moments in between."""
    database, rng = tmp_path / "d.sqlite", random.Random(0)
    reported: set[str] = set()
    held: set[str] = set()
    for groups, then_s in ((0, 0.0), (1, 0.0), (1, rng.random() / 10), (0, rng.random() / 10), (1, 0.0)):
        child = Child(folder, database)
        await child.run(kill_after_groups=groups, then_s=then_s)
        reported |= child.stored
        now = ids_in(database)
        assert now >= reported | held
        assert child.begun - len(now - held) <= STORE_EVERY + IN_FLIGHT + BATCH  # all that a kill may cost
        held = now
    assert 0 < len(held) < COUNT

    last = Child(folder, database)
    await last.run()
    assert last.report == {"known": len(held), "embedded": COUNT - len(held), "found": COUNT}
    assert last.begun == COUNT - len(held)
    assert last.stored.isdisjoint(held)
    assert len(ids_in(database)) == COUNT

    again = Child(folder, database)
    await again.run()
    assert (again.report, again.begun) == ({"known": COUNT, "embedded": 0, "found": COUNT}, 0)


async def test_killed_while_the_folder_is_looked_through(folder: Path, tmp_path: Path) -> None:
    """Before a single vector: files that were noted are not lost, those that were not are found by the next run."""
    database = tmp_path / "d.sqlite"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(CHILD), str(folder), str(database), "0", cwd=tmp_path, env=environment(tmp_path)
    )
    try:
        await asyncio.to_thread(_wait_for_files, database)
    finally:
        process.kill()
        await process.wait()
    assert ids_in(database) == set()
    child = Child(folder, database)
    await child.run()
    assert child.report == {"known": 0, "embedded": COUNT, "found": COUNT}


def _wait_for_files(database: Path) -> None:
    ends_at = time.monotonic() + WITHIN_S
    while not _files_noted(database):
        assert time.monotonic() < ends_at, "the child noted no file"
        time.sleep(0.001)


def _files_noted(database: Path) -> bool:
    if not database.exists():
        return False
    connection = sqlite3.connect(database)
    try:
        return connection.execute("SELECT EXISTS (SELECT * FROM files)").fetchone() == (1,)
    except sqlite3.OperationalError:  # not made yet
        return False
    finally:
        connection.close()

"""``deepgif reindex`` as people use it: beside a running engine, killed and started again, and what comes after."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import torch
from PIL import Image, ImageDraw

from deepgif.engine.store.database import Database
from deepgif.models.bundles.load import BUNDLED
from deepgif.models.bundles.manifest import read_info
from deepgif.models.bundles.small import save_small
from deepgif.models.networks.joint import JointModel
from deepgif.models.networks.sentence import SentenceConfig
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.small.vocabulary import learn_vocabulary
from tests.fakes.process import Served, deepgif, environment, serving
from tests.fakes.waiting import WITHIN_S

COUNT = 120
PAUSE_S = 0.2  # between two searches
SMALL = f"{read_info(BUNDLED / 'small').space}/4x224"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of random weights."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models") / "other"
    config = SentenceConfig(vocabulary=300, embedding=8, hidden=6)
    model, tokenizer = JointModel(config).eval(), learn_vocabulary(["a cat runs", "a dog runs"], config.vocabulary)
    save_small(folder, "other", "MIT", FrameSampling(2, 160), model, tokenizer)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """So many GIFs of two frames, no two of them alike, and one that cannot be read."""
    made = tmp_path / "gifs"
    made.mkdir()
    for number in range(COUNT):
        frames = [Image.new("RGB", (64, 64), f"#{number:02x}{255 - number:02x}{99 * frame:02x}") for frame in range(2)]
        for frame, picture in enumerate(frames):
            ImageDraw.Draw(picture).text((5, 20), f"{number} {frame}", fill="white")
        frames[0].save(made / f"thing {number}.gif", save_all=True, append_images=frames[1:], duration=100)
    (made / "broken.gif").write_bytes(b"GIF89a")
    return made


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def sql(data_dir: Path, query: str, *values: object) -> list[Any]:
    with closing(sqlite3.connect(data_dir / "deepgif.sqlite", timeout=WITHIN_S)) as connection:
        rows = connection.execute(query, values).fetchall()
        connection.commit()
        return rows


def vectors(data_dir: Path, space: str) -> dict[str, bytes]:
    return dict(sql(data_dir, "SELECT id, vector FROM embeddings WHERE space=?", space))


class Asking:
    """Somebody who searches all the time, and what was answered."""

    def __init__(self, origin: str) -> None:
        self.answers: list[tuple[int, str, int, int]] = []
        self._origin = origin

    async def run(self) -> None:
        async with aiohttp.ClientSession() as http:
            while True:
                words = {"q": f"thing {len(self.answers)}", "limit": "3"}
                async with http.get(f"{self._origin}/v1/search", params=words) as response:
                    body = await response.json()
                    coverage = body["coverage"]
                    self.answers.append((response.status, body["model"], coverage["embedded"], coverage["total"]))
                await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def asking(served: Served) -> AsyncIterator[Asking]:
    somebody = Asking(served.origin)
    task = asyncio.create_task(somebody.run())
    try:
        yield somebody
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def reindexing(*arguments: str, data_dir: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """``deepgif reindex`` under way; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deepgif.cli", "reindex", *arguments),
        cwd=data_dir,
        env=environment(data_dir),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_moving_beside_a_running_engine(folder: Path, data_dir: Path, other: Path) -> None:
    """Searches are answered by the old model all the time, from all GIFs, while a reindexing is killed and started
    again; after that the engine is complete with the new model at once, and what the old one has lies beside it until
    it is dropped."""
    model = read_info(other)
    new = f"{model.space}/{model.sampling}"
    (data_dir / "a model").symlink_to(other)
    arguments = ("a model", "--folder", str(folder))
    async with serving("--folder", str(folder), data_dir=data_dir) as served:
        assert (await served.ready())["total"] == COUNT
        before = vectors(data_dir, SMALL)
        async with asking(served) as somebody:
            async with reindexing(*arguments, data_dir=data_dir) as process:
                ends_at = time.monotonic() + WITHIN_S
                while not vectors(data_dir, new):
                    assert process.returncode is None
                    assert time.monotonic() < ends_at, "nothing was stored"
                    await asyncio.sleep(0.02)
                assert os.getpriority(os.PRIO_PROCESS, process.pid) > os.getpriority(os.PRIO_PROCESS, 0)
                process.kill()
                assert await process.wait() == -signal.SIGKILL
            answered = len(somebody.answers)
            held = vectors(data_dir, new)
            assert 0 < len(held) < COUNT, "the kill came too late to show anything"
            assert sql(data_dir, "PRAGMA integrity_check") == [("ok",)]
            async with reindexing(*arguments, data_dir=data_dir) as process:
                out, err = (text.decode() for text in await asyncio.wait_for(process.communicate(), WITHIN_S))
            assert process.returncode == 0, err
        assert (
            f"Local GIFs: {COUNT} embedded with {model.space} ({COUNT - len(held)} new, {len(held)} before); 0 no "
            f"longer exist, 1 skipped.\nDone. Set DEEPGIF_MODEL={other} and restart the engine.\n"
        ) == out
        assert "Skipped broken.gif: The GIF is truncated in its header." in err
        after = vectors(data_dir, new)
        assert len(after) == COUNT
        assert {gif_id: after[gif_id] for gif_id in held} == held
        assert vectors(data_dir, SMALL) == before
        assert 0 < answered < len(somebody.answers)
        assert set(somebody.answers) == {(200, read_info(BUNDLED / "small").space, COUNT, COUNT)}
        served.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(served.process.wait(), WITHIN_S) == 0

    async with serving("--folder", str(folder), data_dir=data_dir, model=str(other)) as served:
        assert await first_ready(served) == (model.space, COUNT, COUNT)
        async with aiohttp.ClientSession() as http, http.get(f"{served.origin}/metrics") as response:
            assert 'deepgif_batch_size_count{worker="image"} 0.0' in await response.text()
    assert vectors(data_dir, new) == after

    status, out, err = await deepgif("info", "--folder", str(folder), data_dir=data_dir)
    assert status == 0, err
    listed = rf"models kept\s+{re.escape(new)}: {COUNT} GIFs\s+{re.escape(SMALL)}: {COUNT} GIFs"
    assert re.search(listed, out)
    status, out, err = await deepgif("models", "delete", "small", data_dir=data_dir, model=str(other))
    deleted = re.fullmatch(rf"Deleted (\d+) embeddings of {re.escape(SMALL)}\.\n", out)
    assert status == 0, err
    assert deleted is not None, out
    assert int(deleted[1]) in (COUNT, 2 * COUNT), out  # with OCR, the words in each GIF too
    assert (vectors(data_dir, SMALL), vectors(data_dir, new)) == ({}, after)


async def first_ready(served: Served) -> tuple[str, int, int]:
    """What the engine says of itself when it answers first."""
    ends_at = time.monotonic() + WITHIN_S
    async with aiohttp.ClientSession() as http:
        while time.monotonic() < ends_at:
            async with http.get(f"{served.origin}/readyz") as response:
                if response.status == 200:
                    body = await response.json()
                    return body["model"], body["embedded"], body["total"]
            await asyncio.sleep(0.02)
    raise AssertionError("the engine did not become ready")


async def test_what_cannot_be_done(data_dir: Path) -> None:
    """One sentence, exit status 1, nothing on standard output, and no stack trace."""
    cases = {
        ("reindex", "small"): f"{SMALL.split('/')[0]} is already in use. Choose another model.",
        ("reindex", "nothing"): "There is no model in nothing",
        (
            "models",
            "delete",
            "nothing",
        ): "There are no embeddings of nothing. Run deepgif info to list the stored models.",
    }
    done = await asyncio.gather(*(deepgif(*arguments, data_dir=data_dir) for arguments in cases))
    for (status, out, err), says in zip(done, cases.values(), strict=True):
        assert (status, out) == (1, "")
        assert says in " ".join(err.split())
        assert "Traceback" not in err


async def test_no_calls_left(data_dir: Path, other: Path) -> None:
    """One sentence says when to go on, and the exit status that it must be run again; nobody is asked."""
    async with Database(data_dir / "deepgif.sqlite") as database:
        row = ("giphy", "a", "T", "A", "[]", "g", 10, 10, "", time.time() + 3600)
        await database.write("INSERT INTO gifs VALUES (?,?,?,?,?,?,?,?,?,?)", [row])
        budget = f"GIPHY:{hashlib.sha256(b'the-key').hexdigest()[:16]}"
        await database.write("INSERT INTO calls VALUES (?,?)", [(budget, time.time() - 600)] * 2)
    settings = {"giphy_api_key": "the-key", "giphy_calls_per_hour": "4"}
    status, out, err = await deepgif("reindex", str(other), "--json", data_dir=data_dir, **settings)
    assert status == os.EX_TEMPFAIL, err
    report = json.loads(out)
    assert (report["complete"], report["model"]) == (False, read_info(other).space)
    (one,) = report["remote"]
    assert (one["provider"], one["known"], one["embedded"], one["waiting"]) == ("GIPHY", 0, 0, 1)
    assert re.fullmatch(
        r"1 GIF of GIPHY is left\. Half of the hourly quota is reserved for searches\. Run the same command again in "
        r"(50|49|48) minutes\.",
        one["stopped"],
    )
    assert sql(data_dir, "SELECT COUNT(*) FROM calls") == [(2,)]

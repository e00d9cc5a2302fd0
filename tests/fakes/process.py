"""Runs the program as a child process."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from deepgif.engine.types import MAX_DEADLINE_S
from tests.fakes.waiting import WITHIN_S

ROOT = Path(__file__).resolve().parents[2]


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """A child's environment: only these settings, and no GPU."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DEEPGIF_")}
    given = {f"DEEPGIF_{name.upper()}": value for name, value in settings.items()}
    return {
        **kept,
        "DEEPGIF_DATA_DIR": str(data_dir),
        "DEEPGIF_THREADS": "1",
        "DEEPGIF_SEARCH_DEADLINE_SECONDS": f"{MAX_DEADLINE_S:g}",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
        **given,
    }


async def deepgif(*arguments: str, data_dir: Path, **settings: str) -> tuple[int, str, str]:
    """Runs ``deepgif`` and returns exit status, standard output and standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deepgif.cli",
        *arguments,
        cwd=data_dir,
        env=environment(data_dir, **settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), WITHIN_S)
    return process.returncode or 0, out.decode(), err.decode()


@dataclass(slots=True)
class Served:
    """A running ``deepgif serve``."""

    process: asyncio.subprocess.Process
    origin: str
    said: str

    async def ready(self) -> dict[str, object]:
        """Waits until all its GIFs are indexed; returns what /readyz answers then."""
        async with aiohttp.ClientSession() as http, asyncio.timeout(WITHIN_S):
            while True:
                async with http.get(f"{self.origin}/readyz") as response:
                    body: dict[str, object] = await response.json()
                    if response.status == 200 and body["embedded"] == body["total"] != 0:
                        return body
                await asyncio.sleep(0.1)


@asynccontextmanager
async def child(*arguments: str, data_dir: Path, **settings: str) -> AsyncIterator[Served]:
    """Python with these arguments, once it has printed its URL to standard error; killed at the end if it is still
    running."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=data_dir,
        env=environment(data_dir, **settings),
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = ""
    try:
        while not (found := re.search(r"(http://[\w.:\[\]]+)/", said)):
            line = await asyncio.wait_for(process.stderr.readline(), WITHIN_S)
            assert line, said
            said += line.decode()
        yield Served(process, found[1], said)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def serving(*arguments: str, data_dir: Path, **settings: str) -> AsyncIterator[Served]:
    """``deepgif serve`` on a free port of loopback; killed at the end if it is still running."""
    async with child("-m", "deepgif.cli", "serve", "--port", "0", *arguments, data_dir=data_dir, **settings) as served:
        yield served

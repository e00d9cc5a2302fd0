"""``python -m bot`` as a process, killed without warning."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot import replies
from tests.fakes.engine_server import EngineServer
from tests.fakes.slack_server import Slack

ROOT = Path(__file__).parents[2]


def environment(tmp_path: Path, **settings: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "DEEPGIF_DATA_DIR": str(tmp_path / "data"),
        **{f"DEEPGIF_{name.upper()}": value for name, value in settings.items()},
    }


@asynccontextmanager
async def process(tmp_path: Path, *arguments: str, **settings: str) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, cwd=tmp_path, env=environment(tmp_path, **settings), stderr=PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGKILL)
        await started.communicate()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "DEEPGIF_SLACK_BOT_TOKEN"),
        ({"slack_bot_token": "xoxb-1"}, "DEEPGIF_SLACK_APP_TOKEN"),
        ({"slack_bot_token": "xoxb-1", "slack_mode": "http"}, "DEEPGIF_SLACK_SIGNING_SECRET"),
        ({"slack_client_id": "C.1"}, "DEEPGIF_SLACK_CLIENT_SECRET"),
        ({"slack_bot_token": "xoxb-1", "slack_app_token": "xapp-1", "slack_api_url": "http://127.0.0.1:9/"}, ""),
    ],
)
async def test_what_is_missing_is_said(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    """One sentence that names the setting; a Slack that is away is waited for."""
    async with process(tmp_path, "slack", **settings, slack_port="0") as started:
        assert started.stderr is not None
        line = (await asyncio.wait_for(started.stderr.readline(), 20)).decode()
        if says:
            assert says in line
            assert await started.wait() == 1
        else:
            assert "tried again" in line
            assert "xoxb" not in line


async def test_discord_is_not_there_yet(tmp_path: Path) -> None:
    """It says so."""
    async with process(tmp_path, "discord") as started:
        _, err = await started.communicate()
    assert b"no Discord bot yet" in err


async def test_killed_between_receipt_and_answer(tmp_path: Path) -> None:
    """Whenever it is killed, the next process answers, or says that it was interrupted; no GIF is posted twice."""
    async with Slack() as slack, EngineServer(latency_s=0.4) as engine:
        settings = {
            "slack_bot_token": "xoxb-1",
            "slack_app_token": "xapp-1",
            "slack_api_url": slack.api_url,
            "slack_port": "0",
            "engine_url": engine.url,
            "bot_lease_s": "1",
        }
        waits = (0.0, 0.2, 0.42, 0.6)
        for number, wait_s in enumerate(waits):
            async with process(tmp_path, "slack", **settings):
                await slack.connected()
                await slack.command("a cat", person=f"U{number}", channel=f"C{number}")
                await asyncio.sleep(wait_s)
        async with process(tmp_path, "slack", **settings) as last:
            for number in range(len(waits)):
                await slack.until(
                    lambda number=number: any(  # type: ignore[misc]
                        one.channel == f"C{number}" and (not one.to or replies.INTERRUPTED in one.text)
                        for one in slack.said
                    ),
                    timeout_s=20,
                )
            await slack.connected()
            last.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(last.wait(), 20) == 0
        channels = [one.channel for one in slack.public]
        assert len(channels) == len(set(channels))
        assert slack.wrong == []

"""``python -m bot`` as a process, killed without warning."""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bot import replies
from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import APPLICATION, BOT, EVERYTHING, Discord
from tests.fakes.engine_server import EngineServer
from tests.fakes.process import deepgif
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


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "DEEPGIF_DISCORD_TOKEN is missing"),
        ({"discord_token": "a token"}, "DEEPGIF_DISCORD_TOKEN cannot be used"),
        ({"discord_token": "x", "discord_api_url": "http://127.0.0.1:9/api/v10"}, ""),
    ],
)
async def test_what_the_discord_bot_lacks(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    """One sentence that names the setting; a Discord that is away is waited for, until somebody stops the bot."""
    async with process(tmp_path, "discord", **settings, discord_port="0") as started:
        assert started.stderr is not None
        line = (await asyncio.wait_for(started.stderr.readline(), 20)).decode()
        if says:
            assert says in line
            assert await started.wait() == 1
        else:
            while "tried again" not in line:
                line = (await asyncio.wait_for(started.stderr.readline(), 20)).decode()
            started.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(started.wait(), 20) == 0


async def test_the_discord_bot_killed_between_receipt_and_answer(tmp_path: Path) -> None:
    """Whenever it is killed, the next process answers; nothing is posted twice. A token that counts no more ends it."""
    async with Discord() as discord, EngineServer(latency_s=0.4) as engine:
        settings = {
            "discord_token": TOKEN,
            "discord_api_url": discord.api_url,
            "discord_port": "0",
            "engine_url": engine.url,
            "bot_lease_s": "1",
        }
        waits = (0.0, 0.2, 0.42, 0.6)
        for number, wait_s in enumerate(waits):
            async with process(tmp_path, "discord", **settings):
                before = len(discord.gateway.sessions)
                await discord.until(lambda before=before: len(discord.gateway.sessions) > before, 20)  # type: ignore[misc]
                asked = await discord.command(query="a cat", channel=str(1000 + number))
                await discord.until(lambda asked=asked: asked.kind)  # type: ignore[misc]
                await discord.write(f"<@{BOT}> a cat", channel=str(2000 + number))
                await asyncio.sleep(wait_s)
        for session in discord.gateway.sessions:
            session.valid = False
        async with process(tmp_path, "discord", **settings) as last:
            rooms = {str(n + number) for n in (1000, 2000) for number in range(len(waits))}
            await discord.until(lambda: rooms - {"2000"} <= {one.channel for one in discord.public}, 20)
            await discord.connected()
            await discord.gateway.drop(4004)
            assert await asyncio.wait_for(last.wait(), 20) == 1
            assert last.stderr is not None
            assert b"DEEPGIF_DISCORD_TOKEN" in await last.stderr.read()
        gifs = [one.channel for one in discord.public if replies.INTERRUPTED not in one.text]
        assert len(gifs) == len(set(gifs))
        assert discord.wrong == []


async def test_the_links_that_install_it(tmp_path: Path) -> None:
    """Made with the app's id, which Discord tells."""
    async with Discord() as discord:
        given = {"discord_token": TOKEN, "discord_api_url": discord.api_url}
        status, out, _ = await deepgif("discord-invite", data_dir=tmp_path, **given)
        assert status == 0
    server, person = (line.strip() for line in out.splitlines() if "https" in line)
    query = parse_qs(urlsplit(server).query)
    assert query["client_id"] == [APPLICATION]
    assert query["scope"] == ["bot applications.commands"]
    assert int(query["permissions"][0]) == int(EVERYTHING) | 1 << 38
    assert query["integration_type"] == ["0"]
    assert parse_qs(urlsplit(person).query)["integration_type"] == ["1"]
    status, out, _ = await deepgif("discord-invite", "--application-id", "5", data_dir=tmp_path)
    assert (status, "client_id=5&" in out) == (0, True)
    for given, says in (
        ({}, "DEEPGIF_DISCORD_TOKEN is missing"),
        ({"discord_token": "x", "discord_api_url": "http://127.0.0.1:9/api"}, "cannot be reached"),
    ):
        status, _, err = await deepgif("discord-invite", data_dir=tmp_path, **given)
        assert (status, says in err) == (1, True)

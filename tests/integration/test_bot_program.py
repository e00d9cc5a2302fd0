"""``python -m deepgif.bot`` as a process, killed without warning."""

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
import sqlalchemy as sa

from deepgif.bot.chat import replies
from deepgif.bot.jobs.queue import State
from deepgif.bot.store.database import Database, database_url, jobs
from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import APPLICATION, BOT, EVERYTHING, Discord
from tests.fakes.engine_server import EngineServer
from tests.fakes.jobs import all_done
from tests.fakes.process import deepgif
from tests.fakes.slack_server import Slack
from tests.fakes.waiting import WITHIN_S, until

ROOT = Path(__file__).parents[2]


def environment(tmp_path: Path, **settings: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT / "src"),
        "DEEPGIF_DATA_DIR": str(tmp_path / "data"),
        **{f"DEEPGIF_{name.upper()}": value for name, value in settings.items()},
    }


def kept(tmp_path: Path) -> str:
    """The URL of the database that the processes share."""
    return database_url("", tmp_path / "data")


@asynccontextmanager
async def process(tmp_path: Path, *arguments: str, **settings: str) -> AsyncIterator[Process]:
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deepgif.bot",
        *arguments,
        cwd=tmp_path,
        env=environment(tmp_path, **settings),
        stderr=PIPE,
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
async def test_missing_slack_settings(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    """The error names the setting. If Slack can't be reached, the bot waits."""
    async with process(tmp_path, "slack", **settings, slack_port="0") as started:
        assert started.stderr is not None
        line = (await asyncio.wait_for(started.stderr.readline(), WITHIN_S)).decode()
        if says:
            assert says in line
            assert await started.wait() == 1
        else:
            assert "Retrying" in line
            assert "xoxb" not in line


MOMENTS = ("acknowledgement", "search", "post", "end")  # when a process is killed


async def expire(database: Database) -> None:
    """Makes all leases run out."""
    async with database.write() as connection:
        await connection.execute(jobs.update().values(leased_until=0))


async def is_taken(database: Database, name: str, *states: State) -> bool:
    rows = await database.read(sa.select(jobs.c.state).where(jobs.c.id == name))
    return any(row.state in states for row in rows)


async def test_killed_before_answering(tmp_path: Path) -> None:
    """The next process answers, or tells the user that it was interrupted; no GIF is posted twice."""
    async with Slack() as slack, EngineServer() as engine, Database(kept(tmp_path)) as database:
        settings = {
            "slack_bot_token": "xoxb-1",
            "slack_app_token": "xapp-1",
            "slack_api_url": slack.api_url,
            "slack_port": "0",
            "engine_url": engine.url,
            "bot_lease_seconds": "600",  # only ``expire`` makes a lease run out, however slow the machine is
        }
        for moment in MOMENTS:
            before = slack.sockets
            async with process(tmp_path, "slack", **settings):
                await until(lambda before=before: slack.sockets > before)  # type: ignore[misc]
                (engine.gate.hold if moment in ("acknowledgement", "search") else engine.gate.release)()
                (slack.gate.hold if moment == "post" else slack.gate.release)()
                await slack.command(moment, user=moment, channel=moment, trigger_id=moment)
                if moment == "search":
                    await until(lambda: moment in [one["query"] for one in engine.asked])  # noqa: B023
                elif moment == "post":
                    await until(lambda: moment in [one.channel for one in slack.public])  # noqa: B023
                elif moment == "end":
                    await until(lambda: is_taken(database, f"command:{moment}", State.DONE))  # noqa: B023
        await expire(database)
        async with process(tmp_path, "slack", **settings) as last:
            await until(lambda: {one.channel for one in slack.public} == set(MOMENTS))
            await all_done(kept(tmp_path))
            last.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(last.wait(), WITHIN_S) == 0
        assert sorted(one.channel for one in slack.public) == sorted(MOMENTS)
        assert [one.to for one in slack.said if replies.INTERRUPTED in one.text] == ["post"]
        assert slack.wrong == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "DEEPGIF_DISCORD_TOKEN is missing"),
        ({"discord_token": "a token"}, "DEEPGIF_DISCORD_TOKEN is wrong"),
        ({"discord_token": "x", "discord_api_url": "http://127.0.0.1:9/api/v10"}, ""),
    ],
)
async def test_missing_discord_settings(tmp_path: Path, settings: dict[str, str], says: str) -> None:
    """The error names the setting. If Discord can't be reached, the bot waits until it is stopped."""
    async with process(tmp_path, "discord", **settings, discord_port="0") as started:
        assert started.stderr is not None
        line = (await asyncio.wait_for(started.stderr.readline(), WITHIN_S)).decode()
        if says:
            assert says in line
            assert await started.wait() == 1
        else:
            while "Retrying" not in line:
                line = (await asyncio.wait_for(started.stderr.readline(), WITHIN_S)).decode()
            started.send_signal(signal.SIGTERM)
            assert await asyncio.wait_for(started.wait(), WITHIN_S) == 0


async def test_the_discord_bot_killed_before_answering(tmp_path: Path) -> None:
    """The next process answers; nothing is posted twice. A token that is no longer valid ends it."""
    async with Discord() as discord, EngineServer() as engine, Database(kept(tmp_path)) as database:
        settings = {
            "discord_token": TOKEN,
            "discord_api_url": discord.api_url,
            "discord_port": "0",
            "engine_url": engine.url,
            "bot_lease_seconds": "600",  # only ``expire`` makes a lease run out, however slow the machine is
        }
        rooms = [(str(1000 + number), str(2000 + number)) for number in range(len(MOMENTS))]
        for moment, both in zip(MOMENTS, rooms, strict=True):
            before = len(discord.gateway.sessions)
            async with process(tmp_path, "discord", **settings):
                await until(lambda before=before: len(discord.gateway.sessions) > before)  # type: ignore[misc]
                (engine.gate.hold if moment in ("acknowledgement", "search") else engine.gate.release)()
                (discord.gate.hold if moment == "post" else discord.gate.release)()
                command = await discord.command(query=moment, channel=both[0])
                mention = await discord.write(f"<@{BOT}> {moment}", channel=both[1])
                await until(lambda command=command: command.kind)  # type: ignore[misc]
                await until(lambda mention=mention: is_taken(database, mention, *State))  # type: ignore[misc]
                if moment == "search":
                    await until(lambda: [one["query"] for one in engine.asked].count(moment) == 2)  # noqa: B023
                elif moment == "post":
                    await until(lambda: set(both) <= {one.channel for one in discord.public})  # noqa: B023
                elif moment == "end":
                    for name in (command.id, mention):
                        await until(lambda name=name: is_taken(database, name, State.DONE))  # type: ignore[misc]
        for session in discord.gateway.sessions:
            session.valid = False
        await expire(database)
        async with process(tmp_path, "discord", **settings) as last:
            await until(lambda: {room for both in rooms for room in both} == {one.channel for one in discord.public})
            await all_done(kept(tmp_path))
            await discord.connected()
            await discord.gateway.drop(4004)
            assert await asyncio.wait_for(last.wait(), WITHIN_S) == 1
            assert last.stderr is not None
            assert b"DEEPGIF_DISCORD_TOKEN" in await last.stderr.read()
        assert sorted(one.channel for one in discord.public) == sorted(room for both in rooms for room in both)
        assert all(one.image for one in discord.public)  # a notice has the nonce of the GIF
        assert discord.wrong == []


async def test_invite_links(tmp_path: Path) -> None:
    """They contain the app's ID, which Discord knows."""
    async with Discord() as discord:
        given = {"discord_token": TOKEN, "discord_api_url": discord.api_url}
        status, out, _ = await deepgif("discord-invite", data_dir=tmp_path, **given)
        assert status == 0
    server, user = (line.strip() for line in out.splitlines() if "https" in line)
    query = parse_qs(urlsplit(server).query)
    assert query["client_id"] == [APPLICATION]
    assert query["scope"] == ["bot applications.commands"]
    assert int(query["permissions"][0]) == int(EVERYTHING) | 1 << 38
    assert query["integration_type"] == ["0"]
    assert parse_qs(urlsplit(user).query)["integration_type"] == ["1"]
    status, out, _ = await deepgif("discord-invite", "--application-id", "5", data_dir=tmp_path)
    assert (status, "client_id=5&" in out) == (0, True)
    for given, says in (
        ({}, "DEEPGIF_DISCORD_TOKEN is missing"),
        ({"discord_token": "x", "discord_api_url": "http://127.0.0.1:9/api"}, "Can't reach Discord"),
    ):
        status, _, err = await deepgif("discord-invite", data_dir=tmp_path, **given)
        assert (status, says in err) == (1, True)

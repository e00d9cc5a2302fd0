"""All of it at once: three engine processes over one Redis Cluster, behind a balancer, and both bots asking."""

from __future__ import annotations

import asyncio
import random
import re
import signal
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from deepgif.bot.app import BotOptions
from deepgif.bot.discord import app as discord_bot
from deepgif.bot.slack import app as slack_bot
from deepgif.engine.types import MAX_DEADLINE_S, Rating
from tests.fakes.balancer import Balancer, Upstream
from tests.fakes.discord_gateway import TOKEN
from tests.fakes.discord_server import Discord
from tests.fakes.giphy_server import FakeGif, GiphyServer
from tests.fakes.jobs import all_done
from tests.fakes.media import animation
from tests.fakes.process import Served, child
from tests.fakes.redis_servers import SERVER, RedisCluster
from tests.fakes.slack_server import ACK_S, Slack
from tests.fakes.waiting import WITHIN_S, until
from tests.integration.cluster.replica_child import MEDIA_HOST

pytestmark = pytest.mark.skipif(not SERVER, reason="needs redis-server (Debian: apt-get install redis-server)")
CHILD = Path(__file__).with_name("replica_child.py")
COLOURS = ("red", "green", "blue")
PARTS, PART = 4, 60  # GIFs of each part of the test, a third of them of each colour
CANDIDATES = 40  # for one query
PEOPLE = 10  # on each platform, who ask at once


def colour(number: int) -> tuple[int, int, int]:
    """The colour of a GIF: red, green or blue, each another shade."""
    shade = number // 3
    return ((255, shade, 0), (0, 255, shade), (shade, 0, 255))[number % 3]


def made(number: int) -> FakeGif:
    """A GIF whose title says nothing of its colour."""
    some = ["#{:02x}{:02x}{:02x}".format(*colour(number))] * 2
    return FakeGif(f"gif{number:03}", f"Thing {number}", animation("GIF", some), animation("GIF", some[:1]))


def order(words: str, gifs: Sequence[FakeGif]) -> list[FakeGif]:
    """Some of the GIFs of the part that is named, the same for the same words."""
    first = PART * int(words.split()[2])
    return random.Random(words).sample(list(gifs[first : first + PART]), CANDIDATES)


@dataclass
class Crowd:
    """People on both platforms, each in a channel of their own; ``asked`` is the colour asked for in each."""

    slack: Slack
    discord: Discord
    asked: dict[str, str] = field(default_factory=dict)

    async def ask(self, part: int) -> None:
        """Each asks for a colour, and the same on both platforms; returns once all were received."""
        first = len(self.asked)
        async with asyncio.TaskGroup() as group:
            for number in range(first, first + PEOPLE):
                wanted = COLOURS[number % 3]
                words, ours, theirs = f"{wanted} thing {part} {number}", f"C{number}", str(1000 + number)
                self.asked |= {ours: wanted, theirs: wanted}
                group.create_task(self.slack.command(words, user=f"U{number}", channel=ours))
                group.create_task(self.discord.command(query=words, user=str(number), channel=theirs))

    @property
    def posted(self) -> list[tuple[str, str]]:
        """The channel and the address of each GIF that was posted."""
        ours = [(one.channel, (one.image or {})["image_url"]) for one in self.slack.public]
        return ours + [(one.channel, one.image["media"]["url"]) for one in self.discord.public]

    @property
    def told(self) -> list[str]:
        """What people were told in place of a GIF."""
        ours = [one.text for one in self.slack.said if one.to and not one.buttons]
        return ours + [one.text for one in self.discord.said if one.to]

    async def answered(self) -> None:
        """Waits until everybody has an answer, and checks that it is one GIF, of the colour that was asked for."""
        await until(lambda: self.told or {channel for channel, _ in self.posted} == set(self.asked))
        assert self.told == []
        assert Counter(channel for channel, _ in self.posted) == Counter(list(self.asked))
        for channel, url in self.posted:
            found = re.search(r"/media/gif(\d+)/", url)
            assert found
            assert COLOURS[int(found[1]) % 3] == self.asked[channel], (channel, url)


@dataclass
class Replicas:
    """The engines a, b and c, and how often each embedded what: by GIF and number of frames."""

    balancer: Balancer
    processes: list[Served]
    journal: Path

    def one(self, name: str) -> tuple[Upstream, asyncio.subprocess.Process]:
        place = "abc".index(name)
        return self.balancer.upstreams[place], self.processes[place].process

    def embedded(self, part: int) -> dict[tuple[int, str], list[str]]:
        """The stills and clips of a part, and the names of the engines that embedded each."""
        numbers = {"{:02x} {:02x} {:02x}".format(*colour(number)): number for number in range(PARTS * PART)}
        by: defaultdict[tuple[int, str], list[str]] = defaultdict(list)
        for line in self.journal.read_text().splitlines():
            name, frames, shown = line.split(" ", 2)
            if numbers[shown] // PART == part:
                by[numbers[shown], frames].append(name)
        return by

    def twice(self, part: int) -> list[list[str]]:
        """By whom those were embedded that were embedded more than once; checks that all of a part were looked at."""
        by = self.embedded(part)
        assert {number for number, _ in by} == set(range(PART * part, PART * (part + 1)))
        return [sorted(names) for names in by.values() if len(names) > 1]

    async def sharing(self) -> None:
        """Waits until those that live have their Redis."""

        async def up() -> bool:
            for one in self.balancer.chosen:
                async with http.get(f"{one.origin}/metrics") as response:
                    if "deepgif_redis_up 1.0" not in await response.text():
                        return False
            return True

        async with aiohttp.ClientSession() as http:
            await until(up)


@pytest.fixture
async def giphy() -> AsyncIterator[GiphyServer]:
    gifs = [made(number) for number in range(PARTS * PART)]
    async with GiphyServer(gifs, order=order, media_host=MEDIA_HOST) as started:
        yield started


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RedisCluster]:
    async with RedisCluster(tmp_path / "cluster") as started:
        yield started


@pytest.fixture
async def replicas(giphy: GiphyServer, cluster: RedisCluster, tmp_path: Path) -> AsyncIterator[Replicas]:
    journal = tmp_path / "journal"
    async with AsyncExitStack() as stack:

        async def start(name: str) -> Served:
            folder = tmp_path / name
            folder.mkdir()
            arguments = (str(CHILD), name, str(folder), giphy.origin, giphy.key, cluster.url, str(journal))
            return await stack.enter_async_context(child(*arguments, data_dir=folder))

        processes = await asyncio.gather(*(start(name) for name in "abc"))
        balancer = await stack.enter_async_context(Balancer([one.origin for one in processes]))
        await until(lambda: len(balancer.chosen) == 3)
        yield Replicas(balancer, processes, journal)


@pytest.fixture
async def crowd(replicas: Replicas, bot_database: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Crowd]:
    """Both bots, which ask the balancer, and whoever asks them."""
    from discord.gateway import DiscordWebSocket
    from discord.http import Route

    monkeypatch.setattr(Route, "BASE", Route.BASE)
    monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", DiscordWebSocket.DEFAULT_GATEWAY)
    options = BotOptions(replicas.balancer.url, "", bot_database, "a secret", Rating.R, MAX_DEADLINE_S)
    async with Slack() as slack, Discord() as discord:
        given = slack_bot.SlackOptions("xoxb-1", "xapp-1", api_url=slack.api_url, port=0)
        there = discord_bot.DiscordOptions(TOKEN, discord.api_url, port=0)
        async with slack_bot.open_bot(given, options) as running, discord_bot.open_bot(there, options):
            for listener in running.app._async_listeners:
                listener.ack_timeout = ACK_S  # in place of bolt's own 3 seconds
            await slack.connected()
            await discord.connected()
            yield Crowd(slack, discord)
        assert slack.wrong == discord.wrong == []


async def expire(cluster: RedisCluster, name: str) -> None:
    """Makes the leases of an engine that is dead run out, on all masters."""
    for server in (cluster.replicas[0], *cluster.masters[1:]):
        async with server.client() as client:
            for lease in [key async for key in client.scan_iter(match="deepgif:c:*")]:
                if (await client.get(lease) or b"").startswith(name.encode()):
                    await client.delete(lease)


async def test_no_command_is_lost(
    giphy: GiphyServer, cluster: RedisCluster, replicas: Replicas, crowd: Crowd, bot_database: str
) -> None:
    """Each command on both platforms is answered once, with a GIF that fits, and each GIF is embedded once by all
    engines together; while one of them is drained, too. A Redis master that dies costs no command, nor does an engine
    that is killed: what it had in hand is asked again, and nothing is embedded twice but what it had embedded itself.
    """
    await crowd.ask(0)
    await crowd.answered()
    assert replicas.twice(0) == []
    assert all(one.answered for one in replicas.balancer.upstreams)

    stopped, process = replicas.one("a")
    giphy.gate.hold(after=20)
    await crowd.ask(1)
    await until(lambda: giphy.downloading and stopped.in_hand)
    process.send_signal(signal.SIGTERM)
    await until(lambda: not stopped.chosen)
    async with aiohttp.ClientSession() as http, http.get(f"{stopped.origin}/healthz") as response:
        assert response.status == 200  # it was left out before it stopped to listen
    assert stopped.in_hand
    await crowd.ask(1)
    giphy.gate.release()
    await crowd.answered()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
    assert (stopped.cut, stopped.refused) == (0, 0)
    assert replicas.twice(1) == []

    giphy.gate.hold(after=20)
    await crowd.ask(2)
    await until(lambda: giphy.downloading)
    await cluster.masters[0].kill()
    await crowd.ask(2)
    giphy.gate.release()
    await crowd.answered()
    await cluster.fail_over(0)
    await replicas.sharing()
    replicas.twice(2)  # while Redis was away each engine looked for itself

    killed, process = replicas.one("b")
    giphy.gate.hold(after=20)
    await crowd.ask(3)
    await until(lambda: giphy.downloading and killed.in_hand)
    process.kill()
    await process.wait()
    await expire(cluster, "b")
    await crowd.ask(3)
    giphy.gate.release()
    await crowd.answered()
    assert killed.cut
    assert all(names == ["b", "c"] for names in replicas.twice(3))

    await all_done(bot_database)
    await crowd.answered()

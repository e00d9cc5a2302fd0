"""Several engines over one Redis, with real redis-server processes: one node, and a Cluster that loses masters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.assembly import Engine, EngineOptions, open_engine
from engine.download import DownloadRules
from engine.metrics import Metrics
from engine.providers.assembly import ProviderOptions, RemoteOptions
from engine.shared.options import RedisOptions
from engine.types import SearchRequest
from tests.fakes.encoder import ColourEncoder
from tests.fakes.giphy_server import FakeGif, GiphyServer
from tests.fakes.media import animation
from tests.fakes.redis_servers import SERVER, RedisCluster, RedisServer, until

pytestmark = pytest.mark.skipif(not SERVER, reason="needs redis-server (Debian: apt-get install redis-server)")
COLOURS = ("red", "lime", "blue")
CALM = RedisOptions("", timeout_s=10.0)  # where a slow machine must not look like a Redis that is away
Open = Callable[..., AbstractAsyncContextManager[Engine]]


def fake(number: int, colour: str) -> FakeGif:
    """A GIF whose title says nothing of its colour. Numbers make equal colours differ a little."""
    shade = {"red": (255, number, 0), "lime": (0, 255, number), "blue": (number, 0, 255)}[colour]
    colours = ["#{:02x}{:02x}{:02x}".format(*shade)] * 2
    return FakeGif(f"gif{number:03}", f"Thing {number}", animation("GIF", colours), animation("GIF", colours[:1]))


GIFS = [fake(number, COLOURS[number % 3]) for number in range(0, 240, 2)]


@pytest.fixture
async def giphy() -> AsyncIterator[GiphyServer]:
    async with GiphyServer(GIFS, order=lambda words, gifs: list(gifs)) as started:
        yield started


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with RedisServer(tmp_path / "redis") as started:
        yield started


@pytest.fixture
def open_one(giphy: GiphyServer, tmp_path: Path) -> Open:
    """Opens replicas, each by its name with a data folder of its own, over the same provider."""

    @asynccontextmanager
    async def make(
        name: str, redis: RedisOptions | None, encoder: ColourEncoder | None = None, **changes: Any
    ) -> AsyncIterator[Engine]:
        rules = DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True, timeout_s=10)
        keep_days = changes.pop("keep_days", 30.0)
        chosen = ProviderOptions("giphy", giphy.key, 0, url=giphy.origin, **changes)
        options = EngineOptions(
            bundle=tmp_path,
            data_dir=tmp_path / name,
            remote=RemoteOptions((chosen,), keep_days, rules),
            good_enough=2.0,
            redis=redis,
        )
        used = encoder or ColourEncoder()
        async with open_engine(options, Metrics(), lambda options: used) as engine:
            yield engine

    return make


def known(engine: Engine) -> int:
    """How many GIFs an engine can find."""
    return len(engine.search.library.pictures)


async def search(engine: Engine, words: str = "red") -> list[str]:
    """The ids of what an engine finds."""
    answer = await engine.search.search(SearchRequest(words, 2, deadline_s=20))
    return [result.gif.key.id for result in answer.results]


async def test_eight_replicas_embed_each_once(open_one: Open, redis: RedisServer, giphy: GiphyServer) -> None:
    """All see the same hundred at once: each still is downloaded and embedded by one of them, and all find it."""
    encoder = ColourEncoder()
    giphy.latency_s = 0.02
    async with AsyncExitStack() as stack:
        engines = [
            await stack.enter_async_context(open_one(str(n), replace(CALM, url=redis.url), encoder)) for n in range(8)
        ]
        found = await asyncio.gather(*(search(engine) for engine in engines))
        assert all(int(one[3:]) % 3 == 0 for some in found for one in some)
        assert sum(one.endswith("still") for one in giphy.media) == 100
        assert len(giphy.media) == len(set(giphy.media)) == encoder.clips
        assert [known(engine) for engine in engines] == [100] * 8

"""Several engines over one Redis, with real redis-server processes: one node, and a Cluster that loses masters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepgif.engine.engine import Engine, open_engine
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import DownloadRules, EngineOptions, ProviderOptions, ProvidersOptions, RedisOptions
from deepgif.engine.providers.circuit_breaker import MAX_FAILURES
from deepgif.engine.types import GifKey, Rating, SearchRequest
from tests.fakes.encoder import ColourEncoder
from tests.fakes.giphy_server import GiphyServer, fake
from tests.fakes.redis_servers import SERVER, RedisCluster, RedisServer, calm
from tests.fakes.waiting import WITHIN_S, until

pytestmark = pytest.mark.skipif(not SERVER, reason="needs redis-server (Debian: apt-get install redis-server)")
COLOURS = ("red", "lime", "blue")
# Where a slow machine must not look like a Redis or an engine that is away.
CALM = RedisOptions("", timeout_s=WITHIN_S, lease_s=WITHIN_S)
Open = Callable[..., AbstractAsyncContextManager[Engine]]


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
        rules = DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True, timeout_s=WITHIN_S)
        keep_days = changes.pop("keep_days", 30.0)
        chosen = ProviderOptions("giphy", giphy.key, 0, url=giphy.origin, **changes)
        options = EngineOptions(
            bundle=tmp_path,
            data_dir=tmp_path / name,
            providers=ProvidersOptions((chosen,), keep_days, rules),
            min_confidence=2.0,
            redis=redis,
        )
        used = encoder or ColourEncoder()
        async with open_engine(options, Metrics(), lambda options: used) as engine:
            yield engine

    return make


def known(engine: Engine) -> int:
    """How many GIFs an engine can find."""
    return len(engine.search.collection.pictures)


async def search(engine: Engine, words: str = "red") -> list[str]:
    """The ids of what an engine finds."""
    answer = await engine.search.search(SearchRequest(words, 2, deadline_s=WITHIN_S))
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
        await until(lambda: all(known(engine) == 100 for engine in engines))  # the rest comes after the answers
        assert sum(one.endswith("still") for one in giphy.media) == 100
        assert len(giphy.media) == len(set(giphy.media)) == encoder.clips
        assert [known(engine) for engine in engines] == [100] * 8


async def test_what_one_adds_the_others_find(open_one: Open, redis: RedisServer, giphy: GiphyServer) -> None:
    """Through the stream while they run, and from the store where they come later; none of it is embedded again, and
    its texts come along."""
    one, other = ColourEncoder(), ColourEncoder()
    options = replace(CALM, url=redis.url)
    async with open_one("a", options, one) as first, open_one("b", options, other) as second:
        await search(first)
        await until(lambda: known(second) == len(second.search.collection.texts) == 100)  # texts come after pictures
        assert await search(second) == await search(first)
    assert other.clips == 0
    late = ColourEncoder()
    async with open_one("c", options, late) as third:
        assert known(third) == len(third.search.collection.texts) == 100
        assert await search(third) == await search(third)
        assert late.clips == 0


async def test_a_gap_is_caught_up(open_one: Open, redis: RedisServer) -> None:
    """Events that were trimmed before they were read: the store is looked through for what is lacking."""
    options = replace(CALM, url=redis.url)
    async with redis.client() as client, AsyncExitStack() as stack:
        engines = [await stack.enter_async_context(open_one(name, options)) for name in "ab"]
        await search(engines[0], "red")
        await until(lambda: known(engines[1]) == 100)
        (stream,) = [key async for key in client.scan_iter(match="deepgif:s:*")]
        # What a third engine does while the second cannot read: rows and vectors come, their events are gone.
        key = "deepgif:v:colours@1/2x8:giphy:extra"
        (some,) = await client.mget([key.replace("extra", "gif000").replace("2x8", "2x8%3Astill")])
        row = await client.get("deepgif:g:giphy:gif000")
        pipe = client.pipeline(transaction=True)
        pipe.set(key, some).set("deepgif:g:giphy:extra", row).xadd(stream, {"by": "nobody"}).xtrim(
            stream, maxlen=1, approximate=False
        )
        pipe.xadd(stream, {"by": "nobody"}).xtrim(stream, maxlen=1, approximate=False)
        await pipe.execute()
        await until(lambda: all(known(one) == 101 for one in engines))


async def test_what_is_forgotten_is_forgotten_everywhere(open_one: Open, redis: RedisServer) -> None:
    """On every machine, in Redis, and by engines that were not there to be told."""
    options = replace(CALM, url=redis.url)
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_one("a", options))
        second = await stack.enter_async_context(open_one("b", options))
        async with open_one("c", options) as third:
            await search(first)
            await until(lambda: known(second) == known(third) == 100)
        await first.ingestion.providers[0].forget(["gif000", "gif002"])
        await until(lambda: known(second) == len(second.search.collection.texts) == 98)
        async with redis.client() as client:
            assert not [key async for key in client.scan_iter(match="deepgif:[gv]:*gif00[02]")]
        async with open_one("c", options) as third:
            assert known(third) == 98


async def test_kept_only_for_its_days(open_one: Open, redis: RedisServer) -> None:
    """Every key with a GIF's texts or vectors goes by itself; what has been kept long enough is neither in Redis nor
    found."""
    options = replace(CALM, url=redis.url)
    async with redis.client() as client:
        async with open_one("a", options, keep_days=1) as one:
            await search(one)
            ends = [await client.pttl(key) async for key in client.scan_iter(match="deepgif:[gv]:*")]
            assert len(ends) == 320
            assert all(0 < end <= 86_400_000 for end in ends)
        await client.flushall()
        async with open_one("b", options, keep_days=1e-9) as one:
            await search(one)
            assert known(one) == 100
            assert not [key async for key in client.scan_iter(match="deepgif:[gv]:*")]
            await one.ingestion.forget_expired()
            assert known(one) == 0


async def test_addresses_and_keys_stay_out_of_redis(open_one: Open, redis: RedisServer, giphy: GiphyServer) -> None:
    """Unless addresses may be kept; the provider's key never goes there."""
    for name, keep_urls in (("a", False), ("b", True)):
        prefix = f"test-{name}"
        async with open_one(name, replace(CALM, url=redis.url, prefix=prefix), keep_urls=keep_urls) as engine:
            await search(engine)
        async with redis.client() as client:
            rows = [await client.get(key) async for key in client.scan_iter(match=f"{prefix}:g:*")]
            values = [await client.dump(key) async for key in client.scan_iter(match=f"{prefix}:*")]
        assert len(rows) == 100
        assert all((b"/media/gif" in row) is keep_urls for row in rows)
        assert not any(giphy.key.encode() in value for value in values if value)


async def test_a_redis_that_hangs(open_one: Open, redis: RedisServer) -> None:
    """Searches go on from memory and from the provider, what they add waits, and the others have it when it is back."""
    options = RedisOptions(redis.url)
    async with open_one("a", options) as first, open_one("b", options) as second:
        await search(first)
        await until(lambda: known(second) == 100)
        redis.pause()
        try:
            assert await search(second, "blue")  # known to it, reranked with what it has in memory
            assert len((await second.search.similar(GifKey("giphy", "gif000"), 5, Rating.R)).results) == 5
        finally:
            redis.resume()
        await search(second, "lime")
        await until(lambda: known(first) == known(second))


async def test_a_redis_that_is_empty_again(open_one: Open, redis: RedisServer, giphy: GiphyServer) -> None:
    """Killed under load and started again without anything in it: nobody's search fails, the engines give back what
    they have, and one that comes later finds it."""
    options = RedisOptions(redis.url)
    async with open_one("a", options) as first, open_one("b", options) as second:
        await search(first)
        await until(lambda: known(second) == 100)
        async with searching(first, second) as count:
            await redis.kill()
            await count.more(4)
            await redis.start()
            await count.more(4)
        encoder = ColourEncoder()
        async with redis.client() as client:
            await until(calm(lambda: _full(client, 100)))
        async with open_one("c", options, encoder) as third:
            await until(lambda: known(third) == 100)
            await search(third)
            assert encoder.clips == 0


async def test_a_redis_without_memory(open_one: Open, redis: RedisServer) -> None:
    """It refuses to keep more: searches go on, what is there is read, and what waits is written when there is room."""
    options = RedisOptions(redis.url)
    async with redis.client() as client, open_one("a", options) as first, open_one("b", options) as second:
        await client.config_set("maxmemory-policy", "noeviction")
        await client.config_set("maxmemory", "1mb")
        await search(first)
        assert not await client.exists("deepgif:g:giphy:gif000")
        assert await search(second) == await search(first)
        await client.config_set("maxmemory", "0")
        await until(calm(lambda: _full(client, 100)))
        encoder = ColourEncoder()
        async with open_one("c", options, encoder) as third:
            await until(lambda: known(third) == 100)


async def test_a_start_without_redis(open_one: Open, redis: RedisServer) -> None:
    """An engine starts without it, and has what the others know as soon as it is there."""
    options = RedisOptions(redis.url)
    async with open_one("a", options) as first:
        await search(first)
        redis.pause()
        try:
            async with open_one("b", options) as second:
                assert known(second) == 0
                redis.resume()
                await until(lambda: known(second) == 100)
        finally:
            redis.resume()


@pytest.mark.parametrize("fault", ["kill", "pause"])
async def test_a_cluster_that_loses_a_master(open_one: Open, tmp_path: Path, fault: str) -> None:
    """Killed or hanging under load: nobody's search fails, its replica takes over, and the engines share again."""
    async with RedisCluster(tmp_path / "cluster") as cluster:
        options = RedisOptions(cluster.url, cluster=True)
        async with open_one("a", options) as first, open_one("b", options) as second:
            await search(first)
            await until(lambda: known(second) == 100)
            await cluster.replicated()
            async with searching(first, second) as count:
                lost = cluster.masters[0]  # the one that the address names
                if fault == "kill":
                    await lost.kill()
                else:
                    lost.pause()
                await count.more(4)
                await cluster.fail_over(0)
                await count.more(4)
            encoder = ColourEncoder()
            async with open_one("c", replace(options, url=cluster.masters[1].url), encoder) as third:
                await until(lambda: known(third) == 100)
            assert encoder.clips == 0


async def _full(client: Any, count: int) -> bool:
    """Whether the texts of so many GIFs are there, and a vector of the picture of each."""
    rows = [key async for key in client.scan_iter(match="deepgif:g:*")]
    stills = [key async for key in client.scan_iter(match="deepgif:v:*still:*")]
    return len(rows) == len(stills) == count


class Count:
    """How many searches have been answered."""

    def __init__(self) -> None:
        self.done = 0

    async def more(self, count: int) -> None:
        """Waits for so many more."""
        wanted = self.done + count
        await until(lambda: self.done >= wanted)


@asynccontextmanager
async def searching(*engines: Engine) -> AsyncIterator[Count]:
    """All engines are searched again and again; none of the searches may fail or find nothing."""
    count = Count()

    async def load(engine: Engine, name: int) -> None:
        while True:
            assert await search(engine, f"red {name} {count.done}")
            count.done += 1

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(load(engine, name)) for name, engine in enumerate(engines)]
        yield count
        for task in tasks:
            task.cancel()


async def test_a_provider_that_is_down_for_all(open_one: Open, redis: RedisServer, giphy: GiphyServer) -> None:
    """What one engine found out costs the others no call; they answer with what is known, and say why."""
    options = replace(CALM, url=redis.url)
    async with AsyncExitStack() as stack:
        opening = [open_one(name, options, keep_urls=True) for name in "abc"]
        engines = [await stack.enter_async_context(one) for one in opening]
        await search(engines[0])
        await until(lambda: all(known(one) == 100 for one in engines))
        giphy.calls.clear()
        giphy.faults.extend(["429"] * 100)  # each a failure at once, without another try
        for number in range(MAX_FAILURES):
            await search(engines[0], f"blue {number}")
        assert MAX_FAILURES <= len(giphy.calls) <= MAX_FAILURES + 1  # two pages are asked for at once
        calls = len(giphy.calls)
        for engine in engines:
            answer = await engine.search.search(SearchRequest("red again", 2, deadline_s=WITHIN_S))
            assert answer.results
            assert any("try it again in a moment" in notice for notice in answer.notices)
        assert len(giphy.calls) == calls


@pytest.mark.parametrize(("keep_urls", "calls"), [(False, 1), (True, 0)])
async def test_an_answer_that_another_gave(
    open_one: Open, redis: RedisServer, giphy: GiphyServer, keep_urls: bool, calls: int
) -> None:
    """The same words, and the next page, need no other search at the provider: addresses are asked for in one call
    where they may not be kept. The words are not in Redis."""
    options = replace(CALM, url=redis.url)
    async with (
        open_one("a", options, keep_urls=keep_urls) as first,
        open_one("b", options, keep_urls=keep_urls) as second,
    ):
        told = await search(first, "red unmistakable")
        giphy.calls.clear()
        assert await search(second, "Red unmistakable") == told
        assert len(giphy.calls) == calls
        page = SearchRequest("red unmistakable", 2, offset=2, deadline_s=WITHIN_S)
        pages = [await engine.search.search(page) for engine in (first, second)]
        assert pages[0].results == pages[1].results
        assert len(giphy.calls) == calls
    async with redis.client() as client:
        keys = await client.keys()
        assert len([key for key in keys if key.startswith(b"deepgif:a:")]) == 1
        assert not any(b"unmistakable" in key.lower() for key in keys)
        assert b"unmistakable" not in b"".join([await client.dump(key) or b"" for key in keys])

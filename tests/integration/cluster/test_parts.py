"""What engines share, part by part, over a real redis-server."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from redis.asyncio import Redis

from deepgif.engine.cluster.embeddings import RedisEmbeddingStore
from deepgif.engine.cluster.events import EventStream
from deepgif.engine.cluster.gif_store import RedisGifStore
from deepgif.engine.cluster.leases import RedisLeases
from deepgif.engine.cluster.quota import RedisQuota
from deepgif.engine.cluster.recognised_text import RedisRecognisedTextStore, text_key
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.errors import MediaError, OverloadedError, QuotaError, StoreError
from deepgif.engine.options import RedisOptions
from deepgif.engine.protocols import Vector
from deepgif.engine.providers.gif_store import DAY_S, SqliteGifStore
from deepgif.engine.providers.quota import RESERVED_FOR_LOOKUPS, LocalQuota
from deepgif.engine.store.database import Database
from deepgif.engine.store.recognised_text import SqliteRecognisedTextStore
from deepgif.engine.types import Candidate, Gif, GifKey, Rating
from tests.fakes.redis_servers import SERVER, RedisCluster, RedisServer
from tests.fakes.waiting import WITHIN_S, skip, until

pytestmark = pytest.mark.skipif(not SERVER, reason="needs redis-server (Debian: apt-get install redis-server)")
SPACE = "m@1/4x224:still"
KEY = GifKey("giphy", "a")
VECTOR = np.array([0.6, 0.8, 0, 0], np.float32)


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with RedisServer(tmp_path / "redis") as started:
        yield started


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[RedisCluster]:
    async with RedisCluster(tmp_path / "cluster") as started:
        yield started


@pytest.fixture
def options(redis: RedisServer) -> RedisOptions:
    """Patient enough for a slow machine."""
    return RedisOptions(redis.url, timeout_s=WITHIN_S)


class Parts:
    """A store of vectors of 4 numbers, and claims that are renewed only where ``alive``."""

    def __init__(self, link: RedisConnection, lease_s: float = WITHIN_S) -> None:
        self.writer = WriteBehindQueue(link, max_waiting=50, retry_s=0.05)
        self.store = RedisEmbeddingStore(link, self.writer, 4, 60.0)
        self.leases = RedisLeases(link, self.writer, self.store, 4, lease_s=lease_s)


def units(count: int) -> list[Vector]:
    """So many unit vectors (4,)."""
    rows = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    return list(rows / np.linalg.norm(rows, axis=1, keepdims=True))


async def _there_and_back(link: RedisConnection) -> None:
    store = Parts(link).store
    ids = ["plain", "a:b", "{tag}", "*", "[ab]?", "é\n", "%41", *(str(number) for number in range(2500))]
    vectors = dict(zip([GifKey("giphy", one) for one in ids], units(len(ids)), strict=True))
    await store.put_many(SPACE, vectors)
    await store.put_many(SPACE, {GifKey("giphy2", "a"): VECTOR})
    await store.put_many("other", {KEY: VECTOR})
    asked = [*list(vectors)[:99], GifKey("giphy", "none")]
    found = await store.get_many(SPACE, asked)
    assert list(found) == asked[:99]
    for key, vector in found.items():
        np.testing.assert_allclose(vector, vectors[key], atol=2e-3)
    chunks = [chunk async for chunk in store.scan(SPACE, "giphy")]
    scanned = {key: row for keys, rows in chunks for key, row in zip(keys, rows, strict=True)}
    assert scanned.keys() == vectors.keys()
    assert max(len(keys) for keys, _ in chunks) <= 1000
    await store.delete("giphy", ["*", "plain", "a", "never"])
    assert set(await store.get_many(SPACE, list(vectors))) == set(vectors) - {
        GifKey("giphy", "*"),
        GifKey("giphy", "plain"),
    }
    assert await store.get_many("other", [KEY]) == {}


async def test_vectors_there_and_back(options: RedisOptions) -> None:
    """Whatever the ids are made of: stored, read, gone through in bounded chunks, deleted in every space."""
    async with RedisConnection(options) as link:
        await _there_and_back(link)


async def test_vectors_there_and_back_in_a_cluster(cluster: RedisCluster) -> None:
    """The same over three masters; each holds a part."""
    async with RedisConnection(RedisOptions(cluster.url, cluster=True, timeout_s=WITHIN_S)) as link:
        await _there_and_back(link)
        for server in cluster.masters:
            async with server.client() as client:
                assert 500 < await client.dbsize() < 1200


async def test_a_hundred_vectors_are_one_round_trip(options: RedisOptions, redis: RedisServer) -> None:
    """One MGET reads them, one pipeline writes them."""
    async with RedisConnection(options) as link, redis.client() as client:
        store = Parts(link).store
        vectors = dict(zip([GifKey("giphy", str(n)) for n in range(100)], units(100), strict=True))
        await store.put_many(SPACE, vectors)
        assert len(await store.get_many(SPACE, list(vectors))) == 100
        stats = await client.info("commandstats")
        assert stats["cmdstat_mget"]["calls"] == 1
        assert "cmdstat_get" not in stats


async def test_what_is_no_vector_counts_as_absent(options: RedisOptions, redis: RedisServer) -> None:
    """Somebody else's values: they are made and stored again."""
    async with RedisConnection(options) as link, redis.client() as client:
        parts = Parts(link)
        keys = [GifKey("giphy", name) for name in "abc"]
        for key, value in zip(keys, (b"damaged", b"", None), strict=True):
            name = parts.store.name(SPACE, key)
            await (client.set(name, value) if value is not None else client.lpush(name, "a list"))
        assert await parts.store.get_many(SPACE, keys) == {}

        async def make(some: Sequence[GifKey]) -> dict[GifKey, Vector]:
            return dict.fromkeys(some, VECTOR)

        assert set(await parts.leases.vectors(SPACE, keys, make)) == set(keys)
        assert set(await parts.store.get_many(SPACE, keys)) == set(keys)


async def test_who_dies_frees_its_claims(options: RedisOptions, redis: RedisServer) -> None:
    """After the lease, and not before: while the work goes on the claim is renewed."""
    made: list[str] = []
    begun, end = asyncio.Event(), asyncio.Event()

    async def never(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        begun.set()
        await end.wait()
        made.append("first")
        return dict.fromkeys(keys, VECTOR)

    async def at_once(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        made.append("second")
        return dict.fromkeys(keys, VECTOR)

    async with RedisConnection(options) as one, RedisConnection(options) as other, redis.client() as client:
        first, second = Parts(one), Parts(other)
        alive = asyncio.create_task(first.leases.run())
        working = asyncio.create_task(first.leases.vectors(SPACE, [KEY], never))
        await begun.wait()
        waiting = asyncio.create_task(second.leases.vectors(SPACE, [KEY], at_once))
        lease = first.leases._name(first.store.name(SPACE, KEY))
        for _ in range(3):
            assert await client.pexpire(lease, int(1000 * WITHIN_S / 2))  # as if half of it were over
            skip(WITHIN_S / 3)
            await until(lambda: _ttl_s(client, lease, WITHIN_S / 2, WITHIN_S))
            assert not waiting.done()
        alive.cancel()  # it dies
        assert await client.pexpire(lease, 1)
        assert list(await waiting) == [KEY]
        assert made == ["second"]
        end.set()
        await working


async def _ttl_s(client: Redis, key: str, least: float, most: float) -> bool:
    """Whether a key expires in more than ``least`` and at most ``most`` seconds."""
    return bool(1000 * least < await client.pttl(key) <= 1000 * most)


async def test_who_waits_has_it_as_soon_as_it_is_there(options: RedisOptions) -> None:
    """Or may leave, or makes it where the other gave up; what the other could not look at is not tried again."""
    begun, end = asyncio.Event(), asyncio.Event()
    fails: list[Exception] = []

    async def slow(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        begun.set()
        await end.wait()
        if fails:
            raise fails.pop()
        return dict.fromkeys(keys, VECTOR)

    async def own(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
        return dict.fromkeys(keys, -VECTOR)

    async def both(key: GifKey, error: Exception | None) -> tuple[asyncio.Task[dict[GifKey, Vector]], ...]:
        begun.clear()
        end.clear()
        fails[:] = [error] if error is not None else []
        working = asyncio.create_task(first.leases.vectors(SPACE, [key], slow))
        await begun.wait()
        return working, asyncio.create_task(second.leases.vectors(SPACE, [key], own))

    async with RedisConnection(options) as one, RedisConnection(options) as other:
        first, second = Parts(one), Parts(other)
        working, waiting = await both(KEY, None)
        leaving = asyncio.create_task(second.leases.vectors(SPACE, [KEY], own))
        await until(lambda: (SPACE, KEY) in second.leases._held_by_others)
        leaving.cancel()
        end.set()
        np.testing.assert_allclose((await waiting)[KEY], VECTOR, atol=1e-3)
        await working
        key = GifKey("giphy", "overloaded")
        working, waiting = await both(key, OverloadedError("too much"))
        end.set()
        np.testing.assert_allclose((await waiting)[key], -VECTOR, atol=1e-3)
        with pytest.raises(OverloadedError):
            await working
        key = GifKey("giphy", "left")
        working, waiting = await both(key, None)
        working.cancel()
        np.testing.assert_allclose((await waiting)[key], -VECTOR, atol=1e-3)
        key = GifKey("giphy", "damaged")
        working, waiting = await both(key, MediaError("damaged"))
        end.set()
        with pytest.raises(MediaError, match="a moment ago"):
            await waiting
        with pytest.raises(MediaError, match="damaged"):
            await working
        await first.leases.close()
        await second.leases.close()


async def test_writes_wait_within_bounds(options: RedisOptions, redis: RedisServer) -> None:
    """While Redis is away: the latest of each key, the oldest dropped and counted; all written when it is back."""
    async with RedisConnection(options) as link, redis.client() as client:
        writer = WriteBehindQueue(link, max_waiting=50, retry_s=0.05)
        running = asyncio.create_task(writer.run())
        await redis.kill()
        for number in range(70):
            await writer.write([QueuedWrite(str(number), (("SET", f"k{number}", "old"),))])
        await writer.write([QueuedWrite("69", (("SET", "k69", "new"),))])
        assert (writer.waiting, writer.dropped, link.up) == (50, 20, False)
        await redis.start()
        await until(lambda: writer.waiting == 0)
        assert len(await client.keys("k*")) == 50
        assert await client.mget("k19", "k20", "k69") == [None, b"old", b"new"]
        running.cancel()


async def test_who_calls_while_it_is_away_has_the_answer_at_once(options: RedisOptions, redis: RedisServer) -> None:
    """One call finds out that Redis hangs; those after it do not even try, until it is back."""
    async with RedisConnection(options) as link:
        assert await link.call(lambda client: client.set("a", "1"))
        redis.pause()
        with pytest.raises(RedisDownError):
            await link.call(lambda client: client.get("a"), 0.05)
        tried: list[object] = []
        for _ in range(100):
            with pytest.raises(RedisDownError):
                await link.call(tried.append)  # type: ignore[arg-type,func-returns-value]
        assert tried == []
        redis.resume()
        await link.wait_until_up()
        assert await link.call(lambda client: client.get("a")) == b"1"  # and not the answer to an earlier call


async def test_answers_are_never_mixed_up(options: RedisOptions, redis: RedisServer) -> None:
    """Calls that were given up while Redis hung leave nothing behind on their connections."""
    async with RedisConnection(options) as link:
        for number in range(50):
            await link.call(lambda client, number=number: client.set(f"k{number}", number))
        for turn in range(5):
            redis.pause()
            calls = [link.call(lambda client, number=number: client.get(f"k{number}"), 0.05) for number in range(50)]
            assert all(
                isinstance(one, RedisDownError) for one in await asyncio.gather(*calls, return_exceptions=True)
            ), turn
            redis.resume()
            await link.wait_until_up()
            answers = [await link.call(lambda client, number=number: client.get(f"k{number}")) for number in range(50)]
            assert answers == [str(number).encode() for number in range(50)]


async def test_a_redis_that_can_never_be_used_is_said_at_once(
    redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A wrong password, address or kind: one sentence, without the password, there or in the log."""
    async with RedisServer(tmp_path / "locked", password="s3cret") as locked:
        wrong = locked.url.replace("s3cret", "hunter2")
        for options, text in (
            (RedisOptions(wrong), "rejected the user"),
            (RedisOptions(locked.url.replace(":s3cret@", "")), "rejected the user"),
            (RedisOptions(wrong.replace("redis://", "http://")), "DEEPGIF_REDIS_URL"),
            (
                RedisOptions(redis.url.replace("127.0.0.1", ":hunter2@127.0.0.1"), cluster=True),
                "not a Cluster|rejected",
            ),
            (RedisOptions(redis.url, cluster=True), "is not a Cluster"),
        ):
            with pytest.raises(StoreError, match=text) as caught:
                async with RedisConnection(replace(options, timeout_s=WITHIN_S)):
                    pass
            assert "hunter2" not in "".join(traceback.format_exception(caught.value))
            assert "hunter2" not in repr(options)
        async with RedisConnection(RedisOptions(locked.url, timeout_s=WITHIN_S)) as link:
            assert link.up
            await locked.kill()
            with pytest.raises(RedisDownError):
                await link.call(lambda client: client.get("a"))
    assert "s3cret" not in caplog.text + "hunter2"
    assert "hunter2" not in caplog.text


async def test_a_cluster_that_is_not_said_to_be_one(cluster: RedisCluster) -> None:
    """It would answer that most keys are elsewhere."""
    with pytest.raises(StoreError, match="DEEPGIF_REDIS_CLUSTER=true"):
        async with RedisConnection(RedisOptions(cluster.url, timeout_s=WITHIN_S)):
            pass


async def test_what_others_have_seen_is_kept_on(options: RedisOptions, tmp_path: Path) -> None:
    """A GIF whose days are over here, but which another engine saw since, stays; one that nobody saw goes."""
    now = 1_000_000_000.0
    clock = lambda: now  # noqa: E731

    async with (
        RedisConnection(options) as link,
        Database(tmp_path / "a.sqlite") as here,
        Database(tmp_path / "b.sqlite") as there,
    ):
        parts = Parts(link)
        stream = EventStream(link, SPACE, {}, ["giphy"])

        def gifs(database: Database) -> RedisGifStore:
            near = SqliteGifStore(database, "giphy", "Powered by GIPHY", days=36500, keep_urls=False, clock=clock)
            return RedisGifStore(
                near, link, parts.writer, parts.store, stream, [SPACE], days=36500, keep_urls=False, clock=clock
            )

        one, other = gifs(here), gifs(there)
        await one.put([_candidate("a"), _candidate("b")])
        assert set(await other.get(["a", "b", "c"])) == {"a", "b"}
        now += 36499 * DAY_S
        await other.put([_candidate("a")])
        now += 2 * DAY_S
        assert await one.forget_expired() == [GifKey("giphy", "b")]
        assert set(await one.get(["a", "b"])) == {"a"}


Quotas = Callable[[str, RedisConnection], Awaitable[RedisQuota]]


@pytest.fixture
async def quota(tmp_path: Path) -> AsyncIterator[Quotas]:
    """Opens the budget of one key with 20 calls an hour, for the engine of a name."""
    async with AsyncExitStack() as stack:

        async def open_one(name: str, link: RedisConnection) -> RedisQuota:
            database = await stack.enter_async_context(Database(tmp_path / f"{name}.sqlite"))
            near = LocalQuota(database, "GIPHY", "secret-key", 20)
            await near.open()
            return RedisQuota(near, link)

        yield open_one


async def _acquire_all(*quotas: RedisQuota, reserve: float = RESERVED_FOR_LOOKUPS) -> int:
    """How many calls the budgets allow, all asked at once again and again."""

    async def acquire(one: RedisQuota) -> int:
        taken = 0
        with suppress(QuotaError):
            while True:
                await one.acquire(reserve=reserve)
                taken += 1
        return taken

    return sum(await asyncio.gather(*(acquire(one) for one in quotas)))


async def test_one_allowance_for_all(options: RedisOptions, redis: RedisServer, quota: Quotas) -> None:
    """Eight engines that take at once never take more than there is; the reserve is left; a restart does not forget,
    and does not count twice; the key itself is not in Redis."""
    async with RedisConnection(options) as link:
        engines = [await quota(str(number), link) for number in range(8)]
        assert await _acquire_all(*engines) == 18
        with pytest.raises(QuotaError, match=r"hourly quota for GIPHY is nearly used up\. Try again in"):
            await engines[0].acquire()
        again = await quota("0", link)
        assert await _acquire_all(again) == 0
        assert again.used() == 18
        assert await _acquire_all(again, engines[3], reserve=0.0) == 2
        async with redis.client() as client:
            keys = await client.keys()
            assert b"secret-key" not in b"".join([key + (await client.dump(key) or b"") for key in keys])


async def test_alone_an_engine_takes_its_share(options: RedisOptions, redis: RedisServer, quota: Quotas) -> None:
    """Of two engines each takes half of what was left while Redis is away; back and empty, it is told of all calls."""
    async with RedisConnection(options) as link:
        one, other = await quota("one", link), await quota("other", link)
        for engine in (one, other, one, other):
            await engine.acquire()
        await redis.kill()
        assert await _acquire_all(one) == (20 - 4 - 2) // 2
        assert await _acquire_all(other) == (20 - 4 - 2) // 2
        await redis.start()
        await link.wait_until_up()
        for engine in (one, other):  # what they ask for now may be allowed, as not both have told yet
            with suppress(QuotaError):
                await engine.acquire()
        assert await _acquire_all(one, other) == 0
        async with redis.client() as client:
            (calls,) = await client.keys("*:calls")
            assert await client.zcard(calls) >= 18


def _candidate(gif_id: str) -> Candidate:
    return Candidate(Gif(GifKey("giphy", gif_id), "T", "A", Rating.PG, "https://x/", 1, 2, "Powered by GIPHY"), ("t",))


async def test_words_in_gifs_are_shared(options: RedisOptions, redis: RedisServer, tmp_path: Path) -> None:
    """What one engine has read, the others have without reading, and keep on their own machines; another version of
    the OCR, damaged values and forgotten GIFs have none. Without Redis each has its own."""
    async with (
        RedisConnection(options) as link,
        Database(tmp_path / "a.sqlite") as here,
        Database(tmp_path / "b.sqlite") as there,
    ):
        parts = Parts(link)

        def texts(database: Database, version: str = "1") -> RedisRecognisedTextStore:
            near = SqliteRecognisedTextStore(database, version)
            return RedisRecognisedTextStore(near, link, parts.writer, version, 60.0)

        empty, hostile = GifKey("giphy", "e:*"), GifKey("giphy", "h")
        await texts(here).put(KEY, "ain't nobody")
        await texts(here).put(empty, "")
        for value in (b"\xff", b"[]", b'{"version":"1","text":5}', b'{"version":"1","text":"\\ud800"}', b"x" * 20_000):
            await link.call(lambda client, value=value: client.set(text_key(link.prefix, hostile), value))
            assert await texts(there).get_many([hostile]) == {}
        assert await texts(there, "2").get_many([KEY, empty]) == {}
        assert await texts(there).get_many([KEY, empty, hostile]) == {KEY: "ain't nobody", empty: ""}
        assert 0 < await link.call(lambda client: client.pttl(text_key(link.prefix, KEY))) <= 60_000
        stream = EventStream(link, SPACE, {}, ["giphy"])
        near = SqliteGifStore(there, "giphy", "", days=1, keep_urls=False)
        await RedisGifStore(near, link, parts.writer, parts.store, stream, [SPACE], days=1, keep_urls=False).forget(
            ["a"]
        )
        assert await texts(there).get_many([KEY]) == {}
        await redis.kill()
        assert await texts(there).get_many([KEY, empty]) == {empty: ""}

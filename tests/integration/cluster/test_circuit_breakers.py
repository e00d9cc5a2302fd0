"""One breaker for all engines with one key, over real redis-servers and a provider that is down."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deepgif.engine.cluster.circuit_breaker import RedisCircuitBreaker
from deepgif.engine.cluster.redis import RedisConnection
from deepgif.engine.errors import CircuitOpenError, ProviderError, QuotaError
from deepgif.engine.options import RedisOptions
from deepgif.engine.providers.circuit_breaker import MAX_FAILURES, LocalCircuitBreaker
from deepgif.engine.providers.giphy import GiphyApi
from deepgif.engine.providers.http import JsonApi
from deepgif.engine.providers.quota import LocalQuota
from deepgif.engine.store.database import Database
from tests.fakes.giphy_server import GiphyServer, fake
from tests.fakes.redis_servers import SERVER, RedisCluster, RedisServer
from tests.fakes.waiting import WITHIN_S, Clock, until

pytestmark = pytest.mark.skipif(not SERVER, reason="needs redis-server (Debian: apt-get install redis-server)")
DOWN = "429"  # an answer that is not asked for again by itself: one call, one failure
GIFS = [fake(number, "red") for number in range(3)]
NAME = "GIPHY:digest"
KEY = f"deepgif:b:{{{NAME.replace(':', '%3A')}}}:breaker"


@pytest.fixture
async def giphy() -> AsyncIterator[GiphyServer]:
    async with GiphyServer(GIFS) as started:
        yield started


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with RedisServer(tmp_path / "redis") as started:
        yield started


class Replica:
    """The calls of one engine to the provider."""

    def __init__(self, api: GiphyApi, breaker: RedisCircuitBreaker, link: RedisConnection) -> None:
        self._api = api
        self.breaker = breaker
        self.link = link

    async def ask(self) -> str:
        """How a call went: answered, failed, resting or budget."""
        try:
            await self._api.by_ids(dict.fromkeys([gif.id for gif in GIFS]))  # type: ignore[arg-type]
        except CircuitOpenError:
            return "resting"
        except QuotaError:
            return "budget"
        except ProviderError:
            return "failed"
        return "answered"


Open = Callable[..., Awaitable[list[Replica]]]


@pytest.fixture
async def replicas(giphy: GiphyServer, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens so many replicas with one key, each with its own link and data folder."""
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        numbers = iter(range(100))

        async def make(count: int, options: RedisOptions, calls: int = 0, name: str = NAME) -> list[Replica]:
            made = []
            for number in (next(numbers) for _ in range(count)):
                link = await stack.enter_async_context(RedisConnection(options))
                database = await stack.enter_async_context(Database(tmp_path / f"{number}.sqlite"))
                budget = LocalQuota(database, "GIPHY", giphy.key, calls)
                await budget.open()
                breaker = RedisCircuitBreaker(LocalCircuitBreaker("GIPHY"), link, name)
                api = JsonApi(session, "GIPHY", budget, breaker, timeout_s=WITHIN_S)
                made.append(Replica(GiphyApi(api, giphy.key, giphy.origin), breaker, link))
            return made

        yield make


def patient(url: str, cluster: bool = False) -> RedisOptions:
    """Patient enough for a slow machine."""
    return RedisOptions(url, cluster, timeout_s=WITHIN_S)


@asynccontextmanager
async def redis_of(kind: str, folder: Path) -> AsyncIterator[RedisOptions]:
    """One node, or a Cluster."""
    if kind == "cluster":
        async with RedisCluster(folder / "cluster") as cluster:
            yield patient(cluster.url, cluster=True)
    else:
        async with RedisServer(folder / "redis") as server:
            yield patient(server.url)


async def rest_is_over(link: RedisConnection, clock: Clock) -> None:
    """Lets the rest end now, in Redis and in the engines."""
    clock.ahead_s += 31.0
    await link.call(lambda client: client.hset(KEY, "until", 1))


async def ask_in_turn(some: list[Replica], rounds: int) -> Counter[str]:
    return Counter([await one.ask() for _ in range(rounds) for one in some])


@pytest.mark.parametrize("kind", ["one node", "cluster"])
async def test_all_stop_together(kind: str, giphy: GiphyServer, replicas: Open, tmp_path: Path) -> None:
    """As many calls reach a provider that is down from three replicas as from one, and then none."""
    async with redis_of(kind, tmp_path) as options:
        for count in (1, 3):
            some = await replicas(count, options)
            giphy.calls.clear()
            giphy.faults.extend([DOWN] * 100)
            went = await ask_in_turn(some, 20)
            assert went == {"failed": MAX_FAILURES, "resting": 20 * count - MAX_FAILURES}
            assert len(giphy.calls) == MAX_FAILURES
            await some[0].link.call(lambda client: client.delete(KEY))
            for one in some:
                await one.link.__aexit__(None, None, None)


@pytest.mark.parametrize("kind", ["one node", "cluster"])
async def test_one_tries_and_all_follow(
    kind: str, giphy: GiphyServer, replicas: Open, tmp_path: Path, clock: Clock
) -> None:
    """When the rest is over, one call of all that come at once is made. Failed, all rest again; answered, all ask."""
    async with redis_of(kind, tmp_path) as options:
        some = await replicas(3, options)
        giphy.faults.extend([DOWN] * MAX_FAILURES)
        await ask_in_turn(some, 5)
        for fault, then in (([DOWN], "failed"), ([], "answered")):
            await rest_is_over(some[0].link, clock)
            giphy.calls.clear()
            giphy.faults.extend(fault)
            giphy.api_gate.hold()
            asking = [asyncio.create_task(one.ask()) for one in some for _ in range(5)]
            await until(lambda asking=asking: sum(task.done() for task in asking) == 14)  # type: ignore[misc]
            giphy.api_gate.release()
            went = Counter(await asyncio.gather(*asking))
            assert went == {then: 1, "resting": 14}
            assert len(giphy.calls) == 1
            assert set(await ask_in_turn(some, 1)) == {"resting" if fault else "answered"}
        assert await some[0].link.call(lambda client: client.exists(KEY)) == 0


async def test_who_tries_and_leaves_or_dies(
    redis: RedisServer, giphy: GiphyServer, replicas: Open, clock: Clock
) -> None:
    """Another tries at once where the caller left, and after a while where the engine died; what a late call of the
    dead one says counts for nothing."""
    one, other = await replicas(2, patient(redis.url))
    giphy.faults.extend([DOWN] * MAX_FAILURES)
    await ask_in_turn([one, other], MAX_FAILURES)
    await rest_is_over(one.link, clock)
    giphy.faults.extend(["slow", "slow", DOWN])
    trying = asyncio.create_task(one.ask())
    await until(lambda: giphy.stalled)
    assert await other.ask() == "resting"
    trying.cancel()
    await asyncio.gather(trying, return_exceptions=True)

    dying = asyncio.create_task(other.ask())
    await until(lambda: len(giphy.stalled) == 1 and len(giphy.calls) == MAX_FAILURES + 2)
    assert await one.ask() == "resting"
    await rest_is_over(one.link, clock)  # what it may take is over
    assert await one.ask() == "failed"
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    assert await other.ask() == "resting"
    assert not giphy.faults


async def test_who_leaves_while_redis_is_asked(
    redis: RedisServer, giphy: GiphyServer, replicas: Open, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the one that is to try by then; another tries at once."""
    one, other = await replicas(2, patient(redis.url))
    giphy.faults.extend([DOWN] * MAX_FAILURES)
    await ask_in_turn([one, other], MAX_FAILURES)
    await rest_is_over(one.link, clock)
    redis.pause()
    begun, call = asyncio.Event(), one.link.call

    async def asked(use: Any, timeout_s: float | None = None) -> Any:
        begun.set()
        return await call(use, timeout_s)

    monkeypatch.setattr(one.link, "call", asked)
    leaving = asyncio.create_task(one.ask())
    await begun.wait()
    await asyncio.sleep(0.1)  # on a slow machine it leaves even earlier, after which the same must hold
    leaving.cancel()
    redis.resume()
    await asyncio.gather(leaving, return_exceptions=True)
    assert await other.ask() == "answered"


@pytest.mark.parametrize("error", [ProviderError("late"), None])
async def test_calls_from_before_it_opened(
    redis: RedisServer, giphy: GiphyServer, replicas: Open, error: Exception | None
) -> None:
    """Those under way when it opens neither close it nor make the rest longer."""
    one, other = await replicas(2, patient(redis.url))
    giphy.faults.extend([DOWN] * MAX_FAILURES)
    await other.ask()
    async with redis.client() as client:
        with suppress(ProviderError):
            async with one.breaker.guard():
                await ask_in_turn([other], MAX_FAILURES)
                before = await client.hgetall(KEY)
                if error is not None:
                    raise error
        assert await client.hgetall(KEY) == before
    assert await one.ask() == "resting"


async def test_only_failures_in_a_row(redis: RedisServer, giphy: GiphyServer, replicas: Open) -> None:
    """An answer that any replica gets begins the count anew; a used-up allowance and callers who leave neither count
    nor begin it anew."""
    options = patient(redis.url)
    one, other = await replicas(2, options)
    (poor,) = await replicas(1, options, calls=1)
    assert await poor.ask() == "answered"
    for failing, answered in ((one, other), (other, one)):
        giphy.faults.extend([DOWN] * (MAX_FAILURES - 1))
        assert set(await ask_in_turn([failing], MAX_FAILURES - 1)) == {"failed"}
        assert await answered.ask() == "answered"
    giphy.faults.extend([DOWN] * (MAX_FAILURES - 1))
    assert set(await ask_in_turn([one], MAX_FAILURES - 1)) == {"failed"}
    giphy.faults.extend(["slow"])
    leaving = asyncio.create_task(other.ask())
    await until(lambda: giphy.stalled)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert set(await ask_in_turn([poor], MAX_FAILURES)) == {"budget"}
    giphy.faults.extend([DOWN])
    assert await other.ask() == "failed"
    assert set(await ask_in_turn([one, other, poor], 1)) == {"resting"}


async def test_who_fails_alone_rests_alone(redis: RedisServer, giphy: GiphyServer, replicas: Open) -> None:
    """Where only one engine cannot reach the provider, the others go on."""
    one, other = await replicas(2, patient(redis.url))
    for _ in range(MAX_FAILURES):
        giphy.faults.append(DOWN)
        assert (await one.ask(), await other.ask()) == ("failed", "answered")
    assert (await one.ask(), await other.ask()) == ("resting", "answered")


async def test_another_key_is_not_concerned(redis: RedisServer, giphy: GiphyServer, replicas: Open) -> None:
    """A breaker is that of one provider and key; of the key only the digest is in Redis."""
    options = patient(redis.url)
    one, other = *await replicas(1, options), *await replicas(1, options, name="GIPHY:another")
    giphy.faults.extend([DOWN] * MAX_FAILURES)
    await ask_in_turn([one], MAX_FAILURES)
    assert (await one.ask(), await other.ask()) == ("resting", "answered")
    async with redis.client() as client:
        assert [key.decode() for key in await client.keys("*:breaker")] == [KEY]
        assert 0 < await client.pttl(KEY) <= 3_600_000


async def test_without_redis_each_has_its_own(giphy: GiphyServer, redis: RedisServer, replicas: Open) -> None:
    """While Redis hangs or is gone every replica goes on by its own count, and nothing but the provider fails; back and
    empty, all share again."""
    one, other = await replicas(2, RedisOptions(redis.url))
    redis.pause()
    assert set(await ask_in_turn([one, other], 2)) == {"answered"}
    await redis.kill()
    giphy.faults.extend([DOWN] * 100)
    giphy.calls.clear()
    assert await ask_in_turn([one, other], 20) == {"failed": 2 * MAX_FAILURES, "resting": 40 - 2 * MAX_FAILURES}
    assert len(giphy.calls) == 2 * MAX_FAILURES
    await redis.start()
    fresh = await replicas(2, patient(redis.url))
    giphy.calls.clear()
    await ask_in_turn(fresh, 20)
    assert len(giphy.calls) == MAX_FAILURES


@pytest.mark.parametrize("damage", ["text", "fields", "far future"])
async def test_what_is_damaged_costs_nothing(
    damage: str, redis: RedisServer, giphy: GiphyServer, replicas: Open
) -> None:
    """Whatever else stands there, or the clock of Redis was set back: calls go on."""
    (one,) = await replicas(1, patient(redis.url))
    async with redis.client() as client:
        if damage == "text":
            await client.set(KEY, json.dumps("something else"))
        else:
            ends = "never" if damage == "fields" else str(2**52)
            await client.hset(KEY, mapping={"until": ends, "failures": "many"})
        assert await one.ask() == "answered"
        assert await one.ask() == "answered"

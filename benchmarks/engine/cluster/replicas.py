"""``python -m benchmarks.engine.cluster.replicas once|get|calls|catch-up [GIFS ...]``: several engines with their own
redis-server.

``once``: embeddings per 1,000 queries with 1, 2, 4 and 8 replicas over a local server like GIPHY's. ``get``: 100
vectors of 384 dimensions from Redis compared with bare redis-py, on one node and in a Cluster. ``calls``: the overhead
of quota and circuit breaker before a call to a provider, local and shared. ``catch-up``: the time until a new replica
with an empty disk has indexed everything.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster as ClusterClient

from benchmarks.measure import machine
from deepgif.engine.cluster.circuit_breaker import RedisCircuitBreaker
from deepgif.engine.cluster.codec import write_row
from deepgif.engine.cluster.embeddings import RedisEmbeddingStore, pack
from deepgif.engine.cluster.quota import RedisQuota
from deepgif.engine.cluster.redis import RedisConnection
from deepgif.engine.cluster.write_behind import WriteBehindQueue
from deepgif.engine.engine import open_engine
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import DownloadRules, EngineOptions, ProviderOptions, ProvidersOptions, RedisOptions
from deepgif.engine.protocols import Vectors
from deepgif.engine.providers.circuit_breaker import CircuitBreaker, LocalCircuitBreaker
from deepgif.engine.providers.quota import LocalQuota, Quota
from deepgif.engine.store.database import Database
from deepgif.engine.types import Candidate, Gif, GifKey, Rating, SearchRequest
from tests.fakes.encoder import ColourEncoder
from tests.fakes.giphy_server import FakeGif, GiphyServer
from tests.fakes.media import animation
from tests.fakes.redis_servers import RedisCluster, RedisServer

QUERIES, POOL, REPLICAS = 1000, 1000, (1, 2, 4, 8)
DIMENSION = 384
ROUNDS = 200
SIZES = (100_000, 1_000_000)
AT_ONCE = 500


class WideEncoder(ColourEncoder):
    """The colour encoder, padded to ``DIMENSION``."""

    dimension = DIMENSION

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        return np.pad(super().encode_texts(texts), ((0, 0), (0, DIMENSION - 4)))


def options_from_settings(folder: Path, giphy: GiphyServer, redis: RedisOptions) -> EngineOptions:
    rules = DownloadRules(frozenset({"127.0.0.1"}), frozenset({"http"}), private=True)
    chosen = ProviderOptions("giphy", giphy.key, 0, url=giphy.origin)
    return EngineOptions(
        folder, folder, providers=ProvidersOptions((chosen,), 30.0, rules), min_confidence=2.0, redis=redis
    )


async def once(folder: Path) -> None:
    rng = random.Random(0)
    gifs = []
    for number in range(POOL):
        colour = f"#{rng.randrange(2**24):06x}"
        gifs.append(
            FakeGif(f"g{number}", f"Thing {number}", animation("GIF", [colour] * 2), animation("GIF", [colour]))
        )

    def order(words: str, some: Sequence[FakeGif]) -> list[FakeGif]:
        return random.Random(words).sample(list(some), 100)

    for count in REPLICAS:
        async with (
            RedisServer(folder / f"redis{count}") as redis,
            GiphyServer(gifs, order=order) as giphy,
            AsyncExitStack() as stack,
        ):
            encoder = ColourEncoder()
            engines = []
            for number in range(count):
                options = options_from_settings(folder / f"{count}-{number}", giphy, RedisOptions(redis.url))
                engines.append(await stack.enter_async_context(open_engine(options, Metrics(), lambda _, e=encoder: e)))
            started = time.perf_counter()
            queries = iter(range(QUERIES))

            async def ask(engines: list = engines, queries: object = queries) -> None:
                for number in queries:
                    await rng.choice(engines).search.search(SearchRequest(f"thing {number}", 10, deadline_s=30))

            await asyncio.gather(*(ask() for _ in range(8)))
            downloads, different = len(giphy.media), len(set(giphy.media))
            print(
                f"{count} replicas: {encoder.clips:,} embeddings, {downloads:,} downloads of {different:,} files, "
                f"for {QUERIES:,} queries in {time.perf_counter() - started:.0f} s",
                flush=True,
            )


async def get(folder: Path) -> None:
    keys = [GifKey("giphy", f"{number:018}") for number in range(100)]
    rows = np.random.default_rng(0).normal(size=(100, DIMENSION)).astype(np.float32)
    async with RedisServer(folder / "one") as one, RedisCluster(folder / "cluster") as cluster:
        for name, options, client in (
            ("one node", RedisOptions(one.url, timeout_s=5.0), Redis.from_url(one.url)),
            ("Cluster", RedisOptions(cluster.url, True, timeout_s=5.0), ClusterClient.from_url(cluster.url)),
        ):
            async with RedisConnection(options) as link, client:
                store = RedisEmbeddingStore(link, WriteBehindQueue(link), DIMENSION, 3600.0)
                await store.put_many("space", dict(zip(keys, rows, strict=True)))
                names = [store.name("space", key) for key in keys]
                bare = client.mget if isinstance(client, Redis) else client.mget_nonatomic
                ours_s, theirs_s = [], []
                for _ in range(ROUNDS):
                    started = time.perf_counter()
                    await store.get_many("space", keys)
                    between = time.perf_counter()
                    await bare(names)
                    ours_s.append(between - started)
                    theirs_s.append(time.perf_counter() - between)
                ours_ms, theirs_ms = 1000 * float(np.median(ours_s)), 1000 * float(np.median(theirs_s))
                print(
                    f"{name}: 100 vectors {ours_ms:.2f} ms, bare redis-py without parsing {theirs_ms:.2f} ms, "
                    f"ratio {ours_ms / theirs_ms:.2f}",
                    flush=True,
                )


async def calls(folder: Path) -> None:
    async with (
        RedisServer(folder / "one") as one,
        RedisCluster(folder / "cluster") as cluster,
        Database(folder / "calls.sqlite") as database,
    ):
        for name, options in (
            ("one node", RedisOptions(one.url, timeout_s=5.0)),
            ("Cluster", RedisOptions(cluster.url, True, timeout_s=5.0)),
        ):
            budgets = [LocalQuota(database, "GIPHY", f"{name} {way}", 10 * ROUNDS) for way in range(3)]
            for budget in budgets:
                await budget.open()
            breaker, near = LocalCircuitBreaker("GIPHY"), LocalCircuitBreaker("GIPHY")
            async with RedisConnection(options) as link:
                ways: list[tuple[CircuitBreaker, Quota]] = [
                    (breaker, budgets[0]),
                    (breaker, RedisQuota(budgets[1], link)),
                    (RedisCircuitBreaker(near, link, budgets[2].name), RedisQuota(budgets[2], link)),
                ]
                took_s: list[list[float]] = [[] for _ in ways]
                for _ in range(ROUNDS):
                    for times, (within, taken) in zip(took_s, ways, strict=True):
                        started = time.perf_counter()
                        async with within.guard():
                            await taken.acquire()
                        times.append(time.perf_counter() - started)
                alone_ms, counted_ms, shared_ms = (1000 * float(np.median(times)) for times in took_s)
                print(
                    f"{name}: before a call {alone_ms:.2f} ms local, {counted_ms:.2f} ms with a shared quota, "
                    f"{shared_ms:.2f} ms with a shared circuit breaker too, ratio {shared_ms / counted_ms:.2f}",
                    flush=True,
                )


async def fill(redis: RedisServer, space: str, size: int) -> None:
    """Writes what other replicas would have shared: each GIF's metadata, and the vectors of its still and its text."""
    rng = np.random.default_rng(0)
    async with redis.client() as client, RedisConnection(RedisOptions(redis.url, timeout_s=30.0)) as link:
        store = RedisEmbeddingStore(link, WriteBehindQueue(link), DIMENSION, 3600.0)
        for start in range(0, size, AT_ONCE):
            pipe = client.pipeline(transaction=False)
            for number in range(start, min(size, start + AT_ONCE)):
                key = GifKey("giphy", f"{number:018}")
                title = f"A thing that does something {number}"
                gif = Gif(key, title, f"{title}, described at length", Rating.G, "", 200, 200)
                row = write_row(Candidate(gif, ("thing", "something")), time.time() + 86400, keep_url=False)
                pipe.set(f"deepgif:g:giphy:{key.id}", row)
                for view in ("still", "text"):
                    vector = pack(rng.standard_normal(DIMENSION, dtype=np.float32))
                    pipe.set(store.name(f"{space}:{view}", key), vector)
            await pipe.execute()


async def catch_up(folder: Path, sizes: Sequence[int]) -> None:
    for size in sizes:
        async with RedisServer(folder / f"redis{size}") as redis, GiphyServer([]) as giphy:
            encoder = WideEncoder()
            await fill(redis, f"{encoder.space}/{encoder.sampling}", size)
            async with redis.client() as client:
                used = int((await client.info("memory"))["used_memory"])
            options = options_from_settings(folder / f"new{size}", giphy, RedisOptions(redis.url))
            started = time.perf_counter()
            async with open_engine(options, Metrics(), lambda _, e=encoder: e) as engine:
                took = time.perf_counter() - started
                known = len(engine.search.collection.pictures)
                assert known == len(engine.search.collection.texts) == size, (known, size)
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"{size:,} GIFs: {took:.1f} s until ready, {size / took:,.0f} per second; Redis uses "
                    f"{used / size:,.0f} bytes per GIF, the replica's peak memory is {peak:,.0f} MiB",
                    flush=True,
                )


def main() -> None:
    parts: dict[str, Callable[[Path], object]] = {
        "once": once,
        "get": get,
        "calls": calls,
        "catch-up": lambda folder: catch_up(folder, [int(text) for text in sys.argv[2:]] or SIZES),
    }
    chosen = parts.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if chosen is None:
        sys.exit(__doc__)
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(chosen(Path(folder)))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()

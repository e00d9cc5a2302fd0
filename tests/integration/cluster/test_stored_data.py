"""What engines of DeepGIF 0.1 left in Redis: a new engine finds all of it, and embeds nothing again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from deepgif.engine.cluster.circuit_breaker import RedisCircuitBreaker
from deepgif.engine.cluster.embeddings import RedisEmbeddingStore
from deepgif.engine.cluster.leases import RedisLeases
from deepgif.engine.cluster.redis import RedisConnection
from deepgif.engine.cluster.results import RedisResultCache
from deepgif.engine.cluster.write_behind import WriteBehindQueue
from deepgif.engine.engine import Engine, open_engine
from deepgif.engine.errors import MediaError, ProviderError
from deepgif.engine.metrics import Metrics
from deepgif.engine.options import EngineOptions, ProviderOptions, ProvidersOptions, RedisOptions
from deepgif.engine.protocols import Vector
from deepgif.engine.providers.circuit_breaker import MAX_FAILURES, LocalCircuitBreaker
from deepgif.engine.types import GifKey, Rating
from tests.fakes.encoder import ColourEncoder, WideEncoder
from tests.fakes.redis_servers import SERVER, RedisServer
from tests.fakes.stored import restore_redis, rows
from tests.fakes.waiting import WITHIN_S

pytestmark = pytest.mark.skipif(not SERVER, reason="needs redis-server (Debian: apt-get install redis-server)")
SPACE = f"{ColourEncoder.space}/{ColourEncoder.sampling}"
CENTURY_DAYS = 36500.0


@pytest.fixture
async def options(tmp_path: Path) -> AsyncIterator[RedisOptions]:
    """A Redis as engines of 0.1 left it."""
    async with RedisServer(tmp_path / "redis") as server:
        async with server.client() as client:
            await restore_redis(client)
        yield RedisOptions(server.url, timeout_s=WITHIN_S)


def engine_options(data_dir: Path, redis: RedisOptions) -> EngineOptions:
    """Providers are nowhere, and the folder is empty."""
    folder = data_dir / "gifs"
    folder.mkdir(parents=True)
    providers = tuple(
        ProviderOptions(name, "the-key", 100, keep_urls=name == "klipy", url="http://127.0.0.1:9")
        for name in ("giphy", "klipy")
    )
    return EngineOptions(data_dir, data_dir, folder, providers=ProvidersOptions(providers, CENTURY_DAYS), redis=redis)


async def check(engine: Engine, encoder: ColourEncoder) -> None:
    """Everything is in the indexes, with its vectors and texts, and nothing was embedded."""
    space = f"{encoder.space}/{encoder.sampling}"
    for index, some in ((engine.search.collection.pictures, space), (engine.search.collection.texts, f"{space}:text")):
        query = f"SELECT provider, id, vector FROM embeddings WHERE space='{some}' AND provider<>'folder'"
        stored = {(provider, gif_id): np.frombuffer(vector, "<f2") for provider, gif_id, vector in rows(query)}
        held = index.vectors([GifKey(*key) for key in stored])
        assert len(held) == len(index) == 6 - (encoder.dimension == 4)
        for key, vector in held.items():
            np.testing.assert_allclose(vector, stored[key], atol=2e-3)
    assert (encoder.clips, encoder.texts) == (0, 0)
    for provider in engine.ingestion.providers:
        kept = await provider.stored(["gif000", "gif010", "gif020", "gif030"])
        assert len(kept) == 4
        assert (kept["gif010"].gif.title, kept["gif010"].tags) == ("Thing 10", ("tag one", "größe"))
        assert kept["gif010"].gif.rating is (Rating.G if provider.name == "giphy" else Rating.R)
        assert kept["gif010"].gif.url.startswith("https://media.example.org/") is (provider.name == "klipy")


@pytest.mark.parametrize("make", [ColourEncoder, WideEncoder])
async def test_new_engines_know_what_old_ones_did(
    options: RedisOptions, tmp_path: Path, make: type[ColourEncoder]
) -> None:
    """Several that open at once, over empty data folders."""
    encoders = [make() for _ in range(3)]
    async with AsyncExitStack() as stack:

        async def start(number: int) -> Engine:
            opening = open_engine(
                engine_options(tmp_path / str(number), options), Metrics(), lambda _: encoders[number]
            )
            return await stack.enter_async_context(opening)

        engines = [await start(0), *await asyncio.gather(start(1), start(2))]
        for engine, encoder in zip(engines, encoders, strict=True):
            await check(engine, encoder)
        giphy, klipy = engines[0].ingestion.providers
        assert (giphy.quota.used(), klipy.quota.used()) == (0, 0)  # Redis was not asked yet
        for provider, used in ((giphy, 5), (klipy, 4)):
            await provider.quota.acquire()
            assert provider.quota.used() == used + 1


async def never(keys: Sequence[GifKey]) -> dict[GifKey, Vector]:
    raise AssertionError(f"{keys} would be embedded again")


async def test_leases_and_vectors(options: RedisOptions) -> None:
    """Vectors of local files are there too, and what could not be decoded a moment ago is not tried again."""
    async with RedisConnection(options) as link:
        writer = WriteBehindQueue(link)
        store = RedisEmbeddingStore(link, writer, ColourEncoder.dimension, 60.0)
        leases = RedisLeases(link, writer, store, ColourEncoder.dimension)
        stored = rows(f"SELECT provider, id, vector FROM embeddings WHERE space='{SPACE}'")
        found = await leases.vectors(SPACE, [GifKey(*row[:2]) for row in stored], never)
        assert len(found) == len(stored) == 8
        for provider, gif_id, vector in stored:
            np.testing.assert_allclose(found[GifKey(provider, gif_id)], np.frombuffer(vector, "<f2"), atol=2e-3)
        with pytest.raises(MediaError):
            await leases.vectors(SPACE, [GifKey("giphy", "gif020")], never)
        await leases.close()


async def test_recent_results(options: RedisOptions) -> None:
    """They are used until they expire."""
    async with RedisConnection(options) as link:
        cache = RedisResultCache(link, WriteBehindQueue(link), SPACE, {"klipy": "Powered by KLIPY"})
        ranking = await cache.get("red\nr\n\n")
        assert ranking is not None
        assert {key for key, gif in ranking.gifs.items() if gif.url} == {GifKey("klipy", f"gif0{n}0") for n in range(4)}
        assert len(ranking.scored) == 5


async def test_the_circuit_breaker(options: RedisOptions) -> None:
    """A failure that old engines counted counts."""
    async with RedisConnection(options) as link:
        key = next(iter(await link.call(lambda client: client.keys("*:breaker")))).decode()
        name = key.partition("{")[2].partition("}")[0].replace("%3A", ":")
        some = [RedisCircuitBreaker(LocalCircuitBreaker("GIPHY"), link, name) for _ in range(MAX_FAILURES)]
        for breaker in some[1:]:
            with pytest.raises(ProviderError, match="down"):
                async with breaker.guard():
                    raise ProviderError("down")
        with pytest.raises(ProviderError, match="several times in a row"):
            async with some[0].guard():
                raise AssertionError("it would be called")

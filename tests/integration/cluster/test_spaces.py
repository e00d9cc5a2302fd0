"""Deleting the vectors of a model that several engines shared, over real redis-servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgif.engine.admin.info import describe_engine
from deepgif.engine.admin.stored_models import DeletedVectors, delete_model_vectors, stored_models
from deepgif.engine.cluster.embeddings import RedisEmbeddingStore
from deepgif.engine.cluster.events import EventStream
from deepgif.engine.cluster.redis import RedisConnection
from deepgif.engine.cluster.spaces import spaces_in_redis
from deepgif.engine.cluster.write_behind import WriteBehindQueue
from deepgif.engine.errors import InvalidRequestError, NotFoundError, StoreError
from deepgif.engine.options import EngineOptions, RedisOptions
from deepgif.engine.store.database import FILE, Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.types import GifKey
from deepgif.models.bundles.load import BUNDLED
from tests.fakes.process import deepgif
from tests.fakes.redis_servers import SERVER, RedisCluster, RedisServer
from tests.fakes.waiting import WITHIN_S

pytestmark = pytest.mark.skipif(not SERVER, reason="needs redis-server (Debian: apt-get install redis-server)")
OLD, OTHER, NEW = "old@11111111/2x8", "old@11111111/4x8", "new@22222222/2x8"
VECTOR = np.array([0.6, 0.8], np.float32)
MANY = 2300


@pytest.fixture
def in_use(tmp_path: Path) -> Path:
    """A bundle, as far as it says what it is."""
    facts = {"name": "new", "licence": "MIT", "sampling": {"count": 2, "size": 8}}
    folder = tmp_path / "new"
    folder.mkdir()
    (folder / "bundle.json").write_text(json.dumps({**facts, "sha256": {"model.safetensors": "2" * 64}}))
    return folder


@pytest.fixture(params=["one node", "cluster"])
async def options(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RedisOptions]:
    """One node, or a Cluster of three masters."""
    async with AsyncExitStack() as stack:
        if request.param == "cluster":
            cluster = await stack.enter_async_context(RedisCluster(tmp_path / "cluster"))
            yield RedisOptions(cluster.url, cluster=True, timeout_s=WITHIN_S)
        else:
            redis = await stack.enter_async_context(RedisServer(tmp_path / "redis"))
            yield RedisOptions(redis.url, timeout_s=WITHIN_S)


async def put(link: RedisConnection, space: str, provider: str, count: int) -> None:
    """So many vectors, as engines put them."""
    store = RedisEmbeddingStore(link, WriteBehindQueue(link), 2, 3600.0)
    await store.put_many(space, {GifKey(provider, f"gif:{number}"): VECTOR for number in range(count)})


async def names(link: RedisConnection, pattern: str) -> set[str]:
    return {name async for name in link.scan(pattern, 1000)}


async def test_all_vectors_of_a_model(options: RedisOptions, tmp_path: Path, in_use: Path) -> None:
    """In every view and of every provider, in steps of a thousand, with its stream; nothing of other models, of other
    deployments, or of anything else is touched. Done again, there is nothing left."""
    async with RedisConnection(options) as link, Database(tmp_path / FILE) as database:
        await put(link, f"{OLD}:still", "giphy", MANY)
        await put(link, OLD, "klipy", 20)
        await put(link, f"{OLD}:text", "giphy", 30)
        for space in (OTHER, f"{NEW}:still", "old@11111111x/2x8", "older@11111111/2x8"):
            await put(link, space, "giphy", 5)
        for space in (OLD, NEW):
            writes = EventStream(link, space, {space: "clip"}, ["giphy"]).added(space, [GifKey("giphy", "a")])
            await WriteBehindQueue(link).write(writes)
        elsewhere = f"deepgif2:v:{'old@11111111/2x8'}:giphy:a"
        await link.call(lambda client: client.set(elsewhere, b"x"))
        await SqliteEmbeddingStore(database, 2).put_many(OLD, {GifKey("giphy", str(n)): VECTOR for n in range(7)})
        before = await names(link, "*")

        told: list[int] = []
        done = await delete_model_vectors(tmp_path, OLD, in_use, options, told.append)
        assert done == DeletedVectors((OLD,), 7, MANY + 50)
        assert max(np.diff([0, *told])) <= 1000
        assert told[-1] == MANY + 57
        gone = before - await names(link, "*")
        assert len(gone) == MANY + 50 + 1  # and the stream
        assert all(name.startswith(("deepgif:v:old@11111111/2x8", "deepgif:s:old@11111111/2x8")) for name in gone)
        assert await spaces_in_redis(options) == [
            f"{NEW}:still", OTHER, "old@11111111x/2x8", "older@11111111/2x8"
        ]  # fmt: skip
        assert await stored_models(database) == {}

        assert await delete_model_vectors(tmp_path, "old@11111111", in_use, options) == DeletedVectors((OTHER,), 0, 5)
        with pytest.raises(NotFoundError):
            await delete_model_vectors(tmp_path, OLD, in_use, options)
        with pytest.raises(InvalidRequestError, match="is the model in use"):
            await delete_model_vectors(tmp_path, NEW, in_use, options)
        assert len(await names(link, f"deepgif:v:{NEW}*")) == 5


async def test_redis_is_away(tmp_path: Path, in_use: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the start or in the middle: one sentence, nothing is deleted on this machine, and the same command goes on
    when it is back."""
    monkeypatch.setattr("deepgif.engine.cluster.spaces.PATIENT_S", 0.5)
    monkeypatch.setattr("deepgif.engine.cluster.redis.SCAN_S", 0.5)
    async with RedisServer(tmp_path / "redis") as redis, Database(tmp_path / FILE) as database:
        options = RedisOptions(redis.url)
        await SqliteEmbeddingStore(database, 2).put_many(OLD, {GifKey("giphy", "a"): VECTOR})
        async with RedisConnection(options) as link:
            await put(link, OLD, "giphy", MANY)
        redis.pause()
        try:
            with pytest.raises(StoreError, match=r" 0 embeddings were deleted there, and none on this machine"):
                await delete_model_vectors(tmp_path, OLD, in_use, options)
        finally:
            redis.resume()

        def pause(dropped: int) -> None:
            redis.pause()

        try:
            with pytest.raises(StoreError, match=r" 1,\d\d\d embeddings were deleted there, and none on this machine"):
                await delete_model_vectors(tmp_path, OLD, in_use, options, pause)
        finally:
            redis.resume()
        assert await stored_models(database) == {OLD: 1}
        monkeypatch.undo()
        done = await delete_model_vectors(tmp_path, OLD, in_use, options)
        assert (done.local, 0 < done.shared < MANY) == (1, True)


async def test_on_the_command_line(tmp_path: Path) -> None:
    """What is in Redis is listed and deleted, even if this machine has nothing; one sentence says that Redis is
    down."""
    async with RedisServer(tmp_path / "redis", password="s3cret") as redis:
        settings = {"redis_url": redis.url}
        async with RedisConnection(RedisOptions(redis.url)) as link:
            await put(link, f"{OLD}:still", "giphy", 3)
        status, out, err = await deepgif("info", "--json", data_dir=tmp_path, **settings)
        assert status == 0, err
        facts = json.loads(out)
        assert (facts["redis"], facts["models_in_redis"]) == ("up", OLD)
        status, out, err = await deepgif("models", "delete", OLD, data_dir=tmp_path, **settings)
        assert (status, out) == (0, f"Deleted 0 embeddings of {OLD} on this machine and 3 in Redis.\n"), err
    away = ("info", "--json"), ("models", "delete", OLD)
    info, forget = await asyncio.gather(*(deepgif(*some, data_dir=tmp_path, **settings) for some in away))
    assert (info[0], json.loads(info[1])["redis"]) == (0, "down"), info[2]
    status, out, err = forget
    assert (status, out) == (1, "")
    assert "Redis is down or rejects commands. 0 embeddings were deleted there" in " ".join(err.split())
    assert "Traceback" not in err
    assert "s3cret" not in err


async def test_facts_where_redis_cannot_be_used(tmp_path: Path) -> None:
    """What is wrong is a fact among the others."""
    options = EngineOptions(BUNDLED / "small", tmp_path, redis=RedisOptions("http://127.0.0.1"))
    facts = await describe_engine(options)
    assert "DEEPGIF_REDIS_URL is invalid" in facts["redis"]
    assert "redis" not in await describe_engine(replace(options, redis=None))

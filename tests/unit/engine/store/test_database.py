"""What is kept on disk: vectors come back, damage counts as missing, foreign files are refused."""

import asyncio
import sqlite3

import numpy as np
import pytest

from deepgif.engine.errors import StoreError
from deepgif.engine.store.database import CHUNK, SCAN_CHUNK, Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore, embedding_space
from deepgif.engine.types import GifKey
from tests.fakes.encoder import ColourEncoder
from tests.fakes.waiting import WITHIN_S

SPACE = "m@1/4x224"


def unit(count, dimension=4, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
async def database(tmp_path):
    async with Database(tmp_path / "below" / "d.sqlite") as opened:
        yield opened


async def test_vectors_come_back(database):
    """As they were, within half precision, of unit length, and only those asked for."""
    store = SqliteEmbeddingStore(database, 4)
    vectors = dict(zip([GifKey("p", str(i)) for i in range(CHUNK + 10)], unit(CHUNK + 10), strict=True))
    await store.put_many(SPACE, vectors)
    found = await store.get_many(SPACE, [*vectors, GifKey("p", "none"), GifKey("q", "0")])
    assert found.keys() == vectors.keys()
    for key, vector in vectors.items():
        np.testing.assert_allclose(found[key], vector, atol=2e-3)
        assert np.linalg.norm(found[key]) == pytest.approx(1, abs=1e-6)
    assert await store.get_many(SPACE, []) == {}


async def test_what_a_vector_means_is_part_of_its_key(database):
    """Another model, sampling or provider finds nothing of it; the same key again replaces it."""
    store = SqliteEmbeddingStore(database, 4)
    key = GifKey("p", "1")
    await store.put_many(SPACE, {key: unit(1)[0]})
    assert await store.get_many("m@2/4x224", [key]) == {}
    await store.put_many(SPACE, {key: unit(1, seed=1)[0]})
    np.testing.assert_allclose((await store.get_many(SPACE, [key]))[key], unit(1, seed=1)[0], atol=2e-3)
    assert embedding_space(ColourEncoder()) == "colours@1/2x8"


async def test_scanning(database):
    """All vectors of one provider, each once, in bounded chunks."""
    store = SqliteEmbeddingStore(database, 4)
    keys = [GifKey("p", f"{i:05}") for i in range(SCAN_CHUNK + 5)]
    await store.put_many(SPACE, dict(zip(keys, unit(len(keys)), strict=True)))
    await store.put_many(SPACE, {GifKey("q", "x"): unit(1)[0]})
    chunks = [chunk async for chunk in store.scan(SPACE, "p")]
    assert [key for part, _ in chunks for key in part] == keys
    assert [len(vectors) for _, vectors in chunks] == [SCAN_CHUNK, 5]


@pytest.mark.parametrize(
    "blob", [b"", b"12345", np.full(4, np.nan, "<f2").tobytes(), np.zeros(4, "<f2").tobytes(), "text"]
)
async def test_damaged_vectors_count_as_missing(database, blob):
    """A vector of the wrong length, without a length or not a number is as if it were not there."""
    store = SqliteEmbeddingStore(database, 4)
    await database.write("INSERT INTO embeddings VALUES (?,?,?,?)", [(SPACE, "p", "1", blob)])
    assert await store.get_many(SPACE, [GifKey("p", "1")]) == {}
    assert [chunk async for chunk in store.scan(SPACE, "p")] == []


async def test_a_failed_write_changes_nothing(database):
    """All or nothing, and one sentence."""
    rows = [(SPACE, "p", "1", b"12345678"), (SPACE, "p", "2", None)]
    with pytest.raises(StoreError, match="cannot be written"):
        await database.write("INSERT INTO embeddings VALUES (?,?,?,?)", rows)
    assert await database.read("SELECT * FROM embeddings") == []


@pytest.mark.parametrize("failing_first", [True, False])
async def test_a_failed_write_leaves_its_neighbours_alone(database, failing_first):
    """What was reported as stored is there, also where another task's write failed at the same moment."""
    store, key = SqliteEmbeddingStore(database, 4), GifKey("p", "1")
    bad = database.write("INSERT INTO embeddings VALUES (?,?,?,?)", [(SPACE, "p", "2", None)])
    both = [bad, store.put_many(SPACE, {key: unit(1)[0]})]
    results = await asyncio.gather(*(both if failing_first else both[::-1]), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["NoneType", "StoreError"]
    assert list(await store.get_many(SPACE, [key])) == [key]


async def test_a_cancelled_write_blocks_nobody(database):
    """It is finished in its own time: whole, and without keeping other processes out."""
    keys = [GifKey("p", str(i)) for i in range(5000)]
    task = asyncio.create_task(
        SqliteEmbeddingStore(database, 4).put_many(SPACE, dict(zip(keys, unit(len(keys)), strict=True)))
    )
    for _ in range(3):  # until the statement runs
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(WITHIN_S), Database(database.path) as other:
        await SqliteEmbeddingStore(other, 4).put_many(SPACE, {GifKey("q", "1"): unit(1)[0]})
        assert await SqliteEmbeddingStore(other, 4).count(SPACE, "p") == len(keys)


async def test_closing_waits_for_the_write_under_way(tmp_path):
    """A database that is closed while it writes has written."""
    async with Database(tmp_path / "d.sqlite") as database:
        task = asyncio.create_task(SqliteEmbeddingStore(database, 4).put_many(SPACE, {GifKey("p", "1"): unit(1)[0]}))
        for _ in range(3):
            await asyncio.sleep(0)
    await task
    async with Database(tmp_path / "d.sqlite") as again:
        assert await SqliteEmbeddingStore(again, 4).count(SPACE, "p") == 1


async def test_counting(database):
    """By space and provider."""
    store = SqliteEmbeddingStore(database, 4)
    keys = [GifKey(provider, str(i)) for provider, count in (("p", 5), ("q", 1200)) for i in range(count)]
    await store.put_many(SPACE, dict.fromkeys(keys, unit(1)[0]))
    assert (await store.count(SPACE, "p"), await store.count(SPACE, "q")) == (5, 1200)
    assert len(await store.get_many(SPACE, keys)) == 1205
    assert await store.count("none", "p") == 0


async def test_damage_in_the_middle(tmp_path):
    """Pages that were overwritten are noticed when they are read: one sentence with a way out."""
    path = tmp_path / "d.sqlite"
    async with Database(path) as database:
        keys = [GifKey("p", f"{i:05}") for i in range(5000)]
        await SqliteEmbeddingStore(database, 4).put_many(SPACE, dict.fromkeys(keys, unit(1)[0]))
    whole = path.read_bytes()
    path.write_bytes(whole[: 4096 * 3] + b"\xff" * 4096 * 20 + whole[4096 * 23 :])
    async with Database(path) as database:
        with pytest.raises(StoreError, match=r"d\.sqlite cannot be read .*Move it away"):
            assert [chunk async for chunk in SqliteEmbeddingStore(database, 4).scan(SPACE, "p")]


async def test_it_outlives_the_process(tmp_path):
    """What was put is there when the file is opened again, also beside another process."""
    path = tmp_path / "d.sqlite"
    async with Database(path) as one, Database(path) as other:
        await SqliteEmbeddingStore(one, 4).put_many(SPACE, {GifKey("p", "1"): unit(1)[0]})
        assert len(await SqliteEmbeddingStore(other, 4).get_many(SPACE, [GifKey("p", "1")])) == 1
    async with Database(path) as again:
        assert await again.read("PRAGMA synchronous") == [(2,)]  # FULL
        assert len(await SqliteEmbeddingStore(again, 4).get_many(SPACE, [GifKey("p", "1")])) == 1


async def test_files_that_cannot_be_used(tmp_path):
    """Something else than a database, a newer one, or a place that cannot be written: one sentence with a way out."""
    path = tmp_path / "d.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError, match=r"d\.sqlite cannot be used.*Move it away"):
        async with Database(path):
            pass
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError, match="newer DeepGIF"):
        async with Database(path):
            pass
    with pytest.raises(StoreError, match="cannot be used"):
        async with Database(path / "below" / "d.sqlite"):
            pass

"""What is kept of a provider's GIFs, and for how long."""

import numpy as np
import pytest

from deepgif.engine.providers.gif_store import DAY_S, SqliteGifStore
from deepgif.engine.store.database import Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.types import Candidate, Gif, GifKey, Rating


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
async def database(tmp_path):
    async with Database(tmp_path / "d.sqlite") as opened:
        yield opened


def remembered(database, clock, *, keep_urls=False):
    return SqliteGifStore(database, "giphy", "Powered by GIPHY", days=2, keep_urls=keep_urls, clock=clock)


def candidate(gif_id, title="T", url="https://media.giphy.com/x.gif"):
    gif = Gif(GifKey("giphy", gif_id), title, "A", Rating.PG, url, 10, 20, "Powered by GIPHY")
    return Candidate(gif, ("one", "two"))


@pytest.mark.parametrize("keep_urls", [False, True])
async def test_there_and_back(database, keep_urls):
    """Texts, rating and size come back; the address only where it may be kept; the newest text wins."""
    kept = remembered(database, Clock(), keep_urls=keep_urls)
    await kept.put([candidate("a", "old"), candidate("b")])
    await kept.put([candidate("a", "new")])
    found = await kept.get(["a", "b", "c"])
    assert set(found) == {"a", "b"}
    expected = candidate("a", "new", "https://media.giphy.com/x.gif" if keep_urls else "")
    assert found["a"] == expected
    assert await kept.count() == 2
    assert [[one.gif.key.id for one in some] async for some in kept.scan()] == [["a", "b"]]


async def test_an_approval_that_was_taken_back(database):
    """Addresses that were kept earlier are not used any more."""
    await remembered(database, Clock(), keep_urls=True).put([candidate("a")])
    assert (await remembered(database, Clock()).get(["a"]))["a"].gif.url == ""


async def test_after_its_days_it_goes_with_its_vectors(database):
    """What was seen again stays; what was not is not found, and is removed with all its vectors."""
    clock = Clock()
    kept, store = remembered(database, clock), SqliteEmbeddingStore(database, 2)
    keys = [GifKey("giphy", "a"), GifKey("giphy", "b")]
    for space in ("s", "s:text"):
        await store.put_many(space, {key: np.array([1, 0], np.float32) for key in keys})
    await kept.put([candidate("a"), candidate("b")])
    clock.now += DAY_S
    await kept.put([candidate("b")])
    clock.now += DAY_S
    assert set(await kept.get(["a", "b"])) == {"b"}
    assert await kept.count() == 1
    assert await kept.forget_expired() == [keys[0]]
    assert set(await store.get_many("s", keys)) == set(await store.get_many("s:text", keys)) == {keys[1]}
    assert await kept.forget_expired() == []

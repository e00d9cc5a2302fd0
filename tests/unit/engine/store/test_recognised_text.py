"""What was read in GIFs outlives the process, until another OCR reads, or the GIF is forgotten."""

from deepgif.engine.providers.gif_store import SqliteGifStore
from deepgif.engine.store.database import CHUNK, Database
from deepgif.engine.store.recognised_text import SqliteRecognisedTextStore
from deepgif.engine.types import GifKey

ONE, OTHER = GifKey("giphy", "a"), GifKey("folder", "a")


async def test_what_was_read_is_kept(tmp_path):
    """No words are kept too: they are not looked for again."""
    for _ in range(2):
        async with Database(tmp_path / "d.sqlite") as database:
            store = SqliteRecognisedTextStore(database, "1")
            await store.put(ONE, "first")
            await store.put(ONE, "ain't nobody got time for that")
            await store.put(OTHER, "")
            many = [GifKey("giphy", str(number)) for number in range(2 * CHUNK)]
            assert await store.get_many([*many, ONE, OTHER]) == {ONE: "ain't nobody got time for that", OTHER: ""}
            assert await store.get_many([]) == {}


async def test_another_version_reads_again(tmp_path):
    async with Database(tmp_path / "d.sqlite") as database:
        await SqliteRecognisedTextStore(database, "1").put(ONE, "he11o")
        newer = SqliteRecognisedTextStore(database, "2")
        assert await newer.get_many([ONE]) == {}
        await newer.put(ONE, "hello")
        assert await newer.get_many([ONE]) == {ONE: "hello"}
        assert await SqliteRecognisedTextStore(database, "1").get_many([ONE]) == {}


async def test_words_go_with_their_gif(tmp_path):
    async with Database(tmp_path / "d.sqlite") as database:
        store = SqliteRecognisedTextStore(database, "1")
        for key in (ONE, OTHER, GifKey("giphy", "b")):
            await store.put(key, "words")
        await SqliteGifStore(database, "giphy", "", days=1, keep_urls=False).forget(["a"])
        assert set(await store.get_many([ONE, OTHER, GifKey("giphy", "b")])) == {OTHER, GifKey("giphy", "b")}

"""Each GIF is read once, in the background, and its words are indexed."""

import asyncio
import threading

import numpy as np
import pytest

from deepgif.engine.errors import MediaError, ModelError
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.ingest import recognition as module
from deepgif.engine.ingest.pipeline import EmbeddingPipeline, View
from deepgif.engine.ingest.recognition import TextRecognition
from deepgif.engine.options import MediaLimits
from deepgif.engine.providers.folder import FolderCatalogue
from deepgif.engine.store.database import Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.store.recognised_text import SqliteRecognisedTextStore
from deepgif.engine.types import GifKey, Rating
from tests.fakes.encoder import ColourEncoder
from tests.fakes.media import animation

KEY = GifKey("giphy", "a")


class Reader:
    """Reads bytes as text, each time counted; ``held`` keeps it from ending."""

    def __init__(self):
        self.loads = 0
        self.reads = []
        self.threads = set()
        self.held = threading.Event()
        self.held.set()

    def load(self):
        self.loads += 1
        return self.read

    def read(self, data):
        self.threads.add(threading.current_thread().name)
        self.reads.append(data)
        assert self.held.wait(30)
        if data == b"damaged":
            raise MediaError("damaged")
        return data.decode()


def fetch(data):
    async def give():
        return data

    return give


async def indexed(recognition, key):
    """The indexed vector of a GIF's words by its key; the words themselves are indexed if the vector is."""
    vectors = await recognition._pipeline.indexed(View.CAPTION, [key])
    assert recognition._pipeline._lexical.texts([key]).keys() == vectors.keys()
    return vectors


@pytest.fixture
async def database(tmp_path):
    async with Database(tmp_path / "d.sqlite") as opened:
        yield opened


@pytest.fixture
async def start(database):
    """Opens recognitions over one database, each like a process of its own."""
    opened = []

    def make(reader):
        store, indexes = SqliteEmbeddingStore(database, 4), (*(ExactIndex(4) for _ in range(3)), LexicalIndex())
        pipeline = EmbeddingPipeline(ColourEncoder(), "s", store, *indexes, decoder=None, images=None)
        made = TextRecognition(reader.load, SqliteRecognisedTextStore(database, "1"), pipeline)
        opened.append(made)
        return made

    yield make
    for one in opened:
        await one.close()


async def test_a_gif_is_read_once(start):
    """Whoever asks shares the work; a later process finds by what was read."""
    reader = Reader()
    recognition = start(reader)
    tasks = {recognition.start(KEY, Rating.G, fetch(b"red")) for _ in range(3)}
    (task,) = tasks
    caption = await task
    assert caption.text == "red"
    np.testing.assert_allclose(caption.vector, ColourEncoder().encode_texts(["red"])[0], atol=1e-3)
    assert (await recognition.start(KEY, Rating.G, fetch(b"other"))).text == "red"
    assert await recognition.texts_of([KEY, GifKey("giphy", "b")]) == {KEY: "red"}
    later = start(reader)
    assert await indexed(later, KEY) == {}
    await later.load({KEY: Rating.G})
    assert set(await indexed(later, KEY)) == {KEY}
    assert (reader.reads, reader.loads) == ([b"red"], 1)
    assert all(name.startswith("deepgif-ocr") for name in reader.threads)


async def test_texts_without_vectors_are_embedded_when_loaded(start, database):
    """As after a change of the model."""
    await SqliteRecognisedTextStore(database, "1").put(KEY, "blue")
    recognition = start(Reader())
    await recognition.load({KEY: Rating.G, GifKey("giphy", "unread"): Rating.G})
    assert set(await indexed(recognition, KEY)) == {KEY}


async def test_gifs_without_words_and_damaged_ones_are_not_read_again(start):
    reader = Reader()
    recognition = start(reader)
    for data in (b"", b"damaged"):
        key = GifKey("giphy", data.decode())
        for _ in range(2):
            caption = await recognition.start(key, Rating.G, fetch(data))
            assert (caption.text, caption.vector) == ("", None)
    assert reader.reads == [b"", b"damaged"]
    assert await indexed(recognition, GifKey("giphy", "")) == {}


async def test_what_cannot_be_fetched_is_tried_again(start):
    reader = Reader()
    recognition = start(reader)

    async def fail():
        raise MediaError("not now")

    with pytest.raises(MediaError):
        await recognition.start(KEY, Rating.G, fail)
    assert (await recognition.start(KEY, Rating.G, fetch(b"red"))).text == "red"


async def test_what_is_under_way_is_bounded(start, monkeypatch):
    """Few have their bytes in memory; beyond the most, a GIF is left for later."""
    monkeypatch.setattr(module, "MAX_IN_FLIGHT", 6)
    reader = Reader()
    reader.held.clear()
    recognition = start(reader)
    fetched, as_many = [], asyncio.Event()

    def fetch_of(name):
        async def give():
            fetched.append(name)
            if len(fetched) == module.IN_MEMORY:
                as_many.set()
            return name.encode()

        return give

    tasks = [recognition.start(GifKey("giphy", str(n)), Rating.G, fetch_of(str(n))) for n in range(7)]
    assert [task is None for task in tasks] == [False] * 6 + [True]
    await as_many.wait()
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(fetched) == module.IN_MEMORY
    reader.held.set()
    await asyncio.gather(*tasks[:6])
    assert reader.reads == [str(n).encode() for n in range(6)]


async def test_networks_that_cannot_be_loaded_are_not_tried_again(start, caplog):
    reader = Reader()

    def fail():
        reader.loads += 1
        raise ModelError("The networks cannot be loaded.")

    reader.load = fail
    recognition = start(reader)
    with pytest.raises(ModelError):
        await recognition.start(KEY, Rating.G, fetch(b"red"))
    assert recognition.start(KEY, Rating.G, fetch(b"red")) is None
    assert await recognition.texts_of([KEY]) == {}
    assert reader.loads == 1
    assert [record.message for record in caplog.records] == ["The networks cannot be loaded."]


async def test_a_folder_is_read_where_it_was_stopped(start, database, tmp_path):
    """Files that were read are not read again, nor one that is the same; progress counts all."""
    folder = tmp_path / "gifs"
    folder.mkdir()
    for name in ("red", "lime", "blue"):
        (folder / f"{name}.gif").write_bytes(animation("GIF", [name, "white"]))
    (folder / "copy.gif").write_bytes((folder / "red.gif").read_bytes())
    catalogue = FolderCatalogue("folder", folder, database, MediaLimits())
    await catalogue.open()
    await catalogue.scan()
    reader = Reader()
    reader.read = lambda data: reader.reads.append(data) or "red words"
    first, *_ = catalogue.ids()
    await start(reader).start(GifKey("folder", first), Rating.G, fetch(b"bytes"))
    recognition, progress = start(reader), []
    await recognition.read_catalogue(catalogue, lambda done, total: progress.append((done, total)))
    assert progress == [(1, 3), (2, 3), (3, 3)]
    assert len(reader.reads) == 3
    assert len(await recognition.texts_of([GifKey("folder", gif_id) for gif_id in catalogue.ids()])) == 3
    await recognition.read_catalogue(catalogue)
    assert len(reader.reads) == 3


async def test_words_are_never_logged(start, caplog):
    caplog.set_level("DEBUG", "deepgif")
    recognition = start(Reader())
    await recognition.start(KEY, Rating.G, fetch(b"very private words"))
    assert "private" not in caplog.text

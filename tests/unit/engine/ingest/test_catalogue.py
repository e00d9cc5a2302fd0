"""A catalogue in the index: nothing twice, nothing lost, the unreadable listed."""

import asyncio

import numpy as np
import pytest

from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.ingest.batcher import MicroBatcher
from deepgif.engine.ingest.catalogue import IN_FLIGHT, STORE_EVERY, Indexer
from deepgif.engine.ingest.pipeline import EmbeddingPipeline
from deepgif.engine.media.decoder_pool import AsyncDecoder
from deepgif.engine.options import MediaLimits
from deepgif.engine.providers.folder import FolderCatalogue
from deepgif.engine.store.database import Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.types import GifKey, Rating
from tests.fakes.encoder import ColourEncoder
from tests.fakes.media import animation
from tests.fakes.waiting import WITHIN_S


class Setting:
    """One process's view of a folder: catalogue, index and encoder over a database."""

    def __init__(self, folder, database, decoder, images):
        self.catalogue = FolderCatalogue("folder", folder, database, MediaLimits())
        self.index = ExactIndex(4)
        self.store = SqliteEmbeddingStore(database, 4)
        self.texts = ExactIndex(4)
        self.captions = ExactIndex(4)
        indexes = self.index, self.texts, self.captions, LexicalIndex()
        pipeline = EmbeddingPipeline(ColourEncoder(), "s", self.store, *indexes, decoder, images)
        self.indexer = Indexer(pipeline)

    def best(self, words):
        (hits,) = self.index.search(ColourEncoder().encode_texts([words]), 1, Rating.R)
        return self.catalogue.path_of(hits.keys[0].id)


class Images:
    """In place of a batcher: ``embed`` gets each clip on its own."""

    def __init__(self, embed):
        self.submit = embed


@pytest.fixture
def decoder():
    made = AsyncDecoder(ColourEncoder.sampling, MediaLimits(), processes=False)
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "gifs"
    made.mkdir()
    for name, colour in (("r", "red"), ("g", "lime"), ("b", "blue")):
        (made / f"{name}.gif").write_bytes(animation("GIF", [colour, colour]))
    return made


@pytest.fixture
async def start(folder, tmp_path, decoder):
    encoder = ColourEncoder()
    async with (
        Database(tmp_path / "d.sqlite") as database,
        MicroBatcher(
            lambda clips: list(encoder.encode_clips(clips)), name="c", max_cost=8, max_waiting=64, cost=len
        ) as b,
    ):
        yield lambda: (Setting(folder, database, decoder, b), encoder)


async def test_everything_is_embedded_once(start):
    """The first run embeds all, the next process finds all without embedding anything."""
    setting, encoder = start()
    progress = []
    report = await setting.indexer.run(setting.catalogue, lambda *numbers: progress.append(numbers))
    assert (report.known, report.embedded, report.unreadable) == (0, 3, ())
    assert progress[-1] == (3, 3)
    assert [setting.best(words) for words in ("red", "green", "blue")] == ["r.gif", "g.gif", "b.gif"]
    assert len(setting.texts) == 3
    again, _ = start()
    await again.catalogue.open()
    assert len(await again.indexer.load(again.catalogue)) == 3
    assert again.best("green") == "g.gif"
    report = await again.indexer.run(again.catalogue)
    assert (report.known, report.embedded, encoder.clips) == (3, 0, 3)


async def test_the_folder_changes(start, folder):
    """New GIFs come in, removed ones go, moved ones are not embedded again."""
    setting, encoder = start()
    await setting.indexer.run(setting.catalogue)
    keys = [GifKey("folder", gif_id) for gif_id in setting.catalogue.ids()]
    setting.captions.add(keys, ColourEncoder().encode_texts(["words"] * 3), [Rating.G] * 3)
    (folder / "r.gif").unlink()
    (folder / "g.gif").rename(folder / "green.gif")
    (folder / "y.webp").write_bytes(animation("WEBP", ["yellow", "yellow"]))
    report = await setting.indexer.run(setting.catalogue)
    assert (report.known, report.embedded) == (2, 1)
    assert (report.changes.added, report.changes.moved, report.changes.removed) == (1, 1, 1)
    assert encoder.clips == 4
    assert (len(setting.index), len(setting.texts), len(setting.captions)) == (3, 3, 2)
    assert setting.best("green") == "green.gif"


async def test_unreadable_files_are_listed_and_the_rest_goes_on(start, folder):
    """A file whose structure is right but whose pixels are not is listed like one that is no GIF at all."""
    (folder / "text.gif").write_bytes(b"hello")
    broken = bytearray((folder / "r.gif").read_bytes())
    broken[broken.index(b"\x2c") + 10] = 0x0C
    (folder / "pixels.gif").write_bytes(bytes(broken))
    setting, _ = start()
    report = await setting.indexer.run(setting.catalogue)
    assert sorted(path for path, _ in report.unreadable) == ["pixels.gif", "text.gif"]
    assert report.embedded == len(setting.index) == 3


async def test_what_is_stored_is_found_before_anything_is_embedded(start, folder):
    """While new GIFs are still being embedded, those from before can be searched already."""
    setting, encoder = start()
    await setting.indexer.run(setting.catalogue)
    (folder / "y.gif").write_bytes(animation("GIF", ["yellow", "yellow"]))
    again, _ = start()
    sizes = []
    encoder.before = lambda count: sizes.append(len(again.index))
    report = await again.indexer.run(again.catalogue)
    assert (report.known, report.embedded, sizes, len(again.index)) == (3, 1, [3], 4)


async def test_progress_counts_what_can_be_found(start):
    """The last report comes when everything is in the store and in the index."""
    setting, _ = start()
    seen = []
    await setting.indexer.run(setting.catalogue, lambda done, total: seen.append((done, total, len(setting.index))))
    assert seen[0] == (0, 3, 0)
    assert seen[-1] == (3, 3, 3)
    assert [done for done, _, _ in seen] == [0, 1, 2, 3]


async def test_groups_are_bounded(folder, tmp_path, decoder):
    """A bounded number of GIFs in flight; stored in groups, so that a kill loses at most one."""
    for number in range(2 * STORE_EVERY + 5):
        (folder / f"{number}.gif").write_bytes(animation("GIF", ["red", "white"], size=(8 + number, 8)))
    in_flight, most, groups = 0, 0, []

    async def embed(clip):
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0)
        in_flight -= 1
        return ColourEncoder().encode_clips([clip])[0]

    async with Database(tmp_path / "d.sqlite") as database:
        setting = Setting(folder, database, decoder, Images(embed))
        put = setting.store.put_many

        async def note(space, vectors):
            groups.append(len(vectors))
            await put(space, vectors)

        setting.store.put_many = note
        report = await setting.indexer.run(setting.catalogue)
        assert await setting.store.count("s", "folder") == report.embedded == 2 * STORE_EVERY + 8
    assert most <= IN_FLIGHT
    assert max(groups) <= STORE_EVERY
    assert len(groups) >= 3


async def test_a_vector_that_is_no_number_is_passed_over(folder, tmp_path, decoder):
    """It would make the mean of all scores no number, and every search with it."""

    async def embed(clip):
        vector = ColourEncoder().encode_clips([clip])[0]
        return vector * np.float32("nan") if vector[0] > 0.9 else vector

    async with Database(tmp_path / "d.sqlite") as database:
        setting = Setting(folder, database, decoder, Images(embed))
        report = await setting.indexer.run(setting.catalogue)
        assert [path for path, _ in report.unreadable] == ["r.gif"]
        assert (report.embedded, len(setting.index), await setting.store.count("s", "folder")) == (2, 2, 2)


async def test_files_that_go_while_they_are_embedded(start, folder):
    """A GIF that vanishes in the middle of the run is listed; the rest goes on."""
    setting, _ = start()
    scan = setting.catalogue.scan

    async def scan_and_lose():
        changes = await scan()
        (folder / "g.gif").unlink()
        return changes

    setting.catalogue.scan = scan_and_lose
    report = await setting.indexer.run(setting.catalogue)
    assert report.unreadable == (("g.gif", "The file is gone."),)
    assert report.embedded == len(setting.index) == 2


async def test_a_failing_model_keeps_what_was_done(start):
    """When embedding itself fails, the run ends with that error; the next run goes on."""
    setting, encoder = start()

    def fail(count):
        raise RuntimeError("out of memory")

    encoder.before = fail
    with pytest.raises(RuntimeError, match="out of memory"):
        await setting.indexer.run(setting.catalogue)
    encoder.before = lambda count: None
    assert (await setting.indexer.run(setting.catalogue)).embedded == 3


async def test_what_is_embedded_is_kept_when_it_is_stopped(folder, tmp_path, decoder):
    """Stopped in the middle, by a signal say: every vector that came back is stored before the run ends."""
    came, held = asyncio.Event(), asyncio.Event()
    vectors = iter([np.full(4, 0.5, np.float32)] * 2)

    async def embed(clip):
        vector = next(vectors, None)
        if vector is None:
            await held.wait()
        return vector

    def progress(done, total):
        if done == 2:
            came.set()

    async with Database(tmp_path / "d.sqlite") as database:
        setting = Setting(folder, database, decoder, Images(embed))
        running = asyncio.create_task(setting.indexer.run(setting.catalogue, progress))
        await asyncio.wait_for(came.wait(), WITHIN_S)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await setting.store.count("s", "folder") == 2

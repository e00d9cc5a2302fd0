"""A catalogue in the index: nothing twice, nothing lost, the unreadable listed."""

import asyncio
from functools import partial

import pytest

from engine.batcher import MicroBatcher
from engine.frames import decode_clip
from engine.index import MemoryIndex
from engine.indexer import Indexer
from engine.probe import MediaLimits
from engine.providers.local import LocalCatalogue
from engine.store import Database, SqliteEmbeddingStore
from engine.types import Rating
from tests.fakes.encoder import ColourEncoder
from tests.fakes.media import animation


class Setting:
    """One process's view of a folder: catalogue, index and encoder over a database."""

    def __init__(self, folder, database, embed):
        self.catalogue = LocalCatalogue("folder", folder, database, MediaLimits())
        self.index = MemoryIndex(4)
        store = SqliteEmbeddingStore(database, 4)
        decode = partial(decode_clip, sampling=ColourEncoder.sampling, limits=MediaLimits())
        self.indexer = Indexer("s", store, self.index, partial(asyncio.to_thread, decode), embed)

    def best(self, words):
        (hits,) = self.index.search(ColourEncoder().encode_texts([words]), 1, Rating.R)
        return self.catalogue.path_of(hits.keys[0].id)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "gifs"
    made.mkdir()
    for name, colour in (("r", "red"), ("g", "lime"), ("b", "blue")):
        (made / f"{name}.gif").write_bytes(animation("GIF", [colour, colour]))
    return made


@pytest.fixture
async def start(folder, tmp_path):
    encoder = ColourEncoder()
    async with (
        Database(tmp_path / "d.sqlite") as database,
        MicroBatcher(
            lambda clips: list(encoder.encode_clips(clips)), name="c", max_cost=8, max_waiting=64, cost=len
        ) as b,
    ):
        yield lambda: (Setting(folder, database, b.submit), encoder)


async def test_everything_is_embedded_once(start):
    """The first run embeds all, the next process finds all without embedding anything."""
    setting, encoder = start()
    progress = []
    report = await setting.indexer.run(setting.catalogue, lambda *numbers: progress.append(numbers))
    assert (report.known, report.embedded, report.unreadable) == (0, 3, ())
    assert progress[-1] == (3, 3)
    assert [setting.best(words) for words in ("red", "green", "blue")] == ["r.gif", "g.gif", "b.gif"]
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
    (folder / "r.gif").unlink()
    (folder / "g.gif").rename(folder / "green.gif")
    (folder / "y.webp").write_bytes(animation("WEBP", ["yellow", "yellow"]))
    report = await setting.indexer.run(setting.catalogue)
    assert (report.known, report.embedded) == (2, 1)
    assert (report.changes.added, report.changes.moved, report.changes.removed) == (1, 1, 1)
    assert encoder.clips == 4
    assert len(setting.index) == 3
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

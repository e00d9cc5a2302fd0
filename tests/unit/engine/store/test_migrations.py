"""The engine's database from version to version: what was embedded is found by every later one."""

import asyncio
import sqlite3

import numpy as np
import pytest

from deepgif.engine.errors import StoreError
from deepgif.engine.options import MediaLimits
from deepgif.engine.providers.folder import FolderCatalogue
from deepgif.engine.providers.gif_store import SqliteGifStore
from deepgif.engine.store import database as module
from deepgif.engine.store.database import SCHEMA_VERSION, Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.store.recognised_text import SqliteRecognisedTextStore
from deepgif.engine.types import GifKey
from tests.fakes.media import animation

# As version 1 made it.
FIRST = """
CREATE TABLE embeddings (
    space TEXT NOT NULL, provider TEXT NOT NULL, id TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (space, provider, id)
) WITHOUT ROWID;
CREATE TABLE files (
    catalogue TEXT NOT NULL, path TEXT NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    id TEXT, width INTEGER, height INTEGER,
    problem TEXT,
    PRIMARY KEY (catalogue, path)
) WITHOUT ROWID;
CREATE INDEX files_by_id ON files (catalogue, id);
PRAGMA user_version=1;
"""
SPACE = "small@1/4x224"


def make_first(path):
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.executescript(FIRST)
    return connection


def shape(path):
    """Tables and indexes with their columns."""
    connection = sqlite3.connect(path)
    try:
        rows = connection.execute("SELECT name, type, tbl_name FROM sqlite_master ORDER BY name").fetchall()
        columns = {name: connection.execute(f"PRAGMA table_info({name})").fetchall() for name, *_ in rows}
        return rows, columns, connection.execute("PRAGMA user_version").fetchall()
    finally:
        connection.close()


async def test_the_first_version(tmp_path):
    """Vectors and files of version 1 are there, no file is read again, and what later versions brought works."""
    path, folder = tmp_path / "d.sqlite", tmp_path / "gifs"
    folder.mkdir()
    (folder / "a.gif").write_bytes(animation("GIF", ["red", "blue"]))
    stat = (folder / "a.gif").stat()
    connection = make_first(path)
    with connection:
        vector = np.array([0.6, 0.8], "<f2").tobytes()
        connection.execute("INSERT INTO embeddings VALUES (?,?,?,?)", (SPACE, "folder", "abc", vector))
        stamp = (stat.st_size, stat.st_mtime_ns, "abc", 64, 48, None)
        connection.execute("INSERT INTO files VALUES (?,?,?,?,?,?,?,?)", (str(folder.resolve()), "a.gif", *stamp))
    connection.close()
    for _ in range(2):
        async with Database(path) as database:
            found = await SqliteEmbeddingStore(database, 2).get_many(SPACE, [GifKey("folder", "abc")])
            np.testing.assert_allclose(found["folder", "abc"], [0.6, 0.8], atol=1e-3)
            catalogue = FolderCatalogue("folder", folder, database, MediaLimits())
            await catalogue.open()
            assert catalogue.ids() == ["abc"]
            assert (await catalogue.scan()).unchanged == 1
            await SqliteRecognisedTextStore(database, "1").put(GifKey("folder", "abc"), "hello")
            assert await SqliteGifStore(database, "giphy", "", days=1, keep_urls=False).count() == 0
    async with Database(tmp_path / "new.sqlite"):
        pass
    assert shape(path) == shape(tmp_path / "new.sqlite")
    assert shape(path)[2] == [(SCHEMA_VERSION,)]


async def test_a_step_that_fails(tmp_path, monkeypatch):
    """The file stays what it was, for the version that wrote it; later the step runs whole."""
    path = tmp_path / "d.sqlite"
    make_first(path).close()
    before = shape(path)
    monkeypatch.setattr(
        module, "_MIGRATIONS", (*module._MIGRATIONS[:-1], f"{module._MIGRATIONS[-1]} CREATE TABLE files (x INTEGER)")
    )
    with pytest.raises(StoreError, match="cannot be used"):
        async with Database(path):
            pass
    assert shape(path) == before
    monkeypatch.undo()
    async with Database(path):
        pass
    assert shape(path)[2] == [(SCHEMA_VERSION,)]


async def test_two_processes_bring_it_up_at_once(tmp_path):
    """Each step runs once."""
    path = tmp_path / "d.sqlite"
    make_first(path).close()

    async def start():
        async with Database(path) as database:
            return await database.read("PRAGMA user_version")

    assert await asyncio.gather(*(start() for _ in range(4))) == [[(SCHEMA_VERSION,)]] * 4

"""Whole copies: of one moment while others write, put back only where nobody is, and only what can be used."""

import sqlite3

import numpy as np
import pytest

from deepgif.engine.admin import backup
from deepgif.engine.admin.backup import Schema, back_up, restore
from deepgif.engine.errors import NotFoundError, StoreError
from deepgif.engine.store.database import SCHEMA_VERSION, Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore
from deepgif.engine.types import GifKey

SPACE = "m@1/4x224"
SCHEMA = Schema(frozenset({"embeddings", "files"}), SCHEMA_VERSION)
VECTOR = np.array([0.6, 0.8], np.float32)


async def put(path, *ids):
    async with Database(path) as database:
        await SqliteEmbeddingStore(database, 2).put_many(SPACE, {GifKey("folder", one): VECTOR for one in ids})


def held(path):
    connection = sqlite3.connect(path)
    try:
        return [gif_id for (gif_id,) in connection.execute("SELECT id FROM embeddings ORDER BY id")]
    finally:
        connection.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


async def test_round_trip(tmp_path):
    """What was backed up is there again; what was there is moved aside; each copy is one file for its owner only."""
    path, copy = tmp_path / "d.sqlite", tmp_path / "copy.sqlite"
    await put(path, "a", "b")
    seen = []
    assert back_up(path, copy, on_progress=lambda *both: seen.append(both)) == copy.stat().st_size
    assert seen[-1][0] == seen[-1][1] > 0
    assert copy.stat().st_mode & 0o077 == 0
    await put(path, "c")
    aside = restore(copy, path, SCHEMA)
    assert held(path) == ["a", "b"]
    assert held(aside) == ["a", "b", "c"]
    await put(path, "d")
    path.unlink()
    assert restore(copy, path, SCHEMA) is None
    assert restore(copy, tmp_path / "elsewhere" / "d.sqlite", SCHEMA) is None
    assert held(tmp_path / "elsewhere" / "d.sqlite") == ["a", "b"]


async def test_while_others_write(tmp_path, monkeypatch):
    """The copy shows the moment when it was begun, and never begins again because somebody writes between its steps."""
    monkeypatch.setattr(backup, "PAGES", 1)
    path, copy, seen = tmp_path / "d.sqlite", tmp_path / "copy.sqlite", []
    ids = [f"{number:04}" for number in range(500)]
    await put(path, *ids)
    async with Database(path):  # an engine that is at work
        writer = sqlite3.connect(path)

        def write(done, total):
            seen.append(done)
            with writer:
                writer.execute("INSERT INTO embeddings VALUES (?,?,?,?)", (SPACE, "folder", f"x{done}", b"1234"))

        back_up(path, copy, on_progress=write)
        writer.close()
        assert seen == sorted(set(seen))
        assert len(held(path)) == 500 + len(seen) > 505
    assert held(copy) == ids


async def test_nothing_is_put_back_under_a_running_engine(tmp_path):
    """Who has the database open keeps it, even one who does nothing."""
    path, copy = tmp_path / "d.sqlite", tmp_path / "copy.sqlite"
    await put(path, "a")
    back_up(path, copy)
    async with Database(path) as database:
        store = SqliteEmbeddingStore(database, 2)
        await store.put_many(SPACE, {GifKey("folder", "b"): VECTOR})
        with pytest.raises(StoreError, match=r"is in use .*Stop what uses it"):
            restore(copy, path, SCHEMA)
        assert await store.count(SPACE, "folder") == 2
    assert held(path) == ["a", "b"]
    assert not list(tmp_path.glob("*.before-restore"))
    assert restore(copy, path, SCHEMA) is not None


async def test_a_damaged_database_is_replaced(tmp_path):
    """Damage is a reason to restore, not against it."""
    path, copy = tmp_path / "d.sqlite", tmp_path / "copy.sqlite"
    await put(path, "a")
    back_up(path, copy)
    path.write_bytes(b"no database at all" * 500)
    aside = restore(copy, path, SCHEMA)
    assert held(path) == ["a"]
    assert aside.read_bytes().startswith(b"no database")


async def test_copies_that_cannot_be_used(tmp_path):
    """Damaged, foreign, newer or missing: one sentence, and nothing is changed."""
    path, bad = tmp_path / "d.sqlite", tmp_path / "bad.sqlite"
    await put(path, *(f"{number:05}" for number in range(5000)))
    before = names(tmp_path)

    def refused(kind, says):
        with pytest.raises(kind, match=says):
            restore(bad, path, SCHEMA)
        bad.unlink(missing_ok=True)
        assert names(tmp_path) == before
        assert len(held(path)) == 5000

    refused(NotFoundError, "There is no")
    bad.write_bytes(b"GIF89a" * 1000)
    refused(StoreError, "not a valid backup")
    back_up(path, bad)
    whole = bad.read_bytes()
    bad.write_bytes(whole[: 4096 * 3] + b"\xff" * 4096 * 20 + whole[4096 * 23 :])
    refused(StoreError, "damaged|not a valid backup")
    bad.write_bytes(whole[: len(whole) // 2])
    refused(StoreError, "damaged|not a valid backup")
    for statement, says in (("PRAGMA user_version=99", "newer DeepGIF"), ("DROP TABLE files", "not a backup of this")):
        bad.write_bytes(whole)
        connection = sqlite3.connect(bad)
        connection.execute(statement)
        connection.close()
        refused(StoreError, says)


async def test_a_version_in_a_table(tmp_path):
    """Where the version is noted in a table, the file is refused by that; without the table it is the first."""
    schema = Schema(frozenset({"jobs"}), 1, "SELECT MAX(version) FROM versions", "versions")
    connection = sqlite3.connect(tmp_path / "copy.sqlite")
    connection.execute("CREATE TABLE jobs (name TEXT)")
    assert restore(tmp_path / "copy.sqlite", tmp_path / "d.sqlite", schema) is None
    connection.executescript("CREATE TABLE versions (version INTEGER); INSERT INTO versions VALUES (2)")
    connection.close()
    with pytest.raises(StoreError, match="newer DeepGIF"):
        restore(tmp_path / "copy.sqlite", tmp_path / "d.sqlite", schema)


async def test_what_cannot_be_backed_up(tmp_path):
    """No database, a damaged one, a place that is taken or cannot be written: one sentence and no file."""
    path, copy = tmp_path / "d.sqlite", tmp_path / "copy.sqlite"
    with pytest.raises(NotFoundError, match="There is no"):
        back_up(path, copy)
    await put(path, *(f"{number:05}" for number in range(5000)))
    copy.write_bytes(b"mine")
    with pytest.raises(StoreError, match=r"already exists.*--force"):
        back_up(path, copy)
    assert copy.read_bytes() == b"mine"
    back_up(path, copy, force=True)
    assert len(held(copy)) == 5000
    with pytest.raises(StoreError, match="cannot be written"):
        back_up(path, copy / "below" / "it.sqlite")
    whole = path.read_bytes()
    path.write_bytes(whole[: 4096 * 3] + b"\xff" * 4096 * 20 + whole[4096 * 23 :])
    before = copy.read_bytes()
    with pytest.raises(StoreError, match=r"damaged|cannot be copied"):
        back_up(path, copy, force=True)
    assert copy.read_bytes() == before
    assert names(tmp_path) == ["copy.sqlite", "d.sqlite"]

"""The bots' schema: databases of older versions are migrated, those of newer ones are left alone."""

import asyncio
import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from deepgif.bot.jobs.queue import JobQueue
from deepgif.bot.request import ChatContext, Preferences, Request, RequestKind
from deepgif.bot.store import database as module
from deepgif.bot.store.collections import GifCollections, SavedGif
from deepgif.bot.store.database import FILE, SCHEMA_VERSION, Database, database_url, metadata, versions
from deepgif.bot.store.encryption import Cipher
from deepgif.bot.store.preferences import PreferenceStore, Scope
from deepgif.bot.store.sessions import SearchSession, SessionStore
from deepgif.engine.errors import StoreError
from deepgif.engine.types import GifKey, Rating

VERSION_1 = (Path(__file__).parents[3] / "data" / "bots-v1.sql").read_text()  # written by version 1, secret "a secret"
CIPHER = Cipher("a secret")
CONTEXT = ChatContext("slack", "T1", "C1", "U1", thread="5.1")
SESSION = SearchSession(
    "session",
    CONTEXT,
    "a cat",
    seen=(GifKey("giphy", "a"), GifKey("giphy", "b")),
    position=1,
    similar_to=GifKey("giphy", "a"),
    message="7.1",
    title="GIF b",
)


@pytest.fixture
def file(tmp_path):
    """A file that version 1 wrote."""
    connection = sqlite3.connect(tmp_path / FILE)
    connection.executescript(VERSION_1)
    connection.close()
    return tmp_path / FILE


def url(tmp_path):
    return database_url("", tmp_path)


async def recorded(database):
    return [row.version for row in await database.read(sa.select(versions))]


def shape(path):
    """Tables and indexes with their columns, as the file has them."""
    connection = sqlite3.connect(path)
    try:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        return {
            name: (
                connection.execute(f"PRAGMA table_info({name})").fetchall(),
                sorted(row[1] for row in connection.execute(f"PRAGMA index_list({name})")),
            )
            for name in names
        }
    finally:
        connection.close()


@pytest.mark.parametrize("version_recorded", [True, False])
async def test_version_1(file, tmp_path, version_recorded):
    """A file of version 1 keeps all of its data, and gets the tables of a new one. The first releases did not record
    their version."""
    if not version_recorded:
        with sqlite3.connect(file) as connection:
            connection.execute("DROP TABLE schema_version")
        connection.close()
    for _ in range(2):
        async with Database(url(tmp_path)) as database:
            assert await recorded(database) == [SCHEMA_VERSION]
            preferences, collections = PreferenceStore(database, Rating.R), GifCollections(database)
            assert await preferences.of_workspace("slack", "T1") == Preferences(
                max_rating=Rating.PG, blocked_words=("dog", "cat"), off_channels=("C9",), repeat_hours=3.0
            )
            assert [await preferences.preview(CONTEXT, scope) for scope in (Scope.CHANNEL, Scope.USER)] == [True, False]
            assert await collections.blocked(CONTEXT) == [SavedGif(GifKey("giphy", "blocked"), "A blocked GIF")]
            assert await collections.favourites(CONTEXT) == [SavedGif(GifKey("klipy", "starred"), "A starred GIF")]
            assert await collections.posted(CONTEXT, time.time() / 3600) == {GifKey("giphy", "posted")}
            sessions = SessionStore(database, CIPHER)
            assert await sessions.get("session") == await sessions.last_posted(CONTEXT) == SESSION
            assert await sessions.recent_queries(CONTEXT, 5) == ["a cat"]
    new = tmp_path / "new"
    async with Database(url(new)) as database:
        assert await recorded(database) == [SCHEMA_VERSION]
    assert shape(file) == shape(new / FILE)
    assert set(shape(file)) == {*metadata.tables, versions.name}


async def test_jobs_of_version_1(file, tmp_path):
    """A request that version 1 answered is recognised. One that it left open can't be read, and is not retried."""
    async with Database(url(tmp_path)) as database:
        queue = JobQueue(database, CIPHER, "slack")
        assert not await queue.enqueue(Request("command:done", RequestKind.COMMAND, CONTEXT))
        assert await queue.reclaim() == []
        rows = await database.read(sa.select(module.jobs.c.id, module.jobs.c.state))
        assert sorted(map(tuple, rows)) == [("command:done", "done"), ("command:open", "done")]


async def test_sessions_of_another_secret(file, tmp_path):
    """Their buttons have expired."""
    async with Database(url(tmp_path)) as database:
        assert await SessionStore(database, Cipher("another secret")).get("session") is None
        await SessionStore(database, CIPHER).put(replace(SESSION, id="new"))
        assert (await SessionStore(database, CIPHER).last_posted(CONTEXT)).id == "new"


async def test_migrations(file, tmp_path, monkeypatch):
    """Each migration runs once. If one fails, the file stays as it was."""
    add = ("ALTER TABLE preferences ADD COLUMN since FLOAT", "UPDATE preferences SET since = 7")
    increment = "UPDATE preferences SET since = since + 1"
    migrations = module._MIGRATIONS
    monkeypatch.setattr(module, "SCHEMA_VERSION", 4)
    monkeypatch.setattr(module, "_MIGRATIONS", (*migrations, add, (increment, "UPDATE nothing SET x=1")))
    before = shape(file)
    with pytest.raises(StoreError):
        async with Database(url(tmp_path)):
            pass
    assert shape(file) == before
    monkeypatch.setattr(module, "_MIGRATIONS", (*migrations, add, (increment,)))
    for _ in range(2):
        async with Database(url(tmp_path)) as database:
            assert await recorded(database) == [4]
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT DISTINCT since FROM preferences").fetchall() == [(8.0,)]
    connection.close()


async def test_a_newer_version_is_refused(tmp_path):
    """The database is left as it is."""
    async with Database(url(tmp_path)):
        pass
    connection = sqlite3.connect(tmp_path / FILE)
    with connection:
        connection.execute("UPDATE schema_version SET version = 99")
        connection.execute("DROP TABLE posted_gifs")
    with pytest.raises(StoreError, match="newer version"):
        async with Database(url(tmp_path)):
            pass
    assert connection.execute("SELECT name FROM sqlite_master WHERE name='posted_gifs'").fetchall() == []
    connection.close()


async def test_processes_that_start_at_once(bot_database):
    """The tables are created once."""

    async def start():
        async with Database(bot_database) as database:
            return await recorded(database)

    assert await asyncio.gather(*(start() for _ in range(4))) == [[SCHEMA_VERSION]] * 4


async def test_a_database_that_cannot_be_opened():
    """The error names the setting but not the URL, which may contain a password."""
    with pytest.raises(StoreError, match="DEEPGIF_BOT_DATABASE_URL"):
        async with Database("sqlite+aiosqlite:////proc/none/bot.sqlite3"):
            pass


@pytest.mark.parametrize(
    ("setting", "url"),
    [
        ("postgresql://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("postgres://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("postgresql+asyncpg://u:p@h/n", "postgresql+asyncpg://u:p@h/n"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
    ],
)
def test_database_urls_get_an_async_driver(setting, url, tmp_path):
    """The usual forms of database URLs work."""
    assert database_url(setting, tmp_path) == url

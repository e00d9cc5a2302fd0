"""The bots' schema from version to version: nothing that was kept is lost, nothing newer is touched."""

import asyncio
import sqlite3

import pytest
import sqlalchemy as sa

from deepgif.bot.store import database as module
from deepgif.bot.store.database import FILE, SCHEMA_VERSION, Database, database_url, metadata, preferences, versions
from deepgif.engine.errors import StoreError

# As the first version made it, before versions were noted.
FIRST = """
CREATE TABLE preferences (
    platform VARCHAR(16) NOT NULL, workspace VARCHAR(64) NOT NULL, scope VARCHAR(16) NOT NULL,
    subject VARCHAR(64) NOT NULL, chosen JSON NOT NULL, PRIMARY KEY (platform, workspace, scope, subject)
);
CREATE TABLE blocked_gifs (
    platform VARCHAR(16) NOT NULL, workspace VARCHAR(64) NOT NULL, provider VARCHAR(32) NOT NULL,
    gif VARCHAR(200) NOT NULL, title VARCHAR(500) NOT NULL, at FLOAT NOT NULL,
    PRIMARY KEY (platform, workspace, provider, gif)
);
CREATE TABLE favourites (
    platform VARCHAR(16) NOT NULL, workspace VARCHAR(64) NOT NULL, person VARCHAR(64) NOT NULL,
    provider VARCHAR(32) NOT NULL, gif VARCHAR(200) NOT NULL, title VARCHAR(500) NOT NULL, at FLOAT NOT NULL,
    PRIMARY KEY (platform, workspace, person, provider, gif)
);
CREATE TABLE posted (
    platform VARCHAR(16) NOT NULL, workspace VARCHAR(64) NOT NULL, channel VARCHAR(64) NOT NULL,
    provider VARCHAR(32) NOT NULL, gif VARCHAR(200) NOT NULL, at FLOAT NOT NULL,
    PRIMARY KEY (platform, workspace, channel, provider, gif)
);
CREATE TABLE showings (
    name VARCHAR(32) NOT NULL, platform VARCHAR(16) NOT NULL, workspace VARCHAR(64) NOT NULL,
    channel VARCHAR(64) NOT NULL, person VARCHAR(64) NOT NULL, message VARCHAR(64) NOT NULL, sealed TEXT NOT NULL,
    at FLOAT NOT NULL, PRIMARY KEY (name)
);
CREATE INDEX showings_of ON showings (platform, workspace, channel, person);
CREATE TABLE jobs (
    platform VARCHAR(16) NOT NULL, name VARCHAR(200) NOT NULL, workspace VARCHAR(64) NOT NULL,
    state VARCHAR(16) NOT NULL, sealed TEXT NOT NULL, lease FLOAT NOT NULL, at FLOAT NOT NULL,
    PRIMARY KEY (platform, name)
);
CREATE INDEX jobs_waiting ON jobs (platform, state, lease);
INSERT INTO preferences VALUES ('slack', 'T1', 'person', 'U1', '{"preview": true}');
"""


@pytest.fixture
def first(tmp_path):
    """A file as the first version wrote it."""
    connection = sqlite3.connect(tmp_path / FILE)
    connection.executescript(FIRST)
    connection.close()
    return tmp_path / FILE


def url(tmp_path):
    return database_url("", tmp_path)


async def kept(database):
    (row,) = await database.read(sa.select(preferences))
    return row.platform, row.workspace, row.scope, row.subject, row.chosen


async def noted(database):
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


async def test_the_first_version(first, tmp_path):
    """A file from before versions were noted opens with all that is in it, and has the shape of a new one."""
    for _ in range(2):
        async with Database(url(tmp_path)) as database:
            assert await kept(database) == ("slack", "T1", "person", "U1", {"preview": True})
            assert await noted(database) == [SCHEMA_VERSION]
    new = tmp_path / "new"
    async with Database(url(new)) as database:
        assert await noted(database) == [SCHEMA_VERSION]
    assert shape(first) == shape(new / FILE)
    assert set(shape(first)) == {*metadata.tables, versions.name}


async def test_steps(first, tmp_path, monkeypatch):
    """Each step from the version that was noted runs once; a step that fails leaves the file as it was."""
    step = ("ALTER TABLE preferences ADD COLUMN since FLOAT", "UPDATE preferences SET since = 7")
    monkeypatch.setattr(module, "SCHEMA_VERSION", 3)
    monkeypatch.setattr(
        module, "_STEPS", (step, ("UPDATE preferences SET since = since + 1", "UPDATE nothing SET x=1"))
    )
    with pytest.raises(StoreError):
        async with Database(url(tmp_path)):
            pass
    connection = sqlite3.connect(first)
    assert "since" not in [row[1] for row in connection.execute("PRAGMA table_info(preferences)")]
    connection.close()
    monkeypatch.setattr(module, "_STEPS", (step, ("UPDATE preferences SET since = since + 1",)))
    for _ in range(2):
        async with Database(url(tmp_path)) as database:
            assert await noted(database) == [3]
    connection = sqlite3.connect(first)
    assert connection.execute("SELECT since FROM preferences").fetchall() == [(8.0,)]
    connection.close()


async def test_a_newer_one_is_refused(tmp_path):
    """In one sentence, and without changing anything."""
    async with Database(url(tmp_path)):
        pass
    connection = sqlite3.connect(tmp_path / FILE)
    with connection:
        connection.execute("UPDATE schema_version SET version = 99")
        connection.execute("DROP TABLE posted")
    with pytest.raises(StoreError, match="newer DeepGIF"):
        async with Database(url(tmp_path)):
            pass
    assert connection.execute("SELECT name FROM sqlite_master WHERE name='posted'").fetchall() == []
    connection.close()


async def test_two_processes_start_at_once(bot_database):
    """Both find the tables, whoever makes them."""

    async def start():
        async with Database(bot_database) as database:
            return await noted(database)

    assert await asyncio.gather(*(start() for _ in range(4))) == [[SCHEMA_VERSION]] * 4

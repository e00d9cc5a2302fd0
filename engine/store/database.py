"""What outlives the process, in one SQLite file: vectors of embedded GIFs, and what is known of local files.

The write-ahead log with ``synchronous=FULL`` keeps everything that was committed through a kill at any moment.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite

from deepgif.engine.errors import NotFoundError, StoreError

FILE = "deepgif.sqlite"  # in the data folder
SCHEMA_VERSION = 3
CHUNK = 500  # ids a statement; SQLite allows 32,766 variables, older builds 999
SCAN_CHUNK = 4096
BUSY_S = 10.0  # how long to wait for another process that writes
_TABLES = """
CREATE TABLE embeddings (
    space TEXT NOT NULL, provider TEXT NOT NULL, id TEXT NOT NULL,
    vector BLOB NOT NULL, -- float16, little endian
    PRIMARY KEY (space, provider, id)
) WITHOUT ROWID;
CREATE TABLE files (
    catalogue TEXT NOT NULL, path TEXT NOT NULL, -- the folder, and the path below it
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    id TEXT, width INTEGER, height INTEGER, -- NULL where the file cannot be read
    problem TEXT, -- why it cannot
    PRIMARY KEY (catalogue, path)
) WITHOUT ROWID;
CREATE INDEX files_by_id ON files (catalogue, id);
"""
_TABLES_OF_PROVIDERS = """
CREATE TABLE gifs (
    provider TEXT NOT NULL, id TEXT NOT NULL,
    title TEXT NOT NULL, alt_text TEXT NOT NULL, tags TEXT NOT NULL, -- JSON list
    rating TEXT NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL,
    url TEXT NOT NULL, -- empty unless the operator may keep addresses
    expires_at REAL NOT NULL, -- seconds since 1970
    PRIMARY KEY (provider, id)
) WITHOUT ROWID;
CREATE INDEX gifs_by_expiry ON gifs (expires_at);
CREATE TABLE calls (budget TEXT NOT NULL, at REAL NOT NULL); -- seconds since 1970
CREATE INDEX calls_by_time ON calls (budget, at);
"""
_TABLE_OF_WORDS = """
CREATE TABLE recognised_texts (
    provider TEXT NOT NULL, id TEXT NOT NULL,
    version TEXT NOT NULL, -- of the OCR
    text TEXT NOT NULL, -- empty where there are no words
    PRIMARY KEY (provider, id)
) WITHOUT ROWID;
"""
_STEPS = (_TABLES, _TABLES_OF_PROVIDERS, _TABLE_OF_WORDS)  # from each version to the next


class Database:
    """One open SQLite file with the tables above. An async context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: aiosqlite.Connection | None = None
        self._writing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = await aiosqlite.connect(self.path, timeout=BUSY_S)
            await self._prepare()
        except (OSError, sqlite3.Error) as error:
            await self._close()
            raise StoreError(
                f"{self.path} cannot be used ({error}); move it away to begin anew, or set DEEPGIF_DATA_DIR."
            ) from error
        except BaseException:  # whatever it is, cancellation too: an open connection keeps its thread
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def read(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query. Raises ``StoreError``."""
        try:
            async with self._open.execute(query, values) as cursor:
                return list(await cursor.fetchall())
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path} cannot be read ({error}); move it away to begin anew, or set DEEPGIF_DATA_DIR."
            ) from error

    async def write(self, statement: str, rows: Collection[Sequence[Any]]) -> int:
        """Runs a statement once for each row, all or nothing; how many rows of the table it wrote or removed. Durable
        when it returns. Goes on to its end where the caller is cancelled meanwhile. Raises ``StoreError``."""
        return await asyncio.shield(asyncio.ensure_future(self._write(statement, rows)))

    async def _write(self, statement: str, rows: Collection[Sequence[Any]]) -> int:
        async with self._writing:  # one connection has one transaction: a neighbour's rollback would undo this
            try:
                cursor = await self._open.executemany(statement, rows)
                await self._open.commit()
                return max(0, cursor.rowcount)  # -1 without any row
            except sqlite3.Error as error:
                await self._open.rollback()
                raise StoreError(f"{self.path} cannot be written ({error}).") from error

    @property
    def _open(self) -> aiosqlite.Connection:
        if self._connection is None:
            raise RuntimeError("the database is not open")
        return self._connection

    async def _prepare(self) -> None:
        await self._open.execute("PRAGMA journal_mode=WAL")
        await self._open.execute("PRAGMA synchronous=FULL")
        await self._open.execute("BEGIN IMMEDIATE")  # two processes may open a new file at once
        ((version,),) = await self.read("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            raise StoreError(f"{self.path} was written by a newer DeepGIF; install that one, or set DEEPGIF_DATA_DIR.")
        for step in _STEPS[version:]:
            for statement in step.split(";"):
                await self._open.execute(statement)
        await self._open.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        await self._open.commit()

    async def _close(self) -> None:
        async with self._writing:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None


async def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection to the database at ``path`` that writes nothing, once the file is of this version. An engine may be
    at work meanwhile. Raises ``NotFoundError`` where there is none, and ``StoreError``."""
    if not await asyncio.to_thread(path.is_file):
        raise NotFoundError(f"There is no {path}; DEEPGIF_DATA_DIR says where to look.")
    async with Database(path):
        pass
    connection = sqlite3.connect(path, timeout=BUSY_S)
    connection.execute("PRAGMA query_only=ON")
    return connection

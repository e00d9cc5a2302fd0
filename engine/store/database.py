"""The engine's SQLite file: vectors, scanned local files, metadata of providers' GIFs, the words in GIFs, and calls
to providers.

With the write-ahead log and ``synchronous=FULL``, committed data survives a kill at any moment.
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
CHUNK = 500  # ids per statement; SQLite allows 32,766 variables, older builds 999
SCAN_CHUNK = 4096
BUSY_S = 10.0  # to wait while another process writes
_TABLES = """
CREATE TABLE embeddings (
    space TEXT NOT NULL, provider TEXT NOT NULL, id TEXT NOT NULL,
    vector BLOB NOT NULL, -- float16, little endian
    PRIMARY KEY (space, provider, id)
) WITHOUT ROWID;
CREATE TABLE files (
    catalogue TEXT NOT NULL, path TEXT NOT NULL, -- the folder, and a path below it
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    id TEXT, width INTEGER, height INTEGER, -- NULL where the file cannot be read
    problem TEXT, -- why it cannot
    PRIMARY KEY (catalogue, path)
) WITHOUT ROWID;
CREATE INDEX files_by_id ON files (catalogue, id);
"""
_PROVIDER_TABLES = """
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
_RECOGNISED_TEXTS = """
CREATE TABLE recognised_texts (
    provider TEXT NOT NULL, id TEXT NOT NULL,
    version TEXT NOT NULL, -- of the OCR
    text TEXT NOT NULL, -- empty if the GIF has no words
    PRIMARY KEY (provider, id)
) WITHOUT ROWID;
"""
_MIGRATIONS = (_TABLES, _PROVIDER_TABLES, _RECOGNISED_TEXTS)  # from each version to the next


class Database:
    """An open SQLite file with the tables above. An async context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: aiosqlite.Connection | None = None
        self._write_lock = asyncio.Lock()

    async def __aenter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = await aiosqlite.connect(self.path, timeout=BUSY_S)
            await self._prepare()
        except (OSError, sqlite3.Error) as error:
            await self._close()
            raise StoreError(
                f"{self.path} cannot be used ({error}). Move it away to start afresh, or change DEEPGIF_DATA_DIR."
            ) from error
        except BaseException:  # cancellation too: an open connection keeps its thread running
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
                f"{self.path} cannot be read ({error}). Move it away to start afresh, or change DEEPGIF_DATA_DIR."
            ) from error

    async def write(self, statement: str, rows: Collection[Sequence[Any]]) -> int:
        """Runs a statement once per row, in one transaction; returns how many rows changed. Durable when it returns.
        Completes even if the caller is cancelled. Raises ``StoreError``."""
        return await asyncio.shield(asyncio.ensure_future(self._write(statement, rows)))

    async def _write(self, statement: str, rows: Collection[Sequence[Any]]) -> int:
        async with self._write_lock:  # a connection has one transaction: another write's rollback would undo this one
            try:
                cursor = await self._open.executemany(statement, rows)
                await self._open.commit()
                return max(0, cursor.rowcount)  # -1 if there were no rows
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
        await self._open.execute("BEGIN IMMEDIATE")  # two processes may open a file at once
        ((version,),) = await self.read("PRAGMA user_version")
        if version > SCHEMA_VERSION:
            raise StoreError(f"{self.path} was written by a newer DeepGIF. Install that, or change DEEPGIF_DATA_DIR.")
        for migration in _MIGRATIONS[version:]:
            for statement in migration.split(";"):
                await self._open.execute(statement)
        await self._open.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        await self._open.commit()

    async def _close(self) -> None:
        async with self._write_lock:
            if self._connection is not None:
                await self._connection.close()
                self._connection = None


async def open_to_read(path: Path) -> sqlite3.Connection:
    """A read-only connection to the database at ``path``, after its migration. An engine may be running. Raises
    ``NotFoundError`` if there is no database, and ``StoreError``."""
    if not await asyncio.to_thread(path.is_file):
        raise NotFoundError(f"There is no {path}. Check DEEPGIF_DATA_DIR.")
    async with Database(path):
        pass
    connection = sqlite3.connect(path, timeout=BUSY_S)
    connection.execute("PRAGMA query_only=ON")
    return connection

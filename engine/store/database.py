"""What outlives the process, in one SQLite file: vectors of embedded GIFs, and what is known of local files.

The write-ahead log with ``synchronous=FULL`` keeps everything that was committed through a kill at any moment.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiosqlite
import numpy as np
from numpy.typing import NDArray

from deepgif.engine.errors import NotFoundError, StoreError
from deepgif.engine.protocols import Vectors, VectorSpace
from deepgif.engine.types import GifKey

FILE = "deepgif.sqlite"  # in the data folder
SCHEMA_VERSION = 2
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
_STEPS = (_TABLES, _TABLES_OF_PROVIDERS)  # from each version to the next


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


def embedding_space(model: VectorSpace) -> str:
    """What vectors of this model mean: name, version and frame sampling, such as ``small@1a2b3c4d/4x224``."""
    return f"{model.space}/{model.sampling}"


async def stored_ids(database: Database, space: str, provider: str) -> set[str]:
    """The ids of one provider's GIFs whose vectors are stored in this space."""
    rows = await database.read("SELECT id FROM embeddings WHERE space=? AND provider=?", (space, provider))
    return {gif_id for (gif_id,) in rows}


class SqliteEmbeddingStore:
    """``EmbeddingStore`` in a ``Database``; vectors of ``dimension`` numbers are kept as float16."""

    def __init__(self, database: Database, dimension: int) -> None:
        self._database = database
        self._dimension = dimension

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that are stored."""
        found: dict[GifKey, NDArray[np.float32]] = {}
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            ids[key.provider].append(key.id)
        parts = (
            (provider, some[at : at + CHUNK]) for provider, some in ids.items() for at in range(0, len(some), CHUNK)
        )
        for provider, part in parts:  # SQLite looks single ids up in the key, but scans the space for pairs
            marks = ",".join("?" * len(part))
            query = f"SELECT id, vector FROM embeddings WHERE space=? AND provider=? AND id IN ({marks})"  # noqa: S608 - only placeholders
            for gif_id, blob in await self._database.read(query, (space, provider, *part)):
                if (vector := self._vector(blob)) is not None:
                    found[GifKey(provider, gif_id)] = vector
        return found

    async def put_many(self, space: str, vectors: Mapping[GifKey, NDArray[np.float32]]) -> None:
        """Stores vectors (D,); durable when it returns."""
        rows = [(space, *key, vector.astype("<f2").tobytes()) for key, vector in vectors.items()]
        await self._database.write("INSERT OR REPLACE INTO embeddings VALUES (?,?,?,?)", rows)

    async def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of one provider in this space, in chunks of keys and (N, D)."""
        last = ""
        while rows := await self._database.read(
            "SELECT id, vector FROM embeddings WHERE space=? AND provider=? AND id>? ORDER BY id LIMIT ?",
            (space, provider, last, SCAN_CHUNK),
        ):
            last = rows[-1][0]
            read = [(GifKey(provider, gif_id), self._vector(blob)) for gif_id, blob in rows]
            whole = [(key, vector) for key, vector in read if vector is not None]
            if whole:
                yield [key for key, _ in whole], np.stack([vector for _, vector in whole])

    async def count(self, space: str, provider: str) -> int:
        """How many vectors of one provider are stored in this space, damaged ones too."""
        query = "SELECT COUNT(*) FROM embeddings WHERE space=? AND provider=?"
        ((stored,),) = await self._database.read(query, (space, provider))
        return int(stored)

    async def delete(self, provider: str, ids: Collection[str]) -> None:
        """Forgets the vectors of these GIFs in every space; unknown ids are ignored."""
        await self._database.write(
            "DELETE FROM embeddings WHERE provider=? AND id IN (SELECT value FROM json_each(?))",
            [(provider, json.dumps(list(ids)))],  # one statement, as it goes through the whole table
        )

    def _vector(self, blob: object) -> NDArray[np.float32] | None:
        """The stored vector, of unit length again; None, as if it were not there, where it is damaged."""
        if not isinstance(blob, bytes) or len(blob) != 2 * self._dimension:
            return None
        vector = np.frombuffer(blob, "<f2").astype(np.float32)
        length = float(np.linalg.norm(vector))
        return vector / length if np.isfinite(length) and length > 0 else None

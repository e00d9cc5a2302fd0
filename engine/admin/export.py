"""Exports vectors and the metadata of providers' GIFs, and imports them into another engine."""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
from safetensors import SafetensorError

from deepgif.engine.admin.export_format import (
    CHUNKS,
    MAX_PARTS,
    ROWS,
    Chunk,
    GifChunk,
    GifRow,
    VectorChunk,
    are_units,
    is_gif,
    is_name,
    part_path,
    parts_of,
    read_chunks,
    read_header,
    write_part,
)
from deepgif.engine.errors import NotFoundError, StoreError
from deepgif.engine.store.database import Database, open_to_read

LOCAL = ("catalogue", "folder")  # providers of local files, which do not expire
Progress = Callable[[int, int], None]
# A vector of a provider's GIF is stored only as long as the GIF's metadata, which the provider's terms limit.
_NOT_EXPIRED = (
    "(provider IN (?,?) OR EXISTS (SELECT 1 FROM gifs WHERE gifs.provider=embeddings.provider"
    " AND gifs.id=embeddings.id AND expires_at>?))"
)
_GROUPS = (
    "SELECT space, provider, length(vector), typeof(vector), COUNT(*) FROM embeddings "  # noqa: S608 - constants
    f"WHERE {_NOT_EXPIRED} GROUP BY 1, 2, 3, 4"
)
_VECTORS = (
    "SELECT id, vector FROM embeddings WHERE space=? AND provider=? AND id>? AND length(vector)=? "  # noqa: S608 - constants
    f"AND typeof(vector)='blob' AND {_NOT_EXPIRED} ORDER BY id LIMIT ?"
)
_GIFS = (
    "SELECT provider, id, title, alt_text, tags, rating, width, height, expires_at FROM gifs "
    "WHERE expires_at>? AND (provider, id)>(?,?) ORDER BY provider, id LIMIT ?"
)
_PUT_GIF = (
    "INSERT INTO gifs (provider, id, title, alt_text, tags, rating, width, height, expires_at, url) "
    "VALUES (?,?,?,?,?,?,?,?,?,'') ON CONFLICT (provider, id) DO UPDATE SET title=excluded.title, "
    "alt_text=excluded.alt_text, tags=excluded.tags, rating=excluded.rating, width=excluded.width, "
    "height=excluded.height, expires_at=excluded.expires_at WHERE excluded.expires_at>gifs.expires_at"
)


@dataclass(frozen=True, slots=True)
class Exported:
    """How many GIFs and vectors were written, to which files, and how many damaged rows were left out."""

    gifs: int
    vectors: int
    files: tuple[str, ...]
    damaged: int


@dataclass(frozen=True, slots=True)
class Imported:
    """How many GIFs and vectors are new, how many were known, and how many were left out because their GIFs have
    expired."""

    gifs: int
    vectors: int
    known: int
    left_out: int


async def export_data(
    database: Path, target: Path, *, force: bool = False, on_progress: Progress = lambda done, total: None
) -> Exported:
    """Writes a snapshot of ``database`` to ``target``, or to several files beside it: all or nothing. An engine may be
    running. Raises ``NotFoundError`` and ``StoreError``."""
    with closing(await open_to_read(database)) as connection:
        try:
            connection.execute("BEGIN")  # a snapshot
            return _write(connection, target, force, on_progress)
        except sqlite3.Error as error:
            raise StoreError(f"{database} cannot be read ({error}).") from error
        except (OSError, SafetensorError) as error:
            raise StoreError(f"{target} cannot be written ({error}).") from error


async def import_data(
    database: Path, source: Path, keep_s: float, on_progress: Progress = lambda done, total: None
) -> Imported:
    """Adds the export ``source`` to ``database``; existing vectors are not changed. GIFs of providers expire when the
    export says, but after ``keep_s`` seconds at the latest. The whole export is checked before anything is written.
    Raises ``NotFoundError`` and ``StoreError``."""
    paths = parts_of(source)
    total = 2 * sum(one["rows"] for path in paths for one in read_header(path).chunks)
    done = 0
    for chunk in _chunks_of(paths):
        done += len(chunk.rows)
        on_progress(done, total)
    gifs = vectors = known = 0
    async with Database(database) as target:
        rows = 0
        for chunk in _chunks_of(paths):
            if isinstance(chunk, GifChunk):
                new, old = await _add_gifs(target, chunk.rows, keep_s)
                gifs += new
            else:
                new, old = await _add_vectors(target, chunk)
                vectors += new
            known += old
            rows += len(chunk.rows)
            done += len(chunk.rows)
            on_progress(done, total)
    return Imported(gifs, vectors, known, rows - gifs - vectors - known)


def _chunks_of(paths: list[Path]) -> Iterator[Chunk]:
    return chain.from_iterable(map(read_chunks, paths))


def _write(connection: sqlite3.Connection, target: Path, force: bool, on_progress: Progress) -> Exported:
    now = time.time()
    ((gif_count,),) = connection.execute("SELECT COUNT(*) FROM gifs WHERE expires_at>?", (now,))
    groups: dict[tuple[str, str], tuple[int, int]] = {}  # vectors of one space and provider, and the bytes of each
    vector_count = 0
    for space, provider, size, kind, count in connection.execute(_GROUPS, (*LOCAL, now)):
        vector_count += count
        valid = kind == "blob" and size > 0 and size % 2 == 0
        if valid and count > groups.get((space, provider), (0, 0))[0]:  # vectors of another size are damaged
            groups[space, provider] = count, size
    total = gif_count + vector_count
    if not total:
        raise NotFoundError("There is nothing to export: no GIFs are indexed.")
    chunks = sum(-(-count // ROWS) for count in (gif_count, *(count for count, _ in groups.values())))
    parts = max(1, -(-chunks // CHUNKS))
    if parts > MAX_PARTS:
        raise StoreError("The export is too large: it would need more than 99,999 files.")
    paths = [part_path(target, part, parts) for part in range(1, parts + 1)]
    existing = next((path for path in paths if path.exists()), None)
    if existing is not None and not force:
        raise StoreError(f"{existing} already exists. Choose another name, or use --force to replace it.")
    export = secrets.token_hex(8)
    temporary = [path.with_name(f".{path.name}.{export}") for path in paths]
    remaining = chain(
        _gifs(connection, now),
        *(_vectors(connection, space, provider, size, now) for (space, provider), (_, size) in groups.items()),
    )
    done = gifs = vectors = 0
    try:
        for part, draft in enumerate(temporary, 1):
            chunks_of_part = []
            for chunk in islice(remaining, CHUNKS):
                chunks_of_part.append(chunk)
                gifs += len(chunk.rows) if isinstance(chunk, GifChunk) else 0
                vectors += len(chunk.rows) if isinstance(chunk, VectorChunk) else 0
                done = gifs + vectors
                on_progress(done, total)
            write_part(draft, export, part, parts, chunks_of_part)
        for draft, path in zip(temporary, paths, strict=True):
            draft.replace(path)
    finally:
        for path in temporary:
            with suppress(OSError):
                path.unlink()
    return Exported(gifs, vectors, tuple(str(path) for path in paths), total - done)


def _gifs(connection: sqlite3.Connection, now: float) -> Iterator[Chunk]:
    last = ("", "")
    while rows := connection.execute(_GIFS, (now, *last, ROWS)).fetchall():
        last = rows[-1][:2]
        read = (GifRow(*row) for row in rows)
        parsed = (replace(row, tags=tuple(json.loads(str(row.tags)))) for row in read)
        yield GifChunk(tuple(row for row in parsed if is_gif(row)))


def _vectors(connection: sqlite3.Connection, space: str, provider: str, size: int, now: float) -> Iterator[Chunk]:
    last = ""
    while rows := connection.execute(_VECTORS, (space, provider, last, size, *LOCAL, now, ROWS)).fetchall():
        last = rows[-1][0]
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f2").reshape(len(rows), -1)
        good = are_units(vectors) & np.array([is_name(gif_id) for gif_id, _ in rows])
        ids = tuple(gif_id for (gif_id, _), one in zip(rows, good, strict=True) if one)
        yield VectorChunk(space, provider, ids, vectors[good])


async def _add_gifs(database: Database, rows: tuple[GifRow, ...], keep_s: float) -> tuple[int, int]:
    """Returns how many are new, and how many were known."""
    now = time.time()
    unexpired = {(row.provider, row.id): row for row in rows if row.expires_at > now}
    known = 0
    for provider in {row.provider for row in unexpired.values()}:
        ids = [row.id for row in unexpired.values() if row.provider == provider]
        known += len(await _matching(database, "SELECT id FROM gifs WHERE provider=? AND", ids, provider))
    values = [
        (*key, row.title, row.alt_text, json.dumps(row.tags), row.rating, row.width, row.height, expires)
        for key, row in unexpired.items()
        for expires in [min(row.expires_at, now + keep_s)]
    ]
    await database.write(_PUT_GIF, values)
    return len(unexpired) - known, known


async def _add_vectors(database: Database, chunk: VectorChunk) -> tuple[int, int]:
    """Returns how many are new, and how many were known."""
    vectors = dict(zip(chunk.rows, chunk.vectors, strict=True))
    if chunk.provider not in LOCAL:
        query = "SELECT id FROM gifs WHERE provider=? AND expires_at>? AND"
        stored = await _matching(database, query, list(vectors), chunk.provider, time.time())
        vectors = {gif_id: vector for gif_id, vector in vectors.items() if gif_id in stored}
    query = "SELECT id FROM embeddings WHERE space=? AND provider=? AND"
    known = await _matching(database, query, list(vectors), chunk.space, chunk.provider)
    new = [
        (chunk.space, chunk.provider, gif_id, vector.tobytes())
        for gif_id, vector in vectors.items()
        if gif_id not in known
    ]
    await database.write("INSERT OR IGNORE INTO embeddings VALUES (?,?,?,?)", new)
    return len(new), len(known)


async def _matching(database: Database, query: str, ids: list[str], *values: object) -> set[str]:
    """Those of ``ids`` that match a query."""
    among = f"{query} id IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants
    rows = await database.read(among, (*values, json.dumps(ids)))
    return {gif_id for (gif_id,) in rows}

"""What an engine knows, carried to another one: vectors with their spaces, and the short texts that are remembered."""

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
    MOST_PARTS,
    ROWS,
    Chunk,
    Embedded,
    GifRow,
    Gifs,
    are_units,
    is_gif,
    is_name,
    part_path,
    parts_of,
    read_chunks,
    read_head,
    write_part,
)
from deepgif.engine.errors import NotFoundError, StoreError
from deepgif.engine.store.database import Database, open_to_read

LOCAL = ("catalogue", "folder")  # providers whose GIFs are files here: nobody limits for how long they are kept
Progress = Callable[[int, int], None]
# Vectors of a provider's GIFs go when what is remembered of these goes, which is when the provider's terms say so.
_MAY_BE_KEPT = (
    "(provider IN (?,?) OR EXISTS (SELECT 1 FROM gifs WHERE gifs.provider=embeddings.provider"
    " AND gifs.id=embeddings.id AND expires_at>?))"
)
_GROUPS = (
    "SELECT space, provider, length(vector), typeof(vector), COUNT(*) FROM embeddings "  # noqa: S608 - constants
    f"WHERE {_MAY_BE_KEPT} GROUP BY 1, 2, 3, 4"
)
_VECTORS = (
    "SELECT id, vector FROM embeddings WHERE space=? AND provider=? AND id>? AND length(vector)=? "  # noqa: S608 - constants
    f"AND typeof(vector)='blob' AND {_MAY_BE_KEPT} ORDER BY id LIMIT ?"
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
    """What was written: GIFs with their texts, vectors, the files, and how many rows were damaged and left out."""

    gifs: int
    vectors: int
    files: tuple[str, ...]
    damaged: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What was taken: GIFs and vectors that are new here, those that were known, and vectors that were left out
    because their GIFs may not be remembered any more."""

    gifs: int
    vectors: int
    known: int
    left_out: int


async def export_known(
    database: Path, target: Path, *, force: bool = False, on_progress: Progress = lambda done, total: None
) -> Exported:
    """Writes what ``database`` holds at this moment to ``target``, or to several files beside it; whole, or not at all.
    An engine may be at work meanwhile. Raises ``NotFoundError`` and ``StoreError``."""
    with closing(await open_to_read(database)) as connection:
        try:
            connection.execute("BEGIN")  # what others write from now on is not seen
            return _write(connection, target, force, on_progress)
        except sqlite3.Error as error:
            raise StoreError(f"{database} cannot be read ({error}).") from error
        except (OSError, SafetensorError) as error:
            raise StoreError(f"{target} cannot be written ({error}).") from error


async def import_known(
    database: Path, source: Path, keep_s: float, on_progress: Progress = lambda done, total: None
) -> Imported:
    """Adds what the export ``source`` holds to ``database``; vectors that are there stay as they are. GIFs of providers
    are remembered for as long as the export says, but at most for ``keep_s`` seconds. All of it is checked before
    anything is written. Raises ``NotFoundError`` and ``StoreError``."""
    paths = parts_of(source)
    total = 2 * sum(one["rows"] for path in paths for one in read_head(path).chunks)
    done = 0
    for chunk in _all_in(paths):
        done += len(chunk.rows)
        on_progress(done, total)
    gifs = vectors = known = 0
    async with Database(database) as opened:
        rows = 0
        for chunk in _all_in(paths):
            if isinstance(chunk, Gifs):
                new, old = await _add_gifs(opened, chunk.rows, keep_s)
                gifs += new
            else:
                new, old = await _add_vectors(opened, chunk)
                vectors += new
            known += old
            rows += len(chunk.rows)
            done += len(chunk.rows)
            on_progress(done, total)
    return Imported(gifs, vectors, known, rows - gifs - vectors - known)


def _all_in(paths: list[Path]) -> Iterator[Chunk]:
    return chain.from_iterable(map(read_chunks, paths))


def _write(connection: sqlite3.Connection, target: Path, force: bool, on_progress: Progress) -> Exported:
    now = time.time()
    ((remembered,),) = connection.execute("SELECT COUNT(*) FROM gifs WHERE expires_at>?", (now,))
    groups: dict[tuple[str, str], tuple[int, int]] = {}  # vectors of one space and provider, and the bytes of each
    embedded = 0
    for space, provider, size, kind, count in connection.execute(_GROUPS, (*LOCAL, now)):
        embedded += count
        whole = kind == "blob" and size > 0 and size % 2 == 0
        if whole and count > groups.get((space, provider), (0, 0))[0]:  # of another size: damaged
            groups[space, provider] = count, size
    total = remembered + embedded
    if not total:
        raise NotFoundError("There is nothing to export: nothing is embedded or remembered.")
    chunks = sum(-(-count // ROWS) for count in (remembered, *(count for count, _ in groups.values())))
    parts = max(1, -(-chunks // CHUNKS))
    if parts > MOST_PARTS:
        raise StoreError("There is more to export than the names of files have numbers for.")
    paths = [part_path(target, part, parts) for part in range(1, parts + 1)]
    taken = next((path for path in paths if path.exists()), None)
    if taken is not None and not force:
        raise StoreError(f"{taken} exists already; choose another name, or replace it with --force.")
    export = secrets.token_hex(8)
    drafts = [path.with_name(f".{path.name}.{export}") for path in paths]
    waiting = chain(
        _gifs(connection, now),
        *(_vectors(connection, space, provider, size, now) for (space, provider), (_, size) in groups.items()),
    )
    done = gifs = vectors = 0
    try:
        for part, draft in enumerate(drafts, 1):
            some = []
            for chunk in islice(waiting, CHUNKS):
                some.append(chunk)
                gifs += len(chunk.rows) if isinstance(chunk, Gifs) else 0
                vectors += len(chunk.rows) if isinstance(chunk, Embedded) else 0
                done = gifs + vectors
                on_progress(done, total)
            write_part(draft, export, part, parts, some)
        for draft, path in zip(drafts, paths, strict=True):
            draft.replace(path)
    finally:
        for draft in drafts:
            with suppress(OSError):
                draft.unlink()
    return Exported(gifs, vectors, tuple(str(path) for path in paths), total - done)


def _gifs(connection: sqlite3.Connection, now: float) -> Iterator[Chunk]:
    last = ("", "")
    while rows := connection.execute(_GIFS, (now, *last, ROWS)).fetchall():
        last = rows[-1][:2]
        read = (GifRow(*row) for row in rows)
        whole = (replace(row, tags=tuple(json.loads(str(row.tags)))) for row in read)
        yield Gifs(tuple(row for row in whole if is_gif(row)))


def _vectors(connection: sqlite3.Connection, space: str, provider: str, size: int, now: float) -> Iterator[Chunk]:
    last = ""
    while rows := connection.execute(_VECTORS, (space, provider, last, size, *LOCAL, now, ROWS)).fetchall():
        last = rows[-1][0]
        vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f2").reshape(len(rows), -1)
        good = are_units(vectors) & np.array([is_name(gif_id) for gif_id, _ in rows])
        ids = tuple(gif_id for (gif_id, _), one in zip(rows, good, strict=True) if one)
        yield Embedded(space, provider, ids, vectors[good])


async def _add_gifs(database: Database, rows: tuple[GifRow, ...], keep_s: float) -> tuple[int, int]:
    """How many are new, and how many were known."""
    now = time.time()
    fresh = {(row.provider, row.id): row for row in rows if row.expires_at > now}
    known = 0
    for provider in {row.provider for row in fresh.values()}:
        ids = [row.id for row in fresh.values() if row.provider == provider]
        known += len(await _of(database, "SELECT id FROM gifs WHERE provider=? AND", ids, provider))
    values = [
        (*key, row.title, row.alt_text, json.dumps(row.tags), row.rating, row.width, row.height, expires)
        for key, row in fresh.items()
        for expires in [min(row.expires_at, now + keep_s)]
    ]
    await database.write(_PUT_GIF, values)
    return len(fresh) - known, known


async def _add_vectors(database: Database, chunk: Embedded) -> tuple[int, int]:
    """How many are new, and how many were known."""
    given = dict(zip(chunk.rows, chunk.vectors, strict=True))
    if chunk.provider not in LOCAL:
        query = "SELECT id FROM gifs WHERE provider=? AND expires_at>? AND"
        kept = await _of(database, query, list(given), chunk.provider, time.time())
        given = {gif_id: vector for gif_id, vector in given.items() if gif_id in kept}
    query = "SELECT id FROM embeddings WHERE space=? AND provider=? AND"
    known = await _of(database, query, list(given), chunk.space, chunk.provider)
    new = [
        (chunk.space, chunk.provider, gif_id, vector.tobytes())
        for gif_id, vector in given.items()
        if gif_id not in known
    ]
    await database.write("INSERT OR IGNORE INTO embeddings VALUES (?,?,?,?)", new)
    return len(new), len(known)


async def _of(database: Database, query: str, ids: list[str], *values: object) -> set[str]:
    """Those of ``ids`` that a query finds."""
    among = f"{query} id IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants
    rows = await database.read(among, (*values, json.dumps(ids)))
    return {gif_id for (gif_id,) in rows}

"""A folder of GIFs and animated WebPs as a provider.

A GIF's id is a digest of its bytes: a file that is moved or renamed keeps its vector, and identical files are one GIF.
Titles and alt texts come from the folder's ``catalogue.json``, or else from file names.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepgif.engine.errors import MediaError, NotFoundError
from deepgif.engine.media.probe import probe
from deepgif.engine.options import MediaLimits
from deepgif.engine.providers.metadata import CatalogueMetadata, load_metadata
from deepgif.engine.store.database import Database
from deepgif.engine.types import Gif, GifKey, Rating

SUFFIXES = frozenset({".gif", ".webp"})
ID_LENGTH = 20  # hexadecimal digits of SHA-256
BATCH = 64  # files between two writes to the database
UNREAD = -1  # the stored size of a file that could not be read, so that the next scan tries again


@dataclass(frozen=True, slots=True)
class Changes:
    """What a scan found, in files. ``unreadable`` has paths below the folder, and why."""

    added: int = 0
    changed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    unreadable: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    size: int
    mtime_ns: int
    id: str | None
    width: int | None
    height: int | None
    problem: str | None


class FolderCatalogue:
    """``Provider`` of the GIFs in ``folder``, under ``name``. GIFs without a rating in ``catalogue.json`` get
    ``default_rating``; ``url_of`` gives the URL of a GIF's media."""

    def __init__(
        self,
        name: str,
        folder: Path,
        database: Database,
        limits: MediaLimits,
        *,
        default_rating: Rating = Rating.G,
        url_of: Callable[[GifKey], str] = lambda key: f"/v1/media/{key.provider}/{key.id}",
    ) -> None:
        self.name = name
        self.folder = folder.resolve()
        self._database = database
        self._limits = limits
        self._default_rating = default_rating
        self._url_of = url_of
        self._key = _printable(str(self.folder))
        self._files: dict[str, _File] = {}  # by id, one path each
        self._metadata = CatalogueMetadata()

    async def open(self) -> None:
        """Loads the results of earlier scans, so that they can be searched at once."""
        self._metadata = await asyncio.to_thread(load_metadata, self.folder)
        self._files = _by_id(await self._stored())

    async def scan(self, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Changes:
        """Scans the folder; reads only files whose size or modification time changed. Raises ``NotFoundError`` if there
        is no such folder."""
        if not await asyncio.to_thread(self.folder.is_dir):
            raise NotFoundError(f"There is no folder {self.folder}.")
        self._metadata = await asyncio.to_thread(load_metadata, self.folder)
        before = {file.path: file for file in await self._stored()}
        walked = await asyncio.to_thread(lambda: dict(self._walk()))
        seen = {path: stamp for path, stamp in walked.items() if path == _printable(path)}
        unnameable = tuple((_printable(path), "The file name is not UTF-8.") for path in walked if path not in seen)
        pending = [path for path, stamp in seen.items() if path not in before or stamp != _stamp(before[path])]
        gone = [path for path in before if path not in seen]
        after = {path: before[path] for path in seen if path in before}
        for start in range(0, len(pending), BATCH):
            part = pending[start : start + BATCH]
            read = await asyncio.to_thread(lambda paths: [self._read(path, *seen[path]) for path in paths], part)
            await self._database.write(
                "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?,?,?)", [self._row(f) for f in read]
            )
            after.update((file.path, file) for file in read)
            on_progress(min(start + BATCH, len(pending)), len(pending))
        await self._database.write(
            "DELETE FROM files WHERE catalogue=? AND path=?", [(self._key, path) for path in gone]
        )
        self._files = _by_id(after.values())
        new = [path for path in seen if path not in before]
        changed = sum(path in before and before[path] != after[path] for path in pending)
        moved = (_count_by_id(before[path] for path in gone) & _count_by_id(after[path] for path in new)).total()
        unreadable = ((file.path, file.problem) for file in after.values() if file.problem is not None)
        return Changes(
            added=len(new) - moved,
            changed=changed,
            moved=moved,
            removed=len(gone) - moved,
            unchanged=len(seen) - len(new) - changed,
            unreadable=(*unreadable, *unnameable),
        )

    def ids(self) -> list[str]:
        """The ids of all readable GIFs, sorted."""
        return sorted(self._files)

    async def count(self) -> int:
        """The number of distinct GIFs."""
        return len(self._files)

    async def lookup(self, ids: Collection[str], *, fetch: bool = True) -> dict[str, Gif]:
        """Those of ``ids`` that exist. ``fetch`` has no effect."""
        return {gif_id: self._gif(gif_id, self._files[gif_id]) for gif_id in ids if gif_id in self._files}

    async def media(self, gif_id: str) -> Path | None:
        """The file of a GIF, or None if it is gone or leads out of the folder."""
        file = self._files.get(gif_id)
        return await asyncio.to_thread(self._inside, file.path) if file is not None else None

    async def read(self, gif_id: str) -> bytes:
        """The bytes of a GIF. Raises ``MediaError`` if it cannot be read or has changed."""
        path = await self.media(gif_id)
        if path is None:
            raise MediaError("The file is gone.")
        try:
            data = await asyncio.to_thread(_bytes, path, self._limits.max_bytes)
        except OSError as error:
            raise MediaError(_unreadable(error)) from error
        if _id(data) != gif_id:
            raise MediaError("The file changed while it was being read.")
        return data

    def path_of(self, gif_id: str) -> str:
        """The path of a GIF below the folder, for messages."""
        return self._files[gif_id].path

    def _gif(self, gif_id: str, file: _File) -> Gif:
        key = GifKey(self.name, gif_id)
        return Gif(
            key=key,
            title=self._metadata.title(file.path),
            alt_text=self._metadata.alt_text(file.path),
            rating=self._metadata.rating(file.path, self._default_rating),
            url=self._url_of(key),
            width=file.width or 0,
            height=file.height or 0,
            attribution=self._metadata.attribution,
            tags=self._metadata.tags(file.path),
        )

    def _walk(self) -> Iterator[tuple[str, tuple[int, int]]]:
        for folder, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                if path.suffix.lower() not in SUFFIXES or name.startswith("."):
                    continue
                relative = path.relative_to(self.folder).as_posix()
                inside = self._inside(relative)
                if inside is None:
                    continue
                try:
                    stat = inside.stat()
                except OSError:  # it may disappear at any moment
                    continue
                yield relative, (stat.st_size, stat.st_mtime_ns)

    def _inside(self, relative: str) -> Path | None:
        try:
            path = (self.folder / relative).resolve(strict=True)
        except (OSError, RuntimeError):
            return None
        return path if path.is_relative_to(self.folder) and path.is_file() else None

    def _read(self, path: str, size: int, mtime_ns: int) -> _File:
        try:
            data = _bytes(self.folder / path, self._limits.max_bytes)
            info = probe(data, self._limits)
        except MediaError as error:
            return _File(path, size, mtime_ns, None, None, None, str(error))
        except OSError as error:
            return _File(path, UNREAD, mtime_ns, None, None, None, _unreadable(error))
        return _File(path, size, mtime_ns, _id(data), info.width, info.height, None)

    def _row(self, file: _File) -> tuple[Any, ...]:
        return (self._key, file.path, file.size, file.mtime_ns, file.id, file.width, file.height, file.problem)

    async def _stored(self) -> list[_File]:
        rows = await self._database.read(
            "SELECT path, size, mtime_ns, id, width, height, problem FROM files WHERE catalogue=? ORDER BY path",
            (self._key,),
        )
        return [_File(*row) for row in rows]


def _by_id(files: Collection[_File]) -> dict[str, _File]:
    found: dict[str, _File] = {}
    for file in sorted(files, key=lambda file: file.path):  # of identical files, always the first
        if file.id is not None:
            found.setdefault(file.id, file)
    return found


def _stamp(file: _File) -> tuple[int, int]:
    return file.size, file.mtime_ns


def _count_by_id(files: Iterable[_File]) -> Counter[str]:
    """How many of the files have each readable content."""
    return Counter(file.id for file in files if file.id is not None)


def _bytes(path: Path, max_bytes: int) -> bytes:
    with path.open("rb") as file:
        if (size := os.fstat(file.fileno()).st_size) > max_bytes:
            raise MediaError(f"The file has {size:,} bytes; the limit is {max_bytes:,}.")
        return file.read(max_bytes + 1)  # if it has grown since, the probe rejects it


def _unreadable(error: OSError) -> str:
    return f"The file cannot be read ({error.strerror})."


def _printable(path: str) -> str:
    """The path, with escapes for bytes that are not UTF-8, which neither SQLite nor JSON can store."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _id(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:ID_LENGTH]

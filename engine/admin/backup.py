"""Backups of a SQLite database, made while it is in use and restored while it is not."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from deepgif.engine.errors import NotFoundError, StoreError

PAGES = 1024  # between two progress reports: 4 MB
BUSY_S = 10.0
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Schema:
    """The databases that can be restored: those with ``tables``, up to version ``newest``. ``version`` is the query for
    the version; without the table ``noted_in`` it is 1."""

    tables: frozenset[str]
    newest: int
    version: str = "PRAGMA user_version"
    noted_in: str = "sqlite_master"


def back_up(
    database: Path, target: Path, *, force: bool = False, on_progress: Progress = lambda done, total: None
) -> int:
    """Copies a database as it is now (SQLite's online backup), checks the copy, and returns its size in bytes. Writes
    the whole copy or nothing. Raises ``NotFoundError`` and ``StoreError``."""
    if not database.is_file():
        raise NotFoundError(f"There is no {database}. Check DEEPGIF_DATA_DIR.")
    if target.exists() and not force:
        raise StoreError(f"{target} already exists. Choose another name, or use --force to replace it.")
    return _copy(database, target, on_progress)


def restore(
    source: Path, database: Path, schema: Schema, on_progress: Progress = lambda done, total: None
) -> Path | None:
    """Replaces a database with a backup, and returns where the old one is now. Raises ``NotFoundError``, and
    ``StoreError`` if the backup is damaged or does not fit ``schema``, or a process uses the database."""
    if not source.is_file():
        raise NotFoundError(f"There is no {source}.")
    _check(source, schema)
    old_copy = None
    if database.exists():
        _claim(database)
        old_copy = database.with_name(f"{database.name}.before-restore")
        try:
            database.replace(old_copy)
        except OSError as error:
            raise StoreError(f"{database} cannot be renamed ({error.strerror}).") from error
    try:
        _copy(source, database, on_progress)
    except StoreError:
        if old_copy is not None:
            old_copy.replace(database)
        raise
    return old_copy


def _copy(source: Path, target: Path, on_progress: Progress) -> int:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(0o600)
        with closing(sqlite3.connect(source, timeout=BUSY_S)) as source_db, closing(sqlite3.connect(temporary)) as copy:
            source_db.execute("BEGIN")  # a snapshot: otherwise the backup restarts whenever somebody writes
            source_db.execute("SELECT * FROM sqlite_master LIMIT 1").fetchall()
            source_db.backup(copy, pages=PAGES, progress=lambda _, left, total: on_progress(total - left, total))
            if copy.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise StoreError(f"{source} is damaged and was not copied.")
            copy.execute("PRAGMA journal_mode=DELETE")  # no other files beside it
        temporary.replace(target)
        return target.stat().st_size
    except sqlite3.Error as error:
        raise StoreError(f"{source} cannot be copied to {target} ({error}).") from error
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror}).") from error
    finally:
        for rest in (temporary, temporary.with_name(f"{temporary.name}-journal")):
            with suppress(OSError):
                rest.unlink()


def _check(source: Path, schema: Schema) -> None:
    """Raises ``StoreError`` if a file is not a backup that can be restored."""
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            version = 1
            if schema.noted_in in tables | {"sqlite_master"}:
                ((version,),) = connection.execute(schema.version)
            intact = connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    except sqlite3.Error as error:
        raise StoreError(f"{source} is not a valid backup ({error}). Nothing was changed.") from error
    if not intact:
        raise StoreError(f"{source} is damaged. Nothing was changed.")
    if not schema.tables <= tables:
        raise StoreError(f"{source} is not a backup of this database. Nothing was changed.")
    if version > schema.newest:
        raise StoreError(f"{source} was written by a newer DeepGIF. Install that version. Nothing was changed.")


def _claim(database: Path) -> None:
    """Merges a database and its log into one file. Raises ``StoreError`` if any process has it open."""
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()  # needs exclusive access
    except sqlite3.OperationalError as error:
        raise StoreError(f"{database} is in use ({error}). Stop what uses it first. Nothing was changed.") from error
    except sqlite3.DatabaseError:
        pass  # damaged, perhaps the reason for restoring

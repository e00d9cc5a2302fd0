"""Whole copies of a SQLite database, taken while others use it, and put back while nobody does."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from deepgif.engine.errors import NotFoundError, StoreError

PAGES = 1024  # copied between two reports of progress: 4 MB
BUSY_S = 10.0
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Schema:
    """Which databases can be used: those with ``tables``, of the version ``newest`` at most. ``version`` is the query
    that tells it, where the table ``noted_in`` is there; without that table it is the first."""

    tables: frozenset[str]
    newest: int
    version: str = "PRAGMA user_version"
    noted_in: str = "sqlite_master"


def back_up(
    database: Path, target: Path, *, force: bool = False, on_progress: Progress = lambda done, total: None
) -> int:
    """Copies a database as it is at this moment (SQLite's online backup) and checks the copy; its bytes. Whole, or not
    at all. Raises ``NotFoundError`` and ``StoreError``."""
    if not database.is_file():
        raise NotFoundError(f"There is no {database}; DEEPGIF_DATA_DIR says where to look.")
    if target.exists() and not force:
        raise StoreError(f"{target} exists already; choose another name, or replace it with --force.")
    return _copy(database, target, on_progress)


def restore(
    source: Path, database: Path, schema: Schema, on_progress: Progress = lambda done, total: None
) -> Path | None:
    """Puts a copy in the place of a database, which is kept beside it; gives where. Raises ``NotFoundError``, and
    ``StoreError`` where the copy is damaged or of another kind than ``schema``, or a process uses the database."""
    if not source.is_file():
        raise NotFoundError(f"There is no {source}.")
    _check(source, schema)
    kept = None
    if database.exists():
        _claim(database)
        kept = database.with_name(f"{database.name}.before-restore")
        try:
            database.replace(kept)
        except OSError as error:
            raise StoreError(f"{database} cannot be moved away ({error.strerror}).") from error
    try:
        _copy(source, database, on_progress)
    except StoreError:
        if kept is not None:
            kept.replace(database)
        raise
    return kept


def _copy(source: Path, target: Path, on_progress: Progress) -> int:
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(0o600)
        with closing(sqlite3.connect(source, timeout=BUSY_S)) as old, closing(sqlite3.connect(draft)) as new:
            old.execute("BEGIN")  # one view of the file: else the copy begins anew whenever somebody writes
            old.execute("SELECT * FROM sqlite_master LIMIT 1").fetchall()
            old.backup(new, pages=PAGES, progress=lambda _, left, total: on_progress(total - left, total))
            if new.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
                raise StoreError(f"{source} is damaged; it was not copied.")
            new.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
        draft.replace(target)
        return target.stat().st_size
    except sqlite3.Error as error:
        raise StoreError(f"{source} cannot be copied to {target} ({error}).") from error
    except OSError as error:
        raise StoreError(f"{target} cannot be written ({error.strerror}).") from error
    finally:
        for left in (draft, draft.with_name(f"{draft.name}-journal")):
            with suppress(OSError):
                left.unlink()


def _check(source: Path, schema: Schema) -> None:
    """Raises ``StoreError`` where a file is no backup that this program can use."""
    try:
        with closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
            version = 1
            if schema.noted_in in tables | {"sqlite_master"}:
                ((version,),) = connection.execute(schema.version)
            sound = connection.execute("PRAGMA quick_check").fetchall() == [("ok",)]
    except sqlite3.Error as error:
        raise StoreError(f"{source} is not a backup that can be used ({error}). Nothing was changed.") from error
    if not sound:
        raise StoreError(f"{source} is damaged. Nothing was changed.")
    if not schema.tables <= tables:
        raise StoreError(f"{source} was not written by deepgif backup, or of something else. Nothing was changed.")
    if version > schema.newest:
        raise StoreError(f"{source} was written by a newer DeepGIF; install that one. Nothing was changed.")


def _claim(database: Path) -> None:
    """Makes one file of a database and its log. Raises ``StoreError`` where any process has it open."""
    try:
        with closing(sqlite3.connect(database, timeout=0)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchall()  # only whoever is alone may change that
    except sqlite3.OperationalError as error:
        raise StoreError(f"{database} is in use ({error}); stop what uses it first. Nothing was changed.") from error
    except sqlite3.DatabaseError:
        pass  # damaged: that may be why it is replaced

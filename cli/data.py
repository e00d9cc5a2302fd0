"""The commands about stored data: ``export``, ``import``, ``backup`` and ``restore``."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepgif.cli.arguments import Force, Json
from deepgif.cli.console import err, out, plain_errors, print_json, progress_bar
from deepgif.config.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from deepgif.engine.admin.backup import Schema

Bots = Annotated[bool, typer.Option("--bots", help="The bots' database instead of the engine's.")]


@plain_errors()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write, such as gifs.safetensors.")],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Export all embeddings to a file for another engine.

    Titles and tags are exported too; URLs, keys and the bots' data are not (deepgif backup copies everything). Large
    exports become several files, such as gifs-00001-of-00003.safetensors. The engine may keep running.
    """
    from deepgif.engine.admin.export import export_data
    from deepgif.engine.store.database import FILE

    database = load_settings().data_dir / FILE
    with progress_bar("Exporting") as report:
        done = asyncio.run(export_data(database, file, force=force, on_progress=report))
    if as_json:
        print_json(asdict(done))
        return
    if done.damaged:
        err.print(f"{done.damaged:,} damaged rows were skipped.", style="yellow")
    files = "" if len(done.files) == 1 else f" in {len(done.files):,} files"
    out.print(f"Exported {done.vectors:,} embeddings and the texts of {done.gifs:,} GIFs{files}.", highlight=False)
    out.print(f"To import elsewhere: deepgif import {file}", highlight=False, soft_wrap=True)


@plain_errors()
def import_(
    file: Annotated[Path, typer.Argument(help="The file name given to deepgif export.")],
    as_json: Json = False,
) -> None:
    """Import embeddings that another engine exported.

    The file is checked before anything changes. Existing embeddings are never changed, so importing twice is safe.
    Restart the engine afterwards.
    """
    from deepgif.engine.admin.export import import_data
    from deepgif.engine.providers.gif_store import DAY_S
    from deepgif.engine.store.database import FILE

    settings = load_settings()
    with progress_bar("Importing") as report:
        done = asyncio.run(
            import_data(settings.data_dir / FILE, file, settings.provider_cache_ttl_days * DAY_S, report)
        )
    if as_json:
        print_json(asdict(done))
        return
    gone = f"; {done.left_out:,} have expired" if done.left_out else ""
    new = f"Imported {done.vectors:,} embeddings and the texts of {done.gifs:,} GIFs"
    out.print(f"{new}; {done.known:,} existed already{gone}.", highlight=False, soft_wrap=True)


@plain_errors()
def backup(
    file: Annotated[Path, typer.Argument(help="Where to write the copy, such as deepgif-monday.sqlite.")],
    bots: Bots = False,
    force: Force = False,
) -> None:
    """Back up the database; the engine may keep running.

    With --bots, also copy the file "secret" in the data folder: the database is encrypted with it.
    """
    from deepgif.engine.admin.backup import back_up

    database = _database(load_settings(), bots)
    with progress_bar("Copying") as report:
        size = back_up(database, file, force=force, on_progress=report)
    out.print(f"Backed up {database.name} to {file} ({size:,} bytes).", highlight=False, soft_wrap=True)


@plain_errors()
def restore(
    file: Annotated[Path, typer.Argument(help="A file from deepgif backup.")],
    bots: Bots = False,
) -> None:
    """Restore a backup; the current database is moved aside.

    Stop the engine (or with --bots, the bots) first: while one is running, nothing changes.
    """
    from deepgif.engine.admin.backup import restore as put_back

    database = _database(load_settings(), bots)
    with progress_bar("Copying") as report:
        kept = put_back(file, database, _schema(bots), report)
    aside = f" The previous database is now {kept}." if kept else ""
    out.print(f"Restored {database} from {file}.{aside}", highlight=False, soft_wrap=True)


def _database(settings: Settings, bots: bool) -> Path:
    if not bots:
        from deepgif.engine.store.database import FILE

        return settings.data_dir / FILE
    if settings.bot_database_url.get_secret_value():
        raise SettingsError(
            "DEEPGIF_BOT_DATABASE_URL is set. Back that database up with its own tools, such as pg_dump."
        )
    from deepgif.bot.store.database import FILE as OF_BOTS

    return settings.data_dir / OF_BOTS


def _schema(bots: bool) -> Schema:
    """What a backup must contain to be restored."""
    from deepgif.engine.admin.backup import Schema

    if not bots:
        from deepgif.engine.store.database import SCHEMA_VERSION

        return Schema(frozenset({"embeddings", "files"}), SCHEMA_VERSION)
    from deepgif.bot.store.database import SCHEMA_VERSION as OF_BOTS
    from deepgif.bot.store.database import versions

    query = f"SELECT MAX(version) FROM {versions.name}"  # noqa: S608 - a constant
    return Schema(frozenset({"preferences", "jobs"}), OF_BOTS, query, versions.name)

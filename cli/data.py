"""The commands of ``deepgif`` around what is kept: export, import, backup and restore."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deepgif.config.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from deepgif.engine.admin.backup import Schema

Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there already.")]
Bots = Annotated[bool, typer.Option("--bots", help="What the bots keep, in place of what the engine keeps.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for programs.")]


def register(app: typer.Typer, plain_errors: Callable[[], AbstractContextManager[None]]) -> None:
    """Adds the commands to ``app``; ``plain_errors`` is what each runs in."""

    @app.command("export")
    def export(
        file: Annotated[Path, typer.Argument(help="Where to write, such as known.safetensors.")],
        force: Force = False,
        as_json: Json = False,
    ) -> None:
        """Write all vectors, and the short texts that are remembered, to a file that another engine can import.

        Much of it becomes several files, known-00001-of-00003.safetensors and so on. An engine may be at work
        meanwhile. Addresses, keys and what the bots keep are not in it; deepgif backup copies everything.
        """
        from dataclasses import asdict

        from deepgif.cli.console import err, out, print_json, progress_bar
        from deepgif.engine.admin.export import export_known
        from deepgif.engine.store.database import FILE

        with plain_errors():
            database = load_settings().data_dir / FILE
            with progress_bar("Exporting") as report:
                done = asyncio.run(export_known(database, file, force=force, on_progress=report))
            if as_json:
                print_json(asdict(done))
                return
            if done.damaged:
                err.print(f"{done.damaged:,} damaged rows were left out.", style="yellow")
            files = "" if len(done.files) == 1 else f" in {len(done.files):,} files"
            out.print(f"{done.vectors:,} vectors and the texts of {done.gifs:,} GIFs{files}.", highlight=False)
            out.print(f"Import them elsewhere with: deepgif import {file}", highlight=False, soft_wrap=True)

    @app.command("import")
    def import_(
        file: Annotated[Path, typer.Argument(help="The name that was given to deepgif export.")],
        as_json: Json = False,
    ) -> None:
        """Add what another engine exported, so that nothing of it is embedded again.

        All of it is checked first, and nothing that is known here is changed; once more changes nothing. An engine
        that runs finds the new GIFs after its next start.
        """
        from dataclasses import asdict

        from deepgif.cli.console import out, print_json, progress_bar
        from deepgif.engine.admin.export import import_known
        from deepgif.engine.providers.gif_store import DAY_S
        from deepgif.engine.store.database import FILE

        with plain_errors():
            settings = load_settings()
            with progress_bar("Importing") as report:
                done = asyncio.run(import_known(settings.data_dir / FILE, file, settings.keep_days * DAY_S, report))
            if as_json:
                print_json(asdict(done))
                return
            gone = f"; {done.left_out:,} may not be kept any more" if done.left_out else ""
            new = f"{done.vectors:,} vectors and the texts of {done.gifs:,} GIFs are new"
            out.print(f"{new}; {done.known:,} were known{gone}.", highlight=False, soft_wrap=True)

    @app.command("backup")
    def backup(
        file: Annotated[Path, typer.Argument(help="Where to write the copy, such as deepgif-monday.sqlite.")],
        bots: Bots = False,
        force: Force = False,
    ) -> None:
        """Copy what is kept as it is at this moment; what uses it may be at work meanwhile.

        deepgif restore puts it back. With --bots, copy the file "secret" of the data folder too: what people
        searched for is sealed with it.
        """
        from deepgif.cli.console import out, progress_bar
        from deepgif.engine.admin.backup import back_up

        with plain_errors():
            database = _database(load_settings(), bots)
            with progress_bar("Copying") as report:
                size = back_up(database, file, force=force, on_progress=report)
            out.print(f"{file} holds {database.name}, {size:,} bytes.", highlight=False, soft_wrap=True)

    @app.command("restore")
    def restore(
        file: Annotated[Path, typer.Argument(help="What deepgif backup wrote.")],
        bots: Bots = False,
    ) -> None:
        """Put a backup in the place of what is kept, which is moved aside.

        Stop the engine (or with --bots, the bots) first: nothing is changed while one is running.
        """
        from deepgif.cli.console import out, progress_bar
        from deepgif.engine.admin.backup import restore as put_back

        with plain_errors():
            database = _database(load_settings(), bots)
            with progress_bar("Copying") as report:
                kept = put_back(file, database, _schema(bots), report)
            aside = f" What was there is now {kept}." if kept else ""
            out.print(f"{database} is as it was in {file}.{aside}", highlight=False, soft_wrap=True)


def _database(settings: Settings, bots: bool) -> Path:
    if not bots:
        from deepgif.engine.store.database import FILE

        return settings.data_dir / FILE
    if settings.database_url.get_secret_value():
        raise SettingsError("DEEPGIF_DATABASE_URL is set; what it names is copied by its own tools, such as pg_dump.")
    from deepgif.bot.store.database import FILE as OF_BOTS

    return settings.data_dir / OF_BOTS


def _schema(bots: bool) -> Schema:
    """What can be put back."""
    from deepgif.engine.admin.backup import Schema

    if not bots:
        from deepgif.engine.store.database import SCHEMA_VERSION

        return Schema(frozenset({"embeddings", "files"}), SCHEMA_VERSION)
    from deepgif.bot.store.database import SCHEMA_VERSION as OF_BOTS
    from deepgif.bot.store.database import versions

    query = f"SELECT MAX(version) FROM {versions.name}"  # noqa: S608 - a constant
    return Schema(frozenset({"preferences", "jobs"}), OF_BOTS, query, versions.name)

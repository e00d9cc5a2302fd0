"""The commands about models: ``models``, ``models delete`` and ``reindex``."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from deepgif.cli.arguments import Folder, Json
from deepgif.cli.console import out, plain_errors, print_json, print_models, print_moved, progress_bar
from deepgif.config.logging import configure_logging
from deepgif.config.settings import load_settings

NICENESS = 10  # lets the engine go first; at 19 it would starve
app = typer.Typer(invoke_without_command=True, help="List the bundled models, or delete a model's embeddings.")


@app.callback()
@plain_errors()
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the bundled models with size and licence."""
    if context.invoked_subcommand is not None:
        return
    from deepgif.models.bundles.load import BUNDLED
    from deepgif.models.bundles.manifest import MANIFEST, OPEN_CLIP, WEIGHTS, read_info

    in_use = load_settings().model
    found: list[dict[str, Any]] = []
    for manifest in sorted(BUNDLED.glob(f"*/{MANIFEST}")):
        folder, info = manifest.parent, read_info(manifest.parent)
        found.append(
            {
                "name": folder.name,
                "version": info.version,
                "bytes": sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
                "downloads_weights": info.kind == OPEN_CLIP and not (folder / WEIGHTS).exists(),
                "licence": info.licence,
                "in_use": folder.name == in_use,
            }
        )
    print_json(found) if as_json else print_models(found)


@app.command("delete")
@plain_errors("Stopped. Run the command again to continue.")
def delete(
    model: Annotated[str, typer.Argument(help="A bundled model's name, a bundle's folder, or as in deepgif info.")],
) -> None:
    """Delete the embeddings of a model you no longer use.

    Deletes them on this machine and, if DEEPGIF_REDIS_URL is set, in Redis. The model's files stay.

    deepgif models delete small@1a2b3c4d
    """
    from deepgif.cli.options import redis_options
    from deepgif.engine.admin.stored_models import delete_model_vectors
    from deepgif.models.bundles.load import bundle_folder

    settings = load_settings()
    configure_logging("warning", settings.log_format)
    redis, in_use = redis_options(settings), bundle_folder(settings.model)
    with progress_bar("Deleting") as report:
        done = asyncio.run(
            delete_model_vectors(settings.data_dir, model, in_use, redis, lambda deleted: report(deleted, None))
        )
    there = f" on this machine and {done.shared:,} in Redis" if redis is not None else ""
    out.print(f"Deleted {done.local:,} embeddings of {', '.join(done.models)}{there}.", highlight=False)


@plain_errors("Stopped. GIFs embedded so far are stored; run the command again to continue.")
def reindex(
    new_model: Annotated[str, typer.Argument(help="The new model: a bundled model's name or a bundle's folder.")],
    folder: Folder = None,
    model: Annotated[str | None, typer.Option("--model", help="The current model, if not DEEPGIF_MODEL.")] = None,
    as_json: Json = False,
) -> None:
    """Embed all GIFs with another model, in the background.

    Run it beside deepgif serve, which keeps using the current model; this command runs at low CPU priority. It reads
    the folder again and downloads providers' GIFs again, using at most half of their hourly quotas. You can stop at any
    time and run it again to continue. Exit status 75 means: run it again later to finish.

    When it is done, set DEEPGIF_MODEL and restart the engine. The old embeddings stay, so you can go back by changing
    the setting; deepgif models delete deletes them.

    deepgif reindex clip_vit_b_32
    """
    os.nice(NICENESS)  # before any thread starts
    settings = load_settings(folder=folder, model=model)
    configure_logging("warning", settings.log_format)
    from deepgif.cli.options import options_from_settings
    from deepgif.engine.admin.reindex import reindex as run
    from deepgif.models.bundles.load import bundle_folder

    bundle = bundle_folder(new_model)
    options = replace(options_from_settings(settings), bundle=bundle)
    report = asyncio.run(run(options, bundle_folder(settings.model), progress_bar))
    setting = str(bundle.resolve()) if bundle == Path(new_model).expanduser() else new_model
    print_json(asdict(report)) if as_json else print_moved(report, setting)
    if not report.complete:
        raise typer.Exit(os.EX_TEMPFAIL)

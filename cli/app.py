"""``deepgif`` on the command line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from deepgif.cli.data import register
from deepgif.config.logging import configure_logging
from deepgif.config.settings import Settings, SettingsError, load_settings
from deepgif.engine.errors import DeepGifError
from deepgif.engine.types import DEFAULT_LIMIT, MAX_LIMIT, Rating, SearchAnswer, SearchRequest

BACKGROUND = 10  # how nice a process is that gives way to the engine beside it; 19 would starve
app = typer.Typer(
    name="deepgif",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Finds GIFs by what they show.

    Try:  deepgif search "someone is singing"

    Every setting can also stand in the environment or in .env; config/example.env lists them.""",
)
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for programs.")]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Your own GIFs and animated WebPs, in place of the shipped ones.")
]
Model = Annotated[str | None, typer.Option("--model", help="A shipped model's name, or the folder of a bundle.")]


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(help="What the GIF should show, in your own words.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=MAX_LIMIT, help="How many GIFs.")] = DEFAULT_LIMIT,
    max_rating: Annotated[Rating | None, typer.Option(help="Nothing rated above this.")] = None,
    engine_url: Annotated[
        str | None, typer.Option(help="Ask this engine; without one, the model is loaded for this search.")
    ] = None,
    folder: Folder = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Find the GIFs that show what the words say, best first.

    deepgif search a rocket takes off at night

    deepgif search --folder ~/gifs --limit 3 "somebody shrugs"
    """
    from deepgif.cli.console import print_answer, print_json
    from deepgif.engine.api.schemas import answer_to_json

    with _plain_errors():
        settings = load_settings(
            engine_url=engine_url, folder=folder, model=model, max_rating=max_rating.value if max_rating else None
        )
        configure_logging("warning", settings.log_format)
        request = SearchRequest(" ".join(words), limit, Rating(settings.max_rating), deadline_s=settings.deadline_s)
        answer = asyncio.run(_ask(settings, request) if settings.engine_url else _search_here(settings, request))
        print_json(answer_to_json(answer, "")) if as_json else print_answer(answer)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; others than loopback need a token.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes any free one.")] = None,
    folder: Folder = None,
    model: Model = None,
) -> None:
    """Run the engine with its search page, until Ctrl-C.

    Bots and the command line ask it over HTTP; /openapi.json says how. GIFs that are new in the folder are embedded
    in the background, and those embedded before are found at once.
    """
    from deepgif.cli.console import err
    from deepgif.engine.api.app import ServerOptions, drain_s_of
    from deepgif.engine.api.middleware import AccessRules, is_loopback, own_names

    with _plain_errors():
        settings = load_settings(host=host, port=port, folder=folder, model=model)
        configure_logging(settings.log_level, settings.log_format)
        token = settings.token.get_secret_value()
        if not token and not is_loopback(settings.host):
            raise SettingsError(
                f"On {settings.host} others can reach the engine: set DEEPGIF_TOKEN (openssl rand -hex 32 makes one)."
            )
        options = ServerOptions(
            AccessRules(token, own_names(settings.host, settings.public_url)),
            settings.public_url,
            Rating(settings.max_rating),
            settings.deadline_s,
            drain_s_of(settings.drain_s, settings.host),
        )
        err.print("Starting; the model is loaded in a few seconds.")
        from deepgif.cli.options import options_from_settings
        from deepgif.engine.api.server import serve as run

        asyncio.run(
            run(
                options_from_settings(settings),
                options,
                settings.host,
                settings.port,
                lambda address: err.print(f"Search page: [bold]{address}[/bold]  (Ctrl-C stops)", highlight=False),
            )
        )


@app.command()
def index(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to look through, with all below it; without one, the shipped GIFs.")
    ] = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Embed a folder of GIFs and animated WebPs, so that they can be found.

    Only what is new or changed is read. Stop it whenever you like: the same command goes on. Files that cannot be
    read are listed and skipped.
    """
    from deepgif.cli.console import print_indexed, print_json

    with _plain_errors():
        settings = load_settings(folder=folder, model=model)
        configure_logging("warning", settings.log_format)
        from deepgif.cli.local import index_folder
        from deepgif.cli.options import options_from_settings

        report = asyncio.run(index_folder(options_from_settings(settings)))
        print_json(asdict(report)) if as_json else print_indexed(report, folder)


@app.command()
def reindex(
    new_model: Annotated[str, typer.Argument(help="The one to move to: a shipped model's name, or a bundle's folder.")],
    folder: Folder = None,
    model: Annotated[str | None, typer.Option("--model", help="The one in use, if not DEEPGIF_MODEL.")] = None,
    as_json: Json = False,
) -> None:
    """Embed all that is known for another model, while the engine goes on with the one in use.

    Run it beside deepgif serve, to which it gives way. It reads the folder, and fetches again what is remembered of
    GIPHY and Klipy; half of the calls that they allow an hour are left to searches. Stop it whenever you like: the same
    command goes on. Exit status 75 means that it must be run again later.

    At the end, set DEEPGIF_MODEL and restart the engine. The vectors of the old model stay, so that going back is that
    setting again; deepgif forget-model drops them.

    deepgif reindex clip_vit_b_32
    """
    from deepgif.cli.console import print_json, print_moved, progress_bar

    os.nice(BACKGROUND)  # before any thread is started
    with _plain_errors():
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


@app.command("forget-model")
def delete_model_vectors(
    old_model: Annotated[str, typer.Argument(help="As deepgif info lists it, a shipped model's name, or a folder.")],
) -> None:
    """Drop the vectors of a model that is no longer wanted.

    On this machine, and in Redis where several engines share them (DEEPGIF_REDIS_URL). Stop it whenever you like: the
    same command goes on.

    deepgif forget-model small@1a2b3c4d
    """
    from deepgif.cli.console import out, progress_bar

    with _plain_errors():
        from deepgif.cli.options import redis_options
        from deepgif.engine.admin.stored_models import delete_model_vectors as run
        from deepgif.models.bundles.load import bundle_folder

        settings = load_settings()
        configure_logging("warning", settings.log_format)
        redis, in_use = redis_options(settings), bundle_folder(settings.model)
        with progress_bar("Dropping") as report:
            done = asyncio.run(run(settings.data_dir, old_model, in_use, redis, lambda dropped: report(dropped, None)))
        there = f" on this machine, and {done.shared:,} in Redis" if redis is not None else ""
        out.print(f"Dropped {done.here:,} vectors of {', '.join(done.models)}{there}.", highlight=False)


@app.command()
def info(folder: Folder = None, model: Model = None, as_json: Json = False) -> None:
    """Show versions, the model, the device and what can be found."""
    from deepgif.cli.console import print_facts, print_json

    with _plain_errors():
        from deepgif.cli.options import options_from_settings
        from deepgif.engine.admin.info import describe_engine

        settings = load_settings(folder=folder, model=model)
        facts = {"version": version("deepgif"), **asyncio.run(describe_engine(options_from_settings(settings)))}
        print_json(facts) if as_json else print_facts(facts)


@app.command("discord-invite")
def discord_invite(
    application_id: Annotated[
        int | None, typer.Option(help="The app's id; without one, Discord is asked with DEEPGIF_DISCORD_TOKEN.")
    ] = None,
) -> None:
    """Print the links that add the Discord bot to a server, or to a person's own apps.

    The first asks for the permissions that replies to mentions need; the second asks for none.
    """
    with _plain_errors("discord"):
        from deepgif.bot.discord.invite import application_of, links

        settings = load_settings()
        configure_logging("warning", settings.log_format)
        token = settings.discord_token.get_secret_value()
        if application_id is None and not token:
            raise SettingsError("DEEPGIF_DISCORD_TOKEN is missing; or name the app with --application-id.")
        found = links(application_id or asyncio.run(application_of(token, settings.discord_api_url)))
        typer.echo(f"For a server:\n  {found.server}\nFor yourself, wherever you are:\n  {found.person}")


async def _ask(settings: Settings, request: SearchRequest) -> SearchAnswer:
    from deepgif.engine.api.client import EngineClient

    async with EngineClient(settings.engine_url, settings.token.get_secret_value()) as client:
        return await client.search(request)


async def _search_here(settings: Settings, request: SearchRequest) -> SearchAnswer:
    from deepgif.cli.local import search_locally
    from deepgif.cli.options import options_from_settings

    return await search_locally(options_from_settings(settings), request)


@contextmanager
def _plain_errors(extra: str = "engine") -> Iterator[None]:
    """Every foreseen error becomes one sentence on standard error and exit status 1."""
    from deepgif.cli.console import print_error

    try:
        yield
    except (DeepGifError, SettingsError) as error:
        print_error(str(error))
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "deepgif":
            raise
        print_error(f"{error.name} is not installed: pip install 'deepgif[{extra}]' brings all that this needs.")
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        print_error("Stopped. What was embedded is kept; the same command goes on.")
        raise typer.Exit(130) from None


register(app, _plain_errors)


def main() -> None:
    """The program ``deepgif``."""
    app()


if __name__ == "__main__":
    main()

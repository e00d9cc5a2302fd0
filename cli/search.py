"""The commands that search: ``search``, ``serve``, ``demo``, ``index`` and ``info``."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from deepgif.cli.arguments import Folder, Json, Model
from deepgif.cli.console import err, plain_errors, print_answer, print_facts, print_indexed, print_json
from deepgif.config.logging import configure_logging
from deepgif.config.settings import Settings, SettingsError, load_settings
from deepgif.engine.types import DEFAULT_LIMIT, MAX_LIMIT, Rating, SearchAnswer, SearchRequest

Host = Annotated[str | None, typer.Option(help="Address to listen on; any but loopback needs a token.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 picks a free one.")]


@plain_errors()
def search(
    words: Annotated[list[str], typer.Argument(metavar="DESCRIPTION", help="Describes the GIF, in your own words.")],
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=MAX_LIMIT, help="Number of GIFs.")] = DEFAULT_LIMIT,
    max_rating: Annotated[Rating | None, typer.Option(help="Highest rating to show.")] = None,
    engine_url: Annotated[
        str | None, typer.Option(help="Search with this engine instead of loading the model.")
    ] = None,
    folder: Folder = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Find the GIFs that best match a description.

    deepgif search happy birthday

    deepgif search --folder ~/gifs --limit 3 "when the build passes"
    """
    from deepgif.engine.api.schemas import SearchResponse

    settings = load_settings(
        engine_url=engine_url, folder=folder, model=model, max_rating=max_rating.value if max_rating else None
    )
    configure_logging("warning", settings.log_format)
    request = SearchRequest(
        " ".join(words), limit, Rating(settings.max_rating), deadline_s=settings.search_deadline_seconds
    )
    answer = asyncio.run(_ask_engine(settings, request) if settings.engine_url else _search_locally(settings, request))
    print_json(SearchResponse.of(answer).model_dump(mode="json")) if as_json else print_answer(answer)


@plain_errors()
def serve(host: Host = None, port: Port = None, folder: Folder = None, model: Model = None) -> None:
    """Run the engine and its search page until Ctrl-C.

    Bots and the command line reach it over HTTP; /openapi.json documents the API. New GIFs in the folder are embedded
    in the background; GIFs embedded earlier can be found at once.
    """
    _serve(load_settings(host=host, port=port, folder=folder, model=model))


@plain_errors()
def demo(port: Port = None) -> None:
    """Run the search page with the bundled GIFs.

    Like deepgif serve on this machine, but without your folder, providers, Redis or Qdrant.
    """
    off: dict[str, object] = dict.fromkeys(
        ("folder", "giphy_api_key", "klipy_api_key", "redis_url", "public_url", "engine_token"), ""
    )
    _serve(load_settings(**off, index="auto", host="127.0.0.1", port=port))


def _serve(settings: Settings) -> None:
    from deepgif.engine.api.app import ServerOptions
    from deepgif.engine.api.middleware import AccessRules, is_loopback, own_names
    from deepgif.engine.api.server import drain_seconds

    configure_logging(settings.log_level, settings.log_format)
    token = settings.engine_token.get_secret_value()
    if not token and not is_loopback(settings.host):
        raise SettingsError(
            f"Other machines can reach {settings.host}: set DEEPGIF_ENGINE_TOKEN, for example to the output of "
            "openssl rand -hex 32."
        )
    server = ServerOptions(
        AccessRules(token, own_names(settings.host, settings.public_url)),
        settings.public_url,
        Rating(settings.max_rating),
        settings.search_deadline_seconds,
        drain_seconds(settings.shutdown_drain_seconds, settings.host),
    )
    err.print("Starting. Loading the model takes a few seconds.")
    from deepgif.cli.options import options_from_settings
    from deepgif.engine.api.server import serve as run

    def show(url: str) -> None:
        err.print(f"Search page: [bold]{url}[/bold]  (stop with Ctrl-C)", highlight=False)

    asyncio.run(run(options_from_settings(settings), server, settings.host, settings.port, show))


@plain_errors("Stopped. GIFs embedded so far are stored; run the command again to continue.")
def index(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to index, with its subfolders. Default: the bundled GIFs.")
    ] = None,
    model: Model = None,
    as_json: Json = False,
) -> None:
    """Embed a folder of GIFs so that they can be found.

    Only new and changed files are read. You can stop at any time and run it again to continue. Unreadable files are
    listed and skipped.
    """
    settings = load_settings(folder=folder, model=model)
    configure_logging("warning", settings.log_format)
    from deepgif.cli.local import index_folder
    from deepgif.cli.options import options_from_settings

    report = asyncio.run(index_folder(options_from_settings(settings)))
    print_json(asdict(report)) if as_json else print_indexed(report, folder)


@plain_errors()
def info(folder: Folder = None, model: Model = None, as_json: Json = False) -> None:
    """Show versions, model, device and indexed GIFs."""
    from deepgif.cli.options import options_from_settings
    from deepgif.engine.admin.info import describe_engine

    settings = load_settings(folder=folder, model=model)
    facts = {"version": version("deepgif"), **asyncio.run(describe_engine(options_from_settings(settings)))}
    print_json(facts) if as_json else print_facts(facts)


async def _ask_engine(settings: Settings, request: SearchRequest) -> SearchAnswer:
    from deepgif.engine.api.client import EngineClient

    async with EngineClient(settings.engine_url, settings.engine_token.get_secret_value()) as client:
        return await client.search(request)


async def _search_locally(settings: Settings, request: SearchRequest) -> SearchAnswer:
    from deepgif.cli.local import search_locally
    from deepgif.cli.options import options_from_settings

    return await search_locally(options_from_settings(settings), request)

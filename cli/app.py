"""The ``deepgif`` command: which subcommands it has."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from deepgif.bot.__main__ import app as bot
from deepgif.cli import bots, data, init, models, search

app = typer.Typer(
    name="deepgif",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Find GIFs that match a description.

    Try:  deepgif search "when the build passes"

    Settings come from the environment or .env; config/example.env lists them.""",
)
COMMANDS: dict[str, Callable[..., None]] = {
    "init": init.init,
    "search": search.search,
    "serve": search.serve,
    "demo": search.demo,
    "index": search.index,
    "info": search.info,
    "reindex": models.reindex,
    "export": data.export,
    "import": data.import_,
    "backup": data.backup,
    "restore": data.restore,
    "discord-invite": bots.discord_invite,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
app.add_typer(models.app, name="models")
app.add_typer(bot, name="bot", help="Run a chat bot.")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"deepgif {version('deepgif')}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """The program ``deepgif``."""
    app()

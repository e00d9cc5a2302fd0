"""The commands about bots besides running them, which ``deepgif.bot`` does."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from deepgif.cli.console import plain_errors
from deepgif.config.logging import configure_logging
from deepgif.config.settings import SettingsError, load_settings


@plain_errors()
def discord_invite(
    application_id: Annotated[
        int | None, typer.Option(help="The app's ID. Default: ask Discord, with DEEPGIF_DISCORD_TOKEN.")
    ] = None,
) -> None:
    """Print the links that install the Discord bot.

    The server link asks for the permissions that replies to mentions need; the personal link needs none.
    """
    from deepgif.bot.discord.invite import application_of, links

    settings = load_settings()
    configure_logging("warning", settings.log_format)
    token = settings.discord_token.get_secret_value()
    if application_id is None and not token:
        raise SettingsError("DEEPGIF_DISCORD_TOKEN is missing. Set it, or name the app with --application-id.")
    found = links(application_id or asyncio.run(application_of(token, settings.discord_api_url)))
    typer.echo(f"For a server:\n  {found.server}\nFor yourself, in every server:\n  {found.user}")

"""``python -m deepgif.bot slack`` and ``python -m deepgif.bot discord``."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from deepgif.config.logging import configure_logging
from deepgif.config.settings import Settings, SettingsError, load_settings
from deepgif.engine.errors import DeepGifError
from deepgif.engine.types import Rating

if TYPE_CHECKING:
    from deepgif.bot.app import BotOptions

app = typer.Typer(
    name="bot",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Runs a chat bot until Ctrl-C. It needs a running engine: deepgif serve

    Settings come from the environment or from .env; config/example.env lists them.""",
)
LOCAL_ENGINE = "http://127.0.0.1:8710"


@app.command()
def slack() -> None:
    """Run the Slack bot. README.md explains how to install the app in a workspace."""
    with _plain_errors():
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format)
        missing = missing_slack_setting(settings)
        if missing:
            raise SettingsError(f"{missing} README.md explains where to find it.")
        from deepgif.bot.slack.app import SlackOptions, run
        from deepgif.bot.slack.installations import OAuthOptions

        oauth = OAuthOptions(
            settings.slack_client_id,
            settings.slack_client_secret.get_secret_value(),
            f"{settings.slack_public_url.rstrip('/')}/slack/oauth_redirect" if settings.slack_public_url else "",
            settings.slack_authorize_url,
        )
        slack = SlackOptions(
            bot_token=settings.slack_bot_token.get_secret_value(),
            app_token=settings.slack_app_token.get_secret_value(),
            signing_secret=settings.slack_signing_secret.get_secret_value(),
            http=settings.slack_mode == "http",
            oauth=oauth if settings.slack_client_id else None,
            api_url=settings.slack_api_url,
            host=settings.slack_host,
            port=settings.slack_port,
        )
        asyncio.run(run(slack, shared_options(settings)))


@app.command()
def discord() -> None:
    """Run the Discord bot. README.md explains how to create the app; deepgif discord-invite prints its links."""
    with _plain_errors():
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format)
        if not settings.discord_token.get_secret_value():
            raise SettingsError("DEEPGIF_DISCORD_TOKEN is missing. README.md explains where to find the bot's token.")
        from deepgif.bot.discord.app import DiscordOptions, run

        options = DiscordOptions(
            settings.discord_token.get_secret_value(),
            settings.discord_api_url,
            settings.discord_host,
            settings.discord_port,
        )
        asyncio.run(run(options, shared_options(settings)))


def shared_options(settings: Settings) -> BotOptions:
    """The settings that all platforms share."""
    from deepgif.bot.app import BotOptions
    from deepgif.bot.store.database import database_url
    from deepgif.bot.store.encryption import load_or_create_secret

    return BotOptions(
        engine_url=settings.engine_url or LOCAL_ENGINE,
        engine_token=settings.engine_token.get_secret_value(),
        database_url=database_url(settings.bot_database_url.get_secret_value(), settings.data_dir),
        secret=settings.bot_encryption_key.get_secret_value() or load_or_create_secret(settings.data_dir / "secret"),
        max_rating=Rating(settings.max_rating),
        deadline_s=settings.search_deadline_seconds,
        lease_s=settings.bot_lease_seconds,
    )


def missing_slack_setting(settings: Settings) -> str:
    """A sentence about the first setting that the Slack bot needs and does not have, or an empty text."""
    if settings.slack_client_id and not settings.slack_client_secret.get_secret_value():
        return "DEEPGIF_SLACK_CLIENT_SECRET is missing: DEEPGIF_SLACK_CLIENT_ID needs it."
    if not settings.slack_client_id and not settings.slack_bot_token.get_secret_value().startswith("xox"):
        return "DEEPGIF_SLACK_BOT_TOKEN is missing: the bot's token, which starts with xoxb-."
    if settings.slack_mode == "http" and not settings.slack_signing_secret.get_secret_value():
        return "DEEPGIF_SLACK_SIGNING_SECRET is missing: HTTP mode verifies Slack's requests with it."
    if settings.slack_mode == "socket" and not settings.slack_app_token.get_secret_value().startswith("xapp-"):
        return "DEEPGIF_SLACK_APP_TOKEN is missing: the app-level token for Socket Mode, which starts with xapp-."
    return ""


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Prints expected errors as one sentence on standard error, and exits with status 1."""
    try:
        yield
    except (DeepGifError, SettingsError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "deepgif":
            raise
        extras = "pip install 'deepgif[slack]' or pip install 'deepgif[discord]'"
        typer.echo(f"{error.name} is not installed. Run: {extras}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


if __name__ == "__main__":
    app()

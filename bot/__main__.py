"""``python -m bot PLATFORM``: the processes ``slack`` and ``discord`` of the Procfile."""

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
    help="""Runs a chat bot, until Ctrl-C. It asks the engine that runs with: deepgif serve

    Its settings stand in the environment or in .env; config/example.env lists them.""",
)
HERE = "http://127.0.0.1:8710"


@app.command()
def slack() -> None:
    """The Slack bot. README.md says how to install the app in a workspace."""
    with _plain_errors():
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format)
        missing = what_slack_lacks(settings)
        if missing:
            raise SettingsError(f"{missing} README.md says where to find it.")
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
    """The Discord bot. README.md says how to make the app; deepgif discord-invite prints its links."""
    with _plain_errors():
        settings = load_settings()
        configure_logging(settings.log_level, settings.log_format)
        if not settings.discord_token.get_secret_value():
            raise SettingsError("DEEPGIF_DISCORD_TOKEN is missing: the bot's token. README.md says where to find it.")
        from deepgif.bot.discord.app import DiscordOptions, run

        options = DiscordOptions(
            settings.discord_token.get_secret_value(),
            settings.discord_api_url,
            settings.discord_host,
            settings.discord_port,
        )
        asyncio.run(run(options, shared_options(settings)))


def shared_options(settings: Settings) -> BotOptions:
    """What all platforms share."""
    from deepgif.bot.app import BotOptions
    from deepgif.bot.store.database import database_url
    from deepgif.bot.store.encryption import load_or_create_secret

    return BotOptions(
        engine_url=settings.engine_url or HERE,
        engine_token=settings.token.get_secret_value(),
        database_url=database_url(settings.database_url.get_secret_value(), settings.data_dir),
        secret=settings.secret.get_secret_value() or load_or_create_secret(settings.data_dir / "secret"),
        max_rating=Rating(settings.max_rating),
        deadline_s=settings.deadline_s,
        lease_s=settings.bot_lease_s,
    )


def what_slack_lacks(settings: Settings) -> str:
    """The first setting that the Slack bot cannot do without, as a sentence; empty where nothing lacks."""
    if settings.slack_client_id and not settings.slack_client_secret.get_secret_value():
        return "DEEPGIF_SLACK_CLIENT_SECRET is missing: it belongs to DEEPGIF_SLACK_CLIENT_ID."
    if not settings.slack_client_id and not settings.slack_bot_token.get_secret_value().startswith("xox"):
        return "DEEPGIF_SLACK_BOT_TOKEN is missing: the bot's token, which begins with xoxb-."
    if settings.slack_mode == "http" and not settings.slack_signing_secret.get_secret_value():
        return "DEEPGIF_SLACK_SIGNING_SECRET is missing: HTTP mode cannot tell Slack's requests from others without it."
    if settings.slack_mode == "socket" and not settings.slack_app_token.get_secret_value().startswith("xapp-"):
        return "DEEPGIF_SLACK_APP_TOKEN is missing: the app-level token for Socket Mode, which begins with xapp-."
    return ""


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Every foreseen error becomes one sentence on standard error and exit status 1."""
    try:
        yield
    except (DeepGifError, SettingsError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "deepgif":
            raise
        extras = "pip install 'deepgif[slack]' or 'deepgif[discord]' brings all the bot needs"
        typer.echo(f"{error.name} is not installed: {extras}.", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


if __name__ == "__main__":
    app()

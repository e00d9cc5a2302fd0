"""``deepgif init``: asks for what a bot needs, checks each answer with its service, and writes ``.env``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import typer
from dotenv import dotenv_values, set_key

from deepgif.cli.console import plain_errors
from deepgif.config.settings import PREFIX, Settings, SettingsError, load_settings

ENV_FILE = Path(".env")
TIMEOUT_S = 10.0
TRY, BUNDLED = "try", "bundled"
GIPHY, KLIPY = "https://api.giphy.com", "https://api.klipy.com"


class RejectedError(Exception):
    """The service answered that the key is wrong; the message says what it answered."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret that ``init`` asks for. ``check`` takes it and returns whom it belongs to; it raises ``RejectedError``,
    or ``aiohttp.ClientError`` and ``TimeoutError`` if the service can't be reached."""

    setting: str
    label: str
    where: str
    check: Callable[[str], Awaitable[str]]

    @property
    def variable(self) -> str:
        """The environment variable."""
        return PREFIX + self.setting.upper()


def bot_secrets(settings: Settings) -> dict[str, tuple[Secret, ...]]:
    """What a bot on each platform can't run without."""

    async def slack_bot(token: str) -> str:
        body = await _slack(settings.slack_api_url, "auth.test", token)
        return f"{body.get('user', 'the bot')} in {body.get('team', 'the workspace')}"

    async def slack_app(token: str) -> str:
        await _slack(settings.slack_api_url, "apps.connections.open", token)
        return "Socket Mode"

    async def discord(token: str) -> str:
        body = await _get(f"{settings.discord_api_url}/users/@me", "Discord", {"Authorization": f"Bot {token}"})
        return str(body.get("username", "the bot"))

    apps = "api.slack.com/apps, your app"
    return {
        "slack": (
            Secret("slack_bot_token", "Bot token (xoxb-...)", f"{apps}, OAuth & Permissions", slack_bot),
            Secret("slack_app_token", "App-level token (xapp-...)", f"{apps}, Basic Information", slack_app),
        ),
        "discord": (Secret("discord_token", "Bot token", "discord.com/developers, your app, Bot", discord),),
    }


def provider_secrets(giphy_url: str = GIPHY, klipy_url: str = KLIPY) -> dict[str, Secret]:
    """The API key of each GIF provider."""

    async def giphy(key: str) -> str:
        await _get(f"{giphy_url}/v1/gifs/search?api_key={quote(key, safe='')}&q=hello&limit=1", "GIPHY")
        return "GIPHY"

    async def klipy(key: str) -> str:
        await _get(f"{klipy_url}/api/v1/{quote(key, safe='')}/gifs/search?q=hello&page=1&per_page=1", "Klipy")
        return "Klipy"

    return {
        "giphy": Secret("giphy_api_key", "API key", "developers.giphy.com", giphy),
        "klipy": Secret("klipy_api_key", "API key", "partner.klipy.com", klipy),
    }


@plain_errors("Stopped. Nothing was written.")
def init() -> None:
    """Set up a bot: ask for its tokens and write .env.

    Each token is checked with its service, and not shown while you type it. Settings that .env already has stay unless
    you replace them.
    """
    settings = load_settings()
    platforms = bot_secrets(settings)
    if not is_terminal():
        _say_what_is_missing(settings, platforms)
        return
    platform = _choose("Where should DeepGIF post GIFs? (try: no bot, only on this machine)", [*platforms, TRY])
    if platform == TRY:
        typer.echo('Nothing to set up. Run: deepgif demo\nOr search here: deepgif search "happy birthday"')
        return
    written = dotenv_values(ENV_FILE)
    answers = dict(_ask(secret, written) for secret in platforms[platform])
    providers = provider_secrets()
    provider = _choose("Which GIFs should it search? (bundled: those that DeepGIF has)", [*providers, BUNDLED])
    if provider in providers:
        answers |= dict([_ask(providers[provider], written)])
    write_settings(ENV_FILE, {name: value for name, value in answers.items() if value is not None})
    typer.echo(f"Wrote {ENV_FILE.resolve()} (only you can read it).")
    if provider == BUNDLED:
        typer.echo("Chat platforms load bundled GIFs from this engine: set DEEPGIF_PUBLIC_URL to its public https URL.")
    invite = "\nInvite the bot with: deepgif discord-invite" if platform == "discord" else ""
    typer.echo(f"Now run: deepgif serve\nand in a second terminal: deepgif bot {platform}{invite}")


def is_terminal() -> bool:
    """Whether somebody can answer."""
    return sys.stdin.isatty()


def write_settings(path: Path, values: dict[str, str]) -> None:
    """Sets ``values`` in the ``.env`` file at ``path``, which only its owner can read; its other lines stay."""
    path.touch(0o600)
    path.chmod(0o600)
    for name, value in values.items():
        set_key(path, name, value, quote_mode="never")
    path.chmod(0o600)


def _say_what_is_missing(settings: Settings, platforms: dict[str, tuple[Secret, ...]]) -> None:
    missing = {
        platform: [one.variable for one in secrets if not getattr(settings, one.setting).get_secret_value()]
        for platform, secrets in platforms.items()
    }
    if all(missing.values()):
        needs = "; ".join(f"{platform} needs {' and '.join(names)}" for platform, names in missing.items())
        raise SettingsError(f"deepgif init needs a terminal. Or set these in .env: {needs}.")
    ready = " and ".join(platform for platform, names in missing.items() if not names)
    typer.echo(f"Nothing is missing for {ready}.")


def _choose(question: str, choices: list[str]) -> str:
    def one_of(answer: str) -> str:
        if answer not in choices:
            raise typer.BadParameter(f"Type one of: {', '.join(choices)}.")
        return answer

    return str(typer.prompt(f"{question} [{'/'.join(choices)}]", default=choices[0], value_proc=one_of))


def _ask(secret: Secret, written: dict[str, str | None]) -> tuple[str, str | None]:
    """The setting and its new value, checked; None to keep the present one."""
    if written.get(secret.variable) and not typer.confirm(f"{secret.variable} is set in .env. Replace it?"):
        return secret.variable, None
    while True:
        value = typer.prompt(f"{secret.label}, from {secret.where}", hide_input=True).strip()
        try:
            load_settings(**{secret.setting: value})  # its characters
            typer.echo(f"OK: {asyncio.run(_checked(secret, value))}.")
            return secret.variable, value
        except (RejectedError, SettingsError) as error:
            typer.echo(f"{error} Try again.")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            typer.echo(f"The service can't be reached ({type(error).__name__}).")
            if typer.confirm("Keep it without a check?"):
                return secret.variable, value


async def _checked(secret: Secret, value: str) -> str:
    async with asyncio.timeout(TIMEOUT_S):
        return await secret.check(value)


async def _slack(api_url: str, method: str, token: str) -> dict[str, Any]:
    body = await _get(f"{api_url}{method}", "Slack", {"Authorization": f"Bearer {token}"}, post=True)
    if not body.get("ok"):
        raise RejectedError(f"Slack rejected it: {body.get('error', 'no reason given')}.")
    return body


async def _get(url: str, name: str, headers: dict[str, str] | None = None, *, post: bool = False) -> dict[str, Any]:
    """The JSON object at ``url``. Raises ``RejectedError`` and ``aiohttp.ClientError``; their texts have no secrets."""
    async with aiohttp.ClientSession(headers=headers) as session:
        asked = session.post if post else session.get
        async with asked(url, allow_redirects=False) as response:
            if response.status in (400, 401, 403, 404):
                raise RejectedError(f"{name} rejected it (HTTP status {response.status}).")
            if response.status == 429:
                return {}  # the key is known; its quota is used up
            response.raise_for_status()
            body = await response.json(content_type=None)
            return body if isinstance(body, dict) else {}

"""The links that install the app, on a server or for a user."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
import discord
from discord.http import Route

from deepgif.engine.errors import DeepGifError, UnauthorizedError

# For replies to mentions. Commands and their buttons need no permissions.
PERMISSIONS = discord.Permissions(
    view_channel=True, send_messages=True, send_messages_in_threads=True, embed_links=True, read_message_history=True
)


class UnreachableError(DeepGifError):
    """Discord can't be reached."""


@dataclass(frozen=True, slots=True)
class Links:
    """The links for a server and for a user."""

    server: str
    user: str


def links(application_id: int) -> Links:
    """The links that install an app."""
    server = discord.utils.oauth_url(application_id, permissions=PERMISSIONS, scopes=("bot", "applications.commands"))
    user = discord.utils.oauth_url(application_id, scopes=("applications.commands",))
    return Links(f"{server}&integration_type=0", f"{user}&integration_type=1")


async def application_of(token: str, api_url: str) -> int:
    """The ID of the app that a bot's token belongs to. Raises ``UnauthorizedError`` or ``UnreachableError``."""
    Route.BASE = api_url
    async with discord.Client(intents=discord.Intents(guilds=True)) as client:
        try:
            await client.login(token)
        except discord.LoginFailure as error:
            raise UnauthorizedError("Discord rejected DEEPGIF_DISCORD_TOKEN. Check the token.") from error
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            raise UnreachableError(
                "Can't reach Discord. With --application-id, the links are made without it."
            ) from error
        assert client.application_id is not None  # noqa: S101 - known since the login
        return client.application_id

"""The links that install the app: for a server, and for a person wherever they are."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp
import discord
from discord.http import Route

from deepgif.engine.errors import DeepGifError, UnauthorizedError

# What replies to mentions need; commands and their buttons need none.
PERMISSIONS = discord.Permissions(
    view_channel=True, send_messages=True, send_messages_in_threads=True, embed_links=True, read_message_history=True
)


class UnreachableError(DeepGifError):
    """Discord does not answer."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where to open which."""

    server: str
    person: str


def links(application_id: int) -> Links:
    """The links for an app."""
    server = discord.utils.oauth_url(application_id, permissions=PERMISSIONS, scopes=("bot", "applications.commands"))
    person = discord.utils.oauth_url(application_id, scopes=("applications.commands",))
    return Links(f"{server}&integration_type=0", f"{person}&integration_type=1")


async def application_of(token: str, api_url: str) -> int:
    """The id of the app that a bot's token belongs to. Raises ``UnauthorizedError`` or ``UnreachableError``."""
    Route.BASE = api_url
    async with discord.Client(intents=discord.Intents(guilds=True)) as client:
        try:
            await client.login(token)
        except discord.LoginFailure as error:
            raise UnauthorizedError("Discord refuses DEEPGIF_DISCORD_TOKEN; please check it.") from error
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            raise UnreachableError(
                "Discord cannot be reached at the moment. With --application-id the links are made without it."
            ) from error
        assert client.application_id is not None  # noqa: S101 - it is known since the login
        return client.application_id

"""The Discord bot's process: builds its parts, listens, and finishes what it acknowledged before it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from deepgif.bot.app import BotOptions, open_services, serving, stop_event
from deepgif.bot.discord.commands import Completer, Tree, add_commands, sync
from deepgif.bot.discord.components import can_show
from deepgif.bot.discord.gateway import GatewayClient
from deepgif.bot.discord.listeners import Listeners
from deepgif.bot.discord.request import PLATFORM
from deepgif.bot.discord.responder import DiscordVoices
from deepgif.bot.discord.settings import SettingsPanel
from deepgif.bot.discord.text import WORDING
from deepgif.bot.jobs.handler import JobHandler
from deepgif.bot.jobs.worker import Worker
from deepgif.engine.errors import UnauthorizedError

_log = logging.getLogger(__name__)
DISCORD = "https://discord.com/api/v10"
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0  # before a connection that ended is opened anew
_REFUSED = 4004  # the gateway's close code for a token that does not count any more
WRONG_TOKEN = "Discord refuses DEEPGIF_DISCORD_TOKEN; please check it."  # noqa: S105


@dataclass(frozen=True, slots=True)
class DiscordOptions:
    """How the bot reaches Discord, and where it listens for its operator's own questions."""

    token: str
    api_url: str = DISCORD
    host: str = "127.0.0.1"
    port: int = 8721


@dataclass(frozen=True, slots=True)
class Running:
    """A bot that listens; ``address`` is where its own server does. ``supervisor`` ends only by an error that no new
    connection mends."""

    address: str
    supervisor: asyncio.Task[None]


async def run(options: DiscordOptions, shared: BotOptions) -> None:
    """Runs until SIGINT or SIGTERM. Raises ``DeepGifError`` for what keeps it from running."""
    stopped = asyncio.create_task(stop_event().wait())
    async with AsyncExitStack() as stack:
        stack.callback(stopped.cancel)
        opening = asyncio.create_task(stack.enter_async_context(open_bot(options, shared)))
        await asyncio.wait((stopped, opening), return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():  # Discord is away, and was waited for
            await _ended(opening)
            return
        running = opening.result()
        _log.info("Listening to Discord; metrics at %s/metrics.", running.address)
        await asyncio.wait((stopped, running.supervisor), return_when=asyncio.FIRST_COMPLETED)
        if running.supervisor.done():
            running.supervisor.result()
        _log.info("Stopping; what was acknowledged is finished first.")


@asynccontextmanager
async def open_bot(options: DiscordOptions, shared: BotOptions) -> AsyncIterator[Running]:
    """The bot, listening. At the end it takes nothing new and finishes what it acknowledged."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(open_services(shared, PLATFORM, can_show))
        rest = await _logged_in(options, stack)
        answering = JobHandler(parts.service, DiscordVoices(rest).of, parts.journal, parts.metrics, WORDING)
        worker = await stack.enter_async_context(Worker(parts.journal, answering.do, look_s=shared.lease_s / 4))
        listeners = Listeners(worker, parts.journal, parts.preferences, parts.metrics)
        panel = SettingsPanel(parts.preferences, parts.shelf)
        completer = Completer(parts.engine, parts.showings, parts.preferences)

        def connection() -> tuple[GatewayClient, Tree]:
            client = GatewayClient(listeners, panel, parts.database)
            tree = Tree(client)
            add_commands(tree, listeners, completer, panel, parts.preferences)
            return client, tree

        address = await stack.enter_async_context(
            serving(options.host, options.port, "DEEPGIF_DISCORD_PORT", parts.metrics)
        )
        supervisor = asyncio.create_task(_supervised(options.token, connection))
        stack.push_async_callback(_ended, supervisor)
        yield Running(address, supervisor)


async def _logged_in(options: DiscordOptions, stack: AsyncExitStack) -> discord.Client:
    """A client that only speaks, so that answers do not depend on the gateway. Waits for Discord where it is away."""
    Route.BASE = options.api_url
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    for wait_s in _waits():
        try:
            async with AsyncExitStack() as opening:
                nobody = discord.AllowedMentions.none()
                client = discord.Client(intents=discord.Intents(guilds=True), allowed_mentions=nobody)
                await opening.enter_async_context(client)
                await client.login(options.token)
                if options.api_url != DISCORD:  # behind a proxy, or another Discord: its own gateway
                    _, url, _ = await client.http.get_bot_gateway()
                    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
                stack.push_async_exit(opening.pop_all())
                return client
        except discord.LoginFailure as error:
            raise UnauthorizedError(WRONG_TOKEN) from error
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            _log.warning("Discord cannot be reached at the moment (%s); it is tried again.", type(error).__name__)
            await asyncio.sleep(wait_s)
    raise AssertionError("waits never end")


def _waits() -> Iterator[float]:
    wait_s = FIRST_WAIT_S
    while True:
        yield wait_s
        wait_s = min(2 * wait_s, LONGEST_WAIT_S)


async def _supervised(token: str, connection: Callable[[], tuple[GatewayClient, Tree]]) -> None:
    """Keeps a connection, whatever ends it. Raises ``UnauthorizedError`` where Discord takes the token no more."""
    waits = _waits()
    while True:
        client, tree = connection()
        try:
            async with client:
                await client.login(token)
                if client.application_id is not None and await sync(tree, client.application_id):
                    _log.info("The commands were registered with Discord.")
                waits = _waits()
                await client.connect()
        except discord.LoginFailure as error:
            raise UnauthorizedError(WRONG_TOKEN) from error
        except Exception as error:  # whatever it was, the next connection may last
            if isinstance(error, discord.ConnectionClosed) and error.code == _REFUSED:
                raise UnauthorizedError(WRONG_TOKEN) from error
            _log.error("The connection to Discord ended (%s); it is opened anew.", type(error).__name__)
        await asyncio.sleep(next(waits))


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

"""The Discord bot's process."""

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

from deepgif.bot.app import BotOptions, open_services, serve_health, stop_event
from deepgif.bot.discord.commands import Completer, Tree, add_commands
from deepgif.bot.discord.components import can_show
from deepgif.bot.discord.gateway import GatewayClient
from deepgif.bot.discord.listeners import Listeners
from deepgif.bot.discord.request import PLATFORM
from deepgif.bot.discord.responder import DiscordResponder
from deepgif.bot.discord.settings import SettingsPanel
from deepgif.bot.discord.text import TEXT
from deepgif.bot.jobs.handler import JobHandler
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.request import Request
from deepgif.engine.errors import UnauthorizedError

_log = logging.getLogger(__name__)
DISCORD = "https://discord.com/api/v10"
MIN_PAUSE_S, MAX_PAUSE_S = 1.0, 60.0  # before reconnecting
_AUTHENTICATION_FAILED = 4004  # the gateway's close code for a token that is no longer valid
WRONG_TOKEN = "Discord rejected DEEPGIF_DISCORD_TOKEN. Check the token."  # noqa: S105


@dataclass(frozen=True, slots=True)
class DiscordOptions:
    """How the bot reaches Discord, and where its own server listens."""

    token: str
    api_url: str = DISCORD
    host: str = "127.0.0.1"
    port: int = 8721


@dataclass(frozen=True, slots=True)
class Running:
    """A running bot, and the URL of its own server. ``supervisor`` ends only with an error that reconnecting can't
    fix."""

    url: str
    supervisor: asyncio.Task[None]


async def run(options: DiscordOptions, shared: BotOptions) -> None:
    """Runs until SIGINT or SIGTERM. Raises ``DeepGifError`` if the bot can't run."""
    stopped = asyncio.create_task(stop_event().wait())
    async with AsyncExitStack() as stack:
        stack.callback(stopped.cancel)
        opening = asyncio.create_task(stack.enter_async_context(open_bot(options, shared)))
        await asyncio.wait((stopped, opening), return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():  # still waiting for Discord
            await _cancel(opening)
            return
        running = opening.result()
        _log.info("Connecting to Discord. Metrics are at %s/metrics.", running.url)
        await asyncio.wait((stopped, running.supervisor), return_when=asyncio.FIRST_COMPLETED)
        if running.supervisor.done():
            running.supervisor.result()
        _log.info("Stopping. Finishing requests in flight.")


@asynccontextmanager
async def open_bot(options: DiscordOptions, shared: BotOptions) -> AsyncIterator[Running]:
    """A bot that listens to Discord. On exit it stops listening and finishes the requests in flight."""
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(shared, PLATFORM, TEXT, can_show))
        rest = await _log_in(options, stack)

        async def responder_for(request: Request) -> DiscordResponder:
            return DiscordResponder(rest, request)

        handler = JobHandler(services.service, responder_for, services.queue, services.metrics)
        worker = await stack.enter_async_context(Worker(services.queue, handler, poll_s=shared.lease_s / 4))
        listeners = Listeners(worker, services.queue, services.preferences, services.metrics)
        panel = SettingsPanel(services.preferences, services.collections)
        completer = Completer(services.engine, services.sessions, services.preferences)

        def new_connection() -> tuple[GatewayClient, Tree]:
            client = GatewayClient(listeners, panel, services.database)
            tree = Tree(client)
            add_commands(tree, listeners, completer, panel, services.preferences)
            return client, tree

        url = await stack.enter_async_context(
            serve_health(options.host, options.port, "DEEPGIF_DISCORD_PORT", services.metrics)
        )
        supervisor = asyncio.create_task(_stay_connected(options.token, new_connection))
        stack.push_async_callback(_cancel, supervisor)
        yield Running(url, supervisor)


async def _log_in(options: DiscordOptions, stack: AsyncExitStack) -> discord.Client:
    """A client that only sends, so that answers do not depend on the gateway. Retries until Discord can be reached."""
    Route.BASE = options.api_url
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    for pause_s in _pauses():
        try:
            async with AsyncExitStack() as opening:
                nobody = discord.AllowedMentions.none()
                client = discord.Client(intents=discord.Intents(guilds=True), allowed_mentions=nobody)
                await opening.enter_async_context(client)
                await client.login(options.token)
                if options.api_url != DISCORD:  # a proxy, which has a gateway of its own
                    _, url, _ = await client.http.get_bot_gateway()
                    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(url)
                stack.push_async_exit(opening.pop_all())
                return client
        except discord.LoginFailure as error:
            raise UnauthorizedError(WRONG_TOKEN) from error
        except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
            _log.warning("Can't reach Discord (%s). Retrying.", type(error).__name__)
            await asyncio.sleep(pause_s)
    raise AssertionError("unreachable")


def _pauses() -> Iterator[float]:
    pause_s = MIN_PAUSE_S
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, MAX_PAUSE_S)


async def _stay_connected(token: str, new_connection: Callable[[], tuple[GatewayClient, Tree]]) -> None:
    """Registers the commands, and reconnects after every error. Raises ``UnauthorizedError`` if Discord rejects the
    token."""
    pauses = _pauses()
    registered = False
    while True:
        client, tree = new_connection()
        try:
            async with client:
                await client.login(token)
                if not registered:  # once per process; Discord ignores commands that it has already
                    await tree.sync()
                    registered = True
                pauses = _pauses()
                await client.connect()
        except discord.LoginFailure as error:
            raise UnauthorizedError(WRONG_TOKEN) from error
        except Exception as error:  # the next connection may last
            if isinstance(error, discord.ConnectionClosed) and error.code == _AUTHENTICATION_FAILED:
                raise UnauthorizedError(WRONG_TOKEN) from error
            _log.error("Lost the connection to Discord (%s). Reconnecting.", type(error).__name__)
        await asyncio.sleep(next(pauses))


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

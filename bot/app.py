"""What a bot process is made of, whatever its platform."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from deepgif.bot.chat.replies import PlatformText
from deepgif.bot.chat.search import GifSearch
from deepgif.bot.chat.service import GifService
from deepgif.bot.jobs.periodic import PeriodicTask
from deepgif.bot.jobs.queue import LEASE_S, JobQueue
from deepgif.bot.metrics import BotMetrics
from deepgif.bot.store.collections import GifCollections
from deepgif.bot.store.database import Database
from deepgif.bot.store.encryption import Cipher
from deepgif.bot.store.preferences import PreferenceStore
from deepgif.bot.store.sessions import SessionStore
from deepgif.engine.api.client import EngineClient
from deepgif.engine.errors import ListenError
from deepgif.engine.types import Gif, Rating

CLEAN_UP_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class BotOptions:
    """The settings that all platforms share. ``secret`` encrypts what is stored; another process takes over jobs that
    were not renewed for ``lease_s`` seconds."""

    engine_url: str
    engine_token: str
    database_url: str
    secret: str
    max_rating: Rating
    deadline_s: float
    lease_s: float = LEASE_S


@dataclass(frozen=True, slots=True)
class BotServices:
    """The parts of a bot that know no platform."""

    engine: EngineClient
    database: Database
    cipher: Cipher
    metrics: BotMetrics
    preferences: PreferenceStore
    collections: GifCollections
    sessions: SessionStore
    service: GifService
    queue: JobQueue


@asynccontextmanager
async def open_services(
    options: BotOptions, platform: str, text: PlatformText, can_show: Callable[[Gif], bool]
) -> AsyncIterator[BotServices]:
    """The services for a platform; ``can_show`` tells whether it can show a GIF. Raises ``StoreError``."""
    async with (
        Database(options.database_url) as database,
        EngineClient(options.engine_url, options.engine_token, timeout_s=options.deadline_s + 5) as engine,
        PeriodicTask(database.delete_expired, CLEAN_UP_EVERY_S),
    ):
        cipher = Cipher(options.secret)
        preferences, collections = PreferenceStore(database, options.max_rating), GifCollections(database)
        sessions = SessionStore(database, cipher)
        search = GifSearch(engine, can_show, options.deadline_s)
        yield BotServices(
            engine,
            database,
            cipher,
            BotMetrics(),
            preferences,
            collections,
            sessions,
            GifService(search, preferences, collections, sessions, cipher, text),
            JobQueue(database, cipher, platform, options.lease_s),
        )


@asynccontextmanager
async def serve_health(
    host: str, port: int, port_setting: str, metrics: BotMetrics, routes: Sequence[web.RouteDef] = ()
) -> AsyncIterator[str]:
    """Serves ``/healthz``, ``/metrics`` and more ``routes``, and yields the server's URL. Raises ``ListenError``."""

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def metrics_text(request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": metrics.content_type})

    server = web.Application()
    server.add_routes([web.get("/healthz", healthz), web.get("/metrics", metrics_text), *routes])
    runner = web.AppRunner(server, access_log=None)
    async with AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ListenError(f"Can't listen on {host}:{port}. Choose another port with {port_setting}.") from error
        yield f"http://{host}:{runner.addresses[0][1]}"


def stop_event() -> asyncio.Event:
    """An event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop

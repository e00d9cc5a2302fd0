"""What the processes of all platforms are made of."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

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

FORGET_EVERY_S = 3600.0


@dataclass(frozen=True, slots=True)
class BotOptions:
    """What all platforms share: the engine, and where and how things are kept. ``lease_s`` is the time after which a
    job whose process is silent is taken over."""

    engine_url: str
    engine_token: str
    database_url: str
    secret: str
    max_rating: Rating
    deadline_s: float
    lease_s: float = LEASE_S


@dataclass(frozen=True, slots=True)
class BotServices:
    """A bot without its platform."""

    engine: EngineClient
    database: Database
    seal: Cipher
    metrics: BotMetrics
    preferences: PreferenceStore
    shelf: GifCollections
    showings: SessionStore
    service: GifService
    journal: JobQueue


@asynccontextmanager
async def open_services(
    options: BotOptions, platform: str, can_show: Callable[[Gif], bool]
) -> AsyncIterator[BotServices]:
    """The parts for one platform; ``can_show`` says which GIFs it can show. Raises ``StoreError``."""
    async with (
        Database(options.database_url) as database,
        EngineClient(options.engine_url, options.engine_token, timeout_s=options.deadline_s + 5) as engine,
        PeriodicTask(database.forget_old, FORGET_EVERY_S),
    ):
        seal = Cipher(options.secret)
        preferences, shelf = PreferenceStore(database, options.max_rating), GifCollections(database)
        showings = SessionStore(database, seal)
        finder = GifSearch(engine, can_show, options.deadline_s)
        yield BotServices(
            engine,
            database,
            seal,
            BotMetrics(),
            preferences,
            shelf,
            showings,
            GifService(finder, preferences, shelf, showings, seal),
            JobQueue(database, seal, platform, options.lease_s),
        )


@asynccontextmanager
async def serving(
    host: str, port: int, setting: str, metrics: BotMetrics, routes: Sequence[web.RouteDef] = ()
) -> AsyncIterator[str]:
    """A server of the bot's own, with what the operator looks at; gives its address. Raises ``ListenError``, which
    names the ``setting`` of the port."""

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def counted(request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": metrics.content_type})

    server = web.Application()
    server.add_routes([web.get("/healthz", healthz), web.get("/metrics", counted), *routes])
    runner = web.AppRunner(server, access_log=None)
    async with AsyncExitStack() as stack:
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ListenError(f"{host}:{port} cannot be listened on; set {setting}.") from error
        yield f"http://{host}:{runner.addresses[0][1]}"


def stop_event() -> asyncio.Event:
    """Set at SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop

"""The Slack bot's process: builds its parts, listens, and finishes what it acknowledged before it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.database import Database
from bot.finder import Finder
from bot.journal import LEASE_S, Journal
from bot.metrics import BotMetrics
from bot.periodic import Periodic
from bot.preferences import PreferenceStore
from bot.sealing import Seal
from bot.service import GifService
from bot.shelf import Shelf
from bot.showing import ShowingStore
from bot.slack.answering import Answering
from bot.slack.blocks import can_show
from bot.slack.listeners import Listeners
from bot.slack.talk import retry_handlers
from bot.slack.task import PLATFORM
from bot.slack.workspaces import ManyWorkspaces, OAuthOptions, OneWorkspace
from bot.worker import Worker
from engine.client import EngineClient
from engine.errors import ListenError, UnauthorizedError
from engine.types import Rating

_log = logging.getLogger(__name__)
FORGET_EVERY_S = 3600.0
SLACK = "https://slack.com/api/"


@dataclass(frozen=True, slots=True)
class SlackOptions:
    """How the bot reaches Slack. ``app_token`` is for Socket Mode, ``signing_secret`` for HTTP mode; ``oauth`` is for
    many workspaces, in place of ``bot_token``. ``host`` and ``port`` are where it listens, in Socket Mode for metrics
    and installations only. ``lease_s`` is the time after which a job whose process is silent is taken over."""

    bot_token: str = ""
    app_token: str = ""
    signing_secret: str = ""
    http: bool = False
    oauth: OAuthOptions | None = None
    api_url: str = SLACK
    host: str = "127.0.0.1"
    port: int = 8720
    lease_s: float = LEASE_S


@dataclass(frozen=True, slots=True)
class BotOptions:
    """What all platforms share: the engine, and where and how things are kept."""

    engine_url: str
    engine_token: str
    database_url: str
    secret: str
    max_rating: Rating
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Running:
    """A bot that listens; ``address`` is where its own server does."""

    app: AsyncApp
    address: str


async def run(slack: SlackOptions, options: BotOptions) -> None:
    """Runs until SIGINT or SIGTERM. Raises ``DeepGifError`` for what keeps it from starting."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_bot(slack, options) as running:
        _log.info("Listening to Slack; metrics at %s/metrics.", running.address)
        await stop.wait()
        _log.info("Stopping; what was acknowledged is finished first.")


@asynccontextmanager
async def open_bot(slack: SlackOptions, options: BotOptions) -> AsyncIterator[Running]:
    """The bot, listening. At the end it takes nothing new and finishes what it acknowledged."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(options.database_url))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        engine = await stack.enter_async_context(
            EngineClient(options.engine_url, options.engine_token, timeout_s=options.deadline_s + 5)
        )

        def client_for(token: str) -> AsyncWebClient:
            return AsyncWebClient(
                token or None, base_url=slack.api_url, session=session, retry_handlers=[*retry_handlers()]
            )

        seal, metrics = Seal(options.secret), BotMetrics()
        preferences, shelf = PreferenceStore(database, options.max_rating), Shelf(database)
        showings = ShowingStore(database, seal)
        service = GifService(Finder(engine, can_show, options.deadline_s), preferences, shelf, showings, seal)
        journal = Journal(database, seal, PLATFORM, slack.lease_s)
        many = ManyWorkspaces(slack.oauth, database.engine, seal, client_for) if slack.oauth is not None else None
        clients = many or OneWorkspace(client_for(slack.bot_token))
        answering = Answering(service, clients, journal, session, metrics)
        if many is not None:
            await many.open()
            app = AsyncApp(
                client=client_for(""),
                signing_secret=slack.signing_secret,
                oauth_settings=many.settings(),
                authorize=many.authorize(),  # type: ignore[arg-type] # bolt takes its own class, but does not say so
            )
        else:
            await _check(client_for(slack.bot_token))
            app = AsyncApp(client=client_for(slack.bot_token), signing_secret=slack.signing_secret)
        worker = await stack.enter_async_context(Worker(journal, answering.do, look_s=slack.lease_s / 4))
        Listeners(worker, preferences, shelf, metrics).register(app)
        _forget_when_removed(app, database, many)
        address = await _serve(stack, slack, app, metrics)
        await stack.enter_async_context(Periodic(database.forget_old, FORGET_EVERY_S))
        if not slack.http:
            # The socket closes first, so that nothing new comes while the rest is finished.
            handler = AsyncSocketModeHandler(app, slack.app_token, web_client=client_for(""))
            stack.push_async_callback(handler.close_async)
            await handler.connect_async()
        yield Running(app, address)


def _forget_when_removed(app: AsyncApp, database: Database, many: ManyWorkspaces | None) -> None:
    async def removed(body: dict[str, Any]) -> None:
        team, enterprise = body.get("team_id") or "", body.get("enterprise_id") or ""
        if body["event"]["type"] == "tokens_revoked" and not body["event"].get("tokens", {}).get("bot"):
            return
        await database.forget_workspace(PLATFORM, team or enterprise)
        if many is not None:
            await many.forget(team, enterprise)
        _log.info("The app was removed from a workspace; all that was kept of it is deleted.")

    app.event("app_uninstalled")(removed)
    app.event("tokens_revoked")(removed)


async def _check(client: AsyncWebClient) -> None:
    try:
        await client.auth_test()
    except SlackApiError as error:
        raise UnauthorizedError("Slack refuses DEEPGIF_SLACK_BOT_TOKEN; please check it.") from error
    except (SlackClientError, aiohttp.ClientError, OSError) as error:
        _log.warning("Slack cannot be reached at the moment (%s); it is tried again.", type(error).__name__)


async def _serve(stack: AsyncExitStack, slack: SlackOptions, app: AsyncApp, metrics: BotMetrics) -> str:
    async def dispatch(request: web.Request) -> web.StreamResponse:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    async def install(request: web.Request) -> web.StreamResponse:
        flow = app.oauth_flow
        assert flow is not None  # noqa: S101 - the route exists only with it
        asked = await to_bolt_request(request)
        handle = flow.handle_installation if request.path == flow.install_path else flow.handle_callback
        return await to_aiohttp_response(await handle(asked))

    async def healthz(request: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def counted(request: web.Request) -> web.Response:
        return web.Response(body=metrics.text(), headers={"Content-Type": metrics.content_type})

    server = web.Application()
    server.add_routes([web.get("/healthz", healthz), web.get("/metrics", counted)])
    if slack.http:
        server.router.add_post("/slack/events", dispatch)
    if app.oauth_flow is not None:
        server.add_routes([web.get(app.oauth_flow.install_path, install)])
        server.add_routes([web.get(app.oauth_flow.redirect_uri_path, install)])
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, slack.host, slack.port).start()
    except OSError as error:
        raise ListenError(f"{slack.host}:{slack.port} cannot be listened on; set DEEPGIF_SLACK_PORT.") from error
    return f"http://{slack.host}:{runner.addresses[0][1]}"

"""The Slack bot's process."""

from __future__ import annotations

import logging
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

from deepgif.bot.app import BotOptions, open_services, serve_health, stop_event
from deepgif.bot.jobs.handler import JobHandler
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.request import Request
from deepgif.bot.slack.blocks import can_show
from deepgif.bot.slack.installations import OAuthOptions, OAuthWorkspaces, SingleWorkspace
from deepgif.bot.slack.listeners import Acknowledge, Listeners, before_acknowledgement
from deepgif.bot.slack.request import PLATFORM
from deepgif.bot.slack.responder import SlackResponder, retry_handlers
from deepgif.bot.slack.settings import SettingsModal
from deepgif.bot.slack.text import TEXT
from deepgif.bot.store.database import Database
from deepgif.engine.errors import UnauthorizedError

_log = logging.getLogger(__name__)
SLACK = "https://slack.com/api/"


@dataclass(frozen=True, slots=True)
class SlackOptions:
    """How the bot reaches Slack. ``app_token`` is for Socket Mode, ``signing_secret`` for HTTP mode; ``oauth`` is for
    many workspaces, in place of ``bot_token``. The bot's own server listens on ``host`` and ``port``; in Socket Mode it
    is only for metrics and installations."""

    bot_token: str = ""
    app_token: str = ""
    signing_secret: str = ""
    http: bool = False
    oauth: OAuthOptions | None = None
    api_url: str = SLACK
    host: str = "127.0.0.1"
    port: int = 8720


@dataclass(frozen=True, slots=True)
class Running:
    """A running bot, and the URL of its own server."""

    app: AsyncApp
    url: str


async def run(slack: SlackOptions, options: BotOptions) -> None:
    """Runs until SIGINT or SIGTERM. Raises ``DeepGifError`` if the bot can't start."""
    stop = stop_event()
    async with open_bot(slack, options) as running:
        _log.info("Connected to Slack. Metrics are at %s/metrics.", running.url)
        await stop.wait()
        _log.info("Stopping. Finishing requests in flight.")


@asynccontextmanager
async def open_bot(slack: SlackOptions, options: BotOptions) -> AsyncIterator[Running]:
    """A bot that listens to Slack. On exit it stops listening and finishes the requests in flight."""
    async with AsyncExitStack() as stack:
        services = await stack.enter_async_context(open_services(options, PLATFORM, TEXT, can_show))
        http = await stack.enter_async_context(aiohttp.ClientSession())

        def client_for(token: str) -> AsyncWebClient:
            return AsyncWebClient(
                token or None, base_url=slack.api_url, session=http, retry_handlers=[*retry_handlers()]
            )

        client = client_for(slack.bot_token)
        oauth: OAuthWorkspaces | None = None
        if slack.oauth is not None:
            oauth = OAuthWorkspaces(slack.oauth, services.database.engine, services.cipher, client_for)
            await oauth.open()
            app = AsyncApp(
                client=client,
                signing_secret=slack.signing_secret,
                oauth_settings=oauth.settings(),
                authorize=oauth.authorize(),  # type: ignore[arg-type] # bolt's own class, but its annotation differs
            )
        else:
            await _check_token(client)
            app = AsyncApp(client=client, signing_secret=slack.signing_secret)
        workspaces = oauth or SingleWorkspace(client)

        async def responder_for(request: Request) -> SlackResponder | None:
            client = await workspaces.client(request.context.workspace, request.enterprise)
            return SlackResponder(client, http, request) if client is not None else None

        handler = JobHandler(services.service, responder_for, services.queue, services.metrics)
        worker = await stack.enter_async_context(Worker(services.queue, handler, poll_s=options.lease_s / 4))
        settings = SettingsModal(services.preferences, services.collections)
        Listeners(worker, settings, services.collections, services.metrics).register(app)
        _delete_data_when_removed(app, services.database, oauth)
        routes = _routes(app, slack.http)
        url = await stack.enter_async_context(
            serve_health(slack.host, slack.port, "DEEPGIF_SLACK_PORT", services.metrics, routes)
        )
        if not slack.http:
            # On exit the socket closes first, so that no new requests arrive.
            socket = AsyncSocketModeHandler(app, slack.app_token, web_client=client_for(""))
            stack.push_async_callback(socket.close_async)
            await socket.connect_async()
        yield Running(app, url)


def _delete_data_when_removed(app: AsyncApp, database: Database, oauth: OAuthWorkspaces | None) -> None:
    async def removed(next_: Acknowledge, body: dict[str, Any]) -> None:
        team, enterprise = body.get("team_id") or "", body.get("enterprise_id") or ""
        if body["event"]["type"] == "app_uninstalled" or body["event"].get("tokens", {}).get("bot"):
            await database.delete_workspace(PLATFORM, team or enterprise)
            if oauth is not None:
                await oauth.delete(team, enterprise)
            _log.info("A workspace removed the app. All of its data was deleted.")
        await next_()

    before_acknowledgement(app, "app_uninstalled", removed)
    before_acknowledgement(app, "tokens_revoked", removed)


async def _check_token(client: AsyncWebClient) -> None:
    try:
        await client.auth_test()
    except SlackApiError as error:
        raise UnauthorizedError("Slack rejected DEEPGIF_SLACK_BOT_TOKEN. Check the token.") from error
    except (SlackClientError, aiohttp.ClientError, OSError) as error:
        _log.warning("Can't reach Slack (%s). Retrying.", type(error).__name__)


def _routes(app: AsyncApp, http: bool) -> list[web.RouteDef]:
    """The routes for Slack's requests in HTTP mode, and for installations."""

    async def dispatch(request: web.Request) -> web.StreamResponse:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    routes = [web.post("/slack/events", dispatch)] if http else []
    flow = app.oauth_flow
    if flow is not None:

        async def install(request: web.Request) -> web.StreamResponse:
            handle = flow.handle_installation if request.path == flow.install_path else flow.handle_callback
            return await to_aiohttp_response(await handle(await to_bolt_request(request)))

        routes += [web.get(flow.install_path, install), web.get(flow.redirect_uri_path, install)]
    return routes

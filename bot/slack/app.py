"""The Slack bot's process: builds its parts, listens, and finishes what it acknowledged before it ends."""

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

from deepgif.bot.app import BotOptions, open_services, serving, stop_event
from deepgif.bot.jobs.handler import JobHandler
from deepgif.bot.jobs.worker import Worker
from deepgif.bot.slack.blocks import can_show
from deepgif.bot.slack.installations import OAuthOptions, OAuthWorkspaces, SingleWorkspace
from deepgif.bot.slack.listeners import Listeners, Receipt, before_receipt
from deepgif.bot.slack.request import PLATFORM
from deepgif.bot.slack.responder import SlackVoices
from deepgif.bot.slack.talk import retry_handlers
from deepgif.bot.slack.text import WORDING
from deepgif.bot.store.database import Database
from deepgif.engine.errors import UnauthorizedError

_log = logging.getLogger(__name__)
SLACK = "https://slack.com/api/"


@dataclass(frozen=True, slots=True)
class SlackOptions:
    """How the bot reaches Slack. ``app_token`` is for Socket Mode, ``signing_secret`` for HTTP mode; ``oauth`` is for
    many workspaces, in place of ``bot_token``. ``host`` and ``port`` are where it listens, in Socket Mode for metrics
    and installations only."""

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
    """A bot that listens; ``address`` is where its own server does."""

    app: AsyncApp
    address: str


async def run(slack: SlackOptions, options: BotOptions) -> None:
    """Runs until SIGINT or SIGTERM. Raises ``DeepGifError`` for what keeps it from starting."""
    stop = stop_event()
    async with open_bot(slack, options) as running:
        _log.info("Listening to Slack; metrics at %s/metrics.", running.address)
        await stop.wait()
        _log.info("Stopping; what was acknowledged is finished first.")


@asynccontextmanager
async def open_bot(slack: SlackOptions, options: BotOptions) -> AsyncIterator[Running]:
    """The bot, listening. At the end it takes nothing new and finishes what it acknowledged."""
    async with AsyncExitStack() as stack:
        parts = await stack.enter_async_context(open_services(options, PLATFORM, can_show))
        session = await stack.enter_async_context(aiohttp.ClientSession())

        def client_for(token: str) -> AsyncWebClient:
            return AsyncWebClient(
                token or None, base_url=slack.api_url, session=session, retry_handlers=[*retry_handlers()]
            )

        many = (
            OAuthWorkspaces(slack.oauth, parts.database.engine, parts.seal, client_for)
            if slack.oauth is not None
            else None
        )
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
        voices = SlackVoices(many or SingleWorkspace(client_for(slack.bot_token)), session)
        answering = JobHandler(parts.service, voices.of, parts.journal, parts.metrics, WORDING)
        worker = await stack.enter_async_context(Worker(parts.journal, answering.do, look_s=options.lease_s / 4))
        Listeners(worker, parts.preferences, parts.shelf, parts.metrics).register(app)
        _forget_when_removed(app, parts.database, many)
        address = await stack.enter_async_context(
            serving(slack.host, slack.port, "DEEPGIF_SLACK_PORT", parts.metrics, _routes(app, slack.http))
        )
        if not slack.http:
            # The socket closes first, so that nothing new comes while the rest is finished.
            handler = AsyncSocketModeHandler(app, slack.app_token, web_client=client_for(""))
            stack.push_async_callback(handler.close_async)
            await handler.connect_async()
        yield Running(app, address)


def _forget_when_removed(app: AsyncApp, database: Database, many: OAuthWorkspaces | None) -> None:
    async def removed(next_: Receipt, body: dict[str, Any]) -> None:
        team, enterprise = body.get("team_id") or "", body.get("enterprise_id") or ""
        if body["event"]["type"] == "app_uninstalled" or body["event"].get("tokens", {}).get("bot"):
            await database.forget_workspace(PLATFORM, team or enterprise)
            if many is not None:
                await many.forget(team, enterprise)
            _log.info("The app was removed from a workspace; all that was kept of it is deleted.")
        await next_()

    before_receipt(app, "app_uninstalled", removed)
    before_receipt(app, "tokens_revoked", removed)


async def _check(client: AsyncWebClient) -> None:
    try:
        await client.auth_test()
    except SlackApiError as error:
        raise UnauthorizedError("Slack refuses DEEPGIF_SLACK_BOT_TOKEN; please check it.") from error
    except (SlackClientError, aiohttp.ClientError, OSError) as error:
        _log.warning("Slack cannot be reached at the moment (%s); it is tried again.", type(error).__name__)


def _routes(app: AsyncApp, http: bool) -> list[web.RouteDef]:
    """What Slack, and people who install the app, ask for."""

    async def dispatch(request: web.Request) -> web.StreamResponse:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    async def install(request: web.Request) -> web.StreamResponse:
        flow = app.oauth_flow
        assert flow is not None  # noqa: S101 - the route exists only with it
        asked = await to_bolt_request(request)
        handle = flow.handle_installation if request.path == flow.install_path else flow.handle_callback
        return await to_aiohttp_response(await handle(asked))

    routes = [web.post("/slack/events", dispatch)] if http else []
    if app.oauth_flow is not None:
        routes += [web.get(app.oauth_flow.install_path, install)]
        routes += [web.get(app.oauth_flow.redirect_uri_path, install)]
    return routes

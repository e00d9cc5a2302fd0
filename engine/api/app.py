"""HTTP in, HTTP out: routes over a ``SearchService``. What is between a request and its route is in ``middleware``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from deepgif.engine.api.middleware import AccessRules, is_loopback, layers
from deepgif.engine.api.openapi import document
from deepgif.engine.api.schemas import answer_to_json, rating_of, request_from_json, request_from_query, whole_number
from deepgif.engine.errors import InvalidRequestError, NotFoundError, NotReadyError
from deepgif.engine.metrics import Metrics
from deepgif.engine.search.service import SearchService
from deepgif.engine.types import (
    DEFAULT_DEADLINE_S,
    DEFAULT_LIMIT,
    MAX_DEADLINE_S,
    MAX_LIMIT,
    GifKey,
    Rating,
    SearchAnswer,
    SearchRequest,
)

MAX_BODY_BYTES = 64 * 1024
MAX_START = 50  # characters of a word that somebody begins to type
MAX_LINE_BYTES = 16 * 1024  # of a request's first line: 1,000 emoji are 12,000 bytes of address
WEB = Path(__file__).parent / "web"
ASSETS = {"app.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}
MEDIA_TYPES = {".gif": "image/gif", ".webp": "image/webp"}
A_YEAR_S = 365 * 24 * 3600
DRAIN_S = 5.0  # in which load balancers notice that /readyz has turned, looking every 2 seconds twice
FINISH_S = (
    MAX_DEADLINE_S + 2.0
)  # in which a stopping service finishes what is in hand: the longest search, and its way out


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the engine is reached. ``public_url`` goes in front of media addresses; without it the request's own
    scheme and host do. ``drain_s`` is for how long it answers on when it was asked to stop."""

    access: AccessRules
    public_url: str = ""
    max_rating: Rating = Rating.PG_13
    deadline_s: float = DEFAULT_DEADLINE_S
    drain_s: float = 0.0


class Routes:
    """The handlers. ``engine`` gives the search engine once it is loaded and warm, and None before; ``closing`` says
    whether the service was asked to stop."""

    def __init__(
        self,
        engine: Callable[[], SearchService | None],
        metrics: Metrics,
        options: ServerOptions,
        closing: Callable[[], bool],
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._options = options
        self._closing = closing

    def table(self) -> list[web.RouteDef]:
        """All routes. Names are what ``metrics`` and the OpenAPI document call them."""
        return [
            web.get("/", self.page, name="page", allow_head=True),
            web.get("/assets/{name}", self.asset, name="asset"),
            web.get("/v1/search", self.search_get, name="search", allow_head=False),
            web.post("/v1/search", self.search_post, name="search"),
            web.get("/v1/similar", self.similar, name="similar", allow_head=False),
            web.post("/v1/sent", self.sent, name="sent"),
            web.get("/v1/words", self.words, name="words", allow_head=False),
            web.get("/v1/media/{provider}/{id}", self.media, name="media"),
            web.get("/healthz", self.healthz, name="healthz"),
            web.get("/readyz", self.readyz, name="readyz"),
            web.get("/metrics", self.metrics, name="metrics"),
            web.get("/openapi.json", self.openapi, name="openapi"),
        ]

    async def search_get(self, request: web.Request) -> web.Response:
        """``GET /v1/search?q=...``"""
        return await self._search(
            request, request_from_query(request.query, self._options.max_rating, self._options.deadline_s)
        )

    async def search_post(self, request: web.Request) -> web.Response:
        """``POST /v1/search`` with a JSON body."""
        body = await _json_of(request)
        return await self._search(request, request_from_json(body, self._options.max_rating, self._options.deadline_s))

    async def similar(self, request: web.Request) -> web.Response:
        """``GET /v1/similar?provider=...&id=...``: GIFs that look like one that is known."""
        query = request.query
        limit = whole_number(query.get("limit", str(DEFAULT_LIMIT)))
        if not query.get("provider") or not query.get("id") or limit is None:
            raise InvalidRequestError("Please name a GIF by its provider and id, and perhaps a limit.")
        rating = rating_of(query.get("max_rating", self._options.max_rating.value), self._options.max_rating)
        answer = await self._ready().similar(GifKey(query["provider"], query["id"]), limit, rating)
        return self._answer(request, answer)

    async def sent(self, request: web.Request) -> web.Response:
        """``POST /v1/sent``: a GIF was sent; its provider is told where the operator wants that."""
        body = await _json_of(request)
        name, gif_id = (body.get(field) if isinstance(body, dict) else None for field in ("provider", "id"))
        if not isinstance(name, str) or not isinstance(gif_id, str):
            raise InvalidRequestError('The body must be a JSON object such as {"provider": "giphy", "id": "abc"}.')
        await self._ready().sent(GifKey(name, gif_id))
        return web.Response(status=204)

    async def words(self, request: web.Request) -> web.Response:
        """``GET /v1/words?start=...``: what GIFs that are known are described with, to complete what is typed."""
        limit = whole_number(request.query.get("limit", str(DEFAULT_LIMIT)))
        if limit is None or not 1 <= limit <= MAX_LIMIT:
            raise InvalidRequestError(f"The limit must be a whole number from 1 to {MAX_LIMIT}.")
        known, start = self._ready().library.words, request.query.get("start", "")[:MAX_START]
        words = await asyncio.to_thread(known.starting, start, limit)
        return web.json_response({"words": words}, headers={"Cache-Control": "no-store"})

    async def _search(self, request: web.Request, asked: SearchRequest) -> web.Response:
        answer = await self._ready().search(asked)
        self._metrics.fits.labels(answer.results[0].fit.value if answer.results else "none").inc()
        self._metrics.answers.labels(answer.origin.value).inc()
        self._metrics.coverage.observe(answer.coverage.fraction)
        return self._answer(request, answer)

    def _answer(self, request: web.Request, answer: SearchAnswer) -> web.Response:
        base = self._options.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
        return web.json_response(
            answer_to_json(answer, base),
            dumps=lambda body: json.dumps(body, ensure_ascii=False),
            headers={"Cache-Control": "no-store"},
        )

    async def media(self, request: web.Request) -> web.StreamResponse:
        """A GIF of a local catalogue. Its id is made from its bytes, so it may be kept for ever."""
        provider = self._ready().library.provider(request.match_info["provider"])
        path = await provider.media(request.match_info["id"]) if provider is not None else None
        if path is None:
            raise NotFoundError("There is no such GIF; perhaps its file has been moved or removed.")
        kind = MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
        kept = f"public, max-age={A_YEAR_S}, immutable"
        return web.FileResponse(path, headers={"Content-Type": kind, "Cache-Control": kept})

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The search page."""
        headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache"}
        return web.FileResponse(WEB / "index.html", headers=headers)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """What the page is made of."""
        name = request.match_info["name"]
        if name not in ASSETS:
            raise NotFoundError("The page has no such part.")
        headers = {"Content-Type": f"{ASSETS[name]}; charset=utf-8", "Cache-Control": "no-cache"}
        return web.FileResponse(WEB / name, headers=headers)

    async def healthz(self, request: web.Request) -> web.Response:
        """The process lives."""
        return web.json_response({"status": "alive"})

    async def readyz(self, request: web.Request) -> web.Response:
        """Models are loaded and warm, and searches are answered, for a while at least."""
        if self._closing():  # searches are still answered, but no more should be sent here
            raise NotReadyError("The engine is closing down; please ask another one, or try again in a moment.")
        engine = self._ready()
        coverage = await engine.coverage()
        return web.json_response(
            {"status": "ready", "model": engine.model, "seen": coverage.seen, "total": coverage.total}
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """For Prometheus."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": self._metrics.content_type})

    async def openapi(self, request: web.Request) -> web.Response:
        """What this service takes and gives."""
        return web.json_response(document())

    def _ready(self) -> SearchService:
        engine = self._engine()
        if engine is None:
            raise NotReadyError("The engine is still starting; please try again in a moment.")
        return engine


def drain_s_of(setting: float | None, host: str) -> float:
    """For how many seconds a service on ``host`` answers on when it was asked to stop: as set, else ``DRAIN_S``, but
    not where no balancer of another machine can reach it."""
    if setting is not None:
        return setting
    return 0.0 if is_loopback(host) else DRAIN_S


async def _json_of(request: web.Request) -> object:
    if request.content_type != "application/json":
        raise InvalidRequestError("Please send JSON, with the content type application/json.")
    try:
        body: object = json.loads(await request.read())
    except (ValueError, RecursionError):
        raise InvalidRequestError("The body is not valid JSON.") from None
    return body


def create_app(
    engine: Callable[[], SearchService | None],
    metrics: Metrics,
    options: ServerOptions,
    closing: Callable[[], bool] = lambda: False,
) -> web.Application:
    """The whole service as an aiohttp application."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=layers(options.access, metrics, closing))
    app.add_routes(Routes(engine, metrics, options, closing).table())
    return app


def create_runner(app: web.Application) -> web.AppRunner:
    """Runs the application: handlers stop when their caller leaves, and no address, which may hold somebody's words,
    goes into a log."""
    return web.AppRunner(
        app, handler_cancellation=True, access_log=None, max_line_size=MAX_LINE_BYTES, shutdown_timeout=FINISH_S
    )

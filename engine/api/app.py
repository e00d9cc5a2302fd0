"""The HTTP routes of a ``SearchService``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from pydantic import BaseModel

from deepgif.engine.api.middleware import AccessRules, layers
from deepgif.engine.api.openapi import document
from deepgif.engine.api.schemas import (
    MAX_PREFIX_LENGTH,
    GifReference,
    Health,
    Readiness,
    SearchParameters,
    SearchRequest,
    SearchResponse,
    SimilarParameters,
    Suggestions,
    SuggestParameters,
    lower,
    read_body,
    read_parameters,
)
from deepgif.engine.errors import InvalidRequestError, NotFoundError, NotReadyError
from deepgif.engine.metrics import Metrics
from deepgif.engine.search.service import SearchService
from deepgif.engine.types import (
    DEFAULT_DEADLINE_S,
    GifKey,
    Rating,
    SearchAnswer,
)

MAX_BODY_BYTES = 64 * 1024
WEB = Path(__file__).parent / "web"
ASSETS = {"app.css": "text/css", "app.js": "text/javascript", "icon.svg": "image/svg+xml"}
MEDIA_TYPES = {".gif": "image/gif", ".webp": "image/webp"}
A_YEAR_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How clients reach the engine. Media URLs start with ``public_url``, or else with the request's own scheme and
    host. ``drain_s`` is how many seconds a stopping engine keeps answering."""

    access: AccessRules
    public_url: str = ""
    max_rating: Rating = Rating.PG_13
    deadline_s: float = DEFAULT_DEADLINE_S
    drain_s: float = 0.0


class Routes:
    """The handlers. ``engine`` returns None until the engine is loaded and warm; ``closing`` tells whether the service
    is shutting down."""

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
        """All routes, with the names that metrics have as labels."""
        return [
            web.get("/", self.page, name="page", allow_head=True),
            web.get("/assets/{name}", self.asset, name="asset"),
            web.get("/v1/search", self.search_get, name="search", allow_head=False),
            web.post("/v1/search", self.search_post, name="search"),
            web.get("/v1/similar", self.similar, name="similar", allow_head=False),
            web.post("/v1/share", self.share, name="share"),
            web.get("/v1/suggest", self.suggest, name="suggest", allow_head=False),
            web.get("/v1/media/{provider}/{id}", self.media, name="media"),
            web.get("/healthz", self.healthz, name="healthz"),
            web.get("/readyz", self.readyz, name="readyz"),
            web.get("/metrics", self.metrics, name="metrics"),
            web.get("/openapi.json", self.openapi, name="openapi"),
        ]

    async def search_get(self, request: web.Request) -> web.Response:
        """``GET /v1/search?q=...``"""
        return await self._search(request, read_parameters(SearchParameters, request.query))

    async def search_post(self, request: web.Request) -> web.Response:
        """``POST /v1/search`` with a JSON body."""
        return await self._search(request, read_body(SearchRequest, await _json_of(request)))

    async def similar(self, request: web.Request) -> web.Response:
        """``GET /v1/similar?provider=...&id=...``: GIFs that look like an indexed one."""
        asked = read_parameters(SimilarParameters, request.query)
        rating = lower(asked.max_rating, self._options.max_rating)
        answer = await self._ready().similar(GifKey(asked.provider, asked.id), asked.limit, rating)
        return self._answer(request, answer)

    async def share(self, request: web.Request) -> web.Response:
        """``POST /v1/share``: a GIF was posted; its provider is told if the operator wants that."""
        shared = read_body(GifReference, await _json_of(request))
        await self._ready().report_share(GifKey(shared.provider, shared.id))
        return web.Response(status=204)

    async def suggest(self, request: web.Request) -> web.Response:
        """``GET /v1/suggest?prefix=...``: completes a word with words that describe indexed GIFs."""
        asked = read_parameters(SuggestParameters, request.query)
        known, prefix = self._ready().collection.suggestions, asked.prefix[:MAX_PREFIX_LENGTH]
        words = await asyncio.to_thread(known.complete, prefix, asked.limit)
        return _json(Suggestions(suggestions=tuple(words)))

    async def _search(self, request: web.Request, asked: SearchRequest) -> web.Response:
        chosen = self._options
        answer = await self._ready().search(asked.to_request(chosen.max_rating, chosen.deadline_s))
        self._metrics.fits.labels(answer.results[0].fit.value if answer.results else "none").inc()
        self._metrics.answers.labels(answer.origin.value).inc()
        self._metrics.coverage.observe(answer.coverage.fraction)
        return self._answer(request, answer)

    def _answer(self, request: web.Request, answer: SearchAnswer) -> web.Response:
        base = self._options.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
        return _json(SearchResponse.of(answer, base))

    async def media(self, request: web.Request) -> web.StreamResponse:
        """A GIF of a local catalogue. Its id is a hash of its bytes, so clients may cache it forever."""
        provider = self._ready().collection.provider(request.match_info["provider"])
        path = await provider.media(request.match_info["id"]) if provider is not None else None
        if path is None:
            raise NotFoundError("There is no such GIF. Its file may have been moved or deleted.")
        kind = MEDIA_TYPES.get(path.suffix.lower(), "application/octet-stream")
        caching = f"public, max-age={A_YEAR_S}, immutable"
        return web.FileResponse(path, headers={"Content-Type": kind, "Cache-Control": caching})

    async def page(self, request: web.Request) -> web.StreamResponse:
        """The search page."""
        headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache"}
        return web.FileResponse(WEB / "index.html", headers=headers)

    async def asset(self, request: web.Request) -> web.StreamResponse:
        """A file of the search page."""
        name = request.match_info["name"]
        if name not in ASSETS:
            raise NotFoundError("The page has no such file.")
        headers = {"Content-Type": f"{ASSETS[name]}; charset=utf-8", "Cache-Control": "no-cache"}
        return web.FileResponse(WEB / name, headers=headers)

    async def healthz(self, request: web.Request) -> web.Response:
        """Liveness: the process responds."""
        return _json(Health())

    async def readyz(self, request: web.Request) -> web.Response:
        """Readiness: the model is loaded and warm, and the engine is not shutting down."""
        if self._closing():  # still answers searches, but load balancers should send no more
            raise NotReadyError("The engine is shutting down. Try again in a moment.")
        engine = self._ready()
        coverage = await engine.collection.coverage()
        return _json(Readiness(model=engine.model, embedded=coverage.embedded, total=coverage.total))

    async def metrics(self, request: web.Request) -> web.Response:
        """Metrics for Prometheus."""
        return web.Response(body=self._metrics.text(), headers={"Content-Type": self._metrics.content_type})

    async def openapi(self, request: web.Request) -> web.Response:
        """The OpenAPI document."""
        return web.json_response(document())

    def _ready(self) -> SearchService:
        engine = self._engine()
        if engine is None:
            raise NotReadyError("The engine is still starting. Try again in a moment.")
        return engine


def _json(body: BaseModel) -> web.Response:
    headers = {"Cache-Control": "no-store"}
    return web.Response(text=body.model_dump_json(), content_type="application/json", headers=headers)


async def _json_of(request: web.Request) -> bytes:
    if request.content_type != "application/json":
        raise InvalidRequestError("Send JSON with the content type application/json.")
    return await request.read()


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

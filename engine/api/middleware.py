"""Middlewares: access, metrics, errors and response headers."""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from deepgif.engine.api.problems import problem, problem_of
from deepgif.engine.errors import UnauthorizedError
from deepgif.engine.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
OPEN_ROUTES = frozenset({"page", "asset", "media", "healthz", "readyz", "openapi"})  # no queries, no metrics
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' https: data:; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class AccessRules:
    """Who has access. If ``token`` is set, searches and metrics require it. Otherwise the Host header must be one of
    ``hosts``, which stops DNS rebinding: a web page elsewhere whose name resolves to this machine."""

    token: str = ""
    hosts: frozenset[str] = LOOPBACK_NAMES


def own_names(host: str, public_url: str) -> frozenset[str]:
    """The host names of an engine that listens on ``host``, with that of ``public_url`` if set."""
    public = urlsplit(public_url).hostname
    return LOOPBACK_NAMES | {host} | ({public} if public else frozenset())


def is_loopback(host: str) -> bool:
    """Whether ``host`` is only reachable from this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def layers(access: AccessRules, metrics: Metrics, closing: Callable[[], bool]) -> tuple[Middleware, ...]:
    """The middlewares, outermost first. While the service is ``closing``, each response closes its connection, so that
    clients with keep-alive connections reconnect elsewhere."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        route = _name(request)
        with metrics.in_flight.labels(route).track_inprogress():
            response = await handler(request)
        metrics.requests.labels(route, _method(request), response.status).inc()
        metrics.request_seconds.labels(route).observe(time.perf_counter() - started)
        return response

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the one place where errors become responses
            response = problem_of(error)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if closing():
            response.force_close()
        return response

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if access.token:
            if _name(request) not in OPEN_ROUTES and not _bears(request, access.token):
                raise UnauthorizedError("This engine requires its token: “Authorization: Bearer …”.")
        elif _host(request) not in access.hosts:
            detail = "The Host header is not this engine's name; DEEPGIF_PUBLIC_URL adds one."
            return problem(421, "Misdirected request", detail)
        return await handler(request)

    return (count, answer, guard)


def _bears(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())


def _host(request: web.Request) -> str:
    try:
        return (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _name(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return (resource.name if resource is not None else None) or "none"


def _method(request: web.Request) -> str:
    return request.method if request.method in {"GET", "HEAD", "POST"} else "other"

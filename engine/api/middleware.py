"""What stands between a request and its route: who may ask, what is counted, how errors and answers leave."""

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
OPEN_ROUTES = frozenset({"page", "asset", "media", "healthz", "readyz", "openapi"})  # nobody's words, no figures
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
    """Who may ask. With ``token``, searches and metrics need it. Without, only ``hosts`` are answered: a page
    elsewhere that points a name of its own at this machine (DNS rebinding) is not."""

    token: str = ""
    hosts: frozenset[str] = LOOPBACK_NAMES


def own_names(host: str, public_url: str) -> frozenset[str]:
    """The names under which an engine that listens on ``host`` is asked, with that in ``public_url`` if it is set."""
    public = urlsplit(public_url).hostname
    return LOOPBACK_NAMES | {host} | ({public} if public else frozenset())


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def layers(access: AccessRules, metrics: Metrics, closing: Callable[[], bool]) -> tuple[Middleware, ...]:
    """The middlewares, outermost first. While the service is ``closing``, each answer ends its connection, so that
    callers who keep connections open turn to another one."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        route = _name(request)
        with metrics.in_hand.labels(route).track_inprogress():
            response = await handler(request)
        metrics.requests.labels(route, _method(request), response.status).inc()
        metrics.request_seconds.labels(route).observe(time.perf_counter() - started)
        return response

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except Exception as error:  # noqa: BLE001 - the one place where errors become answers
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
                raise UnauthorizedError("This engine asks for its token, as “Authorization: Bearer …”.")
        elif _host(request) not in access.hosts:
            detail = "This engine answers only under its own name; DEEPGIF_PUBLIC_URL tells it another one."
            return problem(421, "That is not this engine's name", detail)
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

"""A load balancer on loopback, as docs/self-hosting/operations.md wants one: engines whose ``/readyz`` says no are left
out.

It goes round, sends a request to the next engine where it cannot be sent to one at all, and answers 502 where an engine
leaves one unanswered: what was sent may have been done, so a proxy does not send it again (nginx's
``proxy_next_upstream``, for requests that are not idempotent).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from aiohttp import web

LOOK_S = 0.1
FAILURES = 2  # in a row, after which an engine is left out


@dataclass(slots=True)
class Upstream:
    """One engine, and what became of what was sent to it: ``answered``, ``cut`` off, or ``refused`` before."""

    origin: str
    chosen: bool = False
    failures: int = 0
    in_hand: int = 0
    answered: int = 0
    cut: int = 0
    refused: int = 0


class Balancer:
    """Goes round the engines at ``origins``."""

    def __init__(self, origins: Sequence[str]) -> None:
        self.upstreams = [Upstream(origin) for origin in origins]
        self.url = ""
        self._turn = 0
        self._runner: web.AppRunner | None = None
        self._http: aiohttp.ClientSession | None = None
        self._looking: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._looking = [asyncio.create_task(self._look(self._http, one)) for one in self.upstreams]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        assert self._http is not None
        for task in self._looking:
            task.cancel()
        await asyncio.gather(*self._looking, return_exceptions=True)
        await self._runner.cleanup()
        await self._http.close()

    @property
    def chosen(self) -> list[Upstream]:
        """Those that get requests now."""
        return [one for one in self.upstreams if one.chosen]

    async def _look(self, http: aiohttp.ClientSession, one: Upstream) -> None:
        while True:
            try:
                async with http.get(f"{one.origin}/readyz") as response:
                    ready = response.status == 200
            except aiohttp.ClientError:
                ready = False
            one.failures = 0 if ready else one.failures + 1
            one.chosen = ready or (one.chosen and one.failures < FAILURES)
            await asyncio.sleep(LOOK_S)

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        self._turn += 1
        chosen = self.chosen
        for step in range(len(chosen)):
            one = chosen[(self._turn + step) % len(chosen)]
            try:
                return await self._send(request, body, one)
            except aiohttp.ClientConnectorError:
                one.refused += 1
            except aiohttp.ClientError:
                one.cut += 1
                break
        return web.Response(status=502, text="<h1>502 Bad Gateway</h1>", content_type="text/html")

    async def _send(self, request: web.Request, body: bytes, one: Upstream) -> web.Response:
        assert self._http is not None
        given = {name: request.headers[name] for name in ("Content-Type",) if name in request.headers}
        one.in_hand += 1
        try:
            async with self._http.request(
                request.method, one.origin + request.path_qs, data=body, headers=given
            ) as came:
                content = await came.read()
        finally:
            one.in_hand -= 1
        one.answered += 1
        kept = {name: came.headers[name] for name in ("Content-Type", "Retry-After") if name in came.headers}
        return web.Response(status=came.status, body=content, headers=kept)

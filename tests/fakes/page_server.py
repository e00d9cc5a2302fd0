"""Serves the search page with scripted answers: slow, failing and hostile engines."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image, ImageDraw

WEB = Path(__file__).resolve().parents[2] / "engine" / "api" / "web"
POLICY = (
    "default-src 'none'; img-src 'self' https: data:; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
COLOURS = ("#c0392b", "#2471a3", "#1e8449", "#b7950b", "#6c3483", "#117a65", "#a04000", "#2c3e50")


@cache
def moving_gif(place: int) -> bytes:
    """An endless GIF of 120 x 120 pixels: a square in the colour of ``place`` slides down in seven frames of 70 ms."""
    frames = []
    for step in range(7):
        frame = Image.new("RGB", (120, 120), "#f6f1e7")
        ImageDraw.Draw(frame).rectangle((0, 10 * step, 60, 10 * step + 60), fill=COLOURS[place % len(COLOURS)])
        frames.append(frame)
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:], duration=70, loop=0)
    return stream.getvalue()


def result(place: int, **changes: Any) -> dict[str, Any]:
    """The result at rank ``place``, 0 for the best, as the engine sends it."""
    return {
        "provider": "catalogue",
        "id": f"gif-{place}",
        "title": f"GIF number {place}",
        "alt_text": f"A square jumps, picture {place}",
        "rating": "g",
        "url": f"/media/{place}.gif",
        "width": 120,
        "height": 120,
        "score": 5.1 - place / 4,
        "visual_similarity": 0.61 - place / 50,
        "text_similarity": None,
        "confidence": 0.9 - place / 20,
        "fit": "strong" if place < 2 else "fair" if place < 6 else "weak",
        "explanation": f"It fits your words better than {99 - place} of 100 GIFs here.",
        "source": "indexed",
        "attribution": "",
        **changes,
    }


def answer(words: str, results: list[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """An answer, as the engine sends it."""
    return {
        "query": words,
        "model": "small",
        "coverage": {"embedded": 320, "total": 320, "fraction": 1.0},
        "took_ms": 12.3,
        "origin": "indexed",
        "total_results": len(results),
        "attribution": [],
        "notices": [],
        "results": results,
        **changes,
    }


def problem(status: int, title: str, detail: str, **headers: str) -> web.Response:
    """An RFC 9457 problem; ``Retry_After="0"`` becomes the header of that name."""
    return web.json_response(
        {"type": "about:blank", "title": title, "status": status, "detail": detail},
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        content_type="application/problem+json",
    )


Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def twelve(request: web.Request) -> web.Response:
    """Twelve GIFs for anything."""
    return web.json_response(answer(request.query["q"], [result(place) for place in range(12)]))


@dataclass(slots=True)
class PageServer:
    """The page on loopback. ``respond`` answers searches and may be replaced at any time; ``asked`` keeps them."""

    respond: Respond = twelve
    asked: list[web.Request] = field(default_factory=list)
    origin: str = ""
    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listens on a free port and sets ``origin``."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/assets/{name}", self._asset),
                web.get("/media/{place}.gif", self._media),
                web.get("/v1/search", self._search),
            ]
        )
        self._runner = web.AppRunner(app, max_line_size=16_384)  # 1,000 emoji are 12,000 bytes of address
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stops listening and drops what is still open."""
        if self._runner:
            await self._runner.cleanup()

    async def _page(self, _request: web.Request) -> web.Response:
        text = await asyncio.to_thread((WEB / "index.html").read_text, "utf-8")
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": POLICY})

    async def _asset(self, request: web.Request) -> web.FileResponse:
        name = request.match_info["name"]
        if name not in ("app.css", "app.js", "icon.svg"):
            raise web.HTTPNotFound
        return web.FileResponse(WEB / name)

    async def _media(self, request: web.Request) -> web.Response:
        return web.Response(body=moving_gif(int(request.match_info["place"])), content_type="image/gif")

    async def _search(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request)
        return await self.respond(request)

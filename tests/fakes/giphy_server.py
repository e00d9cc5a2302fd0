"""A server on loopback that answers like GIPHY's and Klipy's documented APIs, with faults by script.

Written after developers.giphy.com/docs/api and docs.klipy.com; the live services were not asked.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.fakes.media import animation
from tests.fakes.waiting import Gate

RATINGS = ("g", "pg", "pg-13", "r")
CHUNK = 8 * 1024
QUERY = "cid=abc123&ep=v1"  # on every media address: GIPHY forbids to strip it
RENDITIONS = {
    "original": "clip",
    "original_still": "still",
    "fixed_height": "clip",
    "fixed_width": "clip",
    "fixed_width_downsampled": "clip",
    "fixed_width_small_still": "still",
}


@dataclass(frozen=True, slots=True)
class FakeGif:
    """One GIF: what is said of it, and the bytes of a moving and of a still version."""

    id: str
    title: str
    clip: bytes
    still: bytes
    alt_text: str = ""
    tags: tuple[str, ...] = ()
    rating: str = "g"


def fake(number: int, colour: str, **changes: Any) -> FakeGif:
    """A GIF, red, lime or blue, whose title says nothing of its colour. Numbers make equal colours differ a little."""
    shade = {"red": (255, number, 0), "lime": (0, 255, number), "blue": (number, 0, 255)}[colour]
    colours = ["#{:02x}{:02x}{:02x}".format(*shade)] * 2
    still = animation("GIF", colours[:1])
    made = {"title": f"Thing {number}", "clip": animation("GIF", colours), "still": still, "alt_text": ""}
    return FakeGif(id=f"gif{number:03}", **{**made, **changes})


def by_words(words: str, gifs: Sequence[FakeGif]) -> list[FakeGif]:
    """Those whose title or tags have a word of the query, most words first."""
    asked = set(re.findall(r"\w+", words.lower()))
    known = [(len(asked & set(re.findall(r"\w+", f"{gif.title} {' '.join(gif.tags)}".lower()))), gif) for gif in gifs]
    return [gif for count, gif in sorted(known, key=lambda pair: -pair[0]) if count]


def bomb() -> bytes:
    """A GIF of a few bytes that claims 60,000 x 60,000 pixels."""
    return b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0) + b"\x2c" + bytes(9) + b"\x02\x00\x3b"


@dataclass(slots=True)
class GiphyServer:
    """Serves ``gifs`` to whoever has ``key``. Every answer comes after ``latency_s``; all media together flow at
    ``bits_per_s``, and through the ``gate``, as API calls do through the
    ``api_gate``. ``faults`` are taken by the next API calls, one each;
    ``media_faults`` are by GIF, and ``stalled`` are those that do not go on. ``sparse`` GIFs carry only two
    renditions; width, height and size of those in ``stated`` are given as that text. Media lie at ``media_host``, which
    must lead here."""

    gifs: Sequence[FakeGif]
    key: str = "the-key"
    latency_s: float = 0.0
    bits_per_s: float = 0.0
    order: Callable[[str, Sequence[FakeGif]], list[FakeGif]] = by_words
    sparse: frozenset[str] = frozenset()
    faults: deque[str] = field(default_factory=deque)
    media_faults: dict[str, str] = field(default_factory=dict)
    stated: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    downloading: int = 0
    most_downloading: int = 0
    stalled: list[str] = field(default_factory=list)
    gate: Gate = field(default_factory=Gate)
    api_gate: Gate = field(default_factory=Gate)
    media_host: str = "127.0.0.1"
    origin: str = ""
    _free_at: float = 0.0
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v1/gifs/search", self._search)
        app.router.add_get("/v1/gifs", self._by_ids)
        app.router.add_get("/api/v1/{key}/gifs/search", self._klipy)
        app.router.add_get("/api/v1/{key}/gifs/items", self._klipy_by_slugs)
        app.router.add_get("/media/{id}/{rendition}.gif", self._media)
        app.router.add_get("/pingback/{id}", self._pingback)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.origin = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self.gate.release()
        self.api_gate.release()
        await self._runner.cleanup()

    async def _search(self, request: web.Request) -> web.StreamResponse:
        if (refused := await self._refusal(request)) is not None:
            return refused
        query = request.query
        if len(query.get("q", "")) > 50:
            return _envelope([], 0, 0, 414, "URI Too Long")
        limit, offset = int(query.get("limit", "25")), int(query.get("offset", "0"))
        if not (1 <= limit <= 50 and 0 <= offset <= 4999):
            return _envelope([], 0, 0, 400, "Bad Request")
        allowed = RATINGS[: RATINGS.index(query.get("rating", "r")) + 1]
        found = [gif for gif in self.order(query["q"], self.gifs) if gif.rating in (*allowed, "", "nc-17")]
        return _envelope([self._item(gif) for gif in found[offset : offset + limit]], len(found), offset)

    async def _by_ids(self, request: web.Request) -> web.StreamResponse:
        if (refused := await self._refusal(request)) is not None:
            return refused
        ids = request.query.get("ids", "").split(",")
        if len(ids) > 100:
            return _envelope([], 0, 0, 400, "Bad Request")
        found = [self._item(gif) for gif in self.gifs if gif.id in ids]
        return _envelope(found, len(found), 0)

    async def _klipy(self, request: web.Request) -> web.StreamResponse:
        return await self._klipy_page(request, self.order(request.query["q"], self.gifs))

    async def _klipy_by_slugs(self, request: web.Request) -> web.StreamResponse:
        slugs = request.query["slugs"].split(",")
        return await self._klipy_page(request, [gif for gif in self.gifs if gif.id in slugs])

    async def _klipy_page(self, request: web.Request, found: list[FakeGif]) -> web.StreamResponse:
        self.calls.append((request.path, dict(request.query)))
        await asyncio.sleep(self.latency_s)
        if request.match_info["key"] != self.key:
            return web.json_response({"result": False, "errors": {"message": ["The API key is invalid"]}}, status=403)
        page, size = int(request.query.get("page", "1")), int(request.query.get("per_page", "24"))
        part = found[(page - 1) * size : page * size]
        items = [
            {
                "id": number,
                "slug": gif.id,
                "title": gif.title,
                "tags": list(gif.tags),
                "type": "gif",
                "file": {"sm": {"gif": self._file(gif, "fixed_width_downsampled")}},
            }
            for number, gif in enumerate(part)
        ]
        data = {"current_page": page, "per_page": size, "has_next": page * size < len(found), "data": items}
        return web.json_response({"result": True, "data": data})

    async def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        """The answer in place of the true one, if there is a fault or the key is wrong."""
        self.calls.append((request.path, dict(request.query)))
        await asyncio.sleep(self.latency_s)
        await self.api_gate.passed()
        fault = self.faults.popleft() if self.faults else ""
        if "api_key" not in request.query:
            return _envelope([], 0, 0, 401, "Unauthorized")
        if request.query["api_key"] != self.key:
            return _envelope([], 0, 0, 403, "Forbidden")
        if fault == "429":
            return web.json_response({"message": "API rate limit exceeded"}, status=429)
        if fault == "429-envelope":
            return _envelope([], 0, 0, 429, "Too Many Requests")
        if fault.isdecimal():
            return web.Response(status=int(fault), text="no JSON at all")
        if fault == "synthetic":
            return _envelope([], 0, 0, response_id="")
        if fault == "garbage":
            return web.json_response({"data": {"id": 7}, "meta": {"status": 200, "response_id": "r"}})
        if fault == "not-json":
            return web.Response(text="<html>", content_type="application/json")
        if fault in ("cut", "slow"):
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b'{"data": [')
            if fault == "slow":
                await self._stall(request.path)
            assert request.transport is not None
            request.transport.close()
            return response
        return None

    def _item(self, gif: FakeGif) -> dict[str, Any]:
        names = ("original", "fixed_height") if gif.id in self.sparse else tuple(RENDITIONS)
        return {
            "type": "gif",
            "id": gif.id,
            "title": gif.title,
            "alt_text": gif.alt_text,
            "username": "",
            "rating": gif.rating,
            "tags": list(gif.tags),
            "images": {name: self._file(gif, name) for name in names},
            "analytics": {"onsent": {"url": f"{self.origin}/pingback/{gif.id}"}},
        }

    def _file(self, gif: FakeGif, rendition: str) -> dict[str, str]:
        size = len(gif.clip if RENDITIONS[rendition] == "clip" else gif.still)
        origin = self.origin.replace("127.0.0.1", self.media_host)
        url = f"{origin}/media/{gif.id}/{rendition}.gif?{QUERY}"
        width = height = self.stated.get(gif.id, "200")
        return {"url": url, "width": width, "height": height, "size": self.stated.get(gif.id, str(size))}

    async def _media(self, request: web.Request) -> web.StreamResponse:
        gif_id, rendition = request.match_info["id"], request.match_info["rendition"]
        self.media.append(f"{gif_id}/{rendition}")
        self.downloading += 1
        self.most_downloading = max(self.most_downloading, self.downloading)
        try:
            await asyncio.sleep(self.latency_s)
            await self.gate.passed()
            if request.query_string != QUERY:
                return web.Response(status=403)
            return await self._send(request, gif_id, rendition)
        finally:
            self.downloading -= 1

    async def _send(self, request: web.Request, gif_id: str, rendition: str) -> web.StreamResponse:
        gif = next(gif for gif in self.gifs if gif.id == gif_id)
        body = gif.clip if RENDITIONS[rendition] == "clip" else gif.still
        fault = self.media_faults.get(gif_id, "")
        if fault == "404":
            return web.Response(status=404)
        if fault == "redirect-in":
            raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")
        body = {"broken": b"GIF89a" + bytes(range(200)), "bomb": bomb()}.get(fault, body)
        response = web.StreamResponse()
        await response.prepare(request)
        if fault == "huge":
            while True:
                await response.write(bytes(CHUNK))
        for start in range(0, len(body), CHUNK):
            await self._flow(len(body[start : start + CHUNK]))
            await response.write(body[start : start + CHUNK])
            if fault == "slow":
                await self._stall(f"{gif_id}/{rendition}")
            if fault == "cut":
                assert request.transport is not None
                request.transport.close()
                return response
        await response.write_eof()
        return response

    async def _stall(self, what: str) -> None:
        """Sends nothing more until the caller leaves."""
        self.stalled.append(what)
        try:
            await asyncio.Event().wait()
        finally:
            self.stalled.remove(what)

    async def _flow(self, size: int) -> None:
        """Waits until the one link that all share has room for ``size`` bytes."""
        if self.bits_per_s:
            now = asyncio.get_running_loop().time()
            self._free_at = max(self._free_at, now) + 8 * size / self.bits_per_s
            await asyncio.sleep(self._free_at - now)

    async def _pingback(self, request: web.Request) -> web.Response:
        self.told.append(request.match_info["id"])
        return web.Response(text="ok")


def _envelope(
    data: list[Mapping[str, Any]],
    total: int,
    offset: int,
    status: int = 200,
    message: str = "OK",
    response_id: str = "r1",
) -> web.Response:
    body = {
        "data": data,
        "pagination": {"total_count": total, "count": len(data), "offset": offset},
        "meta": {"status": status, "msg": message, "response_id": response_id},
    }
    return web.Response(text=json.dumps(body), status=status, content_type="application/json")

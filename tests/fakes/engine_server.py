"""A fake engine on loopback with a few GIFs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from deepgif.engine.api.schemas import SearchResponse
from deepgif.engine.types import Coverage, Fit, Gif, GifKey, Rating, ScoredGif, SearchAnswer, Source
from tests.fakes.waiting import Gate


def gif(number: int, **changes: Any) -> Gif:
    """A GIF with this number, as from GIPHY."""
    made = {
        "key": GifKey("giphy", f"gif{number}"),
        "title": f"GIF {number}",
        "alt_text": f"What GIF {number} shows",
        "rating": Rating.G,
        "url": f"https://media.giphy.com/media/gif{number}/200w.gif?cid=1",
        "width": 200,
        "height": 100,
        "attribution": "Powered by GIPHY",
    }
    return Gif(**{**made, **changes})


@dataclass(slots=True)
class EngineServer:
    """Answers every search with ``gifs`` in order, after ``latency_s``; drops the connection of the next ``failures``
    searches. Completes prefixes, which ``begun`` records, with ``words``. Answers wait at the ``gate``."""

    gifs: list[Gif] = field(default_factory=lambda: [gif(number) for number in range(1, 9)])
    words: list[str] = field(default_factory=lambda: ["cat", "falls", "falling", "dog"])
    words_status: int = 200
    latency_s: float = 0.0
    failures: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    alike: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    gate: Gate = field(default_factory=Gate)
    url: str = ""
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v1/search", self._search)
        app.router.add_get("/v1/similar", self._similar)
        app.router.add_post("/v1/share", self._sent)
        app.router.add_get("/v1/suggest", self._words)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        self.gate.release()
        await self._runner.cleanup()

    async def _search(self, request: web.Request) -> web.Response:
        asked = await request.json()
        self.asked.append(asked)
        await asyncio.sleep(self.latency_s)
        await self.gate.passed()
        if self.failures:
            self.failures -= 1
            assert request.transport is not None
            request.transport.close()
        return self._answer(asked["query"], self.gifs, Rating(asked["max_rating"]))

    async def _similar(self, request: web.Request) -> web.Response:
        self.alike.append(request.query["id"])
        others = [one for one in reversed(self.gifs) if one.key.id != request.query["id"]]
        return self._answer("", others, Rating(request.query["max_rating"]))

    async def _words(self, request: web.Request) -> web.Response:
        self.begun.append(request.query["prefix"])
        await self.gate.passed()
        found = [word for word in self.words if word.startswith(request.query["prefix"].casefold())]
        return web.json_response({"suggestions": found[: int(request.query["limit"])]}, status=self.words_status)

    async def _sent(self, request: web.Request) -> web.Response:
        self.told.append((await request.json())["id"])
        return web.Response(status=204)

    def _answer(self, words: str, gifs: list[Gif], most: Rating) -> web.Response:
        scored = [
            ScoredGif(one, 1.0, 0.5, 0.5, 0.9, Fit.STRONG, Source.INDEXED, "why")
            for one in gifs
            if most.allows(one.rating)
        ]
        answer = SearchAnswer(
            words, tuple(scored), "fake@1", Coverage(len(scored), len(scored)), 0.01, ranked=len(scored)
        )
        return web.json_response(text=SearchResponse.of(answer).model_dump_json())

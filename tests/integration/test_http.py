"""The engine's HTTP service on loopback, asked by real clients: answers, refusals, and what is in their headers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from deepgif.engine.api.app import ServerOptions, create_app
from deepgif.engine.api.client import EngineClient
from deepgif.engine.api.middleware import AccessRules
from deepgif.engine.api.server import create_runner
from deepgif.engine.errors import (
    EngineUnavailableError,
    InvalidRequestError,
    NotReadyError,
    OverloadedError,
    UnauthorizedError,
)
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.metrics import Metrics
from deepgif.engine.search.collection import Collection
from deepgif.engine.search.ranking import FitThresholds
from deepgif.engine.search.retrieval import STILL_INDEXING, UNKNOWN_WORDS
from deepgif.engine.search.service import SearchService
from deepgif.engine.types import Rating, SearchRequest
from tests.fakes.gifs import MemoryProvider, MemoryRetriever, gif, memory_index
from tests.fakes.waiting import WITHIN_S

GIFS = [gif("a"), gif("b"), gif("c", Rating.PG), gif("d", Rating.R)]
LOCAL = ServerOptions(AccessRules())


class Service:
    """One engine over GIFs in memory, on a free port of loopback."""

    def __init__(self, options: ServerOptions, media: Any) -> None:
        self.provider = MemoryProvider(GIFS, media)
        collection = Collection(memory_index(GIFS), ExactIndex(4), LexicalIndex(), (self.provider,))
        self.retriever = MemoryRetriever(GIFS, collection)
        self.engine: SearchService | None = SearchService(
            "small@12345678",
            self.retriever,
            collection,
            FitThresholds(),
        )
        self.runner = create_runner(create_app(lambda: self.engine, Metrics(), options))
        self.origin = ""

    async def start(self) -> None:
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        self.origin = f"http://127.0.0.1:{self.runner.addresses[0][1]}"


Start = Callable[..., Awaitable[Service]]


@pytest.fixture
async def start(tmp_path: Any) -> AsyncIterator[Start]:
    """Starts services that end with the test."""
    picture = tmp_path / "a.gif"
    picture.write_bytes(b"GIF89a")
    async with AsyncExitStack() as stack:

        async def make(options: ServerOptions = LOCAL) -> Service:
            service = Service(options, {"a": picture})
            await service.start()
            stack.push_async_callback(service.runner.cleanup)
            return service

        yield make


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def check_problem(response: aiohttp.ClientResponse, status: int, says: str) -> None:
    """The response is one problem of this status with one clear sentence, and shows nothing of the inside."""
    assert response.status == status
    assert response.content_type == "application/problem+json"
    body = await response.json()
    assert set(body) == {"type", "title", "status", "detail"}
    assert body["status"] == status
    assert says in body["detail"]
    assert "Traceback" not in await response.text()


async def test_post_and_get_answer_alike(start: Start, http: aiohttp.ClientSession) -> None:
    """The documented answer, the same both ways, with absolute addresses of the media."""
    service = await start()
    async with http.post(f"{service.origin}/v1/search", json={"query": "a cat", "limit": 2}) as response:
        posted = await response.json()
    async with http.get(f"{service.origin}/v1/search", params={"q": "a cat", "limit": "2"}) as response:
        got = await response.json()
        assert response.headers["Cache-Control"] == "no-store"
    assert posted.pop("took_ms") >= 0
    assert got.pop("took_ms") >= 0
    assert posted == got
    assert posted["query"] == "a cat"
    assert posted["model"] == "small@12345678"
    assert posted["coverage"] == {"embedded": 4, "total": 4, "fraction": 1.0}
    assert [result["id"] for result in posted["results"]] == ["a", "b"]
    assert (posted["origin"], posted["total_results"], posted["attribution"]) == ("indexed", 3, [])
    confidence = posted["results"][0].pop("confidence")
    assert 0 < confidence < 1
    assert posted["results"][0] == {
        "provider": "memory",
        "id": "a",
        "title": "Title of a",
        "alt_text": "Alt text of a",
        "rating": "g",
        "url": f"{service.origin}/v1/media/memory/a",
        "width": 120,
        "height": 90,
        "score": 4.0,
        "visual_similarity": 0.5,
        "text_similarity": None,
        "fit": "fair",
        "explanation": "The best match of 3 GIFs, but others are close. It matches by what it shows.",
        "source": "indexed",
        "attribution": "",
        "text_in_gif": "",
    }


@pytest.mark.parametrize(
    "words",
    [
        "🐱🔥",
        "👩‍👩‍👧‍👦" * 90,
        "חתול קופץ מעל אש",
        "猫が火を飛び越える",
        "<script>alert(1)</script>",
        "a\x00b",
        "' OR 1=1 --",
        "%",
        "…",
    ],
)
async def test_any_words_get_an_answer(start: Start, http: aiohttp.ClientSession, words: str) -> None:
    """Emoji, other scripts, markup and control characters are searched for, both ways."""
    service = await start()
    async with http.post(f"{service.origin}/v1/search", json={"query": words}) as response:
        assert response.status == 200
    async with http.get(URL(f"{service.origin}/v1/search").with_query(q=words)) as response:
        assert response.status == 200
        assert len((await response.json())["results"]) == 3


@pytest.mark.parametrize(
    ("words", "says"),
    [("", "in a few words"), (" \n\t", "in a few words"), ("\x00", "in a few words"), ("x" * 10_000, "10,000")],
)
async def test_words_that_cannot_be_searched(start: Start, http: aiohttp.ClientSession, words: str, says: str) -> None:
    """Nothing to search for, or too much of it: one sentence, both ways."""
    service = await start()
    async with http.post(f"{service.origin}/v1/search", json={"query": words}) as response:
        await check_problem(response, 400, says)
    async with http.get(URL(f"{service.origin}/v1/search").with_query(q=words)) as response:
        await check_problem(response, 400, says)


@pytest.mark.parametrize(
    ("content", "kind", "status", "says"),
    [
        (b"{", "application/json", 400, "not valid JSON"),
        (b"", "application/json", 400, "not valid JSON"),
        (b"\xff\xfe{}", "application/json", 400, "not valid JSON"),
        (b"[" * 20_000, "application/json", 400, "not valid JSON"),
        (b'{"query": "\\ud800"}', "application/json", 400, "not valid JSON"),
        (b'{"query": "cat", "limit": 1e400}', "application/json", 400, "limit"),
        (b'{"query": "cat"}', "text/plain", 400, "application/json"),
        (b"q=cat", "application/x-www-form-urlencoded", 400, "application/json"),
        (b'{"query": "' + b"x" * 100_000 + b'"}', "application/json", 413, "too large"),
    ],
)
async def test_bodies_that_are_no_search(
    start: Start, http: aiohttp.ClientSession, content: bytes, kind: str, status: int, says: str
) -> None:
    """Whatever is posted, the answer is a problem in one sentence."""
    service = await start()
    async with http.post(f"{service.origin}/v1/search", data=content, headers={"Content-Type": kind}) as response:
        await check_problem(response, status, says)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/assets/..%2f..%2fserver.py", 404),
        ("GET", "/assets/app.py", 404),
        ("GET", "/v1/media/memory/b", 404),
        ("GET", "/v1/media/memory/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v1/media/nobody/a", 404),
        ("DELETE", "/v1/search", 405),
        ("PUT", "/", 405),
    ],
)
async def test_addresses_that_are_not_there(
    start: Start, http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    """What is not there is a problem too, in the same form."""
    service = await start()
    async with http.request(method, URL(service.origin + path, encoded=True)) as response:
        await check_problem(response, status, "")


async def test_a_broken_address_is_no_trouble(start: Start, http: aiohttp.ClientSession) -> None:
    """Bytes that are not UTF-8 in the address are read as unknown characters."""
    service = await start()
    async with http.get(URL(f"{service.origin}/v1/search?q=caf%E9%20cat", encoded=True)) as response:
        assert response.status == 200


async def test_ratings(start: Start, http: aiohttp.ClientSession) -> None:
    """A request may ask for milder GIFs than the engine allows, not for others."""
    service = await start(replace(LOCAL, max_rating=Rating.PG))
    found = {}
    for asked in ("g", "pg", "r"):
        async with http.get(f"{service.origin}/v1/search", params={"q": "x", "max_rating": asked}) as response:
            found[asked] = "".join(result["id"] for result in (await response.json())["results"])
    assert found == {"g": "ab", "pg": "abc", "r": "abc"}


async def test_notices(start: Start, http: aiohttp.ClientSession) -> None:
    """The answer says when the words are strange to the model, and when not all GIFs have been looked at."""
    service = await start()
    service.retriever.vocabulary_coverage = 0.2
    service.provider.gifs["e"] = gif("e")
    async with http.get(f"{service.origin}/v1/search", params={"q": "katze"}) as response:
        body = await response.json()
    assert body["notices"] == [UNKNOWN_WORDS, STILL_INDEXING]
    assert body["coverage"] == {"embedded": 4, "total": 5, "fraction": 0.8}


async def test_media(start: Start, http: aiohttp.ClientSession) -> None:
    """A local GIF is served as what it is, to be kept for ever, and never sniffed or run as something else."""
    service = await start()
    async with http.get(f"{service.origin}/v1/media/memory/a") as response:
        assert await response.read() == b"GIF89a"
        assert response.content_type == "image/gif"
        assert "immutable" in response.headers["Cache-Control"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_page(start: Start, http: aiohttp.ClientSession) -> None:
    """Page, style, script and icon come with their types and a policy that allows nothing from elsewhere."""
    service = await start()
    kinds = {"/": "text/html", "/assets/app.css": "text/css", "/assets/app.js": "text/javascript"}
    for path, kind in {**kinds, "/assets/icon.svg": "image/svg+xml"}.items():
        async with http.get(service.origin + path) as response:
            assert (response.status, response.content_type) == (200, kind)
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["Referrer-Policy"] == "no-referrer"


async def test_before_it_is_ready(start: Start, http: aiohttp.ClientSession) -> None:
    """While the engine loads, it lives but is not ready, and says when to come back."""
    service = await start()
    service.engine = None
    async with http.get(f"{service.origin}/healthz") as response:
        assert response.status == 200
    for path in ("/readyz", "/v1/search?q=x", "/v1/media/memory/a"):
        async with http.get(service.origin + path) as response:
            await check_problem(response, 503, "still starting")
            assert response.headers["Retry-After"] == "1"


async def test_ready(start: Start, http: aiohttp.ClientSession) -> None:
    """Ready says with which model, and how much has been looked at."""
    service = await start()
    async with http.get(f"{service.origin}/readyz") as response:
        assert await response.json() == {"status": "ready", "model": "small@12345678", "embedded": 4, "total": 4}


async def test_overload(start: Start, http: aiohttp.ClientSession) -> None:
    """More work than fits is refused with 429 and a time to come back."""
    service = await start()
    service.retriever.error = OverloadedError("Too much to do.")
    async with http.get(f"{service.origin}/v1/search?q=x") as response:
        await check_problem(response, 429, "Too much to do.")
        assert response.headers["Retry-After"] == "1"


async def test_what_nobody_foresaw(start: Start, http: aiohttp.ClientSession, caplog: Any) -> None:
    """A bug is one sentence for the person and its cause in the log; the person's words are in neither."""
    service = await start()
    service.retriever.error = KeyError("inside")
    async with http.get(f"{service.origin}/v1/search?q=secretwords") as response:
        await check_problem(response, 500, "its log says why")
        assert "inside" not in await response.text()
    assert "KeyError" in caplog.text
    assert "secretwords" not in caplog.text


async def test_the_token(start: Start, http: aiohttp.ClientSession) -> None:
    """With a token, searches and figures need it; the page, media and health do not."""
    service = await start(ServerOptions(AccessRules(token="t0ken")))
    for header in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic t0ken"},
        {"Authorization": "Bearer é"},
    ):
        for path in ("/v1/search?q=x", "/metrics"):
            async with http.get(service.origin + path, headers=header) as response:
                await check_problem(response, 401, "token")
                assert response.headers["WWW-Authenticate"].startswith("Bearer")
    for path in ("/v1/search?q=x", "/metrics"):
        async with http.get(service.origin + path, headers={"Authorization": "bearer t0ken"}) as response:
            assert response.status == 200
    for path in ("/", "/assets/app.js", "/healthz", "/readyz", "/openapi.json", "/v1/media/memory/a"):
        async with http.get(service.origin + path) as response:
            assert response.status == 200
    async with http.get(
        f"{service.origin}/v1/search?q=x", headers={"Host": "anything", "Authorization": "Bearer t0ken"}
    ) as r:
        assert r.status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:80", 200),
        ("evil.example", 421),
        ("[", 421),
        ("LOCALHOST", 200),
    ],
)
async def test_other_names_for_this_machine(start: Start, http: aiohttp.ClientSession, host: str, status: int) -> None:
    """Without a token, a page that gives this machine another name (DNS rebinding) gets nothing."""
    service = await start()
    async with http.get(f"{service.origin}/v1/search?q=x", headers={"Host": host}) as response:
        assert response.status == status


async def test_metrics(start: Start, http: aiohttp.ClientSession) -> None:
    """Requests are counted by route and status, and nobody's words or odd methods become labels."""
    service = await start()
    for path in ("/v1/search?q=secretwords", "/v1/search", "/secretwords"):
        async with http.get(service.origin + path):
            pass
    async with http.post(f"{service.origin}/v1/search", json={"query": "secretwords"}):
        pass
    async with http.request("SECRETWORDS", service.origin):
        pass
    async with http.get(f"{service.origin}/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    assert 'deepgif_http_requests_total{method="GET",route="search",status="200"} 1.0' in text
    assert 'deepgif_http_requests_total{method="GET",route="search",status="400"} 1.0' in text
    assert 'deepgif_http_requests_total{method="POST",route="search",status="200"} 1.0' in text
    assert 'deepgif_http_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert 'deepgif_best_fit_total{fit="fair"} 2.0' in text
    assert 'deepgif_http_requests_in_flight{route="search"} 0.0' in text
    assert 'deepgif_http_requests_in_flight{route="metrics"} 1.0' in text
    assert "secretwords" not in text.lower()


async def test_no_address_is_logged(start: Start, http: aiohttp.ClientSession, caplog: Any) -> None:
    """Addresses hold people's words; not even at debug does the service log them."""
    caplog.set_level("DEBUG", "aiohttp")
    service = await start()
    async with http.get(f"{service.origin}/v1/search?q=secretwords"):
        pass
    assert "secretwords" not in caplog.text


async def test_the_client(start: Start) -> None:
    """The client gets the same answer as types, under the public address of the engine."""
    service = await start(replace(LOCAL, public_url="https://gifs.example/"))
    async with EngineClient(service.origin) as client:
        answer = await client.search(SearchRequest("a cat", 1))
    assert answer.query == "a cat"
    assert answer.results[0].gif == replace(gif("a"), url="https://gifs.example/v1/media/memory/a")


async def test_the_client_with_a_token(start: Start) -> None:
    """The right token opens, the wrong one is the same error as inside."""
    service = await start(ServerOptions(AccessRules(token="t0ken")))
    async with EngineClient(service.origin, "t0ken") as client:
        assert (await client.search(SearchRequest("x"))).results
    async with EngineClient(service.origin, "other") as client:
        with pytest.raises(UnauthorizedError, match="token"):
            await client.search(SearchRequest("x"))


async def test_the_client_raises_what_the_engine_raised(start: Start) -> None:
    """Each problem comes back as its own error, with the engine's sentence."""
    service = await start()
    async with EngineClient(service.origin) as client:
        with pytest.raises(InvalidRequestError, match="in a few words"):
            await client.search(SearchRequest(""))
        service.retriever.error = OverloadedError("Too much to do.")
        with pytest.raises(OverloadedError, match="Too much"):
            await client.search(SearchRequest("x"))
        service.retriever.error = KeyError()
        with pytest.raises(EngineUnavailableError, match="its log says why"):
            await client.search(SearchRequest("x"))
        service.engine = None
        with pytest.raises(NotReadyError):
            await client.search(SearchRequest("x"))


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(text="<html>"),
        web.Response(text="{}", content_type="application/json"),
        web.Response(text='"' + "x" * 2_000_000 + '"'),
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        web.Response(status=502, text="bad gateway"),
    ],
    ids=["html", "empty", "huge", "redirect", "gateway"],
)
async def test_the_client_and_something_that_is_no_engine(answer: web.Response) -> None:
    """Whatever else answers, the client says that the engine does not."""
    app = web.Application()

    async def respond(request: web.Request) -> web.Response:
        return answer

    app.add_routes([web.post("/v1/search", respond)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with EngineClient(f"http://127.0.0.1:{runner.addresses[0][1]}") as client:
            with pytest.raises(EngineUnavailableError, match="reach the search engine"):
                await client.search(SearchRequest("x"))
    finally:
        await runner.cleanup()


async def test_the_client_without_an_engine() -> None:
    """Nobody listens: one sentence, with the cause for the log."""
    async with EngineClient("http://127.0.0.1:9", timeout_s=WITHIN_S) as client:
        with pytest.raises(EngineUnavailableError, match="Try again") as caught:
            await client.search(SearchRequest("x"))
    assert isinstance(caught.value.__cause__, aiohttp.ClientError)

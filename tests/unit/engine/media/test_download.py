"""Downloads: from where they may come, how much, and how long."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver

from deepgif.engine.errors import MediaError
from deepgif.engine.media.download import Downloader, PublicResolver, is_global_address
from deepgif.engine.options import DownloadRules
from tests.fakes.waiting import Gate, skip, until

RULES = DownloadRules(
    frozenset({"127.0.0.1"}), frozenset({"http"}), private=True, max_bytes=1000, timeout_s=60, at_once=4
)


class Site:
    """A server that misbehaves by path, and counts."""

    def __init__(self):
        self.open = self.most = self.left = 0
        self.gate = Gate()
        self.origin = ""

    async def handle(self, request):
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            return await self._answer(request)
        except asyncio.CancelledError:
            self.left += 1
            raise
        finally:
            self.open -= 1

    async def _answer(self, request):
        match request.path:
            case "/good":
                assert request.headers["Accept-Encoding"] == "identity"
                return web.Response(body=b"x" * 1000, headers={"Set-Cookie": "a=b"})
            case "/big":
                return web.Response(body=b"x" * 1001)
            case "/endless":
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(b"x" * 500)
            case "/slow":
                await self.gate.passed()
                return web.Response(body=b"x")
            case "/empty":
                return web.Response()
            case "/cut":
                response = web.StreamResponse(headers={"Content-Length": "500"})
                await response.prepare(request)
                request.transport.close()
                return response
            case "/loop":
                raise web.HTTPFound("/loop")
            case "/moved":
                raise web.HTTPFound("/good")
            case "/away":
                raise web.HTTPFound("http://localhost:1/good")
            case "/other":
                raise web.HTTPFound("file:///etc/passwd")
        raise web.HTTPNotFound


@pytest.fixture
async def site():
    served = Site()
    app = web.Application()
    app.router.add_get("/{tail:.*}", served.handle)
    runner = web.AppRunner(app, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.origin = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield served
    await runner.cleanup()


@pytest.mark.parametrize("path", ["good", "moved"])
async def test_downloads(site, path):
    """Bytes come whole, also where the address has moved on the same host."""
    async with Downloader(RULES) as downloader:
        assert await downloader.fetch(f"{site.origin}/{path}?cid=1") == b"x" * 1000


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("big", "1,001 bytes; the limit is 1,000"),
        ("endless", "more than 1,000 bytes"),
        ("empty", "empty"),
        ("cut", "failed"),
        ("loop", "too many redirects"),
        ("away", "host are not allowed"),
        ("other", "host are not allowed"),
        ("missing", "status 404"),
    ],
)
async def test_refusals(site, path, says):
    """Each is one sentence, without the address."""
    async with Downloader(RULES) as downloader:
        with pytest.raises(MediaError, match=says) as caught:
            await downloader.fetch(f"{site.origin}/{path}?key=secret")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)


async def test_what_takes_too_long(site):
    """Ends when its time is over, and not before."""
    site.gate.hold()
    async with Downloader(RULES) as downloader:
        task = asyncio.create_task(downloader.fetch(f"{site.origin}/slow"))
        await until(lambda: site.open)
        skip(30)
        other = asyncio.create_task(downloader.fetch(f"{site.origin}/slow"))
        await until(lambda: site.open == 2)
        skip(30)
        await until(task.done)
        assert not other.done()
        with pytest.raises(MediaError, match="longer than 60 seconds"):
            await task
        site.gate.release()
        assert await other == b"x"


async def test_a_smaller_limit_for_one(site):
    """A caller may want less than the rules allow, never more."""
    async with Downloader(RULES) as downloader:
        with pytest.raises(MediaError, match="the limit is 999"):
            await downloader.fetch(f"{site.origin}/good", 999)
        with pytest.raises(MediaError, match="the limit is 1,000"):
            await downloader.fetch(f"{site.origin}/big", 5000)


@pytest.mark.parametrize(
    "url",
    [
        "http://media.giphy.com/a.gif",
        "https://example.org/a.gif",
        "https://media.giphy.com.example.org/a.gif",
        "https://user@media.giphy.com/a.gif",
        "https://media.giphy.com:8443/a.gif",
        "https://10.0.0.1/a.gif",
        "https://[::1]/a.gif",
        "https:///a.gif",
        "https://media.giphy.com:99999/a.gif",
        "file:///etc/passwd",
        "not an address",
        "",
    ],
)
async def test_addresses_that_are_never_asked(url):
    """Other hosts, other schemes, other ports, names in the address, and inner addresses even where they are named."""
    rules = DownloadRules(frozenset({"media.giphy.com", "10.0.0.1", "::1"}))
    async with Downloader(rules) as downloader:
        with pytest.raises(MediaError):
            await downloader.fetch(url)


class Names(AbstractResolver):
    """A name server under somebody else's control."""

    def __init__(self, *addresses):
        self.addresses = addresses

    async def resolve(self, host, port=0, family=0):
        return [
            {"hostname": host, "host": address, "port": port, "family": 0, "proto": 0, "flags": 0}
            for address in self.addresses
        ]

    async def close(self):
        pass


INNER = (
    "10.0.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "::1",
    "fe80::1%eth0",
    "::ffff:127.0.0.1",
    "224.0.0.1",
    "192.168.1.1",
    "fd00::1",
    "2002:7f00:1::",
)


@pytest.mark.parametrize("address", INNER)
async def test_names_that_lead_inside(address):
    """Addresses that are not public are refused after resolution, where the connection is made."""
    assert not is_global_address(address)
    with pytest.raises(OSError, match="no public address"):
        await PublicResolver(Names(address)).resolve("media.giphy.com", 443)
    (left,) = await PublicResolver(Names(address, "93.184.216.34")).resolve("media.giphy.com", 443)
    assert left["host"] == "93.184.216.34"


async def test_the_resolver_is_in_use(site, monkeypatch):
    """A name that leads to this machine is not connected to."""
    monkeypatch.setattr("aiohttp.ThreadedResolver", lambda: Names("127.0.0.1"))
    rules = DownloadRules(frozenset({"media.giphy.com"}), frozenset({"http"}))
    async with Downloader(rules) as downloader:
        with pytest.raises(MediaError, match="failed"):
            await downloader.fetch("http://media.giphy.com/good")
    assert site.most == 0


async def test_so_many_at_once(site):
    """Never more than the rules say; waiting for a turn does not count against the time."""
    site.gate.hold()
    async with Downloader(RULES) as downloader:
        tasks = [asyncio.create_task(downloader.fetch(f"{site.origin}/slow")) for _ in range(12)]
        for ended in (4, 8, 12):
            await until(lambda: site.open == 4)
            skip(30)
            site.gate.hold(after=4)
            await until(lambda ended=ended: sum(task.done() for task in tasks) == ended)
        assert await asyncio.gather(*tasks) == [b"x"] * 12
    assert site.most == 4


async def test_who_leaves_closes_the_connection(site):
    """The server sees it at once."""
    site.gate.hold()
    async with Downloader(RULES) as downloader:
        task = asyncio.create_task(downloader.fetch(f"{site.origin}/slow"))
        await until(lambda: site.open == 1)
        task.cancel()
        await asyncio.wait({task})
        await until(lambda: site.open == 0)
        assert site.left == 1

"""The service is asked to stop: what is in hand is answered, load balancers notice first, and nobody waits for long."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.fakes.media import animation
from tests.fakes.process import Served, child, serving
from tests.fakes.waiting import WITHIN_S, until

CHILD = Path(__file__).with_name("serving_child.py")
LONG_S = 10 * WITHIN_S  # a time that no test waits for, nor the child for what is in hand

Start = Callable[[float], Awaitable[Served]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "gifs"
    made.mkdir()
    for colour in ("red", "lime", "blue"):
        (made / f"{colour}.gif").write_bytes(animation("GIF", [colour, colour]))
    return made


@pytest.fixture
async def start(folder: Path, tmp_path: Path) -> AsyncIterator[Start]:
    """Starts children that are ready, with so many seconds to drain; those that still run at the end are killed."""
    async with AsyncExitStack() as stack:

        async def make(drain_s: float) -> Served:
            arguments = (str(CHILD), str(folder), str(tmp_path), str(drain_s))
            served = await stack.enter_async_context(child(*arguments, data_dir=tmp_path))
            await served.ready()
            return served

        yield make


async def refused(http: aiohttp.ClientSession, origin: str) -> bool:
    """Whether the service listens no more."""
    try:
        async with http.get(f"{origin}/healthz"):
            return False
    except aiohttp.ClientConnectorError:
        return True


async def test_what_is_in_hand_is_answered(start: Start, tmp_path: Path) -> None:
    """A search that is under way at SIGTERM gets its whole answer after the service has stopped to listen."""
    served = await start(0.0)
    async with aiohttp.ClientSession() as http:

        async def search() -> tuple[int, str, int]:
            async with http.get(f"{served.origin}/v1/search", params={"q": "wait"}) as response:
                body = await response.json()
                return response.status, response.headers["Connection"], len(body["results"])

        searching = asyncio.create_task(search())
        await until((tmp_path / "held").exists)
        served.process.send_signal(signal.SIGTERM)
        async with aiohttp.ClientSession() as other:
            await until(lambda: refused(other, served.origin))
        assert not searching.done()
        assert served.process.returncode is None
        (tmp_path / "gate").touch()
        assert await asyncio.wait_for(searching, WITHIN_S) == (200, "close", 3)
    assert await asyncio.wait_for(served.process.wait(), WITHIN_S) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_load_balancers_notice_first(start: Start, number: signal.Signals) -> None:
    """At the signal /readyz says 503 at once, while searches are still answered, each as the last on its connection.
    A second signal ends that."""
    served = await start(LONG_S)
    async with aiohttp.ClientSession() as http:

        async def closing() -> bool:
            async with http.get(f"{served.origin}/readyz") as response:
                return response.status == 503 and "shutting down" in (await response.json())["detail"]

        assert not await closing()
        served.process.send_signal(number)
        await until(closing)
        for _ in range(3):
            async with http.get(f"{served.origin}/v1/search", params={"q": "red"}) as response:
                assert response.status == 200
                assert response.headers["Connection"] == "close"
                assert (await response.json())["results"][0]["title"] == "Red"
        async with http.get(f"{served.origin}/healthz") as response:
            assert response.status == 200
        assert await closing()
        served.process.send_signal(number)
        assert await asyncio.wait_for(served.process.wait(), WITHIN_S) == 0
        assert await refused(http, served.origin)


async def test_nobody_holds_it_up(start: Start) -> None:
    """Neither do those who look at /readyz, once the time to drain is over, nor connections without a request."""
    served = await start(0.1)
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{served.origin}/healthz") as response:
            await response.read()
        idle, writer = await asyncio.open_connection("127.0.0.1", int(served.origin.rsplit(":", 1)[1]))
        served.process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(served.process.wait(), WITHIN_S) == 0
        assert await idle.read() == b""
        writer.close()


async def test_a_second_signal_leaves_what_is_in_hand(start: Start) -> None:
    """A request whose rest never comes is waited for, until somebody asks again."""
    served = await start(0.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.origin.rsplit(":", 1)[1]))
    writer.write(
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    await writer.drain()
    async with aiohttp.ClientSession() as http:
        in_hand = 'deepgif_http_requests_in_flight{route="search"} 1.0'

        async def taken() -> bool:
            async with http.get(f"{served.origin}/metrics") as response:
                return in_hand in await response.text()

        await until(taken)
        served.process.send_signal(signal.SIGTERM)
        await until(lambda: refused(http, served.origin))
    assert served.process.returncode is None
    served.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(served.process.wait(), WITHIN_S) == 0
    await reader.read()
    writer.close()


async def test_no_answer_is_lost_behind_a_balancer(folder: Path, tmp_path: Path) -> None:
    """Clients who go where /readyz says yes get all their answers while the real program is stopped under load; a
    second signal comes once all have theirs."""
    data = tmp_path / "data"
    data.mkdir()
    async with (
        serving("--folder", str(folder), data_dir=data, shutdown_drain_seconds="600") as served,
        aiohttp.ClientSession() as http,
    ):
        await served.ready()
        chosen, answered = True, 0

        async def balance() -> None:
            nonlocal chosen
            while chosen:
                async with http.get(f"{served.origin}/readyz") as response:
                    chosen = response.status == 200
                await asyncio.sleep(0.05)

        async def client(number: int) -> None:
            nonlocal answered
            while chosen:
                async with http.get(f"{served.origin}/v1/search", params={"q": f"a red thing {number}"}) as response:
                    assert response.status == 200
                    assert len((await response.json())["results"]) == 3
                answered += 1

        async def stop() -> None:
            await until(lambda: answered >= 30)
            served.process.send_signal(signal.SIGTERM)

        async with asyncio.TaskGroup() as group:
            for number in range(8):
                group.create_task(client(number))
            group.create_task(balance())
            group.create_task(stop())
        served.process.send_signal(signal.SIGTERM)  # 600 seconds are for load balancers that look less often
        assert await asyncio.wait_for(served.process.wait(), WITHIN_S) == 0

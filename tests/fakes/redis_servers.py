"""Real redis-server processes on free ports of loopback: one alone, or a Cluster of masters and replicas."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.fakes.waiting import WITHIN_S, until

SERVER = shutil.which("redis-server") or ""
SLOTS = 16384
JOIN_TIMEOUT_MS = 1500  # after which a silent node has failed, while they join: it sets how long that takes


def calm(true: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    """For ``until``: a server that does not answer yet is no error."""

    async def held() -> object:
        try:
            return await true()
        except (RedisError, OSError):
            return False

    return held


def free_port() -> int:
    """A port that is free now, with that of its cluster bus, 10,000 above; both below those that the system gives to
    connections, which could take them before the server starts."""
    while True:
        port = random.randrange(11_000, 21_000)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port


@dataclass(slots=True)
class RedisServer:
    """One redis-server, which keeps nothing on the disk: killed and started again, it is empty."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = field(default_factory=free_port)
    password: str = ""
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it is, for ``DEEPGIF_REDIS_URL``."""
        return f"redis://{f':{self.password}@' if self.password else ''}127.0.0.1:{self.port}/0"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kill()

    async def start(self) -> None:
        """Starts it, and waits until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        own = ("--requirepass", self.password) if self.password else ()
        plain = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder))
        self.process = await asyncio.create_subprocess_exec(
            SERVER, "--port", str(self.port), *plain, *own, *self.options, stdout=asyncio.subprocess.DEVNULL
        )
        async with self.client() as client:
            await until(calm(client.ping))

    def client(self) -> Redis:
        """A client of its own, for what a test looks at or changes."""
        return Redis.from_url(self.url, socket_timeout=WITHIN_S)

    def pause(self) -> None:
        """Stops it without closing anything: connections are taken, and nothing is answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def kill(self) -> None:
        """Ends it at once, paused or not."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


class RedisCluster:
    """Masters with one replica each, which takes over by ``fail_over`` only: Redis itself would also depose a master
    that is slow for a moment."""

    def __init__(self, folder: Path, masters: int = 3) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", str(JOIN_TIMEOUT_MS))
        fast = ("--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0")
        fast += ("--repl-ping-replica-period", "1", "--cluster-replica-no-failover", "yes")
        self.servers = [RedisServer(folder / str(number), (*options, *fast)) for number in range(2 * masters)]
        self.masters, self.replicas = self.servers[:masters], self.servers[masters:]
        self._stack = AsyncExitStack()

    @property
    def url(self) -> str:
        """One of its nodes, for ``DEEPGIF_REDIS_URL``."""
        return self.servers[0].url

    async def __aenter__(self) -> Self:
        await asyncio.gather(*(self._stack.enter_async_context(server) for server in self.servers))
        try:
            await self._join()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _join(self) -> None:
        async with AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(server.client()) for server in self.servers]
            share = -(-SLOTS // len(self.masters))
            for number, client in enumerate(clients):
                await client.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
                if number < len(self.masters):
                    last = min(SLOTS, (number + 1) * share) - 1
                    await client.execute_command("CLUSTER ADDSLOTSRANGE", number * share, last)
                await client.execute_command("CLUSTER MEET", "127.0.0.1", self.servers[0].port)

            async def met() -> bool:
                known = [await client.execute_command("CLUSTER INFO") for client in clients]
                return all(one["cluster_known_nodes"] == str(len(self.servers)) for one in known)

            await until(calm(met))
            ids = [await client.execute_command("CLUSTER MYID") for client in clients]
            for master, replica in enumerate(clients[len(self.masters) :]):
                await replica.execute_command("CLUSTER REPLICATE", ids[master])

            async def linked() -> bool:
                info = [await client.info("replication") for client in clients[len(self.masters) :]]
                state = [await client.execute_command("CLUSTER INFO") for client in clients]
                return all(one.get("master_link_status") == "up" for one in info) and all(
                    one["cluster_state"] == "ok" for one in state
                )

            await until(calm(linked))
            for client in clients:
                await client.config_set("cluster-node-timeout", int(1000 * WITHIN_S))
            await until(calm(linked))

    async def replicated(self) -> None:
        """Waits until every replica has all that its master has now."""
        for master, replica in zip(self.masters, self.replicas, strict=True):
            async with master.client() as client, replica.client() as other:
                offset = (await client.info("replication"))["master_repl_offset"]
                await until(lambda other=other, offset=offset: _has(other, offset))  # type: ignore[misc]

    async def fail_over(self, number: int) -> None:
        """A replica takes over from its master, which is gone or hangs, and the others follow it."""
        async with self.replicas[number].client() as client:
            await client.execute_command("CLUSTER FAILOVER", "TAKEOVER")
            await until(calm(lambda: _is_master(client)))


async def _has(replica: Redis, offset: int) -> bool:
    return bool((await replica.info("replication"))["slave_repl_offset"] >= offset)


async def _is_master(client: Redis) -> bool:
    return bool((await client.info("replication"))["role"] == "master")

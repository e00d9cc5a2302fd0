"""The connection to Redis: short timeouts and a circuit breaker, so that a Redis that hangs delays only one call.

While Redis is down, calls fail at once with ``RedisDownError`` and one background task keeps checking. For a Redis
Cluster, that task starts with a new client each time, which discovers the current masters.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from deepgif.engine.errors import StoreError
from deepgif.engine.options import RedisOptions

PATIENT_S = 5.0  # for background work
SCAN_S = 30.0  # to find the next matching keys among millions of others
PROBE_TIMEOUT_S = 1.0
MAX_CONCURRENT = 24  # calls
HEARTBEAT_S = 1.0
PROBE_INTERVAL_S = 0.2  # while Redis is down
_DOWN_ERRORS = (
    OSError,  # and so TimeoutError
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.ClusterError,
    redis_errors.RedisClusterException,
    redis_errors.ReadOnlyError,
    redis_errors.TryAgainError,
    redis_errors.AskError,
)
_ACCESS_ERRORS = (
    redis_errors.AuthenticationError,
    redis_errors.AuthorizationError,
    redis_errors.NoPermissionError,
)
# redis-py's own timeouts use asyncio.wait_for, which loses cancellations before Python 3.12; ``call`` has one instead.
_NO_TIMEOUTS: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": None, "retry": Retry(NoBackoff(), 0)}
_DOWN_TEXT = "Redis is not responding (%s). This engine continues on its own until it is back."
_log = logging.getLogger(__name__)
T = TypeVar("T")
Client = Redis | RedisCluster
Command = tuple[Any, ...]


class RedisDownError(Exception):
    """Redis is not responding."""


class RedisRefusedError(Exception):
    """Redis rejected the command, for example because it is out of memory."""


class RedisConnection:
    """A Redis client that knows whether Redis is up. An async context manager."""

    def __init__(self, options: RedisOptions) -> None:
        self.prefix = options.prefix
        self._options = options
        self._timeout_s = options.timeout_s
        self._client: Client | None = None
        self._nodes: list[tuple[str, int]] = []  # of the Cluster
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._reason = ""  # why Redis is down
        self._logged = False  # that it is down
        self._monitoring: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            self._client = self._new()
            await self._begin(self._client)
        except (ValueError, TypeError, redis_errors.RedisClusterException) as error:
            await self._close()
            raise StoreError("DEEPGIF_REDIS_URL is invalid. It should look like redis://host:6379/0.") from _bare(error)
        except BaseException:
            await self._close()
            raise
        self._monitoring = asyncio.create_task(self._monitor())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def up(self) -> bool:
        """Whether Redis responded to the last call or probe."""
        return self._up.is_set()

    async def wait_until_up(self) -> None:
        """Waits until Redis responds."""
        await self._up.wait()

    async def call(self, use: Callable[[Any], Awaitable[T]], timeout_s: float | None = None) -> T:
        """Awaits ``use(client)`` for at most ``timeout_s`` seconds (by default the timeout of a search) and returns the
        result. Raises ``RedisDownError`` or ``RedisRefusedError``."""
        async with self._slots:
            if not self.up or self._client is None:
                raise RedisDownError
            client = self._client
            try:
                async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                    return await use(client)
            except redis_errors.MaxConnectionsError as error:
                raise RedisRefusedError from error
            except _DOWN_ERRORS as error:
                self._mark_down(client, error)
                raise RedisDownError from _bare(error)
            except RedisError as error:
                raise RedisRefusedError from error

    async def pipeline(self, commands: Sequence[Command], timeout_s: float | None = None) -> list[Any]:
        """The replies to all commands, in one round trip per node. A rejected command's reply is its exception. Raises
        ``RedisDownError`` or ``RedisRefusedError``."""

        async def run(client: Client) -> list[Any]:
            pipe = client.pipeline(transaction=False) if isinstance(client, Redis) else client.pipeline()
            for command in commands:
                pipe.execute_command(*command)
            replies = await pipe.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, _DOWN_ERRORS):
                    raise reply
            return replies

        return await self.call(run, timeout_s)

    async def get_many(self, keys: Sequence[str], timeout_s: float | None = None) -> list[bytes | None]:
        """The values of ``keys``, in one round trip per node: None for a missing key or another type. Raises
        ``RedisDownError`` or ``RedisRefusedError``."""
        if not keys:
            return []
        if self._options.cluster:
            return await self.call(lambda client: client.mget_nonatomic(keys), timeout_s)
        return await self.call(lambda client: client.mget(keys), timeout_s)

    async def scan(self, pattern: str, count: int) -> AsyncIterator[str]:
        """All keys that match ``pattern``, on all masters; ``count`` keys are examined at a time. Some may be repeated.
        Raises ``RedisDownError`` or ``RedisRefusedError``."""
        keys: AsyncIterator[bytes] | None = None

        async def next_keys(client: Client) -> list[bytes]:
            nonlocal keys
            if keys is None:
                keys = aiter(client.scan_iter(match=pattern, count=count))
            found = []
            async for key in keys:
                found.append(key)
                if len(found) >= count:
                    break
            return found

        while found := await self.call(next_keys, SCAN_S):
            for key in found:
                yield key.decode("utf-8", "replace")

    async def _begin(self, client: Client) -> None:
        """The first probe. A Redis that is down may come up later; wrong settings raise ``StoreError`` at once."""
        try:
            if isinstance(client, Redis) and (await self._within(client.info("cluster"))).get("cluster_enabled"):
                raise StoreError("This Redis is a Cluster. Set DEEPGIF_REDIS_CLUSTER=true.")
            await self._probe(client)
        except (
            redis_errors.AuthenticationError,
            redis_errors.AuthorizationError,
            redis_errors.NoPermissionError,
        ) as error:
            raise StoreError(
                "Redis rejected the user name, the password or a command. Check DEEPGIF_REDIS_URL and the permissions."
            ) from _bare(error)
        except _DOWN_ERRORS as error:
            if isinstance(error, redis_errors.RedisClusterException) and "not enabled" in str(error):
                raise StoreError("This Redis is not a Cluster. Set DEEPGIF_REDIS_CLUSTER=false.") from _bare(error)
            self._reason = _name(error)
        except RedisError as error:
            raise StoreError("Redis cannot be used with these settings. Check DEEPGIF_REDIS_URL.") from _bare(error)
        else:
            self._up.set()

    def _mark_down(self, client: Client, error: BaseException) -> None:
        if client is not self._client or not self.up:
            return
        self._up.clear()
        self._lost.set()
        self._reason = _name(error)

    async def _monitor(self) -> None:
        while True:
            if self.up:
                self._lost.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await self._lost.wait()
                if self.up:
                    with contextlib.suppress(RedisDownError, RedisRefusedError):
                        await self.call(self._heartbeat)
                continue
            try:
                client = self._client
                if client is None or self._options.cluster:
                    client = self._new(await self._reachable_nodes())
                try:
                    await self._probe(client)
                except BaseException:
                    if client is not self._client:
                        self._close_later(client)
                    raise
            except Exception as error:  # noqa: BLE001 - whatever it is, Redis is still down
                if not self._logged:  # only now: one failed call is no outage
                    _log.warning(_DOWN_TEXT, self._reason or _name(error))
                    self._logged = True
                if isinstance(self._client, Redis):
                    await self._client.connection_pool.disconnect()
                await asyncio.sleep(PROBE_INTERVAL_S)
                continue
            if client is not self._client and self._client is not None:
                self._close_later(self._client)
            self._client = client
            self._up.set()
            if self._logged:
                _log.info("Redis is back.")
            self._logged = False

    async def _probe(self, client: Client) -> None:
        """Raises if the client cannot be used."""
        await self._within(self._heartbeat(client))

    async def _within(self, work: Awaitable[T]) -> T:
        async with asyncio.timeout(max(PROBE_TIMEOUT_S, self._timeout_s)):
            return await work

    async def _heartbeat(self, client: Client) -> None:
        """Raises unless the node accepts writes (or is full), or all masters of the Cluster respond."""
        if isinstance(client, RedisCluster):
            await client.initialize()
            self._nodes = [(node.host, int(node.port)) for node in client.get_nodes()]
            state = await client.cluster_info(target_nodes=RedisCluster.RANDOM)
            if state.get("cluster_state") != "ok":
                raise redis_errors.ClusterDownError("the Cluster is incomplete")
            await client.ping(target_nodes=RedisCluster.PRIMARIES)
            return
        with contextlib.suppress(redis_errors.OutOfMemoryError):
            await client.set(f"{self.prefix}:beat", b"1", px=1000)

    async def _reachable_nodes(self) -> list[tuple[str, int]]:
        """The known nodes of the Cluster that respond. A node that hangs would block a new client."""

        async def responds(node: tuple[str, int]) -> bool:
            one = Redis(host=node[0], port=node[1], **(self._url_options() | _NO_TIMEOUTS))
            try:
                return bool(await self._within(one.ping()))
            except (RedisError, OSError):
                return False
            finally:
                await _aclose(one)

        found = await asyncio.gather(*(responds(node) for node in self._nodes))
        return [node for node, up in zip(self._nodes, found, strict=True) if up]

    def _new(self, nodes: Sequence[tuple[str, int]] = ()) -> Client:
        if not self._options.cluster:
            pool = BlockingConnectionPool.from_url(
                self._options.url, max_connections=MAX_CONCURRENT + 8, timeout=PATIENT_S, **_NO_TIMEOUTS
            )
            return Redis.from_pool(pool)
        url = parse_url(self._options.url)
        start = nodes or [(url.get("host", "localhost"), url.get("port", 6379))]
        return RedisCluster(
            startup_nodes=[ClusterNode(*node) for node in start], **(self._url_options() | _NO_TIMEOUTS)
        )

    def _url_options(self) -> dict[str, Any]:
        """What the URL says besides host, port and database: user, password, TLS and other options."""
        options = cast("dict[str, Any]", parse_url(self._options.url))
        ssl = options.pop("connection_class", None) is not None
        return {name: value for name, value in options.items() if name not in ("host", "port", "db")} | {"ssl": ssl}

    def _close_later(self, client: Client) -> None:
        task = asyncio.create_task(_aclose(client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self) -> None:
        self._up.clear()
        if self._monitoring is not None:
            self._monitoring.cancel()
            await asyncio.gather(self._monitoring, return_exceptions=True)
        if self._client is not None:
            self._close_later(self._client)
            self._client = None
        await asyncio.gather(*self._closing, return_exceptions=True)


async def _aclose(client: Client) -> None:
    with contextlib.suppress(RedisError, OSError):
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            if isinstance(client, RedisCluster):  # RedisCluster.aclose does nothing before the client is initialised
                await client.nodes_manager.aclose()
                await client.nodes_manager.aclose("startup_nodes")
            await client.aclose()


def _name(error: BaseException) -> str:
    """The part of an error that may be logged: its text could contain the URL."""
    return type(error).__name__


class _BareError(Exception):
    """A cause for the log, without the original message, which could contain the URL."""


def _bare(error: BaseException) -> _BareError:
    return _BareError(type(error).__name__)


def refused(reply: object) -> bool:
    """Whether this reply in a pipeline says that Redis rejected the command."""
    return isinstance(reply, RedisError)

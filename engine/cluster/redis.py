"""The way to Redis: short timeouts, and a breaker, so that a Redis that hangs costs at most one call at a time.

Whoever calls while it is away has the answer at once (``RedisDownError``); one task alone looks whether it is back.
In a Cluster that task begins with a new client, which learns which nodes are masters now.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from redis import exceptions as said
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from deepgif.engine.cluster.options import RedisOptions
from deepgif.engine.errors import StoreError

PATIENT_S = 5.0  # of what nobody waits for
SCAN_S = 30.0  # of looking for the next keys among millions of others
LOOK_S = 1.0  # of a look whether it is back
AT_ONCE = 24  # calls under way, and connections
HEARTBEAT_S = 1.0
PROBE_S = 0.2  # between two looks whether it is back
_AWAY = (
    OSError,  # and so TimeoutError
    said.ConnectionError,
    said.TimeoutError,
    said.ClusterError,
    said.RedisClusterException,
    said.ReadOnlyError,
    said.TryAgainError,
    said.AskError,
)
# No time limits of redis-py's own: before Python 3.12 its asyncio.wait_for loses cancellations. ``call`` has them.
_PLAIN: dict[str, Any] = {"socket_timeout": None, "socket_connect_timeout": None, "retry": Retry(NoBackoff(), 0)}
_AWAY_TEXT = "Redis does not answer (%s); this engine goes on by itself until it does."
_log = logging.getLogger(__name__)
T = TypeVar("T")
Client = Redis | RedisCluster
Command = tuple[Any, ...]


class RedisDownError(Exception):
    """Redis does not answer at present."""


class RedisRefusedError(Exception):
    """Redis answers, but does not do this, for want of memory for example."""


class RedisConnection:
    """One client of Redis, and whether it answers. An async context manager."""

    def __init__(self, options: RedisOptions) -> None:
        self.prefix = options.prefix
        self._options = options
        self._timeout_s = options.timeout_s
        self._client: Client | None = None
        self._nodes: list[tuple[str, int]] = []  # of the Cluster, as last seen
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._up = asyncio.Event()
        self._lost = asyncio.Event()
        self._why = ""  # of it being away, until that was said
        self._said = False
        self._watch: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        try:
            self._client = self._new()
            await self._begin(self._client)
        except (ValueError, TypeError, said.RedisClusterException) as error:
            await self._close()
            raise StoreError("DEEPGIF_REDIS_URL cannot be used; it should look like redis://host:6379/0.") from _bare(
                error
            )
        except BaseException:
            await self._close()
            raise
        self._watch = asyncio.create_task(self._look_after())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    @property
    def up(self) -> bool:
        """Whether it answered last."""
        return self._up.is_set()

    async def back(self) -> None:
        """Waits until it answers."""
        await self._up.wait()

    async def call(self, use: Callable[[Any], Awaitable[T]], timeout_s: float | None = None) -> T:
        """What ``use`` makes of the client, within ``timeout_s`` (that of a search without). Raises
        ``RedisDownError`` or
        ``RedisRefusedError``."""
        async with self._slots:
            if not self.up or self._client is None:
                raise RedisDownError
            client = self._client
            try:
                async with asyncio.timeout(self._timeout_s if timeout_s is None else timeout_s):
                    return await use(client)
            except said.MaxConnectionsError as error:
                raise RedisRefusedError from error
            except _AWAY as error:
                self._went_away(client, error)
                raise RedisDownError from _bare(error)
            except RedisError as error:
                raise RedisRefusedError from error

    async def pipeline(self, commands: Sequence[Command], timeout_s: float | None = None) -> list[Any]:
        """The answers to all commands, in one round trip a node; in the place of one that was refused stands its
        error. Raises ``RedisDownError`` or ``RedisRefusedError``."""

        async def run(client: Client) -> list[Any]:
            pipe = client.pipeline(transaction=False) if isinstance(client, Redis) else client.pipeline()
            for command in commands:
                pipe.execute_command(*command)
            answers = await pipe.execute(raise_on_error=False)
            for answer in answers:
                if isinstance(answer, _AWAY):
                    raise answer
            return answers

        return await self.call(run, timeout_s)

    async def get_many(self, keys: Sequence[str], timeout_s: float | None = None) -> list[bytes | None]:
        """The values of ``keys``, None where there is none or one of another type; one round trip a node. Raises
        ``RedisDownError`` or ``RedisRefusedError``."""
        if not keys:
            return []
        if self._options.cluster:
            return await self.call(lambda client: client.mget_nonatomic(keys), timeout_s)
        return await self.call(lambda client: client.mget(keys), timeout_s)

    async def scan(self, pattern: str, count: int) -> AsyncIterator[str]:
        """All keys like ``pattern`` on all masters, ``count`` looked at a time; some may come twice. Raises
        ``RedisDownError`` or ``RedisRefusedError``."""
        keys: AsyncIterator[bytes] | None = None

        async def some(client: Client) -> list[bytes]:
            nonlocal keys
            if keys is None:
                keys = aiter(client.scan_iter(match=pattern, count=count))
            found = []
            async for key in keys:
                found.append(key)
                if len(found) >= count:
                    break
            return found

        while found := await self.call(some, SCAN_S):
            for key in found:
                yield key.decode("utf-8", "replace")

    async def _begin(self, client: Client) -> None:
        """The first look: a Redis that is away may come, but one that can never be used is said at once."""
        try:
            if isinstance(client, Redis) and (await self._within(client.info("cluster"))).get("cluster_enabled"):
                raise StoreError("This Redis is a Cluster: please set DEEPGIF_REDIS_CLUSTER=true.")
            await self._probe(client)
        except (said.AuthenticationError, said.AuthorizationError, said.NoPermissionError) as error:
            raise StoreError(
                "Redis refuses the user, the password or what is asked of it; please check DEEPGIF_REDIS_URL."
            ) from _bare(error)
        except _AWAY as error:
            if isinstance(error, said.RedisClusterException) and "not enabled" in str(error):
                raise StoreError("This Redis is no Cluster: please set DEEPGIF_REDIS_CLUSTER=false.") from _bare(error)
            self._why = _name(error)
        except RedisError as error:
            raise StoreError("Redis cannot be used as it is set up; please check DEEPGIF_REDIS_URL.") from _bare(error)
        else:
            self._up.set()

    def _went_away(self, client: Client, error: BaseException) -> None:
        if client is not self._client or not self.up:
            return
        self._up.clear()
        self._lost.set()
        self._why = _name(error)

    async def _look_after(self) -> None:
        while True:
            if self.up:
                self._lost.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(HEARTBEAT_S):
                        await self._lost.wait()
                if self.up:
                    with contextlib.suppress(RedisDownError, RedisRefusedError):
                        await self.call(self._beat)
                continue
            try:
                client = self._client
                if client is None or self._options.cluster:
                    client = self._new(await self._answering())
                try:
                    await self._probe(client)
                except BaseException:
                    if client is not self._client:
                        self._drop(client)
                    raise
            except Exception as error:  # noqa: BLE001 - whatever it is, Redis is not back
                if not self._said:  # it is no outage where it answers at the next look
                    _log.warning(_AWAY_TEXT, self._why or _name(error))
                    self._said = True
                if isinstance(self._client, Redis):
                    await self._client.connection_pool.disconnect()
                await asyncio.sleep(PROBE_S)
                continue
            if client is not self._client and self._client is not None:
                self._drop(self._client)
            self._client = client
            self._up.set()
            if self._said:
                _log.info("Redis answers again.")
            self._said = False

    async def _probe(self, client: Client) -> None:
        """Raises where a client cannot be used."""
        await self._within(self._beat(client))

    async def _within(self, work: Awaitable[T]) -> T:
        async with asyncio.timeout(max(LOOK_S, self._timeout_s)):
            return await work

    async def _beat(self, client: Client) -> None:
        """Raises unless what matters answers: the node takes writes (a full one is there too), or all masters do."""
        if isinstance(client, RedisCluster):
            await client.initialize()
            self._nodes = [(node.host, int(node.port)) for node in client.get_nodes()]
            state = await client.cluster_info(target_nodes=RedisCluster.RANDOM)
            if state.get("cluster_state") != "ok":
                raise said.ClusterDownError("the Cluster is not whole")
            await client.ping(target_nodes=RedisCluster.PRIMARIES)
            return
        with contextlib.suppress(said.OutOfMemoryError):
            await client.set(f"{self.prefix}:beat", b"1", px=1000)

    async def _answering(self) -> list[tuple[str, int]]:
        """The nodes that answer, of those that the Cluster had: one that hangs would keep a client from beginning."""

        async def answers(node: tuple[str, int]) -> bool:
            one = Redis(host=node[0], port=node[1], **(self._given() | _PLAIN))
            try:
                return bool(await self._within(one.ping()))
            except (RedisError, OSError):
                return False
            finally:
                await _aclose(one)

        found = await asyncio.gather(*(answers(node) for node in self._nodes))
        return [node for node, there in zip(self._nodes, found, strict=True) if there]

    def _new(self, nodes: Sequence[tuple[str, int]] = ()) -> Client:
        if not self._options.cluster:
            pool = BlockingConnectionPool.from_url(
                self._options.url, max_connections=AT_ONCE + 8, timeout=PATIENT_S, **_PLAIN
            )
            return Redis.from_pool(pool)
        url = parse_url(self._options.url)
        some = nodes or [(url.get("host", "localhost"), url.get("port", 6379))]
        return RedisCluster(startup_nodes=[ClusterNode(*node) for node in some], **(self._given() | _PLAIN))

    def _given(self) -> dict[str, Any]:
        """What the address says besides where one node is: user, password, TLS and other options."""
        given = cast("dict[str, Any]", parse_url(self._options.url))
        ssl = given.pop("connection_class", None) is not None
        return {name: value for name, value in given.items() if name not in ("host", "port", "db")} | {"ssl": ssl}

    def _drop(self, client: Client) -> None:
        task = asyncio.create_task(_aclose(client))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close(self) -> None:
        self._up.clear()
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        if self._client is not None:
            self._drop(self._client)
            self._client = None
        await asyncio.gather(*self._closing, return_exceptions=True)


async def _aclose(client: Client) -> None:
    with contextlib.suppress(RedisError, OSError):
        async with asyncio.timeout(LOOK_S):
            if isinstance(client, RedisCluster):  # its own aclose does nothing before it has begun
                await client.nodes_manager.aclose()
                await client.nodes_manager.aclose("startup_nodes")
            await client.aclose()


def _name(error: BaseException) -> str:
    """What may be logged of an error: its text could hold an address."""
    return type(error).__name__


class _BareError(Exception):
    """A cause for the log, without what Redis or the client said."""


def _bare(error: BaseException) -> _BareError:
    return _BareError(type(error).__name__)


def refused(answer: object) -> bool:
    """Whether this answer of a pipeline is that its command was refused."""
    return isinstance(answer, RedisError)

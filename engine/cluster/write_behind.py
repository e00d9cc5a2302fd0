"""A bounded queue of writes that Redis cannot take now, because it is down or full."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from deepgif.engine.cluster.redis import PATIENT_S, Command, RedisConnection, RedisDownError, RedisRefusedError, refused

MAX_WAITING = 20_000  # writes, about 30 MB if all are vectors
BATCH = 200
RETRY_S = 1.0  # while Redis has no room


@dataclass(frozen=True, slots=True)
class QueuedWrite:
    """Commands that belong together and are safe to repeat. A later write replaces a waiting one of the same
    ``name``."""

    name: str
    commands: tuple[Command, ...]


class WriteBehindQueue:
    """Writes at once if possible, else as soon as Redis is back. If more than ``max_waiting`` writes wait, the oldest
    are dropped."""

    def __init__(self, connection: RedisConnection, max_waiting: int = MAX_WAITING, retry_s: float = RETRY_S) -> None:
        self._connection = connection
        self._max_waiting = max_waiting
        self._retry_s = retry_s
        self._waiting: OrderedDict[str, QueuedWrite] = OrderedDict()
        self._not_empty = asyncio.Event()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many writes wait."""
        return len(self._waiting)

    async def write(self, writes: Sequence[QueuedWrite]) -> None:
        """Makes the writes, in one round trip per node and batch, or queues them."""
        for start in range(0, len(writes), BATCH):
            batch = writes[start : start + BATCH]
            for write in batch:
                self._waiting.pop(write.name, None)
            try:
                failed = await self._send(batch)
            except BaseException:  # cancelled halfway: repeating a write is safe, losing it is not
                self._enqueue(batch)
                raise
            self._enqueue(failed)

    async def run(self) -> None:
        """Makes waiting writes whenever Redis is up, forever."""
        while True:
            await self._not_empty.wait()
            await self._connection.wait_until_up()
            batch = list(self._waiting.values())[:BATCH]
            failed = {write.name for write in await self._send(batch, PATIENT_S)}
            for write in batch:
                if write.name not in failed and self._waiting.get(write.name) is write:
                    del self._waiting[write.name]
            if not self._waiting:
                self._not_empty.clear()
            elif failed:
                await asyncio.sleep(self._retry_s)

    async def _send(self, writes: Sequence[QueuedWrite], timeout_s: float | None = None) -> list[QueuedWrite]:
        """Makes the writes; returns those that failed."""
        commands = [command for write in writes for command in write.commands]
        try:
            replies = iter(await self._connection.pipeline(commands, timeout_s))
        except (RedisDownError, RedisRefusedError):
            return list(writes)
        return [write for write in writes if sum(refused(next(replies)) for _ in write.commands)]

    def _enqueue(self, writes: Sequence[QueuedWrite]) -> None:
        for write in writes:
            self._waiting[write.name] = write
        while len(self._waiting) > self._max_waiting:
            self._waiting.popitem(last=False)
            self.dropped += 1
        if self._waiting:
            self._not_empty.set()

"""Writes that wait while Redis is away or full, and are made when it is back."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from deepgif.engine.cluster.redis import PATIENT_S, Command, RedisConnection, RedisDownError, RedisRefusedError, refused

MOST = 20_000  # writes, about 30 MB where all are vectors
AT_ONCE = 200
RETRY_S = 1.0  # between two tries while Redis has no room


@dataclass(frozen=True, slots=True)
class QueuedWrite:
    """Commands that belong together and may be made twice. Of two that wait under one ``name`` the later counts."""

    name: str
    commands: tuple[Command, ...]


class WriteBehindQueue:
    """Writes now where that is possible, else as soon as it is. Beyond ``most`` that wait, the oldest are dropped."""

    def __init__(self, link: RedisConnection, most: int = MOST, retry_s: float = RETRY_S) -> None:
        self._link = link
        self._most = most
        self._retry_s = retry_s
        self._waiting: OrderedDict[str, QueuedWrite] = OrderedDict()
        self._some = asyncio.Event()
        self.dropped = 0

    @property
    def waiting(self) -> int:
        """How many writes wait."""
        return len(self._waiting)

    async def write(self, writes: Sequence[QueuedWrite]) -> None:
        """Makes the writes, in one round trip a node for some hundred of them, or lets them wait."""
        for start in range(0, len(writes), AT_ONCE):
            part = writes[start : start + AT_ONCE]
            for write in part:
                self._waiting.pop(write.name, None)
            try:
                left = await self._send(part)
            except BaseException:  # the caller left in the middle: what is written twice is not lost
                self._wait_for(part)
                raise
            self._wait_for(left)

    async def run(self) -> None:
        """Makes what waits whenever Redis is there, for ever."""
        while True:
            await self._some.wait()
            await self._link.back()
            part = list(self._waiting.values())[:AT_ONCE]
            left = {write.name: write for write in await self._send(part, PATIENT_S)}
            for write in part:
                if write.name not in left and self._waiting.get(write.name) is write:
                    del self._waiting[write.name]
            if not self._waiting:
                self._some.clear()
            elif left:
                await asyncio.sleep(self._retry_s)

    async def _send(self, writes: Sequence[QueuedWrite], timeout_s: float | None = None) -> list[QueuedWrite]:
        """Makes the writes; those that could not be made."""
        commands = [command for write in writes for command in write.commands]
        try:
            answers = iter(await self._link.pipeline(commands, timeout_s))
        except (RedisDownError, RedisRefusedError):
            return list(writes)
        return [write for write in writes if sum(refused(next(answers)) for _ in write.commands)]

    def _wait_for(self, writes: Sequence[QueuedWrite]) -> None:
        for write in writes:
            self._waiting[write.name] = write
        while len(self._waiting) > self._most:
            self._waiting.popitem(last=False)
            self.dropped += 1
        if self._waiting:
            self._some.set()

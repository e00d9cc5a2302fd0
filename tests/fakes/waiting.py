"""Waiting for what must come, however slow the machine is, and letting time pass at once."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable

WITHIN_S = 900.0  # the one limit: far longer than anything takes on any machine, so only what never comes reaches it
_LOOK_S = 0.01
_STEP_S = 0.5


async def until(true: Callable[[], object | Awaitable[object]], skipping_s: float = 0.0) -> None:
    """Waits until something holds, and meanwhile skips up to ``skipping_s`` seconds that others wait without need;
    fails where it does not hold within ``WITHIN_S``."""
    ends_at = time.monotonic() + WITHIN_S
    while True:
        held = true()
        if inspect.isawaitable(held):
            held = await held
        if held:
            return
        assert time.monotonic() < ends_at, f"what was waited for did not come within {WITHIN_S:g} seconds"
        await asyncio.sleep(_LOOK_S)
        step_s = min(_STEP_S, skipping_s)
        if step_s:
            skip(step_s)
            skipping_s -= step_s


def skip(seconds: float) -> None:
    """Moves the clock of the running event loop on: sleeps, timeouts and deadlines that end by then end at once."""
    loop = asyncio.get_running_loop()
    now = loop.time
    loop.time = lambda: now() + seconds  # type: ignore[method-assign]


class Clock:
    """The wall clock, put forward by ``ahead_s`` seconds."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self._now = time.time

    def __call__(self) -> float:
        return self._now() + self.ahead_s


class Gate:
    """Where a server's answers wait between ``hold`` and ``release``."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._more = math.inf

    def hold(self, after: float = 0) -> None:
        """Lets so many more through, first those that wait, and then nobody."""
        self._more = after
        while self._waiting and self._more:
            waiting = self._waiting.popleft()
            if not waiting.done():  # else its caller has left
                waiting.set_result(None)
                self._more -= 1

    def release(self) -> None:
        """Lets everybody through."""
        self.hold(after=math.inf)

    async def passed(self) -> None:
        """Waits to be let through."""
        if self._more:
            self._more -= 1
            return
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

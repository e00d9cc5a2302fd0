"""Shutdown signals: the first asks for a graceful shutdown, the second for an immediate one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class ShutdownSignals:
    """Events set by SIGINT and SIGTERM: ``asked`` by the first, ``at_once`` by the second. A third signal kills the
    process, as the default handlers do."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()

    def listen(self) -> None:
        """Installs the signal handlers."""
        for number in SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._signalled)

    def _signalled(self) -> None:
        if not self.asked.is_set():
            self.asked.set()
            return
        self.at_once.set()
        for number in SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)


async def until(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Runs ``work`` and cancels it when ``event`` is set. Raises what ``work`` raised."""
    working, waiting = asyncio.create_task(work), asyncio.create_task(event.wait())
    try:
        await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.wait({working, waiting})
    if not working.cancelled():
        working.result()

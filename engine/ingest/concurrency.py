"""Maps over many items with bounded concurrency."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from itertools import islice
from typing import Any, TypeVar

from deepgif.engine.errors import MediaError

T = TypeVar("T")
R = TypeVar("R")


async def map_unordered(
    items: Iterable[T], work: Callable[[T], Coroutine[Any, Any, R]], limit: int
) -> AsyncGenerator[tuple[T, R | MediaError], None]:
    """Yields each item with its result as soon as it is done, in any order; ``limit`` items are in flight. A
    ``MediaError`` is its item's result; any other exception cancels everything in flight, and so does closing the
    generator."""
    remaining = iter(items)
    in_flight: dict[asyncio.Task[R], T] = {}
    try:
        while True:
            for item in islice(remaining, limit - len(in_flight)):
                in_flight[asyncio.create_task(work(item))] = item
            if not in_flight:
                return
            finished, _ = await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                item = in_flight.pop(task)
                error = task.exception()
                if error is not None and not isinstance(error, MediaError):
                    raise error
                yield item, (error if error is not None else task.result())
    finally:
        for task in in_flight:
            task.cancel()
        await asyncio.gather(*in_flight, return_exceptions=True)

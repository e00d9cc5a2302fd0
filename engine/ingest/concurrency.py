"""Work on many things with a bounded number under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable
from itertools import islice
from typing import Any, TypeVar

from deepgif.engine.errors import MediaError

T = TypeVar("T")
R = TypeVar("R")


async def map_unordered(
    items: Iterable[T], work: Callable[[T], Coroutine[Any, Any, R]], at_once: int
) -> AsyncGenerator[tuple[T, R | MediaError], None]:
    """Yields each item with what ``work`` made of it, as they come; a ``MediaError`` stands for its own item only.
    Whatever else is raised ends all that is under way, and so does closing the generator."""
    remaining = iter(items)
    under_way: dict[asyncio.Task[R], T] = {}
    try:
        while True:
            for item in islice(remaining, at_once - len(under_way)):
                under_way[asyncio.create_task(work(item))] = item
            if not under_way:
                return
            finished, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                item = under_way.pop(task)
                error = task.exception()
                if error is not None and not isinstance(error, MediaError):
                    raise error
                yield item, (error if error is not None else task.result())
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

"""Of which models vectors are in Redis, and how those of some are dropped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from deepgif.engine.cluster.embeddings import SCAN_CHUNK, known_spaces_key, part_of_key, whole
from deepgif.engine.cluster.events import stream_key
from deepgif.engine.cluster.options import RedisOptions
from deepgif.engine.cluster.redis import PATIENT_S, Command, RedisConnection, RedisDownError, RedisRefusedError, refused
from deepgif.engine.errors import StoreError


async def spaces_in_redis(options: RedisOptions) -> list[str] | None:
    """The spaces that engines have noted in Redis; None where it does not answer. Raises ``StoreError`` where it can
    never be used as it was set."""
    async with RedisConnection(options) as link:
        try:
            noted = await link.call(lambda client: client.smembers(known_spaces_key(link.prefix)), PATIENT_S)
        except (RedisDownError, RedisRefusedError):
            return None
    return sorted(space.decode("utf-8", "surrogatepass") for space in noted)


async def drop_spaces(
    options: RedisOptions,
    beginnings: Collection[str],
    wanted: Callable[[str], bool],
    on_progress: Callable[[int], None] = lambda dropped: None,
) -> dict[str, int]:
    """Drops the vectors in Redis of all spaces that are ``wanted`` and begin with one of ``beginnings``, with what told
    engines of new ones; how many of each. Looks through all keys, 1,000 at a time, so that others are served in
    between. Raises ``StoreError`` where Redis goes away or refuses: done again, it goes on."""
    dropped: dict[str, int] = {}
    async with RedisConnection(options) as link:
        try:
            async with asyncio.timeout(PATIENT_S):
                await link.back()
            for beginning in sorted(beginnings):
                await _drop(link, beginning, wanted, dropped, on_progress)
            for space in dropped:
                gone: tuple[Command, ...] = (
                    ("DEL", stream_key(link.prefix, space)),
                    ("SREM", known_spaces_key(link.prefix), space),
                )
                await _run(link, gone)
        except (RedisDownError, RedisRefusedError, TimeoutError) as error:
            raise StoreError(
                f"Redis does not answer, or refuses: {sum(dropped.values()):,} vectors were dropped there, and none on "
                "this machine; please run the same command again when it answers."
            ) from error
    return dropped


async def _drop(
    link: RedisConnection,
    beginning: str,
    wanted: Callable[[str], bool],
    dropped: dict[str, int],
    on_progress: Callable[[int], None],
) -> None:
    vectors = f"{link.prefix}:v:"
    some: dict[str, list[str]] = {}
    waiting = 0

    async def drop() -> None:
        nonlocal waiting
        for space, names in some.items():
            dropped[space] = dropped.get(space, 0) + await _run(link, [("DEL", name) for name in names])
            on_progress(sum(dropped.values()))
        some.clear()
        waiting = 0

    async for name in link.scan(f"{vectors}{part_of_key(beginning)}*", SCAN_CHUNK):
        space = whole(name.removeprefix(vectors).partition(":")[0])
        if wanted(space):
            some.setdefault(space, []).append(name)
            waiting += 1
            if waiting >= SCAN_CHUNK:
                await drop()
    await drop()


async def _run(link: RedisConnection, commands: Collection[Command]) -> int:
    """Runs commands that each answer how much they did; the sum. Raises ``RedisDownError`` or ``RedisRefusedError``."""
    answers = await link.pipeline(list(commands), PATIENT_S)
    if any(refused(answer) for answer in answers):
        raise RedisRefusedError
    return sum(answers)

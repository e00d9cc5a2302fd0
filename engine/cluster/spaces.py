"""Lists and deletes the embedding spaces in Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from deepgif.engine.cluster.embeddings import SCAN_CHUNK, from_key_part, key_part, spaces_key
from deepgif.engine.cluster.events import stream_key
from deepgif.engine.cluster.redis import PATIENT_S, Command, RedisConnection, RedisDownError, RedisRefusedError, refused
from deepgif.engine.errors import StoreError
from deepgif.engine.options import RedisOptions


async def spaces_in_redis(options: RedisOptions) -> list[str] | None:
    """The spaces that have vectors in Redis; None if it is down. Raises ``StoreError`` if its settings are wrong."""
    async with RedisConnection(options) as connection:
        try:
            noted = await connection.call(lambda client: client.smembers(spaces_key(connection.prefix)), PATIENT_S)
        except (RedisDownError, RedisRefusedError):
            return None
    return sorted(space.decode("utf-8", "surrogatepass") for space in noted)


async def delete_spaces(
    options: RedisOptions,
    prefixes: Collection[str],
    wanted: Callable[[str], bool],
    on_progress: Callable[[int], None] = lambda deleted: None,
) -> dict[str, int]:
    """Deletes the vectors and events of all ``wanted`` spaces that start with one of ``prefixes``; returns how many
    vectors of each. Scans all keys, 1,000 at a time, so that Redis stays responsive. Raises ``StoreError`` if Redis is
    down or rejects a command; running it again continues."""
    deleted: dict[str, int] = {}
    async with RedisConnection(options) as connection:
        try:
            async with asyncio.timeout(PATIENT_S):
                await connection.wait_until_up()
            for space_prefix in sorted(prefixes):
                await _delete(connection, space_prefix, wanted, deleted, on_progress)
            for space in deleted:
                gone: tuple[Command, ...] = (
                    ("DEL", stream_key(connection.prefix, space)),
                    ("SREM", spaces_key(connection.prefix), space),
                )
                await _run(connection, gone)
        except (RedisDownError, RedisRefusedError, TimeoutError) as error:
            raise StoreError(
                f"Redis is down or rejects commands. {sum(deleted.values()):,} embeddings were deleted there, and none "
                "on this machine. Run the same command again when Redis is back."
            ) from error
    return deleted


async def _delete(
    connection: RedisConnection,
    space_prefix: str,
    wanted: Callable[[str], bool],
    deleted: dict[str, int],
    on_progress: Callable[[int], None],
) -> None:
    vectors = f"{connection.prefix}:v:"
    names_by_space: dict[str, list[str]] = {}
    waiting = 0

    async def flush() -> None:
        nonlocal waiting
        for space, names in names_by_space.items():
            deleted[space] = deleted.get(space, 0) + await _run(connection, [("DEL", name) for name in names])
            on_progress(sum(deleted.values()))
        names_by_space.clear()
        waiting = 0

    async for name in connection.scan(f"{vectors}{key_part(space_prefix)}*", SCAN_CHUNK):
        space = from_key_part(name.removeprefix(vectors).partition(":")[0])
        if wanted(space):
            names_by_space.setdefault(space, []).append(name)
            waiting += 1
            if waiting >= SCAN_CHUNK:
                await flush()
    await flush()


async def _run(connection: RedisConnection, commands: Collection[Command]) -> int:
    """Runs commands that each return a count; returns the sum. Raises ``RedisDownError`` or ``RedisRefusedError``."""
    replies = await connection.pipeline(list(commands), PATIENT_S)
    if any(refused(reply) for reply in replies):
        raise RedisRefusedError
    return sum(replies)

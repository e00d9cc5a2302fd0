"""The words in providers' GIFs, in Redis, so that only one engine reads each GIF."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from deepgif.engine.cluster.embeddings import key_part
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.protocols import RecognisedTextStore
from deepgif.engine.types import MAX_QUERY_LENGTH, GifKey

MAX_BYTES = 16 * 1024


def text_key(prefix: str, key: GifKey) -> str:
    """The key in Redis of the words in a GIF."""
    return f"{prefix}:w:{key_part(key.provider)}:{key_part(key.id)}"


class RedisRecognisedTextStore:
    """``RecognisedTextStore`` over ``local``, the one on this machine, and Redis, which stores each text for ``keep_s``
    seconds. ``clock`` returns seconds since 1970."""

    def __init__(
        self,
        local: RecognisedTextStore,
        connection: RedisConnection,
        queue: WriteBehindQueue,
        version: str,
        keep_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._local = local
        self._connection = connection
        self._queue = queue
        self._version = version
        self._keep_s = keep_s
        self._clock = clock

    async def get_many(self, keys: Sequence[GifKey]) -> dict[GifKey, str]:
        """The texts of those of ``keys`` that were read here or, if Redis is up, by another engine."""
        found = await self._local.get_many(keys)
        missing = [key for key in keys if key not in found]
        try:
            values = await self._connection.get_many([text_key(self._connection.prefix, key) for key in missing])
        except (RedisDownError, RedisRefusedError):
            return found
        for key, value in zip(missing, values, strict=True):
            if (text := self._text(value)) is not None:
                await self._local.put(key, text)
                found[key] = text
        return found

    async def put(self, key: GifKey, text: str) -> None:
        """Stores the text of a GIF here, and in Redis, now or when it is up again."""
        await self._local.put(key, text)
        name = text_key(self._connection.prefix, key)
        value = json.dumps({"version": self._version, "text": text}, separators=(",", ":")).encode()
        ends_ms = int(1000 * (self._clock() + self._keep_s))
        await self._queue.write([QueuedWrite(name, (("SET", name, value, "PXAT", ends_ms),))])

    def _text(self, value: bytes | None) -> str | None:
        """The text of a valid value of this version, or None."""
        if value is None or len(value) > MAX_BYTES:
            return None
        try:
            row: Any = json.loads(value)
            text = row["text"] if row["version"] == self._version else None
            if not isinstance(text, str) or len(text) > MAX_QUERY_LENGTH:
                return None
            text.encode()  # fails for lone surrogates, which cannot be stored
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return text

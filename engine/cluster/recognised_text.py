"""The words that were read in providers' GIFs, shared: what one engine has read, no other reads again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from deepgif.engine.cluster.embeddings import part_of_key
from deepgif.engine.cluster.redis import RedisConnection, RedisDownError, RedisRefusedError
from deepgif.engine.cluster.write_behind import QueuedWrite, WriteBehindQueue
from deepgif.engine.protocols import RecognisedTextStore
from deepgif.engine.types import MAX_WORDS_LENGTH, GifKey

MAX_BYTES = 16 * 1024


def text_key(prefix: str, key: GifKey) -> str:
    """The key in Redis of the words in a GIF."""
    return f"{prefix}:w:{part_of_key(key.provider)}:{part_of_key(key.id)}"


class RedisRecognisedTextStore:
    """``RecognisedTextStore`` of this machine, with what others have read behind it, each for ``keep_s`` seconds.
    ``clock`` gives seconds since 1970."""

    def __init__(
        self,
        near: RecognisedTextStore,
        link: RedisConnection,
        writer: WriteBehindQueue,
        version: str,
        keep_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._near = near
        self._link = link
        self._writer = writer
        self._version = version
        self._keep_s = keep_s
        self._clock = clock

    async def get_many(self, keys: Sequence[GifKey]) -> dict[GifKey, str]:
        """The texts of those of ``keys`` that were read here or, as far as Redis answers, elsewhere."""
        found = await self._near.get_many(keys)
        missing = [key for key in keys if key not in found]
        try:
            values = await self._link.get_many([text_key(self._link.prefix, key) for key in missing])
        except (RedisDownError, RedisRefusedError):
            return found
        for key, value in zip(missing, values, strict=True):
            if (text := self._text(value)) is not None:
                await self._near.put(key, text)
                found[key] = text
        return found

    async def put(self, key: GifKey, text: str) -> None:
        """Keeps what was read here, and for all, now or when Redis is back."""
        await self._near.put(key, text)
        name = text_key(self._link.prefix, key)
        value = json.dumps({"version": self._version, "text": text}, separators=(",", ":")).encode()
        ends_ms = int(1000 * (self._clock() + self._keep_s))
        await self._writer.write([QueuedWrite(name, (("SET", name, value, "PXAT", ends_ms),))])

    def _text(self, value: bytes | None) -> str | None:
        """The text of a value of this version; None, as if it were not there, for whatever else it is."""
        if value is None or len(value) > MAX_BYTES:
            return None
        try:
            row: Any = json.loads(value)
            text = row["text"] if row["version"] == self._version else None
            if not isinstance(text, str) or len(text) > MAX_WORDS_LENGTH:
                return None
            text.encode()  # lone surrogates, which cannot be stored or sent
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        return text

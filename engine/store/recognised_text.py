"""The words that were read in GIFs, in SQLite, so that each GIF is read only once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from deepgif.engine.store.database import CHUNK, Database
from deepgif.engine.types import GifKey


class SqliteRecognisedTextStore:
    """``RecognisedTextStore`` in a ``Database``, for the OCR of this ``version``."""

    def __init__(self, database: Database, version: str) -> None:
        self._database = database
        self._version = version

    async def get_many(self, keys: Sequence[GifKey]) -> dict[GifKey, str]:
        """The texts of those of ``keys`` that were read; "" for GIFs without words."""
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            ids[key.provider].append(key.id)
        found: dict[GifKey, str] = {}
        for provider, some in ids.items():
            for start in range(0, len(some), CHUNK):
                part = some[start : start + CHUNK]
                marks = ",".join("?" * len(part))
                query = f"SELECT id, text FROM recognised_texts WHERE provider=? AND version=? AND id IN ({marks})"  # noqa: S608 - only placeholders
                for gif_id, text in await self._database.read(query, (provider, self._version, *part)):
                    found[GifKey(provider, gif_id)] = text
        return found

    async def put(self, key: GifKey, text: str) -> None:
        """Stores the text of a GIF; durable when it returns."""
        await self._database.write(
            "INSERT OR REPLACE INTO recognised_texts VALUES (?,?,?,?)", [(*key, self._version, text)]
        )

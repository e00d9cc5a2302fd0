"""Vectors of embedded GIFs in the SQLite database, by space: model, version, frame sampling and view."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.protocols import Vectors, VectorSpace
from deepgif.engine.store.database import CHUNK, SCAN_CHUNK, Database
from deepgif.engine.types import GifKey


def embedding_space(model: VectorSpace) -> str:
    """What vectors of this model mean: name, version and frame sampling, such as ``small@1a2b3c4d/4x224``."""
    return f"{model.space}/{model.sampling}"


async def stored_ids(database: Database, space: str, provider: str) -> set[str]:
    """The ids of one provider's GIFs whose vectors are stored in this space."""
    rows = await database.read("SELECT id FROM embeddings WHERE space=? AND provider=?", (space, provider))
    return {gif_id for (gif_id,) in rows}


class SqliteEmbeddingStore:
    """``EmbeddingStore`` in a ``Database``; vectors of ``dimension`` numbers are kept as float16."""

    def __init__(self, database: Database, dimension: int) -> None:
        self._database = database
        self._dimension = dimension

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The vectors (D,) of those of ``keys`` that are stored."""
        found: dict[GifKey, NDArray[np.float32]] = {}
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            ids[key.provider].append(key.id)
        parts = (
            (provider, some[at : at + CHUNK]) for provider, some in ids.items() for at in range(0, len(some), CHUNK)
        )
        for provider, part in parts:  # SQLite looks single ids up in the key, but scans the space for pairs
            marks = ",".join("?" * len(part))
            query = f"SELECT id, vector FROM embeddings WHERE space=? AND provider=? AND id IN ({marks})"  # noqa: S608 - only placeholders
            for gif_id, blob in await self._database.read(query, (space, provider, *part)):
                if (vector := self._vector(blob)) is not None:
                    found[GifKey(provider, gif_id)] = vector
        return found

    async def put_many(self, space: str, vectors: Mapping[GifKey, NDArray[np.float32]]) -> None:
        """Stores vectors (D,); durable when it returns."""
        rows = [(space, *key, vector.astype("<f2").tobytes()) for key, vector in vectors.items()]
        await self._database.write("INSERT OR REPLACE INTO embeddings VALUES (?,?,?,?)", rows)

    async def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of one provider in this space, in chunks of keys and (N, D)."""
        last = ""
        while rows := await self._database.read(
            "SELECT id, vector FROM embeddings WHERE space=? AND provider=? AND id>? ORDER BY id LIMIT ?",
            (space, provider, last, SCAN_CHUNK),
        ):
            last = rows[-1][0]
            read = [(GifKey(provider, gif_id), self._vector(blob)) for gif_id, blob in rows]
            whole = [(key, vector) for key, vector in read if vector is not None]
            if whole:
                yield [key for key, _ in whole], np.stack([vector for _, vector in whole])

    async def count(self, space: str, provider: str) -> int:
        """How many vectors of one provider are stored in this space, damaged ones too."""
        query = "SELECT COUNT(*) FROM embeddings WHERE space=? AND provider=?"
        ((stored,),) = await self._database.read(query, (space, provider))
        return int(stored)

    async def delete(self, provider: str, ids: Collection[str]) -> None:
        """Forgets the vectors of these GIFs in every space; unknown ids are ignored."""
        await self._database.write(
            "DELETE FROM embeddings WHERE provider=? AND id IN (SELECT value FROM json_each(?))",
            [(provider, json.dumps(list(ids)))],  # one statement, as it goes through the whole table
        )

    def _vector(self, blob: object) -> NDArray[np.float32] | None:
        """The stored vector, of unit length again; None, as if it were not there, where it is damaged."""
        if not isinstance(blob, bytes) or len(blob) != 2 * self._dimension:
            return None
        vector = np.frombuffer(blob, "<f2").astype(np.float32)
        length = float(np.linalg.norm(vector))
        return vector / length if np.isfinite(length) and length > 0 else None

"""Vectors of embedded GIFs in the SQLite database, by space: model, version, frame sampling and view."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.protocols import Vectors, VectorSpace
from deepgif.engine.store.database import CHUNK, SCAN_CHUNK, Database
from deepgif.engine.types import GifKey


def embedding_space(model: VectorSpace) -> str:
    """The space of this model's clip vectors: name, version and frame sampling, such as ``small@1a2b3c4d/4x224``."""
    return f"{model.space}/{model.sampling}"


async def stored_ids(database: Database, space: str, provider: str) -> set[str]:
    """The ids of a provider's GIFs that have vectors in this space."""
    rows = await database.read("SELECT id FROM embeddings WHERE space=? AND provider=?", (space, provider))
    return {gif_id for (gif_id,) in rows}


class SqliteEmbeddingStore:
    """``EmbeddingStore`` in a ``Database``, for vectors (``dimension``,), stored as float16."""

    def __init__(self, database: Database, dimension: int) -> None:
        self._database = database
        self._dimension = dimension

    async def get_many(self, space: str, keys: Sequence[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        """The stored vectors (D,) among ``keys``."""
        found: dict[GifKey, NDArray[np.float32]] = {}
        ids: defaultdict[str, list[str]] = defaultdict(list)
        for key in keys:
            ids[key.provider].append(key.id)
        parts = (
            (provider, all_ids[at : at + CHUNK])
            for provider, all_ids in ids.items()
            for at in range(0, len(all_ids), CHUNK)
        )
        for provider, part in parts:  # for pairs of provider and id, SQLite would scan the whole space
            placeholders = ",".join("?" * len(part))
            query = f"SELECT id, vector FROM embeddings WHERE space=? AND provider=? AND id IN ({placeholders})"  # noqa: S608 - only placeholders
            for gif_id, blob in await self._database.read(query, (space, provider, *part)):
                if (vector := self._vector(blob)) is not None:
                    found[GifKey(provider, gif_id)] = vector
        return found

    async def put_many(self, space: str, vectors: Mapping[GifKey, NDArray[np.float32]]) -> None:
        """Stores vectors (D,); durable when it returns."""
        rows = [(space, *key, vector.astype("<f2").tobytes()) for key, vector in vectors.items()]
        await self._database.write("INSERT OR REPLACE INTO embeddings VALUES (?,?,?,?)", rows)

    async def scan(self, space: str, provider: str) -> AsyncIterator[tuple[list[GifKey], Vectors]]:
        """All vectors of a provider in this space, in chunks of keys and (N, D)."""
        last = ""
        while rows := await self._database.read(
            "SELECT id, vector FROM embeddings WHERE space=? AND provider=? AND id>? ORDER BY id LIMIT ?",
            (space, provider, last, SCAN_CHUNK),
        ):
            last = rows[-1][0]
            vectors = {GifKey(provider, gif_id): self._vector(blob) for gif_id, blob in rows}
            valid = {key: vector for key, vector in vectors.items() if vector is not None}
            if valid:
                yield list(valid), np.stack(list(valid.values()))

    async def count(self, space: str, provider: str) -> int:
        """How many vectors of a provider are stored in this space, including damaged ones."""
        query = "SELECT COUNT(*) FROM embeddings WHERE space=? AND provider=?"
        ((stored,),) = await self._database.read(query, (space, provider))
        return int(stored)

    def _vector(self, blob: object) -> NDArray[np.float32] | None:
        """The stored vector, normalised again, or None if it is damaged."""
        if not isinstance(blob, bytes) or len(blob) != 2 * self._dimension:
            return None
        vector = np.frombuffer(blob, "<f2").astype(np.float32)
        norm = float(np.linalg.norm(vector))
        return vector / norm if np.isfinite(norm) and norm > 0 else None

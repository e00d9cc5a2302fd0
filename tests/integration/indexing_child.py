"""A process that indexes a folder and says at once what it has stored, to be killed by ``test_kill.py``.

Arguments: folder, database, and after how many batches it goes no further but waits for the kill (-1: never). Prints
JSON, one object a line: ``{"embedding": clips}`` before each batch, ``{"stored": ids}`` when these are said to be
durable, and ``{"known": ..., "embedded": ...}`` at the end.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.index.lexical import LexicalIndex
from deepgif.engine.ingest.batcher import MicroBatcher
from deepgif.engine.ingest.catalogue import Indexer
from deepgif.engine.ingest.pipeline import EmbeddingPipeline
from deepgif.engine.media.decoder_pool import AsyncDecoder
from deepgif.engine.options import MediaLimits
from deepgif.engine.protocols import Clip, IndexHits
from deepgif.engine.providers.folder import FolderCatalogue
from deepgif.engine.store.database import Database
from deepgif.engine.store.embeddings import SqliteEmbeddingStore, embedding_space
from deepgif.engine.types import GifKey, Rating
from tests.fakes.encoder import ColourEncoder

BATCH_S = 0.03


def say(**facts: Any) -> None:
    """One line, out of the process before anything else happens, and in one piece: two threads say things."""
    os.write(sys.stdout.fileno(), json.dumps(facts).encode() + b"\n")


class TellingStore(SqliteEmbeddingStore):
    """Says what it has stored as soon as it may."""

    async def put_many(self, space: str, vectors: Mapping[GifKey, NDArray[np.float32]]) -> None:
        await super().put_many(space, vectors)
        say(stored=[key.id for key in vectors])


class Noted(dict[GifKey, NDArray[np.float32]]):
    """An ``Index`` that nobody searches, without torch, whose import would take longer than all else here."""

    def add(self, keys: Sequence[GifKey], vectors: NDArray[np.float32], ratings: Sequence[Rating]) -> None:
        self.update(zip(keys, vectors, strict=True))

    def remove(self, keys: Collection[GifKey]) -> None:
        for key in keys:
            self.pop(key, None)

    def vectors(self, keys: Collection[GifKey]) -> dict[GifKey, NDArray[np.float32]]:
        return {key: self[key] for key in keys if key in self}

    def search(self, queries: NDArray[np.float32], k: int, max_rating: Rating) -> list[IndexHits]:
        raise NotImplementedError


async def main(folder: Path, path: Path, batches: int) -> None:
    """Indexes the folder as the engine does, with a model that takes its time."""
    left = itertools.count(batches, -1)

    def before_batch(count: int) -> None:
        if next(left) == 0:
            threading.Event().wait()
        say(embedding=count)
        time.sleep(BATCH_S)

    encoder, limits = ColourEncoder(before_batch), MediaLimits()

    def embed(clips: list[Clip]) -> list[NDArray[np.float32]]:
        return list(encoder.encode_clips(clips))

    async with (
        Database(path) as database,
        MicroBatcher(embed, name="image", max_cost=8, max_waiting=64, cost=len) as clips,
    ):
        catalogue = FolderCatalogue("folder", folder, database, limits)
        await catalogue.open()
        store, index = TellingStore(database, encoder.dimension), Noted()
        decoder = AsyncDecoder(encoder.sampling, limits, processes=False)
        indexes = index, Noted(), Noted(), LexicalIndex()
        pipeline = EmbeddingPipeline(encoder, embedding_space(encoder), store, *indexes, decoder, clips)
        report = await Indexer(pipeline).run(catalogue)
        decoder.close()
        say(known=report.known, embedded=report.embedded, found=len(index))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))

"""Which index is taken: in memory, in full or compactly, or on servers of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from deepgif.engine.errors import IndexUnavailableError
from deepgif.engine.index.auto import AutoIndex
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.options import IndexKind, QdrantOptions
from deepgif.engine.protocols import Index


@contextmanager
def open_indexes(
    kind: IndexKind, dimension: int, device: str, space: str, qdrant: QdrantOptions | None = None
) -> Iterator[tuple[Index, Index]]:
    """One index for pictures and one for texts of a space; those in memory are empty. ``auto`` compares in full on a
    GPU, which is fast enough for millions. Blocks. Raises ``IndexUnavailableError``."""
    if kind == "compact":
        from deepgif.engine.index.compact import CompactIndex  # faiss is loaded by those who need it

        yield CompactIndex(dimension), CompactIndex(dimension)
    elif kind == "qdrant" and qdrant is not None:
        try:
            from deepgif.engine.index.qdrant import QdrantIndex, open_client
        except ModuleNotFoundError as error:
            raise IndexUnavailableError("Qdrant's client is not installed: pip install 'deepgif[qdrant]'.") from error
        with closing(open_client(qdrant)) as client:
            pictures, texts = (QdrantIndex(client, what, space, dimension, qdrant) for what in ("pictures", "texts"))
            yield pictures, texts
    elif kind == "auto" and device == "cpu":
        yield AutoIndex(dimension), AutoIndex(dimension)
    else:
        yield ExactIndex(dimension, device), ExactIndex(dimension, device)

"""Opens the index that the options choose: exact or compact in memory, or Qdrant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.errors import IndexUnavailableError
from deepgif.engine.index.auto import AutoIndex
from deepgif.engine.index.corrected import EXTRA, CorrectedIndex
from deepgif.engine.index.exact import ExactIndex
from deepgif.engine.options import IndexKind, QdrantOptions
from deepgif.engine.protocols import Index, Vectors

Correction = Callable[[Vectors], NDArray[np.float32]]


@contextmanager
def open_indexes(
    kind: IndexKind,
    dimension: int,
    device: str,
    space: str,
    qdrant: QdrantOptions | None = None,
    correction: Correction | None = None,
) -> Iterator[tuple[Index, Index, Index]]:
    """The indexes of frames, texts and captions for a space; those in memory are empty. ``correction`` is subtracted
    from the similarities of frames (``CorrectedIndex``). ``auto`` is exact on a GPU, which is fast enough for millions.
    Blocks. Raises ``IndexUnavailableError``."""
    with _factory(kind, device, space, qdrant) as make:
        if correction is None:
            pictures = make("pictures", dimension)
        else:
            pictures = CorrectedIndex(make("frames", dimension + EXTRA), correction)
        yield pictures, make("texts", dimension), make("captions", dimension)


@contextmanager
def _factory(
    kind: IndexKind, device: str, space: str, qdrant: QdrantOptions | None
) -> Iterator[Callable[[str, int], Index]]:
    """Makes an index, given its name and dimension."""
    if kind == "compact":
        from deepgif.engine.index.compact import CompactIndex  # loads faiss only if it is used

        yield lambda name, dimension: CompactIndex(dimension)
    elif kind == "qdrant" and qdrant is not None:
        try:
            from deepgif.engine.index.qdrant import QdrantIndex, open_client
        except ModuleNotFoundError as error:
            raise IndexUnavailableError("Qdrant's client is not installed: pip install 'deepgif[qdrant]'.") from error
        with closing(open_client(qdrant)) as client:
            yield lambda name, dimension: QdrantIndex(client, name, space, dimension, qdrant)
    elif kind == "auto" and device == "cpu":
        yield lambda name, dimension: AutoIndex(dimension)
    else:
        yield lambda name, dimension: ExactIndex(dimension, device)

"""Real image vectors to search, and real query vectors, from the shipped model.

The photographs of Flickr8k and the shipped GIFs give 7,360 vectors. More are interpolated: a real vector plus up to
``FURTHEST`` times the difference of two others, which keeps the directions and the density of real vectors, unlike
random ones. Queries are the descriptions of the shipped GIFs and captions of held-out photographs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import CATALOGUE, queries
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.training.data.clips import read_clip
from deepgif.training.data.datasets import read_captions

FURTHEST = 0.7
CHUNK = 10_000
FRAMES = 64
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Real:
    """Unit vectors (R, D) of images and (Q, D) of queries."""

    pictures: Vectors
    queries: Vectors


def real_vectors(data: Path, kept: Path) -> Real:
    """Embeds everything once, and caches it in the file ``kept``. Raises ``DatasetError`` if ``data`` lacks
    ``flickr8k``."""
    if kept.exists():
        with np.load(kept) as file:
            return Real(file["pictures"], file["queries"])
    encoder = load_bundle(bundle_folder("small"))
    train, dev = (read_captions(data / "flickr8k" / f"{split}.txt") for split in ("train", "dev"))
    paths = [clip.path for clip in (*train.clips, *dev.clips)]
    paths += sorted((CATALOGUE / "gifs").iterdir())
    parts = [
        encoder.encode_clips([read_clip(path, encoder.sampling) for path in paths[start : start + FRAMES]])
        for start in range(0, len(paths), FRAMES)
    ]
    query_vectors = encoder.encode_texts([*queries(), *dev.captions])
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, pictures=np.concatenate(parts), queries=query_vectors)
    return Real(np.concatenate(parts), query_vectors)


def filled(real: Vectors, size: int, seed: int = 0) -> Iterator[Vectors]:
    """``size`` vectors, first the real ones, then interpolated ones, in chunks (at most ``CHUNK``, D)."""
    rng = np.random.default_rng(seed)
    yield real[:size]
    for start in range(len(real), size, CHUNK):
        count = min(CHUNK, size - start)
        one, other, third = rng.integers(0, len(real), (3, count))
        step = rng.uniform(0, FURTHEST, (count, 1)).astype(np.float32)
        moved = real[one] + step * (real[other] - real[third])
        yield moved / np.linalg.norm(moved, axis=1, keepdims=True)

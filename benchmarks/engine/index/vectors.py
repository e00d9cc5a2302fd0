"""Real vectors to search among, and real words to search with, by the shipped model.

The photographs of Flickr8k and the shipped GIFs are 7,360; more are filled in between them: a real vector, moved along
the difference of two others by up to ``FURTHEST`` of it. So what is filled in has the directions and the crowded places
of real vectors, which random ones have not. The words are the descriptions of the shipped GIFs and sentences of people
about photographs that the model was not taught with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import CATALOGUE, queries
from deepgif.models.bundles.load import bundle_folder, load_bundle
from deepgif.training.data.datasets import read_clip
from deepgif.training.small.corpus import read_captions

FURTHEST = 0.7
CHUNK = 10_000
FRAMES = 64
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Real:
    """Unit vectors (R, D) of pictures and (Q, D) of words."""

    pictures: Vectors
    words: Vectors


def real_vectors(data: Path, kept: Path) -> Real:
    """Embeds everything once, and keeps it in the file ``kept``. Raises ``FileNotFoundError`` where ``data`` lacks
    ``flickr8k``."""
    if kept.exists():
        with np.load(kept) as file:
            return Real(file["pictures"], file["words"])
    encoder = load_bundle(bundle_folder("small"))
    dev = read_captions(data, "dev")
    paths = [data / "flickr8k" / "images" / name for name in [*read_captions(data, "train"), *dev]]
    paths += sorted((CATALOGUE / "gifs").iterdir())
    parts = [
        encoder.encode_clips([read_clip(path, encoder.sampling) for path in paths[start : start + FRAMES]])
        for start in range(0, len(paths), FRAMES)
    ]
    words = encoder.encode_texts([*queries(), *(sentence for sentences in dev.values() for sentence in sentences)])
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.savez(kept, pictures=np.concatenate(parts), words=words)
    return Real(np.concatenate(parts), words)


def filled(real: Vectors, size: int, seed: int = 0) -> Iterator[Vectors]:
    """The real vectors and as many between them as make ``size``, in chunks (at most ``CHUNK``, D)."""
    rng = np.random.default_rng(seed)
    yield real[:size]
    for start in range(len(real), size, CHUNK):
        count = min(CHUNK, size - start)
        one, other, third = rng.integers(0, len(real), (3, count))
        step = rng.uniform(0, FURTHEST, (count, 1)).astype(np.float32)
        moved = real[one] + step * (real[other] - real[third])
        yield moved / np.linalg.norm(moved, axis=1, keepdims=True)

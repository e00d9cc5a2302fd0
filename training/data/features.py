"""A resumable cache of what a network computes for each item of a dataset: one array on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from deepgif.training.progress import Report

T = TypeVar("T")


def extract(
    items: Sequence[T],
    compute: Callable[[Sequence[T]], NDArray[Any]],
    shape: tuple[int, ...],
    path: Path,
    report: Report = lambda done, total: None,
    batch: int = 32,
    dtype: type[np.floating[Any]] = np.float32,
) -> NDArray[Any]:
    """(N, *shape) of ``dtype``: the rows that ``compute`` returns for each batch of ``items``, mapped from ``path``
    (.npy). A file beside it counts the finished rows, so an interrupted run continues after its last batch. Raises
    ``ValueError`` if ``path`` has rows of another shape or number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = path.with_suffix(".done")
    done = int(mark.read_text()) if mark.exists() else 0
    rows: NDArray[Any] = np.lib.format.open_memmap(
        path, mode="r+" if done else "w+", dtype=dtype, shape=None if done else (len(items), *shape)
    )
    if rows.shape != (len(items), *shape):
        raise ValueError(f"{path} belongs to another dataset: remove it.")
    for start in range(done, len(items), batch):
        part = items[start : start + batch]
        rows[start : start + len(part)] = compute(part)
        rows.flush()  # type: ignore[attr-defined]  # a memmap
        mark.write_text(str(start + len(part)))
        report(start + len(part), len(items))
    return rows


def texts_path(folder: Path, texts: Sequence[str]) -> Path:
    """Where the features of exactly these texts are cached in ``folder``."""
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    return folder / f"texts-{digest[:16]}.npy"

"""Features of a data set, computed once: a row a clip or a sentence, in arrays on disk; a stopped run goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Report = Callable[[int, int], None]


def extract(
    items: Sequence[T],
    compute: Callable[[Sequence[T]], NDArray[np.float32]],
    dimension: int,
    path: Path,
    report: Report = lambda done, total: None,
    batch: int = 32,
) -> NDArray[np.float32]:
    """(N, ``dimension``), row by row what ``compute`` makes of ``items``. ``path`` (.npy) holds the rows, and a file
    beside it how many are there; each batch is counted once it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mark = path.with_suffix(".done")
    shape = (len(items), dimension)
    done = int(mark.read_text()) if mark.exists() else 0
    rows: NDArray[np.float32] = np.lib.format.open_memmap(
        path, mode="r+" if done else "w+", dtype=np.float32, shape=None if done else shape
    )
    if rows.shape != shape:
        raise ValueError(f"{path} is of another data set: remove it.")
    for start in range(done, len(items), batch):
        part = items[start : start + batch]
        rows[start : start + len(part)] = compute(part)
        rows.flush()  # type: ignore[attr-defined]  # a memmap
        mark.write_text(str(start + len(part)))
        report(start + len(part), len(items))
    return rows

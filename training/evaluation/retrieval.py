"""Retrieval in both directions: recall at k and median rank, as the literature reports them
(Hodosh et al. 2013; Karpathy & Fei-Fei 2015)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Recall:
    """Percentages of queries with the right answer in the first 1, 5 and 10 results, and its median rank (1 is
    best)."""

    r1: float
    r5: float
    r10: float
    median_rank: float

    @property
    def total(self) -> float:
        """The sum of the percentages, by which the best of several models is chosen."""
        return self.r1 + self.r5 + self.r10


def text_to_clip(texts: NDArray[np.float32], clips: NDArray[np.float32], clip_of_text: Sequence[int]) -> Recall:
    """Every text (N, D) is a query for its clip among (M, D). Ties count against the right one."""
    right = np.asarray(clip_of_text)
    scores = texts @ clips.T  # (N, M)
    own = scores[np.arange(len(texts)), right]
    return _recall((scores >= own[:, None]).sum(axis=1))


def clip_to_text(texts: NDArray[np.float32], clips: NDArray[np.float32], clip_of_text: Sequence[int]) -> Recall:
    """Every clip (M, D) is a query for any of its texts (N, D): the rank of the best one counts."""
    right = np.asarray(clip_of_text)
    scores = clips @ texts.T  # (M, N)
    own = np.where(right[None, :] == np.arange(len(clips))[:, None], scores, -np.inf).max(axis=1)
    others = right[None, :] != np.arange(len(clips))[:, None]
    return _recall(((scores >= own[:, None]) & others).sum(axis=1) + 1)


def _recall(ranks: NDArray[np.int64]) -> Recall:
    r1, r5, r10 = (float((ranks <= k).mean() * 100) for k in KS)
    return Recall(r1, r5, r10, float(np.median(ranks)))

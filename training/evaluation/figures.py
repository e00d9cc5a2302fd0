"""The metrics of a trained model, all on held-out data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from torch.nn import functional as F

from deepgif.models.bundles.encoder import TwoTowerEncoder
from deepgif.training.data.datasets import read_captions
from deepgif.training.evaluation.evaluate import evaluate
from deepgif.training.evaluation.retrieval import Recall, text_to_clip
from deepgif.training.small.clips import Clip

PAIRS = 100_000  # random pairs of held-out texts
CATALOGUE = Path(__file__).parents[2] / "engine" / "catalogue" / "descriptions.csv"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Recall as (sentence to clip, clip to sentence); ``teacher`` is sentence to clip with the teacher's sentence
    vectors and the same frames; ``spearman`` is in percent."""

    photographs: tuple[Recall, Recall]
    teacher: Recall
    spearman: float
    catalogue: tuple[Recall, Recall]

    @property
    def kept(self) -> float:
        """The share of the teacher's R@10 that the GRU reaches, in percent."""
        return 100 * self.photographs[0].r10 / self.teacher.r10


def measure(
    encoder: TwoTowerEncoder,
    data: Path,
    unseen: Sequence[str],
    teach: Callable[[Sequence[str]], NDArray[np.float16]],
    teacher_maps: tuple[torch.nn.Linear, torch.nn.Linear],
    photographs: Sequence[Clip],
    features: torch.Tensor,
    console: Console,
) -> Metrics:
    """``features`` (M, 1280) belong to the dev ``photographs`` in order; ``teach`` returns the teacher's vectors (N,
    384) of texts, and ``teacher_maps`` are the projections fitted to them."""
    dev = read_captions(data / "flickr8k" / "dev.txt")
    frame_map, sentence_map = teacher_maps
    with torch.inference_mode():
        clips = F.normalize(frame_map(F.normalize(features, dim=1)), dim=1).numpy()
        sentences = [text for clip in photographs for text in clip.texts]
        owners = [index for index, clip in enumerate(photographs) for _ in clip.texts]
        vectors = torch.from_numpy(teach(sentences).astype(np.float32))
        texts = F.normalize(sentence_map(F.normalize(vectors, dim=1)), dim=1).numpy()
    return Metrics(
        photographs=evaluate(encoder, dev, console),
        teacher=text_to_clip(texts, clips, owners),
        spearman=agreement(encoder, unseen, teach(unseen)),
        catalogue=evaluate(encoder, read_captions(CATALOGUE), console),
    )


def agreement(encoder: TwoTowerEncoder, texts: Sequence[str], targets: NDArray[np.float16]) -> float:
    """Spearman's rank correlation, in percent, between the encoder's and the teacher's cosines of random pairs."""
    own = np.concatenate([encoder.text_features(texts[i : i + 512]) for i in range(0, len(texts), 512)])
    rng = np.random.default_rng(0)
    left, right = rng.integers(len(texts), size=(2, PAIRS))
    left, right = left[left != right], right[left != right]
    target = targets.astype(np.float32)
    return 100 * spearman((own[left] * own[right]).sum(axis=1), (target[left] * target[right]).sum(axis=1))


def spearman(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Pearson's correlation of the ranks (Spearman 1904); ties share the mean of their ranks."""
    return float(np.asarray(np.corrcoef(_ranks(a), _ranks(b)))[0, 1])


def _ranks(values: NDArray[np.float32]) -> NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[places]
    return ranks

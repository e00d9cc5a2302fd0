"""Stages 2 and 4: the two linear maps, alone, on features and sentence vectors that stand still. A good start for
stage 3, and after it a better end: with dropout (Srivastava et al. 2014) the maps do not learn the few photographs by
heart, which they do within a hundred steps without it. Also the yardstick: the same fit with the teacher's sentence
vectors says what the teacher reaches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.networks.joint import JOINT_DIMENSION
from deepgif.training.losses import info_nce


@dataclass(frozen=True, slots=True)
class MapOptions:
    """Hyperparameters of the fit."""

    steps: int = 1200
    batch: int = 768
    feature_dropout: float = 0.5
    sentence_dropout: float = 0.2
    learning_rate: float = 1e-3
    temperature: float = 0.05
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Pairs:
    """Features (R, 1280) of frames, sentence vectors (N, 384), and each clip's rows in both.
    ``clip_frames`` (C, V) are alternatives: one is drawn for an example."""

    features: Tensor
    sentences: Tensor
    clip_frames: Tensor
    clip_sentences: tuple[tuple[int, ...], ...]


def fit_maps(pairs: Pairs, options: MapOptions) -> tuple[nn.Linear, nn.Linear]:
    """Frame map (1280 to 1024) and sentence map (384 to 1024) that minimise InfoNCE."""
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        return _fit(pairs, options)


def _fit(pairs: Pairs, options: MapOptions) -> tuple[nn.Linear, nn.Linear]:
    generator = torch.Generator().manual_seed(options.seed)
    frame_map = nn.Linear(pairs.features.shape[1], JOINT_DIMENSION)
    sentence_map = nn.Linear(pairs.sentences.shape[1], JOINT_DIMENSION)
    parameters = [*frame_map.parameters(), *sentence_map.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    features, sentences = F.normalize(pairs.features, dim=1), F.normalize(pairs.sentences, dim=1)
    apart = torch.zeros(options.batch, options.batch, dtype=torch.bool)  # a clip is drawn at most once a batch
    for _ in range(options.steps):
        clips = torch.randperm(len(pairs.clip_frames), generator=generator)[: options.batch]
        view = torch.randint(pairs.clip_frames.shape[1], (len(clips),), generator=generator)
        frame_rows = pairs.clip_frames[clips, view]
        draws = torch.randint(1 << 30, (len(clips),), generator=generator).tolist()
        own = [pairs.clip_sentences[clip] for clip in clips.tolist()]
        sentence_rows = torch.tensor([rows[draw % len(rows)] for rows, draw in zip(own, draws, strict=True)])
        loss = info_nce(
            F.normalize(frame_map(F.dropout(features[frame_rows], options.feature_dropout)), dim=1),
            F.normalize(sentence_map(F.dropout(sentences[sentence_rows], options.sentence_dropout)), dim=1),
            apart[: len(clips), : len(clips)],
            options.temperature,
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return frame_map, sentence_map

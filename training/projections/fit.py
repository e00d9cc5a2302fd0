"""Trains the two projection heads on precomputed features, with any of the ranking losses.

Shapes: M clips, N sentences, A and B their features, D = 1024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgif.models.networks.projection import ProjectionHeads, identity_projections
from deepgif.training.evaluation.retrieval import Recall, text_to_clip
from deepgif.training.losses import CONTRASTIVE, IN_BATCH, Loss, contrastive
from deepgif.training.progress import LossReport

PAIRS = 5_000_000
POOL = 512  # clips and sentences that the contrastive examples of one step are drawn from


@dataclass(frozen=True, slots=True)
class Split:
    """Clips (M, A), sentences (N, B), and the row of each sentence's clip (N,)."""

    clips: Tensor
    sentences: Tensor
    clip_of: Tensor


@dataclass(frozen=True, slots=True)
class ProjectionOptions:
    """Training uses ``pairs`` pairs in all; the learning rate falls to a tenth halfway (VSE++, section 4.2). The heads
    are evaluated ``evaluations`` times, and the best are returned. ``adapt`` starts from the identity, for features
    that share a space already; the identity is returned if nothing better is found."""

    loss: Loss = Loss.INFO_NCE
    pairs: int = PAIRS
    batch: int = 128
    learning_rate: float = 2e-4
    dropout: float = 0.2
    clip_norm: float = 2.0
    evaluations: int = 20
    seed: int = 0
    adapt: bool = False


def fit(
    train: Split, dev: Split, options: ProjectionOptions, report: LossReport = lambda done, total, loss: None
) -> tuple[ProjectionHeads, Recall]:
    """The heads with the best recall on ``dev``, and that recall. ``report`` counts pairs."""
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        return _fit(train, dev, options, report)


def evaluate(maps: ProjectionHeads, split: Split) -> Recall:
    """The recall of clips, with every sentence as a query."""
    maps.eval()
    with torch.inference_mode():
        texts, clips = maps.texts(split.sentences), maps.clips(split.clips)
    return text_to_clip(_numpy(texts), _numpy(clips), split.clip_of.tolist())


def _fit(train: Split, dev: Split, options: ProjectionOptions, report: LossReport) -> tuple[ProjectionHeads, Recall]:
    width = train.sentences.shape[1]
    maps = identity_projections(width) if options.adapt else ProjectionHeads(train.clips.shape[1], width)
    optimizer = torch.optim.Adam(maps.parameters(), options.learning_rate)
    steps = math.ceil(options.pairs / options.batch)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [steps // 2])
    best = _snapshot(maps, dev) if options.adapt else None
    order = torch.empty(0, dtype=torch.long)
    for step in range(1, steps + 1):
        if len(order) < options.batch:
            order = torch.cat([order, torch.randperm(len(train.sentences))])
        rows, order = order[: options.batch], order[options.batch :]
        maps.train()
        loss = _loss(maps, train, rows, options)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(maps.parameters(), options.clip_norm)
        optimizer.step()
        schedule.step()
        if step % max(1, steps // options.evaluations) == 0 or step == steps:
            now = _snapshot(maps, dev)
            if best is None or now[1].total > best[1].total:
                best = now
            report(step * options.batch, steps * options.batch, loss.item())
    assert best is not None  # noqa: S101 - the last step is evaluated
    maps.load_state_dict(best[0])
    return maps.eval(), best[1]


def _snapshot(maps: ProjectionHeads, dev: Split) -> tuple[dict[str, Tensor], Recall]:
    """The current weights and their recall."""
    return {name: value.clone() for name, value in maps.state_dict().items()}, evaluate(maps, dev)


def _loss(maps: ProjectionHeads, train: Split, rows: Tensor, options: ProjectionOptions) -> Tensor:
    def drop(features: Tensor) -> Tensor:
        return torch.nn.functional.dropout(features, options.dropout)

    of = train.clip_of[rows]
    clips, texts = maps.clips(drop(train.clips[of])), maps.texts(drop(train.sentences[rows]))
    if options.loss is not Loss.CONTRASTIVE:
        return IN_BATCH[options.loss](clips, texts, of[:, None] == of[None, :])
    # Each pair draws its own examples from a pool that is sampled from the whole training set and projected once.
    pool_rows, pool_clips = torch.randint(len(train.sentences), (POOL,)), torch.randint(len(train.clips), (POOL,))
    pool_texts, pool_images = maps.texts(drop(train.sentences[pool_rows])), maps.clips(drop(train.clips[pool_clips]))
    texts_drawn, clips_drawn = (torch.randint(POOL, (len(rows), CONTRASTIVE)) for _ in range(2))
    right_texts = train.clip_of[pool_rows][texts_drawn] == of[:, None]
    right_clips = pool_clips[clips_drawn] == of[:, None]
    return contrastive(clips, texts, pool_texts[texts_drawn], pool_images[clips_drawn], right_texts, right_clips)


def _numpy(vectors: Tensor) -> NDArray[np.float32]:
    return vectors.float().cpu().numpy()

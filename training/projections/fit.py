"""Teaches the two linear maps with any of the ranking losses, on features that stand still.

Shapes: M clips, N sentences, A and B their features, D = 1024.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgif.models.networks.projection import ProjectionHeads, identity_projections
from deepgif.training.evaluation.retrieval import Recall, text_to_clip
from deepgif.training.losses import CONTRASTIVE, IN_BATCH, Loss, contrastive

PAIRS = 5_000_000
POOL = 512  # clips and sentences that contrastive examples are drawn from, a step


@dataclass(frozen=True, slots=True)
class Part:
    """Clips (M, A), sentences (N, B), and for each sentence the row of its clip (N,)."""

    clips: Tensor
    sentences: Tensor
    clip_of: Tensor


@dataclass(frozen=True, slots=True)
class ProjectionOptions:
    """``pairs`` is how many pairs are seen in all; the rate falls to a tenth half way (VSE++, section 4.2). Looked at
    ``looks`` times on the way, the maps that did best are kept. ``adapt`` begins with maps that change nothing, for
    features that share a space already, and keeps them where none did better."""

    loss: Loss = Loss.INFO_NCE
    pairs: int = PAIRS
    batch: int = 128
    learning_rate: float = 2e-4
    dropout: float = 0.2
    clip_norm: float = 2.0
    looks: int = 20
    seed: int = 0
    adapt: bool = False


Report = Callable[[int, int, float], None]  # pairs seen, pairs in all, loss


def teach(
    train: Part, dev: Part, options: ProjectionOptions, report: Report = lambda done, total, loss: None
) -> tuple[ProjectionHeads, Recall]:
    """The maps that found most on ``dev``, and what they found."""
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        return _teach(train, dev, options, report)


def judge(maps: ProjectionHeads, part: Part) -> Recall:
    """Every sentence a query for its clip."""
    maps.eval()
    with torch.inference_mode():
        texts, clips = maps.texts(part.sentences), maps.clips(part.clips)
    return text_to_clip(_numpy(texts), _numpy(clips), part.clip_of.tolist())


def _teach(train: Part, dev: Part, options: ProjectionOptions, report: Report) -> tuple[ProjectionHeads, Recall]:
    width = train.sentences.shape[1]
    maps = identity_projections(width) if options.adapt else ProjectionHeads(train.clips.shape[1], width)
    optimizer = torch.optim.Adam(maps.parameters(), options.learning_rate)
    steps = math.ceil(options.pairs / options.batch)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [steps // 2])
    best = _look(maps, dev) if options.adapt else None
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
        if step % max(1, steps // options.looks) == 0 or step == steps:
            now = _look(maps, dev)
            if best is None or now[1].total > best[1].total:
                best = now
            report(step * options.batch, steps * options.batch, loss.item())
    assert best is not None  # noqa: S101 - the last step is looked at
    maps.load_state_dict(best[0])
    return maps.eval(), best[1]


def _look(maps: ProjectionHeads, dev: Part) -> tuple[dict[str, Tensor], Recall]:
    """The maps as they are, and what they find."""
    return {name: value.clone() for name, value in maps.state_dict().items()}, judge(maps, dev)


def _loss(maps: ProjectionHeads, train: Part, rows: Tensor, options: ProjectionOptions) -> Tensor:
    def drop(features: Tensor) -> Tensor:
        return torch.nn.functional.dropout(features, options.dropout)

    of = train.clip_of[rows]
    clips, texts = maps.clips(drop(train.clips[of])), maps.texts(drop(train.sentences[rows]))
    if options.loss is not Loss.CONTRASTIVE:
        return IN_BATCH[options.loss](clips, texts, of[:, None] == of[None, :])
    # Each pair draws its own examples, from a pool that is drawn from the whole training set and mapped once.
    pool_rows, pool_clips = torch.randint(len(train.sentences), (POOL,)), torch.randint(len(train.clips), (POOL,))
    pool_texts, pool_pixels = maps.texts(drop(train.sentences[pool_rows])), maps.clips(drop(train.clips[pool_clips]))
    texts_drawn, clips_drawn = (torch.randint(POOL, (len(rows), CONTRASTIVE)) for _ in range(2))
    right_texts = train.clip_of[pool_rows][texts_drawn] == of[:, None]
    right_clips = pool_clips[clips_drawn] == of[:, None]
    return contrastive(clips, texts, pool_texts[texts_drawn], pool_pixels[clips_drawn], right_texts, right_clips)


def _numpy(vectors: Tensor) -> NDArray[np.float32]:
    return vectors.float().cpu().numpy()

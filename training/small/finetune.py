"""Stage 3: trains the last ten blocks of the CNN, the GRU and the two projections together.

Each step draws clips from every set, a fixed share of each, and one text of each clip; the loss is InfoNCE over all
of them, plus the distillation loss of stage 1 on other texts, so that the GRU remains a sentence encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from deepgif.models.networks.joint import JointModel
from deepgif.models.networks.sentence import pad, to_pieces
from deepgif.training.losses import info_nce
from deepgif.training.small.checkpoint import Checkpoint
from deepgif.training.small.clips import Clip, ClipSet
from deepgif.training.small.distil import Report, distillation_loss


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """``shares`` is the number of clips of each set in a batch; rates are for Adam, with cosine decay."""

    steps: int = 450
    shares: tuple[int, ...] = (160, 64, 16)
    texts: int = 256  # of the corpus, a step
    cnn_rate: float = 1e-4
    gru_rate: float = 2e-4
    map_rate: float = 3e-4
    temperature: float = 0.05
    relational: float = 20.0
    distillation: float = 2.0
    warmup_steps: int = 30
    seed: int = 0
    save_every: int = 50  # steps


def finetune(
    model: JointModel,
    sets: Sequence[ClipSet],
    tokenizer: Tokenizer,
    texts: Sequence[str],
    targets: NDArray[np.float16],
    options: FinetuneOptions,
    checkpoint: Checkpoint,
    report: Report,
) -> None:
    """Trains ``model`` in place on ``sets``, and on the unit vectors ``targets`` (N, 384) of ``texts``."""
    optimizer = torch.optim.Adam(_groups(model, options))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, options))
    done = 0
    if state := checkpoint.load():
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        done = state["step"]
    for step in range(done, options.steps):
        rng = np.random.default_rng([options.seed, step])
        loss = _clip_loss(model, sets, tokenizer, options, rng)
        rows = rng.choice(len(texts), options.texts, replace=False)
        pieces = pad(to_pieces(tokenizer, [texts[row] for row in rows]))
        wanted = torch.from_numpy(targets[rows].astype(np.float32))
        loss = loss + options.distillation * distillation_loss(model.sentences(*pieces), wanted, options.relational)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()
        schedule.step()
        report(step + 1, options.steps, loss.item())
        if (step + 1) % options.save_every == 0 or step + 1 == options.steps:
            checkpoint.save(
                model=model.state_dict(),
                optimizer=optimizer.state_dict(),
                schedule=schedule.state_dict(),
                step=step + 1,
            )


def _clip_loss(
    model: JointModel,
    sets: Sequence[ClipSet],
    tokenizer: Tokenizer,
    options: FinetuneOptions,
    rng: np.random.Generator,
) -> Tensor:
    drawn: list[Clip] = []
    maps: list[NDArray[np.float16]] = []
    texts: list[str] = []
    for clip_set, share in zip(sets, options.shares, strict=True):
        for index in rng.choice(len(clip_set.clips), share, replace=False):
            clip = clip_set.clips[index]
            rows = np.sort(rng.choice(clip.rows, clip.pick, replace=False))
            maps.append(clip_set.maps[rows])
            texts.append(clip.texts[rng.integers(len(clip.texts))])
            drawn.append(clip)
    frames = torch.from_numpy(np.concatenate(maps)).float().contiguous(memory_format=torch.channels_last)
    features = model.frames.pool(model.frames.tail(frames))
    clips = model.map_features(features, torch.tensor([clip.pick for clip in drawn]))
    same = torch.tensor([[text in set_of_clip for text in texts] for set_of_clip in (set(c.texts) for c in drawn)])
    return info_nce(clips, model.embed_texts(*pad(to_pieces(tokenizer, texts))), same, options.temperature)


def _groups(model: JointModel, options: FinetuneOptions) -> list[dict[str, object]]:
    maps: list[nn.Module] = [model.frame_map, model.sentence_map]
    return [
        {"params": list(model.frames.tail_parameters()), "lr": options.cnn_rate},
        {"params": list(model.sentences.parameters()), "lr": options.gru_rate},
        {"params": [parameter for one in maps for parameter in one.parameters()], "lr": options.map_rate},
    ]


def _rate(step: int, options: FinetuneOptions) -> float:
    return min((step + 1) / options.warmup_steps, 1.0) * 0.5 * (1 + float(np.cos(np.pi * step / options.steps)))

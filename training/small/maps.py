"""Stages 2 and 4: the two linear maps, alone, on features and sentence vectors that stand still. A good start for
stage 3, and after it a better end: with dropout (Srivastava et al. 2014) the maps do not learn the few photographs by
heart, which they do within a hundred steps without it. They start from canonical correlation (Hotelling 1936), which
has most of the way behind it, and learn in as many dimensions as the sentence vectors have: more would add nothing to
what two linear maps can say, and cost time. At the end both are turned into the joint space alike. Also the yardstick:
the same fit with the teacher's sentence vectors says what the teacher reaches."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from deepgif.models.networks.joint import JOINT_DIMENSION, info_nce

FRAME_RIDGE, SENTENCE_RIDGE = 1.0, 0.1  # shares of the mean variance


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How the maps are fitted."""

    steps: int = 300
    batch: int = 512
    feature_dropout: float = 0.4
    sentence_dropout: float = 0.2
    learning_rate: float = 1e-3
    temperature: float = 0.05
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Pairs:
    """Features (R, 1280) of frames, sentence vectors (N, 384), and for each clip the rows of both that are its own.
    ``clip_frames`` (C, V) are alternatives: one is drawn for an example. ``sizes`` are how many clips each
    set has, one after the other (one set where it is empty): the maps start from the first, and a batch is of one set,
    since clips of different sets are too easy to tell apart."""

    features: Tensor
    sentences: Tensor
    clip_frames: Tensor
    clip_sentences: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...] = ()


def fit_maps(pairs: Pairs, options: MapOptions) -> tuple[nn.Linear, nn.Linear]:
    """Frame map (1280 to 1024) and sentence map (384 to 1024) that minimise InfoNCE."""
    with torch.random.fork_rng():
        torch.manual_seed(options.seed)
        return _fit(pairs, options)


def _fit(pairs: Pairs, options: MapOptions) -> tuple[nn.Linear, nn.Linear]:
    generator = torch.Generator().manual_seed(options.seed)
    features, sentences = F.normalize(pairs.features, dim=1), F.normalize(pairs.sentences, dim=1)
    frame_map, sentence_map = canonical_maps(features, sentences, pairs)
    parameters = [*frame_map.parameters(), *sentence_map.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=options.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.steps)
    apart = torch.zeros(options.batch, options.batch, dtype=torch.bool)  # a clip is drawn at most once a batch
    sizes = torch.tensor(pairs.sizes or [len(pairs.clip_frames)], dtype=torch.float)
    for _ in range(options.steps):
        chosen = int(torch.multinomial(sizes, 1, generator=generator))
        clips = torch.randperm(int(sizes[chosen]), generator=generator)[: options.batch] + int(sizes[:chosen].sum())
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
    turn = torch.linalg.qr(torch.randn(JOINT_DIMENSION, frame_map.out_features))[0]  # (D, R), orthonormal columns
    return turned(frame_map, turn), turned(sentence_map, turn)


def turned(linear: nn.Linear, turn: Tensor) -> nn.Linear:
    """The map and then ``turn`` (D, R), which leaves inner products as they are."""
    into = nn.Linear(linear.in_features, len(turn))
    with torch.no_grad():
        into.weight.copy_(turn @ linear.weight)
        into.bias.copy_(turn @ linear.bias)
    return into


def canonical_maps(features: Tensor, sentences: Tensor, pairs: Pairs) -> tuple[nn.Linear, nn.Linear]:
    """Maps to the directions in which frames and sentences of the same clips go together most, each as long as they do
    (canonical correlation with ridges): R of them, as many as the shorter features have."""
    first = pairs.sizes[0] if pairs.sizes else len(pairs.clip_frames)
    clip_sentences = pairs.clip_sentences[:first]
    frames = torch.stack([features[rows].mean(dim=0) for rows in pairs.clip_frames[:first]])
    texts = torch.stack([sentences[list(rows)].mean(dim=0) for rows in clip_sentences])
    own = sentences[[row for rows in clip_sentences for row in rows]]
    frame_mean, text_mean = frames.mean(dim=0), texts.mean(dim=0)
    frames, texts, own = frames - frame_mean, texts - text_mean, own - text_mean
    white_frames = _whitening(frames.T @ frames / len(frames), FRAME_RIDGE)
    white_texts = _whitening(own.T @ own / len(own), SENTENCE_RIDGE)
    left, strength, right = torch.linalg.svd(
        white_frames @ (frames.T @ texts / len(frames)) @ white_texts.T, full_matrices=False
    )
    ends = (
        (white_frames.T @ left * strength, frame_mean, frames),
        (white_texts.T @ right.T * strength, text_mean, texts),
    )
    maps = []
    for weight, mean, centred in ends:
        linear = nn.Linear(*weight.shape)
        scale = (centred @ weight).norm(dim=1).mean()
        with torch.no_grad():
            linear.weight.copy_((weight / scale).T)
            linear.bias.copy_(-linear.weight @ mean)
        maps.append(linear)
    return maps[0], maps[1]


def _whitening(covariance: Tensor, ridge: float) -> Tensor:
    """(N, N) to the lower triangular W whose W C W^T is the identity, for C with ``ridge`` times its mean variance
    added to the diagonal."""
    size = len(covariance)
    covariance = covariance + ridge * covariance.trace() / size * torch.eye(size)
    whitening: Tensor = torch.linalg.inv(torch.linalg.cholesky(covariance))
    return whitening

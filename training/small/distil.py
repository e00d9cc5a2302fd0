"""Stage 1: distils the GRU from the teacher's sentence vectors.

The loss is the cosine distance to the teacher's vector plus the squared error of the batch's similarities (Park et
al. 2019, "Relational Knowledge Distillation": what matters is how texts lie to each other). Some merges of the
subwords are undone at random, so that a word is known by its parts too. The embeddings start as the teacher's vectors
of the pieces, reduced by PCA.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from deepgif.models.networks.sentence import MAX_PIECES, WORD_START, SentenceConfig, SentenceEncoder, pad, to_pieces
from deepgif.training.small.checkpoint import Checkpoint
from deepgif.training.small.vocabulary import MergeUndoing


@dataclass(frozen=True, slots=True)
class DistilOptions:
    """How long and how fast. ``relational`` weighs the similarities' error against the cosine distance."""

    epochs: int = 3
    batch: int = 512
    learning_rate: float = 2e-3
    relational: float = 20.0
    undone: float = 0.04  # share of BPE merges
    warmup_steps: int = 200
    seed: int = 0
    save_every: int = 200  # batches


Report = Callable[[int, int, float], None]  # step, steps, loss


def distil(
    texts: Sequence[str],
    targets: NDArray[np.float16],
    tokenizer: Tokenizer,
    encoder: SentenceEncoder,
    options: DistilOptions,
    checkpoint: Checkpoint,
    report: Report,
) -> None:
    """Trains ``encoder`` in place to give ``texts`` the unit vectors ``targets`` (N, 384). Continues from
    ``checkpoint`` if there is one."""
    optimizer = torch.optim.Adam(encoder.parameters(), lr=options.learning_rate)
    first_epoch = first_batch = 0
    if state := checkpoint.load():
        encoder.load_state_dict(state["encoder"])
        optimizer.load_state_dict(state["optimizer"])
        first_epoch, first_batch = state["epoch"], state["batch"]
    encoder.train()
    for epoch in range(first_epoch, options.epochs):
        batches, pieces = _epoch(texts, tokenizer, options, epoch)
        for position in range(first_batch, len(batches)):
            rows = batches[position]
            step, steps = epoch * len(batches) + position, options.epochs * len(batches)
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * _rate(step, steps, options.warmup_steps)
            ids, lengths = pad([pieces[row] for row in rows])
            wanted = torch.from_numpy(targets[rows].astype(np.float32))
            loss = distillation_loss(encoder(ids, lengths), wanted, options.relational)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimizer.step()
            report(step + 1, steps, loss.item())
            if (position + 1) % options.save_every == 0:
                _save(checkpoint, encoder, optimizer, epoch, position + 1)
        first_batch = 0
        _save(checkpoint, encoder, optimizer, epoch + 1, 0)
    encoder.eval()


def distillation_loss(vectors: Tensor, targets: Tensor, relational: float) -> Tensor:
    """Mean cosine distance of ``vectors`` (N, 384) to unit ``targets`` (N, 384), plus ``relational`` times the mean
    squared error of the N x N similarities."""
    vectors = F.normalize(vectors, dim=1)
    distance = 1 - (vectors * targets).sum(dim=1).mean()
    return distance + relational * F.mse_loss(vectors @ vectors.T, targets @ targets.T)


def initial_embeddings(
    tokenizer: Tokenizer, config: SentenceConfig, embed: Callable[[Sequence[str]], NDArray[np.float16]]
) -> Tensor:
    """(V, E): the teacher's vectors of the pieces as texts, their first E principal components, scaled to unit mean
    norm; piece 0, the padding, is 0."""
    pieces = {index: piece for piece, index in tokenizer.get_vocab().items()}
    surface = [pieces[index].replace(WORD_START, " ").strip() for index in range(config.vocabulary)]
    vectors = torch.from_numpy(embed(surface).astype(np.float32))
    vectors -= vectors.mean(dim=0)
    _, _, components = torch.linalg.svd(vectors, full_matrices=False)
    reduced: Tensor = vectors @ components[: config.embedding].T
    reduced /= reduced.norm(dim=1).mean()
    reduced[0] = 0
    return reduced


def _epoch(
    texts: Sequence[str], tokenizer: Tokenizer, options: DistilOptions, epoch: int
) -> tuple[list[NDArray[np.int64]], list[list[int]]]:
    """The rows of each batch, all of one length, in random order; and the pieces of every text."""
    rng = np.random.default_rng([options.seed, epoch])
    whole = to_pieces(tokenizer, texts)
    pieces = [row[:MAX_PIECES] for row in MergeUndoing(tokenizer)(whole, options.undone, rng)]
    lengths = np.array([len(row) for row in pieces])
    batches: list[NDArray[np.int64]] = []
    for length in np.unique(lengths):
        rows = rng.permutation(np.flatnonzero(lengths == length))
        batches += [rows[start : start + options.batch] for start in range(0, len(rows), options.batch)]
    order = rng.permutation(len(batches))
    return [batches[index] for index in order], pieces


def _save(
    checkpoint: Checkpoint, encoder: SentenceEncoder, optimizer: torch.optim.Optimizer, epoch: int, batch: int
) -> None:
    checkpoint.save(encoder=encoder.state_dict(), optimizer=optimizer.state_dict(), epoch=epoch, batch=batch)


def _rate(step: int, steps: int, warmup: int) -> float:
    """Linear warm-up, then half a cosine down to 0."""
    return min((step + 1) / warmup, 1.0) * 0.5 * (1 + float(np.cos(np.pi * step / steps)))

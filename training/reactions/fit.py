"""Fits the reaction head: a penalised softmax regression, convex, so that there is one answer and no luck."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgif.models.networks.reaction import CLASSES, LITERAL, ReactionHead
from deepgif.models.preprocess.ngrams import hashed_ngrams
from deepgif.training.reactions.data import Labelled

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FitOptions:
    """Everything here was chosen on the dev phrases. ``buckets`` of n-grams may be 0: none are read. ``comments`` is
    how much all comments together weigh against all phrases, ``literal`` how much a scene weighs against a reaction,
    the penalties hold for the squared weights. Unit vectors are multiplied by ``scale``, which only makes the penalties
    handy."""

    buckets: int = 4096
    comments: float = 0.03
    literal: float = 3.0
    sentence_penalty: float = 5e-4
    ngram_penalty: float = 1e-3
    scale: float = 4.0
    iterations: int = 200


@dataclass(frozen=True, slots=True)
class Examples:
    """Labelled texts and their unit sentence vectors (N, B)."""

    labelled: Labelled
    vectors: Floats


def fit(phrases: Examples, comments: Examples | None, options: FitOptions) -> ReactionHead:
    """The head that explains ``phrases`` best: the cross-entropy of their classes and, for ``comments``, the likelihood
    of their emotions under the classes predicted."""
    width, classes = phrases.vectors.shape[1], len(CLASSES)
    sentence, ngrams, bias = (torch.zeros(size, classes, requires_grad=True) for size in (width, options.buckets, 1))
    weights = (sentence, ngrams, bias)
    targets = torch.from_numpy(phrases.labelled.targets)
    share = 1 + (options.literal - 1) * targets[:, CLASSES.index(LITERAL)]
    share /= share.sum()
    inputs = _inputs(phrases, options)
    weak = None if comments is None else _inputs(comments, options)
    emotions = None if comments is None else torch.from_numpy(comments.labelled.targets)
    optimizer = torch.optim.LBFGS(weights, max_iter=options.iterations, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = -(share * (targets * _logits(inputs, weights).log_softmax(dim=1)).sum(dim=1)).sum()
        if weak is not None and emotions is not None:
            likelihood = (_logits(weak, weights).softmax(dim=1) * emotions).sum(dim=1)
            loss = loss - options.comments * (likelihood + 1e-6).log().mean()
        loss = loss + options.sentence_penalty * (sentence**2).sum() + options.ngram_penalty * (ngrams**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    with torch.no_grad():
        return ReactionHead(
            sentence=(options.scale * sentence).numpy(), ngrams=(options.scale * ngrams).numpy(), bias=bias[0].numpy()
        )


def _inputs(examples: Examples, options: FitOptions) -> tuple[Tensor, Tensor]:
    """Sentence vectors (N, B) and n-grams (N, H), sparse."""
    texts = examples.labelled.texts
    rows, columns, values = [], [], []
    for row, text in enumerate(texts if options.buckets else ()):
        found, value = hashed_ngrams(text, options.buckets)
        rows += [row] * len(found)
        columns += found.tolist()
        values += value.tolist()
    places, size = torch.tensor([rows, columns], dtype=torch.long), (len(texts), options.buckets)
    ngrams = torch.sparse_coo_tensor(places, torch.tensor(values), size, check_invariants=True)
    return options.scale * torch.from_numpy(examples.vectors), options.scale * ngrams.coalesce()


def _logits(inputs: tuple[Tensor, Tensor], weights: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    vectors, ngrams = inputs
    sentence, gram_weights, bias = weights
    logits: Tensor = vectors @ sentence + torch.sparse.mm(ngrams, gram_weights) + bias
    return logits

"""Ranking losses over a batch of pairs of unit vectors.

Every loss takes ``clips`` and ``texts`` (N, D), where each row is a pair, and ``same`` (N, N), true where the text of a
column also describes the clip of a row: those are not negatives. s(g, t) is the cosine.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional as F

MARGIN = 0.2
TEMPERATURE = 0.05
CONTRASTIVE = 50


class Loss(StrEnum):
    """The loss that the projection heads are trained with."""

    ONE_NEGATIVE = "one-negative"
    CONTRASTIVE = "contrastive"
    SUM = "sum"
    HARDEST = "hardest"
    INFO_NCE = "info-nce"


def one_negative(clips: Tensor, texts: Tensor, same: Tensor, margin: float = MARGIN) -> Tensor:
    """max(0, m - s(g, t) + s(g, t')) for one random wrong text t', and the same for one random wrong clip (max-margin
    ranking loss)."""
    return (_random(clips, texts, same, margin) + _random(texts, clips, same.T, margin)) / 2


def contrastive(
    clips: Tensor,
    texts: Tensor,
    other_texts: Tensor,
    other_clips: Tensor,
    right_texts: Tensor,
    right_clips: Tensor,
    margin: float = MARGIN,
) -> Tensor:
    """The hinges over K contrastive texts and clips of each pair, (N, K, D) each, drawn from the whole training set
    (Kiros et al. 2015, section 3.3, with K = 50). ``right_texts`` and ``right_clips`` (N, K) mark those that belong to
    the pair's own clip; they are left out."""
    own = (clips * texts).sum(dim=1, keepdim=True)  # (N, 1)
    by_clip = (margin - own + torch.einsum("nd,nkd->nk", clips, other_texts)).clamp(min=0)
    by_text = (margin - own + torch.einsum("nd,nkd->nk", texts, other_clips)).clamp(min=0)
    wrong = by_clip.masked_fill(right_texts, 0.0).sum(), by_text.masked_fill(right_clips, 0.0).sum()
    return (wrong[0] + wrong[1]) / len(clips)


def sum_of_hinges(clips: Tensor, texts: Tensor, same: Tensor, margin: float = MARGIN) -> Tensor:
    """All negatives of the batch in both directions (Kiros et al. 2014, "Unifying Visual-Semantic Embeddings",
    section 2.3)."""
    by_clip, by_text = _hinges(clips, texts, same, margin)
    return (by_clip.sum() + by_text.sum()) / len(clips)


def hardest_negative(clips: Tensor, texts: Tensor, same: Tensor, margin: float = MARGIN) -> Tensor:
    """The hardest negative of each clip and of each text (Faghri et al. 2018, "VSE++", equation 6)."""
    by_clip, by_text = _hinges(clips, texts, same, margin)
    return (by_clip.amax(dim=1).sum() + by_text.amax(dim=0).sum()) / len(clips)


def info_nce(clips: Tensor, texts: Tensor, same: Tensor, temperature: float = TEMPERATURE) -> Tensor:
    """InfoNCE in both directions (van den Oord et al. 2018, equation 4). The diagonal always counts."""
    scores = clips @ texts.T / temperature  # (N, N)
    pairs = torch.arange(len(scores), device=scores.device)
    others = same & ~torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    scores = scores.masked_fill(others, float("-inf"))
    return (F.cross_entropy(scores, pairs) + F.cross_entropy(scores.T, pairs)) / 2


IN_BATCH: dict[Loss, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    Loss.ONE_NEGATIVE: one_negative,
    Loss.SUM: sum_of_hinges,
    Loss.HARDEST: hardest_negative,
    Loss.INFO_NCE: info_nce,
}


def _hinges(clips: Tensor, texts: Tensor, same: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """(N, N) each: what a wrong text costs the clip of its row, and a wrong clip the text of its column."""
    scores = clips @ texts.T
    own = scores.diagonal()
    by_clip = (margin + scores - own[:, None]).clamp(min=0).masked_fill(same, 0.0)
    by_text = (margin + scores - own[None, :]).clamp(min=0).masked_fill(same, 0.0)
    return by_clip, by_text


def _random(queries: Tensor, answers: Tensor, same: Tensor, margin: float) -> Tensor:
    allowed = (~same).to(queries.dtype)
    some = allowed.sum(dim=1) > 0  # a query whose every answer is right has no negative
    if not bool(some.any()):
        return queries.sum() * 0.0
    rows = torch.nonzero(some)[:, 0]
    wrong = torch.multinomial(allowed[rows], 1)[:, 0]
    own = (queries[rows] * answers[rows]).sum(dim=1)
    return (margin - own + (queries[rows] * answers[wrong]).sum(dim=1)).clamp(min=0).mean()

"""From scores to an answer: pure functions, no input and no output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.protocols import IndexHits
from engine.types import Fit, Gif, GifKey, ScoredGif, Source

FEW = 8  # with fewer GIFs to compare with, standing out of them says little


@dataclass(frozen=True, slots=True)
class FitThresholds:
    """From which standard score (z) on a GIF fits. Measured: benchmarks/README.md, "How well a fit is judged"."""

    strong: float = 3.5
    fair: float = 2.75


def rank(
    hits: IndexHits,
    gifs: Mapping[GifKey, Gif],
    limit: int,
    thresholds: FitThresholds,
    fetched: Iterable[GifKey] = (),
) -> tuple[ScoredGif, ...]:
    """The best ``limit`` of those hits that are in ``gifs``, best first.

    ``fetched`` are those that were embedded for this query.
    """
    new = frozenset(fetched)
    ranked: list[ScoredGif] = []
    for key, score in zip(hits.keys, hits.scores, strict=True):
        if len(ranked) == limit:
            break
        if key not in gifs:  # it has gone since it was embedded
            continue
        z_score = standard_score(score, hits.mean, hits.std)
        fit = judge(z_score, hits.count, thresholds)
        source = Source.FETCHED if key in new else Source.KNOWN
        ranked.append(ScoredGif(gifs[key], score, z_score, fit, source, explain(len(ranked), hits.count, fit)))
    return tuple(ranked)


def standard_score(score: float, mean: float, std: float) -> float:
    """How many standard deviations ``score`` lies above ``mean``; 0.0 where all scores are the same."""
    return (score - mean) / std if std > 1e-9 else 0.0


def judge(z_score: float, count: int, thresholds: FitThresholds) -> Fit:
    """How well a GIF fits that stands ``z_score`` deviations above ``count`` GIFs; never strong among a few."""
    if count >= FEW and z_score >= thresholds.strong:
        return Fit.STRONG
    return Fit.FAIR if z_score >= (thresholds.fair if count >= FEW else 0.0) else Fit.WEAK


def explain(place: int, count: int, fit: Fit) -> str:
    """Why the GIF at ``place`` (0 is the best) of ``count`` is shown, in plain words."""
    if count == 1:
        return "It is the only GIF here."
    if place == 0:
        rest = {
            Fit.STRONG: "and it stands out clearly from the others",
            Fit.FAIR: "but others come close",
            Fit.WEAK: "but hardly better than the others: perhaps none here shows just this",
        }
        return f"Of the {count:,} GIFs here, it fits your words best, {rest[fit]}."
    others = {
        Fit.STRONG: "and it stands out clearly",
        Fit.FAIR: "if less clearly than a perfect match would",
        Fit.WEAK: "but hardly more than any other GIF does",
    }
    better = count - place - 1
    if better == 0:
        return f"Of the {count:,} GIFs here, it fits your words least."
    return f"It fits your words better than {better:,} of the {count:,} GIFs here, {others[fit]}."

"""From evidence to an answer: pure functions, no input and no output.

Three things speak for a GIF: the likeness of the words and its pixels, the likeness of the words and its own texts, and
its place in the provider's order. Each is standardised over what is compared for this query, and their weighted sum is
the score. The weights are the maximum-likelihood fit of a softmax over each query's candidates (ListNet, Cao et al.
2007, eq. 4 with one draw), so that differences of scores are log-odds; ``benchmarks.engine.search.fit_ranking`` fits
them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgif.engine.types import Fit, Gif, GifKey, Origin, ScoredGif, Source

FEW = 8  # with fewer GIFs to compare with, standing out of them says little
TENTH = 9  # the place that the best one is compared with
RANK_CONSTANT = 60  # reciprocal rank fusion (Cormack et al. 2009)
UNRANKED = 100  # the place of a GIF that the provider did not name


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of one GIF for one query: the cosines of the words with its pixels and with its texts, None where
    there is nothing to compare (yet), and its place in the provider's order, 0 for the first, None for none."""

    key: GifKey
    visual: float | None = None
    text: float | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True)
class ScoreStatistics:
    """Mean and standard deviation of one kind of likeness over all that is compared."""

    mean: float
    std: float

    def standard(self, value: float) -> float:
        """How many standard deviations ``value`` lies above the mean; 0.0 where all values are the same."""
        return (value - self.mean) / self.std if self.std > 1e-9 else 0.0


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """Weights of the three standardised likenesses, and the slopes by which a likeness that is not known yet is
    expected from those that are."""

    visual: float
    text: float
    place: float
    visual_of_text: float
    visual_of_place: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model of the chance that the best GIF shows what was asked for, over its score in standard deviations
    of the fused score, its gap to the tenth, the agreement of pixels and texts, and the logarithm of how many were
    compared."""

    bias: float
    top: float
    gap: float
    agreement: float
    known: float


@dataclass(frozen=True, slots=True)
class FitThresholds:
    """From which chance on a GIF fits. Measured: benchmarks/README.md, "How well a fit is judged"."""

    strong: float = 0.5
    fair: float = 0.2


@dataclass(frozen=True, slots=True)
class RankingModel:
    """All fitted numbers: fusion, calibration of answers from what is known and of reranked ones, and how much of the
    mean likeness to a bank of queries is taken off (``hubness``, query-bank normalisation)."""

    weights: FusionWeights
    known: Calibration
    reranked: Calibration
    hubness: float
    thresholds: FitThresholds = FitThresholds()


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """One GIF's evidence with its score; ``visual`` and ``text`` are standardised, None where they are not known."""

    evidence: Signals
    score: float
    visual: float | None
    text: float | None


def spread(values: Collection[float]) -> ScoreStatistics:
    """Mean and standard deviation of ``values``; of none, 0 and 0."""
    if not values:
        return ScoreStatistics(0.0, 0.0)
    array = np.fromiter(values, np.float64)
    return ScoreStatistics(float(array.mean()), float(array.std()))


def fuse(
    evidence: Sequence[Signals],
    weights: FusionWeights,
    visual: ScoreStatistics | None = None,
    text: ScoreStatistics | None = None,
) -> list[ScoredCandidate]:
    """The evidence with its scores, best first, equal ones by place and key. ``visual`` and ``text`` are the spreads to
    standardise with; without one it is that of the evidence itself."""
    visual = visual or spread([one.visual for one in evidence if one.visual is not None])
    text = text or spread([one.text for one in evidence if one.text is not None])
    reciprocals = [_reciprocal(one.place) for one in evidence]
    places = spread(reciprocals)
    fused = []
    for one, reciprocal in zip(evidence, reciprocals, strict=True):
        seen = None if one.visual is None else visual.standard(one.visual)
        said = None if one.text is None else text.standard(one.text)
        place = places.standard(reciprocal)
        expected = weights.visual_of_text * (said or 0.0) + weights.visual_of_place * place
        score = weights.visual * (expected if seen is None else seen) + weights.text * (said or 0.0)
        fused.append(ScoredCandidate(one, score + weights.place * place, seen, said))
    return sorted(fused, key=lambda one: (-one.score, _order(one.evidence.place), one.evidence.key))


def features(fused: Sequence[ScoredCandidate], weights: FusionWeights, count: int) -> tuple[float, float, float, float]:
    """What ``Calibration`` weighs, of a ranking among ``count`` GIFs: score and gap of the best one in standard
    deviations, agreement, and log10 of the count."""
    unit = math.hypot(weights.visual, weights.text) or 1.0
    best, tenth = fused[0], fused[min(TENTH, len(fused) - 1)]
    agreement = min(best.visual or 0.0, best.text or 0.0)
    return best.score / unit, (best.score - tenth.score) / unit, agreement, math.log10(1 + count)


def confidence(fused: Sequence[ScoredCandidate], weights: FusionWeights, calibration: Calibration, count: int) -> float:
    """The chance that the best GIF of a ranking among ``count`` shows what was asked for; 0.0 where there is none."""
    if not fused:
        return 0.0
    top, gap, agreement, known = features(fused, weights, count)
    odds = (
        calibration.bias
        + calibration.top * top
        + calibration.gap * gap
        + calibration.agreement * agreement
        + calibration.known * known
    )
    return _sigmoid(odds)


def fold(
    fused: Sequence[ScoredCandidate], vectors: Mapping[GifKey, NDArray[np.float32]], near: float
) -> list[ScoredCandidate]:
    """``fused`` without those whose picture is nearly that of a better one: the cosine of their unit vectors is
    ``near`` or more."""
    keys = [one.evidence.key for one in fused if one.evidence.key in vectors]
    if not keys:
        return list(fused)
    rows = np.stack([vectors[key] for key in keys])
    alike = rows @ rows.T >= near
    folded: set[GifKey] = set()
    shown = np.zeros(len(keys), bool)
    for row, key in enumerate(keys):
        if alike[row, shown].any():
            folded.add(key)
        else:
            shown[row] = True
    return [one for one in fused if one.evidence.key not in folded]


def answer(
    fused: Sequence[ScoredCandidate],
    gifs: Mapping[GifKey, Gif],
    *,
    chance: float,
    best: float,
    count: int,
    thresholds: FitThresholds,
    fetched: Collection[GifKey] = (),
    origin: Origin = Origin.KNOWN,
    first: int = 0,
) -> tuple[ScoredGif, ...]:
    """The results of one page, best first, of those that are in ``gifs``. ``chance`` is that of the best GIF of the
    whole ranking, and ``best`` its score; ``count`` is how many were compared, ``fetched`` are those that were found
    for this query, and ``first`` is the place of the first of ``fused`` in the ranking."""
    odds = _logit(chance) - best
    results: list[ScoredGif] = []
    for one in fused:
        if one.evidence.key not in gifs:  # it has gone since it was found
            continue
        likely = _sigmoid(odds + one.score)
        fit = judge(likely, count, thresholds)
        results.append(
            ScoredGif(
                gif=gifs[one.evidence.key],
                score=one.score,
                visual=one.evidence.visual,
                text=one.evidence.text,
                confidence=likely,
                fit=fit,
                source=Source.FETCHED if one.evidence.key in fetched else Source.KNOWN,
                why=explain(first + len(results), count, fit, one.visual, one.text, origin),
            )
        )
    return tuple(results)


def in_order(keys: Sequence[GifKey]) -> tuple[ScoredCandidate, ...]:
    """A ranking in the provider's own order, where nothing else is known."""
    return tuple(
        ScoredCandidate(Signals(key, place=place), -float(place), None, None) for place, key in enumerate(keys)
    )


def alike(
    keys: Sequence[GifKey],
    cosines: Sequence[float],
    gifs: Mapping[GifKey, Gif],
    like: GifKey,
    vectors: Mapping[GifKey, NDArray[np.float32]],
    near: float,
) -> tuple[ScoredGif, ...]:
    """The GIFs of ``keys`` that look like the GIF ``like``, by the cosines of their pictures, best first, without it,
    its near-duplicates, and those that are not in ``gifs``."""
    fused = [
        ScoredCandidate(Signals(key, cosine), cosine, None, None) for key, cosine in zip(keys, cosines, strict=True)
    ]
    itself = ScoredCandidate(Signals(like, 1.0), 1.0, None, None)
    rest = fold([itself, *(one for one in fused if one.evidence.key != like)], vectors, near)[1:]
    return tuple(
        ScoredGif(
            gif=gifs[one.evidence.key],
            score=one.score,
            visual=one.score,
            text=None,
            confidence=max(0.0, one.score),
            fit=Fit.FAIR,
            source=Source.KNOWN,
            why="Its picture looks like the one you chose.",
        )
        for one in rest
        if one.evidence.key in gifs
    )


def judge(chance: float, count: int, thresholds: FitThresholds) -> Fit:
    """How well a GIF fits that is right with this chance, among ``count`` GIFs; never strong among a few."""
    if chance >= thresholds.strong and count >= FEW:
        return Fit.STRONG
    return Fit.FAIR if chance >= thresholds.fair else Fit.WEAK


def explain(place: int, count: int, fit: Fit, visual: float | None, text: float | None, origin: Origin) -> str:
    """Why the GIF at ``place`` (0 is the best) of ``count`` is shown, in plain words."""
    if origin is Origin.PROVIDER:
        return f"It is number {place + 1} in the provider's own order; its picture was not looked at."
    if count == 1:
        return "It is the only GIF here."
    about = _about(visual, text)
    if place == 0:
        rest = {
            Fit.STRONG: "and it stands out clearly from the others",
            Fit.FAIR: "but others come close",
            Fit.WEAK: "but hardly better than the others: perhaps none here shows just this",
        }
        return f"Of the {count:,} GIFs compared, it fits your words best, {rest[fit]}. {about}"
    rest = {
        Fit.STRONG: "It fits your words clearly",
        Fit.FAIR: "It may fit your words",
        Fit.WEAK: "It fits your words less",
    }
    return f"{rest[fit]}: number {place + 1} of the {count:,} GIFs compared. {about}"


def _about(visual: float | None, text: float | None) -> str:
    if visual is None:
        return "Its picture has not been looked at; its title and tags speak for it."
    if text is None or visual > text + 1:
        return "Its picture speaks for it."
    return "Its title and tags speak for it more than its picture." if text > visual + 1 else "Picture and title agree."


def _reciprocal(place: int | None) -> float:
    return 1.0 / (RANK_CONSTANT + 1 + _order(place))


def _order(place: int | None) -> int:
    return UNRANKED if place is None else place


def _sigmoid(odds: float) -> float:
    return 0.5 * (1.0 + math.tanh(odds / 2.0))


def _logit(chance: float) -> float:
    bounded = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))

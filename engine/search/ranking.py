"""From signals to results: pure functions.

Three signals describe how well a GIF matches a query: the similarity of query and frames, the similarity of query and
the GIF's text, and its rank at the provider. Each is standardised over the GIFs that are compared for this query; the
score is their weighted sum. The weights are the maximum-likelihood fit of a softmax over each query's candidates
(ListNet, Cao et al. 2007, eq. 4 with one draw), so differences of scores are log-odds;
``benchmarks.engine.search.fit_ranking`` fits them.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from deepgif.engine.protocols import Vector
from deepgif.engine.types import Coverage, Fit, Gif, GifKey, Origin, ScoredGif, Source

FEW = 8  # with fewer GIFs, standing out from the others says little
TENTH = 9  # index of the result that the best one is compared with
RANK_CONSTANT = 60  # reciprocal rank fusion (Cormack et al. 2009)
SHOWN_WORDS = 100  # characters of the words in a GIF
UNRANKED = 100  # the rank of a GIF that the provider did not return
ALL_WORDS = 0.95  # the share of a query's words that is called all of them
NEAR_DUPLICATE = 0.985  # cosine of two pictures


@dataclass(frozen=True, slots=True)
class Signals:
    """One GIF's signals for one query: the similarities of the query to its frames and to its text, None if there is
    nothing to compare (yet), its rank at the provider, starting at 0, None if the provider did not return it, the
    lexical shares (``deepgif.engine.search.lexical``), the similarity of the query to the words in the picture, which
    ``fuse`` does not use, and how well both agree on a reaction (``deepgif.engine.search.reactions``)."""

    key: GifKey
    visual: float | None = None
    text: float | None = None
    rank: int | None = None
    words: float = 0.0
    trigrams: float = 0.0
    exact: float = 0.0
    caption: float | None = None
    reaction: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoreStatistics:
    """Mean and standard deviation of one similarity over all GIFs that are compared."""

    mean: float
    std: float

    def standardise(self, value: float) -> float:
        """``value`` in standard deviations from the mean; 0.0 if all values are equal."""
        return (value - self.mean) / self.std if self.std > 1e-9 else 0.0


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """Weights of the three standardised signals, the slopes that predict a missing visual similarity from text and
    rank, and the weights of the lexical shares and of the reaction."""

    visual: float
    text: float
    rank: float
    visual_of_text: float
    visual_of_rank: float
    words: float = 0.0
    trigrams: float = 0.0
    exact: float = 0.0
    reaction: float = 0.0

    def lexical(self, signals: Signals) -> float:
        """What the lexical shares add to a score. Their cubes count: half of the words say much less than all."""
        return self.words * signals.words**3 + self.trigrams * signals.trigrams**3 + self.exact * signals.exact**3


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model of the probability that the best GIF matches the query, given its score and its gap to the
    tenth GIF (both in standard deviations of the fused score), the agreement of the two similarities, the logarithm
    of how many GIFs were compared, and the cube of the best one's share of the query's trigrams."""

    bias: float
    top: float
    gap: float
    agreement: float
    count: float
    lexical: float = 0.0


@dataclass(frozen=True, slots=True)
class FitThresholds:
    """The least confidence of each fit. ``python -m benchmarks.relevance`` measures how often a strong one is right."""

    strong: float = 0.5
    fair: float = 0.2


@dataclass(frozen=True, slots=True)
class RankingModel:
    """All fitted parameters: fusion, calibration of rankings from the index and of reranked ones, and ``hubness``, the
    weight of query-bank normalisation."""

    weights: FusionWeights
    indexed: Calibration
    reranked: Calibration
    hubness: float
    thresholds: FitThresholds = FitThresholds()


@dataclass(frozen=True, slots=True)
class ScoredCandidate:
    """One GIF's signals with its score; ``visual`` and ``text`` are standardised, None if missing."""

    signals: Signals
    score: float
    visual: float | None
    text: float | None


@dataclass(frozen=True, slots=True)
class Ranking:
    """All ranked GIFs of one query, to be returned page by page. ``gifs`` are those with a known URL, ``confidence`` is
    the probability that the best one matches, ``count`` is how many were compared, ``fetched`` are those that a
    provider returned for this query, and ``notices`` are sentences for the user."""

    scored: tuple[ScoredCandidate, ...]
    gifs: Mapping[GifKey, Gif]
    confidence: float
    count: int
    fetched: frozenset[GifKey]
    origin: Origin
    coverage: Coverage
    notices: tuple[str, ...] = ()


def score_statistics(values: Collection[float]) -> ScoreStatistics:
    """Mean and population standard deviation of ``values``; 0 and 0 if there are none."""
    if not values:
        return ScoreStatistics(0.0, 0.0)
    array = np.fromiter(values, np.float64)
    return ScoreStatistics(float(array.mean()), float(array.std()))


def fuse(
    signals: Sequence[Signals],
    weights: FusionWeights,
    visual: ScoreStatistics | None = None,
    text: ScoreStatistics | None = None,
) -> list[ScoredCandidate]:
    """The scored candidates, best first; ties are broken by rank, then key. ``visual`` and ``text`` standardise the
    similarities; by default they are computed from ``signals``."""
    visual = visual or score_statistics([one.visual for one in signals if one.visual is not None])
    text = text or score_statistics([one.text for one in signals if one.text is not None])
    reciprocals = [1.0 / (RANK_CONSTANT + 1 + _rank(one)) for one in signals]
    ranks = score_statistics(reciprocals)
    scored = []
    for one, reciprocal in zip(signals, reciprocals, strict=True):
        visual_score = None if one.visual is None else visual.standardise(one.visual)
        text_score = None if one.text is None else text.standardise(one.text)
        rank_score = ranks.standardise(reciprocal)
        expected = weights.visual_of_text * (text_score or 0.0) + weights.visual_of_rank * rank_score
        score = (
            weights.visual * (expected if visual_score is None else visual_score)
            + weights.text * (text_score or 0.0)
            + weights.rank * rank_score
            + weights.lexical(one)
            + weights.reaction * one.reaction
        )
        scored.append(ScoredCandidate(one, score, visual_score, text_score))
    return sorted(scored, key=lambda one: (-one.score, _rank(one.signals), one.signals.key))


def features(
    scored: Sequence[ScoredCandidate], weights: FusionWeights, count: int
) -> tuple[float, float, float, float, float]:
    """The inputs of ``Calibration`` for a ranking among ``count`` GIFs: score and gap of the best one in standard
    deviations, agreement, log10 of the count, and the cube of its share of trigrams."""
    unit = math.hypot(weights.visual, weights.text) or 1.0
    best, tenth = scored[0], scored[min(TENTH, len(scored) - 1)]
    agreement = min(best.visual or 0.0, best.text or 0.0)
    return (
        best.score / unit,
        (best.score - tenth.score) / unit,
        agreement,
        math.log10(1 + count),
        best.signals.trigrams**3,
    )


def confidence(
    scored: Sequence[ScoredCandidate], weights: FusionWeights, calibration: Calibration, count: int
) -> float:
    """The probability that the best GIF of a ranking among ``count`` matches the query; 0.0 if there is none."""
    if not scored:
        return 0.0
    top, gap, agreement, log_count, lexical = features(scored, weights, count)
    log_odds = (
        calibration.bias
        + calibration.top * top
        + calibration.gap * gap
        + calibration.agreement * agreement
        + calibration.count * log_count
        + calibration.lexical * lexical
    )
    return _sigmoid(log_odds)


def drop_near_duplicates(
    scored: Sequence[ScoredCandidate], vectors: Mapping[GifKey, Vector], threshold: float = NEAR_DUPLICATE
) -> list[ScoredCandidate]:
    """``scored`` without GIFs that look like a better one: the cosine of their unit vectors is at least
    ``threshold``. GIFs without a vector stay."""
    keys = [one.signals.key for one in scored if one.signals.key in vectors]
    if not keys:
        return list(scored)
    rows = np.stack([vectors[key] for key in keys])
    similar = rows @ rows.T >= threshold
    duplicates: set[GifKey] = set()
    kept = np.zeros(len(keys), bool)
    for row, key in enumerate(keys):
        if similar[row, kept].any():
            duplicates.add(key)
        else:
            kept[row] = True
    return [one for one in scored if one.signals.key not in duplicates]


def to_results(
    ranking: Ranking, gifs: Mapping[GifKey, Gif], thresholds: FitThresholds, first: int = 0, last: int | None = None
) -> tuple[ScoredGif, ...]:
    """The results ``first`` to ``last`` (exclusive) of the ranking, without those that are not in ``gifs``."""
    if not ranking.scored:
        return ()
    offset = _logit(ranking.confidence) - ranking.scored[0].score
    results: list[ScoredGif] = []
    for one in ranking.scored[first:last]:
        if one.signals.key not in gifs:  # removed since it was ranked
            continue
        probability = _sigmoid(offset + one.score)
        fit = fit_of(probability, ranking.count, thresholds)
        gif = gifs[one.signals.key]
        reason = explain(first + len(results), ranking.count, fit, one, ranking.origin)
        results.append(
            ScoredGif(
                gif=gif,
                score=one.score,
                visual=one.signals.visual,
                text=one.signals.text,
                confidence=probability,
                fit=fit,
                source=Source.FETCHED if one.signals.key in ranking.fetched else Source.INDEXED,
                why=f"{reason} {words_in(gif)}".rstrip(),
            )
        )
    return tuple(results)


def provider_order(keys: Sequence[GifKey]) -> tuple[ScoredCandidate, ...]:
    """The provider's own order, if there is no other signal."""
    return tuple(ScoredCandidate(Signals(key, rank=rank), -float(rank), None, None) for rank, key in enumerate(keys))


def rank_similar(
    keys: Sequence[GifKey],
    cosines: Sequence[float],
    gifs: Mapping[GifKey, Gif],
    similar_to: GifKey,
    vectors: Mapping[GifKey, Vector],
) -> tuple[ScoredGif, ...]:
    """The GIFs of ``keys`` that look like ``similar_to``, by cosine, best first; without itself, its near-duplicates,
    and GIFs that are not in ``gifs``."""
    scored = [
        ScoredCandidate(Signals(key, cosine), cosine, None, None) for key, cosine in zip(keys, cosines, strict=True)
    ]
    itself = ScoredCandidate(Signals(similar_to, 1.0), 1.0, None, None)
    others = [one for one in scored if one.signals.key != similar_to]
    return tuple(
        ScoredGif(
            gif=gifs[one.signals.key],
            score=one.score,
            visual=one.score,
            text=None,
            confidence=max(0.0, one.score),
            fit=Fit.FAIR,
            source=Source.INDEXED,
            why="It looks like the GIF you chose.",
        )
        for one in drop_near_duplicates([itself, *others], vectors)[1:]
        if one.signals.key in gifs
    )


def fit_of(probability: float, count: int, thresholds: FitThresholds) -> Fit:
    """The fit of a GIF that matches with this probability, among ``count`` GIFs; never strong among a few."""
    if probability >= thresholds.strong and count >= FEW:
        return Fit.STRONG
    return Fit.FAIR if probability >= thresholds.fair else Fit.WEAK


def explain(position: int, count: int, fit: Fit, scored: ScoredCandidate, origin: Origin) -> str:
    """Why the GIF at ``position`` (0 is the best) of ``count`` is shown, in plain English."""
    if origin is Origin.PROVIDER:
        return f"Number {position + 1} in the provider's own order. Its frames were not compared with your query."
    if count == 1:
        return "It is the only GIF here."
    reason = _reason(scored)
    if position == 0:
        rest = {
            Fit.STRONG: "and it stands out clearly",
            Fit.FAIR: "but others are close",
            Fit.WEAK: "but hardly better than the others, so perhaps none matches",
        }
        return f"The best match of {count:,} GIFs, {rest[fit]}. {reason}"
    rest = {Fit.STRONG: "A clear match", Fit.FAIR: "A possible match", Fit.WEAK: "A weaker match"}
    return f"{rest[fit]}: number {position + 1} of {count:,} GIFs. {reason}"


def words_in(gif: Gif) -> str:
    """The words in a GIF, as a sentence; empty if there are none."""
    if not gif.text_in_gif:
        return ""
    shown = textwrap.shorten(gif.text_in_gif, SHOWN_WORDS, placeholder="…")
    return f"The words “{shown}” are in the GIF."


def _reason(scored: ScoredCandidate) -> str:
    visual, text = scored.visual, scored.text
    if scored.signals.words > ALL_WORDS:
        return "Your words are in its title, its tags or the GIF itself."
    if visual is None:
        return "Only its title and tags were compared with your query so far."
    if text is None or visual > text + 1:
        return "It matches by what it shows."
    return "It matches by its title and tags." if text > visual + 1 else "It matches by what it shows and by its title."


def _rank(signals: Signals) -> int:
    return UNRANKED if signals.rank is None else signals.rank


def _sigmoid(log_odds: float) -> float:
    return 0.5 * (1.0 + math.tanh(log_odds / 2.0))


def _logit(probability: float) -> float:
    bounded = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))

"""Ranking, by tables of numbers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.search.ranking import (
    FEW,
    Calibration,
    FitThresholds,
    FusionWeights,
    ScoreStatistics,
    Signals,
    alike,
    answer,
    confidence,
    explain,
    features,
    fold,
    fuse,
    in_order,
    judge,
    spread,
)
from deepgif.engine.types import Fit, Gif, GifKey, Origin, Rating, Source

THRESHOLDS = FitThresholds(strong=0.7, fair=0.3)
WEIGHTS = FusionWeights(visual=2.0, text=1.0, place=0.5, visual_of_text=0.5, visual_of_place=0.1)
UNIT = ScoreStatistics(0.0, 1.0)
LIKENESSES = st.none() | st.floats(-1, 1)
EVIDENCE = st.lists(
    st.builds(
        Signals,
        st.builds(GifKey, st.just("p"), st.text("abcdef", min_size=1, max_size=4)),
        LIKENESSES,
        LIKENESSES,
        st.none() | st.integers(0, 99),
    ),
    max_size=30,
    unique_by=lambda one: one.key,
)


def key(name):
    return GifKey("catalogue", name)


def gif(name):
    return Gif(key(name), f"Title {name}", f"Alt {name}", Rating.G, f"/v1/media/catalogue/{name}", 10, 20)


def names(fused):
    return "".join(one.evidence.key.id for one in fused)


def test_the_score_is_the_weighted_sum_of_standardised_likenesses():
    """Each likeness is standardised with its spread; what no text is known of has none for or against it."""
    evidence = [Signals(key("a"), 0.3, 0.5), Signals(key("b"), 0.5, None)]
    best, other = fuse(evidence, WEIGHTS, ScoreStatistics(0.1, 0.1), ScoreStatistics(0.3, 0.2))
    assert names([best, other]) == "ba"
    assert (best.visual, best.text, best.score) == (pytest.approx(4.0), None, pytest.approx(8.0))
    assert (other.visual, other.text, other.score) == (pytest.approx(2.0), pytest.approx(1.0), pytest.approx(5.0))


def test_without_given_spreads_it_is_that_of_the_evidence():
    """Mean and deviation of what is compared, leaving out what is not known."""
    evidence = [Signals(key("a"), 0.1), Signals(key("b"), 0.3), Signals(key("c"), None)]
    scores = {one.evidence.key.id: one.visual for one in fuse(evidence, WEIGHTS)}
    assert scores == {"a": pytest.approx(-1.0), "b": pytest.approx(1.0), "c": None}


def test_what_was_not_looked_at_is_expected_to_look_as_its_text_suggests():
    """A likeness that is not known yet takes its expected value, and the true one replaces it."""
    unseen = fuse([Signals(key("a"), None, 2.0), Signals(key("b"), 0.9, 0.0)], WEIGHTS, UNIT, UNIT)
    assert names(unseen) == "ab"
    assert unseen[0].score == pytest.approx(2.0 * 0.5 * 2.0 + 1.0 * 2.0)
    seen = fuse([Signals(key("a"), -1.0, 2.0), Signals(key("b"), 0.9, 0.0)], WEIGHTS, UNIT, UNIT)
    assert names(seen) == "ba"


def test_the_providers_order_decides_where_nothing_else_does():
    """Earlier places score higher; GIFs without a place come after the first hundred; ties go by key."""
    evidence = [
        Signals(key("x")),
        Signals(key("c"), place=2),
        Signals(key("b"), place=0),
        Signals(key("a"), place=1),
    ]
    assert names(fuse(evidence, WEIGHTS)) == "bacx"
    assert names(fuse([Signals(key("b")), Signals(key("a"))], WEIGHTS)) == "ab"


@given(EVIDENCE)
def test_fusing_loses_nothing_and_is_sorted(evidence):
    """Every GIF once, best first, whatever is missing; better pixels alone never rank worse."""
    fused = fuse(evidence, WEIGHTS)
    assert {one.evidence for one in fused} == set(evidence)
    assert len(fused) == len(evidence)
    assert all(math.isfinite(one.score) for one in fused)
    assert [one.score for one in fused] == sorted((one.score for one in fused), reverse=True)


@given(EVIDENCE, st.randoms())
def test_the_order_of_the_evidence_does_not_matter(evidence, random):
    """The same evidence gives the same ranking."""
    shuffled = list(evidence)
    random.shuffle(shuffled)
    assert [one.evidence for one in fuse(shuffled, WEIGHTS, UNIT, UNIT)] == [
        one.evidence for one in fuse(evidence, WEIGHTS, UNIT, UNIT)
    ]


def test_spread():
    """Population mean and deviation; of nothing, nothing; equal values are no reason to divide by zero."""
    assert spread([1.0, 3.0]) == ScoreStatistics(2.0, 1.0)
    assert spread([]) == ScoreStatistics(0.0, 0.0)
    assert ScoreStatistics(0.5, 0.0).standard(0.7) == 0.0


def test_confidence_is_the_logistic_model_of_the_features():
    """Score and gap in deviations of the fused score, agreement of both likenesses, and how many were compared."""
    evidence = [Signals(key(f"{place:02}"), 3.0 - place, 2.0 - place) for place in range(12)]
    fused = fuse(evidence, WEIGHTS, UNIT, UNIT)
    unit = math.hypot(2.0, 1.0)
    expected = (8.0 / unit, (8.0 - (8.0 - 27.0)) / unit, 2.0, 2.0)
    assert features(fused, WEIGHTS, 99) == pytest.approx(expected)
    calibration = Calibration(bias=-1.0, top=0.1, gap=0.2, agreement=0.3, known=0.4)
    odds = -1.0 + 0.1 * expected[0] + 0.2 * expected[1] + 0.3 * 2.0 + 0.4 * 2.0
    assert confidence(fused, WEIGHTS, calibration, 99) == pytest.approx(1 / (1 + math.exp(-odds)))
    assert confidence([], WEIGHTS, calibration, 99) == 0.0


def test_results_of_one_page():
    """The chance belongs to the best GIF of the ranking; others have it less by their score, as odds. GIFs that have
    gone leave no gap, and places count on from the page before."""
    fused = fuse(
        [Signals(key(name), score) for name, score in (("a", 2.0), ("b", 1.5), ("c", 1.0))], WEIGHTS, UNIT, UNIT
    )
    gifs = {key(name): gif(name) for name in "ac"}
    best, third = answer(
        fused, gifs, chance=0.8, best=fused[0].score, count=100, thresholds=THRESHOLDS, fetched=[key("c")]
    )
    assert (best.gif, best.confidence, best.fit, best.source) == (
        gif("a"),
        pytest.approx(0.8),
        Fit.STRONG,
        Source.KNOWN,
    )
    odds = math.log(0.8 / 0.2) - 2.0
    assert third.confidence == pytest.approx(1 / (1 + math.exp(-odds)))
    assert (third.gif, third.fit, third.source) == (gif("c"), Fit.FAIR, Source.FETCHED)
    assert best.why.startswith("Of the 100 GIFs compared, it fits your words best, and it stands out")
    assert third.why.startswith("It may fit your words: number 2 of the 100")
    (later,) = answer(fused[2:], gifs, chance=0.8, best=fused[0].score, count=100, thresholds=THRESHOLDS, first=12)
    assert "number 13" in later.why
    assert later.confidence == pytest.approx(third.confidence)
    assert answer((), {}, chance=0.0, best=0.0, count=0, thresholds=THRESHOLDS) == ()


def test_the_providers_own_order():
    """Where nothing could be judged the answer says so, and calls nothing a good fit."""
    fused = in_order([key("b"), key("a")])
    results = answer(
        fused,
        {key(name): gif(name) for name in "ab"},
        chance=0.0,
        best=0.0,
        count=2,
        thresholds=THRESHOLDS,
        origin=Origin.PROVIDER,
    )
    assert [result.gif.key.id for result in results] == ["b", "a"]
    assert all(result.fit is Fit.WEAK and "provider's own order" in result.why for result in results)


def test_near_duplicates_fold_into_the_better_one():
    """The same picture again is left out; what was not looked at stays."""
    fused = fuse(
        [Signals(key(name), score) for name, score in zip("abcd", (4, 3, 2, 1), strict=True)], WEIGHTS, UNIT, UNIT
    )
    vectors = {
        key("a"): np.array([1.0, 0.0], np.float32),
        key("b"): np.array([0.995, math.sqrt(1 - 0.995**2)], np.float32),
        key("c"): np.array([0.0, 1.0], np.float32),
    }
    assert names(fold(fused, vectors, 0.985)) == "acd"
    assert names(fold(fused, vectors, 0.999)) == "abcd"


def test_gifs_that_look_like_another():
    """Without itself and its near-duplicates, best first, only what can be shown."""
    vectors = {
        key(name): np.array(row, np.float32)
        for name, row in {"a": [1, 0], "b": [0.999, 0.0447], "c": [0.8, 0.6], "d": [0, 1]}.items()
    }
    results = alike(
        [key(name) for name in "abcd"],
        (1.0, 0.999, 0.8, 0.0),
        {key("c"): gif("c"), key("d"): gif("d")},
        key("a"),
        vectors,
        0.985,
    )
    assert [(result.gif.key.id, result.visual) for result in results] == [("c", 0.8), ("d", 0.0)]


@pytest.mark.parametrize(
    ("chance", "count", "fit"),
    [
        (0.7, 100, Fit.STRONG),
        (0.69, 100, Fit.FAIR),
        (0.3, 100, Fit.FAIR),
        (0.29, 100, Fit.WEAK),
        (0.99, FEW - 1, Fit.FAIR),
        (0.1, 2, Fit.WEAK),
    ],
)
def test_fit(chance, count, fit):
    """The thresholds hold where there is enough to compare with; among a few GIFs nothing is called strong."""
    assert judge(chance, count, THRESHOLDS) is fit


@given(st.integers(0, 60), st.integers(1, 10**7), st.sampled_from(Fit), LIKENESSES, LIKENESSES, st.sampled_from(Origin))
def test_reasons_read_well(place, count, fit, visual, text, origin):
    """Every reason is at most two sentences, and promises nothing for a weak fit."""
    why = explain(min(place, count - 1), count, fit, visual, text, origin)
    assert why.endswith(".")
    assert 1 <= why.count(".") <= 2
    assert not (fit is Fit.WEAK and "stands out" in why)

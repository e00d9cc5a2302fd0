"""Ranking, by tables of numbers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.search.ranking import (
    FEW,
    Calibration,
    FitThresholds,
    FusionWeights,
    Ranking,
    ScoredCandidate,
    ScoreStatistics,
    Signals,
    confidence,
    drop_near_duplicates,
    explain,
    features,
    fit_of,
    fuse,
    provider_order,
    rank_similar,
    score_statistics,
    to_results,
    words_in,
)
from deepgif.engine.types import Coverage, Fit, Gif, GifKey, Origin, Rating, Source

THRESHOLDS = FitThresholds(strong=0.7, fair=0.3)
WEIGHTS = FusionWeights(visual=2.0, text=1.0, rank=0.5, visual_of_text=0.5, visual_of_rank=0.1)
UNIT = ScoreStatistics(0.0, 1.0)
SIMILARITIES = st.none() | st.floats(-1, 1)
SIGNALS = st.lists(
    st.builds(
        Signals,
        st.builds(GifKey, st.just("p"), st.text("abcdef", min_size=1, max_size=4)),
        SIMILARITIES,
        SIMILARITIES,
        st.none() | st.integers(0, 99),
    ),
    max_size=30,
    unique_by=lambda one: one.key,
)


def key(name):
    return GifKey("catalogue", name)


def gif(name):
    return Gif(key(name), f"Title {name}", f"Alt {name}", Rating.G, f"/v1/media/catalogue/{name}", 10, 20)


def ranking_of(scored, probability=0.8, count=100, fetched=(), origin=Origin.INDEXED):
    return Ranking(tuple(scored), {}, probability, count, frozenset(fetched), origin, Coverage(count, count))


def names(scored):
    return "".join(one.signals.key.id for one in scored)


def test_the_score_is_the_weighted_sum_of_standardised_signals():
    """Similarities are standardised with the given statistics; a missing text similarity changes nothing."""
    signals = [Signals(key("a"), 0.3, 0.5), Signals(key("b"), 0.5, None)]
    best, other = fuse(signals, WEIGHTS, ScoreStatistics(0.1, 0.1), ScoreStatistics(0.3, 0.2))
    assert names([best, other]) == "ba"
    assert (best.visual, best.text, best.score) == (pytest.approx(4.0), None, pytest.approx(8.0))
    assert (other.visual, other.text, other.score) == (pytest.approx(2.0), pytest.approx(1.0), pytest.approx(5.0))


def test_statistics_default_to_those_of_the_signals():
    """Mean and deviation of the similarities that are there."""
    signals = [Signals(key("a"), 0.1), Signals(key("b"), 0.3), Signals(key("c"), None)]
    scores = {one.signals.key.id: one.visual for one in fuse(signals, WEIGHTS)}
    assert scores == {"a": pytest.approx(-1.0), "b": pytest.approx(1.0), "c": None}


def test_a_missing_visual_similarity_is_predicted_from_the_text():
    """A missing similarity gets its expected value, which the true one replaces."""
    unseen = fuse([Signals(key("a"), None, 2.0), Signals(key("b"), 0.9, 0.0)], WEIGHTS, UNIT, UNIT)
    assert names(unseen) == "ab"
    assert unseen[0].score == pytest.approx(2.0 * 0.5 * 2.0 + 1.0 * 2.0)
    seen = fuse([Signals(key("a"), -1.0, 2.0), Signals(key("b"), 0.9, 0.0)], WEIGHTS, UNIT, UNIT)
    assert names(seen) == "ba"


def test_the_providers_order_decides_where_nothing_else_does():
    """Better ranks score higher; unranked GIFs come after the first hundred; ties are broken by key."""
    signals = [
        Signals(key("x")),
        Signals(key("c"), rank=2),
        Signals(key("b"), rank=0),
        Signals(key("a"), rank=1),
    ]
    assert names(fuse(signals, WEIGHTS)) == "bacx"
    assert names(fuse([Signals(key("b")), Signals(key("a"))], WEIGHTS)) == "ab"


@given(SIGNALS)
def test_fusing_loses_nothing_and_is_sorted(signals):
    """Every GIF once, best first, whatever is missing."""
    scored = fuse(signals, WEIGHTS)
    assert {one.signals for one in scored} == set(signals)
    assert len(scored) == len(signals)
    assert all(math.isfinite(one.score) for one in scored)
    assert [one.score for one in scored] == sorted((one.score for one in scored), reverse=True)


@given(SIGNALS, st.randoms())
def test_the_order_of_the_signals_does_not_matter(signals, random):
    """The same signals gives the same ranking."""
    shuffled = list(signals)
    random.shuffle(shuffled)
    assert [one.signals for one in fuse(shuffled, WEIGHTS, UNIT, UNIT)] == [
        one.signals for one in fuse(signals, WEIGHTS, UNIT, UNIT)
    ]


def test_score_statistics():
    """Population mean and deviation; of nothing, nothing; equal values are no reason to divide by zero."""
    assert score_statistics([1.0, 3.0]) == ScoreStatistics(2.0, 1.0)
    assert score_statistics([]) == ScoreStatistics(0.0, 0.0)
    assert ScoreStatistics(0.5, 0.0).standardise(0.7) == 0.0


def test_confidence_is_the_logistic_model_of_the_features():
    """Score and gap in deviations of the scored score, agreement of both likenesses, and how many were compared."""
    signals = [Signals(key(f"{place:02}"), 3.0 - place, 2.0 - place, trigrams=0.5) for place in range(12)]
    scored = fuse(signals, WEIGHTS, UNIT, UNIT)
    unit = math.hypot(2.0, 1.0)
    expected = (8.0 / unit, (8.0 - (8.0 - 27.0)) / unit, 2.0, 2.0, 0.125)
    assert features(scored, WEIGHTS, 99) == pytest.approx(expected)
    calibration = Calibration(bias=-1.0, top=0.1, gap=0.2, agreement=0.3, count=0.4, lexical=0.5)
    log_odds = -1.0 + 0.1 * expected[0] + 0.2 * expected[1] + 0.3 * 2.0 + 0.4 * 2.0 + 0.5 * 0.125
    assert confidence(scored, WEIGHTS, calibration, 99) == pytest.approx(1 / (1 + math.exp(-log_odds)))
    assert confidence([], WEIGHTS, calibration, 99) == 0.0


def test_results_of_one_page():
    """The confidence is that of the best GIF of the ranking; the others' log-odds differ by their scores. Removed GIFs
    leave no gap, and positions continue on the next page."""
    scored = fuse(
        [Signals(key(name), score) for name, score in (("a", 2.0), ("b", 1.5), ("c", 1.0))], WEIGHTS, UNIT, UNIT
    )
    gifs = {key(name): gif(name) for name in "ac"}
    ranking = ranking_of(scored, fetched=[key("c")])
    best, third = to_results(ranking, gifs, THRESHOLDS)
    assert (best.gif, best.confidence, best.fit, best.source) == (
        gif("a"),
        pytest.approx(0.8),
        Fit.STRONG,
        Source.INDEXED,
    )
    log_odds = math.log(0.8 / 0.2) - 2.0
    assert third.confidence == pytest.approx(1 / (1 + math.exp(-log_odds)))
    assert (third.gif, third.fit, third.source) == (gif("c"), Fit.FAIR, Source.FETCHED)
    assert best.why.startswith("The best match of 100 GIFs, and it stands out")
    assert third.why.startswith("A possible match: number 2 of 100")
    (later,) = to_results(ranking, gifs, THRESHOLDS, first=2)
    assert "number 3" in later.why
    assert later.confidence == pytest.approx(third.confidence)
    assert [result.gif for result in to_results(ranking, gifs, THRESHOLDS, first=0, last=2)] == [gif("a")]
    assert to_results(ranking_of((), 0.0, 0), {}, THRESHOLDS) == ()


def test_the_providers_own_order():
    """Nothing is called a good fit if no similarity is available, and the explanation says why."""
    ranking = ranking_of(provider_order([key("b"), key("a")]), 0.0, 2, origin=Origin.PROVIDER)
    results = to_results(ranking, {key(name): gif(name) for name in "ab"}, THRESHOLDS)
    assert [result.gif.key.id for result in results] == ["b", "a"]
    assert all(result.fit is Fit.WEAK and "provider's own order" in result.why for result in results)


def test_near_duplicates_are_dropped():
    """The same picture again is dropped; GIFs without an embedding stay."""
    scored = fuse(
        [Signals(key(name), score) for name, score in zip("abcd", (4, 3, 2, 1), strict=True)], WEIGHTS, UNIT, UNIT
    )
    vectors = {
        key("a"): np.array([1.0, 0.0], np.float32),
        key("b"): np.array([0.995, math.sqrt(1 - 0.995**2)], np.float32),
        key("c"): np.array([0.0, 1.0], np.float32),
    }
    assert names(drop_near_duplicates(scored, vectors, 0.985)) == "acd"
    assert names(drop_near_duplicates(scored, vectors, 0.999)) == "abcd"


def test_gifs_that_look_like_another():
    """Without itself and its near-duplicates, best first, only what can be shown."""
    vectors = {
        key(name): np.array(row, np.float32)
        for name, row in {"a": [1, 0], "b": [0.999, 0.0447], "c": [0.8, 0.6], "d": [0, 1]}.items()
    }
    results = rank_similar(
        [key(name) for name in "abcd"],
        (1.0, 0.999, 0.8, 0.0),
        {key("c"): gif("c"), key("d"): gif("d")},
        key("a"),
        vectors,
    )
    assert [(result.gif.key.id, result.visual) for result in results] == [("c", 0.8), ("d", 0.0)]


@pytest.mark.parametrize(
    ("probability", "count", "fit"),
    [
        (0.7, 100, Fit.STRONG),
        (0.69, 100, Fit.FAIR),
        (0.3, 100, Fit.FAIR),
        (0.29, 100, Fit.WEAK),
        (0.99, FEW - 1, Fit.FAIR),
        (0.1, 2, Fit.WEAK),
    ],
)
def test_fit(probability, count, fit):
    """The thresholds apply; among a few GIFs nothing is called strong."""
    assert fit_of(probability, count, THRESHOLDS) is fit


@given(
    st.integers(0, 60),
    st.integers(1, 10**7),
    st.sampled_from(Fit),
    SIMILARITIES,
    SIMILARITIES,
    st.floats(0, 1),
    st.sampled_from(Origin),
)
def test_reasons_read_well(position, count, fit, visual, text, words, origin):
    """Every reason is at most two sentences, and promises nothing for a weak fit."""
    scored = ScoredCandidate(Signals(key("a"), words=words), 0.0, visual, text)
    why = explain(min(position, count - 1), count, fit, scored, origin)
    assert why.endswith(".")
    assert 1 <= why.count(".") <= 2
    assert not (fit is Fit.WEAK and "stands out" in why)


def test_words_in_a_gif_are_part_of_the_reason():
    """Short ones in full; long ones are cut between words."""
    assert words_in(gif("a")) == ""
    short = replace(gif("a"), text_in_gif="ain't nobody got time")
    assert words_in(short) == "The words “ain't nobody got time” are in the GIF."
    assert len(words_in(replace(gif("a"), text_in_gif="word " * 100))) < 140


def test_words_outweigh_similarity_where_all_are_there():
    """The cubes of the lexical shares count: a GIF that is called what was asked for wins over one that looks like it,
    and half of the words are worth an eighth."""
    weights = FusionWeights(0.5, 1.0, 0.2, 0.3, 0.0, words=4.0, trigrams=6.0)
    titled = Signals(key("titled"), 0.0, 0.0, words=1.0, trigrams=1.0)
    similar = Signals(key("similar"), 3.0, 2.0, words=0.5, trigrams=0.2)
    scored = fuse([similar, titled], weights, UNIT, UNIT)
    assert [one.signals.key.id for one in scored] == ["titled", "similar"]
    assert scored[0].score == pytest.approx(10.0)
    assert scored[1].score == pytest.approx(0.5 * 3 + 2 + 4 / 8 + 6 * 0.008)


@given(SIGNALS)
def test_reactions_count_only_with_a_weight(signals):
    """Without a fitted weight, agreement on a reaction changes nothing."""
    agreeing = [replace(one, reaction=1.0) for one in signals]
    assert [one.score for one in fuse(agreeing, WEIGHTS)] == [one.score for one in fuse(signals, WEIGHTS)]


def test_the_reaction_decides_between_equals():
    """Its weight times the agreement is part of the score."""
    signals = [Signals(key("a"), 0.5, 0.5, reaction=0.25), Signals(key("b"), 0.5, 0.5, reaction=0.75)]
    best, other = fuse(signals, replace(WEIGHTS, reaction=2.0))
    assert names([best, other]) == "ba"
    assert best.score - other.score == pytest.approx(1.0)

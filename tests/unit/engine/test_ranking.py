"""Ranking, by tables of numbers."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.protocols import IndexHits
from engine.ranking import FEW, FitThresholds, explain, judge, rank, standard_score
from engine.types import Fit, Gif, GifKey, Rating, Source

THRESHOLDS = FitThresholds(strong=3.0, fair=2.0)


def key(name):
    return GifKey("catalogue", name)


def gif(name):
    return Gif(key(name), f"Title {name}", f"Alt {name}", Rating.G, f"/v1/media/catalogue/{name}", 10, 20)


def gifs(names):
    return {key(name): gif(name) for name in names}


def test_the_order_of_hits_is_kept_and_cut():
    """Best first, at most the limit, with score, standard score, fit and reason."""
    hits = IndexHits(tuple(map(key, "abc")), (0.5, 0.35, 0.1), mean=0.1, std=0.1, count=100)
    best, second = rank(hits, gifs("abc"), 2, THRESHOLDS)
    assert (best.gif, second.gif) == (gif("a"), gif("b"))
    assert (best.score, second.score) == (0.5, 0.35)
    assert best.z_score == pytest.approx(4.0)
    assert second.z_score == pytest.approx(2.5)
    assert (best.fit, second.fit) == (Fit.STRONG, Fit.FAIR)
    assert best.why == "Of the 100 GIFs here, it fits your words best, and it stands out clearly from the others."
    assert second.why.startswith("It fits your words better than 98 of the 100 GIFs here")


def test_gifs_that_have_gone_leave_no_gap():
    """A hit whose GIF is no longer known is passed over, and the next takes its place."""
    hits = IndexHits(tuple(map(key, "abc")), (0.5, 0.4, 0.3), mean=0.0, std=0.1, count=10)
    assert [result.gif.key.id for result in rank(hits, gifs("bc"), 2, THRESHOLDS)] == ["b", "c"]


def test_where_results_came_from():
    """Only what was embedded for this query is called fetched."""
    hits = IndexHits((key("a"), key("b")), (0.5, 0.4), mean=0.0, std=0.1, count=10)
    found = rank(hits, gifs("ab"), 2, THRESHOLDS, fetched=[key("b")])
    assert [result.source for result in found] == [Source.KNOWN, Source.FETCHED]


def test_no_hits():
    """Nothing found is an empty answer."""
    assert rank(IndexHits((), (), 0.0, 0.0, 0), {}, 5, THRESHOLDS) == ()


@pytest.mark.parametrize(
    ("z_score", "count", "fit"),
    [
        (3.0, 100, Fit.STRONG),
        (2.99, 100, Fit.FAIR),
        (2.0, 100, Fit.FAIR),
        (1.99, 100, Fit.WEAK),
        (-1.0, 100, Fit.WEAK),
        (9.0, FEW - 1, Fit.FAIR),
        (0.5, 2, Fit.FAIR),
        (-0.5, 2, Fit.WEAK),
    ],
)
def test_fit(z_score, count, fit):
    """The thresholds hold where there is enough to compare with; among a few GIFs nothing is called strong."""
    assert judge(z_score, count, THRESHOLDS) is fit


@pytest.mark.parametrize(
    ("score", "mean", "std", "z"), [(0.3, 0.1, 0.1, 2.0), (0.1, 0.1, 0.0, 0.0), (0.0, 0.1, 0.05, -2)]
)
def test_standard_score(score, mean, std, z):
    """Deviations above the mean; equal scores everywhere are no reason to divide by zero."""
    assert standard_score(score, mean, std) == pytest.approx(z)


@given(st.integers(0, 60), st.integers(1, 10**7), st.sampled_from(Fit))
def test_reasons_read_well(place, count, fit):
    """Every reason is one sentence, counts within bounds, and promises nothing for a weak fit."""
    why = explain(min(place, count - 1), count, fit)
    assert why.endswith(".")
    assert why.count(".") == 1
    assert "-" not in why
    assert not (fit is Fit.WEAK and "stands out" in why)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=50))
def test_standard_scores_keep_the_order(scores):
    """Standardising never changes who is better."""
    mean, std = sum(scores) / len(scores), math.sqrt(sum(score**2 for score in scores) / len(scores))
    standard = [standard_score(score, mean, std) for score in sorted(scores)]
    assert standard == sorted(standard)

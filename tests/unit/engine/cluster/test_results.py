"""Answers that other engines gave: back as they were, or as if they were not there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.cluster.results import read_ranking, write_ranking
from deepgif.engine.search.ranking import Ranking, ScoredCandidate, Signals
from deepgif.engine.types import Coverage, Gif, GifKey, Origin, Rating

GIPHY, KLIPY, OWN = GifKey("giphy", "a"), GifKey("klipy", "b"), GifKey("folder", "c")
KEEPING = {"giphy": "Powered by GIPHY"}


def gif(key, attribution=""):
    return Gif(
        key, f"Title of {key.id}", "Alt", Rating.PG, f"https://media.example.org/{key.id}.gif", 3, 4, attribution
    )


RANKING = Ranking(
    scored=(
        ScoredCandidate(Signals(GIPHY, 0.25, None, 0), 1.5, 2.0, None),
        ScoredCandidate(Signals(KLIPY, None, -0.5, None), -0.25, None, 0.125),
        ScoredCandidate(Signals(OWN, 0.1, 0.2, 3), -1.0, 0.5, 0.25),
    ),
    gifs={GIPHY: gif(GIPHY, "Powered by GIPHY"), KLIPY: gif(KLIPY), OWN: gif(OWN)},
    confidence=0.75,
    count=100,
    fetched=frozenset({GIPHY, KLIPY}),
    origin=Origin.RERANKED,
    coverage=Coverage(98, 100),
    notices=("A sentence.",),
)


def test_an_answer_comes_back_with_the_addresses_that_may_be_kept():
    """Everything else of it is the same; of other providers and of local files no address is written."""
    written = write_ranking(RANKING, KEEPING, 2e9)
    assert b"media.example.org/a.gif" in written
    assert b"/b.gif" not in written
    assert b"/c.gif" not in written
    read = read_ranking(written, KEEPING)
    assert read.gifs == {GIPHY: RANKING.gifs[GIPHY]}
    for name in ("scored", "confidence", "count", "fetched", "origin", "coverage", "notices"):
        assert getattr(read, name) == getattr(RANKING, name)


def test_an_approval_that_was_taken_back():
    """Addresses that another engine still wrote are not used."""
    assert read_ranking(write_ranking(RANKING, KEEPING, 2e9), {}).gifs == {}


@given(st.binary(max_size=300) | st.none())
def test_any_bytes_are_no_answer(value):
    """Whatever is there, reading it ends without an error."""
    assert read_ranking(value, KEEPING) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=6,
)


@given(st.sampled_from(sorted(json.loads(write_ranking(RANKING, KEEPING, 2e9)))), anything)
def test_any_field_may_be_wrong(field, value):
    """An answer with one strange field is read with sound values, or not at all."""
    answer = json.loads(write_ranking(RANKING, KEEPING, 2e9)) | {field: value}
    read = read_ranking(json.dumps(answer).encode(), KEEPING)
    if read is not None:
        assert all(isinstance(one.score, float) for one in read.scored)
        assert all(isinstance(notice, str) for notice in read.notices)
        assert set(read.gifs) <= {GIPHY}
        write_ranking(read, KEEPING, 2e9)


@pytest.mark.parametrize("wrong", [float("nan"), "1", None, True])
def test_scores_are_numbers(wrong):
    """Anything else would spoil the order."""
    answer = json.loads(write_ranking(RANKING, KEEPING, 2e9))
    answer["fused"][0][5] = wrong
    assert read_ranking(json.dumps(answer).encode(), KEEPING) is None

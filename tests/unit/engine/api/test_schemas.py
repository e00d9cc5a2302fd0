"""What goes over HTTP, there and back."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepgif.engine.api.schemas import SearchParameters, SearchResponse, read_body, read_parameters
from deepgif.engine.api.schemas import SearchRequest as SearchBody
from deepgif.engine.errors import InvalidRequestError
from deepgif.engine.types import (
    Coverage,
    Fit,
    Gif,
    GifKey,
    Origin,
    Rating,
    ScoredGif,
    SearchAnswer,
    SearchRequest,
    Source,
)

TEXTS = st.text(max_size=30)
GIFS = st.builds(
    Gif,
    key=st.builds(GifKey, TEXTS, TEXTS),
    title=TEXTS,
    alt_text=TEXTS,
    rating=st.sampled_from(Rating),
    url=st.just("https://example.org/a.gif"),
    width=st.integers(1, 5000),
    height=st.integers(1, 5000),
    attribution=TEXTS,
)
SCORES = st.floats(-9, 9).map(lambda value: round(value, 6))
RESULTS = st.builds(
    ScoredGif,
    gif=GIFS,
    score=SCORES,
    visual=st.none() | SCORES,
    text=st.none() | SCORES,
    confidence=st.floats(0, 1).map(lambda value: round(value, 4)),
    fit=st.sampled_from(Fit),
    source=st.sampled_from(Source),
    why=TEXTS,
)
ANSWERS = st.builds(
    SearchAnswer,
    query=TEXTS,
    results=st.lists(RESULTS, max_size=3).map(tuple),
    model=TEXTS,
    coverage=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)).map(lambda pair: Coverage(min(pair), max(pair))),
    elapsed_s=st.integers(0, 10**6).map(lambda microseconds: microseconds / 1e6),
    notices=st.lists(TEXTS, max_size=2).map(tuple),
    origin=st.sampled_from(Origin),
    ranked=st.integers(0, 100),
    attribution=st.lists(TEXTS, max_size=2).map(tuple),
)


def from_json(body, most=Rating.R, deadline_s=2.5):
    return read_body(SearchBody, json.dumps(body).encode()).to_request(most, deadline_s)


def from_query(query, most=Rating.R):
    return read_parameters(SearchParameters, query).to_request(most, 2.5)


def through_json(answer, base_url=""):
    return SearchResponse.model_validate_json(SearchResponse.of(answer, base_url).model_dump_json()).to_answer()


@given(ANSWERS)
def test_an_answer_survives_the_wire(answer):
    """Reading what was written gives the same answer."""
    back = through_json(answer, "https://engine.example")
    assert back.elapsed_s == pytest.approx(answer.elapsed_s, abs=1e-6)
    assert replace(back, elapsed_s=answer.elapsed_s) == answer


@given(
    st.builds(
        SearchRequest,
        query=TEXTS,
        limit=st.integers(1, 50),
        max_rating=st.sampled_from(Rating),
        offset=st.integers(0, 99),
        deadline_s=st.integers(1, 30_000).map(lambda ms: ms / 1000),
        language=st.sampled_from(["", "en", "zh-TW"]),
        country=st.sampled_from(["", "US"]),
    )
)
def test_a_request_survives_the_wire(request):
    """Reading what was written gives the same request."""
    assert from_json(SearchBody.of(request).model_dump(mode="json")) == request


def test_relative_addresses_become_absolute():
    """Media of this engine gets the engine's own address in front; other addresses stay."""
    gif = Gif(GifKey("a", "b"), "", "", Rating.G, "/v1/media/a/b", 1, 1)
    answer = SearchAnswer("x", (ScoredGif(gif, 0, 0, None, 0, Fit.WEAK, Source.INDEXED, ""),), "m", Coverage(1, 1), 0)
    assert through_json(answer, "https://e.example").results[0].gif.url == "https://e.example/v1/media/a/b"


def test_defaults():
    """Only the words are needed; the rating defaults to what the engine allows."""
    assert from_json({"query": "cat"}, Rating.PG) == SearchRequest("cat", 12, Rating.PG)
    assert from_query({"q": "cat", "limit": "3"}, Rating.PG) == SearchRequest("cat", 3, Rating.PG)
    asked = {"q": "cat", "offset": "12", "deadline_ms": "700", "language": "de", "country": "AT"}
    expected = SearchRequest("cat", 12, Rating.PG, offset=12, deadline_s=0.7, language="de", country="AT")
    assert from_query(asked, Rating.PG) == expected
    assert from_json({"query": "cat"}, Rating.PG, 1.5).deadline_s == 1.5


@pytest.mark.parametrize(("asked", "got"), [("g", Rating.G), ("pg", Rating.PG), ("r", Rating.PG)])
def test_the_engine_limits_the_rating(asked, got):
    """Nobody gets more than the engine allows."""
    assert from_json({"query": "cat", "max_rating": asked}, Rating.PG).max_rating is got


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (None, "JSON object"),
        ([], "JSON object"),
        ("cat", "JSON object"),
        ({}, "query"),
        ({"query": 7}, "query"),
        ({"query": None}, "query"),
        ({"query": "cat", "limit": 0}, "limit"),
        ({"query": "cat", "limit": 51}, "limit"),
        ({"query": "cat", "limit": True}, "limit"),
        ({"query": "cat", "limit": 2.5}, "limit"),
        ({"query": "cat", "limit": "3"}, "limit"),
        ({"query": "cat", "max_rating": "x"}, "max_rating.*g, pg, pg-13 or r"),
        ({"query": "cat", "max_rating": ["g"]}, "max_rating.*g, pg, pg-13 or r"),
        ({"query": "cat", "deadline": 1}, "deadline"),
        ({"query": "cat", "offset": -1}, "offset"),
        ({"query": "cat", "offset": 100}, "offset"),
        ({"query": "cat", "deadline_ms": 0}, "deadline_ms"),
        ({"query": "cat", "deadline_ms": 30_001}, "deadline_ms"),
        ({"query": "cat", "language": "English"}, "language"),
        ({"query": "cat", "country": "us"}, "country"),
        ({"query": "cat", "country": 49}, "country"),
    ],
)
def test_bad_bodies(body, named):
    """One sentence names what is wrong."""
    with pytest.raises(InvalidRequestError, match=named):
        from_json(body, Rating.G)


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({}, "“q” is missing"),
        ({"q": "cat", "limit": "many"}, "limit"),
        ({"q": "cat", "limit": "-1"}, "limit"),
        ({"q": "cat", "limit": "٣"}, "limit"),
        ({"q": "cat", "limit": "9" * 5000}, "limit"),
        ({"q": "cat", "colour": "red"}, "colour"),
    ],
)
def test_bad_parameters(query, named):
    """One sentence names what is wrong."""
    with pytest.raises(InvalidRequestError, match=named):
        from_query(query, Rating.G)


@pytest.mark.parametrize("body", [None, [], {}, {"query": "x"}, {"results": [{}]}, "text"])
def test_what_is_no_answer(body):
    """Anything else than an answer is a ValueError, not a surprise later."""
    with pytest.raises(ValueError, match="validation error"):
        SearchResponse.model_validate(body)


def test_scores_must_be_numbers():
    """A score that is not a number would break every comparison."""
    gif = Gif(GifKey("a", "b"), "", "", Rating.G, "https://x.example", 1, 1)
    result = ScoredGif(gif, 0.5, 0, 0, 0, Fit.WEAK, Source.INDEXED, "")
    text = SearchResponse.of(SearchAnswer("x", (result,), "m", Coverage(1, 1), 0)).model_dump_json()
    for number in ("NaN", "1e999", '"high"'):
        with pytest.raises(ValueError, match="score"):
            SearchResponse.model_validate_json(text.replace('"score":0.5', f'"score":{number}'))


def test_newer_answers_can_be_read():
    """Fields that this version does not know are ignored."""
    answer = SearchAnswer("x", (), "m", Coverage(1, 1), 0)
    body = SearchResponse.of(answer).model_dump(mode="json") | {"new": 1}
    assert SearchResponse.model_validate(body).to_answer() == answer

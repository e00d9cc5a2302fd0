"""What every index must do, against a plain computation in numpy, and what is particular to each."""

import os
import threading
import warnings
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from deepgif.engine.index.auto import AutoIndex
from deepgif.engine.index.compact import CompactIndex
from deepgif.engine.index.exact import FIRST_CAPACITY, QUERIES_AT_ONCE, ExactIndex
from deepgif.engine.index.qdrant import QdrantIndex, open_client
from deepgif.engine.options import QdrantOptions
from deepgif.engine.protocols import IndexHits
from deepgif.engine.types import GifKey, Rating
from tests.fakes.qdrant_server import qdrant_server

SERVER = os.environ.get("DEEPGIF_QDRANT_URL", "")


@pytest.fixture(scope="module", params=["exact", "compact", "growing", "qdrant local", "qdrant http", "qdrant server"])
def make(request):
    """Makes an empty index for vectors of a given length. The server is whatever DEEPGIF_QDRANT_URL names."""
    memory = {"exact": ExactIndex, "compact": CompactIndex, "growing": partial(AutoIndex, exact_up_to=20)}
    if request.param in memory:
        yield memory[request.param]
        return
    with ExitStack() as stack:
        options = QdrantOptions(SERVER, os.environ.get("DEEPGIF_QDRANT_API_KEY", ""), quantization="none")
        if request.param == "qdrant local":
            client = QdrantClient(":memory:")
        elif request.param == "qdrant http":
            options = replace(options, url=stack.enter_context(qdrant_server()).url)
            # The local mode behind it is slow where tests share a core.
            with patch("deepgif.engine.index.qdrant.TIMEOUT_S", 60):
                client = open_client(options)
        elif SERVER:
            client = open_client(options)
        else:
            pytest.skip("needs DEEPGIF_QDRANT_URL: the address of a Qdrant server")
        stack.callback(client.close)

        def empty(dimension):
            space = f"test-{dimension}"
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Payload indexes have no effect", UserWarning)
                client.delete_collection(f"deepgif-pictures-{space}")
                return QdrantIndex(client, "pictures", space, dimension, options)

        yield empty


def keys_of(names):
    return [GifKey("p", f"{name:06}") for name in names]


def unit(rng, count, dimension=8):
    """Unit vectors that half precision holds as they are."""
    vectors = rng.normal(size=(count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 70), st.sampled_from(Rating))
def test_like_numpy(make, seed, count, k, max_rating):
    """Keys, scores, mean and spread of the allowed GIFs equal a brute-force computation, after changes of all kinds."""
    rng = np.random.default_rng(seed)
    index = make(8)
    held = {}
    for _ in range(3):
        names = rng.integers(0, 80, count).tolist()
        vectors, ratings = unit(rng, count), [list(Rating)[level] for level in rng.integers(0, 4, count)]
        index.add(keys_of(names), vectors, ratings)
        held.update(zip(keys_of(names), zip(vectors, ratings, strict=True), strict=True))
        gone = keys_of(rng.integers(0, 80, 5).tolist())
        index.remove(gone)
        for key in gone:
            held.pop(key, None)
    assert len(index) == len(held)
    kept = index.vectors([*held, *gone])
    assert set(kept) == set(held)
    assert all(np.array_equal(kept[key], vector) for key, (vector, _) in held.items())
    (query,) = unit(rng, 1)
    (hits,) = index.search(query[None], k, max_rating)
    scores = {key: float(vector @ query) for key, (vector, rating) in held.items() if max_rating.allows(rating)}
    best = sorted(scores, key=lambda key: -scores[key])[:k]
    assert list(hits.keys) == best
    assert hits.scores == pytest.approx([scores[key] for key in best], abs=1e-5)
    assert hits.count == len(scores)
    if scores:
        assert hits.mean == pytest.approx(np.mean(list(scores.values())), abs=1e-5)
        assert hits.std == pytest.approx(np.std(list(scores.values())), abs=1e-5)


def test_equal_scores_are_ordered_by_key(make):
    """The same search gives the same order, whatever order the GIFs came in."""
    index = make(8)
    (vector,) = unit(np.random.default_rng(0), 1)
    index.add(keys_of([3, 1, 2]), np.stack([vector] * 3), [Rating.G] * 3)
    (hits,) = index.search(vector[None], 3, Rating.G)
    assert list(hits.keys) == keys_of([1, 2, 3])


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from(Rating))
def test_equal_scores_at_the_last_place(make, seed, k, max_rating):
    """Among GIFs that share the last place, too, the first keys come, where we choose ourselves; numbers that add up
    exactly, many ties."""
    rng = np.random.default_rng(seed)
    keys = keys_of(rng.permutation(40).tolist())
    vectors = rng.integers(-1, 2, (40, 2)).astype(np.float32)
    ratings = [list(Rating)[level] for level in rng.integers(0, 4, 40)]
    index = make(2)
    index.add(keys, vectors, ratings)
    query = np.array([0.5, 0.25], np.float32)
    (hits,) = index.search(query[None], k, max_rating)
    allowed = [
        (-float(vector @ query), key)
        for key, vector, rating in zip(keys, vectors, ratings, strict=True)
        if max_rating.allows(rating)
    ]
    found = [(-score, key) for score, key in zip(hits.scores, hits.keys, strict=True)]
    assert [score for score, _ in found] == [score for score, _ in sorted(allowed)[:k]]
    assert found == sorted(found)
    assert set(found) <= set(allowed)
    if not isinstance(index, QdrantIndex):
        assert found == sorted(allowed)[:k]


def test_nothing_there(make):
    """An empty index, and one without a GIF that is allowed, find nothing and say so."""
    index, vectors = make(8), unit(np.random.default_rng(0), 2)
    nothing = IndexHits((), (), 0.0, 0.0, 0)
    assert index.search(vectors, 3, Rating.R) == [nothing, nothing]
    index.add(keys_of([1, 2]), vectors, [Rating.R, Rating.PG_13])
    assert index.search(vectors, 3, Rating.PG) == [nothing, nothing]
    index.remove([])
    index.remove(keys_of([1, 1, 2, 3]))
    assert len(index) == 0
    assert index.search(vectors, 3, Rating.R) == [nothing, nothing]


def test_a_new_rating_replaces_the_old(make):
    """A GIF that is rated anew is found under its new rating only."""
    index, vectors = make(8), unit(np.random.default_rng(0), 1)
    for rating, count in ((Rating.G, 1), (Rating.R, 0), (Rating.PG, 0), (Rating.G, 1)):
        index.add(keys_of([1]), vectors, [rating])
        assert len(index) == 1
        assert index.search(vectors, 1, Rating.G)[0].count == count


@pytest.mark.parametrize(
    ("names", "shape", "ratings"), [(1, (1, 7), 1), (2, (1, 8), 2), (1, (2, 8), 1), (1, (1, 8), 2)]
)
def test_what_does_not_fit_is_not_added(make, names, shape, ratings):
    """Vectors of another length or number leave the index as it was."""
    index = make(8)
    with pytest.raises(ValueError, match="do not match"):
        index.add(keys_of(range(names)), np.ones(shape, np.float32), [Rating.G] * ratings)
    assert len(index) == 0
    assert index.vectors(keys_of([0])) == {}


def test_it_grows_and_takes_many_queries(make):
    """More GIFs than it began with, and more queries than it compares at once."""
    rng = np.random.default_rng(0)
    index, vectors = make(8), unit(rng, 3 * FIRST_CAPACITY)
    index.add(keys_of(range(len(vectors))), vectors, [Rating.G] * len(vectors))
    found = index.search(vectors[: QUERIES_AT_ONCE + 9], 1, Rating.G)
    assert [hits.keys[0] for hits in found] == keys_of(range(QUERIES_AT_ONCE + 9))


def test_changes_and_searches_from_several_threads(make, request):
    """Searches while GIFs come and go see whole states only: every score is the one of that key's vector."""
    if request.node.callspec.id == "qdrant local":
        pytest.skip("Qdrant's local mode is for one thread; over HTTP it takes turns")
    rng = np.random.default_rng(0)
    index, vectors = make(8), unit(rng, 600)
    wrong = []

    def change(start):
        for _ in range(30):
            names = range(start, start + 300)
            index.add(keys_of(names), vectors[start : start + 300], [Rating.G] * 300)
            index.remove(keys_of(names[:200]))

    def look():
        for _ in range(100):
            for query, hits in zip(vectors[:3], index.search(vectors[:3], 5, Rating.G), strict=True):
                true = [float(vectors[int(key.id)] @ query) for key in hits.keys]
                if len(hits.keys) != min(5, hits.count) or not np.allclose(hits.scores, true, atol=1e-5):
                    wrong.append((hits, true))

    threads = [threading.Thread(target=change, args=(start,)) for start in (0, 300)]
    threads += [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(index) == 200


def unit_rows(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def crowd(rng, count, dimension=128, part=(0, 1)):
    """Unit vectors with what real ones have: few directions that matter, neighbours, and a large ``part`` that all of
    them share."""
    fixed = np.random.default_rng(7)
    directions, centres = fixed.normal(size=(32, dimension)), fixed.normal(size=(600, 32))
    places = centres[rng.integers(0, len(centres), count)] + 0.5 * rng.normal(size=(count, 32))
    own = unit_rows(places @ directions + rng.normal(size=(count, dimension)))
    shared = unit_rows(fixed.normal(size=(2, dimension)))
    return unit_rows(own + part[1] * shared[part[0]])


def test_signs_find_what_is_nearest():
    """Where only a few are compared number by number, nearly all of the ten nearest are found, each with its score, and
    only among what is allowed: also after half of the GIFs have gone and others have come in their place."""
    rng = np.random.default_rng(0)
    vectors, queries = crowd(rng, 6000), crowd(rng, 200, part=(1, 1.5))  # words lie apart from pictures
    ratings = [list(Rating)[level] for level in rng.choice([0, 0, 0, 2, 3], 6000)]
    index, exact = CompactIndex(128, rescored=200), ExactIndex(128)
    keys = keys_of(range(6000))
    for one in (index, exact):
        one.add(keys[:3000], vectors[:3000], ratings[:3000])
        one.remove(keys[500:2000])
        one.add(keys[1000:], vectors[1000:], ratings[1000:])
    found = 0
    for hits, true in zip(
        index.search(queries, 10, Rating.PG_13), exact.search(queries, 10, Rating.PG_13), strict=True
    ):
        found += len(set(hits.keys) & set(true.keys))
        assert len(hits.keys) == 10
        assert hits.count == true.count
        assert list(hits.scores) == sorted(hits.scores, reverse=True)
        scores = dict(zip(true.keys, true.scores, strict=True))
        shared = [key for key in hits.keys if key in scores]
        assert [hits.scores[hits.keys.index(key)] for key in shared] == pytest.approx(
            [scores[key] for key in shared], abs=5e-4
        )
    assert found > 0.97 * 2000


def test_signs_follow_their_vectors():
    """Every GIF is the nearest to its own vector, however it came: in many parts, with a large part that all share, and
    moved into the place of one that has gone."""
    rng = np.random.default_rng(0)
    index, vectors, keys = CompactIndex(128, rescored=1), crowd(rng, 4000, part=(0, 6.0)), keys_of(range(4000))
    for start in range(0, 4000, 500):
        part = slice(start, start + 500)
        index.add(keys[part], vectors[part], [Rating.G] * 500)
    index.remove(keys[1000:2000])
    kept = [*range(1000), *range(2000, 4000)]
    found = [hits.keys[0] for hits in index.search(vectors[kept], 1, Rating.G)]
    assert found == keys_of(kept)


def test_mean_and_spread_of_what_is_not_looked_at():
    """Mean and spread are those of all allowed GIFs within 1e-4 of the spread plus what half precision rounds away,
    after many changes, though most were never compared."""
    rng = np.random.default_rng(0)
    index, held = CompactIndex(32, rescored=10), {}
    for _ in range(300):
        names = rng.integers(0, 3000, 40).tolist()
        vectors = crowd(rng, 40, 32).astype(np.float16).astype(np.float32)
        ratings = [list(Rating)[level] for level in rng.integers(0, 4, 40)]
        index.add(keys_of(names), vectors, ratings)
        held.update(zip(keys_of(names), zip(vectors, ratings, strict=True), strict=True))
        gone = keys_of(rng.integers(0, 3000, 10).tolist())
        index.remove(gone)
        for key in gone:
            held.pop(key, None)
    queries = crowd(rng, 20, 32)
    for limit in Rating:
        rows = np.stack([vector for vector, rating in held.values() if limit.allows(rating)]).astype(np.float64)
        for query, hits in zip(queries, index.search(queries, 5, limit), strict=True):
            scores = rows @ query
            assert hits.count == len(scores)
            assert hits.mean == pytest.approx(scores.mean(), abs=1e-6)
            assert hits.std == pytest.approx(scores.std(), rel=1e-4)


def test_more_wanted_than_are_compared():
    """As many come as are asked for, though fewer would be compared otherwise."""
    rng = np.random.default_rng(0)
    index, vectors = CompactIndex(8, rescored=5), unit(rng, 50)
    index.add(keys_of(range(50)), vectors, [Rating.G] * 50)
    (hits,) = index.search(vectors[:1], 30, Rating.G)
    assert len(hits.keys) == 30
    assert hits.keys[0] == keys_of([0])[0]
    assert index.search(vectors[:1], 0, Rating.G)[0].keys == ()


def test_half_precision_holds_what_it_can():
    """What comes back is the vector to eleven binary digits."""
    index, vectors = CompactIndex(64), crowd(np.random.default_rng(0), 30, 64)
    index.add(keys_of(range(30)), vectors, [Rating.G] * 30)
    held = index.vectors(keys_of(range(30)))
    assert np.stack([held[key] for key in keys_of(range(30))]) == pytest.approx(vectors, rel=2**-11, abs=1e-7)


def test_it_becomes_compact(caplog):
    """Beyond the limit the same GIFs are found as before, and it stays compact when GIFs go; the log says so once."""
    caplog.set_level("INFO")
    rng = np.random.default_rng(0)
    index, vectors = AutoIndex(8, exact_up_to=100), unit(rng, 101)
    ratings = [list(Rating)[level] for level in rng.integers(0, 4, 101)]
    index.add(keys_of(range(100)), vectors[:100], ratings[:100])
    before = index.search(vectors, 7, Rating.PG)
    assert not caplog.messages
    index.add(keys_of([100]), vectors[100:], [Rating.R])
    after = index.search(vectors, 7, Rating.PG)
    assert [hits.keys for hits in after] == [hits.keys for hits in before]
    assert [hits.mean for hits in after] == pytest.approx([hits.mean for hits in before], abs=1e-6)
    index.remove(keys_of(range(50)))
    index.add(keys_of(range(101)), vectors, ratings)
    assert len(index) == 101
    assert caplog.messages == ["The index has more than 100 GIFs and is compact from now on."]

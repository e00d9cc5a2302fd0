"""Exact search in memory, against a plain computation in numpy."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.index import FIRST_CAPACITY, QUERIES_AT_ONCE, MemoryIndex
from engine.protocols import IndexHits
from engine.types import GifKey, Rating


def keys_of(names):
    return [GifKey("p", f"{name:06}") for name in names]


def unit(rng, count, dimension=8):
    vectors = rng.normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 70), st.sampled_from(Rating))
def test_like_numpy(seed, count, k, max_rating):
    """Keys, scores, mean and spread of the allowed GIFs equal a brute-force computation, after changes of all kinds."""
    rng = np.random.default_rng(seed)
    index = MemoryIndex(8)
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
    assert all(key in index for key in held)
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


def test_equal_scores_are_ordered_by_key():
    """The same search gives the same order, whatever order the GIFs came in."""
    index = MemoryIndex(8)
    (vector,) = unit(np.random.default_rng(0), 1)
    index.add(keys_of([3, 1, 2]), np.stack([vector] * 3), [Rating.G] * 3)
    (hits,) = index.search(vector[None], 3, Rating.G)
    assert list(hits.keys) == keys_of([1, 2, 3])


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from(Rating))
def test_equal_scores_at_the_last_place(seed, k, max_rating):
    """Among GIFs that share the last place, too, the first keys come; numbers that add up exactly, many ties."""
    rng = np.random.default_rng(seed)
    keys = keys_of(rng.permutation(40).tolist())
    vectors = rng.integers(-1, 2, (40, 2)).astype(np.float32)
    ratings = [list(Rating)[level] for level in rng.integers(0, 4, 40)]
    index = MemoryIndex(2)
    index.add(keys, vectors, ratings)
    query = np.array([0.5, 0.25], np.float32)
    (hits,) = index.search(query[None], k, max_rating)
    allowed = [
        (-float(vector @ query), key)
        for key, vector, rating in zip(keys, vectors, ratings, strict=True)
        if max_rating.allows(rating)
    ]
    assert [(-score, key) for score, key in zip(hits.scores, hits.keys, strict=True)] == sorted(allowed)[:k]


def test_nothing_there():
    """An empty index, and one without a GIF that is allowed, find nothing and say so."""
    index, vectors = MemoryIndex(8), unit(np.random.default_rng(0), 2)
    nothing = IndexHits((), (), 0.0, 0.0, 0)
    assert index.search(vectors, 3, Rating.R) == [nothing, nothing]
    index.add(keys_of([1, 2]), vectors, [Rating.R, Rating.PG_13])
    assert index.search(vectors, 3, Rating.PG) == [nothing, nothing]
    index.remove([])
    index.remove(keys_of([1, 1, 2, 3]))
    assert len(index) == 0
    assert index.search(vectors, 3, Rating.R) == [nothing, nothing]


def test_a_new_rating_replaces_the_old():
    """A GIF that is rated anew is found under its new rating only."""
    index, vectors = MemoryIndex(8), unit(np.random.default_rng(0), 1)
    for rating, count in ((Rating.G, 1), (Rating.R, 0), (Rating.PG, 0), (Rating.G, 1)):
        index.add(keys_of([1]), vectors, [rating])
        assert len(index) == 1
        assert index.search(vectors, 1, Rating.G)[0].count == count


@pytest.mark.parametrize(
    ("names", "shape", "ratings"), [(1, (1, 7), 1), (2, (1, 8), 2), (1, (2, 8), 1), (1, (1, 8), 2)]
)
def test_what_does_not_fit_is_not_added(names, shape, ratings):
    """Vectors of another length or number leave the index as it was."""
    index = MemoryIndex(8)
    with pytest.raises(ValueError, match="do not fit"):
        index.add(keys_of(range(names)), np.ones(shape, np.float32), [Rating.G] * ratings)
    assert len(index) == 0
    assert keys_of([0])[0] not in index


def test_it_grows_and_takes_many_queries():
    """More GIFs than it began with, and more queries than it compares at once."""
    rng = np.random.default_rng(0)
    index, vectors = MemoryIndex(8), unit(rng, 3 * FIRST_CAPACITY)
    index.add(keys_of(range(len(vectors))), vectors, [Rating.G] * len(vectors))
    found = index.search(vectors[: QUERIES_AT_ONCE + 9], 1, Rating.G)
    assert [hits.keys[0] for hits in found] == keys_of(range(QUERIES_AT_ONCE + 9))


def test_changes_and_searches_from_several_threads():
    """Searches while GIFs come and go see whole states only: every score is the one of that key's vector."""
    rng = np.random.default_rng(0)
    index, vectors = MemoryIndex(8), unit(rng, 600)
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

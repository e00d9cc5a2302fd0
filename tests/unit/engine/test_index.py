"""Exact search in memory, against a plain computation in numpy."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.index import FIRST_CAPACITY, QUERIES_AT_ONCE, MemoryIndex
from engine.types import GifKey, Rating


def keys_of(names):
    return [GifKey("p", f"{name:06}") for name in names]


def unit(rng, count, dimension=8):
    vectors = rng.normal(size=(count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@settings(deadline=None, max_examples=60)
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


def test_it_grows_and_takes_many_queries():
    """More GIFs than it began with, and more queries than it compares at once."""
    rng = np.random.default_rng(0)
    index, vectors = MemoryIndex(8), unit(rng, 3 * FIRST_CAPACITY)
    index.add(keys_of(range(len(vectors))), vectors, [Rating.G] * len(vectors))
    found = index.search(vectors[: QUERIES_AT_ONCE + 9], 1, Rating.G)
    assert [hits.keys[0] for hits in found] == keys_of(range(QUERIES_AT_ONCE + 9))


def test_changes_and_searches_from_several_threads():
    """Searches while GIFs come and go see whole states only."""
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
            for hits in index.search(vectors[:3], 5, Rating.G):
                true = [float(vectors[int(key.id)] @ vectors[0]) for key in hits.keys]
                if hits.keys and len(hits.keys) != min(5, hits.count):
                    wrong.append(true)

    threads = [threading.Thread(target=change, args=(start,)) for start in (0, 300)] + [threading.Thread(target=look)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(index) == 200

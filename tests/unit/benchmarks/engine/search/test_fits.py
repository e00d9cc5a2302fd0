"""Functions fitted to measurements."""

from __future__ import annotations

import random

import numpy as np
import pytest

from benchmarks.engine.cluster.planning import FIT_ERROR, POINTS
from benchmarks.engine.search.fits import IndexFit, Memory, Point, fit_index, fit_line, qdrant_bytes, remembered


def test_the_fit_is_near_what_was_measured() -> None:
    """Within the stated error of every point, and never less for more GIFs or more queries."""
    fit = fit_index(POINTS)
    assert fit.error(POINTS) <= FIT_ERROR
    assert min(fit.weights) >= 0
    sizes = [fit.ms(size) for size in (1e4, 1e5, 1e6, 1e7, 1e8)]
    assert sizes == sorted(sizes)
    assert fit.ms(1e6, 64) > fit.ms(1e6, 8) > fit.ms(1e6, 1)


def test_a_fit_finds_what_made_the_points() -> None:
    """Points of known weights give those weights, some of them 0."""
    true = IndexFit((0.7, 0.0, 2e-6, 0.1, 1.5e-3, 0.0))
    points = [Point(size, count, true.ms(size, count)) for size in (50_000, 300_000, 2_000_000) for count in (1, 8, 64)]
    found = fit_index(points)
    assert found.weights == pytest.approx(true.weights, rel=1e-4, abs=1e-9)
    assert found.error(points) < 1e-6


def test_a_line_through_batches() -> None:
    """A batch and its items; where the best line would fall below 0, nothing does."""
    assert fit_line([1, 4, 32], [3.0, 6.0, 34.0]) == pytest.approx((2.0, 1.0))
    batch, each = fit_line([1, 2, 4], [1.0, 3.0, 7.0])
    assert batch == 0.0
    assert 1.0 < each < 1.75


def test_the_share_that_was_asked_a_moment_ago() -> None:
    """As in a simulation of the cache, and more for more queries a second."""
    rng, rate, kept_s, different, exponent = random.Random(0), 20.0, 30.0, 500, 0.9
    shares = np.arange(1, different + 1) ** -exponent
    now, hits, ends = 0.0, 0, dict[int, float]()
    asked = rng.choices(range(different), shares, k=40_000)
    for query in asked:
        now += rng.expovariate(rate)
        if ends.get(query, 0.0) > now:
            hits += 1
        else:
            ends[query] = now + kept_s
    assert remembered(rate, kept_s, different, exponent) == pytest.approx(hits / len(asked), abs=0.015)
    assert remembered(1, 600, 10_000, 0.9) < remembered(10, 600, 10_000, 0.9) < remembered(100, 600, 10_000, 0.9) < 1


def test_memory_is_what_was_measured() -> None:
    """The figures for 384 numbers come out as they went in, and those of others follow their numbers."""
    memory = Memory()
    assert memory.redis(100_000, 384, 0.0) == pytest.approx(2409 * 100_000)
    assert memory.redis(100_000, 384, 1.0) == pytest.approx(3209 * 100_000)
    assert memory.redis(1, 1024, 0.0) == 2409 + 2 * 2 * (1024 - 384)
    assert memory.engine(0) == 605 * 2**20
    assert qdrant_bytes(1_000_000, 1024, 4.0) == 2 * 6_144_000_000  # the example of Qdrant's documentation, twice

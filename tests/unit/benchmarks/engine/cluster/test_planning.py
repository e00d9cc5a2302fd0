"""Plans of machines, memory and cost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.engine.cluster.planning import COSTS, POINTS, Assumptions, Plan, load_of, plan, table
from benchmarks.engine.search.fits import fit_index

GIVEN = Assumptions(COSTS, requests=1000)
FIT = fit_index(POINTS)


def made(gifs: int, qps: float, given: Assumptions = GIVEN) -> Plan:
    found = plan(gifs, qps, given, FIT)
    assert found is not None
    return found


def test_more_needs_more() -> None:
    """Engines, Redis and cost never shrink with the rate, nor with the GIFs while engines have their own index."""
    by_rate = [made(1_000_000, qps) for qps in (10, 100, 1000)]
    by_size = [made(gifs, 100) for gifs in (100_000, 1_000_000, 5_000_000)]
    for some in (by_rate, by_size):
        for value in (lambda one: one.engines, lambda one: one.cost, lambda one: one.redis_gib):
            values = [value(one) for one in some]
            assert values == sorted(values), values
    assert by_rate[-1].engines > by_rate[0].engines
    assert all(one.p95_s <= GIVEN.goal_s for one in (*by_rate, *by_size))


def test_the_goal_decides() -> None:
    """A stricter goal takes more engines; an unreachable one is reported."""
    assert made(5_000_000, 100, replace(GIVEN, goal_s=0.6)).engines >= made(5_000_000, 100).engines
    assert plan(1_000_000, 10, replace(GIVEN, goal_s=0.001), FIT) is None
    lines = list(table([1_000_000], [10], replace(GIVEN, goal_s=0.001)))
    assert "not reachable" in lines[-1]


def test_beyond_a_machine_s_memory() -> None:
    """Qdrant holds the index, and an engine needs only its base memory."""
    small = replace(GIVEN, machine_gib=4.0)
    one = made(1_000_000, 10, small)
    assert one.qdrant_nodes >= 1
    assert one.engine_gib == pytest.approx(605 / 1024)
    assert made(1_000_000, 10).qdrant_nodes == 0


def test_a_single_engine_needs_no_redis() -> None:
    """Several share at least three masters, each with a replica."""
    assert made(100_000, 1).redis_nodes == 0
    assert made(1_000_000, 1000).redis_nodes == 6


def test_the_load_of_an_engine() -> None:
    """Cached results grow with the rate; there are no more new GIFs than expire."""
    quiet, busy = (load_of(1_000_000, qps, 1, GIVEN) for qps in (1.0, 10_000.0))
    assert busy.cached > quiet.cached
    assert quiet.cached + quiet.cold == pytest.approx(1 - GIVEN.known)
    assert busy.new * busy.cold * 10_000 == pytest.approx(1_000_000 / (GIVEN.keep_days * 86_400))
    assert quiet.new <= GIVEN.new

"""Machines, memory and cost for more GIFs and more queries."""

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
    """Engines, Redis and cost never shrink with the rate, nor with the GIFs as long as engines hold them themselves."""
    by_rate = [made(1_000_000, qps) for qps in (10, 100, 1000)]
    by_size = [made(gifs, 100) for gifs in (100_000, 1_000_000, 5_000_000)]
    for some in (by_rate, by_size):
        for value in (lambda one: one.engines, lambda one: one.cost, lambda one: one.redis_gib):
            values = [value(one) for one in some]
            assert values == sorted(values), values
    assert by_rate[-1].engines > by_rate[0].engines
    assert all(one.p95_s <= GIVEN.goal_s for one in (*by_rate, *by_size))


def test_the_goal_decides() -> None:
    """A goal that is harder to reach takes more engines; one that no number reaches is said."""
    assert made(5_000_000, 100, replace(GIVEN, goal_s=0.6)).engines >= made(5_000_000, 100).engines
    assert plan(1_000_000, 10, replace(GIVEN, goal_s=0.001), FIT) is None
    lines = list(table([1_000_000], [10], replace(GIVEN, goal_s=0.001)))
    assert "not so" in lines[-1]


def test_beyond_a_machine_s_memory() -> None:
    """The index goes to Qdrant, and an engine needs no more than one without GIFs."""
    small = replace(GIVEN, machine_gib=4.0)
    one = made(1_000_000, 10, small)
    assert one.qdrant_nodes >= 1
    assert one.engine_gib == pytest.approx(605 / 1024)
    assert made(1_000_000, 10).qdrant_nodes == 0


def test_a_single_engine_needs_no_redis() -> None:
    """More than one share three masters, each with a replica, at least."""
    assert made(100_000, 1).redis_nodes == 0
    assert made(1_000_000, 1000).redis_nodes == 6


def test_what_an_engine_is_asked() -> None:
    """Recent answers grow with the rate; nobody finds more new GIFs than are forgotten in the days they are kept."""
    quiet, busy = (load_of(1_000_000, qps, 1, GIVEN) for qps in (1.0, 10_000.0))
    assert busy.cached > quiet.cached
    assert quiet.cached + quiet.cold == pytest.approx(1 - GIVEN.known)
    assert busy.new * busy.cold * 10_000 == pytest.approx(1_000_000 / (GIVEN.keep_days * 86_400))
    assert quiet.new <= GIVEN.new

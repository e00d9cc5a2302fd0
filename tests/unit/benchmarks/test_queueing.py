"""The simulation of an engine against what theory says of simple queues."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.queueing import Costs, Load, core_seconds, simulate

SERVICE_S = 0.01
ONE_BY_ONE = Costs(loop_s=0.0, batch_s=0.0, query_s=SERVICE_S, cores=1, queries_at_once=1)


@pytest.mark.parametrize("use", [0.3, 0.6, 0.8])
def test_one_server_with_exponential_times(use: float) -> None:
    """M/M/1: the time of an answer is exponentially distributed with mean 1 / (service rate - arrival rate)."""
    costs = Costs(loop_s=0.0, batch_s=0.0, query_s=SERVICE_S, spread=1.0, cores=1, queries_at_once=1)
    took = simulate(costs, Load(rate=use / SERVICE_S), 40_000)
    mean_s = SERVICE_S / (1 - use)
    assert float(took.mean()) == pytest.approx(mean_s, rel=0.1)
    assert float(np.percentile(took, 95)) == pytest.approx(mean_s * math.log(20), rel=0.12)


@pytest.mark.parametrize("use", [0.3, 0.6, 0.8])
def test_one_server_with_equal_times(use: float) -> None:
    """M/D/1: the formula of Pollaczek and Khinchine, which docs/operations.md states its rule by."""
    took = simulate(ONE_BY_ONE, Load(rate=use / SERVICE_S), 20_000)
    assert float(took.mean()) == pytest.approx(SERVICE_S * (1 + use / (2 * (1 - use))), rel=0.08)


def test_clients_who_wait() -> None:
    """One alone waits for its own work only; many keep the worker busy, and batches make each query cheaper."""
    costs = Costs(loop_s=0.001, batch_s=0.002, query_s=0.001)
    assert simulate(costs, Load(clients=1), 100) == pytest.approx(np.full(90, 0.004))
    rates = [count / float(simulate(costs, Load(clients=count)).mean()) for count in (1, 8, 64)]
    assert rates == sorted(rates)
    # As many batches as there are answers in a batch: at most one query of the worker's for each.
    assert rates[-1] <= 1 / costs.query_s


def test_more_load_takes_longer() -> None:
    """Answers slow down with the rate, with GIFs to look at, and with what they wait for; recent answers are quick."""
    costs = Costs(loop_s=0.001, batch_s=0.002, query_s=0.001, frame_s=0.02, decode_s=0.003)

    def p95(**changes: float) -> float:
        return float(np.percentile(simulate(costs, Load(**{"rate": 100.0, **changes})), 95))

    assert p95() < p95(rate=300) < p95(rate=500)
    assert p95(cold=0.1, new=0.5) < p95(cold=0.1, new=1.0)
    assert p95(cold=0.2, provider_s=0.3) > 0.2 > p95()
    assert p95(cached=1.0, redis_s=0.0) < p95()


def test_all_work_shares_the_cores() -> None:
    """Beyond what the cores can do, answers take longer and longer; one core less is felt."""
    costs = Costs(loop_s=0.004, batch_s=0.0, query_s=0.004)
    load = Load(rate=200.0)
    assert core_seconds(costs, load) == pytest.approx(0.008)
    one = Costs(loop_s=0.004, batch_s=0.0, query_s=0.004, cores=1)
    quick, slow = (float(simulate(some, load, 3000)[-300:].mean()) for some in (costs, one))
    assert quick < 0.05
    assert slow > 2.0

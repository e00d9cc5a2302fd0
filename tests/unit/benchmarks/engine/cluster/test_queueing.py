"""The simulation of an engine against queueing theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.engine.cluster.queueing import Costs, Load, simulate, use

SERVICE_S = 0.01
ONE_BY_ONE = Costs(loop_s=0.0, batch_s=0.0, query_s=SERVICE_S, cores=1, queries_at_once=1)


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_one_server_with_exponential_times(busy: float) -> None:
    """M/M/1: the latency is exponentially distributed with mean 1 / (service rate - arrival rate)."""
    costs = Costs(loop_s=0.0, batch_s=0.0, query_s=SERVICE_S, spread=1.0, cores=1, queries_at_once=1)
    took = simulate(costs, Load(rate=busy / SERVICE_S), 20_000)
    mean_s = SERVICE_S / (1 - busy)
    assert float(took.mean()) == pytest.approx(mean_s, rel=0.1)
    assert float(np.percentile(took, 95)) == pytest.approx(mean_s * math.log(20), rel=0.15)


@pytest.mark.parametrize("busy", [0.3, 0.6, 0.8])
def test_one_server_with_equal_times(busy: float) -> None:
    """M/D/1: the Pollaczek-Khinchine formula, on which the rule in the operations guide is based."""
    took = simulate(ONE_BY_ONE, Load(rate=busy / SERVICE_S), 10_000)
    assert float(took.mean()) == pytest.approx(SERVICE_S * (1 + busy / (2 * (1 - busy))), rel=0.1)


def test_closed_loop_clients() -> None:
    """A single client waits for its own work only; with many, batches make each query cheaper."""
    costs = Costs(loop_s=0.001, batch_s=0.002, query_s=0.001)
    assert simulate(costs, Load(clients=1), 100) == pytest.approx(np.full(90, 0.004))
    rates = [count / float(simulate(costs, Load(clients=count)).mean()) for count in (1, 8, 64)]
    assert rates[0] == pytest.approx(1 / 0.004)
    assert rates[0] < rates[1] < rates[2]
    assert 0.8 / (costs.loop_s + costs.query_s) < rates[2] < 1 / (costs.loop_s + costs.query_s)


def test_more_load_takes_longer() -> None:
    """Latency grows with the rate, with GIFs to embed and with waits; cached results are fast."""
    costs = Costs(loop_s=0.001, batch_s=0.002, query_s=0.001, frame_s=0.02, decode_s=0.003)

    def p95(**changes: float) -> float:
        return float(np.percentile(simulate(costs, Load(**{"rate": 100.0, **changes})), 95))

    assert p95() < p95(rate=300) < p95(rate=500)
    assert p95(cold=0.1, new=0.5) < p95(cold=0.1, new=1.0)
    assert p95(cold=0.2, provider_s=0.3) > 0.2 > p95()
    assert p95(cached=1.0, redis_s=0.0) < p95()


def test_there_is_one_interpreter() -> None:
    """The event loop and queries share the GIL, so a second core helps only frames."""
    busy = Load(rate=150.0)
    for cores in (1, 2):
        costs = Costs(loop_s=0.004, batch_s=0.0, query_s=0.004, cores=cores)
        assert use(costs, busy) == pytest.approx(1.2)
        assert float(simulate(costs, busy, 3000)[-300:].mean()) > 2.0  # latency keeps growing
    looking = Load(rate=20.0, cold=1.0, new=1.0)
    for cores, overloaded in ((1, True), (2, False)):
        costs = Costs(loop_s=0.001, batch_s=0.0, query_s=0.001, frame_s=0.015, cores=cores)
        assert (use(costs, looking) > 1) == overloaded
        assert (float(simulate(costs, looking, 3000)[-300:].mean()) > 2.0) == overloaded

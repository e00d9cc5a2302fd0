"""From measurements and assumptions to machines, memory and cost (for ``benchmarks.engine.cluster.capacity``)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.engine.cluster.queueing import Costs, Load, simulate, use
from benchmarks.engine.search.fits import DAY_S, GIB, IndexFit, Memory, Point, fit_index, qdrant_bytes, remembered

HOURS = 730  # a month
SHIPPED = 360  # GIFs of the engine whose costs were measured
INDEXES = 2  # images and texts, searched in sequence
# `python -m benchmarks.engine.cluster.capacity index`
POINTS = (
    Point(50_000, 1, 1.26),
    Point(50_000, 8, 9.35),
    Point(50_000, 64, 59.22),
    Point(100_000, 1, 1.40),
    Point(100_000, 8, 10.54),
    Point(100_000, 64, 66.83),
    Point(200_000, 1, 2.23),
    Point(200_000, 8, 13.39),
    Point(200_000, 64, 85.80),
    Point(500_000, 1, 3.63),
    Point(500_000, 8, 23.98),
    Point(500_000, 64, 166.58),
    Point(1_000_000, 1, 6.29),
    Point(1_000_000, 8, 38.66),
    Point(1_000_000, 64, 286.93),
    Point(2_000_000, 1, 12.26),
    Point(2_000_000, 8, 69.29),
    Point(2_000_000, 64, 512.75),
)
FIT_ERROR = 0.16  # the largest relative error
# `python -m benchmarks.engine.cluster.capacity check`, and 185 frames a second on two cores, 3.43 ms to decode a GIF
COSTS = Costs(loop_s=0.00148, batch_s=0.00299, query_s=0.00100, frame_s=2 / 185, decode_s=0.00343, spread=0.09)


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The input of a plan: measured (``costs``, ``memory``, ``embedded``) or assumed."""

    costs: Costs
    memory: Memory = field(default_factory=Memory)
    dimension: int = 1024
    goal_s: float = 1.0
    use: float = 0.7
    known: float = 0.45
    different: int = 1_000_000
    exponent: float = 0.9
    recent_s: float = 600.0
    new: float = 5.0
    keep_days: float = 30.0
    embedded: float = 0.88
    provider_s: float = 0.2
    redis_s: float = 0.0005
    machine_gib: float = 64.0
    redis_node_gib: float = 64.0
    qdrant_node_gib: float = 64.0
    qdrant_node_vcpus: int = 8
    qdrant_s: float = 0.01
    qdrant_node_qps: float = 500.0
    vcpu_hour: float = 0.035
    gib_hour: float = 0.0045
    requests: int = 4000


@dataclass(frozen=True, slots=True)
class Plan:
    """The machines for a number of GIFs and a rate. Memory is in GiB; ``cost`` is per month."""

    gifs: int
    qps: float
    engines: int
    engine_gib: float
    p95_s: float
    cached: float
    redis_nodes: int
    redis_gib: float
    qdrant_nodes: int
    cost: float


def load_of(gifs: int, qps: float, engines: int, given: Assumptions) -> Load:
    """The load of each of ``engines`` behind a load balancer."""
    asking = 1 - given.known
    cached = asking * remembered(asking * qps, given.recent_s, given.different, given.exponent)
    cold = asking - cached
    # GIFs expire and are found again: there are no more new GIFs than that.
    found_again = gifs / (given.keep_days * DAY_S) / (qps * cold)
    return Load(
        rate=qps / engines,
        cached=cached,
        cold=cold,
        new=min(given.new, found_again),
        frames=round(1 + 4 * given.embedded),
        redis_s=given.redis_s,
        provider_s=given.provider_s,
    )


def costs_of(gifs: int, fit: IndexFit, given: Assumptions, remote: bool) -> Costs:
    """The costs of an engine with ``gifs`` GIFs; ``remote`` uses Qdrant instead of its own index."""
    measured = given.costs
    more = {
        count: 0.0 if remote else INDEXES * max(0.0, fit.ms(gifs, count) - fit.ms(SHIPPED, count)) / 1000
        for count in (0, 1)
    }
    return replace(
        measured,
        batch_s=measured.batch_s + more[0],
        query_s=measured.query_s + max(0.0, more[1] - more[0]),
        remote_s=INDEXES * given.qdrant_s if remote else 0.0,
    )


def p95_s(costs: Costs, load: Load, given: Assumptions) -> float:
    """The p95 latency in seconds; infinite if the utilisation exceeds ``use``."""
    if use(costs, load) > given.use:
        return math.inf
    return float(np.percentile(simulate(costs, load, given.requests), 95))


def fewest(gifs: int, qps: float, costs: Costs, given: Assumptions) -> tuple[int, float] | None:
    """The smallest number of engines that reach the goal, and their p95; None if more engines do not help."""

    def reached(count: int) -> float | None:
        found = p95_s(costs, load_of(gifs, qps, count, given), given)
        return found if found <= given.goal_s else None

    most = 1
    while reached(most) is None:
        if most > 16 * qps:  # each engine is almost idle
            return None
        most *= 2
    least = most // 2  # too few
    while most - least > 1:
        between = (least + most) // 2
        least, most = (between, most) if reached(between) is None else (least, between)
    last = reached(most)
    assert last is not None
    return most, last


def plan(gifs: int, qps: float, given: Assumptions, fit: IndexFit) -> Plan | None:
    """The plan; None if the goal cannot be reached."""
    remote = given.memory.engine(gifs) > given.machine_gib * GIB
    found = fewest(gifs, qps, costs_of(gifs, fit, given, remote), given)
    if found is None:
        return None
    engines, p95 = found
    load = load_of(gifs, qps, engines, given)
    engine_gib = (given.memory.engine_base if remote else given.memory.engine(gifs)) / GIB
    redis_gib = given.memory.redis(gifs, given.dimension, given.embedded) / GIB if engines > 1 else 0.0
    masters = max(3, math.ceil(redis_gib / given.redis_node_gib)) if engines > 1 else 0
    qdrant_gib = qdrant_bytes(gifs, given.dimension) / GIB if remote else 0.0
    searches = INDEXES * qps * (1 - load.cached)
    shards, copies = math.ceil(qdrant_gib / given.qdrant_node_gib), math.ceil(searches / given.qdrant_node_qps)
    qdrant = shards * copies  # each search uses all shards, so only replicas add capacity
    vcpus = engines * given.costs.cores + 2 * masters * 2 + qdrant * given.qdrant_node_vcpus
    gib = engines * engine_gib + 2 * redis_gib + qdrant * given.qdrant_node_gib
    cost = HOURS * (vcpus * given.vcpu_hour + gib * given.gib_hour)
    return Plan(gifs, qps, engines, engine_gib, p95, load.cached, 2 * masters, 2 * redis_gib, qdrant, cost)


def table(gifs: Iterable[int], rates: Iterable[float], given: Assumptions) -> Iterator[str]:
    """Lines of Markdown."""
    fit, rates = fit_index(POINTS), list(rates)
    yield (
        "| GIFs | queries per second | engines | GiB each | p95 | cached results | Redis nodes | total GiB | "
        "Qdrant nodes | monthly cost |"
    )
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for size in gifs:
        for qps in rates:
            one = plan(size, qps, given, fit)
            if one is None:
                yield f"| {size:,} | {qps:,.0f} | not reachable | | | | | | | |"
                continue
            shared = f"{one.redis_nodes} | {one.redis_gib:,.0f}" if one.redis_nodes else "none | "
            yield (
                f"| {size:,} | {qps:,.0f} | {one.engines:,} | {one.engine_gib:.1f} | {1000 * one.p95_s:.0f} ms | "
                f"{100 * one.cached:.0f} % | {shared} | {one.qdrant_nodes or 'none'} | {one.cost:,.0f} |"
            )

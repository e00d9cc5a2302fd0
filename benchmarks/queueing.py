"""One engine as queues: a discrete-event simulation (simpy) of its event loop, its two workers and its cores.

Requests come at random moments (a Poisson process), or from clients who each wait for their answer. A worker takes
whatever has queued up, as ``engine.batcher`` does. All work needs a core, for ``TURN_S`` at a time and in turns, much
as a scheduler shares them; waiting for others (Redis, the provider, downloads) needs none.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import simpy

Steps = Generator[simpy.Event, Any, None]
TURN_S = 0.005
QUERIES_AT_ONCE, FRAMES_AT_ONCE = 64, 64
WARM_UP = 0.1  # of the requests, which are not counted


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of one core. ``batch_s`` and ``query_s``: a batch of queries, and each in it, encoded and searched;
    ``loop_s``: the event loop for a request; ``frame_s``, ``decode_s``: a frame and a GIF that is looked at.
    ``remote_s`` is waited for in each batch, where the index is on another machine. ``spread`` is the standard
    deviation of all these times as a share of their mean; they are gamma distributed (0: always the same, 1:
    exponentially)."""

    loop_s: float
    batch_s: float
    query_s: float
    frame_s: float = 0.0
    decode_s: float = 0.0
    remote_s: float = 0.0
    spread: float = 0.0
    cores: int = 2
    queries_at_once: int = QUERIES_AT_ONCE


@dataclass(frozen=True, slots=True)
class Load:
    """What one engine is asked: ``rate`` requests a second, or by ``clients`` who wait for their answers. The share
    ``cached`` is answered from the recent answers, which takes ``redis_s``; the share ``cold`` asks the provider, which
    takes ``provider_s`` on average (exponentially distributed), and looks at ``new`` GIFs on average, of ``frames``
    frames each. ``client_s`` is what a program that asks needs itself of a core of this machine, for each request."""

    rate: float = 0.0
    clients: int = 0
    cached: float = 0.0
    cold: float = 0.0
    new: float = 0.0
    frames: int = 4
    redis_s: float = 0.0
    provider_s: float = 0.0
    client_s: float = 0.0


class _Worker:
    """Batches of what waits, one at a time; ``seconds`` of a core for so many items, divided among ``width`` cores, and
    then ``wait_s`` without one."""

    def __init__(
        self, machine: _Machine, most: int, seconds: Callable[[int], float], width: int, wait_s: float = 0.0
    ) -> None:
        self._machine = machine
        self._most = most
        self._seconds = seconds
        self._width = width
        self._wait_s = wait_s
        self._waiting: list[tuple[int, simpy.Event]] = []
        self._arrived = machine.env.event()
        machine.env.process(self._run())

    def submit(self, items: int) -> simpy.Event:
        done = self._machine.env.event()
        self._waiting.append((items, done))
        if not self._arrived.triggered:
            self._arrived.succeed()
        return done

    def _run(self) -> Steps:
        env = self._machine.env
        while True:
            if not self._waiting:
                self._arrived = env.event()
                yield self._arrived
            batch, size = [], 0
            while self._waiting and (not batch or size + self._waiting[0][0] <= self._most):
                batch.append(self._waiting.pop(0))
                size += batch[-1][0]
            part = self._machine.about(self._seconds(size)) / self._width
            yield env.all_of([env.process(self._machine.work(part)) for _ in range(self._width)])
            yield env.timeout(self._wait_s)
            for _, done in batch:
                done.succeed()


class _Machine:
    def __init__(self, costs: Costs, load: Load, rng: random.Random) -> None:
        self.env = simpy.Environment()
        self.costs, self.load, self.rng = costs, load, rng
        self.cores = simpy.Resource(self.env, costs.cores)
        self.loop = simpy.Resource(self.env, 1)
        self.client_loop = simpy.Resource(self.env, 1)
        self.queries = _Worker(
            self,
            costs.queries_at_once,
            lambda count: costs.batch_s + count * costs.query_s,
            1,
            costs.remote_s,
        )
        self.clips = _Worker(self, FRAMES_AT_ONCE, lambda count: count * costs.frame_s, costs.cores)
        self.took: list[tuple[float, float]] = []  # when requests came, and how long they took

    def about(self, seconds: float) -> float:
        """Some time with the mean ``seconds``."""
        shape = self.costs.spread**-2 if self.costs.spread else 0.0
        return self.rng.gammavariate(shape, seconds / shape) if shape and seconds else seconds

    def work(self, seconds: float) -> Steps:
        while seconds > 0:
            with self.cores.request() as turn:
                yield turn
                step = min(seconds, TURN_S)
                yield self.env.timeout(step)
            seconds -= step

    def request(self) -> Steps:
        came = self.env.now
        for loop, seconds in ((self.client_loop, self.load.client_s), (self.loop, self.costs.loop_s)):
            with loop.request() as turn:
                yield turn
                yield from self.work(self.about(seconds))
        kind = self.rng.random()
        if kind < self.load.cached:
            yield self.env.timeout(self.load.redis_s)
        else:
            yield self.queries.submit(1)
            if kind < self.load.cached + self.load.cold:
                yield self.env.timeout(self.rng.expovariate(1 / self.load.provider_s) if self.load.provider_s else 0.0)
                looks = [self.env.process(self.look()) for _ in range(self._new())]
                yield self.env.all_of(looks)
        self.took.append((came, self.env.now - came))

    def look(self) -> Steps:
        yield from self.work(self.about(self.costs.decode_s))
        yield self.clips.submit(self.load.frames)

    def _new(self) -> int:
        """A whole number with the mean ``new``."""
        whole = int(self.load.new)
        return whole + (self.rng.random() < self.load.new - whole)

    def open_arrivals(self, requests: int) -> Steps:
        for _ in range(requests):
            yield self.env.timeout(self.rng.expovariate(self.load.rate))
            self.env.process(self.request())

    def client(self, requests: int) -> Steps:
        for _ in range(requests):
            yield self.env.process(self.request())


def simulate(costs: Costs, load: Load, requests: int = 4000, seed: int = 0) -> np.ndarray:
    """The seconds (R,) that requests took, in the order in which they came, without the first of them; and all of them
    are waited for."""
    machine = _Machine(costs, load, random.Random(seed))
    if load.clients:
        ends = [machine.env.process(machine.client(-(-requests // load.clients))) for _ in range(load.clients)]
        machine.env.run(machine.env.all_of(ends))
    else:
        machine.env.process(machine.open_arrivals(requests))
        machine.env.run()  # until nobody waits; the workers alone do not keep it going
    took = [seconds for _, seconds in sorted(machine.took)]
    return np.array(took[int(WARM_UP * len(took)) :])


def core_seconds(costs: Costs, load: Load) -> float:
    """What one request needs of a core on average, where batches are full."""
    found = costs.query_s + costs.batch_s / costs.queries_at_once
    looked = load.cold * load.new * (costs.decode_s + load.frames * costs.frame_s)
    return costs.loop_s + (1 - load.cached) * found + looked

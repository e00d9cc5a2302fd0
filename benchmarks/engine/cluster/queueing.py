"""One engine as queues: a discrete-event simulation (simpy) of its event loop, its two workers and its cores.

Requests come at random moments (a Poisson process), or from clients who each wait for their answer. A worker takes
whatever has queued up, as ``deepgif.engine.ingest.batcher`` does. All work needs a core, for ``TURN_S`` at a time and
in turns, much as a scheduler shares them. The event loop and the batches of queries need Python's interpreter too, of
which there is one, and which changes hands as often (``sys.getswitchinterval``): the loop keeps it while there is
something to do. Frames and decoders do without. Waiting for others (Redis, the provider, downloads) needs neither.
"""

from __future__ import annotations

import random
from collections import deque
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
    """Batches of what waits, one at a time; ``work`` does so many items."""

    def __init__(self, env: simpy.Environment, most: int, work: Callable[[int], Steps]) -> None:
        self._env = env
        self._most = most
        self._work = work
        self._waiting: deque[tuple[int, simpy.Event]] = deque()
        self._arrived = env.event()
        env.process(self._run())

    def submit(self, items: int) -> simpy.Event:
        done = self._env.event()
        self._waiting.append((items, done))
        if not self._arrived.triggered:
            self._arrived.succeed()
        return done

    def _run(self) -> Steps:
        while True:
            if not self._waiting:
                self._arrived = self._env.event()
                yield self._arrived
            batch, size = [], 0
            while self._waiting and (not batch or size + self._waiting[0][0] <= self._most):
                batch.append(self._waiting.popleft())
                size += batch[-1][0]
            yield from self._work(size)
            for _, done in batch:
                done.succeed()


class _Loop:
    """The event loop: one callback after the other, for ``TURN_S`` before others may have the interpreter."""

    def __init__(self, machine: _Machine) -> None:
        self._machine = machine
        self._waiting: deque[tuple[float, simpy.Event]] = deque()
        self._arrived = machine.env.event()
        machine.env.process(self._run())

    def submit(self, seconds: float) -> simpy.Event:
        done = self._machine.env.event()
        self._waiting.append((seconds, done))
        if not self._arrived.triggered:
            self._arrived.succeed()
        return done

    def _run(self) -> Steps:
        env = self._machine.env
        while True:
            if not self._waiting:
                self._arrived = env.event()
                yield self._arrived
            with self._machine.interpreter.request() as turn:
                yield turn
                ends = env.now + TURN_S
                while self._waiting and env.now < ends:
                    seconds, done = self._waiting.popleft()
                    yield from self._machine.work(self._machine.about(seconds))
                    done.succeed()


class _Machine:
    def __init__(self, costs: Costs, load: Load, rng: random.Random) -> None:
        self.env = simpy.Environment()
        self.costs, self.load, self.rng = costs, load, rng
        self.cores = simpy.Resource(self.env, costs.cores)
        self.interpreter = simpy.Resource(self.env, 1)
        self.client_loop = simpy.Resource(self.env, 1)
        self.queries = _Worker(self.env, costs.queries_at_once, self._find)
        self.clips = _Worker(self.env, FRAMES_AT_ONCE, self._encode)
        self.loop = _Loop(self)
        self.took: list[tuple[float, float]] = []  # when requests came, and how long they took

    def about(self, seconds: float) -> float:
        """Some time with the mean ``seconds``."""
        shape = self.costs.spread**-2 if self.costs.spread else 0.0
        return self.rng.gammavariate(shape, seconds / shape) if shape and seconds else seconds

    def work(self, seconds: float) -> Steps:
        """On a core, in turns."""
        while seconds > 0:
            with self.cores.request() as turn:
                yield turn
                step = min(seconds, TURN_S)
                yield self.env.timeout(step)
            seconds -= step

    def interpret(self, seconds: float) -> Steps:
        """On a core and with the interpreter, in turns."""
        while seconds > 0:
            step = min(seconds, TURN_S)
            with self.interpreter.request() as turn:
                yield turn
                yield from self.work(step)
            seconds -= step

    def _find(self, count: int) -> Steps:
        yield from self.interpret(self.about(self.costs.batch_s + count * self.costs.query_s))
        yield self.env.timeout(self.costs.remote_s)

    def _encode(self, frames: int) -> Steps:
        part = self.about(frames * self.costs.frame_s) / self.costs.cores
        yield self.env.all_of([self.env.process(self.work(part)) for _ in range(self.costs.cores)])

    def request(self) -> Steps:
        came = self.env.now
        with self.client_loop.request() as turn:
            yield turn
            yield from self.work(self.about(self.load.client_s))
        yield from self._loop_part()
        kind = self.rng.random()
        if kind < self.load.cached:
            yield self.env.timeout(self.load.redis_s)
        else:
            yield self.queries.submit(1)
            if kind < self.load.cached + self.load.cold:
                yield self.env.timeout(self.rng.expovariate(1 / self.load.provider_s) if self.load.provider_s else 0.0)
                looks = [self.env.process(self.look()) for _ in range(self._new())]
                yield self.env.all_of(looks)
        yield from self._loop_part()
        self.took.append((came, self.env.now - came))

    def _loop_part(self) -> Steps:
        """What the event loop does before the rest, and likewise after it."""
        if self.costs.loop_s:
            yield self.loop.submit(self.costs.loop_s / 2)

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


def use(costs: Costs, load: Load) -> float:
    """The share of the time in which the busiest of interpreter and cores works, at least: where batches are full."""
    found = costs.loop_s + (1 - load.cached) * (costs.query_s + costs.batch_s / costs.queries_at_once)
    looked = load.cold * load.new * (costs.decode_s + load.frames * costs.frame_s)
    return load.rate * max(found, (found + looked) / costs.cores)
